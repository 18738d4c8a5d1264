"""From the control plane's side: what a hub that was taken over cannot make a runner do. It may have any command run
that the runner's rules allow, on files of the workspace; and it may say anything at all."""
import base64
import json
import os

import pytest

import procs

CONTENT = base64.b64encode(b"written").decode()


# Paths.

def leads_out(runner):
    """Ways from the workspace to what lies beside it: the spool, which credfd-task may open, and the runner's files."""
    os.symlink("../spool", runner.workspace / "way")
    os.symlink(runner.spool, runner.workspace / "straight")
    os.symlink("..", runner.workspace / "up")
    (runner.workspace / "a").mkdir()
    return ["../spool", "a/../../spool", "/../spool", "way", "straight", "up/spool", "./a/.././../spool",
            "a//..//../spool"]


@pytest.mark.defence("beneath")
def test_no_operation_leaves_the_workspace(fleet):
    """Not to the spool either, which the process that does it has open."""
    runner, hub = fleet.start()
    ways = leads_out(runner)
    (runner.spool / "beside").write_text("not yours")
    asked = []
    for way in ways:
        asked += [(way, hub.send("list", {"path": way})), (way, hub.send("read", {"path": f"{way}/beside"})),
                  (way, hub.send("write", {"path": f"{way}/new", "content": CONTENT})),
                  (way, hub.send("write", {"path": f"{way}/beside", "content": CONTENT})),
                  (way, hub.bash("cat beside", workdir=way))]
    for way, task in asked:
        result = hub.result(task)
        assert result["success"] is False, (way, task.message, result)
    for pattern in (*(f"{way}/*" for way in ways), "**/beside", "*/beside", "{way,up/spool}/b*"):
        found = hub.result(hub.send("glob", {"pattern": pattern})).get("result", {"matches": []})
        assert found["matches"] == [], pattern
    assert hub.result(hub.send("grep", {"pattern": "yours"}))["result"]["matches"] == []
    assert "not yours" not in json.dumps(hub.messages)
    assert (runner.spool / "beside").read_text() == "not yours" and not (runner.spool / "new").exists()


NAMES = [
    "../x", "..", ".", "a/b", "/etc/passwd", "a\0b", "a\nb", "a b", "\u20ac", "a" * 5000, "x.result", "x.begun", "-rf",
    "",
]


def test_an_id_of_a_task_names_no_file_but_its_own(fleet):
    """It is a part of a file's name in the spool."""
    runner, hub = fleet.start(tasks={"grace": "100ms"})
    before = sorted(os.listdir(runner.folder))
    for name in NAMES:
        for field in ("task_id", "trace_id", "source_instance_id"):
            payload = {"task_id": "fine", "operation": "bash", "args": {"command": "true"}, field: name}
            hub.say("task.request", {**payload, "task_id": name if field == "task_id" else f"fine-{len(name)}-{field}"})
    assert hub.result(hub.bash("echo still"))["result"]["stdout"] == "still\n"
    assert sorted(os.listdir(runner.folder)) == before and hub.connects == 1
    assert "\na b" not in runner.stderr and len(max(runner.stderr.splitlines(), key=len)) < 4096


# Keys.

@pytest.mark.defence("upstreams")
def test_a_key_goes_nowhere_that_the_runner_does_not_list(fleet, session):
    """Names that look like one of those, other ports and paths, and other ways to write a place."""
    api, other = fleet.api(), fleet.api()
    runner = fleet.runner()
    runner.write_cli("new")
    runner.write_config(cli=str(runner.fduty), upstreams=[f"https://localhost:{api.port}/v1"])
    hub = runner.start().hub
    hub.wait_connected()
    places = [
        f"https://localhost:{other.port}/v1", f"https://localhost:{api.port}", f"https://localhost:{api.port}/v11",
        f"https://localhost:{api.port}/v1/../v2", f"https://localhost:{api.port}/v1%2f..",
        f"https://localhost:{api.port}//v1", f"https://localhost.evil.test:{api.port}/v1",
        f"https://x@localhost:{api.port}/v1", f"https://localhost:{api.port}/V1",
        f"https://localhost:{api.port}\\@evil.test/v1", f"http://localhost:{api.port}/v1", f"https://evil.test/v1",
        f"https://127.0.0.1:{api.port}/v1", f"https://localhost.:{api.port}/v1", "https://169.254.169.254/v1",
        f"https://localhost:{api.port}/v1?x", f"https://localhost:{api.port}/v1#x", f"https://localhost:0{api.port}/v2",
    ]
    command = f"touch ran; {runner.fduty} get /x"
    tasks = [(place, hub.bash(command, credential={"key": session.canary, "base_url": place})) for place in places]
    for place, task in tasks:
        result = hub.result(task)
        assert result["success"] is False and "base_url" in result["error"], place
    assert api.requests == other.requests == [] and not (runner.workspace / "ran").exists()


# What comes twice, and what is too much.

@pytest.mark.defence("twice")
def test_a_task_that_comes_again_does_not_run_again(fleet):
    """While it waits, while it runs, when it is done, on another connection, and from another who says it is his."""
    runner, hub = fleet.start()
    gate = runner.folder / "gate"
    task = hub.bash(f"echo once >>ran; echo up; until [ -e {gate} ]; do sleep 0.02; done", task_id="t-1")
    hub.repeat(task)
    hub.wait(lambda: task.said() == "up\n", "its word")
    hub.repeat(task)
    gate.touch()
    hub.result(task)
    hub.repeat(task)
    hub.send("bash", {"command": "echo mine >>ran"}, task_id="t-1", source="another")
    hub.say("task.request", {"task_id": "t-1", "operation": "bash", "args": {"command": "echo other >>ran"}})
    hub.drop()
    hub.wait_connected(2)
    hub.repeat(task)
    hub.result(hub.bash("true", task_id="t-2"))
    hub.result(hub.bash("true", task_id="t-3"))
    assert (runner.workspace / "ran").read_text() == "once\n"


