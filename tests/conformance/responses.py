"""
What an upstream may send, and what the client must see of it: one row for each rule of the strict HTTP rules.

    passed    the client sees this status and body, whole, and both connections are as before
    bad       502 with a JSON body; the upstream connection is dropped
    truncated the client sees a message that is visibly cut, or a 502; never a well-formed short one; upstream dropped

A script is bytes and the steps of upstream.py. The client's request is a plain GET unless the row says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .upstream import END, RESET, Step

GET, HEAD, OLD_GET = (
    b"GET %s HTTP/1.1\r\nHost: a.test\r\n\r\n",
    b"HEAD %s HTTP/1.1\r\nHost: a.test\r\n\r\n",
    b"GET %s HTTP/1.0\r\n\r\n")


@dataclass(frozen=True)
class Row:
    rule: str
    script: tuple[bytes | Step, ...]
    status: int = 200
    body: bytes | None = b"hello"  # None: not looked at
    interims: tuple[int, ...] = ()
    is_cut: bool = False
    framing: str | None = None
    fields: dict[bytes, list[bytes]] = field(default_factory=dict)  # each with exactly these values
    absent: tuple[bytes, ...] = ()  # bytes that must not be anywhere in what the client received
    drops: bool = False  # the upstream connection is closed and never used again
    closes: bool = False  # so is the client's
    request: bytes = GET
    section: str = ""

    @property
    def id(self) -> str:
        return f"{self.section}/{self.rule}"


def passed(rule: str, *script: bytes | Step, **more) -> Row:
    return Row(rule, script, **more)


def bad(rule: str, *script: bytes | Step, **more) -> Row:
    return Row(rule, script, status=502, body=None, drops=True, **more)


def truncated(rule: str, *script: bytes | Step, **more) -> Row:
    return Row(rule, script, is_cut=True, drops=True, closes=True, **more)


def section(name: str, *rows: Row) -> list[Row]:
    return [replace(row, section=name) for row in rows]


# How responses are put together below.

CHUNKED = b"Transfer-Encoding: chunked"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def head(first: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join((first, *lines)) + b"\r\n\r\n"


def ok(*lines: bytes, body: bytes = b"hello", version: bytes = b"1.1") -> bytes:
    """A 200 whose framing is the point."""
    return head(b"HTTP/" + version + b" 200 OK", *lines) + body


def five(*lines: bytes, body: bytes = b"hello") -> bytes:
    """A 200 with a body of five bytes, whose other fields are the point."""
    return ok(*lines, b"Content-Length: 5", body=body)


def chunks(body: bytes) -> bytes:
    return ok(CHUNKED, body=body)


def interim(status: int, *lines: bytes) -> bytes:
    return head(b"HTTP/1.1 %d Interim" % status, *lines)


POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

STATUS_LINE = section(
    "status line",
    passed("an ordinary one", five()),
    passed("an empty reason", head(b"HTTP/1.1 200 ", b"Content-Length: 5") + b"hello"),
    passed("a reason with bytes over 0x7F", head(b"HTTP/1.1 200 \xe4\xf6", b"Content-Length: 5") + b"hello"),
    passed("an unknown status", head(b"HTTP/1.1 299 Odd", b"Content-Length: 5") + b"hello", status=299),
    passed("an error of the upstream's own", head(b"HTTP/1.1 500 No", b"Content-Length: 5") + b"hello", status=500),
    passed("a redirect is not followed",
           head(b"HTTP/1.1 302 Found", b"Location: http://b.test/", b"Content-Length: 5") + b"hello", status=302,
           fields={b"location": [b"http://b.test/"]}),
    *(bad(text.decode("latin-1"), head(text, b"Content-Length: 5") + b"hello") for text in (
        b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 abc OK", b"HTTP/1.1 OK", b"HTTP/1.1", b"http/1.1 200 OK", b"HTTP/1 200 OK", b"HTTP/01.1 200 OK",
        b"HTTP/2.0 200 OK", b"ICY 200 OK", b"FTP/1.1 200 OK", b" HTTP/1.1 200 OK", b"200 OK")),
    bad("a NUL in the reason", head(b"HTTP/1.1 200 O\0K", b"Content-Length: 5") + b"hello"),
    bad("a leading CRLF twice", b"\r\n\r\n" + five()),
    bad("a leading byte", b"x" + five()),
    bad("no head at all", b"hello", END),
    bad("a TLS alert", bytes.fromhex("15030300020228"), END),
)

FIELDS = section(
    "fields",
    passed("bytes 0x80 to 0xFF in a value", five(b"X-A: " + bytes(range(0x80, 0x100))),
           fields={b"x-a": [bytes(range(0x80, 0x100))]}),
    passed("several of one name", five(b"Link: </a>", b"Link: </b>"), fields={b"link": [b"</a>", b"</b>"]}),
    passed("a session of the upstream's", five(b"Set-Cookie: a=b", b"SET-COOKIE: c=d"), absent=(b"set-cookie",)),
    passed("an empty value", five(b"X-A:"), fields={b"x-a": [b""]}),
    passed("128 fields", five(*(b"X-%d: v" % number for number in range(127)))),
    bad("129 fields", five(*(b"X-%d: v" % number for number in range(128)))),
    bad("a line over 16 KiB", five(b"X-A: " + b"a" * (16 * 1024))),
    bad("a head over 64 KiB", five(*[b"X-A: " + b"a" * 990] * 66)),
    bad("a head that does not end", five(*[b"X-A: " + b"a" * 990] * 66, body=b"")[:-2]),
    bad("obs-fold with a blank", five(b"X-A: b", b" c")),
    bad("obs-fold with TAB", five(b"X-A: b", b"\tc")),
    bad("a blank before the first field", head(b"HTTP/1.1 200 OK", b" X-A: b", b"Content-Length: 5") + b"hello"),
    bad("a bare LF at a line's end", b"HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 5\r\n\r\nhello"),
    bad("a bare LF in place of every CRLF", five().replace(b"\r\n", b"\n")),
    bad("a bare LF at the head's end", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello"),
    bad("a bare CR in a value", five(b"X-A: b\rc")),
    bad("a bare CR before CRLF", five(b"X-A: b\r")),
    bad("a NUL in a value", five(b"X-A: b\0c")),
    bad("a control byte in a value", five(b"X-A: b\x01c")),
    bad("a blank before the colon", five(b"X-A : b")),
    bad("an empty name", five(b": b")),
    bad("a name that is no token", five(b"X(A: b")),
    bad("a line without a colon", five(b"X-A")),
)

INTERIM = section(
    "interim",
    passed("103 is passed on", interim(103, b"Link: </s>") + five(), interims=(103,)),
    passed("102 is passed on", interim(102) + five(), interims=(102,)),
    passed("eight are passed on", interim(103) * 8 + five(), interims=(103,) * 8),
    bad("more than eight", interim(103) * 9 + five(), interims=(103,) * 8),
    passed("has no body, whatever it declares", interim(103, b"Content-Length: 5") + five(), interims=(103,)),
    passed("has no chunks, whatever it declares", interim(103, CHUNKED) + five(), interims=(103,)),
    passed("none for HTTP/1.0", interim(103) + five(), request=OLD_GET, closes=True),
    bad("a broken one", b"HTTP/1.1 103 Early\nX-A: b\r\n\r\n" + five()),
    bad("the end after one", interim(103), END, interims=(103,)),
    bad("101 unasked", head(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")),
    bad("101 without Upgrade", interim(101) + five()),
)

NO_BODY = section(
    "no body",
    passed("HEAD with a length", five(body=b""), body=b"", request=HEAD, fields={b"content-length": [b"5"]}),
    passed("HEAD with chunked", chunks(b""), body=b"", request=HEAD),
    passed("HEAD with nothing", ok(body=b""), body=b"", request=HEAD),
    passed("HEAD with a body all the same", five(), body=b"", request=HEAD, drops=True, absent=(b"hello",)),
    passed("204", head(b"HTTP/1.1 204 No Content"), status=204, body=b""),
    passed("204 with a length", head(b"HTTP/1.1 204 No Content", b"Content-Length: 5"), status=204, body=b""),
    passed("204 with chunked", head(b"HTTP/1.1 204 No Content", CHUNKED), status=204, body=b""),
    passed("204 with a body all the same", head(b"HTTP/1.1 204 No Content", b"Content-Length: 5") + b"hello",
           status=204, body=b"", drops=True, absent=(b"hello",)),
    passed("304", head(b"HTTP/1.1 304 Not Modified"), status=304, body=b""),
    passed("304 with a length", head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5"), status=304, body=b""),
    passed("304 with a body all the same", head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5") + b"hello",
           status=304, body=b"", drops=True, absent=(b"hello",)),
    passed("a length of 0", ok(b"Content-Length: 0", body=b""), body=b""),
)

FRAMING = section(
    "framing",
    passed("by length", five(), framing="length"),
    passed("by chunks", chunks(HELLO), framing="chunked"),
    passed("by several chunks", chunks(b"2\r\nhe\r\n03\r\nllo\r\n000\r\n\r\n")),
    passed("by no chunk", chunks(b"0\r\n\r\n"), body=b""),
    passed("by chunked in any case", ok(b"transfer-encoding: CHUNKED", body=HELLO)),
    passed("by the end becomes chunks", ok(), END, framing="chunked", drops=True),
    passed("by the end and empty", ok(body=b""), END, body=b"", framing="chunked", drops=True),
    passed("by the end for HTTP/1.0", ok(), END, framing="close", request=OLD_GET, drops=True, closes=True),
    passed("by chunks for HTTP/1.0", chunks(HELLO), framing="close", request=OLD_GET, closes=True),
    passed("by length for HTTP/1.0", five(), framing="length", request=OLD_GET, closes=True),
    passed("by length from HTTP/1.0", ok(b"Content-Length: 5", version=b"1.0"), END, framing="length", drops=True),
    passed("by the end from HTTP/1.0", ok(version=b"1.0"), END, framing="chunked", drops=True),
    *(bad(f"Content-Length {text.decode()}", ok(b"Content-Length: " + text)) for text in (
        b"5, 5", b"5, 6", b"5,", b"+5", b"-5", b"0x5", b"5 5", b"five", b"5.0", b"9223372036854775808", b"9" * 40)),
    bad("Content-Length empty", ok(b"Content-Length:")),
    bad("Content-Length twice and equal", ok(b"Content-Length: 5", b"Content-Length: 5")),
    bad("Content-Length twice and different", ok(b"Content-Length: 5", b"Content-Length: 6")),
    bad("Content-Length with chunked", ok(b"Content-Length: 5", CHUNKED, body=HELLO)),
    bad("chunked with Content-Length", ok(CHUNKED, b"Content-Length: 5", body=HELLO)),
    bad("chunked in HTTP/1.0", ok(CHUNKED, body=HELLO, version=b"1.0")),
    *(bad(f"Transfer-Encoding {text.decode()}", ok(b"Transfer-Encoding: " + text, body=HELLO)) for text in (
        b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"identity", b"gzip", b"chunked;a=b", b"chunked,")),
    bad("Transfer-Encoding twice", ok(CHUNKED, CHUNKED, body=HELLO)),
    bad("Transfer-Encoding empty", ok(b"Transfer-Encoding:", body=HELLO)),
)

CUT = section(
    "cut",
    bad("before the first byte", END),
    bad("before the first byte, by a reset", RESET),
    bad("in the status line", b"HTTP/1.1 20", END),
    bad("in a field", five()[:-15], END),
    bad("before the head's last line", five(body=b"")[:-2], END),
    truncated("before the first byte of the body", five(body=b""), END),
    truncated("in the body", five(body=b"hel"), END),
    truncated("in the body, by a reset", five(body=b"hel"), RESET),
    truncated("in the body for HTTP/1.0", five(body=b"hel"), END, request=OLD_GET),
    truncated("before the first chunk", chunks(b""), END),
    truncated("in a chunk's size", chunks(b"2\r\nhe\r\n3"), END),
    truncated("in a chunk", chunks(b"2\r\nhe\r\n3\r\nl"), END),
    truncated("in a chunk, by a reset", chunks(b"2\r\nhe\r\n3\r\nl"), RESET),
    truncated("after a chunk", chunks(b"5\r\nhello\r\n"), END),
    truncated("in the last chunk", chunks(b"5\r\nhello\r\n0\r\n"), END),
    truncated("in the last CRLF", chunks(b"5\r\nhello\r\n0\r\n\r"), END),
    truncated("in a trailer", chunks(b"5\r\nhello\r\n0\r\nX-T: b\r\n"), END),
    truncated("by the end, by a reset", ok(body=b"hel"), RESET),
)

CHUNKS = section(
    "chunks",
    passed("extensions are dropped", chunks(b"5;secret=b\r\nhello\r\n0;secret\r\n\r\n"), absent=(b"secret",)),
    passed("trailers are dropped", chunks(b"5\r\nhello\r\n0\r\nX-T: secret\r\n\r\n"), absent=(b"secret", b"X-T")),
    passed("trailers are dropped though announced",
           ok(CHUNKED, b"Trailer: X-T", body=b"5\r\nhello\r\n0\r\nX-T: b\r\n\r\n"), absent=(b"X-T",)),
    *(truncated(f"a size {text.decode()!r}", chunks(b"2\r\nhe\r\n" + text + b"\r\nllo\r\n0\r\n\r\n")) for text in (
        b"", b" 3", b"3 ", b"+3", b"-3", b"0x3", b"x", b"3_", b"00000000000000003", b"FFFFFFFFFFFFFFFF")),
    truncated("an extension over 1 KiB", chunks(b"2\r\nhe\r\n3;" + b"a" * 1100 + b"\r\nllo\r\n0\r\n\r\n")),
    truncated("an extension with a control byte", chunks(b"2\r\nhe\r\n3;a\x01\r\nllo\r\n0\r\n\r\n")),
    truncated("LF alone after the size", chunks(b"2\r\nhe\r\n3\nllo\r\n0\r\n\r\n")),
    truncated("LF alone after the data", chunks(b"2\r\nhe\n3\r\nllo\r\n0\r\n\r\n")),
    truncated("CRLF missing after the data", chunks(b"2\r\nhe3\r\nllo\r\n0\r\n\r\n")),
    truncated("more data than the size", chunks(b"2\r\nhello\r\n0\r\n\r\n")),
    truncated("LF alone at the end", chunks(b"5\r\nhello\r\n0\r\n\n")),
    truncated("a trailer without a colon", chunks(b"5\r\nhello\r\n0\r\nX-T\r\n\r\n")),
    truncated("trailers of 200 KB", chunks(b"5\r\nhello\r\n0\r\n" + (b"X-T: " + b"a" * 990 + b"\r\n") * 200 + b"\r\n")),
)

EXTRA = section(
    "bytes after a response",
    passed("by length", five() + POISON, drops=True),
    passed("by chunks", chunks(HELLO) + POISON, drops=True),
    passed("one byte", five() + b"\n", drops=True),
    passed("a CRLF", five() + b"\r\n", drops=True),
    passed("HEAD", five(body=b"") + POISON, body=b"", request=HEAD, drops=True),
    passed("204", head(b"HTTP/1.1 204 No Content") + POISON, status=204, body=b"", drops=True),
    passed("304", head(b"HTTP/1.1 304 Not Modified") + POISON, status=304, body=b"", drops=True),
)

HOP_BY_HOP = section(
    "hop by hop",
    *(passed(text.split(b":")[0].decode(), five(text), fields={text.split(b":")[0].lower(): []}) for text in (
        b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: trailers", b"Trailer: X-T", b"Upgrade: h2c")),
    passed("a field that Connection names", five(b"Connection: X-A", b"X-A: b", b"X-C: d"),
           fields={b"x-a": [], b"x-c": [b"d"]}, absent=(b"X-A",)),
    passed("Connection keep-alive", five(b"Connection: keep-alive")),
    passed("Connection close is the upstream's own", five(b"Connection: close"), END, drops=True),
    passed("Connection close with chunks", ok(b"Connection: close", CHUNKED, body=HELLO), END, drops=True),
)

ROWS = [*STATUS_LINE, *FIELDS, *INTERIM, *NO_BODY, *FRAMING, *CUT, *CHUNKS, *EXTRA, *HOP_BY_HOP]
