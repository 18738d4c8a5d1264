"""A client of the lease channel, written from the contract alone and apart from our C code.

A lease is a SOCK_SEQPACKET descriptor. One datagram 0x01 asks for a stream; the answer is one datagram: 0x01 with
exactly one stream descriptor, or 0xFF with none. On the stream: HTTP/1.1. Nothing here forgives a broker that
answers otherwise. Runs inside the workload, from tests or as a script:

    python3 lease.py get NAME PATH        the body to stdout, the status to stderr
    python3 lease.py ask NAME             one dial; prints "granted" or "refused"
"""
import array
import os
import select
import socket
import sys
import time

DIAL = b"\x01"
GRANTED = b"\x01"
REFUSED = b"\xff"
PATIENCE = 20.0  # seconds that any single answer may take before a test fails


class Refused(Exception):
    """The broker answered 0xFF."""


class ChannelClosed(Exception):
    """Nobody serves the channel any more."""


class Broken(Exception):
    """The broker broke the contract."""


class Truncated(Exception):
    """The message ended before its own framing said so; `partial` is what came."""

    def __init__(self, partial, why):
        super().__init__(f"{why} after {len(partial)} bytes")
        self.partial = partial


def numbers():
    """The leases of this process, {name: descriptor}, as the CREDFD variable says."""
    pairs = (item.split("=", 1) for item in os.environ["CREDFD"].split(",") if item)
    return {name: int(number) for name, number in pairs}


