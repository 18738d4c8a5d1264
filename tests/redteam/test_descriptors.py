"""What a command inherits: 0, 1, 2 and its leases, nothing else. And what a lease is worth outside of its command."""
import os
import socket
import subprocess
import sys

import pytest

import procs


def list_both():
    return attack.inherited(), attack.inherited_by_grandchild()


def two_leases(credfd):
    return [credfd.credential("one", env=None), credfd.credential("two", env=None)]


def test_child_and_grandchild_hold_the_leases_and_nothing_else(credfd, user):
    child, grandchild = credfd.inside(list_both, credentials=two_leases(credfd), user=user)
    assert set(child) == {"0", "1", "2", "3", "4"}, child
    assert set(grandchild) == set(child), grandchild
    assert all(child[number].startswith("socket:") for number in ("3", "4"))


@pytest.mark.defence("close_range")
def test_what_credfd_itself_inherited_goes_no_further(credfd, user):
    """Descriptors that credfd's own parent left open, low and high: not in the command."""
    opened = [os.open("/dev/zero", os.O_RDONLY) for _ in range(8)]
    opened.append(os.dup2(opened[0], 200))
    try:
        child, grandchild = credfd.inside(list_both, credentials=two_leases(credfd), user=user, pass_fds=opened)
    finally:
        for fd in opened:
            os.close(fd)
    assert set(child) == {"0", "1", "2", "3", "4"}, child
    assert set(grandchild) == set(child), grandchild


@pytest.mark.defence("close_range")
def test_nor_does_it_go_into_a_role(credfd, sees_into_processes):
    marked = os.open("/dev/full", os.O_RDWR)
    try:
        run = credfd.start(["sleep", "60"], pass_fds=[marked])
        for role in ("keeper", "relay"):
            assert "/dev/full" not in procs.descriptors(run.role(role)).values(), role
        run.kill(15)
        run.wait()
    finally:
        os.close(marked)


def test_the_roles_hold_no_end_of_anothers_channel(credfd, user):
    """The command's own end is held by the command alone: or its end could never be noticed."""
    def close_it():
        say("open")
        hear()
        os.close(3)
        channel_of_nobody = attack.our_roles()
        say("closed")
        hear()
        return sorted(channel_of_nobody)

    run = credfd.start_inside(close_it, user=user)
    run.expect("open")
    if procs.has_capability(procs.CAP_SYS_PTRACE):
        end = os.readlink(f"/proc/{run.command()}/fd/3")
        holders = [procs.comm(pid) for pid in procs.descendants(run.pid) + [run.pid]
                   if end in procs.descriptors(pid).values()]
        assert holders == [procs.comm(run.command())]
    run.say("close it")
    run.expect("closed")
    run.say("end")
    assert "credfd-keeper" in run.result()


KEEPER_OF_THE_CHANNEL = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
import lease
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
os.chmod(sys.argv[2], 0o777)
listener.listen()
print("listening", flush=True)
connection, _ = listener.accept()
_, fds, _, _ = socket.recv_fds(connection, 1, 2)
channel, stream = lease.Channel(fds[0]), lease.Stream(socket.socket(fileno=fds[1]))
print("alive", stream.get("/alive").status, flush=True)
sys.stdin.readline()
try:
    sys.exit(f"answered {stream.get('/late').status}")
except (lease.Truncated, OSError):
    print("cut")
try:
    channel.dial()
    print("served")
except (lease.ChannelClosed, lease.Refused):
    print("dead")
"""


def hand_over(path):
    stream = lease.connect()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [b"x"], [3, stream.socket.fileno()])
        hear()


@pytest.mark.defence("end")
def test_a_lease_taken_out_of_its_command_dies_with_it(credfd, user):
    """Another process is handed the channel and a stream. When the command ends, both are worth nothing."""
    path = credfd.session.new_folder() / "socket"
    taker = subprocess.Popen([sys.executable, "-S", "-c", KEEPER_OF_THE_CHANNEL, credfd.session.stage, path],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert taker.stdout.readline() == b"listening\n"
        run = credfd.start_inside(hand_over, str(path), user=user)
        assert taker.stdout.readline() == b"alive 200\n"
        run.say("end")
        run.result()
        assert taker.communicate(b"try now\n")[0] == b"cut\ndead\n"
    finally:
        taker.kill()
        taker.communicate()
    assert [seen.path for seen in credfd.upstream.requests] == ["/alive"]


STRANGER = """
import socket, sys
sys.path.insert(0, sys.argv[1])
import lease
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
listener.listen()
print("listening", flush=True)
connection, _ = listener.accept()
_, fds, _, _ = socket.recv_fds(connection, 1, 2)
print(lease.Stream(lease.Channel(fds[0]).dial()).get("/by-stranger").status, flush=True)
"""


@pytest.mark.defence("asker")
def test_whoever_uses_it_outside_of_its_command_is_named(credfd):
    """By the kernel's word for who asked, and not for whom it was opened."""
    path = credfd.session.new_folder() / "socket"
    stranger = subprocess.Popen([sys.executable, "-S", "-c", STRANGER, credfd.session.stage, path], stdout=subprocess.PIPE)
    try:
        assert stranger.stdout.readline() == b"listening\n"
        run = credfd.start_inside(hand_over, str(path))
        assert stranger.stdout.readline() == b"200\n"
        run.say("end")
        run.result()
        [line] = run.audit(1)
        assert (line["path"], line["pid"]) == ("/by-stranger", stranger.pid)
        assert line["executable"] == os.path.realpath(sys.executable)
    finally:
        stranger.kill()
        stranger.communicate()
