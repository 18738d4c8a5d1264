"""Tasks that run a command: what they get, what comes back, and how they end."""
import json
import os

import pytest

import procs
from procs import wait_until


def bash(fleet, command, **more):
    runner, hub = fleet.start(**more.pop("runner", {}))
    return runner, hub.result(hub.bash(command, **more))


def test_what_it_prints_and_how_it_exits(fleet):
    _, result = bash(fleet, "echo out; echo err >&2; exit 3", source="inst-1")
    assert result["success"] is True and result["source_instance_id"] == "inst-1"
    assert result["result"] == {"stdout": "out\n", "stderr": "err\n", "exit_code": 3}


def test_it_is_streamed_while_it_runs(fleet):
    runner, hub = fleet.start()
    gate = runner.folder / "gate"
    task = hub.bash(f"echo first; echo oops >&2; until [ -e {gate} ]; do sleep 0.02; done; echo second")
    hub.wait(lambda: task.said() == "first\n" and task.said("stderr") == "oops\n", "the first line")
    assert not task.results
    gate.touch()
    assert hub.result(task)["result"]["stdout"] == "first\nsecond\n"
    assert task.said() == "first\nsecond\n"


def test_characters_stay_whole_wherever_they_are_cut(fleet):
    text = "\u20ac\U0001f511\u00e4" * 3
    script = "; sleep 0.06; ".join(f"printf '\\x{byte:02x}'" for byte in text.encode()[:14])
    runner, hub = fleet.start()
    task = hub.bash(script)
    whole = text.encode()[:14].decode(errors="ignore")
    assert hub.result(task)["result"]["stdout"].startswith(whole)
    assert task.said().startswith(whole)


def test_bytes_that_are_no_characters_are_replaced(fleet):
    _, result = bash(fleet, r"printf 'a\xff\xfeb\x00c\033'")
    assert result["result"]["stdout"] == "a\ufffd\ufffdb\x00c\x1b"


def test_it_runs_where_it_is_told(fleet):
    runner, hub = fleet.start()
    (runner.workspace / "sub" / "dir").mkdir(parents=True)
    os.symlink("/etc", runner.workspace / "out")
    assert hub.result(hub.bash("pwd"))["result"]["stdout"] == f"{runner.workspace}\n"
    assert hub.result(hub.bash("pwd", workdir="sub/dir"))["result"]["stdout"] == f"{runner.workspace}/sub/dir\n"
    for outside in ("..", "out", "sub/../../..", "nowhere"):
        result = hub.result(hub.bash("pwd", workdir=outside))
        assert result["success"] is False and "result" not in result


def test_its_environment_is_a_clean_one_with_what_was_sent(fleet):
    runner, hub = fleet.start(env={"SECRET_OF_THE_RUNNER": "x", "LANG": "C.UTF-8"})
    got = hub.result(hub.bash("env -0", env={"MINE": "a b\nc", "PATH": "/usr/bin:/bin"}))["result"]["stdout"]
    found = dict(item.split("=", 1) for item in got.split("\0") if item)
    assert found["MINE"] == "a b\nc" and found["PATH"] == "/usr/bin:/bin" and found["LANG"] == "C.UTF-8"
    assert not {"SECRET_OF_THE_RUNNER", "NOTIFY_SOCKET", "XDG_RUNTIME_DIR"} & set(found)


def test_it_inherits_nothing(fleet):
    _, result = bash(fleet, "ls -l /proc/self/fd | awk '{print $9}' | sort -n | tr '\\n' ' '")
    assert result["result"]["stdout"].split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


def test_its_time_is_bounded(fleet):
    _, result = bash(fleet, "echo before; sleep 60", timeout=1)
    assert result["success"] is False and result["error"] == "task timed out after 1 s"
    assert result["result"]["stdout"] == "before\n"


def test_the_runner_bounds_what_a_task_may_ask_for(fleet):
    _, result = bash(fleet, "sleep 60", timeout=3600, runner={"tasks": {"timeout": "1s"}})
    assert result["error"] == "task timed out after 1 s"


TREE = "setsid sleep 3600 & (trap '' TERM; while :; do sleep 3600; done) & nohup sleep 3600 >/dev/null & {}"


def leftovers(runner):
    return [pid for pid in runner.processes if procs.comm(pid) in ("sleep", "bash") and procs.state(pid) != "Z"]


@pytest.mark.parametrize("end", ["exit", "cancel", "timeout"])
def test_nothing_of_it_is_left(fleet, end):
    runner, hub = fleet.start()
    last = "echo up; exit 0" if end == "exit" else "echo up; wait"
    task = hub.bash(TREE.format(last), **({"timeout": 1} if end == "timeout" else {}))
    if end == "cancel":
        hub.wait(lambda: task.said() == "up\n", "its word")
        hub.cancel(task)
    result = hub.result(task)
    if end == "cancel":
        assert result["success"] is False and result["error"] == "task cancelled"
    wait_until(lambda: not leftovers(runner), "its processes to be gone")


def test_a_cancelled_task_may_say_goodbye(fleet):
    runner, hub = fleet.start()
    task = hub.bash("trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done")
    hub.wait(lambda: task.said() == "up\n", "its word")
    hub.cancel(task)
    assert hub.result(task)["result"]["stdout"] == "up\nbye\n"


