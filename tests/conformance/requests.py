"""
What a workload may send, and what must come of it: one row for each rule of the strict HTTP rules, section by section.

    refused   answered with the status (400 unless it says otherwise) and closed; not one byte was sent upstream
    declined  answered with the status; not one byte was sent upstream; closed or not, as the answer says itself
    forwarded answered 200; exactly these requests reached the upstream; the stream goes on (closes=True: it ends)
    answered  answered so, in this order, and closed; exactly these requests reached the upstream
    aborted   the fault came after the head went on: 400 and closed; no request was ever completed upstream

`Seen` says what must have reached the upstream: method, target (without the injected key), body, fields (None: absent).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .workload import HEADER, NARROW, QUERY

SILENCE = 0  # as a status: closed without an answer


@dataclass(frozen=True)
class Seen:
    method: bytes = b"GET"
    target: bytes = b"/x"
    body: bytes = b""
    fields: dict[bytes, bytes | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    rule: str
    sent: bytes
    answers: tuple[tuple[int, ...], ...]  # one for each answer: the statuses it may have
    closes: bool | None  # None: as the last answer says
    seen: tuple[Seen, ...] = ()
    aborts: bool = False  # the beginning of a request may have gone upstream
    half_closes: bool = False  # the client shuts down its sending side after the last byte
    lease: int = QUERY
    section: str = ""

    @property
    def id(self) -> str:
        return f"{self.section}/{self.rule}"


def refused(rule: str, sent: bytes, *status: int, lease: int = QUERY, **more) -> Row:
    return Row(rule, sent, (status or (400,),), True, lease=lease, **more)


def declined(rule: str, sent: bytes, *status: int, lease: int = QUERY) -> Row:
    return Row(rule, sent, (status,), None, lease=lease)


def forwarded(rule: str, sent: bytes, *seen: Seen, closes: bool | None = False, lease: int = QUERY, **more) -> Row:
    seen = seen or (Seen(),)
    return Row(rule, sent, ((200,),) * len(seen), closes, seen, lease=lease, **more)


def aborted(rule: str, sent: bytes, *status: int, lease: int = QUERY, **more) -> Row:
    return Row(rule, sent, (status or (400,),), True, aborts=True, lease=lease, **more)


def answered(rule: str, sent: bytes, *answers: int, seen: tuple[Seen, ...], **more) -> Row:
    return Row(rule, sent, tuple((status,) for status in answers), True, seen, **more)


def section(name: str, *rows: Row) -> list[Row]:
    return [replace(row, section=name) for row in rows]


# How requests are put together below.

HOST = b"Host: a.test"
CHUNKED = b"Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"


def head(*lines: bytes) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


def line(request_line: bytes) -> bytes:
    """A request whose first line is the point."""
    return head(request_line, HOST)


def target(text: bytes, method: bytes = b"GET") -> bytes:
    return line(method + b" " + text + b" HTTP/1.1")


def host(*lines: bytes, version: bytes = b"1.1") -> bytes:
    """A request whose Host is the point."""
    return head(b"GET /x HTTP/" + version, *lines)


def get(*lines: bytes) -> bytes:
    return head(b"GET /x HTTP/1.1", HOST, *lines)


def post(*lines: bytes, body: bytes = b"hello") -> bytes:
    return head(b"POST /x HTTP/1.1", HOST, *lines) + body


def chunks(body: bytes) -> bytes:
    return post(CHUNKED, body=body)


def old(*lines: bytes) -> bytes:
    return head(b"GET /x HTTP/1.0", *lines)


def with_target_of(size: int) -> bytes:
    return target(b"/" + b"a" * (size - 1))


def with_head_of(size: int) -> bytes:
    """A head of exactly so many bytes, in lines that are not too long and not too many."""
    lines, rest = [], size - len(get())
    while rest > 1200:
        lines.append(b"X-Fill: " + b"a" * 990)
        rest -= 1000
    return get(*lines, b"X-Fill: " + b"a" * (rest - 10))


def with_fields(count: int) -> bytes:
    return get(*(b"X-%d: v" % number for number in range(count - 1)))


def posted(body: bytes = b"hello", **fields: bytes | None) -> Seen:
    return Seen(b"POST", body=body, fields={name.encode(): value for name, value in fields.items()})


def without(*names: bytes) -> Seen:
    return Seen(fields=dict.fromkeys(names))


def control_bytes() -> Iterator[int]:
    """All but TAB, and the three that a line's end or a NUL make a case of their own."""
    yield from (byte for byte in (*range(0x20), 0x7f) if byte not in b"\0\t\n\r")


