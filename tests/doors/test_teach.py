"""Refusals that teach: the rules that `credfd log --suggest` and `credfd run --learn` write let through what they were
written for, and nothing else."""
import json
import re
import signal
import stat

import pytest

import chain
import settings

RULE = re.compile(r'^      - ("[^ ]+ .*")  # \d+ requests?', re.M)


def ask_each(requests):
    """[[method, target], ...] on one stream each; the statuses."""
    statuses = []
    for method, target in requests:
        with lease.connect() as stream:
            statuses.append(stream.request(method, target).status)
    return statuses


def ask_around_a_reload():
    """/a; then, once the new rules deny /d, /b."""
    statuses = ask_each([["GET", "/a"]])
    say("asked")
    deadline = time.monotonic() + 20
    while ask_each([["GET", "/d"]]) != [403]:
        assert time.monotonic() < deadline, "the rules were not read again"
    return statuses + ask_each([["GET", "/b"]])


def pasted(credfd, fragment, **changes):
    """A configuration that ends in the fragment's lines, as they stand there."""
    folder = credfd.session.new_folder()
    lines = [line for line in fragment.splitlines() if line and not line.startswith(("#", "credentials:", "  - name:"))]
    path = credfd.write_settings(folder, [credfd.credential(allow=None, **changes)])
    path.write_text(path.read_text() + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def suggest(credfd):
    def run(*arguments, **how):
        done = credfd.command("log", "--denied", "--suggest", *arguments, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()
    return run


@pytest.fixture
def audit(session):
    return session.new_folder() / "audit.jsonl"


REQUESTS = [["GET", "/user"], ["GET", "/repos/a/b?page=2"], ["POST", "/repos/a/b/issues"], ["GET", "/a/"],
            ["DELETE", "/group%2Fproject"], ["GET", "/a;v=1/b"], ["GET", '/a%41b'], ["GET", "/it's/(1)/$x/@y:z"]]
BEYOND = [["GET", "/"], ["POST", "/user"], ["GET", "/user/1"], ["GET", "/repos/a/c"], ["GET", "/a"], ["HEAD", "/user"]]


def test_what_was_refused_passes_with_the_printed_lines(credfd, suggest):
    run = credfd.start_inside(ask_each, REQUESTS, allow=None)
    assert set(run.result()) == {403}
    fragment = suggest(run.folder / "audit.jsonl")
    statuses = credfd.inside(ask_each, REQUESTS + BEYOND, config=pasted(credfd, fragment))
    assert statuses == [200] * len(REQUESTS) + [403] * len(BEYOND)


def test_it_prints_each_once_sorted_with_counts(audit, suggest):
    refused = dict(status=403, refusal="no_rule", rule="")
    chain.write(audit, chain.lines(2, path="/z", **refused) + chain.lines(1, path="/a", method="PUT", **refused)
                + chain.lines(1, path="/a", lease="other", **refused) + chain.lines(3))
    assert suggest(audit) == ('credentials:\n  - name: api\n    allow:\n      - "PUT /a"  # 1 request\n'
                              '      - "GET /z"  # 2 requests\n  - name: other\n    allow:\n      - "GET /a"  # 1 request\n')


def test_only_what_was_asked_for(audit, suggest):
    refused = dict(status=403, refusal="no_rule", rule="")
    old = [line.replace("2026-01-31T", "2020-01-31T") for line in chain.lines(1, path="/old", **refused)]
    chain.write(audit, old + chain.lines(1, path="/mine", **refused) + chain.lines(1, path="/b", lease="b", **refused))
    assert RULE.findall(suggest("--lease", "b", audit)) == ['"GET /b"']
    assert RULE.findall(suggest("--since", "2025-01-01T00:00:00Z", audit)) == ['"GET /mine"', '"GET /b"']
    assert suggest("--lease", "nobody", audit) == "# there is nothing to suggest\n"


def test_suggest_alone_looks_at_what_was_denied(credfd, audit):
    chain.write(audit, chain.lines(2) + chain.lines(1, path="/x", status=403, refusal="no_rule"))
    assert RULE.findall(credfd.command("log", "--suggest", audit).stdout.decode()) == ['"GET /x"']


@pytest.mark.parametrize("option", ["-f", "--json", "--verify"])
def test_it_goes_with_no_lines(credfd, audit, option):
    chain.write(audit, chain.lines(1))
    done = credfd.command("log", "--suggest", option, audit)
    assert done.returncode == 125 and done.stdout == b""


def test_what_no_rule_mends_is_said(audit, suggest):
    chain.write(audit, chain.lines(2, status=403, refusal="denied", rule="DELETE /repos/**")
                + chain.lines(1, status=403, refusal="ambiguous_path", path="/a/../b")
                + chain.lines(1, status=403, refusal="ttl") + chain.lines(1, status=429, refusal="rate")
                + chain.lines(1, status=403, refusal="revoked"))
    out = suggest(audit)
    assert not RULE.findall(out)
    for words in ("# 2 requests: this deny rule would have to go: DELETE /repos/**", "GET /a/../b", "limits.ttl",
                  "limits.rate", "revoked"):
        assert words in out
    assert all(line.lstrip().startswith("#") for line in out.splitlines()[2:])


def test_hosts_that_no_rule_let_through(audit, suggest):
    ways = dict(lease="egress", method="CONNECT", path="", status=403)
    chain.write(audit, chain.lines(2, authority="packages.example.org:443", refusal="host", **ways)
                + chain.lines(1, authority="169.254.169.254:80", refusal="host", **ways)
                + chain.lines(1, authority="*.example.org:443", refusal="host", **ways))
    out = suggest(audit)
    assert re.findall(r'^    - "(.*)"', out, re.M) == ["packages.example.org:443"]
    assert out.startswith("egress:\n  allow:\n") and "# 1 request: this is no host: *.example.org:443" in out
    assert re.search(r"^  # .*169\.254\.169\.254:80$", out, re.M)


def test_the_table_says_which_host_was_tried(credfd, audit):
    chain.write(audit, chain.lines(1, lease="egress", method="CONNECT", path="", authority="h.example.org:443", status=403,
                                   refusal="host") + chain.lines(1))
    rows = credfd.command("log", audit).stdout.decode().splitlines()
    assert " h.example.org:443 " in rows[1] and "example.org" not in rows[2]


HOSTILE = ["/**", "/*", "/a*", "/a[bc]", "/{a,b}", "/a\n      - \"GET /**\"  # 1 request", "/a\x1b[2J", "/a b", "/ä", "/a\x00",
           "/a#b", "/a?b", "/a\\b", "/a%20b", "/a%0a", "/a%00", "/" + "x" * 5000, "", "a", "*"]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_is_a_rule_for_itself_or_none(audit, suggest, path):
    chain.write(audit, chain.lines(1, path=path, status=403, refusal="no_rule", rule=""))
    out = suggest(audit)
    assert not RULE.findall(out)
    assert "# " in out and not re.search(r"[^\n\x20-\x7e]", out)
    assert all(re.match(r"credentials:|  - name: api|    +#", line) for line in out.splitlines())


@pytest.mark.parametrize("lease, method", [("api", "*"), ("api", "get"), ("api", "GET /** #"), ("api", ""),
                                           ("a\n  - name: b", "get"), ("\x1b[2J", "*")])
def test_nor_is_a_method_or_a_lease_more_than_it_is(audit, suggest, lease, method):
    chain.write(audit, chain.lines(1, lease=lease, method=method, path="/a", status=403, refusal="no_rule", rule=""))
    out = suggest(audit)
    assert not RULE.findall(out) and len(out.splitlines()) == 3
    assert not re.search(r"[^\n\x20-\x7e]", out)


def test_lines_that_are_none_are_passed_over(audit, suggest):
    good = chain.lines(1, status=403, refusal="no_rule")
    audit.write_text("{half\n[1]\n" + "x" * 200_000 + "\n" + good[0] + '\n{"refusal":7}\n{"refusal":"no_rule"}\n{"refusal":"?"}')
    assert RULE.findall(suggest(audit)) == ['"GET /1"']


def test_many_become_few_that_pass(credfd, suggest, audit):
    refused = dict(status=403, refusal="no_rule", rule="")
    chain.write(audit, chain.lines(2000, path=lambda number: f"/repos/{number}/issues", **refused)
                + chain.lines(1, path="/user", **refused))
    out = suggest(audit)
    assert [json.loads(rule) for rule in RULE.findall(out)] == ["GET /repos/*/issues", "GET /user"]
    assert "# 2000 requests, taken together" in out
    statuses = credfd.inside(ask_each, [["GET", "/repos/77/issues"], ["GET", "/user"], ["GET", "/repos/7/8/issues"]],
                             config=pasted(credfd, out))
    assert statuses == [200, 200, 403]


# --learn.

@pytest.fixture
def learnt(session):
    """A file that is still to be written."""
    return session.new_folder() / "learnt.yaml"


def test_what_a_run_used_passes_with_what_it_taught(credfd, learnt):
    run = credfd.start_inside(ask_each, REQUESTS, allow=["GET /nothing"], options=["--learn", learnt])
    assert set(run.result()) == {200}
    text = learnt.read_text()
    assert "MUST READ THIS" in text and stat.S_IMODE(learnt.stat().st_mode) == 0o600
    assert re.search(r"EVERY REQUEST TO THE UPSTREAMS IS ALLOWED", run.stderr)
    statuses = credfd.inside(ask_each, REQUESTS + BEYOND, config=pasted(credfd, text))
    assert statuses == [200] * len(REQUESTS) + [403] * len(BEYOND)


def test_it_is_for_one_run(credfd, learnt):
    folder = credfd.session.new_folder()
    config = credfd.write_settings(folder, [credfd.credential(allow=None)])
    assert credfd.inside(ask_each, [["GET", "/x"]], config=config, options=["--learn", learnt]) == [200]
    assert credfd.inside(ask_each, [["GET", "/x"]], config=config) == [403]


def test_deny_still_counts(credfd, learnt):
    statuses = credfd.inside(ask_each, [["GET", "/a"], ["DELETE", "/a"], ["GET", "/keys/1"]], allow=None,
                             deny=["DELETE /**", "* /keys/**"], options=["--learn", learnt])
    assert statuses == [200, 403, 403]
    text = learnt.read_text()
    assert RULE.findall(text) == ['"GET /a"']
    assert "this deny rule would have to go: DELETE /**" in text and "have to go: * /keys/**" in text


def test_limits_still_count(credfd, learnt):
    statuses = credfd.inside(ask_each, [["GET", "/a"], ["GET", "/b"]], allow=None, limits={"requests": 1},
                             options=["--learn", learnt])
    assert statuses == [200, 403]
    assert RULE.findall(learnt.read_text()) == ['"GET /a"'] and "`limits.requests` was reached" in learnt.read_text()


def test_what_the_upstream_refused_is_a_comment(credfd, serve, learnt):
    def refuse(peer):
        while seen := peer.read_request():
            peer.answer(b"", "404 Not Found" if seen.path == "/gone" else "200 OK")
    api = serve(refuse)
    assert credfd.inside(ask_each, [["GET", "/gone"], ["GET", "/here"]], allow=None, upstream=api.url,
                         ca_file=str(api.ca_file), options=["--learn", learnt]) == [404, 200]
    text = learnt.read_text()
    assert RULE.findall(text) == ['"GET /here"']
    assert '# - "GET /gone"  # 1 request, refused by the upstream: 404' in text


def test_a_file_that_is_there_is_left_alone(credfd, learnt):
    learnt.write_text("mine\n")
    run = credfd.start(["true"], options=["--learn", learnt])
    assert run.wait() == 125 and learnt.read_text() == "mine\n"
    assert "--learn" in run.stderr and "not there yet" in run.stderr


def test_a_link_is_not_followed(credfd, learnt):
    learnt.symlink_to(learnt.parent / "elsewhere")
    assert credfd.start(["true"], options=["--learn", learnt]).wait() == 125
    assert not (learnt.parent / "elsewhere").exists()


def test_nothing_asked_for_nothing_learnt(credfd, learnt):
    assert credfd.start(["true"], options=["--learn", learnt]).wait() == 0
    assert not learnt.exists()
    assert credfd.start(["true"], options=["--learn", learnt], config="/nowhere.yaml").wait() == 125
    assert not learnt.exists()


def test_it_goes_on_after_a_reload(credfd, learnt):
    folder = credfd.session.new_folder()
    config = credfd.write_settings(folder, [credfd.credential(allow=["GET /a"])])
    run = credfd.start_inside(ask_around_a_reload, using=[ask_each], config=config, options=["--learn", learnt])
    run.expect("asked")
    config.write_text(config.read_text() + '    deny: [ "GET /d" ]\n')
    run.process.send_signal(signal.SIGHUP)
    assert run.result() == [200, 200]
    assert {'"GET /a"', '"GET /b"'} <= set(RULE.findall(learnt.read_text()))


def test_of_several_credentials_each_by_its_name(credfd, learnt):
    def ask_two():
        answers = []
        for name in ("one", "two"):
            with lease.connect(name) as stream:
                answers.append(stream.request("GET", f"/{name}").status)
        return answers
    credentials = [credfd.credential(name, allow=None, env=None) for name in ("two", "one")]
    assert credfd.inside(ask_two, credentials=credentials, options=["--learn", learnt]) == [200, 200]
    assert learnt.read_text().endswith('credentials:\n  - name: one\n    allow:\n      - "GET /one"  # 1 request\n'
                                       '  - name: two\n    allow:\n      - "GET /two"  # 1 request\n')


def test_with_a_profile(credfd, learnt):
    home = credfd.session.new_folder()
    place = home / "credfd" / "profiles"
    place.mkdir(parents=True)
    terms = {name: value for name, value in credfd.credential(allow=["GET /nothing"], env=None).items()
             if name not in ("name", "secret")}
    (place / "mine.yaml").write_text(settings.dump({"description": "for a test", **terms}))
    done = credfd.command("run", "--profile", "mine", "--secret", "env:MY_KEY", "--learn", learnt, "--",
                          credfd.session.path, "call", "mine", "/hello",
                          env={"XDG_CONFIG_HOME": str(home), "MY_KEY": credfd.canary})
    assert done.returncode == 0, done.stderr
    assert RULE.findall(learnt.read_text()) == ['"GET /hello"']


def learn_hosts(credfd, learnt, script, allow, **changes):
    run = credfd.start(["sh", "-c", script], extra={"egress": {"allow": allow}}, options=["--learn", learnt], **changes)
    assert run.wait() == 0, run.stderr
    return learnt.read_text()


def test_a_host_that_was_used_is_learnt_and_one_that_was_refused_is_a_comment(credfd, learnt, api):
    used, other = f"127.0.0.1:{api.port}", "packages.example.org:443"
    text = learn_hosts(credfd, learnt, f"""
        curl -sS --cacert {api.ca_file} https://{used}/a
        curl -sS --cacert {api.ca_file} https://{used}/b
        curl -sS https://{other}/x
        curl -sS http://127.0.0.1:9/
        true
    """, [used, "127.0.0.2:7"])
    assert [seen.path for seen in api.requests] == ["/a", "/b"]
    assert text.split("egress:\n")[1].startswith(f'  allow:\n    - "{used}"  # 2 requests\n'), text
    assert f'    # - "{other}"  # 1 request, refused by credfd\n' in text
    assert "127.0.0.1:9" in text and "127.0.0.2" not in text
    assert re.findall(r"^ *- .*", text.split("egress:\n")[1], re.M) == [f'    - "{used}"  # 2 requests']


def test_where_hosts_were_only_refused_nothing_is_a_rule(credfd, learnt):
    text = learn_hosts(credfd, learnt, "curl -sS https://packages.example.org/x; true", [])
    assert [line for line in text.splitlines() if line and not line.lstrip().startswith("#")] == ["egress:"], text
    assert "packages.example.org:443" in text


def test_a_placeholder_that_left_its_place_is_told_with_its_request(credfd, learnt, api):
    """The host is the lease's own: what was asked of it tells which request it was."""
    credential = credfd.credential(upstream=api.url, ca_file=str(api.ca_file), placeholder="key_{alnum:32}",
                                   inject={"header": "Authorization", "format": "Bearer {}"},
                                   env={"API": "{base_url}", "TOKEN": "{placeholder}"})
    text = learn_hosts(credfd, learnt, 'curl -sS -o /dev/null -H "X-Other: $TOKEN" "$API/leak"; true', [],
                       credentials=[credential])
    assert api.requests == []
    assert "no setting lets it pass: GET /leak\n" in text, text
    assert "egress:" not in text
