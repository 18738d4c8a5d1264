"""The supervisor: what becomes of a task when a part of it dies, what is read again, how it ends, and that it does not grow."""
import os
import re
import resource
import signal
import subprocess
import urllib.request

import pytest

import procs
from ports import free_port
from procs import wait_until


def begin(runner, hub, command="sleep 3600", **more):
    """A task that runs and has said so."""
    task = hub.bash(f"echo up; {command}", **more)
    hub.wait(lambda: task.said() == "up\n", "its word")
    return task


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)


def leftovers(runner):
    return [pid for pid in runner.processes if procs.comm(pid) in ("sleep", "bash") and procs.is_alive(pid)]


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_a_task_whose_process_is_killed_fails_alone(fleet):
    runner, hub = fleet.start()
    other = begin(runner, hub, f"until [ -e {runner.folder}/gate ]; do sleep 0.02; done")
    before = set(runner.roles("task"))
    task = begin(runner, hub, "setsid sleep 3600 & sleep 3600")
    (pid,) = set(runner.roles("task")) - before
    kill(pid)
    result = hub.result(task)
    assert result["success"] is False and result["error"] == "task failed: its process ended unexpectedly"
    wait_until(lambda: len(runner.roles("exec")) == 1, "no executor of it")
    assert [pid for pid in leftovers(runner) if b"3600" in procs.cmdline(pid)] == []
    (runner.folder / "gate").touch()
    assert hub.result(other)["success"] is True
    assert hub.result(hub.bash("echo next"))["result"]["stdout"] == "next\n"


def test_a_task_whose_executor_is_killed_fails_and_leaves_nothing(fleet):
    runner, hub = fleet.start()
    task = begin(runner, hub, "setsid sleep 3600 & sleep 3600")
    kill(runner.role("exec"))
    result = hub.result(task)
    assert result["success"] is False and "task failed" in result["error"]
    wait_until(lambda: not leftovers(runner), "its processes to be gone")
    assert hub.result(hub.bash("echo next"))["result"]["stdout"] == "next\n"


def test_a_task_whose_process_is_stopped_ends_when_cancelled(fleet):
    runner, hub = fleet.start()
    task = begin(runner, hub)
    kill(runner.role("task"), signal.SIGSTOP)
    hub.cancel(task)
    result = hub.result(task, 60)
    assert result["success"] is False and result["error"] == "task cancelled"
    wait_until(lambda: runner.status()["running"] == 0, "its slot")


def test_a_task_whose_process_is_stuck_is_out_of_time(fleet):
    runner, hub = fleet.start(tasks={"timeout": "1s"})
    task = hub.bash("echo up; sleep 3600")
    hub.wait(lambda: task.said() == "up\n", "its word")
    kill(runner.role("task"), signal.SIGSTOP)
    result = hub.result(task, 60)
    assert result["success"] is False and result["error"] == "task timed out after 1 s"


def test_a_relay_that_is_killed_takes_the_lease_and_not_the_task(fleet, session):
    api = fleet.api()
    runner = fleet.runner()
    runner.write_config(cli=str(runner.write_cli("new")))
    runner.start()
    hub = runner.hub
    hub.wait_connected()
    gate = runner.folder / "gate"
    task = begin(runner, hub, f"until [ -e {gate} ]; do sleep 0.02; done; {runner.fduty} get /x; echo code $?",
                 credential=fleet.key(api))
    relay = runner.role("relay")  # the oldest: a younger one waits for the next lease
    kill(relay)
    wait_until(lambda: relay not in runner.roles("relay"), "its end")
    gate.touch()
    said = hub.result(task)["result"]["stdout"]
    assert "code" in said and "code 0" not in said and not api.requests
    done = hub.result(hub.bash(f"{runner.fduty} get /y", credential=fleet.key(api)))
    assert done["result"]["stdout"].startswith("200 ")


