"""Nothing is lost: whatever dies or breaks, every finished result arrives, and nothing is run twice."""
import os
import signal

import pytest

import procs
from procs import wait_until


def test_results_made_while_the_link_is_down_come_after(fleet):
    runner, hub = fleet.start()
    gate = runner.folder / "gate"
    tasks = [hub.bash(f"until [ -e {gate} ]; do sleep 0.02; done; echo {i}") for i in range(5)]
    wait_until(lambda: runner.status()["running"] == 5, "all of them")
    hub.shut()
    gate.touch()
    wait_until(lambda: len(runner.spooled(".result")) == 5, "their results in the spool")
    hub.open()
    for i, task in enumerate(tasks):
        assert hub.result(task)["result"]["stdout"] == f"{i}\n"
    wait_until(lambda: not runner.spooled(".result"), "an empty spool")


def test_they_come_in_the_order_of_their_making(fleet):
    runner, hub = fleet.start(tasks={"concurrent": 1})
    gate = runner.folder / "gate"
    tasks = [hub.bash(f"until [ -e {gate} ]; do sleep 0.02; done", task_id="gate")]
    tasks += [hub.bash("true", task_id=f"n-{i}") for i in range(10)]
    wait_until(lambda: runner.status()["queued"] == 10, "all of them")
    hub.shut()
    gate.touch()
    wait_until(lambda: len(runner.spooled(".result")) == 11, "their results in the spool")
    hub.manners.resends = False
    hub.open()
    for task in tasks:
        hub.result(task)
    assert hub.order == [task.task_id for task in tasks]


@pytest.mark.parametrize("acks", [True, False])
@pytest.mark.parametrize("role", ["link", "keeper", "resolver"])
def test_a_role_that_is_killed_loses_nothing(fleet, role, acks):
    runner, hub = fleet.start(fleet.hub(acks=acks))
    gate = runner.folder / "gate"
    task = hub.bash(f"echo up; until [ -e {gate} ]; do sleep 0.02; done; echo done")
    hub.wait(lambda: task.said() == "up\n", "its word")
    old = runner.role(role)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: [pid for pid in runner.roles(role) if pid != old], "another one")
    gate.touch()
    assert hub.result(task)["result"]["stdout"] == "up\ndone\n"


def test_a_supervisor_that_is_killed_leaves_no_process_and_loses_no_result(fleet):
    runner, hub = fleet.start(fleet.hub(acks=True, withholds_acks=True, resends=False))
    finished = hub.bash("echo finished")
    hub.result(finished)
    running = hub.bash("setsid sleep 3600 & echo up; sleep 3600")
    hub.wait(lambda: running.said() == "up\n", "its word")
    below = runner.processes
    os.kill(runner.pid, signal.SIGKILL)
    runner.process.wait()
    wait_until(lambda: not [pid for pid in below if procs.state(pid) not in ("", "Z")], "no process of it")
    hub.manners.withholds_acks = False
    runner.start()
    hub.wait_connected(2)
    result = hub.result(running)
    assert result["success"] is False and "interrupted" in result["error"]
    wait_until(lambda: not runner.spooled(".result"), "every result acknowledged")
    assert finished.results[0]["result"]["stdout"] == "finished\n"


def test_a_task_that_was_begun_is_not_begun_again(fleet):
    runner, hub = fleet.start()
    marker = runner.folder / "marker"
    task = hub.bash(f"echo once >> {marker}; echo up; sleep 3600")
    hub.wait(lambda: task.said() == "up\n", "its word")
    os.kill(runner.pid, signal.SIGKILL)
    runner.process.wait()
    runner.start()
    hub.wait_connected(2)  # asks again for what has no result
    assert "interrupted" in hub.result(task)["error"]
    assert marker.read_text() == "once\n"


