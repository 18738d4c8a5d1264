"""What a lease may be used for: nothing written, nothing allowed; a list of METHOD and path; or everything."""
import json
import os
import shutil
import sys

import pytest


def ask_each(requests):
    """[[method, target], ...] on one stream each; the statuses and the last body."""
    statuses, text = [], ""
    for method, target in requests:
        with lease.connect() as stream:
            answer = stream.request(method, target)
            statuses.append(answer.status)
            text = answer.text
    return statuses, text


def test_nothing_written_allows_nothing(credfd):
    statuses, text = credfd.inside(ask_each, [["GET", "/it"], ["POST", "/"]], allow=None)
    assert statuses == [403, 403]
    assert credfd.upstream.requests == []
    answer = json.loads(text)
    assert answer["lease"] == "api" and answer["error"] and answer["reason"]


def test_all_allows_everything(credfd):
    statuses, _ = credfd.inside(ask_each, [["GET", "/it"], ["DELETE", "/a/b/c"], ["POST", "/x?y=z"]], allow="all")
    assert statuses == [200, 200, 200]


ALLOW = ["GET /incident/**", "POST /incident/list", "GET /user/*/name", "GET /exact"]


@pytest.mark.parametrize("method, target, status", [
    ("GET", "/incident/1", 200), ("GET", "/incident/a/b/c", 200), ("GET", "/incident/1?x=/other", 200),
    ("POST", "/incident/list", 200), ("GET", "/user/7/name", 200), ("GET", "/exact", 200), ("GET", "/exact?a=1", 200),
    ("POST", "/incident/1", 403), ("DELETE", "/incident/1", 403), ("GET", "/other", 403), ("GET", "/", 403),
    ("POST", "/incident/list/more", 403), ("GET", "/user/7/8/name", 403), ("GET", "/user/name", 403),
    ("GET", "/exact/more", 403), ("GET", "/exactly", 403), ("get", "/exact", 403), ("GET", "/incidents", 403),
    ("GET", "/Exact", 403), ("HEAD", "/exact", 403),
])
def test_a_list_allows_what_it_says(credfd, method, target, status):
    statuses, _ = credfd.inside(ask_each, [[method, target]], allow=ALLOW)
    assert statuses == [status]
    assert len(credfd.upstream.requests) == (status == 200)


@pytest.mark.parametrize("target", [
    "/public/../secret", "/public/%2e%2e/secret", "/public/.%2e/secret", "/public/%2E%2E/secret", "/public//../secret",
    "/public/..%2fsecret", "/public/x/../../secret", "/secret/../public/x", "//public/x", "/public/./../secret",
    "/public/..;/secret", "/public/..;x=y/secret", "/PUBLIC/x", "/public%2fx/../../secret", "/./public/../secret",
    "/public/%252e%252e/../../secret", "/public/..", "/public/../",
])
def test_no_spelling_slips_past_a_path_rule(credfd, target):
    statuses, _ = credfd.inside(ask_each, [["GET", target]], allow=["GET /public/**"])
    assert statuses == [403] or statuses == [400]
    assert credfd.upstream.requests == []


def test_a_refusal_leaves_the_stream_in_order(credfd):
    def mixed():
        with lease.connect() as stream:
            return [stream.get(path).status for path in ("/exact", "/other", "/other", "/exact")]

    assert credfd.inside(mixed, allow=ALLOW) == [200, 403, 403, 200]
    assert [seen.path for seen in credfd.upstream.requests] == ["/exact", "/exact"]


@pytest.mark.parametrize("length", [3, 10_000, 200_000, 5_000_000])
def test_a_refused_upload_sees_its_answer(credfd, length):
    """Whether or not the body was awaited, the answer comes; then the stream goes on, or the answer says it ends."""
    def upload(length):
        with lease.connect() as stream:
            answer = stream.post("/other", b"x" * length)
            closes = answer.field("Connection") == "close"
            return answer.status, stream.at_end() if closes else stream.get("/exact").status == 200

    assert credfd.inside(upload, length, allow=ALLOW) == [403, True]
    assert "/other" not in [seen.path for seen in credfd.upstream.requests]


