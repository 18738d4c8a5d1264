"""Secrets over time: commands that print them, units that hold them, files that are rotated; and all that goes wrong.

The commands are shell scripts, where a person would have `pass`, `op` or `vault`. A script that knows the key lies in
a `test-secrets` folder, as a secret file does.
"""
import json
import os
import signal
import time

import pytest

import procs
from procs import wait_until

OLD = "an-old-key"


def call_once():
    with lease.connect() as stream:
        return stream.get("/it").status


def call_when_told():
    """One request, on a stream of its own, for each line that is heard; says its status and its body."""
    while hear():
        with lease.connect() as stream:
            answer = stream.get("/it")
            say("answer " + json.dumps([answer.status, answer.text]))


class Keys:
    """What a run's next request goes out with."""

    def __init__(self, run, upstream):
        self.run, self.upstream = run, upstream

    def status(self):
        self.run.say("call")
        status, self.text = json.loads(self.run.expect("answer "))
        return status

    def next(self):
        before = len(self.upstream.requests)
        assert self.status() == 200, self.run.story()
        return self.upstream.requests[before].keys()

    def wait_for(self, key, timeout=procs.PATIENCE):
        wait_until(lambda: self.next() == [key], f"a request with {key}", timeout)


@pytest.fixture
def keep(credfd):
    """A folder for this test's secrets and for the scripts that know them."""
    path = credfd.session.new_folder() / "test-secrets"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def script(keep):
    """Makes an executable script; $keep in it is the folder."""
    def write(text, name="script", interpreter="/bin/sh"):
        path = keep / name
        path.write_text(f"#!{interpreter}\nkeep={keep}\n{text}\n")
        path.chmod(0o700)
        return str(path)
    return write


