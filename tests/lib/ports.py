"""Ports for servers that are told theirs beforehand.

The kernel gives the ports of one range to whoever asks for any: one of those that nobody holds for a moment may be
another process's in the next. So these come from below that range, where nobody is given anything unasked.
"""
import random
import socket
from pathlib import Path

LOWEST = 10000  # below it are the ports that services are known by


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def _is_free(port):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))[:1 + has_ipv6()]:
        with socket.socket(family) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def _all():
    """In order, from a random place on: two processes that count at once are most likely far apart."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(LOWEST, first) or range(LOWEST, 65536)  # where nothing lies below, chance must do
    start = random.randrange(len(ports))
    yield from ports[start:]
    yield from ports[:start]


_free = filter(_is_free, _all())


def free_port():
    """A port that is free on both loopback addresses. A process is never given one twice."""
    return next(_free)