def test_the_audit_names_the_rule_and_the_reason(credfd):
    run = credfd.start_inside(ask_each, [["GET", "/incident/1"], ["GET", "/other"]], allow=ALLOW)
    run.result()
    allowed, refused = run.audit(2)
    assert "/incident/**" in allowed["rule"] and not allowed.get("reason")
    assert refused["status"] == 403 and refused["reason"]


@pytest.mark.parametrize("allow", ["all", ["GET /projects/**"]])
@pytest.mark.parametrize("target", [
    "/../../other/v1/x", "/projects/../../../projects/list", "/projects/%2e%2e/%2e%2e/%2e%2e/projects/list", "/..;/x",
])
def test_no_path_climbs_out_of_the_upstreams_base_path(credfd, allow, target):
    """The key is bound to what stands in `upstream`, base path and all."""
    statuses, _ = credfd.inside(ask_each, [["GET", target]], allow=allow, upstream=credfd.upstream.url + "/tenant/v1")
    assert statuses == [403]
    assert credfd.upstream.requests == []


@pytest.mark.parametrize("field", ["X-HTTP-Method-Override: DELETE", "X_HTTP_Method_Override: DELETE", "X-Original-URL: /secret",
                                   "X-Rewrite-Url: /secret", "Transfer_Encoding: chunked", "Content_Length: 5"])
def test_no_field_goes_round_the_rule(credfd, field):
    def ask(field):
        with lease.connect() as stream:
            return stream.get("/it", field).status

    assert credfd.inside(ask, field) == 200
    [seen] = credfd.upstream.requests
    assert field.split(": ")[0].lower() not in {name.lower() for name, _ in seen.fields}


# What is denied stays denied.

DENY = ["DELETE /**", "* /incident/*/secret/**", "GET /user/7"]


@pytest.mark.parametrize("allow", ["all", ["* /**"]], ids=["of all", "of a list"])
@pytest.mark.parametrize("method, target, status", [
    ("GET", "/incident/1", 200), ("POST", "/incident/1/secrets", 200), ("GET", "/user/8", 200),
    ("GET", "/user/7/x", 200), ("POST", "/user/7", 200),
    ("DELETE", "/incident/1", 403), ("DELETE", "/", 403), ("GET", "/incident/1/secret/2", 403),
    ("PUT", "/incident/1/secret/2/3", 403), ("GET", "/user/7", 403), ("GET", "/user/7?x=/user/8", 403),
])
def test_what_is_denied_wins_over_what_is_allowed(credfd, allow, method, target, status):
    statuses, text = credfd.inside(ask_each, [[method, target]], allow=allow, deny=DENY)
    assert statuses == [status]
    assert len(credfd.upstream.requests) == (status == 200)
    if status == 403:
        answer = json.loads(text)
        assert set(answer) == {"error", "lease", "rule", "reason", "hint"} and answer["rule"] in DENY


@pytest.mark.parametrize("target", [
    "/user/%37", "/user//7", "//user/7", "/user/./7", "/user/x/../7", "/x/%2e%2e/user/7", "/user/7/", "/user/7;x=y",
    "/user/7/.", "/user/%2537", "/USER/7",
])
def test_no_spelling_slips_past_a_denial(credfd, target):
    """What some server might take for the denied path is refused, or is none that normalises to it."""
    statuses, _ = credfd.inside(ask_each, [["GET", target]], allow="all", deny=["GET /user/7", "GET /user/7/**"])
    assert statuses[0] in (400, 403)
    assert credfd.upstream.requests == []


def test_a_denial_alone_allows_nothing(credfd):
    statuses, _ = credfd.inside(ask_each, [["GET", "/it"], ["DELETE", "/it"]], allow=None, deny=["DELETE /**"])
    assert statuses == [403, 403]