def part(opcode, data, is_last):
    length = bytes([len(data)]) if len(data) < 126 else b"\x7f" + len(data).to_bytes(8, "big")
    return bytes([opcode | (0x80 if is_last else 0)]) + length + data


def test_messages_without_an_end_take_no_memory_without_end(fleet, no_sanitizer):
    """Of pieces that are each allowed; of a frame that says less than it sends; with pings in between."""
    runner, hub = fleet.start()
    link = runner.role("link")
    piece = part(0, b" " * (1 << 20), False) + part(0x89, b"ping", True)
    hub.raw(part(1, b"{", False) + piece * 20)
    hub.wait_connected(2)
    assert hub.closes[0][0] == 1009
    many = {f"N{number}": "v" * 1000 for number in range(9000)}
    for message in ({"command": "x" * (15 << 20)}, {"command": "true", "env": many}):
        hub.result(hub.send("bash", message))
    assert hub.result(hub.bash("echo still"))["result"]["stdout"] == "still\n"
    assert runner.role("link") == link
    assert procs.peak_kib(link) < 160 << 10 and procs.peak_kib(runner.pid) < 64 << 10


# Permission: each of these would make the marker, and none may.

BYPASSES = [
    "echo ok; touch M", "echo ok\ntouch M", "echo ok & touch M", "echo ok && touch M || touch M", "echo ok | touch M",
    "echo $(touch M)", "echo `touch M`", "echo <(touch M)", "echo ok >M", "echo ok >|M", "echo ok &>M", "echo ok 2>M",
    "echo ${x:=$(touch M)}", "echo $((a[$(touch M)]))", "echo \"$(touch M)\"", "echo ok <<E\n$(touch M)\nE",
    "(touch M)", "{ touch M; }", "f() { touch M; }; f", "if touch M; then echo; fi", "for i in 1; do touch M; done",
    "case x in x) touch M;; esac", "[[ -n $(touch M) ]]", "echo() { touch M; }; echo ok", "to''uch M", "\\touch M",
    "\"touch\" M", "$'touch' M", "$'\\x74ouch' M", "c=touch; $c M", "t{ouch,ouch} M", "command touch M",
    "builtin eval 'touch M'", "exec touch M", "eval 'touch M'", "bash -c 'touch M'", "sh -c \"touch M\"",
    "env A=1 touch M", "env -S 'touch M'", "xargs touch <<<M", "echo M | xargs touch", "time touch M", "! touch M",
    "coproc touch M", "nice -n 1 touch M", "timeout 5 touch M", "nohup touch M", "setsid touch M",
    "find . -maxdepth 0 -exec touch M ';'", "trap 'touch M' EXIT", "PROMPT_COMMAND='touch M' bash -ic :",
    "BASH_ENV=/dev/stdin bash <<<'touch M'", "alias echo='touch M'\necho", ". /dev/stdin <<<'touch M'",
    "source <(echo touch M)", "/usr/bin/touch M", "../../../../usr/bin/touch M", "echo ok\r\ntouch M",
    "echo 'ok'\\\n; touch M", "echo ok #\ntouch M", "printf -v 'a[$(touch M)]' x",
    "declare -n r='a[$(touch M)]'; echo $r", "read -r 'a[$(touch M)]' <<<x", "test -v 'a[$(touch M)]'",
    "let 'a[$(touch M)]=1'", "mapfile -C 'touch M' -c 1 <<<x",
]
RULES = {"bash": {"*": "deny", "echo *": "allow", "echo": "allow"}}


@pytest.mark.defence("rules")
def test_a_denied_command_never_runs_whatever_it_is_wrapped_in(fleet):
    runner, hub = fleet.start(permission=RULES, tasks={"concurrent": 16})
    tasks = {script: hub.bash(script.replace("M", f"M{number}")) for number, script in enumerate(BYPASSES)}
    for number, (script, task) in enumerate(tasks.items()):
        result = hub.result(task)
        assert result["success"] is False and "denied" in result["error"], script
    assert list(runner.workspace.glob("**/M*")) == []
    assert hub.result(hub.bash("echo fine"))["result"]["stdout"] == "fine\n"


@pytest.mark.defence("rules")
def test_nor_does_one_that_comes_by_the_environment(fleet):
    """Variables that bash, or a program that a rule allows, takes for more than data."""
    runner, hub = fleet.start(permission=RULES)
    (runner.workspace / "evil").write_text("touch Mfile\n")
    for name, value in (("BASH_ENV", "./evil"), ("ENV", "./evil"), ("BASH_FUNC_echo%%", "() { touch Mf; }"),
                        ("PS4", "$(touch M)"), ("SHELLOPTS", "xtrace"), ("LD_PRELOAD", "./evil.so"), ("PATH", "."),
                        ("IFS", "c"), ("X", "$(touch M)")):
        result = hub.result(hub.bash("echo ok", env={name: value}))
        assert result["success"] is False, name
    assert list(runner.workspace.glob("M*")) == []
