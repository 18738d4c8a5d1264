"""A server that says the key back, in whatever form and place: the workload sees as many stars, and lengths hold."""
import base64
import hashlib
import html
import json
import os
import re
import threading
import urllib.parse

import pytest

import procs
from procs import wait_until

TAIL = "/+=é<&\"~"  # behind the canary: characters that every encoding treats in a way of its own


@pytest.fixture(scope="module")
def key(session):
    return session.canary + TAIL


def escape_all(form, text):
    return "".join(form.format(ord(character)) for character in text).encode()


def percent(text, case):
    """As little as may be escaped; the digits in this case."""
    return re.sub("%..", lambda found: getattr(found.group(), case)(), urllib.parse.quote(text, safe="")).encode()


def forms(key):
    """Every form that is promised, by name; base64 is a case of its own."""
    raw = key.encode()
    return {
        "itself": raw,
        "percent, all, upper case": b"".join(b"%%%02X" % byte for byte in raw),
        "percent, all, lower case": b"".join(b"%%%02x" % byte for byte in raw),
        "percent, upper case": percent(key, "upper"),
        "percent, lower case": percent(key, "lower"),
        "a form's value": urllib.parse.quote_plus(key).encode(),
        "hexadecimal, lower case": raw.hex().encode(),
        "hexadecimal, upper case": raw.hex().upper().encode(),
        "JSON": json.dumps(key)[1:-1].encode(),
        "JSON in UTF-8": json.dumps(key, ensure_ascii=False)[1:-1].encode(),
        "JSON, slash escaped": json.dumps(key)[1:-1].replace("/", "\\/").encode(),
        "JSON, all, lower case": escape_all("\\u{:04x}", key),
        "JSON, all, upper case": escape_all("\\u{:04X}", key),
        "HTML": html.escape(key).encode(),
        "HTML, all, decimal": escape_all("&#{};", key),
        "HTML, all, hexadecimal": escape_all("&#x{:x};", key),
        "HTML, all, in capitals": escape_all("&#X{:X};", key),
        "HTML, all, with zeros": escape_all("&#{:05};", key),
        "mixed": b"".join(([b"%%%02x" % ord(one), b"&#%d;" % ord(one), b"\\u%04x" % ord(one), one.encode()][at % 4])
                          if ord(one) < 128 else one.encode() for at, one in enumerate(key)),
    }


FORMS = list(forms("x"))


def base64_forms(key):
    """The text around the key encoded with it, and what is to be seen of that: what is its neighbours' alone."""
    raw = key.encode()
    for pad in range(3):
        whole = base64.b64encode(b"?" * pad + raw + b"???"[(pad + len(raw)) % 3:])
        shown = bytearray(whole)
        for at in range(len(whole)):
            bits = min(6 * at + 6, 8 * (pad + len(raw))) - max(6 * at, 8 * pad)
            if bits >= 4:  # of the six: with two of them nothing much is told
                shown[at] = ord("*")
        yield whole, bytes(shown)
        yield whole.replace(b"+", b"-").replace(b"/", b"_"), bytes(shown).replace(b"+", b"-").replace(b"/", b"_")


def stars(form):
    return b"*" * len(form)


def scripted(answers):
    """Answers each path with its pieces, each written by itself: over TLS, in a record of its own."""
    def handle(peer):
        while seen := peer.read_request():
            for piece in answers[seen.path]:
                peer.send(piece)
    return handle


