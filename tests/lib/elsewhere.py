"""Addresses of the public network: one that is this machine's for a while, and one of a machine elsewhere, which is
another network behind a cable. Nobody has them: 3ffe::/16 was given back in 2006 (RFC 3701). As root."""
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess

from procs import wait_until

CLONE_NEWNET = 0x40000000
NEAR = "fd53:9ad1::1"  # this machine's end of the cable


class Impossible(Exception):
    """Why there is no such address here."""


def _ip(*arguments, inside=()):
    done = subprocess.run([*inside, "ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Impossible(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _public():
    return f"3ffe:{random.randrange(65536):x}::{random.randrange(1, 65536):x}"


def _is_ours(address):
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def own_address():
    """A public one of this machine's."""
    address = _public()
    _ip("address", "add", f"{address}/128", "dev", "lo", "nodad")
    try:
        wait_until(lambda: _is_ours(address), f"the address {address}")
        yield address
    finally:
        _ip("address", "del", f"{address}/128", "dev", "lo")


@contextlib.contextmanager
def own_second_address():
    """A public one of this machine's, of IPv4, with another before it in its network: what connects to it comes from
    that other one."""
    network = f"11.{random.randrange(256)}.{random.randrange(256)}"
    both = [f"{network}.1/24", f"{network}.2/24"]
    try:
        for address in both:
            _ip("address", "add", address, "dev", "lo")
        yield f"{network}.2"
    finally:
        for address in reversed(both):
            subprocess.run(["ip", "address", "del", address, "dev", "lo"], capture_output=True)


class Machine:
    """It has one address. What opens its sockets `inside` is there."""

    def __init__(self, address, pid):
        self.address, self._pid = address, pid

    @contextlib.contextmanager
    def inside(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as here, open(f"/proc/{self._pid}/ns/net") as there:
            assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(here.fileno(), CLONE_NEWNET) == 0


@contextlib.contextmanager
def machine():
    """One elsewhere, until the end."""
    address, cable = _public(), f"t{random.randrange(1 << 32):x}"
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    inside = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    try:
        wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "its network")
        _ip("link", "add", cable, "type", "veth", "peer", "name", "cable", "netns", str(holder.pid))
        _ip("link", "set", "cable", "addrgenmode", "none", "up", inside=inside)
        _ip("link", "set", cable, "addrgenmode", "none", "up")
        _ip("address", "add", f"{address}/128", "dev", "cable", "nodad", inside=inside)
        _ip("address", "add", f"{NEAR}/128", "dev", cable, "nodad")
        _ip("-6", "route", "add", f"{NEAR}/128", "dev", "cable", inside=inside)
        _ip("-6", "route", "add", f"{address}/128", "dev", cable, "src", NEAR)
        yield Machine(address, holder.pid)
    finally:
        subprocess.run(["ip", "link", "del", cable], capture_output=True)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
