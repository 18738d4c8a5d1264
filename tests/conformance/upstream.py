"""
The API behind the keeper: records every byte that reaches it, answers what a test scripted.

One thread, one loop. Each turn reads from every connection until none has anything left, and only then answers: so when
an answer reaches a test, whatever was sent here before the request it answers is already on record. That makes "not one
byte was sent upstream" a fact to be asserted and not a matter of waiting.

A script is a sequence of steps: bytes to send, a Gate that the test opens, or one of the words below. A request for a
path without a script is answered with its own method and path.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .wire import (BOUND, REQUEST_LINE, Fields, Malformed, Silence, decode_chunked, framing_of, parse_fields, pieces,
                   values)


class Step(enum.Enum):
    WHOLE_REQUEST = "wait for the request's last byte"
    END = "shut down the sending side"
    RESET = "close with a reset"
    DEAF = "read nothing more"
    HEAR = "read again"


WHOLE_REQUEST, END, RESET, DEAF, HEAR = Step


class Gate:
    """A point that a script passes once the test says so."""

    def __init__(self) -> None:
        self.is_open = False
        self.wake: Callable[[], None] = lambda: None

    def open(self) -> None:
        self.is_open = True
        self.wake()


@dataclass(frozen=True)
class Script:
    steps: Sequence[bytes | Step | Gate]
    feed: str = "whole"
    at_head: bool = False  # begin when the head is there, not when the request is


@dataclass
class Head:
    method: bytes
    target: bytes
    fields: Fields
    framing: str | int
    size: int

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    def values(self, name: bytes) -> list[bytes]:
        return values(self.fields, name)


@dataclass
class Request(Head):
    """A complete request as it arrived."""

    body: bytes
    connection: Connection
    serial: int
    raw: bytes


@dataclass(eq=False)
class Connection:
    sock: socket.socket
    pending: bytearray = field(default_factory=bytearray)  # received, but no complete request
    head: Head | None = None  # of the request that is arriving
    requests: list[Request] = field(default_factory=list)
    last_byte: int = 0  # the serial of the latest bytes
    closed: bool = False  # by the keeper, or by a script's RESET
    has_ended: bool = False  # END: nothing may be sent any more
    started: int = 0  # requests whose answer has begun
    steps: collections.deque = field(default_factory=collections.deque)
    feed: str = "whole"
    out: collections.deque = field(default_factory=collections.deque)
    is_stale: Step | None = None  # at the next byte: this, and no answer
    malformed: str = ""

    def knows(self, path: bytes) -> bool:
        return path in self.pending or any(request.path == path for request in self.requests)

    def take_request(self, serial: int) -> Request | None:
        """The request that has arrived in full, if one has."""
        if self.head is None:
            self.head = parse_head(self.pending)
        head = self.head
        if head is None:
            return None
        body = None
        if head.framing == "chunked":
            body, length = decode_chunked(bytes(self.pending[head.size:]))
        else:
            length = 0 if head.framing == "none" else head.framing
        if length is None or len(self.pending) < head.size + length:
            return None
        raw = bytes(self.pending[:head.size + length])
        del self.pending[:len(raw)]
        self.head = None
        if body is None:
            body = raw[head.size:]
        return Request(**vars(head), body=body, connection=self, serial=serial, raw=raw)


@dataclass
class Traffic:
    """What arrived since a mark."""

    requests: list[Request]
    partial: list[Connection]  # that hold the beginning of a request

    @property
    def is_nothing(self) -> bool:
        return not self.requests and not self.partial


def parse_head(data: bytearray) -> Head | None:
    """None while its end is not there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = bytes(data[:end]).split(b"\r\n")
    match = REQUEST_LINE.fullmatch(first)
    if not match:
        raise Malformed(f"request line {first!r}")
    fields = parse_fields(lines)
    return Head(match[1], match[2], fields, framing_of(fields), end + 4)