def with_length(body, *fields, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def ask_all(targets, method="GET"):
    """All that came back for each of them, as it came: [head, body]."""
    answers = []
    for target in targets:
        with lease.connect() as stream:
            stream.send_head(method, target, "Connection: close")
            raw = b""
            while piece := stream.socket.recv(65536):
                raw += piece
            head, _, body = raw.partition(b"\r\n\r\n")
            answers.append([head.decode("latin-1"), body.decode("latin-1")])
    return answers


def ask_bodies(targets):
    """The bodies alone, on one stream."""
    with lease.connect() as stream:
        return [stream.get(target).body.decode("latin-1") for target in targets]


def field_values(head, name):
    return [line.partition(": ")[2] for line in head.split("\r\n")[1:] if line.lower().startswith(name.lower() + ":")]


def latin(text):
    return text.decode("latin-1")


# In every form.

def test_every_form_in_a_body_is_overwritten(credfd, serve, key):
    shown, answers = {}, {}
    for number, (name, form) in enumerate(forms(key).items()):
        shown[f"/{number}"] = name, b"before " + stars(form) + b" after " + stars(form)
        answers[f"/{number}"] = [with_length(b"before " + form + b" after " + form)]
    run = credfd.start_inside(ask_bodies, list(answers), upstream=serve(scripted(answers)).url, key=key)
    for (name, expected), body in zip(shown.values(), run.result(), strict=True):
        assert body == latin(expected), name
    assert {line["masked"] for line in run.audit(len(answers))} == {2}


def test_base64_in_a_body_is_overwritten_wherever_it_starts(credfd, serve, key):
    shown, answers = [], {}
    for number, (whole, expected) in enumerate(base64_forms(key)):
        shown.append(b'{"token": "' + expected + b'"}')
        answers[f"/{number}"] = [with_length(b'{"token": "' + whole + b'"}')]
    bodies = credfd.inside(ask_bodies, list(answers), upstream=serve(scripted(answers)).url, key=key)
    assert bodies == list(map(latin, shown))


def test_every_form_in_a_field_is_overwritten(credfd, serve, key):
    answers = {f"/{number}": [with_length(b"ok", "X-Echo: a " + latin(form) + " b")]
               for number, form in enumerate(forms(key).values())}
    seen = credfd.inside(ask_all, list(answers), upstream=serve(scripted(answers)).url, key=key)
    for (name, form), (head, _) in zip(forms(key).items(), seen, strict=True):
        assert field_values(head, "X-Echo") == ["a " + latin(stars(form)) + " b"], name


def test_a_key_of_one_kind_of_character_is_overwritten_too(credfd, serve):
    """Nothing but the canary: in most forms it is itself."""
    answers = {"/it": [with_length(b"".join(b"<%s>" % form for form in forms(credfd.canary).values()))]}
    expected = "".join("<" + "*" * len(form) + ">" for form in forms(credfd.canary).values())
    assert credfd.inside(ask_bodies, ["/it"], upstream=serve(scripted(answers)).url) == [expected]


def test_what_is_not_the_key_stays_as_it_is(credfd, serve, key):
    near = [key[1:], key[:-1], key.swapcase(), key[:20] + "x" + key[20:], key[::-1], "canary-", "*" * 40]
    bodies = [latin(text.encode()).replace(credfd.canary, "x") for text in near]
    answers = {f"/{number}": [with_length(body.encode("latin-1"))] for number, body in enumerate(bodies)}
    run = credfd.start_inside(ask_bodies, list(answers), upstream=serve(scripted(answers)).url, key=key)
    assert [hashlib.sha256(body.encode()).hexdigest() for body in run.result()] == [
        hashlib.sha256(body.encode()).hexdigest() for body in bodies]
    assert {line["masked"] for line in run.audit(len(answers))} == {0}


# In every place.

def test_every_place_of_a_head_is_masked(credfd, serve):
    key, hidden = credfd.canary, "*" * len(credfd.canary)
    answers = {"/it": [with_length(b"ok", f"Location: https://elsewhere.test/?app_key={key}&next=1", f"X-{key}: yes",
                                   f"Content-Type: text/{key}", f'ETag: "{key}"', f"X-Twice: {key}, {key}{key}",
                                   f"WWW-Authenticate: Bearer token={key}", status=f"401 {key}")]}
    run = credfd.start_inside(ask_all, ["/it"], upstream=serve(scripted(answers)).url)
    [[head, body]] = run.result()
    assert head.startswith("HTTP/1.1 401 ") and body == "ok"
    assert field_values(head, "Location") == [f"https://elsewhere.test/?app_key={hidden}&next=1"]
    assert field_values(head, f"X-{hidden}") == ["yes"]
    assert field_values(head, "Content-Type") == [f"text/{hidden}"]
    assert field_values(head, "ETag") == [f'"{hidden}"']
    assert field_values(head, "X-Twice") == [f"{hidden}, {hidden}{hidden}"]
    assert field_values(head, "WWW-Authenticate") == [f"Bearer token={hidden}"]
    assert run.audit(1)[0]["masked"] == 8


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "404 Not Found", "500 Internal Server Error",
                                    "503 Service Unavailable"])
