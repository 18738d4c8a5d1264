"""Starting `credfd dispatch` with a generated configuration, a table and a mint command, and speaking to it as a front.

Dispatch   one supervisor, living or ended
Answer     one response, read to its end
Client     one connection to it: requests in order, or a WebSocket
"""
import dataclasses
import json
import os
import socket
import time

import procs
import upstream
import websocket
from procs import wait_until
from service import Service

HEADER = "X-authentik-username"
ROLES = {"dispatcher": "credfd-dispatcher", "pairer": "credfd-pairer", "steward": "credfd-steward",
         "verifier": "credfd-verifier", "doorman": "credfd-doorman"}
NAVIGATION = [("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html,*/*;q=0.8")]

# Prints a credential as the real command does: JSON over several lines, with more in it. It is good once.
MINT = """#!/bin/sh
set -eu
echo "$1" >> {folder}/minted
credential="{canary}-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \\n')"
mkdir -p {secrets}/"$1"
: > {secrets}/"$1"/"$(printf %s "$credential" | sha256sum | cut -d ' ' -f 1)"
printf '{{\\n  "id": "p_1",\\n  "credential": "%s",\\n  "scopes": ["session"],\\n  "expiresAt": "soon"\\n}}\\n' "$credential"
"""


@dataclasses.dataclass
class Answer:
    status: int
    fields: list
    body: bytes
    is_whole: bool = True

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def field(self, name):
        values = self.all(name)
        assert len(values) == 1, f"{len(values)} fields {name} in {self.fields}"
        return values[0]

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        return json.loads(self.body)

    @property
    def cookies(self):
        """What a browser would send back, for a Cookie field."""
        return "; ".join(value.partition(";")[0] for value in self.all("Set-Cookie"))