class Answer:
    def __init__(self, data, fds, flags):
        self.data, self.fds, self.flags = data, fds, flags

    @property
    def truncated(self):
        return bool(self.flags & socket.MSG_CTRUNC)

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class Channel:
    """The control channel. The descriptor is shared with other processes: no flag of it is ever changed."""

    def __init__(self, fd=3):
        self.socket = socket.socket(fileno=os.dup(fd))
        if self.socket.type != socket.SOCK_SEQPACKET:
            raise Broken(f"fd {fd} is no SOCK_SEQPACKET: {self.socket}")

    def send(self, request=DIAL, fds=()):
        try:
            if fds:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
                self.socket.sendmsg([request], [rights], socket.MSG_NOSIGNAL)
            else:
                self.socket.send(request, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosed(str(error)) from None

    def try_send(self, request=DIAL):
        """Like send, but False where the queue is full."""
        try:
            self.socket.send(request, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        return True

    def receive(self, timeout=PATIENCE):
        """One answer. Another process may take what poll announced: then the wait goes on."""
        deadline = time.monotonic() + timeout
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(left * 1000):
                raise Broken(f"no answer on the channel within {timeout} s")
            try:
                data, fds, flags, _ = socket.recv_fds(self.socket, 64, 8, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except ConnectionResetError as error:
                raise ChannelClosed(str(error)) from None
            if not data:
                raise ChannelClosed("end of the channel")
            return Answer(data, fds, flags)

    def ask(self, request=DIAL, fds=()):
        self.send(request, fds)
        return self.receive()

    def accept(self, answer):
        """The stream that an answer carries; raises what the contract says for any other answer."""
        if answer.truncated:
            answer.close()
            raise Broken("the answer's descriptor was cut off (MSG_CTRUNC)")
        if answer.data == REFUSED and not answer.fds:
            raise Refused()
        if answer.data != GRANTED or len(answer.fds) != 1:
            answer.close()
            raise Broken(f"an answer of {answer.data!r} with {len(answer.fds)} descriptors")
        stream = socket.socket(fileno=answer.fds.pop())
        if stream.type != socket.SOCK_STREAM:
            raise Broken(f"the broker gave {stream} where a stream belongs")
        return stream

    def dial(self):
        return self.accept(self.ask())

    def close(self):
        self.socket.close()


class Response:
    def __init__(self, status, reason, fields, body=b""):
        self.status, self.reason, self.fields, self.body = status, reason, fields, body

    def field(self, name, default=None):
        for key, value in self.fields:
            if key.lower() == name.lower():
                return value
        return default

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        import json
        return json.loads(self.body)


class Stream:
    """A tiny HTTP/1.1 client on one stream of a lease."""

    def __init__(self, connected, host="placeholder.broker.local", timeout=PATIENCE):
        self.socket, self.host, self.buffer = connected, host, b""
        self.socket.settimeout(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_head(self, method, target, *fields):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}", *fields]
        self.send("".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n")

    def request(self, method, target, *fields, body=None):
        """Sends one request, by length if there is a body, and reads its final answer."""
        if body is not None:
            fields = (*fields, f"Content-Length: {len(body)}")
        self.send_head(method, target, *fields)
        if body:
            try:
                self.send(body)
            except BrokenPipeError:
                pass  # refused in the middle: the answer is there to be read
        return self.read_response(method)

    def get(self, target, *fields):
        return self.request("GET", target, *fields)

    def post(self, target, body, *fields):
        return self.request("POST", target, *fields, body=body)

    def read_response(self, method="GET"):
        """The final response; interim ones are dropped. read_head reads them one at a time."""
        head = self.read_head()
        while 100 <= head.status < 200:
            head = self.read_head()
        try:
            for piece in self.body_pieces(head, method):
                head.body += piece
        except Truncated as error:
            error.partial = head.body
            raise
        return head

    def read_head(self):
        raw = self._until(b"\r\n\r\n", "the response's head")
        lines = raw.decode("latin-1").split("\r\n")[:-2]
        version, status, reason = (lines[0].split(" ", 2) + [""])[:3]
        if version != "HTTP/1.1" or not (len(status) == 3 and status.isdigit()):
            raise Broken(f"no status line: {lines[0]!r}")
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return Response(int(status), reason, fields)

    def body_pieces(self, head, method="GET"):
        """The body piece by piece, as it comes, with its framing taken off."""
        codings, length = head.field("Transfer-Encoding"), head.field("Content-Length")
        if method == "HEAD" or head.status < 200 or head.status in (204, 304):
            return iter(())
        if codings is not None:
            if codings.lower() != "chunked" or length is not None:
                raise Broken(f"framing: {head.fields!r}")
            return self._chunks()
        if length is not None:
            return self._exactly(int(length), int(length))
        return self._until_end()

    def read_exactly(self, count):
        return b"".join(self._exactly(count, count))

    def read_chunk(self):
        """The data of one chunk, b"" for the last."""
        return b"".join(self._chunk_pieces())

    def at_end(self, timeout=PATIENCE):
        """Whether the broker closed the stream and sent nothing more; waits for that."""
        self.socket.settimeout(timeout)
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def _fill(self):
        try:
            data = self.socket.recv(256 * 1024)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def _until(self, mark, what):
        while mark not in self.buffer:
            if not self._fill():
                raise Truncated(self.buffer, f"the stream ended in {what}")
        head, self.buffer = self.buffer.split(mark, 1)
        return head + mark

    def _exactly(self, count, total):
        while count:
            if not self.buffer and not self._fill():
                raise Truncated(b"", f"the stream ended {count} bytes short of {total}")
            piece, self.buffer = self.buffer[:count], self.buffer[count:]
            count -= len(piece)
            yield piece

    def _chunk_pieces(self):
        size = int(self._until(b"\r\n", "a chunk's size").split(b";")[0], 16)
        yield from self._exactly(size, size)
        if self._until(b"\r\n", "a chunk's end") != b"\r\n":
            raise Broken("bytes after a chunk's data")

    def _chunks(self):
        is_last = False
        while not is_last:
            is_last = True
            for piece in self._chunk_pieces():
                is_last = False
                yield piece

    def _until_end(self):
        while self.buffer or self._fill():
            piece, self.buffer = self.buffer, b""
            yield piece


def connect(name=None):
    """A fresh stream: of the lease of that name, or of fd 3."""
    channel = Channel(3 if name is None else numbers()[name])
    try:
        return Stream(channel.dial())
    finally:
        channel.close()


def main(argv):
    command, name = argv[1], argv[2]
    if command == "get":
        with connect(name) as stream:
            response = stream.get(argv[3])
        sys.stdout.buffer.write(response.body)
        print(response.status, file=sys.stderr)
    elif command == "ask":
        answer = Channel(numbers()[name]).ask()
        print("granted" if answer.data == GRANTED and len(answer.fds) == 1 else "refused")
    else:
        sys.exit(f"unknown command {command}")


if __name__ == "__main__":
    main(sys.argv)
