"""A credfd that serves until it is told to end (`credfd dispatch`, `credfd runner`), as a service manager has it: started
with a generated configuration, heard by sd_notify(3), signalled, and waited for."""
import os
import signal
import socket
import struct
import subprocess
import time

import procs
import settings
from procs import wait_until

START_PATIENCE = 60.0


class Service:
    roles_of = {}  # what tests call a role -> its program

    def __init__(self, session, command, env=None):
        self.session, self.folder, self.env, self.command = session, session.new_folder(), env or {}, command
        self.config, self.process = self.folder / "credfd.yaml", None
        self.arguments = ["-c", self.config]
        self._notified, self.unheard = [], []  # what the service manager takes, and what it does not

    def write_settings(self, whole):
        """Whole or not at all."""
        new = self.folder / "config.new"
        new.write_text(settings.dump(whole))
        os.replace(new, self.config)

    def start(self, through=(), pass_fds=()):
        """Until it serves, or has ended. `through` is a command that executes it, with these descriptors."""
        self.notify = self.folder / "notify"
        self.notify.unlink(missing_ok=True)
        self._notified.clear()
        self.main = None  # the pid; whoever speaks first
        heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        heard.bind(str(self.notify))
        self.notify.chmod(0o777)  # `through` may become somebody else
        with open(self.folder / "stderr", "ab") as stderr:
            self.process = subprocess.Popen(
                [*through, self.session.path, self.command, *self.arguments], stdin=subprocess.DEVNULL, stdout=stderr,
                stderr=stderr, env={**os.environ, **self.env, "NOTIFY_SOCKET": str(self.notify)}, pass_fds=pass_fds)
        heard.settimeout(0.05)
        self.heard = heard
        deadline = time.monotonic() + START_PATIENCE
        while "READY=1" not in self.notified:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.stderr}"
            assert time.monotonic() < deadline, f"it did not become ready: {self.stderr}"
        return self

    @property
    def notified(self):
        """What the service manager has been told, in order; it listens to the main process alone (NotifyAccess=main)."""
        try:
            while True:
                text, credentials, _, _ = self.heard.recvmsg(4096, socket.CMSG_SPACE(12))
                self.hear(struct.unpack("iii", credentials[0][2])[0], text.decode().splitlines())
        except (TimeoutError, BlockingIOError):
            return self._notified

    def hear(self, pid, lines):
        self.main = self.main or pid
        (self._notified if pid == self.main else self.unheard).extend(lines)
        for line in lines:
            if pid == self.main and line.startswith("MAINPID="):
                self.main = int(line.partition("=")[2])

    @property
    def successors(self):
        """The pids that were named as the main process, in order."""
        return [int(line.partition("=")[2]) for line in self.notified if line.startswith("MAINPID=")]

    @property
    def pid(self):
        return self.process.pid

    def role(self, name, which=0):
        """The pid of the living process of that role."""
        return wait_until(lambda: self.roles(name)[which:which + 1], f"a living {name}")[0]

    def roles(self, name):
        return sorted(pid for pid in procs.children(self.pid)
                      if procs.comm(pid) == self.roles_of[name][:15] and procs.state(pid) != "Z")

    def reload(self):
        procs.kill(self.pid, signal.SIGHUP)

    def terminate(self):
        procs.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout=60):
        return self.process.wait(timeout)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.terminate()
            try:
                self.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            for pid in self.successors:
                if procs.state(pid) not in ("", "Z"):
                    os.kill(pid, signal.SIGKILL)
            self.heard.close()
            self.process = None

    @property
    def stderr(self):
        file = self.folder / "stderr"
        return file.read_text(errors="replace") if file.exists() else ""