def test_a_task_that_waits_is_cancelled_without_running(fleet):
    runner, hub = fleet.start(tasks={"concurrent": 1})
    first = hub.bash("echo up; sleep 60")
    hub.wait(lambda: first.said() == "up\n", "its word")
    second = hub.bash(f"touch {runner.folder}/ran")
    runner_status = lambda: runner.status()["queued"] == 1  # noqa: E731
    wait_until(runner_status, "the second in the queue")
    hub.cancel(second)
    assert hub.result(second)["error"] == "task cancelled"
    hub.cancel(first)
    hub.result(first)
    assert not (runner.folder / "ran").exists()


def test_the_queue_is_fair_to_those_who_ask_little(fleet):
    runner, hub = fleet.start(tasks={"concurrent": 1})
    gate = runner.folder / "gate"
    hub.bash(f"until [ -e {gate} ]; do sleep 0.02; done", source="many")
    many = [hub.bash("true", source="many") for _ in range(20)]
    wait_until(lambda: runner.status()["queued"] == 20, "all in the queue")
    one = hub.bash("true", source="one")
    wait_until(lambda: runner.status()["queued"] == 21, "it too")
    gate.touch()
    hub.result(many[-1])
    assert hub.order.index(one.task_id) <= 3


def test_who_asks_for_too_much_is_told(fleet):
    runner, hub = fleet.start(tasks={"concurrent": 1, "queue": 2})
    gate = runner.folder / "gate"
    tasks = [hub.bash(f"until [ -e {gate} ]; do sleep 0.02; done") for _ in range(5)]
    refused = hub.wait(lambda: [task for task in tasks if task.result and "busy" in task.result.get("error", "")][1:],
                       "two refusals")
    assert refused[0].result["success"] is False
    gate.touch()
    for task in tasks:
        hub.result(task)
    wait_until(lambda: runner.status()["results"] == 0, "the refusals to be settled")
    hub.repeat(refused[0])  # it was never begun: it can be, now
    hub.wait(lambda: len(refused[0].results) == 2, "its result")
    assert refused[0].results[1]["success"] is True


def test_a_hub_that_asks_on_and_on_does_not_fill_the_log(fleet):
    runner, hub = fleet.start()
    task = hub.bash("echo once")
    hub.result(task)
    for _ in range(200):
        hub.repeat(task)
    hub.result(hub.bash("echo next"))
    assert 0 < runner.stderr.count("asked for once more") <= 20


def test_a_large_output_is_kept_in_a_file(fleet):
    runner, hub = fleet.start()
    result = hub.result(hub.bash("seq 1 20000"))["result"]
    whole = "".join(f"{i}\n" for i in range(1, 20001))
    assert result["truncated"] is True and result["total_size"] == len(whole) and len(result["stdout"]) < 30000
    assert result["file_path"].startswith(".work/outputs/") and result["file_path"] in result["stdout"]
    assert (runner.workspace / result["file_path"]).read_text() == whole
    assert "1\n2\n3\n" in result["stdout"]


def test_a_command_of_a_mebibyte(fleet):
    text = "x" * (1 << 20)
    _, result = bash(fleet, f"printf %s {text} | wc -c")
    assert result["result"]["stdout"].strip() == str(1 << 20)


def test_output_without_end_takes_no_memory_and_no_disk(fleet):
    runner, hub = fleet.start(tasks={"output": "1MiB", "timeout": "60s"})
    task = hub.bash("head -c 400M /dev/zero | tr '\\0' x")
    result = hub.result(task, 60)["result"]
    assert result["truncated"] is True and result["total_size"] == 400 << 20
    assert (runner.workspace / result["file_path"]).stat().st_size < 2 << 20


def test_a_denied_command_is_named_with_its_rule(fleet):
    rules = {"bash": {"*": "deny", "echo *": "allow", "echo secret*": "deny"}}
    runner, hub = fleet.start(permission=rules)
    assert hub.result(hub.bash("echo fine"))["result"]["stdout"] == "fine\n"
    assert hub.result(hub.bash("echo fine; ls /"))["error"] == "command denied by rule '*': ls /"
    assert hub.result(hub.bash("echo secrets"))["error"] == "command denied by rule 'echo secret*': echo secrets"
    assert "denied" in hub.result(hub.bash("echo $(ls)"))["error"]
    assert "denied" in hub.result(hub.bash("echo 'unclosed"))["error"]


def test_without_rules_nothing_is_allowed(fleet):
    _, result = bash(fleet, "true", runner={"permission": None})
    assert result["error"] == "command denied (no matching allow rule): true"


def test_memory_is_bounded(fleet):
    _, result = bash(fleet, "head -c 400M /dev/zero | tail | wc -c; echo code ${PIPESTATUS[1]}",
                     runner={"tasks": {"memory": "100MiB"}})
    assert "code 0" not in result.get("result", {}).get("stdout", "")


def test_a_fork_bomb_hurts_itself_alone(fleet):
    runner, hub = fleet.start(tasks={"processes": 64, "concurrent": 4})
    bomb = hub.bash("f() { f | f & }; f 2>/dev/null; sleep 60", timeout=3)
    other = hub.result(hub.bash("echo fine"))
    assert other["success"] and other["result"]["stdout"] == "fine\n", other
    result = hub.result(bomb)
    assert result["success"] is False
    wait_until(lambda: not leftovers(runner), "its processes to be gone")


def test_status_counts(fleet):
    runner, hub = fleet.start()
    hub.result(hub.bash("true"))
    status = wait_until(lambda: (now := runner.status())["results"] == now["running"] == 0 and now, "all settled")
    assert status["connected"] is True and status["queued"] == 0, json.dumps(status)
