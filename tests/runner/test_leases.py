"""Keys that come with tasks: as leases where the CLI can use them, in the environment where it cannot."""
import json

import pytest

from procs import wait_until


@pytest.fixture
def modern(fleet):
    """A runner whose CLI knows leases: (runner, hub, api)."""
    api = fleet.api()
    runner = fleet.runner()
    runner.write_cli("new")
    runner.write_config(cli=str(runner.fduty))
    runner.start()
    runner.hub.wait_connected()
    return runner, runner.hub, api


def test_the_gate_says_that_the_broker_works(modern):
    _, hub, _ = modern
    assert hub.queries[0]["broker"] == ["1"]


def test_a_task_uses_its_key_and_never_sees_it(modern, fleet, session):
    runner, hub, api = modern
    task = hub.bash(f"{runner.fduty} get /incident/list; {runner.fduty} env", credential=fleet.key(api), task_id="t-1")
    result = hub.result(task)["result"]
    answer, _, environment = result["stdout"].partition("\n")
    assert answer.startswith("200 ") and session.canary not in json.dumps(hub.messages)
    assert api.only_request().keys() == [session.canary]
    seen = json.loads(environment)
    assert seen["FLASHDUTY_CRED_FD"] == "3" and seen["FLASHDUTY_BASE_URL"] == "http://flashduty.broker.local"
    assert "FLASHDUTY_APP_KEY" not in seen
    line = runner.audit(1)[0]
    assert line["identity"] == "t-1" and line["path"] == "/incident/list" and line["status"] == 200


def test_two_tasks_have_each_their_own(modern, fleet, session):
    runner, hub, api = modern
    other = fleet.api()
    tasks = [hub.bash(f"{runner.fduty} get /{i}", credential={"key": f"{session.canary}-{i}",
                                                            "base_url": (api, other)[i].url}) for i in range(2)]
    for task in tasks:
        assert hub.result(task)["result"]["stdout"].startswith("200 ")
    assert api.only_request().keys() == [f"{session.canary}-0"]
    assert other.only_request().keys() == [f"{session.canary}-1"]


def test_a_lease_ends_with_its_task(modern, fleet):
    runner, hub, api = modern
    gate = runner.folder / "gate"
    task = hub.bash(f"until [ -e {gate} ]; do sleep 0.02; done", credential=fleet.key(api))
    relay = runner.role("relay")  # the oldest: it waited for the task, or was started for it
    gate.touch()
    hub.result(task)
    runner.audit(1, "lease_ended")
    wait_until(lambda: relay not in runner.roles("relay"), "its end")


@pytest.mark.parametrize("base_url", ["http://api.example.org", "ftp://x", "https://", "https://u:p@h/", "https://h/?q",
                                      "https://h/../x", "", 5])
def test_a_base_url_that_is_none_is_refused(modern, session, base_url):
    runner, hub, _ = modern
    result = hub.result(hub.bash("touch ran", credential={"key": session.canary, "base_url": base_url}))
    assert result["success"] is False and "base_url" in result["error"]
    assert not (runner.workspace / "ran").exists()


def test_the_runner_narrows_where_keys_may_go(modern, fleet, session):
    runner, hub, api = modern
    runner.write_config(upstreams=[api.url + "/v1"])
    runner.reload()
    runner.wait_said("read again")
    other = fleet.api()
    for url in (other.url, api.url, api.url + "/v10", api.url.replace("127.0.0.1", "localhost") + "/v1"):
        result = hub.result(hub.bash("true", credential={"key": session.canary, "base_url": url}))
        assert result["success"] is False and "upstreams" in result["error"]
    done = hub.result(hub.bash(f"{runner.fduty} get /x", credential={"key": session.canary, "base_url": api.url + "/v1/a"}))
    assert done["result"]["stdout"].startswith("200 ") and api.only_request().path == "/v1/a/x"


@pytest.mark.parametrize("age", ["old", None])
def test_an_old_cli_gets_its_key_by_the_environment(fleet, session, age):
    api = fleet.api()
    runner = fleet.runner()
    runner.write_cli("old")
    runner.write_config(cli=str(runner.fduty) if age else None)
    runner.start()
    hub = runner.hub
    hub.wait_connected()
    assert "broker" not in hub.queries[0]
    as_told = {"FLASHDUTY_APP_KEY": session.canary, "FLASHDUTY_BASE_URL": fleet.key(api)["base_url"]}
    for more in ({"env": as_told}, {"credential": fleet.key(api)}):
        result = hub.result(hub.bash(f"{runner.fduty} get /old; echo key $FLASHDUTY_APP_KEY", **more))["result"]
        assert result["stdout"].startswith("200 "), json.dumps(result)
        assert f"key {'*' * len(session.canary)}\n" in result["stdout"]
    assert [seen.keys() for seen in api.requests] == [[session.canary]] * 2


def test_an_updated_cli_turns_the_broker_on_at_the_next_connect(fleet):
    runner = fleet.runner()
    runner.write_cli("old")
    runner.write_config(cli=str(runner.fduty))
    runner.start()
    hub = runner.hub
    hub.wait_connected()
    assert "broker" not in hub.queries[0]
    runner.write_cli("new")
    hub.drop()
    hub.wait_connected(2)
    assert hub.queries[1]["broker"] == ["1"]
    runner.write_cli("old")
    hub.drop()
    hub.wait_connected(3)
    assert "broker" not in hub.queries[2]


def test_a_key_survives_the_keeper(modern, fleet, session):
    runner, hub, api = modern
    gate = runner.folder / "gate"
    task = hub.bash(f"{runner.fduty} get /1; until [ -e {gate} ]; do sleep 0.02; done; {runner.fduty} get /2",
                    credential=fleet.key(api))
    hub.wait(lambda: task.said().startswith("200 "), "the first answer")
    import os
    import signal
    old = runner.role("keeper")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: [pid for pid in runner.roles("keeper") if pid != old], "another keeper")
    gate.touch()
    assert hub.result(task)["result"]["stdout"].count("200 ") == 2
    assert api.requests[-1].keys() == [session.canary]
