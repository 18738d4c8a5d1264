"""An upstream that says the key back, as careless and hostile ones do: the workload sees asterisks in its place.

Everywhere in a response, in every form that is listed, wherever it is cut in pieces. And what would keep a response from
being looked at (compression, parts of it) is not asked for.
"""
import base64
import html
import json
import re
import threading
from urllib.parse import quote

import pytest

import procs

ODD = "+/=&\"<'>~ü"  # what percent, JSON and HTML escapes are for


def collect(targets):
    """{target: all that came of the answer}"""
    return {target: attack.talk(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n") for target in targets}


def spell(key, form):
    return "".join(form.format(byte) for byte in key.encode())


def mixed(key):
    """No character in the form of its neighbour."""
    ways = ["{0}", "%{1:02x}", "\\u{1:04x}", "&#{1};", "&#x{1:X};", "%{1:02X}"]
    return "".join(c if ord(c) > 127 else ways[n % 6].format(c, ord(c)) for n, c in enumerate(key))


def url_safe(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# What becomes of the key.
FORMS = {
    "raw": lambda key: key,
    "percent": lambda key: quote(key, safe=""),
    "percent-paths": lambda key: quote(key, safe="/+=&"),
    "percent-lower": lambda key: re.sub("%..", lambda found: found[0].lower(), quote(key, safe="")),
    "percent-all": lambda key: spell(key, "%{:02X}"),
    "percent-all-lower": lambda key: spell(key, "%{:02x}"),
    "json": lambda key: json.dumps(key)[1:-1],
    "json-slashes": lambda key: json.dumps(key, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    "json-all": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "json-all-upper": lambda key: "".join(f"\\u{ord(c):04X}" for c in key),
    "html": html.escape,
    "html-decimal": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "html-hex": lambda key: "".join(f"&#x{ord(c):x};" for c in key),
    "html-hex-upper": lambda key: "".join(f"&#X{ord(c):04X};" for c in key),
    "hex": lambda key: key.encode().hex(),
    "hex-upper": lambda key: key.encode().hex().upper(),
    "mixed": lambda key: mixed(key),
}
# In base64 the neighbours decide some characters at either end; what stands between must not be seen.
for before in range(3):
    FORMS[f"base64-{before}"] = lambda key, n=before: base64.b64encode(b"." * n + key.encode() + b".").decode()
    FORMS[f"base64url-{before}"] = lambda key, n=before: url_safe(b"." * n + key.encode())
MARGIN = 4  # characters at either end of a form that base64 makes of the neighbours


def forms_of(key):
    return {name: form(key) for name, form in FORMS.items()}


def require_masked(shown, form):
    assert form[MARGIN:-MARGIN] not in shown, "it can be read"
    assert "*" * (len(form) - 2 * MARGIN) in shown, f"it is not there at all: {shown[-200:]!r}"


def key_of(seen):
    [key] = seen.keys()
    return key


def say_in_form(peer, seen):
    form = FORMS[seen.path.strip("/")](key_of(seen))
    peer.answer(f"you said {form}, did you not\n".encode())


@pytest.mark.defence("mask")
def test_no_form_of_the_key_is_seen_in_a_body(credfd, trap):
    upstream, key = trap(say_in_form), credfd.canary + ODD
    shown = credfd.inside(collect, [f"/{name}" for name in FORMS], upstream=upstream.url, key=key)
    for name, form in forms_of(key).items():
        require_masked(shown[f"/{name}"], form.encode().decode("latin-1"))


# Cut in pieces.

def say_bytewise(peer, seen):
    """Each byte in a TLS record of its own, and in a chunk of its own."""
    form = FORMS[seen.path.rpartition("/")[2]](key_of(seen)).encode()
    if seen.path.startswith("/chunks"):
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(len(form)):
            peer.send(b"1;x=y\r\n" + form[at:at + 1] + b"\r\n")
        peer.send("0\r\n\r\n")
    else:
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(form)}\r\n\r\n")
        for at in range(len(form)):
            peer.send(form[at:at + 1])


def body_of(text):
    head, _, body = text.partition("\r\n\r\n")
    if "\nTransfer-Encoding: chunked" not in head:
        return body
    plain = ""
    while body:
        size, _, body = body.partition("\r\n")
        plain, body = plain + body[:int(size, 16)], body[int(size, 16) + 2:]
    return plain


@pytest.mark.defence("mask")
def test_no_piece_is_small_enough(credfd, trap):
    upstream, key = trap(say_bytewise), credfd.canary + ODD
    targets = [f"/{kind}/{name}" for kind in ("records", "chunks") for name in FORMS]
    shown = credfd.inside(collect, targets, upstream=upstream.url, key=key)
    for name, form in forms_of(key).items():
        for kind in ("records", "chunks"):
            require_masked(body_of(shown[f"/{kind}/{name}"]), form.encode().decode("latin-1"))


class TwoHalves:
    """Says what stands before the key and its first half; the second only when somebody has asked for /go."""

    def __init__(self):
        self.go = threading.Event()

    def __call__(self, peer, seen):
        if seen.path == "/go":
            self.go.set()
            return peer.answer()
        key, half = key_of(seen), len(key_of(seen)) // 2
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {100 + len(key)}\r\n\r\n" + "." * 99 + "\n" + key[:half])
        assert self.go.wait(procs.PATIENCE), "nobody said go"
        peer.send(key[half:])


def read_in_two_parts():
    """All that came; what came before the second half was sent was waited for."""
    with lease.connect() as stream:
        stream.send_head("GET", "/halves")
        length = int(stream.read_head().field("Content-Length"))
        before = stream.read_exactly(100)
        with lease.connect() as other:
            assert other.get("/go").status == 200
        return (before + stream.read_exactly(length - 100)).decode()


@pytest.mark.defence("mask")
@pytest.mark.defence("pieces")
def test_half_a_key_is_held_back_until_the_rest_is_known(credfd, trap):
    """The workload has read all that came before it, so the first half was there alone for as long as it took."""
    upstream = trap(TwoHalves())
    shown = credfd.inside(read_in_two_parts, upstream=upstream.url)
    require_masked(shown, credfd.canary)


def say_across_reads(peer, seen):
    """The key over the border of what is read at once, which is a power of two, at each of its bytes."""
    key = key_of(seen)
    body = b"".join(b"." * (65536 - at) + key.encode() + b"." * (at - len(key)) for at in range(1, len(key), 5))
    peer.answer(body)


@pytest.mark.defence("mask")
def test_no_border_of_a_read_lets_it_through(credfd, trap):
    upstream = trap(say_across_reads)
    shown = credfd.inside(collect, ["/far"], upstream=upstream.url)["/far"]
    assert credfd.canary[MARGIN:-MARGIN] not in shown
    assert shown.count("*" * len(credfd.canary)) == len(range(1, len(credfd.canary), 5))


def say_and_wait(peer, seen):
    """What it is asked to say, but for an end."""
    if seen.path != "/say":
        return peer.answer()
    text = dict(seen.query)["text"]
    peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text) + 2}\r\n\r\n\n{text}")
    peer.wait_gone()


def see_what_comes(texts):
    """What comes of each text while it is not said to its end."""
    seen = []
    for text in texts:
        with lease.connect() as stream, lease.connect() as other:
            stream.send_head("GET", f"/say?text={text}")
            stream.read_head()
            assert stream.read_exactly(1) == b"\n"
            assert other.get("/it").status == 200  # by now all that came with that line has gone its way
            ready, _, _ = select.select([stream.socket], [], [], 0)
            seen.append((stream.buffer + stream.socket.recv(100) if ready else stream.buffer).decode())
    return seen


@pytest.mark.defence("oracle")
def test_what_is_held_back_tells_nothing_of_the_key(credfd, trap):
    """Or one could guess it character by character, having the upstream say each guess."""
    key = credfd.canary
    guesses = [key[:20], key[:19] + "z", "z" * 20]
    seen = credfd.inside(see_what_comes, guesses, upstream=trap(say_and_wait).url)
    assert [text != "" for text in seen] in ([True] * 3, [False] * 3), seen


# Everywhere else in a response.

def say_in_place(peer, seen):
    key, place = key_of(seen), seen.path
    plain, nothing = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "Content-Length: 0\r\n\r\n"
    said = {
        "/field": f"{plain}X-Echo: {key}\r\n\r\n",
        "/field-twice": f"{plain}X-Echo: {key}{key}\r\nX-Echo: a {key} b\r\n\r\n",
        "/field-name": f"{plain}X-{key}: yes\r\n\r\n",
        "/field-encoded": f"{plain}X-Echo: {quote(key)} {key.encode().hex()}\r\n\r\n",
        "/location": f"HTTP/1.1 302 Found\r\nLocation: https://login.test/?back=%2Fit%3Fapp_key%3D{key}\r\n{nothing}",
        "/etag": f"HTTP/1.1 304 Not Modified\r\nETag: \"{key}\"\r\n\r\n",
        "/challenge": f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"bad {key}\"\r\n{nothing}",
        "/interim": f"HTTP/1.1 103 Early Hints\r\nLink: </x?app_key={key}>\r\n\r\n"
                    f"HTTP/1.1 102 Wait\r\nX: {key}\r\n\r\n{plain}\r\n",
        "/error": f"HTTP/1.1 500 Oops\r\nContent-Length: {20 + len(key)}\r\n\r\nunknown credential: {key}",
        "/no-length": f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nunknown: {key}",
        "/old": f"HTTP/1.0 200 OK\r\n\r\nunknown: {key}",
        "/reason": f"HTTP/1.1 200 {key}\r\nContent-Length: 0\r\n\r\n",
        "/trailer": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Echo: {key}\r\n\r\n",
        "/extension": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{key}={key}\r\nx\r\n0;{key}\r\n\r\n",
    }[place]
    peer.send(said)
    if place in ("/no-length", "/old"):
        peer.close_orderly()


MASKED = ["/field", "/field-twice", "/field-name", "/field-encoded", "/location", "/etag", "/challenge", "/interim",
          "/error", "/no-length", "/old"]
LEFT_OUT = ["/reason", "/trailer", "/extension"]  # never passed on at all


@pytest.mark.defence("mask")
def test_it_is_masked_wherever_it_stands_in_a_response(credfd, trap):
    upstream = trap(say_in_place)
    shown = credfd.inside(collect, MASKED, upstream=upstream.url)
    for place in MASKED:
        assert not credfd.session.search.is_in(shown[place].encode("latin-1")), (place, shown[place])
        assert "*" * len(credfd.canary) in shown[place], (place, shown[place])


def test_what_could_hold_it_and_is_not_needed_is_not_passed_on(credfd, trap):
    upstream = trap(say_in_place)
    shown = credfd.inside(collect, LEFT_OUT, upstream=upstream.url)
    for place in LEFT_OUT:
        assert shown[place].startswith("HTTP/1.1 200 OK\r\n"), (place, shown[place])
        assert not credfd.session.search.is_in(shown[place].encode("latin-1")) and "*" not in shown[place], shown[place]
    assert len(upstream.heard_whole()) == len(LEFT_OUT)


@pytest.mark.defence("cookies")
def test_no_session_is_opened_for_the_workload(credfd, trap):
    """A cookie of the key's owner would go on working when the lease is over."""
    def set_cookies(peer, seen):
        peer.answer(b"", "200 OK", "Set-Cookie: session=1", "set-cookie: other=2; Secure", "Set-Cookie2: old=3")

    shown = credfd.inside(collect, ["/login"], upstream=trap(set_cookies).url)["/login"]
    assert shown.startswith("HTTP/1.1 200 OK\r\n") and "cookie" not in shown.lower()


def test_what_is_listed_as_not_covered_is_not(credfd, trap):
    """docs/threat-model.md says so: an encoding that nobody listed passes."""
    shown = credfd.inside(collect, ["/it"], upstream=trap(lambda peer, seen: peer.answer(key_of(seen)[::-1].encode())).url)
    assert credfd.canary[::-1] in shown["/it"]


# What would keep a response from being looked at.

def ask_for_less(fields):
    return attack.talk("GET /echo HTTP/1.1\r\nHost: x\r\n" + "".join(field + "\r\n" for field in fields) + "\r\n")


@pytest.mark.defence("hiding")
@pytest.mark.parametrize("fields", [
    ["Accept-Encoding: gzip"], ["accept-encoding: gzip;q=1, identity;q=0"],
    ["Accept_Encoding: gzip", "Accept-Encoding: gzip"],
], ids=["gzip", "anything but identity", "twice"])
def test_no_response_comes_compressed(credfd, nginx, fields):
    """nginx compresses whatever it may, and shows what it was asked."""
    shown = credfd.inside(ask_for_less, fields)
    assert shown.startswith("HTTP/1.1 200 OK\r\n") and "content-encoding" not in shown.lower()
    require_masked(shown, credfd.canary)


def say_a_part(peer, seen):
    """As a server does that knows ranges: a page with the key in it."""
    page, wanted = b"." * 80 + key_of(seen).encode(), seen.all("Range") + seen.all("Request-Range")
    if not wanted:
        return peer.answer(page)
    first, last = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted[0]).groups()
    part = page[int(first):int(last) + 1]
    peer.answer(part, "206 Partial Content", f"Content-Range: bytes {first}-{last}/{len(page)}")


