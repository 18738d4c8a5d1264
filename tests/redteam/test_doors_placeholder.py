"""A placeholder is carried off in every way that a request has, and an upstream says the key in every frame it can."""
import base64
import urllib.parse

import pytest

import websocket

HEADER = {"header": "Authorization", "format": "Bearer {}"}


def credentials(credfd, upstream, other):
    """Two leases; only the first one's placeholder is given to anybody."""
    shape = {"placeholder": "sk-{alnum:40}", "inject": HEADER}
    return [credfd.credential("api", upstream=upstream.url, ca_file=str(upstream.ca_file), **shape,
                              env={"TOKEN": "{placeholder}", "API_FD": "{fd}"}),
            credfd.credential("other", upstream=other.url, ca_file=str(other.ca_file), inject={"query": "app_key"},
                              env=None)]


def send(requests):
    """Each [lease, head, body], a list of pieces, with @ for the placeholder, in whatever form `forms` says."""
    mine = os.environ["TOKEN"].encode()  # noqa: F821
    made = forms(mine)
    statuses = []
    for name, head, pieces, form in requests:
        with lease.connect(name) as stream:  # noqa: F821
            said = made[form]
            stream.send(head.encode().replace(b"@", said))
            for piece in pieces:
                stream.send(piece.encode().replace(b"@", said))
            statuses.append(stream.read_response("POST").status)
    return [mine.decode(), statuses]


def forms(text):
    """What a workload may make of its placeholder without a program of its own."""
    import base64
    import urllib.parse
    return {"itself": text, "hex": text.hex().encode(), "HEX": text.hex().upper().encode(),
            "base64": base64.b64encode(text), "base64, behind one": base64.b64encode(b"x" + text),
            "base64, behind two": base64.b64encode(b"xy" + text), "base64url": base64.urlsafe_b64encode(b"??>" + text),
            "percent": "".join(f"%{byte:02x}" for byte in text).encode(),
            "json": "".join(f"\\u{byte:04x}" for byte in text).encode()}


FORMS = list(forms(b"x"))


def post(target, *fields, length=0):
    lines = [f"POST {target} HTTP/1.1", "Host: x", *fields, f"Content-Length: {length}" if length is not None else
             "Transfer-Encoding: chunked"]
    return "".join(line + "\r\n" for line in lines) + "\r\n"


def chunk(text, size):
    return f"{size:x}\r\n{text}\r\n"


@pytest.mark.defence("placeholder")
def test_no_way_out_of_a_request_carries_it(credfd, trap):
    upstream, other = trap(), trap()
    ways = [("api", post("/@"), []), ("api", post("/?q=@"), []), ("api", post("/", "X-Any: @"), []),
            ("api", post("/", "User-Agent: curl @"), []), ("api", post("/", "Authorization: Digest response=@"), []),
            ("api", post("/", "Content-Type: text/plain; boundary=@"), []),
            ("other", post("/@"), []), ("other", post("/?app_key=@"), []),
            ("other", post("/", "Authorization: Bearer @"), []),
            ("other", post("/", "Cookie: a=@"), [])]
    requests = [[*way, form] for way in ways for form in FORMS]
    run = credfd.start_inside(send, requests, using=(forms,),
                              credentials=credentials(credfd, upstream.server, other.server))
    mine, statuses = run.result()
    passed = [request for request, status in zip(requests, statuses) if status not in (400, 403)]
    # a target with the escapes of JSON in it is none, which is another defence's word
    assert not passed
    for seen in upstream.heard() + other.heard():
        assert mine not in str(seen)
    events = [event for event in run.events() if event["event"] == "exfiltration"]
    assert len(events) == statuses.count(403) and {event["lease"] for event in events} == {"api"}


@pytest.mark.defence("placeholder")
def test_no_body_carries_it_whole_or_in_pieces(credfd, trap):
    upstream, other = trap(), trap()
    size = 43
    requests = [["other", post("/", length=size), ["@"], "itself"],
                ["other", post("/", length=4000 + size), ["." * 4000, "@"], "itself"],
                ["other", post("/", length=None), [chunk("a" * 70000, 70000), chunk("@", size), "0\r\n\r\n"], "itself"],
                ["api", post("/", length=size), ["@"], "itself"],
                ["api", post("/", length=2 * size), ["@"], "hex"]]
    run = credfd.start_inside(send, requests, using=(forms,),
                              credentials=credentials(credfd, upstream.server, other.server))
    mine, statuses = run.result()
    assert len(mine) == size and statuses == [403] * len(requests)
    for seen in upstream.heard_whole() + other.heard_whole():
        assert mine.encode() not in seen.body


def frames(key):
    """Whole messages and broken ones, in which an upstream says the key."""
    text = websocket.TEXT
    yield websocket.frame(text, key)
    yield websocket.frame(websocket.BINARY, b"\0\1" + key)
    yield websocket.frame(text, base64.b64encode(b"x" + key))
    yield websocket.frame(text, urllib.parse.quote(key).encode() + b" " + key.hex().encode())
    yield websocket.frame(websocket.PING, key)
    for size in (1, 2, 5, 13):
        pieces = [key[at:at + size] for at in range(0, len(key), size)]
        yield websocket.frame(text, b"", is_final=False)
        for piece in pieces[:-1]:
            yield websocket.frame(websocket.CONTINUATION, piece, is_final=False)
            yield websocket.frame(websocket.PING, b"between")
        yield websocket.frame(websocket.CONTINUATION, pieces[-1])
    yield websocket.close_frame(1000, key)
    yield key  # behind the last frame


def listen():
    """Every byte that comes behind the handshake, and every message put together."""
    with lease.connect() as stream:  # noqa: F821
        stream.send_head("GET", "/", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                         "Sec-WebSocket-Extensions: permessage-deflate")
        assert stream.read_head().status == 101
        raw = stream.buffer
        while data := stream.socket.recv(65536):
            raw += data
    messages, message, buffer = [], b"", bytearray(raw)
    while buffer:
        is_final, opcode = buffer[0] & 0x80, buffer[0] & 15
        _, payload = take_frame(buffer)  # noqa: F821
        if opcode < 8:
            message += payload
        if opcode < 8 and is_final:
            messages.append(message)
            message = b""
        elif opcode >= 8:
            messages.append(payload)
    return [raw.hex(), [one.hex() for one in messages]]


@pytest.mark.defence("socket")
def test_no_frame_says_the_key(credfd, serve):
    key = credfd.canary.encode()

    def leak(peer):
        seen = peer.read_head()
        accept = websocket.accept_for(seen.field("Sec-WebSocket-Key"))
        peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Accept: {accept}\r\n\r\n", *frames(key))

    upstream = serve(leak)
    credential = credfd.credential("api", upstream=upstream.url, ca_file=str(upstream.ca_file), inject=HEADER,
                                   websocket=True)
    raw, messages = credfd.inside(listen, using=(websocket._xor, websocket.take_frame), credentials=[credential])
    said = [bytes.fromhex(one) for one in [raw, *messages]]
    for form in (key, key.hex().encode(), base64.b64encode(b"x" + key)[4:-4], key[2:].hex().encode()):
        assert not [one for one in said if form in one]
    assert len(messages) > 20
