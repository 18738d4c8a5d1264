"""
Bytes on a stream: sent in awkward pieces, read with no tolerance at all.

The reader accepts exactly what the relay may write and nothing more: one Content-Length or the one word `chunked`,
CRLF everywhere, no chunk extension, no trailer. What it cannot read so is Malformed, whatever a real client would do.
"""

from __future__ import annotations

import contextlib
import fcntl
import random
import re
import select
import socket
import struct
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

BOUND = 10.0  # seconds that anything expected may take; generous, for a loaded machine
FEEDS = ("whole", "bytes", "split-1", "split-2")

Fields = list[tuple[bytes, bytes]]

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/1\.1")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class Malformed(AssertionError):
    """Something that no part of credfd may ever write."""


class Silence(AssertionError):
    """What was due did not come."""


def parse_fields(lines: list[bytes]) -> Fields:
    fields = []
    for line in lines:
        match = FIELD_LINE.fullmatch(line)
        if not match:
            raise Malformed(f"field line {line!r}")
        fields.append((match[1].lower(), match[2]))
    return fields


def values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for each, value in fields if each == name.lower()]


def framing_of(fields: Fields) -> str | int:
    """`chunked`, a length, or `none`: what the fields of a head declare."""
    lengths, codings = values(fields, b"content-length"), values(fields, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise Malformed(f"framing declared twice: {lengths + codings}")
    if codings:
        if codings[0].lower() != b"chunked":
            raise Malformed(f"Transfer-Encoding {codings[0]!r}")
        return "chunked"
    if lengths:
        if not re.fullmatch(rb"[0-9]+", lengths[0]):
            raise Malformed(f"Content-Length {lengths[0]!r}")
        return int(lengths[0])
    return "none"


def decode_chunked(data: bytes) -> tuple[bytes, int | None]:
    """The content so far, and where the body ends: None while its last chunk is not there."""
    content, at = b"", 0
    while (line_end := data.find(b"\r\n", at)) >= 0:
        line = data[at:line_end]
        if not CHUNK_LINE.fullmatch(line):
            raise Malformed(f"chunk line {line!r}")
        size, start = int(line, 16), line_end + 2
        content += data[start:start + size]
        end = start + size
        if not b"\r\n".startswith(data[end:end + 2]):
            raise Malformed(f"after a chunk: {data[end:end + 40]!r}")
        if len(data) < end + 2:
            return content, None
        at = end + 2
        if size == 0:
            return content, at
    return content, None


@dataclass
class Answer:
    """One response as the client sees it. `whole` is false when the stream ended inside it."""

    status: int
    fields: Fields
    interims: list[int] = field(default_factory=list)
    body: bytes = b""
    framing: str = "none"  # none, length, chunked, close
    whole: bool = True
    raw: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        return values(self.fields, name)

    @property
    def says_close(self) -> bool:
        return any(value.lower() == b"close" for value in self.values(b"connection"))


class Stream:
    """A raw stream to the relay. Everything received stays in `received`, for the message of a failed test."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.sock.settimeout(BOUND)
        self.received = b""
        self.at = 0  # everything before it was read as an answer
        self.ended = False

    @classmethod
    def pair(cls) -> tuple[Stream, socket.socket]:
        """A stream with the test itself at its other end."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    def close(self) -> None:
        self.sock.close()

    def half_close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> bool:
        """False when the relay has closed: what it thinks of the bytes so far is to be read."""
        try:
            self.sock.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def feed(self, data: bytes, how: str, seed: str) -> None:
        """Sends `data` as one of FEEDS says; each piece is taken by the relay before the next is sent."""
        patience = 0.3
        for piece in pieces(data, how, seed):
            if not self.send(piece):
                return
            patience = self._wait_until_taken(patience)

    def _wait_until_taken(self, patience: float) -> float:
        """A relay that reads no further for now (it answers one request at a time) may use up the patience."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0 and self._unread() > 0:
            time.sleep(0)
        return max(left, 0.0)

    def _unread(self) -> int:
        return struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4))[0]

    def more(self) -> bool:
        """Waits for bytes; False at the end of the stream."""
        if self.ended:
            return False
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        except TimeoutError:
            raise Silence(f"nothing came for {BOUND:.0f} s; received so far: {show(self.received)}") from None
        self.received += data
        self.ended = not data
        return not self.ended

    def wait_for(self, text: bytes) -> None:
        """Until `text` has come, in what was not read yet."""
        while text not in self.received[self.at:]:
            if not self.more():
                raise Silence(f"{text!r} never came; received: {show(self.received)}")

    def wait_for_hang_up(self) -> None:
        """Until the relay has closed, without reading anything."""
        poll = select.poll()
        poll.register(self.sock, select.POLLHUP | select.POLLRDHUP)
        if not poll.poll(BOUND * 1000):
            raise Silence("the relay did not close")

    def assert_ended(self) -> None:
        """The relay closes, and wrote nothing after the last answer."""
        while self.more():
            pass
        if self.received[self.at:]:
            raise Malformed(f"bytes after the last answer: {show(self.received[self.at:])}")

    def read_answer(self, method: bytes = b"GET") -> Answer | None:
        """The next final response with the interim ones before it. None when the stream ends before it begins."""
        start, interims = self.at, []
        while True:
            head = self._read_head()
            if head is None:
                if interims:
                    raise Malformed(f"the stream ended after {interims}")
                return None
            status, fields = head
            if status >= 200:
                break
            interims.append(status)
        answer = Answer(status, fields, interims)
        self._read_body(answer, method)
        answer.raw = self.received[start:self.at]
        return answer

    def _read_head(self) -> tuple[int, Fields] | None:
        while (end := self.received.find(b"\r\n\r\n", self.at)) < 0:
            if not self.more():
                if self.received[self.at:]:
                    raise Malformed(f"the stream ended inside a head: {show(self.received[self.at:])}")
                return None
        first, *lines = self.received[self.at:end].split(b"\r\n")
        match = STATUS_LINE.fullmatch(first)
        if not match:
            raise Malformed(f"status line {first!r}")
        self.at = end + 4
        return int(match[1]), parse_fields(lines)

    def _read_body(self, answer: Answer, method: bytes) -> None:
        declared = framing_of(answer.fields)
        if method == b"HEAD" or answer.status in (204, 304):
            return
        if declared == "chunked":
            answer.framing = "chunked"
            self._read_chunked(answer)
        elif declared == "none":
            answer.framing = "close"
            while self.more():
                pass
            answer.body, self.at = self.received[self.at:], len(self.received)
        else:
            answer.framing = "length"
            while len(self.received) - self.at < declared and self.more():
                pass
            answer.body = self.received[self.at:self.at + declared]
            answer.whole = len(answer.body) == declared
            self.at += len(answer.body)

    def _read_chunked(self, answer: Answer) -> None:
        while True:
            answer.body, end = decode_chunked(self.received[self.at:])
            if end is not None:
                self.at += end
                return
            if not self.more():
                answer.whole = False
                self.at = len(self.received)
                return


def pieces(data: bytes, how: str, seed: str) -> Iterator[bytes]:
    """`data` cut as one of FEEDS says. A large message is not cut into more than about a thousand pieces."""
    if how == "whole" or len(data) < 2:
        cuts = []
    elif how == "bytes":
        cuts = range(1, len(data), max(1, len(data) // 1024))
    else:
        cuts = [random.Random(f"{seed} {how}").randrange(1, len(data))]
    start = 0
    for cut in (*cuts, len(data)):
        yield data[start:cut]
        start = cut


def show(data: bytes, most: int = 1500) -> str:
    """For the message of a failed test."""
    text = repr(data[:most])
    return text if len(data) <= most else f"{text}… ({len(data)} bytes)"