class Upstream:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self.authority = b"127.0.0.1:%d" % self.listener.getsockname()[1]
        self.connections: list[Connection] = []
        self.log: list[tuple[str, bytes]] = []  # ("request" or "answer", path), in order
        self._scripts: dict[bytes, Script] = {}
        self._serial = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.listener, selectors.EVENT_READ)
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self._thread.start()

    # For tests: all of these may be called from their thread.

    def script(self, path: bytes, *steps: bytes | Step | Gate, feed: str = "whole", at_head: bool = False) -> None:
        for step in steps:
            if isinstance(step, Gate):
                step.wake = self._wake
        with self._changed:
            self._scripts[path] = Script(steps, feed, at_head)

    def mark(self) -> int:
        with self._changed:
            return self._serial

    def since(self, mark: int) -> Traffic:
        """All that came after `mark`, but for the fences."""
        with self._changed:
            for connection in self.connections:
                if connection.malformed:
                    raise Malformed(f"the keeper sent {connection.malformed}")
            requests = [request for connection in self.connections for request in connection.requests
                        if request.serial > mark and not request.path.startswith(b"/open/fence/")]
            partial = [connection for connection in self.connections
                       if connection.pending and connection.last_byte > mark]
        return Traffic(sorted(requests, key=lambda request: request.serial), partial)

    def connections_of(self, path: bytes) -> list[Connection]:
        """Those on which a request for this path came, complete or not; in the order in which they were opened."""
        with self._changed:
            return [connection for connection in self.connections if connection.knows(path)]

    def wait(self, what: str, holds: Callable[[], object]) -> None:
        with self._changed:
            if not self._changed.wait_for(holds, BOUND):
                raise Silence(f"upstream, in {BOUND:.0f} s, never: {what}")

    def wait_closed(self, connection: Connection, why: str) -> None:
        self.wait(f"the keeper closes its connection ({why})", lambda: connection.closed)

    def send_now(self, connection: Connection, *steps: bytes | Step) -> None:
        """On a connection that waits for nothing of the kind."""
        with self._changed:
            connection.steps.extend(steps)
        self._wake()

    def make_stale(self, how: Step) -> list[Connection]:
        """Every connection that is open now goes the moment it is used again, as an idle one does at a bad time."""
        with self._changed:
            stale = [connection for connection in self.connections if not connection.closed]
            for connection in stale:
                connection.is_stale = how
        return stale

    def stop(self) -> None:
        self._stopping = True
        self._wake()
        self._thread.join()
        for connection in self.connections:
            connection.sock.close()
        self.listener.close()

    # The loop.

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._ring.send(b"!")

    def _run(self) -> None:
        is_busy = False
        while not self._stopping:
            ready = self._selector.select(0 if is_busy else None)
            with self._changed:
                while ready:
                    self._read(ready)
                    ready = [each for each in self._selector.select(0) if each[1] & selectors.EVENT_READ]
                is_busy = any([self._act(connection) for connection in self.connections])
                self._changed.notify_all()

    def _read(self, ready: list) -> None:
        for key, events in ready:
            if key.fileobj is self.listener:
                with contextlib.suppress(BlockingIOError):
                    self._accept()
            elif key.fileobj is self._bell:
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(4096)
            elif events & selectors.EVENT_READ:
                self._receive(key.data)

    def _accept(self) -> None:
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock)
        self.connections.append(connection)
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        self._serial += 1
        connection.last_byte = self._serial
        connection.pending += data
        try:
            while request := connection.take_request(self._serial):
                connection.requests.append(request)
                self.log.append(("request", request.path))
        except Malformed as fault:
            connection.malformed = str(fault)
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        if not connection.closed:
            connection.closed = True
            self._selector.unregister(connection.sock)
            connection.sock.close()
        connection.out.clear()
        connection.steps.clear()

    def _act(self, connection: Connection) -> bool:
        """Goes on with the answer; true when there is more to do at once."""
        if connection.closed:
            return False
        if connection.is_stale and (connection.pending or len(connection.requests) > connection.started):
            self._leave(connection, connection.is_stale)
            connection.is_stale, connection.started = None, len(connection.requests)
            return False
        if connection.out:
            return self._write(connection)
        if connection.steps:
            return self._step(connection)
        return self._begin(connection)

    def _write(self, connection: Connection) -> bool:
        piece = connection.out[0]
        try:
            sent = connection.sock.send(piece)
        except BlockingIOError:
            self._selector.modify(connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
            return False
        except OSError:
            self._close(connection)
            return False
        self._selector.modify(connection.sock, selectors.EVENT_READ, connection)
        if sent < len(piece):
            connection.out[0] = piece[sent:]
        else:
            connection.out.popleft()
        return True

    def _step(self, connection: Connection) -> bool:
        step = connection.steps[0]
        if isinstance(step, Gate) and not step.is_open:
            return False
        if step is WHOLE_REQUEST and len(connection.requests) < connection.started:
            return False
        connection.steps.popleft()
        if isinstance(step, bytes):
            connection.out.extend(pieces(step, connection.feed, step.hex()))
        elif step in (END, RESET):
            self._leave(connection, step)
        elif step is DEAF:
            self._selector.unregister(connection.sock)
        elif step is HEAR:
            self._selector.register(connection.sock, selectors.EVENT_READ, connection)
        return True

    def _leave(self, connection: Connection, how: Step) -> None:
        if how is RESET:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._close(connection)
        elif not connection.has_ended:
            connection.has_ended = True
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_WR)

    def _begin(self, connection: Connection) -> bool:
        """The next answer, if a request is far enough for it."""
        if connection.has_ended:
            return False
        if len(connection.requests) > connection.started:
            request = connection.requests[connection.started]
            script = self._scripts.get(request.path) or Script([echo(request.method, request.path)])
            self.log.append(("answer", request.path))
        elif connection.head is not None:
            script = self._script_at_head(connection.head)
            if script is None:
                return False
        else:
            return False
        connection.started += 1
        connection.steps.extend(script.steps)
        connection.feed = script.feed
        return True

    def _script_at_head(self, head: Head) -> Script | None:
        if script := self._scripts.get(head.path):
            return script if script.at_head else None
        if head.values(b"expect") == [b"100-continue"]:
            return Script([b"HTTP/1.1 100 Continue\r\n\r\n", WHOLE_REQUEST, echo(head.method, head.path)])
        return None


def echo(method: bytes, path: bytes) -> bytes:
    """The answer to whatever has no script."""
    body = b"%s %s" % (method, path)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head if method == b"HEAD" else head + body
