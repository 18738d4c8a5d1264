"""The link to the control plane: what is said on it, by whom, and how it comes back."""
import json
import os
import platform
import socket

import pytest


def test_it_connects_with_its_token_and_says_who_it_is(fleet):
    runner, hub = fleet.start()
    first = hub.wait(lambda: hub.heartbeats and hub.heartbeats[0], "a heartbeat")
    path, _ = hub.requests[0]
    assert path.startswith("/safari/worknode/ws?") and hub.queries[0] == {"token": [hub.manners.token]}
    assert (first["worknode_id"], first["name"], first["labels"]) == ("node-1", "demo", ["demo"])
    about = first["environment"]
    assert about["os"] == "linux" and about["hostname"] == socket.gethostname()
    assert about["workspace_root"] == str(runner.workspace) and about["num_cpu"] == os.cpu_count()
    assert about["os_version"] and about["arch"] in ("amd64", "arm64", platform.machine())
    assert about["total_memory_mb"] > 0 and about["utc_offset"] == "+00:00" and "T" in about["current_time"]
    assert set(about) >= {"shell", "home_dir", "username", "timezone"}
    message = hub.messages[0]
    assert message["id"].startswith("msg_") and isinstance(message["timestamp"], int)
    assert hub.manners.token not in runner.stderr and "?token" not in runner.stderr


def test_it_goes_on_without_a_welcome(fleet):
    runner, hub = fleet.start(fleet.hub(welcomes=False))
    assert hub.result(hub.bash("echo here"))["result"]["stdout"] == "here\n"
    runner.wait_said("welcome")


@pytest.mark.parametrize("how", ["drop", "end"])
def test_it_comes_back(fleet, how):
    runner, hub = fleet.start()
    hub.wait(lambda: hub.heartbeats, "a heartbeat")
    getattr(hub, how)()
    hub.wait_connected(2)
    assert hub.result(hub.bash("echo again"))["result"]["stdout"] == "again\n"
    hub.wait(lambda: sum("environment" in beat for beat in hub.heartbeats) == 2, "the environment, once a connection")


def test_it_waits_for_a_hub_that_is_not_there(fleet):
    hub = fleet.hub()
    hub.shut()
    runner = fleet.runner(hub).start()
    runner.wait_said("next attempt")
    hub.open()
    hub.wait_connected()
    assert hub.result(hub.bash("echo late"))["result"]["stdout"] == "late\n"


def test_a_refused_token_is_said_and_tried_again(fleet):
    hub = fleet.hub()
    runner = fleet.runner(hub)
    runner.write_token("somebody-else")
    runner.start()
    runner.wait_said("401")
    assert hub.connects == 0 and "somebody-else" not in runner.stderr
    runner.write_token(hub.manners.token)
    hub.wait_connected()


GARBAGE = ["", "no JSON", "[]", "{}", "null", '"text"', '{"type":1,"payload":{}}', '{"type":"task.request"}',
           '{"type":"task.request","payload":"text"}', '{"type":"task.request","payload":{}}',
           '{"type":"task.request","payload":{"task_id":5,"operation":"bash","args":{}}}',
           '{"type":"task.request","payload":{"task_id":"","operation":"bash","args":{}}}',
           '{"type":"task.request","payload":{"task_id":"a/b c","operation":"bash","args":{}}}',
           '{"type":"task.cancel","payload":{"task_id":["x"]}}', '{"type":"task.cancel","payload":{"task_id":"unknown"}}',
           '{"type":"surprise","payload":{}}', "[" * 10000, '{"a":' * 10000 + "1" + "}" * 10000,
           '{"type":"welcome","payload":{"labels":7}}', '{"type":"task.ack","payload":{}}', "\ufeff{}"]


def test_messages_that_are_none_are_passed_over(fleet):
    runner, hub = fleet.start()
    for text in GARBAGE:
        hub.text(text)
    assert hub.result(hub.bash("echo still"))["result"]["stdout"] == "still\n"
    assert hub.connects == 1


