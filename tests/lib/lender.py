"""A supervisor that lends keys to whoever asks for them: tests/soak/lender.c, and what a test says to it."""
import os
import resource
import socket
import subprocess

import lease
import procs

PART = 1 << 17


class Loan:
    """One lease, from the workload's side: its channel is open until close."""

    def __init__(self, number, fd, environment):
        self.number, self.environment = number, environment
        self.channel = lease.Channel(fd)
        os.close(fd)

    def stream(self):
        return lease.Stream(self.channel.dial())

    def get(self, path="/"):
        with self.stream() as stream:
            return stream.get(path)

    def close(self):
        self.channel.close()


class Lender:
    """The running supervisor: a context."""

    def __init__(self, program, audit=None, stderr=None, limits=()):
        """`limits`: pairs of a resource's number and how much of it there is to be, hard and soft."""
        def prepare():
            procs.die_with_parent()
            for which, most in limits:
                resource.setrlimit(which, (most, most))

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket, self.loans, self.news = ours, {}, set()
        self.socket.settimeout(procs.PATIENCE)
        self.process = subprocess.Popen([program, *([str(audit)] if audit else [])], stdin=theirs, stderr=stderr,
                                        preexec_fn=prepare)
        theirs.close()
        self.wait_news("started")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for loan in self.loans.values():
            loan.close()
        self.socket.send(b"stop")
        assert self.process.wait(procs.PATIENCE) == 0
        self.socket.close()

    def ask(self, number, upstream, key, ca_file="-", name="task"):
        """Asks for a loan; `take` gives it once it is ready."""
        self.socket.send(f"lend {number} {name} {upstream} {ca_file} {key}".encode())

    def take(self, number):
        while number not in self.loans:
            said = self._hear()
            assert not said.startswith(f"failed {number} "), said
        return self.loans[number]

    def lend(self, number, upstream, key, ca_file="-", name="task"):
        self.ask(number, upstream, key, ca_file, name)
        return self.take(number)

    def end(self, number):
        self.loans.pop(number).close()
        self.socket.send(f"end {number}".encode())

    def wait_news(self, wanted):
        while wanted not in self.news:
            self._hear()

    def _hear(self):
        data, fds, _, _ = socket.recv_fds(self.socket, PART, 1)
        assert data, "the lender has ended"
        head, _, environment = data.partition(b"\0")
        words = head.decode().split()
        if words[0] == "ready":
            pairs = (entry.split("=", 1) for entry in environment.decode().rstrip("\0").split("\0"))
            self.loans[int(words[1])] = Loan(int(words[1]), fds[0], dict(pairs))
        self.news.add(" ".join(words))
        return head.decode()

    @property
    def pid(self):
        return self.process.pid

    def roles(self, name):
        """The pids of its children with that name."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            pids = [int(pid) for pid in file.read().split()]
        return [pid for pid in pids if procs.comm(pid) == name]

    def keeper(self):
        """The keeper's pid, once there is one, that has hardened itself."""
        return procs.wait_until(lambda: (self.roles("credfd-keeper") or [None])[0], "a keeper")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_kib(pid):
    return int(procs.status(pid)["VmRSS"].split()[0])


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
