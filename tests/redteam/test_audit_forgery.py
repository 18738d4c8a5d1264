"""A workload that would have the audit say something else: lines of its own making, another asker, a garbled terminal.

It chooses every byte of its requests, and of the name of the program that asks.
"""
import json
import os
import re
import shutil
import sys

import pytest

LINE = '{"time":"2000-01-01T00:00:00.000Z","lease":"forged","path":"/forged"}'
CONTROL = re.compile(rb"[^\n\x20-\x7e]")

# As the last part of a program's path: no slash and no NUL, and nothing else is forbidden.
PROGRAM = b'x\n' + LINE.replace("/", "_").encode() + b'\r\n\x1b[2J\x1b]0;owned\x07"},{"forged":"\\\xff\xc3(\xe2\x80\xae\x7f'

TARGETS = [
    '/x"},{"forged":"yes', '/"}', "/'", "/%22%7d%0b", "/%1b[2J", "/x{}[]:,", "/x%5c%22", "/" + "%22" * 900, "/\u00ff",
    "/\x1b[2J",
    "/x\n" + LINE, "/x\r\n" + LINE, "/x\\u000a" + LINE, "/x\\", "/\x7f", "/x\0",
]
METHODS = ["FORGED'", 'FORGED"', "FORGED\x1b[2J", "FORGED\n" + LINE + "\n", "FORGED\\", "{}", "\xff", "F%0A"]
FIELDS = ["X: \x1b[2J", 'X: "},{"forged":"yes', "User-Agent: " + LINE, "X: a\n" + LINE,
          "Referer: \xff\xfe", "Host: \"forged\""]


def forge(targets, methods, fields, last):
    def ask(method, target, field):
        return attack.statuses(attack.talk(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n"))

    answers = [ask("GET", target, "X: y") for target in targets]
    answers += [ask(method, "/it", "X: y") for method in methods]
    answers += [ask("GET", "/it", field) for field in fields]
    return answers, ask("GET", last, "X: y")


def require_unforged(run):
    """The whole file: so many lines, each ours."""
    raw = (run.folder / "audit.jsonl").read_bytes()
    assert not CONTROL.search(raw), CONTROL.search(raw)
    lines = [json.loads(line) for line in raw.split(b"\n")[:-1]]
    assert all({"time", "prev", "lease", "identity"} <= set(line) for line in lines)
    assert all(line["lease"] == "api" and not line["time"].startswith("2000-01-01") for line in lines)
    assert not any("forged" in line for line in lines)
    return lines


@pytest.mark.defence("escape")
def test_nothing_in_a_request_makes_a_line(credfd, trap):
    run = credfd.start_inside(forge, TARGETS, METHODS, FIELDS, "/last", upstream=trap().url)
    answers, last = run.result()
    lines = require_unforged(run)
    assert last == [200] and {status for got in answers for status in got} == {200, 400}
    exchanges = [line for line in lines if "event" not in line]
    assert len(exchanges) == len(TARGETS) + len(METHODS) + len(FIELDS) + 1, "one line each"
    assert exchanges[-1]["path"] == "/last"
    passed = [target for target, got in zip(TARGETS, answers) if got == [200]]
    assert [line["path"] for line in exchanges if line["status"] == 200][:len(passed)] == passed, "as they were sent"


ASK = """
import sys; sys.path.insert(0, sys.argv[1])
import lease
with lease.connect() as stream:
    print(stream.get("/by-program").status, flush=True)
"""


def ask_as(program, code, where):
    """One request by an interpreter of that name."""
    environment = {**os.environ, "PYTHONHOME": "/usr"}
    done = subprocess.run([program.encode("latin-1"), "-S", "-c", code, where], capture_output=True, close_fds=False,
                          env=environment)
    return int(done.stdout)


def launch_program(credfd):
    """A run whose asker has a hostile name; where it lies."""
    path = os.path.join(os.fsencode(credfd.session.new_folder()), PROGRAM)
    shutil.copy(os.path.realpath(sys.executable), path)
    os.chmod(path, 0o755)
    run = credfd.start_inside(ask_as, path.decode("latin-1"), ASK, str(credfd.session.stage))
    assert run.result() == 200
    return run, path


@pytest.mark.defence("escape")
def test_nothing_in_a_programs_name_makes_a_line(credfd):
    run, path = launch_program(credfd)
    [line] = [line for line in require_unforged(run) if "event" not in line]
    readable = path.decode("utf-8", "replace").replace("\ufffd", "?")
    assert line["executable"] == readable and line["path"] == "/by-program"


@pytest.mark.defence("log")
def test_nothing_of_it_reaches_the_terminal_that_shows_it(credfd):
    run, _ = launch_program(credfd)
    for options in ([], ["--json"]):
        shown = credfd.command("log", *options, run.folder / "audit.jsonl")
        assert shown.returncode == 0 and b"x1b[2J" in shown.stdout.replace(b"u001b", b"x1b")
        assert not CONTROL.search(shown.stdout + shown.stderr), shown.stdout
    assert not CONTROL.search(run.stderr.encode())