def test_an_error_page_is_masked(credfd, serve, status):
    page = f"<p>no such key: {credfd.canary}</p>".encode()
    answers = {"/it": [with_length(page, status=status)]}
    [[head, body]] = credfd.inside(ask_all, ["/it"], upstream=serve(scripted(answers)).url)
    assert head.startswith(f"HTTP/1.1 {status[:3]} ")
    assert body == f"<p>no such key: {'*' * len(credfd.canary)}</p>"


def test_an_interim_response_is_masked(credfd, serve):
    answers = {"/it": [f"HTTP/1.1 103 Early Hints\r\nLink: </{credfd.canary}>\r\nSet-Cookie: a={credfd.canary}\r\n\r\n",
                       with_length(b"ok")]}
    [[head, rest]] = credfd.inside(ask_all, ["/it"], upstream=serve(scripted(answers)).url)
    assert head.startswith("HTTP/1.1 103 ") and field_values(head, "Link") == [f"</{'*' * len(credfd.canary)}>"]
    assert "Set-Cookie" not in head and rest.endswith("ok")


def test_a_trailer_says_nothing_of_the_key(credfd, serve):
    answers = {"/it": ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Key\r\n\r\n2\r\nok\r\n0\r\n"
                       f"X-Key: {credfd.canary}\r\nX-{credfd.canary}: 1\r\n\r\n"]}
    [[head, body]] = credfd.inside(ask_all, ["/it"], upstream=serve(scripted(answers)).url)
    assert body.startswith("2\r\nok\r\n0\r\n") and credfd.canary not in head + body


def test_chunks_whose_framing_says_the_key_do_not_pass_it_on(credfd, serve):
    head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answers = {"/it": [head + f"2;key={credfd.canary}\r\nok\r\n0\r\n\r\n"]}
    [[_, body]] = credfd.inside(ask_all, ["/it"], upstream=serve(scripted(answers)).url)
    assert body == "2\r\nok\r\n0\r\n\r\n"


def test_head_has_its_fields_masked_and_its_length_as_it_was(credfd, serve):
    answers = {"/it": [f"HTTP/1.1 200 OK\r\nX-Echo: {credfd.canary}\r\nContent-Length: 12345\r\n\r\n"]}
    [[head, body]] = credfd.inside(ask_all, ["/it"], "HEAD", upstream=serve(scripted(answers)).url)
    assert field_values(head, "X-Echo") == ["*" * len(credfd.canary)]
    assert field_values(head, "Content-Length") == ["12345"] and body == ""


def test_a_body_that_only_its_end_delimits_is_masked_to_its_last_byte(credfd, serve):
    def close_after(peer):
        if peer.read_request():
            peer.send(f"HTTP/1.1 200 OK\r\n\r\nthe key: {credfd.canary}")
            peer.close_orderly()

    [body] = credfd.inside(ask_bodies, ["/it"], upstream=serve(close_after).url)
    assert body == "the key: " + "*" * len(credfd.canary)


@pytest.mark.parametrize("part", [1, 7, 20, 38])
def test_a_response_that_is_cut_inside_the_key_shows_none_of_it_whole(credfd, serve, part):
    """What came may go out or not; it is a part of the key, which is nobody's to mask, but the cut stays visible."""
    def cut(peer):
        if peer.read_request():
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe key: " + credfd.canary[:part])
            peer.close_orderly()

    def ask():
        with lease.connect() as stream:
            try:
                return stream.get("/it").text, "whole"
            except lease.Truncated as error:
                return error.partial.decode(), "cut"

    body, how = credfd.inside(ask, upstream=serve(cut).url)
    assert how == "cut" and body.startswith("the key: "[:9]) and credfd.canary not in body