def test_a_task_without_a_command_is_watched_too(fleet):
    runner, hub = fleet.start()
    result = hub.result(hub.send("read", {"path": "nowhere"}))
    assert result["success"] is False
    wait_until(lambda: not runner.roles("task") and not runner.roles("exec"), "no process of it")


def test_what_is_read_again_counts_for_what_begins(fleet):
    runner, hub = fleet.start(tasks={"concurrent": 1})
    begin(runner, hub)
    second = hub.bash("echo second")
    wait_until(lambda: runner.status()["queued"] == 1, "the second in the queue")
    runner.write_config(tasks={"concurrent": 2}, url=runner.settings["url"] + "/other", workspace="/nowhere")
    runner.reload()
    assert hub.result(second)["result"]["stdout"] == "second\n"
    runner.wait_said("read again")
    assert "runner.url was changed" in runner.stderr and "runner.workspace was changed" in runner.stderr
    assert hub.result(hub.bash("pwd"))["result"]["stdout"] == f"{runner.workspace}\n"


def test_a_new_token_is_used_at_the_next_connection(fleet, session):
    runner, hub = fleet.start()
    hub.manners.token = session.canary + "-second"
    runner.write_token(hub.manners.token)
    runner.reload()
    runner.wait_said("read again")
    wait_until(lambda: not runner.roles("source"), "the token")
    hub.drop()
    hub.wait_connected(2)


def test_without_a_token_it_does_not_begin(fleet):
    runner = fleet.runner()
    runner.token_file.write_text("")
    with pytest.raises(AssertionError, match="ended with 125"):
        runner.start()
    assert "token" in runner.stderr


@pytest.mark.parametrize("what", ["workspace", "spool"])
def test_a_place_that_is_a_file_is_refused(fleet, what):
    runner = fleet.runner()
    (runner.folder / "file").write_text("")
    place = str(runner.folder / "file")
    runner.write_config(**{what: {"directory": place} if what == "spool" else place})
    with pytest.raises(AssertionError, match="ended with 125"):
        runner.start()
    assert place in runner.stderr


def test_a_second_word_ends_it_at_once(fleet):
    runner, hub = fleet.start(tasks={"grace": "1h"})
    task = begin(runner, hub, "trap '' TERM; while :; do sleep 1; done")
    runner.terminate()
    runner.wait_said("stopping")
    runner.terminate()
    assert runner.wait(20) == 0
    assert not task.results or "stopping" in task.results[0]["error"]
    assert not leftovers(runner)


def test_while_nobody_hears_it_ends_without_waiting(fleet):
    runner, hub = fleet.start(settle="1h")
    task = begin(runner, hub, f"until [ -e {runner.folder}/gate ]; do sleep 0.02; done")
    hub.shut()
    (runner.folder / "gate").touch()
    wait_until(lambda: runner.spooled(".result"), "its result in the spool")
    runner.terminate()
    assert runner.wait(20) == 0
    hub.open()
    runner.start()
    assert hub.result(task)["success"] is True


def test_each_line_about_a_task_says_which_and_none_its_command(fleet):
    runner, hub = fleet.start()
    hub.result(hub.bash("echo very secret words", task_id="t-7", trace_id="trace-7"))
    runner.wait_said("task t-7 (trace trace-7): ended: ran, exit status 0")
    assert "task t-7 (trace trace-7): begun: bash" in runner.stderr and "very secret" not in runner.stderr


def test_what_is_counted_is_told(fleet):
    port = free_port()
    runner = fleet.runner()
    runner.write_config(top={"metrics": f"127.0.0.1:{port}"})
    runner.start()
    hub = runner.hub
    hub.wait_connected()
    hub.result(hub.bash("true"))
    hub.result(hub.send("nonsense", {}))

    def numbers():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return dict(re.findall(r"^([^# ]\S*) (\S+)$", answer.read().decode(), re.MULTILINE))

    wait_until(lambda: numbers()["credfd_runner_results_settled_total"] == "2", "both settled")
    wait_until(lambda: numbers()["credfd_runner_tasks_running"] == "0", "its process is gone")
    found = numbers()
    assert found['credfd_runner_tasks_total{outcome="ran"}'] == "1"
    assert found['credfd_runner_tasks_total{outcome="refused"}'] == "1"
    assert found["credfd_runner_link_up"] == "1"
    assert found["credfd_runner_spool_results"] == "0"