@pytest.mark.parametrize("raw, code", [
    (b"\x82\x02ab", 1003), (b"\x81\x02\xff\xfe", 1007), (b"\xc1\x02{}", 1002), (b"\x81\x82\0\0\0\0{}", 1002),
    (b"\x09\x02ab", 1002), (b"\x89\x7e\x00\x80" + b"p" * 128, 1002), (b"\x81\x7f" + (17 << 20).to_bytes(8, "big"), 1009),
    (b"\x01\x01{\x81\x01}", 1002), (b"\x80\x01x", 1002), (b"\x83\x00", 1002), (b"\x88\x02\x03\xed", 1002),
    (b"\x88\x01x", 1002),
], ids=["binary", "bad UTF-8", "reserved bit", "masked", "fragmented ping", "long ping", "oversize", "text in text",
        "nothing to continue", "unknown opcode", "close 1005", "half a close"])
def test_frames_that_are_none_end_the_connection_and_no_more(fleet, raw, code):
    runner, hub = fleet.start()
    hub.wait(lambda: hub.heartbeats, "a heartbeat")
    hub.raw(raw)
    hub.wait_connected(2)
    assert hub.closes[0][0] == code
    assert hub.result(hub.bash("echo still"))["result"]["stdout"] == "still\n"


def test_a_message_in_fragments_is_one(fleet):
    _, hub = fleet.start()
    text = hub.envelope("task.request", {"task_id": "in-parts", "operation": "bash", "args": {"command": "echo whole"}})
    hub.frame([text[:7], text[7:50], text[50:]])
    hub.wait(lambda: "in-parts" in hub.order, "its result")


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 4001])
def test_each_close_code_is_said_and_survived(fleet, code):
    runner, hub = fleet.start()
    hub.end(code, "go \x1b[31m away")
    hub.wait_connected(2)
    assert str(code) in runner.stderr and "\x1b" not in runner.stderr


@pytest.mark.parametrize("refusal", [(302, [("Location", "wss://elsewhere.example/")]), (503, []), (200, [])], ids=str)
def test_an_answer_that_is_no_handshake_is_said_and_not_followed(fleet, refusal):
    hub = fleet.hub(refusal=refusal)
    runner = fleet.runner(hub).start()
    runner.wait_said(str(refusal[0]))
    hub.manners.refusal = None
    hub.wait_connected()


@pytest.mark.parametrize("name", ["expired", "wrong_name", "foreign", "client_only", "self_signed"])
def test_a_bad_certificate_gets_no_token(fleet, authority, name):
    from hub import Hub, Manners
    hub = Hub(certificate=getattr(authority, name), manners=Manners(token="t"))
    fleet.hubs.append(hub)
    runner = fleet.runner(hub).start()
    runner.wait_said("next attempt")
    assert hub.requests == [] and "certificate" in runner.stderr


def test_a_hub_that_says_it_knows_the_task_gets_one_result_of_it(fleet, tmp_path):
    runner, hub = fleet.start()
    marker = runner.folder / "marker"
    task = hub.bash(f"echo once >> {marker}")
    hub.result(task)
    hub.repeat(task)
    hub.repeat(task)
    hub.result(hub.bash("true"))
    assert marker.read_text() == "once\n"


def test_the_log_says_the_task_and_its_trace(fleet):
    runner, hub = fleet.start()
    hub.result(hub.bash("true", task_id="t-77", trace_id="trace-88"))
    assert any("t-77" in line and "trace-88" in line for line in runner.stderr.splitlines())


def test_an_unknown_operation_is_refused_by_name(fleet):
    _, hub = fleet.start()
    for name in ("webfetch", "mcp_call", "mcp_list_tools", "sync_skill", "dance"):
        result = hub.result(hub.send(name, {}, source="s-1"))
        assert result["success"] is False and result["error"] == f"unknown operation: {name}"
        assert result["source_instance_id"] == "s-1"
    hub.say("mcp.call", {"call_id": "c-1"})
    assert hub.wait(lambda: hub.calls, "an answer to the call")[0]["call_id"] == "c-1"


def test_arguments_that_are_none_are_refused_with_a_reason(fleet):
    _, hub = fleet.start()
    for operation, args, word in [("bash", {}, "command"), ("bash", {"command": 5}, "command"), ("read", {}, "path"),
                                  ("bash", {"command": "true", "timeout": "x"}, "timeout"),
                                  ("write", {"path": "x", "content": "!"}, "content"), ("glob", {}, "pattern"),
                                  ("bash", {"command": "true", "env": ["x"]}, "env"), ("bash", "text", "args")]:
        result = hub.result(hub.send(operation, args))
        assert result["success"] is False and word in result["error"], json.dumps(result)