# However it is cut into pieces.

def cut_in_two(body, at, how):
    parts = [body[:at], body[at:]]
    if how == "records":
        return [with_length(body)[:-len(body)], *parts]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head + chunks + b"0\r\n\r\n"]


@pytest.mark.parametrize("how", ["records", "chunks"])
@pytest.mark.parametrize("name", ["itself", "base64", "percent, upper case", "JSON, all, lower case",
                                  "HTML, all, decimal"])
def test_no_border_hides_the_key(credfd, serve, key, name, how):
    form, hidden = list(base64_forms(key))[2] if name == "base64" else (forms(key)[name], stars(forms(key)[name]))
    answers = {f"/{at}": cut_in_two(b"(" + form + b")", at, how) for at in range(1, len(form) + 2)}
    bodies = credfd.inside(ask_bodies, list(answers), upstream=serve(scripted(answers)).url, key=key)
    assert set(bodies) == {latin(b"(" + hidden + b")")}


@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "chunked"])
def test_byte_by_byte_is_no_way_around_either(credfd, serve, key, chunked):
    def in_bytes(whole):
        return [whole[at:at + 1] for at in range(len(whole))]

    answers, expected = {}, []
    for number, name in enumerate(("itself", "percent, lower case", "hexadecimal, lower case", "HTML")):
        body = b"(" + forms(key)[name] + b")"
        if chunked:
            framed = b"".join(b"1\r\n%s\r\n" % piece for piece in in_bytes(body)) + b"0\r\n\r\n"
            answers[f"/{number}"] = in_bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed)
        else:
            answers[f"/{number}"] = in_bytes(with_length(body, f"X-Echo: {credfd.canary}"))
        expected.append(latin(b"(" + stars(forms(key)[name]) + b")"))
    assert credfd.inside(ask_bodies, list(answers), upstream=serve(scripted(answers)).url, key=key) == expected


def test_a_long_answer_full_of_keys_is_masked_throughout(credfd, serve, no_sanitizer):
    """Across every read and datagram, wherever their borders fall."""
    body = b"".join(b"%d:%s;" % (number, credfd.canary.encode()) for number in range(40_000))
    run = credfd.start_inside(ask_digest, "/it", upstream=serve(scripted({"/it": [with_length(body)]})).url)
    expected = body.replace(credfd.canary.encode(), b"*" * len(credfd.canary))
    assert run.result() == [len(body), hashlib.sha256(expected).hexdigest()]
    assert run.audit(1)[0]["masked"] == 40_000


def ask_digest(target, *fields):
    with lease.connect() as stream:
        stream.send_head("GET", target, *fields)
        head, digest, length = stream.read_head(), hashlib.sha256(), 0
        for piece in stream.body_pieces(head):
            digest.update(piece)
            length += len(piece)
    return length, digest.hexdigest()


def test_events_flow_without_delay_and_are_masked(credfd, serve):
    """Each event is sent only after the workload has the one before; every other one says the key."""
    next_event = threading.Semaphore(0)
    said = ["data: hello\n\n", f"data: {credfd.canary}\n\n", "data: {\"text\": \"and on\"}\r\n\r\n",
            f"event: {credfd.canary}\ndata: x\n\n", "data: canary-\n\n", ": \n\n"]

    def events(peer):
        peer.read_request()
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in said:
            assert next_event.acquire(timeout=procs.PATIENCE)
            peer.send(f"{len(event):x}\r\n{event}\r\n")
        peer.send("0\r\n\r\n")

    def listen():
        with lease.connect() as stream:
            stream.send_head("GET", "/events")
            head, event = stream.read_head(), b""
            say("head")
            for piece in stream.body_pieces(head):
                event += piece
                if event.endswith((b"\n\n", b"\r\n\r\n")):
                    say("event " + repr(event.decode()))
                    event = b""

    run = credfd.start_inside(listen, upstream=serve(events).url)
    run.expect("head")
    for event in said:
        next_event.release()
        assert run.expect("event") == repr(event.replace(credfd.canary, "*" * len(credfd.canary)))
    run.result()