def write_key(path, text):
    """As a careful program does: a new file, renamed over the old one."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(0o600)
    new.rename(path)


def lines_in(path):
    return path.read_text().count("\n") if path.exists() else 0


def now_plus(seconds):
    return f"$(($(date +%s) + {seconds}))"


# What a command may print.

PRINTS = {
    "plainly": "cat $keep/key",
    "without a newline": "printf %s $(cat $keep/key)",
    "as JSON": """printf '{"secret":"%s"}' $(cat $keep/key)""",
    "as JSON over several lines, with more in it":
        r"""printf '\n{\n "lease": {"id": 1},\n "secret": "%s"\n}\n' $(cat $keep/key)""",
    "with an expiry in seconds": f"""printf '{{"secret":"%s","expires_at":%s}}' $(cat $keep/key) {now_plus(3600)}""",
    "with an expiry as text":
        """printf '{"expires_at":"%s","secret":"%s"}' $(date -u -d +1hour +%FT%TZ) $(cat $keep/key)""",
    "with words on its standard error": "echo these are words >&2; cat $keep/key",
    "while it leaves a child in its group": "sleep 1000 & cat $keep/key",
}


@pytest.mark.parametrize("how", PRINTS)
def test_a_command_prints_the_secret(credfd, keep, script, how):
    write_key(keep / "key", credfd.canary + "\n")
    assert credfd.inside(call_once, secret={"command": [script(PRINTS[how])]}) == 200
    assert credfd.upstream.requests[0].keys() == [credfd.canary]
    assert ("these are words" in credfd.runs[0].stderr) == ("standard error" in how)


def test_a_commands_arguments_are_words_and_no_shell_reads_them(credfd, keep, script):
    path = script('[ $# = 3 ] && [ "$1" = "a b" ] && [ "$2" = "\\$(id)" ] && [ "$3" = "*" ] && cat $keep/key')
    write_key(keep / "key", credfd.canary)
    assert credfd.inside(call_once, secret={"command": [path, "a b", "$(id)", "*"]}) == 200


def test_a_command_runs_as_whoever_runs_credfd(credfd, keep, script, user):
    path = script("id -u >$keep/uid; cat $keep/key")
    write_key(keep / "key", credfd.canary)
    if user:
        for made in (keep, keep / "key", keep / "script"):
            os.chown(made, user.pw_uid, user.pw_gid)
    assert credfd.inside(call_once, secret={"command": [path]}, user=user) == 200
    assert int((keep / "uid").read_text()) == (user.pw_uid if user else os.geteuid())


def test_a_command_is_looked_for_in_the_path(credfd, keep, script):
    script("cat $keep/key", name="print-key")
    write_key(keep / "key", credfd.canary)
    assert credfd.inside(call_once, secret={"command": ["print-key"]}, env={"PATH": f"{keep}:/usr/bin:/bin"}) == 200


@pytest.mark.defence("env")
def test_a_command_has_the_environment_but_for_what_is_secret(credfd, keep, script):
    path = script('[ -z "${MY_KEY+is set}" ] && [ "$CONTEXT" = work ] && cat $keep/key')
    write_key(keep / "key", credfd.canary)
    one = credfd.credential("one", secret={"command": [path]})
    two = credfd.credential("two", secret={"env": "MY_KEY"}, env=None)
    env = {"MY_KEY": credfd.canary, "CONTEXT": "work"}
    assert credfd.inside(call_once, credentials=[one, two], env=env) == 200


def test_a_command_reads_nothing_and_is_no_part_of_the_terminals_group(credfd, keep, script):
    def call():
        say("group " + str(os.getpgrp()))
        return call_once()

    path = script("[ -z \"$(cat)\" ] && cut -d' ' -f5 /proc/$$/stat >$keep/group && cat $keep/key")
    write_key(keep / "key", credfd.canary)
    run = credfd.start_inside(call, using=[call_once], secret={"command": [path]})
    group = run.expect("group ")
    assert (keep / "group").read_text().strip() != group
    assert run.result() == 200


def test_what_a_command_leaves_behind_is_not_waited_for(credfd, keep, script):
    """It has left the group and holds the pipe open: all was said when the command itself ended."""
    write_key(keep / "key", credfd.canary)
    path = script("setsid sleep 1000 & echo $! >$keep/left; cat $keep/key")
    try:
        assert credfd.inside(call_once, secret={"command": [path]}) == 200
    finally:
        procs.kill(int((keep / "left").read_text()))


def test_a_unit_holds_the_secret(credfd, keep):
    write_key(keep / "api.key", credfd.canary)
    (keep / "api.key").chmod(0o400)
    assert credfd.inside(call_once, secret={"systemd": "api.key"}, env={"CREDENTIALS_DIRECTORY": str(keep)}) == 200
    assert credfd.upstream.requests[0].keys() == [credfd.canary]


# What a command does wrong at the start.

MUCH = "head -c 4000 /dev/zero | tr '\\0' k >$keep/much"  # so that 64 KiB are few processes

WRONG = {
    "exits 1": ("cat $keep/key; exit 1", "the command ended with status 1; run it yourself to see why"),
    "exits 127": ("exit 127", "the command ended with status 127; run it yourself to see why"),
    "is killed": ("kill -KILL $$", "the command was ended by signal 9; run it yourself to see why"),
    "prints nothing": ("true", "the command gave no output; let it print the key"),
    "prints a newline": ("echo", "the command gave no output; let it print the key"),
    "prints two lines": ("cat $keep/key $keep/key", "the secret has a newline inside"),
    "prints a colour": (r"printf '\033[1m'; cat $keep/key", "the secret holds a control byte"),
    "prints a long line": ("head -c 17000 /dev/zero | tr '\\0' k", "the secret is longer than 16 KiB"),
    "prints too much": ("head -c 70000 /dev/zero | tr '\\0' k", "the command printed more than 64 KiB"),
    "prints for ever": (f"{MUCH}; while cat $keep/much; do :; done", "the command printed more than 64 KiB"),
    "prints for ever, whatever it is told": (f"{MUCH}; trap '' PIPE TERM; while :; do cat $keep/much 2>/dev/null; done",
                                             "the command printed more than 64 KiB"),
    "prints half of JSON": ("printf '{\"secret\":\"'; cat $keep/key", "no sound JSON"),
    "prints JSON and more": ("printf '{\"secret\":\"a\"}b'", "no sound JSON"),
    "prints a secret that is a number": ("echo '{\"secret\":5}'", "JSON without a text \"secret\""),
    "prints no secret": ("printf '{\"token\":\"%s\"}' $(cat $keep/key)", "JSON without a text \"secret\""),
    "prints an expiry that is none": ("echo '{\"secret\":\"a\",\"expires_at\":\"soon\"}'", "no point in time"),
    "prints what has expired": ("echo '{\"secret\":\"a\",\"expires_at\":\"2001-01-01T00:00:00Z\"}'",
                                "has expired already"),
}


def failed_start(credfd, **secret):
    """What a run says that cannot have its secret."""
    run = credfd.start(["true"], secret=secret)
    assert run.wait() == 125, run.story()
    assert f"{run.folder / 'credfd.yaml'}:" in run.stderr and ": credentials.api.secret: " in run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    return run.stderr


@pytest.mark.parametrize("what", WRONG)
def test_a_command_that_fails_at_the_start_is_told(credfd, keep, script, what):
    text, words = WRONG[what]
    write_key(keep / "key", credfd.canary + "\n")
    said = failed_start(credfd, command=[script(text)])
    assert words in said and ";" in said
    credfd.require_nothing_left()


HANGS = {
    "and prints nothing": "sleep 1000",
    "having printed all": "cat $keep/key; sleep 1000",
    "having closed its output": "cat $keep/key; exec >/dev/null; sleep 1000",
    "in a child": "cat $keep/key; sleep 1000 & wait",
    "whatever it is told": "trap '' TERM INT HUP; while :; do sleep 1000; done",
}


@pytest.mark.parametrize("how", HANGS)
def test_a_command_that_hangs_is_ended_with_its_group(credfd, keep, script, how):
    write_key(keep / "key", credfd.canary)
    said = failed_start(credfd, command=[script(HANGS[how])], timeout="1500ms")
    assert "the command did not end within 1.5 s; run it yourself to see what it waits for" in said
    credfd.require_nothing_left()


def test_a_command_whose_interpreter_is_not_there_was_not_found(credfd, script):
    said = failed_start(credfd, command=[script("", interpreter="/no/such/interpreter")])
    assert "the command was not found; correct its name" in said


def test_a_command_that_is_not_there_was_not_found(credfd, keep):
    assert "; " in failed_start(credfd, command=[str(keep / "nothing")])


def started_and_waiting(credfd, keep, script):
    run = credfd.start(["true"], secret={"command": [script("echo $$ >$keep/pid; exec sleep 1000")], "timeout": "10m"})
    return run, int(wait_until(lambda: lines_in(keep / "pid") and (keep / "pid").read_text(), "the command's start"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_command_ends_with_credfd(credfd, keep, script, number):
    run, command = started_and_waiting(credfd, keep, script)
    run.kill(number)
    assert run.wait() in (-number, 128 + number)
    wait_until(lambda: not procs.is_alive(command), "the end of the command")


# Rotation.

def rename_over(path, text):
    write_key(path, text)


def write_in_place(path, text):
    path.write_text(text)


def remove_and_make(path, text):
    path.unlink()
    path.write_text(text)
    path.chmod(0o600)


@pytest.mark.parametrize("rotate", [rename_over, write_in_place, remove_and_make])
def test_a_rotated_file_is_used_by_a_following_request(credfd, keep, rotate):
    path = keep / "api.key"
    write_key(path, OLD)
    run = credfd.start_inside(call_when_told, secret={"file": str(path)})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == [OLD]
    rotate(path, credfd.canary)
    keys.wait_for(credfd.canary)
    rotate(path, OLD + "-again")
    keys.wait_for(OLD + "-again")
    assert run.result() is None


def test_a_switched_link_is_a_rotation(credfd, keep):
    """As Kubernetes does: api.key -> ..data/api.key, ..data -> ..2030_01, and ..data is renamed over."""
    for name, text in (("..2030_01", OLD), ("..2030_02", credfd.canary)):
        (keep / name).mkdir()
        write_key(keep / name / "api.key", text)
    (keep / "..data").symlink_to("..2030_01")
    (keep / "api.key").symlink_to("..data/api.key")
    run = credfd.start_inside(call_when_told, secret={"file": str(keep / "api.key")})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == [OLD]
    (keep / "..data_tmp").symlink_to("..2030_02")
    (keep / "..data_tmp").rename(keep / "..data")
    keys.wait_for(credfd.canary)
    assert run.result() is None


def test_a_units_secret_is_watched_too(credfd, keep):
    write_key(keep / "api.key", OLD)
    run = credfd.start_inside(call_when_told, secret={"systemd": "api.key"}, env={"CREDENTIALS_DIRECTORY": str(keep)})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == [OLD]
    write_key(keep / "api.key", credfd.canary)
    keys.wait_for(credfd.canary)
    assert run.result() is None


def send_and_read_at_the_end():
    """A request, not waited for, on a stream of its own for each line that is heard; then all their statuses."""
    streams = []
    while hear():
        streams.append(lease.connect())
        streams[-1].send_head("GET", f"/{len(streams)}")
        say("sent")
    return [stream.read_response().status for stream in streams]


def test_a_request_in_flight_finishes_with_the_old_key(credfd, serve, keep):
    import upstream
    gate = upstream.Gate()
    server = serve(gate)
    write_key(keep / "api.key", OLD)
    run = credfd.start_inside(send_and_read_at_the_end, secret={"file": str(keep / "api.key")}, upstream=server.url,
                              ca_file=str(server.ca_file))

    def key_of_next_request():
        before = len(server.requests)
        run.say("send")
        run.expect("sent")
        return server.wait_requests(before + 1)[before].keys()

    assert key_of_next_request() == [OLD]
    write_key(keep / "api.key", credfd.canary)
    wait_until(lambda: key_of_next_request() == [credfd.canary], "a request with the new key")
    gate.open()
    assert set(run.result()) == {200}
    assert server.requests[0].keys() == [OLD]


def test_sighup_runs_a_command_again(credfd, keep, script):
    write_key(keep / "key", OLD)
    run = credfd.start_inside(call_when_told, secret={"command": [script("cat $keep/key")]})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == [OLD]
    write_key(keep / "key", credfd.canary)
    run.kill(signal.SIGHUP)
    keys.wait_for(credfd.canary)
    assert run.result() is None


def test_a_command_runs_again_as_often_as_it_should(credfd, keep, script):
    write_key(keep / "key", OLD)
    run = credfd.start_inside(call_when_told, secret={"command": [script("cat $keep/key")], "refresh": "200ms"})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == [OLD]
    write_key(keep / "key", credfd.canary)
    keys.wait_for(credfd.canary)
    assert run.result() is None


COUNTED = """echo run >>$keep/runs
printf '{"secret":"key-%s","expires_at":%s}' $(wc -l <$keep/runs) """


def test_a_command_runs_again_ahead_of_the_expiry(credfd, keep, script):
    path = script(COUNTED + now_plus(25))
    run = credfd.start_inside(call_when_told, secret={"command": [path]})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == ["key-1"]
    keys.wait_for("key-3")
    assert run.result() is None
    assert run.stderr == ""


def test_what_is_nearly_expired_makes_no_command_spin(credfd, keep, script):
    began = time.monotonic()
    run = credfd.start_inside(call_when_told, secret={"command": [script(COUNTED + now_plus(2))]})
    Keys(run, credfd.upstream).status()
    wait_until(lambda: lines_in(keep / "runs") >= 3, "three runs")
    assert time.monotonic() - began >= 3, "the second and the third each come two seconds after the one before"
    assert run.result() is None


# What goes wrong later.

def open_to_everybody(path):
    new = path.with_name("new")
    new.write_text("nobody's-key")
    new.chmod(0o644)
    new.rename(path)


def make_a_folder(path):
    path.unlink()
    path.mkdir()


BAD = {
    "opened to everybody": (open_to_everybody,
                            "every user of this machine may get at the file (mode 0644); close it with chmod 600"),
    "removed": (lambda path: path.unlink(), "the file was not found; create it, or correct the path"),
    "made a folder": (make_a_folder, "not a regular file"),
    "emptied": (lambda path: write_key(path, ""), "the secret is empty; put the key there"),
    "given two lines": (lambda path: write_key(path, "two\nlines\n"), "the secret has a newline inside"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_goes_bad_is_told_and_the_old_key_stays(credfd, keep, what):
    spoil, words = BAD[what]
    path = keep / "api.key"
    write_key(path, OLD)
    run = credfd.start_inside(call_when_told, secret={"file": str(path)})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == [OLD]
    spoil(path)
    wait_until(lambda: words in run.stderr, lambda: f"{words!r} in {run.stderr!r}")
    assert f"{run.folder / 'credfd.yaml'}:" in run.stderr and "credentials.api.secret: " in run.stderr
    assert keys.next() == [OLD]
    if path.is_dir():
        path.rmdir()
    write_key(path, credfd.canary)
    keys.wait_for(credfd.canary)
    assert run.result() is None


def test_a_command_that_fails_later_is_told_and_the_old_key_stays(credfd, keep, script):
    write_key(keep / "key", OLD)
    path = script("[ ! -e $keep/broken ] && cat $keep/key")
    run = credfd.start_inside(call_when_told, secret={"command": [path], "refresh": "200ms"})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == [OLD]
    (keep / "broken").touch()
    wait_until(lambda: "credentials.api.secret: the command ended with status 1" in run.stderr, lambda: run.stderr)
    assert keys.next() == [OLD]
    write_key(keep / "key", credfd.canary)
    (keep / "broken").unlink()
    keys.wait_for(credfd.canary)
    assert run.result() is None


def test_after_its_expiry_a_key_is_used_no_more(credfd, keep, script):
    """The old key until its end, then 503 with the reason; a line for each failure; and all is well once it works."""
    path = script("[ ! -e $keep/broken ] && touch $keep/broken && " +
                  "printf '{\"secret\":\"%s\",\"expires_at\":%s}' $(cat $keep/key) " + now_plus(10))
    write_key(keep / "key", OLD)
    run = credfd.start_inside(call_when_told, secret={"command": [path]})
    keys = Keys(run, credfd.upstream)
    assert keys.next() == [OLD]
    wait_until(lambda: keys.status() == 503, "the key's end")
    answer = json.loads(keys.text)
    assert answer["lease"] == "api" and "secret" in answer["error"] + answer.get("reason", "")
    failures = "credentials.api.secret: the command ended with status 1; run it yourself to see why"
    wait_until(lambda: run.stderr.count(failures) >= 2, lambda: run.stderr)
    used = len(credfd.upstream.requests)
    assert keys.status() == 503 and len(credfd.upstream.requests) == used
    (keep / "broken").unlink()
    run.kill(signal.SIGHUP)
    wait_until(lambda: keys.status() == 200, "the key's return")
    assert run.result() is None


def test_a_failure_of_one_leaves_the_others_alone(credfd, keep, script):
    write_key(keep / "one.key", OLD)
    one = credfd.credential("one", secret={"file": str(keep / "one.key")})
    two = credfd.credential("two", secret={"command": [script("[ ! -e $keep/broken ] && touch $keep/broken && echo b")],
                                           "refresh": "200ms"}, env=None)
    run = credfd.start_inside(call_when_told, credentials=[one, two])
    wait_until(lambda: "credentials.two.secret: the command ended with status 1" in run.stderr, lambda: run.stderr)
    keys = Keys(run, credfd.upstream)
    write_key(keep / "one.key", credfd.canary)
    keys.wait_for(credfd.canary)
    assert "credentials.one" not in run.stderr
    assert run.result() is None
