"""`credfd log`: the audit for people. What it is tried on is made here, by other hands than those that write it."""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

import pytest

import chain
import procs
import program

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def log(credfd):
    def run(*arguments, **how):
        done = credfd.command("log", *arguments, **how)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    return run


@pytest.fixture
def audit(session):
    """A file that is still to be written."""
    return session.new_folder() / "audit.jsonl"


def paths_of(text):
    return re.findall(r"(?:^|\s)/(\d+)(?=\s)", text)


def on_terminal(credfd, *arguments, width=120, env=None):
    """What `credfd log` prints on a terminal of that width."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    process = subprocess.Popen([credfd.session.path, "log", *map(str, arguments)], stdout=side, stdin=side,
                               env={"TZ": "UTC", **credfd.environment(credfd.session.base, env)})
    os.close(side)
    parts = []
    try:
        while part := os.read(main, 65536):
            parts.append(part)
    except OSError:
        pass  # a terminal whose other side is closed says EIO
    os.close(main)
    assert process.wait(program.EXIT_PATIENCE) == 0
    return b"".join(parts).decode("latin-1").replace("\r\n", "\n")


# The table.

def test_each_line_is_a_row_with_what_it_says(log, audit):
    denied = dict(status=403, refusal="no_rule", reason="no rule allows it", rule="")
    chain.write(audit, chain.lines(1, executable="/opt/x/python3", bytes_in=5, bytes_out=20, duration_ms=31)
                + chain.lines(1, **denied))
    status, out, _ = log(audit, env={"TZ": "UTC"})
    titles, first, second = out.splitlines()
    assert status == 0
    assert titles.split() == "TIME LEASE IDENTITY PID PROGRAM METHOD PATH STATUS BYTES MS RULE".split()
    assert first.split() == "2026-01-31 12:00:01 api alice 4711 python3 GET /1 200 25 31 GET /**".split()
    assert "403" in second and second.endswith("no rule allows it")
    assert "\x1b" not in out


def test_the_time_is_the_reader_s(log, audit):
    chain.write(audit, chain.lines(1))
    assert "2026-01-31 07:00:01" in log(audit, env={"TZ": "EST5"})[1]


def test_the_beginning_and_the_end_of_a_lease_are_told(log, audit):
    events = [{"time": "2026-01-31T12:00:00.000Z", "prev": chain.START, "event": name, "lease": "api",
               "identity": "alice", "id": "77-1", **more}
              for name, more in [("lease_granted", {}), ("lease_ended", {"reason": "revoked"})]]
    chain.write(audit, map(json.dumps, events))
    rows = log(audit)[1].splitlines()
    assert rows[1].endswith("alice       lease_granted 77-1")
    assert rows[2].endswith("alice       lease_ended 77-1: revoked")


@pytest.mark.parametrize("width", [20, 60, 80, 100, 121, 126, 133, 200, 400])
def test_rows_are_as_wide_as_the_terminal(credfd, audit, width):
    chain.write(audit, chain.lines(3, path="/" + "x" * 500, lease="l" * 64, identity="i" * 64, rule="GET /" + "r" * 500))
    rows = [ESCAPE.sub("", row) for row in on_terminal(credfd, audit, width=width).splitlines()]
    assert len(rows) == 4 and "PATH" in rows[0]
    widest = max(map(len, rows))
    assert widest == width or (width == 20 and widest < 40) or (width == 400 and widest > 300)


def test_what_does_not_go_to_a_terminal_is_not_cut(log, audit):
    chain.write(audit, chain.lines(1, path="/" + "x" * 5000, rule="GET /" + "r" * 2000))
    out = log(audit)[1]
    assert "x" * 5000 in out and "r" * 2000 in out and "~" not in out


def test_colours_are_for_terminals_and_can_be_refused(credfd, audit):
    lines = chain.lines(1) + chain.lines(1, status=403, refusal="denied") + chain.lines(1, status=502, refusal="upstream")
    chain.write(audit, lines)
    rows = on_terminal(credfd, audit).splitlines()
    assert rows[0].startswith("\x1b[1m")
    assert "\x1b" not in rows[1]
    assert rows[2].startswith("\x1b[31m") and rows[2].endswith("\x1b[0m")
    assert rows[3].startswith("\x1b[33m") and rows[3].endswith("\x1b[0m")
    assert "\x1b" not in on_terminal(credfd, audit, env={"NO_COLOR": "1"})
    assert "\x1b" in on_terminal(credfd, audit, env={"NO_COLOR": ""})


HOSTILE = "\x1b]0;x\x07\x1b[2J\n\r\x00\x7f\x9b31mü\u202e"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nothing_in_a_line_reaches_the_terminal_as_it_is(credfd, audit, options):
    fields = ["lease", "identity", "executable", "method", "path", "rule", "reason", "refusal"]
    event = {"event": HOSTILE, "lease": HOSTILE, "id": HOSTILE, "reason": HOSTILE}
    lines = [json.dumps({"time": HOSTILE, **{name: HOSTILE for name in fields}}), json.dumps(event)]
    audit.write_bytes("\n".join(lines).encode() + b'\n{"path":"\x1b[2J\xff"\n' + HOSTILE.encode() + b"\n")
    shown = on_terminal(credfd, audit, *options, env={"NO_COLOR": "1"})
    assert not re.search(r"[^\n\x20-\x7e]", shown)
    assert ("\\x1b[2J" in shown) and len(shown.splitlines()) >= 4


def test_a_line_that_is_none_is_shown_and_no_reason_to_stop(log, audit):
    good = chain.lines(2)
    audit.write_text("\n".join([good[0], "{half a li", "[1]", "", "x" * 200_000, good[1]]) + "\nand no newline")
    status, out, _ = log(audit)
    assert status == 0 and paths_of(out) == ["1", "2"]
    assert out.count("not a line of the audit: ") == 5
    assert "not a line of the audit: {half a li\n" in out and out.endswith("not a line of the audit: and no newline\n")


@pytest.mark.parametrize("value", [None, [], {}, 5, -5, 1.5, True, "x", 2**70])
def test_a_field_of_another_type_is_no_reason_to_stop(log, audit, value):
    fields = json.loads(chain.lines(1)[0])
    chain.write(audit, [json.dumps({**fields, name: value}) for name in fields])
    status, out, _ = log(audit)
    assert status == 0 and len(out.splitlines()) == len(fields) + 1


# Which lines.

def test_rotated_files_come_first(log, audit):
    for number, name in enumerate(["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"]):
        chain.write(audit.parent / name, chain.lines(2, first=2 * number + 1))
    assert paths_of(log(audit)[1]) == ["1", "2", "3", "4", "5", "6"]
    assert log("--json", audit)[1] == "".join(
        (audit.parent / name).read_text() for name in ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"])


def test_a_lease_is_chosen_by_its_name_or_its_id(log, audit):
    granted = {"event": "lease_granted", "lease": "api", "identity": "alice", "id": "77-1"}
    chain.write(audit, [*chain.lines(1), *chain.lines(1, first=2, lease="other", id="77-2"), json.dumps(granted),
                        *chain.lines(1, first=3, id="77-1"), *chain.lines(1, first=4, id="77-11")])
    out = log("--lease", "other", audit)[1]
    assert paths_of(out) == ["2"] and "granted" not in out
    assert "lease_granted 77-1" in log("--lease", "api", audit)[1]
    begin, request = log("--lease", "77-1", audit)[1].splitlines()[1:]
    assert "lease_granted 77-1" in begin and paths_of(request) == ["3"]


def test_only_refusals_when_asked_for(log, audit):
    chain.write(audit, chain.lines(6, refusal=lambda number: "rate" if number % 3 == 0 else ""))
    assert paths_of(log("--denied", audit)[1]) == ["3", "6"]


def test_since_a_time(log, audit):
    chain.write(audit, chain.lines(5))
    assert paths_of(log("--since", "2026-01-31T12:00:04Z", audit)[1]) == ["4", "5"]
    assert paths_of(log("--since", "2026-01-31T13:00:04.000+01:00", audit)[1]) == ["4", "5"]
    assert paths_of(log("--since", "2026-01-31T12:00:04.001Z", audit)[1]) == ["5"]


def test_since_a_while_ago(log, audit):
    def ago(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - seconds))

    chain.write(audit, chain.lines(3, time=lambda number: ago({1: 90000, 2: 5000, 3: 60}[number])))
    assert paths_of(log("--since", "1h", audit)[1]) == ["3"]
    assert paths_of(log("--since", "1d", audit)[1]) == ["2", "3"]
    assert paths_of(log("--since", "36500d", audit)[1]) == ["1", "2", "3"]


@pytest.mark.parametrize("text", ["", "1", "1w", "yesterday", "-1h", "2026-01-31", "2026-02-30T00:00:00Z", "99999999999d"])
def test_since_nonsense_is_refused_with_what_would_do(log, audit, text):
    chain.write(audit, chain.lines(1))
    status, out, err = log("--since", text, audit)
    assert (status, out) == (125, "") and "--since" in err and "30m" in err and "2030-01-31T12:00:00Z" in err


def test_json_is_every_byte_as_it_stands_there(log, credfd, audit):
    chain.write(audit, chain.lines(3) + ["{broken", ""])
    assert log("--json", audit)[1] == audit.read_text()
    assert log("--json", "--denied", audit)[1] == ""
    assert log("--json", "--since", "2026-01-31T12:00:03Z", audit)[1] == chain.lines(3)[2] + "\n"


def test_standard_input_is_read_too(log, audit):
    text = chain.write(audit, chain.lines(3)).read_bytes()
    assert paths_of(log("-", input=text)[1]) == ["1", "2", "3"]
    assert log("--verify", "-", input=text)[1].startswith("ok: 3 lines\n")


def test_a_large_audit_takes_no_memory(credfd, audit, no_sanitizer):
    line = chain.lines(1)[0] + "\n"
    with open(audit, "w", encoding="ascii") as file:
        for _ in range(40):
            file.write(line * 5000)
    for options in (["--json"], ["--verify"]):
        with subprocess.Popen([credfd.session.path, "log", *options, audit], stdout=subprocess.PIPE,
                              env=credfd.environment(audit.parent)) as process:
            process.stdout.read(1)
            assert procs.peak_kib(process.pid) < 16 * 1024
            while process.stdout.read(1 << 20):
                pass


# Where it is found.

def test_the_configuration_says_where_the_audit_is(credfd, log):
    folder = credfd.session.new_folder()
    chain.write(folder / "there.jsonl", chain.lines(2))
    config = credfd.write_settings(folder, [credfd.credential()], {"audit": {"file": str(folder / "there.jsonl")}})
    assert paths_of(log("-c", config)[1]) == ["1", "2"]
    assert paths_of(log(env={"CREDFD_CONFIG": str(config)})[1]) == ["1", "2"]


@pytest.mark.parametrize("extra", [{}, {"audit": {"file": "-"}}, {"audit": {"journal": True}}])
def test_a_configuration_that_names_no_file_is_told(credfd, log, extra):
    config = credfd.write_settings(credfd.session.new_folder(), [credfd.credential()], extra)
    status, out, err = log("-c", config)
    assert (status, out) == (125, "") and "audit.file" in err and str(config) in err
    assert ("journalctl" in err) == ("journal" in extra.get("audit", {}))


def test_a_file_that_is_not_there_is_named(log, audit):
    status, out, err = log(audit)
    assert (status, out) == (125, "") and str(audit) in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("options", [[], ["--json"], ["--verify"], ["-f"]])
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(log, path, options):
    status, out, err = log(*options, path)
    assert (status, out) == (125, "") and path in err and "a regular file, a FIFO, or -" in err


def test_a_fifo_is_read_to_its_end(credfd, audit):
    os.mkfifo(audit)
    with subprocess.Popen([credfd.session.path, "log", audit], stdout=subprocess.PIPE,
                          env=credfd.environment(audit.parent)) as process:
        chain.write(audit, chain.lines(2))
        assert paths_of(process.communicate(timeout=program.EXIT_PATIENCE)[0].decode()) == ["1", "2"]


def test_a_rotated_file_that_cannot_be_read_is_named(log, audit):
    chain.write(audit, chain.lines(1))
    (audit.parent / "audit.jsonl.1").mkdir()
    status, out, err = log(audit)
    assert (status, out) == (125, "") and f"{audit}.1: " in err


@pytest.mark.parametrize("options", [["--verify", "-f"], ["--verify", "--json"], ["--verify", "--denied"],
                                     ["--verify", "--lease", "x"], ["--verify", "--since", "1h"], ["x", "y"],
                                     ["-f", "-"], ["--no-such"], ["--lease"]])
def test_what_does_not_go_together_is_refused(log, audit, options):
    status, out, err = log(*options)
    assert (status, out) == (125, "") and "credfd log --help" in err


def test_whoever_stops_reading_hears_no_complaint(credfd, audit):
    chain.write(audit, chain.lines(20000))
    for disposition in (signal.SIG_DFL, signal.SIG_IGN):
        process = subprocess.Popen([credfd.session.path, "log", audit], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=credfd.environment(audit.parent), restore_signals=False,
                                   preexec_fn=lambda: signal.signal(signal.SIGPIPE, disposition))
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(program.EXIT_PATIENCE) in (0, -signal.SIGPIPE)


def test_a_full_disk_for_the_output_is_told(credfd, audit):
    chain.write(audit, chain.lines(1))
    with open("/dev/full", "wb") as full:
        done = subprocess.run([credfd.session.path, "log", audit], stdout=full, stderr=subprocess.PIPE,
                              env=credfd.environment(audit.parent))
    assert done.returncode == 125 and b"No space left" in done.stderr


# Following.

class Follower:
    def __init__(self, credfd, *arguments):
        self.process = subprocess.Popen([credfd.session.path, "log", "-f", *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=credfd.environment(credfd.session.base))
        self.lines = program.Lines(self.process.stdout)

    def expect(self, *paths):
        """The rows with these paths come, and no other before them."""
        for path in paths:
            line = self.lines.next(program.EXIT_PATIENCE)
            while line is not None and b"TIME" in line:
                line = self.lines.next(program.EXIT_PATIENCE)
            assert line is not None and paths_of(line.decode()) == [path], (line, path)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


@pytest.fixture
def follow(credfd):
    started = []

    def start(*arguments):
        started.append(Follower(credfd, *arguments))
        return started[-1]

    yield start
    for follower in started:
        follower.stop()


def append(path, made):
    with open(path, "a", encoding="ascii") as file:
        file.write("".join(line + "\n" for line in made))


def test_what_is_written_later_is_shown_when_it_is(follow, audit):
    chain.write(audit, chain.lines(2))
    follower = follow(audit)
    follower.expect("1", "2")
    append(audit, chain.lines(1, first=3))
    follower.expect("3")
    whole = chain.lines(1, first=4)[0] + "\n"
    with open(audit, "a", encoding="ascii") as file:
        file.write(whole[:100])
        file.flush()
        append(audit.parent / "audit.jsonl.other", ["{}"])  # wakes it: half a line is no line yet
        file.write(whole[100:])
    follower.expect("4")


def test_a_rotation_is_followed_with_no_line_lost_or_twice(follow, audit):
    rotated = audit.parent / "audit.jsonl.1"
    chain.write(audit, chain.lines(1))
    follower = follow(audit)
    follower.expect("1")
    append(audit, chain.lines(1, first=2))
    audit.rename(rotated)
    append(rotated, chain.lines(1, first=3))  # by one who has not noticed yet
    follower.expect("2", "3")
    append(audit, chain.lines(1, first=4))
    follower.expect("4")


def test_several_rotations_at_once_are_followed(follow, audit):
    chain.write(audit, chain.lines(1))
    follower = follow(audit)
    follower.expect("1")
    os.kill(follower.process.pid, signal.SIGSTOP)
    for number in (2, 3, 4):
        for n in range(number, 0, -1):
            older, newer = f"{audit}.{n}", f"{audit}.{n - 1}" if n > 1 else str(audit)
            if os.path.exists(newer):
                os.rename(newer, older)
        append(audit, chain.lines(1, first=number))
    os.kill(follower.process.pid, signal.SIGCONT)
    follower.expect("2", "3", "4")


def test_a_file_that_is_emptied_is_read_from_its_beginning(follow, audit):
    chain.write(audit, chain.lines(3))
    follower = follow(audit)
    follower.expect("1", "2", "3")
    os.truncate(audit, 0)
    append(audit, chain.lines(1, first=4))
    follower.expect("4")


def test_a_file_that_is_deleted_and_made_anew_is_followed(follow, audit):
    chain.write(audit, chain.lines(1))
    follower = follow(audit)
    follower.expect("1")
    audit.unlink()
    append(audit, chain.lines(1, first=2))
    follower.expect("2")


def test_a_file_that_is_still_to_come_is_waited_for(follow, audit):
    follower = follow("--lease", "api", audit)
    chain.write(audit, chain.lines(1, lease="other") + chain.lines(1, first=2))
    follower.expect("2")


def test_a_file_behind_a_link_is_followed(follow, audit):
    there = audit.parent / "elsewhere"
    there.mkdir()
    chain.write(there / "real.jsonl", chain.lines(1))
    audit.symlink_to(there / "real.jsonl")
    follower = follow(audit)
    follower.expect("1")
    append(there / "real.jsonl", chain.lines(1, first=2))
    follower.expect("2")


def test_it_ends_when_nobody_reads_any_more(credfd, audit):
    chain.write(audit, chain.lines(1))
    with subprocess.Popen([credfd.session.path, "log", "-f", audit], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=credfd.environment(audit.parent)) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(program.EXIT_PATIENCE) == 0
        assert process.stderr.read() == b""


def test_it_waits_without_looking_again_and_again(follow, audit):
    chain.write(audit, chain.lines(1))
    follower = follow(audit)
    follower.expect("1")

    def waits_for_ever():
        with open(f"/proc/{follower.process.pid}/syscall", encoding="ascii") as file:
            call = file.read().split()
        return call[3:4] and call[3] in ("0xffffffff", "0xffffffffffffffff", "0x0")  # of poll(2); of ppoll(2)

    procs.wait_until(waits_for_ever, "a poll without a time-out")


# Whether it is still as it was written.

TAMPERING = {
    "a line removed": (lambda lines: lines[:3] + lines[4:], "4"),
    "two lines removed": (lambda lines: lines[:3] + lines[5:], "4"),
    "a line changed": (lambda lines: [line.replace('"/4"', '"/x"') for line in lines], "5"),
    "one byte changed": (lambda lines: [line.replace('"pid":4711', '"pid":4712') if '"/4"' in line else line
                                        for line in lines], "5"),
    "a line added": (lambda lines: lines[:3] + chain.lines(1, first=9) + lines[3:], "4"),
    "a line twice": (lambda lines: lines[:4] + lines[3:], "4"),
    "a line of no chain added": (lambda lines: lines[:3] + ['{"path":"/x"}'] + lines[3:], "4"),
    "a line of no chain at the end": (lambda lines: lines + ['{"path":"/x"}'], "8"),
    "an empty line": (lambda lines: lines[:3] + [""] + lines[3:], "4"),
    "two lines exchanged": (lambda lines: lines[:2] + [lines[3], lines[2]] + lines[4:], "3"),
    "a line that is no object added": (lambda lines: lines[:3] + ["[1]"] + lines[3:], "4"),
    "a line that is no object at the end": (lambda lines: lines + ["half a line"], "8"),
    "a line that is no object, with a prev": (
        lambda lines: lines + [json.dumps(f'"prev":"{chain.hash_of(lines[-1])}"').replace("\\", "")], "8"),
    "its beginning removed": (lambda lines: lines[2:], "1"),
    "a chain begun anew": (lambda lines: lines[:3] + chain.lines(2, first=4), "4"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_shown_with_its_place(log, audit, what):
    change, line = TAMPERING[what]
    chain.write(audit, change(chain.lines(7)))
    status, out, _ = log("--verify", audit)
    assert status == 1 and f"{audit}:{line}: " in out and "fault" in out and "ok:" not in out


def test_a_whole_chain_is_in_order_over_all_files(log, audit):
    made = chain.lines(9)
    for number, name in enumerate(["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"]):
        chain.write(audit.parent / name, made[3 * number:3 * number + 3])
    status, out, _ = log("--verify", audit)
    assert status == 0 and out.startswith("ok: 9 lines\n") and chain.hash_of(made[-1]) in out
    assert "cannot be seen" in out and "not here any more" not in out


def test_a_line_that_is_missing_between_two_files_is_shown(log, audit):
    made = chain.lines(9)
    chain.write(audit.parent / "audit.jsonl.1", made[:4])
    chain.write(audit, made[5:])
    status, out, _ = log("--verify", audit)
    assert status == 1 and f"{audit}:1: " in out


def test_a_whole_file_that_is_missing_is_shown(log, audit):
    made = chain.lines(9)
    chain.write(audit.parent / "audit.jsonl.2", made[:3])
    chain.write(audit, made[6:])
    status, out, _ = log("--verify", audit)
    assert status == 1 and f"{audit}:1: " in out


def test_what_was_rotated_away_is_noted(log, audit):
    made = chain.lines(9)
    chain.write(audit.parent / "audit.jsonl.1", made[3:6])
    chain.write(audit, made[6:])
    status, out, _ = log("--verify", audit)
    assert status == 0 and out.startswith(f"note: {audit}.1:1: follows a line that is not here any more")


def test_what_is_missing_before_the_only_file_is_a_fault(log, audit):
    text = chain.write(audit, chain.lines(9)[3:]).read_bytes()
    missing = ":1: the lines before it are missing: removed, or moved away by another's rotation\n"
    status, out, _ = log("--verify", audit)
    assert status == 1 and out.startswith(f"{audit}{missing}1 fault in 6 lines\n")
    (audit.parent / "audit.jsonl.1").touch()  # an empty one is no rotated one
    assert log("--verify", audit)[0] == 1
    assert log("--verify", "-", input=text)[0] == 0  # of what comes through a pipe nobody knows where it begins


def test_lines_from_before_there_was_a_chain_are_a_fault(log, audit):
    old = ['{"time":"2026-01-31T11:00:00.000Z","lease":"api","path":"/old"}'] * 2
    chain.write(audit, old + chain.lines(2, prev=chain.hash_of(old[-1])))
    status, out, _ = log("--verify", audit)
    assert status == 1 and f"{audit}:2: " in out and "note: {audit}" not in out and "1 fault in 4 lines" in out


@pytest.mark.parametrize("length", [0, 1, 40, 150, None])
def test_only_a_last_line_without_its_newline_is_noted(log, audit, length):
    half = chain.lines(3)[2][:length]
    chain.write(audit, chain.lines(2))
    with open(audit, "a", encoding="ascii") as file:
        file.write(half)
    status, out, _ = log("--verify", audit)
    assert status == 0 and (f"note: {audit}:3: is half a line" in out) == (length != 0)


def test_half_a_line_in_the_middle_is_a_fault_and_what_follows_it_holds(log, audit):
    half = chain.lines(3)[2][:40]
    chain.write(audit, chain.lines(2) + [half] + chain.lines(2, first=3, prev=chain.hash_of(half)))
    status, out, _ = log("--verify", audit)
    assert status == 1 and f"{audit}:3: is no line of the audit" in out and "1 fault in 5 lines" in out


def test_nothing_is_in_order_too(log, audit):
    audit.touch()
    assert log("--verify", audit) == (0, "ok: 0 lines\n", "")