# Cookies.

COOKIES = ["Set-Cookie: sid={key}; Path=/; HttpOnly", "set-cookie: plain=1", "SET-COOKIE: third=3",
           "Set-Cookie2: old={key}"]


def cookie_answers(key):
    return {"/it": [with_length(b"ok", *(line.format(key=key) for line in COOKIES), "X-After: yes")]}


def test_a_cookie_stays_behind(credfd, serve):
    """A session that the upstream opens for the key would outlive the lease."""
    [[head, body]] = credfd.inside(ask_all, ["/it"], upstream=serve(scripted(cookie_answers(credfd.canary))).url)
    assert "cookie" not in head.lower() and body == "ok" and field_values(head, "X-After") == ["yes"]


def test_a_cookie_passes_where_it_is_wanted_and_is_masked(credfd, serve):
    [[head, _]] = credfd.inside(ask_all, ["/it"], upstream=serve(scripted(cookie_answers(credfd.canary))).url,
                                **{"pass": ["set-cookie"]})
    hidden = "*" * len(credfd.canary)
    assert field_values(head, "Set-Cookie") == [f"sid={hidden}; Path=/; HttpOnly", "plain=1", "third=3"]


# As nginx says it back, however it was put in.

INJECTIONS = {
    "query": {"query": "app_key"},
    "header": {"header": "X-Api-Key"},
    "header with a format": {"header": "Authorization", "format": "Bearer {}"},
    "basic, the password": {"basic": {"user": "robot"}},
    "basic, the user": {"basic": {"password": "x-oauth-basic"}},
    "cookie": {"cookie": "session"},
    "path": {"path": "/bot{}"},
    "several": [{"query": "app_key"}, {"basic": {"user": "robot"}}, {"header": "X-Api-Key"}, {"cookie": "session"}],
}