class Client:
    """A connection, as the front makes it."""

    def __init__(self, place, source=None):
        if isinstance(place, (str, os.PathLike)):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(procs.PATIENCE)
            self.socket.connect(str(place))
        else:
            self.socket = socket.create_connection(place, procs.PATIENCE, source and (source, 0))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_request(self, method, target, fields=(), body=None, version="HTTP/1.1"):
        lines = [f"{method} {target} {version}"]
        if not any(name.lower() == "host" for name, _ in fields):
            lines.append("Host: t3.example.org")
        lines += [f"{name}: {value}" for name, value in fields]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def read_head(self):
        line = self.file.readline()
        if not line:
            raise websocket.Gone
        status = int(line.split()[1])
        fields = []
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            fields.append((name, value.strip()))
        return Answer(status, fields, b"")

    def read_answer(self, is_head=False):
        answer = self.read_head()
        while answer.status < 200 and answer.status != 101:
            answer = self.read_head()
        if is_head or answer.status in (101, 204, 304):
            return answer
        if "chunked" in "".join(answer.all("Transfer-Encoding")):
            while True:
                line = self.file.readline()
                size = int(line.split(b";")[0], 16) if line.strip() else -1
                if size < 0:
                    answer.is_whole = False
                    break
                answer.body += self.file.read(size)
                self.file.readline()
                if size == 0:
                    break
        elif length := answer.all("Content-Length"):
            answer.body = self.file.read(int(length[0]))
            answer.is_whole = len(answer.body) == int(length[0])
        else:
            answer.body = self.file.read()
        return answer

    def ask(self, method, target, fields=(), body=None):
        self.send_request(method, target, fields, body)
        return self.read_answer(method == "HEAD")

    # A WebSocket.

    def upgrade(self, target, fields=()):
        """The answer to an upgrade; with 101 this is a WebSocket from now on."""
        key = websocket.new_key()
        self.send_request("GET", target, [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                          ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key), *fields])
        answer = self.read_answer()
        if answer.status == 101:
            assert answer.field("Sec-WebSocket-Accept") == websocket.accept_for(key)
        return answer

    def send_frame(self, opcode, payload=b"", is_final=True):
        self.send(websocket.frame(opcode, payload, True, is_final))

    def read_frame(self):
        opcode, payload, _ = websocket.read_frame(self.file)
        return opcode, payload

    def echo(self, payload):
        self.send_frame(websocket.BINARY, payload)
        return self.read_frame() == (websocket.BINARY, payload)

    def is_ended(self):
        """Whether the other side has closed or broken off; waits for it, as long as the socket's patience lasts."""
        try:
            return self.file.read(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


class Dispatch(Service):
    """One `credfd dispatch`. Settings that are None are left out; `table` is written as JSON unless it is text."""

    roles_of = ROLES

    def __init__(self, session, table=None, script=MINT, env=None, **changes):
        super().__init__(session, "dispatch", env)
        self.secrets = self.folder / "test-secrets"
        self.secrets.mkdir(mode=0o755)
        self.table_file, self.access_log = self.folder / "dispatch.json", self.folder / "access.jsonl"
        self.port = upstream.free_port()
        self.write_mint(script)
        self.write_table(table or {})
        self.settings = {
            "listen": [f"127.0.0.1:{self.port}"], "workers": 2,
            "table": {"file": str(self.table_file)}, "profile": "t3",
            "mint": self.mint(),
            "access_log": {"file": str(self.access_log)}, "drain": "5s",
        }
        self.write_config(**changes)

    # What it reads.

    def mint(self, **changes):
        return {"command": [str(self.secrets / "mint"), "{os_user}"], "rate": "1000/min", "timeout": "5s", **changes}

    def credentials(self, os_user):
        """The folder for the instance of that user: who redeems a credential finds it there."""
        folder = self.secrets / os_user
        folder.mkdir(mode=0o777, exist_ok=True)
        folder.chmod(0o777)
        return folder

    def write_mint(self, text):
        file = self.secrets / "mint"
        file.write_text(text.format(folder=self.folder, secrets=self.secrets, canary=self.session.canary)
                        if text is MINT else text)
        file.chmod(0o755)

    def write_table(self, table):
        new = self.folder / "table.new"
        new.write_text(table if isinstance(table, str) else json.dumps(table, indent=2) + "\n")
        os.replace(new, self.table_file)

    def write_config(self, top=None, **changes):
        """Whole or not at all. `top` is what stands beside `dispatch:`."""
        self.settings = {**self.settings, **changes}
        self.write_settings({"dispatch": self.settings, **(top or {})})

    # What it says.

    def access(self, count, event="request"):
        """The lines of the access log of that kind; waits until there are `count`."""
        def lines():
            text = self.access_log.read_text() if self.access_log.exists() else ""
            whole = text[:text.rfind("\n") + 1].splitlines()
            found = [line for line in map(json.loads, whole) if line["event"] == event]
            return (found,) if len(found) >= count else None
        return wait_until(lines, lambda: f"{count} lines in the access log: {self.access_log.read_text()}")[0]

    @property
    def minted(self):
        """For whom the mint command ran, in order."""
        file = self.folder / "minted"
        return file.read_text().split() if file.exists() else []

    # As the front.

    def connect(self, **how):
        return Client(("127.0.0.1", self.port), **how)

    def ask(self, target="/", name="alice", method="GET", fields=(), cookie=None, body=None, navigate=False):
        with self.connect() as client:
            return client.ask(method, target, self.fields(name, fields, cookie, navigate), body)

    def fields(self, name="alice", fields=(), cookie=None, navigate=False):
        return [*([(HEADER, name)] if name is not None else []), *([("Cookie", cookie)] if cookie else []),
                *(NAVIGATION if navigate else []), *fields]

    def talk(self, raw, place=None, **how):
        """All that is said to these bytes on one connection until its end; it is told that no more comes."""
        received = b""
        with Client(place) if place else self.connect(**how) as client:
            try:
                client.send(raw)
                client.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused in the middle: the answer is there to be read
            try:
                while part := client.socket.recv(1 << 16):
                    received += part
            except ConnectionResetError:
                pass
        return received.decode("latin-1")

    def sign_in(self, name="alice"):
        """The cookies of a new session."""
        answer = self.ask("/", name, navigate=True)
        assert answer.status == 302, f"{answer.status}: {answer.text} {self.stderr}"
        return answer.cookies
