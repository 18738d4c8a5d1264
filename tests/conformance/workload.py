"""One `credfd run`, with agent.py as its workload, and the way to fetch streams out of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from .wire import BOUND, Silence, Stream

AGENT = Path(__file__).with_name("agent.py")
QUERY, HEADER, NARROW = LEASES = (3, 4, 5)  # in the order of the configuration below

CONFIGURATION = """\
credentials:
  - name: query
    secret: {{ file: {key_file} }}
    upstream: http://{authority}
    inject: {{ query: app_key }}
    allow: all
    {credential_extra}
  - name: header
    secret: {{ file: {key_file} }}
    upstream: http://{authority}
    inject: {{ header: X-Key, format: "Key {{}}" }}
    allow: all
  - name: narrow
    secret: {{ file: {key_file} }}
    upstream: http://{authority}
    inject: {{ header: X-Key, format: "Key {{}}" }}
    allow: [ "GET /open/**" ]
{extra}"""


class Workload:
    """A context. Leaving it ends the workload and with it credfd, which must report the workload's own success."""

    def __init__(self, program: Path, folder: Path, key: str, authority: str, *, extra: str = "",
                 credential_extra: str = ""):
        key_file = folder / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(key)
        self.key = key.encode()
        self.configuration = folder / "credfd.yaml"
        self.configuration.write_text(CONFIGURATION.format(
            key_file=key_file, authority=authority, extra=extra, credential_extra=credential_extra))
        self.program, self.folder = program, folder

    def __enter__(self) -> Workload:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = str(self.folder / "agent")
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(0.1)
        self._errors = open(self.folder / "stderr", "wb")
        self.process = subprocess.Popen(
            [self.program, "run", "-c", self.configuration, "--", sys.executable, AGENT, path],
            stdin=subprocess.DEVNULL, stderr=self._errors)
        self._agent = self._accept(listener)
        self._agent.settimeout(BOUND)
        listener.close()
        return self

    def _accept(self, listener: socket.socket) -> socket.socket:
        for _ in range(int(BOUND * 10)):
            try:
                return listener.accept()[0]
            except TimeoutError:
                if self.process.poll() is not None:
                    break
        self.process.kill()
        raise Silence(f"the workload never came up (exit status {self.process.wait()}): {self.errors()}")

    def __exit__(self, *_: object) -> None:
        self._agent.close()
        try:
            status = self.process.wait(BOUND)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Silence(f"credfd outlived its workload: {self.errors()}") from None
        finally:
            self._errors.close()
        assert status == 0, f"credfd ended with {status}: {self.errors()}"
        said = (self.folder / "stderr").read_bytes()
        assert self.key not in said, "the key was logged"
        assert b"Sanitizer" not in said and b"runtime error" not in said, self.errors()

    def errors(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")[-4000:]

    def dial(self, lease: int = QUERY) -> Stream:
        self._agent.send(bytes([lease]))
        answer, streams, _, _ = socket.recv_fds(self._agent, 1, 1)
        assert answer == b"\x01" and len(streams) == 1, f"dial answered {answer!r}: {self.errors()}"
        return Stream(socket.socket(fileno=streams[0]))

    def processes(self) -> list[int]:
        """credfd and all that it started."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue  # it has ended meanwhile
        family = [self.process.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def memory(self) -> int:
        """Resident bytes of all of them together."""
        pages = 0
        for pid in self.processes():
            try:
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                continue
        return pages * os.sysconf("SC_PAGE_SIZE")