def test_what_is_acknowledged_is_never_sent_again(fleet):
    runner, hub = fleet.start(fleet.hub(acks=True))
    tasks = [hub.bash("true") for _ in range(20)]
    for task in tasks:
        hub.result(task)
    wait_until(lambda: not runner.spooled(".result"), "an empty spool")
    for times in (2, 3):
        hub.drop()
        hub.wait_connected(times)
    runner.terminate()
    runner.wait()
    runner.start()
    hub.wait_connected(4)
    hub.result(hub.bash("true"))
    assert all(len(task.results) == 1 for task in tasks)


def test_an_acknowledgement_that_was_lost_is_made_up_by_the_welcome(fleet):
    runner, hub = fleet.start(fleet.hub(acks=True, withholds_acks=True))
    task = hub.bash("echo one")
    hub.result(task)
    hub.manners.withholds_acks = False
    hub.drop()
    hub.wait_connected(2)
    wait_until(lambda: not runner.spooled(".result"), "its settlement")
    assert len(task.results) == 1


def test_a_hub_that_asks_again_gets_the_result_again(fleet):
    runner, hub = fleet.start()
    task = hub.bash("echo one")
    hub.result(task)
    wait_until(lambda: runner.spooled(".sent"), "its settlement")
    hub.repeat(task)
    hub.wait(lambda: len(task.results) == 2, "the result once more")
    assert task.results[0] == task.results[1]


def test_sigterm_ends_it_in_order(fleet):
    runner, hub = fleet.start(tasks={"grace": "10s", "concurrent": 2})
    gate = runner.folder / "gate"
    ends = hub.bash(f"until [ -e {gate} ]; do sleep 0.02; done; echo well")
    stays = hub.bash("echo up; sleep 3600", timeout=3)
    waits = hub.bash("true")
    hub.wait(lambda: stays.said() == "up\n", "its word")
    runner.terminate()
    assert "stopping" in hub.result(waits)["error"]
    late = hub.bash("true")
    assert "stopping" in hub.result(late)["error"]
    gate.touch()
    assert hub.result(ends)["result"]["stdout"] == "well\n"
    hub.result(stays)
    assert runner.wait() == 0
    assert hub.closes[-1][0] == 1001 and not runner.spooled(".result")


def test_grace_is_bounded(fleet):
    runner, hub = fleet.start(tasks={"grace": "200ms"})
    task = hub.bash("trap '' TERM; echo up; while :; do sleep 1; done")
    hub.wait(lambda: task.said() == "up\n", "its word")
    runner.terminate()
    assert "cancelled" in hub.result(task)["error"]
    assert runner.wait() == 0


def test_a_second_runner_on_the_spool_is_refused(fleet):
    runner, hub = fleet.start()
    second = fleet.runner(hub)
    second.settings["spool"] = runner.settings["spool"]
    second.write_config()
    with pytest.raises(AssertionError, match="another runner"):
        second.start()


def test_the_spool_holds_no_key(fleet, session):
    runner, hub = fleet.start()
    hub.shut()
    hub.open()
    hub.wait_connected(2)
    hub.result(hub.bash("echo $FLASHDUTY_APP_KEY; echo $FLASHDUTY_APP_KEY | base64; printenv >&2",
                        env={"FLASHDUTY_APP_KEY": session.canary}))
    assert not session.search.in_tree(runner.spool)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"CREDFD" * 1000])
def test_a_damaged_record_is_set_aside_and_answered(fleet, damage):
    runner, hub = fleet.start(fleet.hub(acks=True, withholds_acks=True, resends=False))
    task = hub.bash("echo fine", task_id="hurt")
    hub.result(task)
    runner.terminate()
    runner.wait()
    (name,) = runner.spooled(".result")
    (runner.spool / name).write_bytes(damage)
    hub.manners.withholds_acks = False
    hub.order.clear()
    runner.start()
    hub.wait_connected(2)
    wait_until(lambda: runner.spooled(".damaged"), "it set aside")
    hub.result(hub.bash("true"))