def test_a_full_spool_stops_it_and_an_empty_one_lets_it_go_on(fleet):
    runner = fleet.runner(fleet.hub(acks=True, withholds_acks=True, resends=False))
    runner.write_config(spool={"directory": str(runner.spool), "size": "1MiB"}, tasks={"concurrent": 1})
    runner.start()
    hub = runner.hub
    hub.wait_connected()
    large = [hub.bash("head -c 29000 /dev/zero | tr '\\0' '\\1'") for _ in range(20)]  # six bytes each in JSON
    wait_until(lambda: len(runner.spooled(".result")) >= 3, "results")
    wait_until(lambda: runner.status()["running"] == 0, "what ran to end")
    done = len(runner.spooled(".result"))
    assert done < len(large)
    assert runner.status()["spool_full"] is True
    assert runner.stderr.count("the spool is full") == 1
    hub.manners.withholds_acks = False
    for task in large:
        if task.results:
            hub.acknowledge(task.task_id)
    for task in large:
        hub.result(task)
    wait_until(lambda: runner.status()["spool_full"] is False, "room in the spool")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run tasks as somebody else")
def test_tasks_run_as_the_user_that_is_named(fleet):
    runner, hub = fleet.start(user="nobody")
    said = hub.result(hub.bash("id -un; echo $HOME; touch mine; stat -c %U mine"))["result"]["stdout"].split()
    assert said == ["nobody", os.path.expanduser("~nobody"), "nobody"]
    assert hub.result(hub.bash(f"ls {runner.spool}"))["result"]["exit_code"] != 0
    assert hub.result(hub.send("write", {"path": "file", "content": "eA=="}))["success"] is True
    assert (runner.workspace / "file").owner() == "nobody"


def test_it_does_not_grow(fleet):
    api = fleet.api()
    runner = fleet.runner()
    runner.write_config(cli=str(runner.write_cli("new")))
    runner.start()
    hub = runner.hub
    hub.wait_connected()
    before = None
    for round_ in range(3):
        tasks = [hub.bash("true", credential=fleet.key(api)) for _ in range(20)]
        tasks += [hub.send("list", {"path": "."}) for _ in range(20)]
        for task in tasks:
            hub.result(task)
        wait_until(lambda: not runner.roles("task") and len(runner.roles("relay")) <= 1, "no process of them")
        wait_until(lambda: not runner.spooled(".result"), "an empty spool")
        now = {role: fds(pid) for role in ("link", "keeper") for pid in runner.roles(role)}
        now["supervisor"] = fds(runner.pid)
        before = before or now
    assert all(now[role] <= before[role] + 1 for role in before), (before, now)


def test_a_leaner_machine_is_asked_for_less(fleet):
    runner = fleet.runner()
    runner.write_config(tasks={"concurrent": 5000})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    runner.start(through=["prlimit", "--nofile=1000:1000"])
    runner.hub.wait_connected()
    assert hard < 1000 or "tasks at once" in runner.stderr
    said = runner.hub.result(runner.hub.bash("ulimit -n"))["result"]["stdout"]
    assert int(said) <= 1000


def test_commands_are_not_given_more_descriptors_than_programs_expect(fleet):
    runner, hub = fleet.start()
    assert int(hub.result(hub.bash("ulimit -Sn"))["result"]["stdout"]) <= 1024


def test_status_without_a_runner_says_so(session, fleet):
    runner = fleet.runner()
    done = subprocess.run([session.path, "runner", "status"], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **runner.env})
    assert done.returncode != 0 and done.stderr