def echo(inject, key):
    """What nginx answers: $request_uri $arg_app_key $http_authorization $http_x_api_key $http_cookie"""
    ways = inject if isinstance(inject, list) else [inject]
    uri, words = "/echo", {}
    for way in ways:
        if "query" in way:
            uri, words["query"] = uri + "?app_key=" + key, key
        if "path" in way:
            uri = way["path"].format(key) + uri
        if "cookie" in way:
            words["cookie"] = f"{way['cookie']}={key}"
        if "basic" in way:
            pair = f"{way['basic']['user']}:{key}" if "user" in way["basic"] else f"{key}:{way['basic']['password']}"
            words["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        if "header" in way:
            words[way["header"]] = way.get("format", "{}").format(key)
    return " ".join([uri, *(words.get(name, "") for name in ("query", "Authorization", "X-Api-Key", "cookie"))]) + "\n"


def hide(text, key):
    """The key, and the pair that it is half of, as they are to be seen."""
    pair = re.search("Basic ([^= ]+)", text)
    for secret in [pair.group(1)] if pair else []:
        text = text.replace(secret, "*" * len(secret))
    return text.replace(key, "*" * len(key))


@pytest.mark.parametrize("inject", INJECTIONS.values(), ids=INJECTIONS)
def test_what_a_careless_server_says_back_is_masked(credfd, inject):
    run = credfd.start_inside(ask_all, ["/echo"], inject=inject)
    [[head, body]] = run.result()
    said = echo(inject, credfd.canary)
    assert body == hide(said, credfd.canary)
    assert field_values(head, "Content-Length") == [str(len(said))]
    assert run.audit(1)[0]["masked"] >= 1
    assert "mask" not in run.stderr


@pytest.mark.parametrize("inject", INJECTIONS.values(), ids=INJECTIONS)
def test_without_masking_it_is_all_there(credfd, inject):
    """What the masked case hides really was said. Only its digest leaves the workload."""
    run = credfd.start_inside(ask_digest, "/echo", inject=inject, mask="off")
    said = echo(inject, credfd.canary).encode()
    assert run.result() == [len(said), hashlib.sha256(said).hexdigest()]
    assert run.audit(1)[0]["masked"] == 0


def test_masking_that_is_off_is_told_at_the_start_and_by_check(credfd):
    folder = credfd.session.new_folder()
    config = credfd.write_settings(folder, [credfd.credential("open", mask="off", env=None),
                                            credfd.credential("closed", env=None)])
    run = credfd.start(["true"], config=config)
    assert run.wait() == 0
    [line] = [line for line in run.stderr.splitlines() if "mask" in line]
    assert "open" in line and "off" in line
    done = credfd.command("check", "-c", config)
    told = (done.stdout + done.stderr).decode().splitlines()
    assert done.returncode == 0
    assert [line for line in told if "open" in line and re.search(r"mask(: |ing is )off", line)], told
    assert not [line for line in told if "closed" in line and "mask" in line]


# What would make an answer that cannot be masked is not asked for.

@pytest.fixture
def page(nginx):
    path = nginx.folder / "file" / "page"
    path.write_text("line\n" * 2000)
    yield path
    path.unlink()


ASKED = ["Accept-Encoding: gzip, br", "Range: bytes=0-3"]


def test_neither_a_compressed_answer_nor_a_part_of_one_is_asked_for(credfd, page):
    [[head, body]] = credfd.inside(ask_with, "/file/page", ASKED)
    assert head.startswith("HTTP/1.1 200 ") and body == page.read_text()
    assert field_values(head, "Content-Encoding") == [] and field_values(head, "Content-Length") == [str(len(body))]


@pytest.mark.parametrize("field", ASKED, ids=["gzip", "a range"])
def test_without_masking_both_may_be_asked_for(credfd, page, field):
    [[head, body]] = credfd.inside(ask_with, "/file/page", [field], mask="off")
    assert (head.startswith("HTTP/1.1 206 "), field_values(head, "Content-Encoding")) == (
        (True, []) if "Range" in field else (False, ["gzip"]))


def test_the_upstream_is_asked_for_identity_alone(credfd):
    credfd.inside(ask_with, "/it", [*ASKED, "If-Range: \"x\"", "A-IM: gzip", "TE: trailers, gzip"])
    (seen,) = credfd.upstream.requests
    assert seen.all("Accept-Encoding") == ["identity"]
    assert [name for name in ("Range", "If-Range", "A-IM", "TE") if seen.all(name)] == []


def ask_with(target, fields):
    with lease.connect() as stream:
        stream.send_head("GET", target, "Connection: close", *fields)
        raw = b""
        while piece := stream.socket.recv(65536):
            raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    return [[head.decode("latin-1"), body.decode("latin-1")]]


# Two keys, one after the other.

def test_the_key_before_a_rotation_is_masked_still(credfd, serve):
    old, new = credfd.canary + "-old", credfd.canary + "-new"
    answers = {"/": [with_length(b"ok")], "/both": [with_length(f"{old} {new}".encode())]}
    upstream = serve(scripted(answers))

    def ask_as_told():
        say("running")
        while target := hear():
            with lease.connect() as stream:
                say("body " + stream.get(target).text)

    folder = credfd.session.new_folder()
    credential = credfd.credential(upstream=upstream.url)
    config = credfd.write_settings(folder, [credential], key=old)
    run = credfd.start_inside(ask_as_told, config=config)
    run.expect("running")
    path = folder / "test-secrets" / "api.key"
    (folder / "test-secrets" / "next").write_text(new)
    (folder / "test-secrets" / "next").chmod(0o400)
    os.replace(folder / "test-secrets" / "next", path)

    def is_new():
        run.say("/")
        run.expect("body")
        return upstream.requests[-1].keys() == [new]

    wait_until(is_new, "the new key")
    run.say("/both")
    assert run.expect("body") == f"{'*' * len(old)} {'*' * len(new)}"
    run.result()