@pytest.mark.defence("hiding")
@pytest.mark.parametrize("name", ["Range", "range", "Request-Range"])
def test_no_response_comes_in_parts(credfd, trap, name):
    upstream = trap(say_a_part)
    end = 80 + len(credfd.canary)
    halves = [credfd.inside(ask_for_less, [f"{name}: bytes={first}-{last}"], upstream=upstream.url)
              for first, last in ((0, 99), (100, end))]
    for half in halves:
        assert half.startswith("HTTP/1.1 200 OK\r\n")
        require_masked(half, credfd.canary)


# Somewhere else.

REDIRECTS = ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]


def test_a_redirect_is_passed_on_and_not_followed(credfd, trap):
    """To another host, port and scheme; the workload may go there by itself, and then without a key."""
    elsewhere = [trap(tls=False), trap()]
    wanted = {f"/{number}": (status, f"{place.url}/there") for number, (status, place) in enumerate(
        (status, place) for status in REDIRECTS for place in elsewhere)}

    def send_elsewhere(peer, seen):
        status, place = wanted[seen.path]
        peer.answer(b"", status, f"Location: {place}", f"Refresh: 0; url={place}", f"Content-Location: {place}",
                    f"Alt-Svc: http/1.1=\"{place.partition('//')[2].partition('/')[0]}\"; ma=3600")

    upstream = trap(send_elsewhere)
    shown = credfd.inside(collect, list(wanted), upstream=upstream.url)
    for path, (status, place) in wanted.items():
        assert shown[path].startswith(f"HTTP/1.1 {status[:3]} ") and f"\r\nLocation: {place}\r\n" in shown[path]
    assert [seen.path for seen in upstream.heard()] == list(wanted), "each was asked for once, and here"
    assert [place.connections() for place in elsewhere] == [0, 0]