def test_the_audit_names_the_denial(credfd):
    run = credfd.start_inside(ask_each, [["GET", "/it"], ["DELETE", "/it"], ["GET", "/user/%37"]], deny=DENY)
    run.result()
    allowed, denied, disguised = run.audit(3)
    assert (allowed.get("refusal"), allowed["rule"]) == (None, "all")
    assert (denied["refusal"], denied["rule"], denied["status"]) == ("denied", "DELETE /**", 403)
    assert disguised["refusal"] in ("ambiguous_path", "denied")


# Which programs may use it, by the kernel's word.

ASK_AND_PRINT = """
import sys; sys.path.insert(0, sys.argv[1])
import lease
with lease.connect(sys.argv[2]) as stream:
    answer = stream.get("/by-" + sys.argv[3])
print(answer.status, answer.text, flush=True)
"""


def ask_by_each(code, where, name, programs):
    """One request by each of these interpreters: status and text."""
    answers = []
    for label, program in programs:
        done = subprocess.run([program, "-S", "-c", code, where, name, label], capture_output=True, text=True,
                              close_fds=False, env={**os.environ, "PYTHONHOME": "/usr"})
        status, _, text = done.stdout.partition(" ")
        answers.append([int(status), text])
    return answers


@pytest.fixture
def programs(credfd):
    """Two programs that can do the same and are told apart by nothing but where they lie."""
    folder = credfd.session.new_folder()
    for name in ("allowed", "other"):
        shutil.copy(os.path.realpath(sys.executable), folder / name)
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("pattern", ["{folder}/allowed", "{folder}/allow*", "/**/allowed", "/nowhere/**"],
                         ids=["by its path", "by a star", "by two stars", "not at all"])
def test_a_lease_may_be_for_some_programs_only(credfd, programs, pattern):
    limited = credfd.credential("limited", executables=[pattern.format(folder=programs), "/no/such/program"], env=None)
    wanted = [["allowed", str(programs / "allowed")], ["other", str(programs / "other")]]
    run = credfd.start_inside(ask_by_each, ASK_AND_PRINT, str(credfd.session.stage), "limited", wanted,
                              credentials=[limited, credfd.credential("free", env=None)])
    (first, _), (second, text) = run.result()
    assert (first, second) == (403 if "nowhere" in pattern else 200, 403)
    answer = json.loads(text)
    assert set(answer) == {"error", "lease", "rule", "reason", "hint"} and answer["rule"] == "executables"
    lines = run.audit(2)
    assert lines[1]["refusal"] == "executable" and lines[1]["executable"] == str(programs / "other")
    assert "/by-other" not in [seen.path for seen in credfd.upstream.requests]


def test_other_leases_know_nothing_of_a_programs_rule(credfd, programs):
    limited = credfd.credential("limited", executables=[str(programs / "allowed")], env=None)
    answers = credfd.inside(ask_by_each, ASK_AND_PRINT, str(credfd.session.stage), "free",
                            [["other", str(programs / "other")]],
                            credentials=[limited, credfd.credential("free", env=None)])
    assert answers[0][0] == 200


def test_a_program_that_was_replaced_while_it_runs_is_not_the_one_that_is_allowed(credfd, programs):
    """The kernel then says "PATH (deleted)"."""
    def replace_and_ask(allowed, other, code, where):
        command = [other, "-S", "-c", "import sys; sys.stdin.readline()\n" + code, where, "api", "replaced"]
        asker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False, text=True,
                                 env={**os.environ, "PYTHONHOME": "/usr"})
        while os.readlink(f"/proc/{asker.pid}/exe") != other:
            time.sleep(0.005)
        os.unlink(other)
        os.rename(allowed, other)
        out, _ = asker.communicate("go on\n")
        return int(out.split(" ")[0])

    status = credfd.inside(replace_and_ask, str(programs / "allowed"), str(programs / "other"), ASK_AND_PRINT,
                           str(credfd.session.stage), executables=[str(programs / "other")])
    assert status == 403