REQUEST_LINE = section(
    "request line",
    forwarded("an ordinary one", get()),
    refused("two blanks before the target", line(b"GET  /x HTTP/1.1")),
    refused("two blanks before the version", line(b"GET /x  HTTP/1.1")),
    refused("TAB before the target", line(b"GET\t/x HTTP/1.1")),
    refused("TAB before the version", line(b"GET /x\tHTTP/1.1")),
    refused("vertical tab between parts", line(b"GET\x0b/x HTTP/1.1")),
    refused("blank at the end", line(b"GET /x HTTP/1.1 ")),
    refused("TAB at the end", line(b"GET /x HTTP/1.1\t")),
    refused("a fourth part", line(b"GET /x y HTTP/1.1")),
    refused("ends with a bare LF", b"GET /x HTTP/1.1\nHost: a.test\r\n\r\n"),
    refused("ends with a bare CR", b"GET /x HTTP/1.1\rHost: a.test\r\n\r\n"),
    forwarded("one leading CRLF is skipped", b"\r\n" + get()),
    refused("two leading CRLF", b"\r\n\r\n" + get()),
    refused("a leading LF", b"\n" + get()),
    refused("a leading CR alone", b"\r" + get()),
    refused("a leading CRLF and a blank", b"\r\n " + get()),
    refused("a leading blank", b" " + get()),
    refused("a leading TAB", b"\t" + get()),
    refused("a leading NUL", b"\0" + get()),
    refused("a leading byte order mark", b"\xef\xbb\xbf" + get()),
    refused("a TLS hello", bytes.fromhex("16030100c8010000c40303") + b"\x55" * 32 + b"\r\n\r\n"),
    refused("a PROXY line", b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" + get()),
)

METHOD = section(
    "method",
    forwarded("an unknown token", target(b"/x", b"M-SEARCH"), Seen(b"M-SEARCH")),
    forwarded("every kind of token byte", target(b"/x", b"a!#$%&'*+-.^_`|~9"), Seen(b"a!#$%&'*+-.^_`|~9")),
    forwarded("case is kept", target(b"/x", b"get"), Seen(b"get")),
    refused("empty", line(b" /x HTTP/1.1")),
    refused("with a colon", target(b"/x", b"GET:")),
    refused("in parentheses", target(b"/x", b"(GET)")),
    refused("with a slash", target(b"/x", b"GET/")),
    refused("with an at sign", target(b"/x", b"G@T")),
    refused("with a comma", target(b"/x", b"GET,")),
    refused("with a quote", target(b"/x", b'"GET"')),
    refused("with a NUL", target(b"/x", b"GET\0")),
    refused("with a byte over 0x7F", target(b"/x", b"G\xcbT")),
    forwarded("of 32 bytes", target(b"/x", b"M" * 32), Seen(b"M" * 32)),
    refused("of 33 bytes", target(b"/x", b"M" * 33), 501),
    refused("of 4000 bytes", target(b"/x", b"M" * 4000), 501),
    declined("TRACE", target(b"/x", b"TRACE"), 405),
    declined("TRACE with Max-Forwards 0", head(b"TRACE /x HTTP/1.1", HOST, b"Max-Forwards: 0"), 405),
    refused("CONNECT to an authority", target(b"a.test:443", b"CONNECT"), 400, 403, 405, 501),
    refused("CONNECT to a path", target(b"/x", b"CONNECT"), 400, 403, 405, 501),
)

TARGET = section(
    "target",
    refused("none", line(b"GET HTTP/1.1")),
    refused("none between two blanks", line(b"GET  HTTP/1.1")),
    refused("relative", target(b"x")),
    refused("a query alone", target(b"?q=1")),
    refused("a dot", target(b".")),
    refused("a fragment", target(b"/x#f")),
    refused("a fragment after a query", target(b"/x?q=1#f")),
    refused("a backslash", target(b"/a\\b")),
    refused("a backslash in the query", target(b"/x?a\\b")),
    refused("a leading backslash", target(b"\\x")),
    refused("a NUL", target(b"/a\0b")),
    refused("a bare CR", target(b"/a\rb")),
    refused("a control byte 0x01", target(b"/a\x01b")),
    refused("a control byte 0x1F", target(b"/a\x1fb")),
    refused("a control byte 0x7F", target(b"/a\x7fb")),
    refused("a byte 0x80", target(b"/a\x80b")),
    refused("a byte 0xFF", target(b"/a\xffb")),
    refused("UTF-8", target("/à".encode())),
    refused("percent 00", target(b"/a%00b")),
    refused("percent 0d", target(b"/a%0db")),
    refused("percent 0D", target(b"/a%0Db")),
    refused("percent 0a", target(b"/a%0ab")),
    refused("percent 0A", target(b"/a%0Ab")),
    refused("percent 00 in the query", target(b"/x?a=%00")),
    refused("percent 0d 0a in the query", target(b"/x?a=%0d%0aX-Key:%20v")),
    *(forwarded(f"undecoded {text.decode()}", target(text), Seen(target=text)) for text in (
        b"/a%2fb", b"/a%2Fb", b"/a/%2e%2e/b", b"/a/%2E%2e/b", b"/a/../b", b"/a/./b", b"/%41", b"//", b"//x", b"/a//b",
        b"/x/", b"/a;b=c", b"/a+b", b"/a%20b", b"/a?b?c", b"/a?b=/../c", b"/a?b=%2e%2e%2f", b"/a?b&&c",
        b"/a:b@c", b"/!$&'()*+,;=", b'/"quoted"')),
    forwarded("of 8 KiB", with_target_of(8192), Seen(target=b"/" + b"a" * 8191), lease=HEADER),
    forwarded("of 8 KiB with the key to be added", with_target_of(8192), Seen(target=b"/" + b"a" * 8191)),
    refused("over 8 KiB", with_target_of(8193), 414),
    refused("over 8 KiB with a query", target(b"/x?" + b"a" * 8190), 414),
    refused("over the limit of a line", with_target_of(20_000), 414),
    refused("over the limit of a head", with_target_of(100_000), 414, 431),
    forwarded("the asterisk with OPTIONS", target(b"*", b"OPTIONS"), Seen(b"OPTIONS", b"*"), lease=HEADER),
    refused("the asterisk with GET", target(b"*")),
    refused("the asterisk with POST", target(b"*", b"POST")),
    refused("the asterisk and more", target(b"*/x", b"OPTIONS")),
    refused("absolute-form", target(b"http://a.test/x")),
    refused("absolute-form with https", target(b"https://a.test/x")),
    refused("absolute-form in capitals", target(b"HTTP://A.TEST/x")),
    refused("absolute-form without a path", target(b"http://a.test")),
    refused("absolute-form with userinfo", target(b"http://u:p@a.test/x")),
    refused("absolute-form with another scheme", target(b"ftp://a.test/x")),
    refused("absolute-form in HTTP/1.0", line(b"GET http://a.test/x HTTP/1.0")),
    refused("authority-form without CONNECT", target(b"a.test:80")),
)

VERSION = section(
    "version",
    refused("HTTP/0.9 without one", b"GET /x\r\n\r\n"),
    refused("HTTP/0.9 without one and with Host", line(b"GET /x")),
    refused("HTTP/0.9", line(b"GET /x HTTP/0.9")),
    *(refused(text.decode(), line(b"GET /x " + text)) for text in (
        b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/1.10", b"HTTP/11.1", b"HTTP/111",
        b"HTTP/1.1x", b"HTTP/1,1", b"HTTP/a.1", b"HTTP/-1.1", b"HTTP/+1.1", b"HTTP1.1", b"HTTP//1.1", b"HTTP/1.1.1",
        b"http/1.1", b"Http/1.1", b"HTTPS/1.1", b"FTP/1.1", b"HTTP/2")),
    refused("a digit that is not ASCII", line("GET /x HTTP/١.1".encode())),
    *(refused(f"HTTP/{text}", line(b"GET /x HTTP/" + text.encode()), 505) for text in ("2.0", "2.1", "3.0", "9.9")),
    *(forwarded(f"HTTP/1.{minor} is as 1.1", host(HOST, version=b"1.%d" % minor)) for minor in range(2, 10)),
    refused("HTTP/1.2 needs a Host", host(version=b"1.2")),
    forwarded("HTTP/1.9 knows chunked",
              head(b"POST /x HTTP/1.9", HOST, CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n", posted()),
    refused("the HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    refused("the HTTP/2 preface and a frame", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
)

HTTP_1_0 = section(
    "HTTP/1.0",
    forwarded("Host is optional and the connection closes", old(), closes=True),
    forwarded("with Host", old(HOST), closes=True),
    forwarded("keep-alive asked for", old(b"Connection: keep-alive"), closes=None),
    forwarded("nothing after the first request is served", old() + get(), closes=True),
    forwarded("a body by length", head(b"POST /x HTTP/1.0", b"Content-Length: 5") + b"hello", posted(), closes=True),
    refused("Transfer-Encoding", head(b"POST /x HTTP/1.0", HOST, CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n"),
    refused("Transfer-Encoding that Connection names",
            head(b"POST /x HTTP/1.0", CHUNKED, b"Connection: keep-alive, Transfer-Encoding") + LAST),
    refused("Host twice", old(HOST, HOST)),
    refused("an empty Host", old(b"Host:")),
    refused("a Host with userinfo", old(b"Host: u@a.test")),
    forwarded("Expect is ignored", head(b"POST /x HTTP/1.0", b"Content-Length: 5", b"Expect: 100-continue") + b"hello",
              posted(), closes=True),
)

HOST_FIELD = section(
    "Host",
    refused("missing", host()),
    refused("twice and equal", host(HOST, HOST)),
    refused("twice and different", host(HOST, b"Host: b.test")),
    refused("twice in different case", host(HOST, b"HOST: a.test")),
    refused("twice with another field between", host(HOST, b"X-A: b", HOST)),
    refused("empty", host(b"Host:")),
    refused("blank", host(b"Host: \t ")),
    *(refused(text.decode(), host(b"Host: " + text)) for text in (
        b"a.test, b.test", b"a.test,", b"a.test b.test", b"user@a.test", b"user:pass@a.test", b"@a.test", b"a.test/x",
        b"a.test/", b"/", b"http://a.test", b"a.test\\b", b"a.test?q", b"a.test#f", b"a.test:80:81", b"a.test::80",
        b"a.test:65536", b"a.test:99999999999999999999", b"a.test:x", b"a.test:+80", b"a.test:-1", b"a.test:8 0",
        b"a.test :80", b"[::1", b"[::1:80", b"::1]", b"[]", b"[::1]x", b"[::1]80", b"[fe80::1%25eth0]",
        b"[fe80::1%eth0]", b"[a.test]", b":80", b'"a.test"')),
    refused("a NUL", host(b"Host: a\0.test")),
    *(forwarded(text.decode(), host(b"Host: " + text)) for text in (
        b"A.Test", b"a.test.", b"a.test:", b"a.test:80", b"a.test:443", b"a.test:65535", b"192.0.2.1",
        b"192.0.2.1:8080", b"[::1]", b"[::1]:8080", b"[2001:DB8::A]", b"a_b.test", b"localhost")),
    forwarded("in any case", host(b"hOST: a.test")),
    forwarded("last of the fields", host(b"X-A: b", HOST), Seen(fields={b"x-a": b"b"})),
)

FIELDS = section(
    "fields",
    refused("a bare LF at a line's end", b"GET /x HTTP/1.1\r\nHost: a.test\nX-A: b\r\n\r\n"),
    refused("a bare LF at the head's end", b"GET /x HTTP/1.1\r\nHost: a.test\r\n\n"),
    refused("a bare LF in place of every CRLF", get().replace(b"\r\n", b"\n")),
    refused("a bare CR at a line's end", b"GET /x HTTP/1.1\r\nHost: a.test\rX-A: b\r\n\r\n"),
    refused("a bare CR in a value", get(b"X-A: b\rc")),
    refused("a bare CR before CRLF", get(b"X-A: b\r")),
    refused("a bare CR in a name", get(b"X\r-A: b")),
    refused("a NUL in a value", get(b"X-A: b\0c")),
    refused("a NUL in a name", get(b"X\0-A: b")),
    *(refused(f"a control byte 0x{byte:02X} in a value", get(b"X-A: b%cc" % byte)) for byte in control_bytes()),
    refused("a control byte at a value's end", get(b"X-A: b\x0b")),
    forwarded("TAB inside a value", get(b"X-A: b\tc"), Seen(fields={b"x-a": b"b\tc"})),
    refused("obs-fold with a blank", get(b"X-A: b", b" c")),
    refused("obs-fold with TAB", get(b"X-A: b", b"\tc")),
    refused("obs-fold of an empty value", get(b"X-A:", b" c")),
    refused("obs-fold of Host", head(b"GET /x HTTP/1.1", b"Host:", b" a.test")),
    refused("a line of one blank", get(b"X-A: b", b" ")),
    refused("a blank before the colon", get(b"X-A : b")),
    refused("TAB before the colon", get(b"X-A\t: b")),
    refused("a blank before the colon of Host", host(b"Host : a.test")),
    refused("a blank before the colon of Content-Length", post(b"Content-Length : 5")),
    refused("an empty name", get(b": b")),
    refused("a colon alone", get(b":")),
    refused("a name with a blank", get(b"X A: b")),
    *(refused(f"a name with 0x{byte:02X}", get(b"X%cA: b" % byte)) for byte in b'"(),/;<=>?@[\\]{}\x01\x7f\x80\xff'),
    refused("a name in UTF-8", get("Größe: b".encode())),
    refused("a line without a colon", get(b"X-A")),
    refused("a blank before the first field", head(b"GET /x HTTP/1.1", b" " + HOST)),
    refused("TAB before the first field", head(b"GET /x HTTP/1.1", b"\t" + HOST)),
    forwarded("every kind of token byte in a name", get(b"a!#$%&'*+-.^`|~9: b"),
              Seen(fields={b"a!#$%&'*+-.^`|~9": b"b"})),
    forwarded("an underscore in a name on a lease door", get(b"X_A: b"), Seen(fields={b"x_a": b"b"})),
    forwarded("bytes 0x80 to 0xFF in a value", get(b"X-A: " + bytes(range(0x80, 0x100))),
              Seen(fields={b"x-a": bytes(range(0x80, 0x100))})),
    forwarded("only blank and TAB are trimmed", get(b"X-A:\t \xa0b\x85 \t"), Seen(fields={b"x-a": b"\xa0b\x85"})),
    forwarded("no blank after the colon", get(b"X-A:b"), Seen(fields={b"x-a": b"b"})),
    forwarded("an empty value", get(b"X-A:"), Seen(fields={b"x-a": b""})),
    forwarded("colons in a value", get(b"X-A: b: c:"), Seen(fields={b"x-a": b"b: c:"})),
    forwarded("a line of 16 000 bytes", get(b"X-A: " + b"a" * 15_995), Seen(fields={b"x-a": b"a" * 15_995})),
    refused("a line over 16 KiB", get(b"X-A: " + b"a" * (16 * 1024)), 431),
    refused("a line over 16 KiB that does not end", get()[:-2] + b"X-A: " + b"a" * 20_000, 431),
    refused("a name over 16 KiB", get()[:-2] + b"a" * 20_000, 431),
    forwarded("a head of 64 KiB", with_head_of(64 * 1024)),
    refused("a head over 64 KiB", with_head_of(64 * 1024 + 1), 431),
    refused("a head over 64 KiB that does not end", with_head_of(80 * 1024)[:-2], 431),
    forwarded("128 fields", with_fields(128)),
    refused("129 fields", with_fields(129), 431),
)

FRAMING = section(
    "framing",
    forwarded("a body by length", post(b"Content-Length: 5"), posted()),
    forwarded("a body of length 0", post(b"Content-Length: 0", body=b""), posted(b"")),
    forwarded("leading zeros", post(b"Content-Length: 005"), posted()),
    forwarded("neither means length 0", post(body=b"") + get(), posted(b""), Seen()),
    refused("Content-Length with Transfer-Encoding", post(b"Content-Length: 5", CHUNKED, body=LAST)),
    refused("Transfer-Encoding with Content-Length", post(CHUNKED, b"Content-Length: 5", body=LAST)),
    refused("Transfer-Encoding identity with Content-Length",
            post(b"Transfer-Encoding: identity", b"Content-Length: 5")),
    refused("Content-Length twice and equal", post(b"Content-Length: 5", b"Content-Length: 5")),
    refused("Content-Length twice and different", post(b"Content-Length: 5", b"Content-Length: 6")),
    refused("Content-Length twice in different case", post(b"Content-Length: 5", b"content-length: 5")),
    *(refused(f"Content-Length {text.decode()}", post(b"Content-Length: " + text)) for text in (
        b"5, 5", b"5, 6", b"5,", b",5", b"+5", b"-5", b"-0", b"0x5", b"5 5", b"5;", b"5.0", b"5e0", b'"5"', b"1_0",
        b"five", b"9223372036854775808", b"18446744073709551616", b"18446744073709551621", b"9" * 40)),
    refused("Content-Length empty", post(b"Content-Length:")),
    refused("Content-Length in other digits", post("Content-Length: ٥".encode())),
    *(refused(f"Transfer-Encoding {text.decode()}", post(b"Transfer-Encoding: " + text, body=LAST)) for text in (
        b"chunked, identity", b"identity, chunked", b"chunked, chunked", b"chunked, gzip", b"gzip, chunked",
        b"identity", b"chunked;q=1", b"chunked; a=b", b"chunked,", b", chunked", b'"chunked"', b"chunked chunked")),
    refused("Transfer-Encoding twice", post(CHUNKED, CHUNKED, body=LAST)),
    refused("Transfer-Encoding identity and chunked in two lines",
            post(b"Transfer-Encoding: identity", CHUNKED, body=LAST)),
    refused("Transfer-Encoding chunked and gzip in two lines",
            post(CHUNKED, b"Transfer-Encoding: gzip", body=LAST)),
    refused("Transfer-Encoding empty", post(b"Transfer-Encoding:", body=LAST)),
    refused("Transfer-Encoding after a vertical tab", post(b"Transfer-Encoding: \x0bchunked", body=LAST)),
    refused("Transfer-Encoding with a no-break space", post(b"Transfer-Encoding: chunked\xa0", body=LAST)),
    refused("Transfer-Encoding with a blank before the colon", post(b"Transfer-Encoding : chunked", body=LAST)),
    *(refused(f"Transfer-Encoding {text.decode()} alone", post(b"Transfer-Encoding: " + text), 501) for text in (
        b"gzip", b"deflate", b"compress", b"xchunked")),
    forwarded("chunked in any case", post(b"transfer-encoding: ChunKed", body=b"5\r\nhello\r\n0\r\n\r\n"), posted()),
    *(forwarded(f"a body with {method.decode()}", head(method + b" /x HTTP/1.1", HOST, b"Content-Length: 5") + b"hello",
                Seen(method, body=b"hello")) for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PUT", b"PATCH")),
    *(forwarded(f"a chunked body with {method.decode()}",
                head(method + b" /x HTTP/1.1", HOST, CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n", Seen(method, body=b"hello"))
      for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS")),
    forwarded("a body that looks like a request", post(b"Content-Length: %d" % len(get()), body=get()), posted(get())),
    aborted("a short body", post(b"Content-Length: 10"), 400, 408, SILENCE, half_closes=True),
    aborted("a body of which nothing came", post(b"Content-Length: 10", body=b""), 400, 408, SILENCE, half_closes=True),
    aborted("a huge length", post(b"Content-Length: 9223372036854775807"), 400, 408, 413, SILENCE, half_closes=True),
)

CHUNKS = section(
    "chunks",
    forwarded("one", chunks(b"5\r\nhello\r\n0\r\n\r\n"), posted()),
    forwarded("several", chunks(b"2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\n\r\n"), posted()),
    forwarded("none but the last", chunks(LAST), posted(b"")),
    forwarded("sizes in both cases", chunks(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
              posted(b"0123456789" * 2)),
    forwarded("leading zeros", chunks(b"0005\r\nhello\r\n000\r\n\r\n"), posted()),
    forwarded("a size of 16 digits", chunks(b"0000000000000005\r\nhello\r\n0\r\n\r\n"), posted()),
    forwarded("data that looks like chunks", chunks(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), posted(b"\r\n0\r\n\r\n")),
    *(aborted(f"a size {text.decode()!r}", chunks(text + b"\r\nhello\r\n0\r\n\r\n")) for text in (
        b"", b" 5", b"5 ", b"\t5", b"5\t", b"+5", b"-5", b"0x5", b"5h", b"g", b"5_0", b"5.0", b"5,5",
        b"00000000000000005", b"8000000000000000", b"FFFFFFFFFFFFFFFF", b"FFFFFFFFFFFFFFFB", b"10000000000000005",
        b"5 ;a=b", b";a=b", b" ;a=b")),
    aborted("a size in other digits", chunks("٥\r\nhello\r\n0\r\n\r\n".encode())),
    aborted("a huge size and then nothing", chunks(b"7FFFFFFFFFFFFFFF\r\nhello"), 400, 408, 413, SILENCE,
            half_closes=True),
    forwarded("an extension is dropped", chunks(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"), posted()),
    forwarded("blanks in an extension", chunks(b"5; a; b = c\r\nhello\r\n0\r\n\r\n"), posted()),
    forwarded("a quoted extension", chunks(b'5;a="b c"\r\nhello\r\n0\r\n\r\n'), posted()),
    forwarded("an extension of 1000 bytes", chunks(b"5;" + b"a" * 1000 + b"\r\nhello\r\n0\r\n\r\n"), posted()),
    aborted("an extension over 1 KiB", chunks(b"5;" + b"a" * 1100 + b"\r\nhello\r\n0\r\n\r\n")),
    aborted("an extension over 1 KiB on the last chunk", chunks(b"5\r\nhello\r\n0;" + b"a" * 1100 + b"\r\n\r\n")),
    aborted("an extension with a control byte", chunks(b"5;a=\x01\r\nhello\r\n0\r\n\r\n")),
    aborted("an extension with DEL", chunks(b"5;a=\x7f\r\nhello\r\n0\r\n\r\n")),
    aborted("an extension with NUL", chunks(b"5;a=\0\r\nhello\r\n0\r\n\r\n")),
    aborted("an extension with a bare CR", chunks(b"5;a=\rb\r\nhello\r\n0\r\n\r\n")),
    aborted("an extension with a bare LF", chunks(b"5;a=\nb\r\nhello\r\n0\r\n\r\n")),
    aborted("LF alone after the size", chunks(b"5\nhello\r\n0\r\n\r\n")),
    aborted("LF alone after an extension", chunks(b"5;a\nhello\r\n0\r\n\r\n")),
    aborted("LF alone after the data", chunks(b"5\r\nhello\n0\r\n\r\n")),
    aborted("CR alone after the size", chunks(b"5\rhello\r\n0\r\n\r\n")),
    aborted("CR alone after the data", chunks(b"5\r\nhello\r0\r\n\r\n")),
    aborted("CRLF missing after the data", chunks(b"5\r\nhello0\r\n\r\n")),
    aborted("more data than the size", chunks(b"5\r\nhello!\r\n0\r\n\r\n")),
    aborted("less data than the size", chunks(b"5\r\nhell\r\n0\r\n\r\n")),
    aborted("LF alone after the last size", chunks(b"5\r\nhello\r\n0\n\r\n")),
    aborted("LF alone at the end", chunks(b"5\r\nhello\r\n0\r\n\n")),
    aborted("no last chunk", chunks(b"5\r\nhello\r\n"), 400, 408, SILENCE, half_closes=True),
    aborted("cut in the data", chunks(b"5\r\nhel"), 400, 408, SILENCE, half_closes=True),
    aborted("cut in the last CRLF", chunks(b"5\r\nhello\r\n0\r\n\r"), 400, 408, SILENCE, half_closes=True),
    aborted("cut before the last CRLF", chunks(b"5\r\nhello\r\n0\r\n"), 400, 408, SILENCE, half_closes=True),
)


def trailers(*lines: bytes) -> bytes:
    return chunks(b"5\r\nhello\r\n0\r\n" + head(*lines))


TRAILERS = section(
    "trailers",
    forwarded("are dropped", trailers(b"X-T: b", b"X-U: c"), posted(**{"x-t": None, "x-u": None})),
    forwarded("are dropped though announced", post(CHUNKED, b"Trailer: X-T", body=b"0\r\nX-T: b\r\n\r\n"),
              posted(b"", **{"x-t": None, "trailer": None})),
    forwarded("a long line", trailers(b"X-T: " + b"a" * 1000), posted()),
    *(aborted(f"with {text.split(b':')[0].decode()}", trailers(text)) for text in (
        b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: a.test", b"Authorization: v", b"Cookie: a=b",
        b"CONTENT-LENGTH: 5", b"hOst: a.test")),
    aborted("with the injected field", trailers(b"X-Key: v"), lease=HEADER),
    aborted("with a second line that is Host", trailers(b"X-T: b", b"Host: a.test")),
    aborted("without a colon", trailers(b"X-T")),
    aborted("with an empty name", trailers(b": b")),
    aborted("with a blank before the colon", trailers(b"X-T : b")),
    aborted("with a blank before the colon of Content-Length", trailers(b"Content-Length : 5")),
    aborted("folded", trailers(b"X-T: b", b" c")),
    aborted("with a bare LF", chunks(b"0\r\nX-T: b\n\r\n")),
    aborted("with a bare CR", chunks(b"0\r\nX-T: b\rX-U: c\r\n\r\n")),
    aborted("with a NUL", trailers(b"X-T: b\0")),
    aborted("with a control byte", trailers(b"X-T: b\x01")),
    aborted("of 200 KB", trailers(*[b"X-T: " + b"a" * 994] * 200), 400, 431),
    aborted("that do not end", trailers(*[b"X-T: " + b"a" * 994] * 200)[:-2], 400, 431),
)

HOP_BY_HOP = section(
    "hop by hop",
    forwarded("Connection keep-alive", get(b"Connection: keep-alive")),
    forwarded("Connection close", get(b"Connection: close"), closes=True),
    forwarded("Connection close in another case", get(b"connection: CLOSE"), closes=True),
    forwarded("a field that Connection names", get(b"Connection: X-A", b"X-A: b", b"X-C: d"),
              Seen(fields={b"x-a": None, b"x-c": b"d"})),
    forwarded("a field that Connection names in another case", get(b"X-A: b", b"Connection: x-a"), without(b"x-a")),
    forwarded("every line of a field that Connection names", get(b"X-A: b", b"Connection: x-a", b"X-A: c"),
              without(b"x-a")),
    forwarded("several fields in one Connection", get(b"Connection: X-A ,\tX-C", b"X-A: b", b"X-C: d"),
              without(b"x-a", b"x-c")),
    forwarded("several lines of Connection", get(b"Connection: X-A", b"Connection: X-C", b"X-A: b", b"X-C: d"),
              without(b"x-a", b"x-c")),
    forwarded("close beside a field", get(b"Connection: X-A, close", b"X-A: b"), without(b"x-a"), closes=True),
    *(forwarded(text.split(b":")[0].decode(), get(text), without(text.split(b":")[0].lower())) for text in (
        b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"Proxy-Authorization: Basic dTpw", b"TE: trailers",
        b"Trailer: X-T", b"Upgrade: foo/1")),
    *(refused(f"Connection names {name.decode()}", get(b"Connection: " + name)) for name in (
        b"Host", b"host", b"Content-Length", b"Authorization", b"close, HOST", b"X-A, authorization")),
    refused("Connection names Content-Length of a body", post(b"Content-Length: 5", b"Connection: content-length")),
    refused("a second Connection names Host", get(b"Connection: close", b"Connection: Host")),
    refused("Connection names the injected field", get(b"Connection: X-Key"), lease=HEADER),
    refused("Connection names the injected field in another case", get(b"Connection: keep-alive, x-kEY"), lease=HEADER),
    forwarded("Connection names what another lease injects", get(b"Connection: X-Key", b"X-Key: b"), without(b"x-key")),
)

EXPECT = section(
    "Expect",
    declined("an unknown expectation", post(b"Content-Length: 5", b"Expect: 200-ok"), 417),
    declined("an unknown expectation without a body", get(b"Expect: x"), 417),
    declined("100-continue and another", post(b"Content-Length: 5", b"Expect: 100-continue, x"), 417),
    declined("100-continue with a parameter", post(b"Content-Length: 5", b"Expect: 100-continue;a=b"), 417),
    forwarded("100-continue", post(b"Content-Length: 5", b"Expect: 100-continue"), posted()),
    forwarded("100-continue in any case", post(b"Content-Length: 5", b"expect: 100-Continue"), posted()),
)

MAX_FORWARDS = section(
    "Max-Forwards",
    declined("OPTIONS with 0", head(b"OPTIONS /x HTTP/1.1", HOST, b"Max-Forwards: 0"), 200, 204),
    declined("OPTIONS of all with 0", head(b"OPTIONS * HTTP/1.1", HOST, b"Max-Forwards: 0"), 200, 204, lease=HEADER),
    forwarded("OPTIONS with more", head(b"OPTIONS /x HTTP/1.1", HOST, b"Max-Forwards: 5"),
              Seen(b"OPTIONS", fields={b"max-forwards": b"4"})),
    forwarded("other methods do not know it", get(b"Max-Forwards: 0")),
)

WEBSOCKET = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
             b"Sec-WebSocket-Version: 13")

UPGRADE = section(
    "Upgrade",
    forwarded("h2c", get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
              without(b"upgrade", b"http2-settings")),
    forwarded("h2c and the preface behind it", get(b"Connection: Upgrade", b"Upgrade: h2c") + get(),
              without(b"upgrade"), Seen()),
    forwarded("TLS", get(b"Connection: Upgrade", b"Upgrade: TLS/1.2"), without(b"upgrade")),
    forwarded("h2c beside websocket", get(b"Upgrade: h2c, websocket", *WEBSOCKET[1:]), without(b"upgrade")),
    forwarded("without Connection", get(b"Upgrade: h2c"), without(b"upgrade")),
    declined("websocket on a lease that lets none through", get(*WEBSOCKET), 403),
    forwarded("websocket with POST", post(b"Content-Length: 5", *WEBSOCKET), posted(upgrade=None)),
    answered("early bytes after websocket that are not", get(*WEBSOCKET) + bytes.fromhex("818537fa213d7f9f4d5158"),
             403, 400, seen=()),
)

RULES = section(
    "rules",
    forwarded("an allowed path", target(b"/open/x"), Seen(target=b"/open/x"), lease=NARROW),
    forwarded("an allowed path with a query", target(b"/open/x?q"), Seen(target=b"/open/x?q"), lease=NARROW),
    declined("a path that is not", target(b"/shut"), 403, lease=NARROW),
    declined("a method that is not", target(b"/open/x", b"POST"), 403, lease=NARROW),
    declined("a method in another case", target(b"/open/x", b"get"), 403, lease=NARROW),
    *(declined(f"raw and normalised disagree on {text.decode()}", target(text), 403, lease=NARROW) for text in (
        b"/open/../shut", b"/open/%2e%2e/shut", b"/open/.%2E/shut", b"/open/..%2fshut", b"/shut/../open/x", b"//open/x",
        b"/%6fpen/x", b"/./open/x", b"/open%2fx")),
)


A, B, C = (Seen(target=text) for text in (b"/a", b"/b", b"/c"))

CONNECTIONS = section(
    "connections",
    forwarded("pipelined in order", target(b"/a") + target(b"/b") + target(b"/c"), A, B, C),
    forwarded("pipelined behind a body", post(b"Content-Length: 5") + target(b"/b"), posted(), B),
    forwarded("pipelined behind chunks", chunks(b"5\r\nhello\r\n0\r\n\r\n") + target(b"/b"), posted(), B),
    forwarded("pipelined behind trailers", trailers(b"X-T: b") + target(b"/b"), posted(), B),
    forwarded("pipelined behind HEAD", target(b"/a", b"HEAD") + target(b"/b"), Seen(b"HEAD", b"/a"), B),
    forwarded("one CRLF between two", target(b"/a") + b"\r\n" + target(b"/b"), A, B),
    answered("two CRLF between two", target(b"/a") + b"\r\n\r\n" + target(b"/b"), 200, 400, seen=(A,)),
    answered("the first error ends it", target(b"/a") + host() + target(b"/c"), 200, 400, seen=(A,)),
    answered("a broken line ends it", target(b"/a") + b"GET /b\nHTTP/1.1\r\n\r\n" + target(b"/c"), 200, 400, seen=(A,)),
    forwarded("too little length", post(b"Content-Length: 2") + target(b"/c"), posted(b"he"), Seen(b"lloGET", b"/c")),
    answered("too much length", post(b"Content-Length: 10") + target(b"/c"), 200, 400, seen=(posted(b"helloGET /"),)),
    answered("broken chunks end it", target(b"/a") + chunks(b"x\r\n") + target(b"/c"), 200, 400, seen=(A,),
             aborts=True),
    answered("nothing after Connection close", get(b"Connection: close") + target(b"/b"), 200, seen=(Seen(),)),
    forwarded("half-closed after a request", get(), closes=True, half_closes=True),
    forwarded("half-closed after a body", post(b"Content-Length: 5"), posted(), closes=True, half_closes=True),
    forwarded("half-closed after two requests", target(b"/a") + target(b"/b"), A, B, closes=True, half_closes=True),
    Row("half-closed before anything", b"", ((SILENCE,),), True, half_closes=True),
    refused("half-closed in a request line", b"GET /x HT", 400, SILENCE, half_closes=True),
    refused("half-closed in a field", get()[:-10], 400, SILENCE, half_closes=True),
    refused("half-closed before the last line", get()[:-2], 400, SILENCE, half_closes=True),
)

ROWS = [*REQUEST_LINE, *METHOD, *TARGET, *VERSION, *HTTP_1_0, *HOST_FIELD, *FIELDS, *FRAMING, *CHUNKS, *TRAILERS,
        *HOP_BY_HOP, *EXPECT, *MAX_FORWARDS, *UPGRADE, *RULES, *CONNECTIONS]
