"""`credfd dispatch check`: the whole way of one person, and where it stops. It needs no dispatcher that runs."""
import json
import os
import subprocess

import pytest

STEPS = ["configuration", "table", "entry", "connection", "mint", "exchange", "session", "page", "websocket"]


@pytest.fixture
def check(session):
    """check(served, *arguments) is (exit status, standard output, standard error)."""
    def check(served, *arguments, env=None):
        done = subprocess.run([session.path, "dispatch", "check", "-c", served.config, *arguments], text=True,
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        assert session.canary not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr
    return check


@pytest.fixture
def alone(dispatch, instances):
    """(dispatch, t3), with no dispatcher running."""
    served = dispatch()
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    return served, t3


def results(output):
    """{step: how it went} of the lines."""
    return {line.split()[1]: line.split()[0] for line in output.splitlines() if not line.startswith(" ")}


def test_every_step_works_and_no_value_is_shown(check, alone):
    served, t3 = alone
    status, out, err = check(served, "--websocket", "/ws", "alice")
    assert status == 0, out + err
    assert results(out) == dict.fromkeys(STEPS, "ok")
    assert t3.cookie_name in out
    assert served.minted == ["alice"]
    pages = [seen for seen in t3.seen if seen.path == "/"]
    assert [seen.method for seen in pages] == ["GET"]
    value = pages[0].field("Cookie").partition(";")[0].partition("=")[2]
    assert value and value not in out + err


def test_it_is_told_as_json(check, alone):
    served, t3 = alone
    status, out, _ = check(served, "--json", "alice")
    told = json.loads(out)
    assert status == 0 and told["ok"] is True and told["name"] == "alice"
    assert [step["step"] for step in told["steps"]] == STEPS
    assert told["steps"][-1]["result"] == "skipped"
    t3.mood = "401"
    status, out, _ = check(served, "--json", "alice")
    told = json.loads(out)
    assert status == 1 and told["ok"] is False
    assert {step["step"]: step["result"] for step in told["steps"]}["exchange"] == "failed"
    assert all(step.get("hint") for step in told["steps"] if step["result"] == "failed")


def test_nobody_is_told_clearly(check, alone):
    status, out, _ = check(alone[0], "mallory")
    assert status == 1
    assert "no t3 instance provisioned for this user" in out
    assert results(out)["entry"] == "FAIL" and "connection" not in results(out)


@pytest.mark.parametrize("name", ["a@b", "", "x" * 200, "a\nb"])
def test_what_can_be_nobodys_name_is_said_to_be(check, alone, name):
    status, out, _ = check(alone[0], "--", name)
    assert status == 1 and results(out)["entry"] == "FAIL"


@pytest.mark.parametrize("mood, step", [
    ("401", "exchange"), ("500", "exchange"), ("204", "exchange"), ("reset", "exchange"), ("garbage", "exchange"),
    ("session is garbage", "session"), ("session is 500", "session"),
])
def test_where_it_stops_the_rest_is_not_tried(check, alone, mood, step):
    served, t3 = alone
    t3.mood = mood
    status, out, err = check(served, "alice")
    told = results(out)
    assert status == 1 and told[step] == "FAIL", out + err
    assert all(told[before] == "ok" for before in STEPS[:STEPS.index(step)])
    assert all(told[behind] == "-" for behind in STEPS[STEPS.index(step) + 1:])


def test_an_instance_that_is_down(check, alone):
    served, t3 = alone
    t3.stop()
    status, out, _ = check(served, "alice")
    assert status == 1 and results(out)["connection"] == "FAIL"
    assert "refused the connection" in out and served.minted == []


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho not json\n", "#!/bin/sh\necho '{}'\n"])
def test_a_mint_that_fails(check, alone, script):
    served, _ = alone
    served.write_mint(script)
    status, out, _ = check(served, "alice")
    assert status == 1 and results(out)["mint"] == "FAIL"
    assert "exit" not in script or f"{served.secrets}/mint: pairing mint failed: the mint command ended with 3" in out


@pytest.mark.parametrize("path, result", [("/half", "FAIL"), ("/big", "ok"), ("/html", "ok")])
def test_the_page_that_is_asked_for(check, alone, path, result):
    _, out, _ = check(alone[0], "--path", path, "alice")
    assert results(out)["page"] == result


@pytest.mark.parametrize("mood", ["refuses upgrades", "wrong accept"])
def test_a_websocket_that_does_not_open(check, alone, mood):
    served, t3 = alone
    t3.mood = mood
    status, out, _ = check(served, "--websocket", "/ws", "alice")
    assert status == 1 and results(out)["websocket"] == "FAIL"


def test_a_table_that_is_not_in_order(check, alone):
    alone[0].write_table("{ not json")
    status, out, _ = check(alone[0], "alice")
    assert status == 1 and results(out)["table"] == "FAIL"


@pytest.mark.parametrize("arguments", [[], ["alice", "bob"], ["--nonsense", "alice"], ["--path", "x", "alice"]])
def test_used_wrongly(check, alone, arguments):
    status, out, err = check(alone[0], *arguments)
    assert status == 125 and not out and "credfd dispatch check --help" in err


def test_without_a_configuration(check, alone):
    alone[0].config.unlink()
    status, out, err = check(alone[0], "alice")
    assert status == 125 and not out and "credfd.yaml" in err
