"""What the shell reader finds in a command, against bash itself.

Thousands of scripts (shell_scripts.py) are run by the real bash, in an empty directory, with a PATH of stubs that write
down how they were called. Whatever ran must have been found, word for word, unless the whole script was not understood;
and every file that was made must have shown as a redirection. SHELL_SCRIPTS=50000 looks further than the default;
SHELL_SEED chooses others.
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import shell_scripts

ROOT = Path(__file__).resolve().parents[2]
HELPERS = ["shell-explain", "shell-stub"]
PROGRAMS = ["env", "xargs", "nice", "nohup", "timeout", "stdbuf", "setsid", "find", "bash", "dash"]
NOBODY = 65534

# What is seen of a command, beside its bytes: src/fleet/shell/shell.h.
ANY, WORDS, BLANK = 0xFF, 0xFE, b"\xFD"
BORDER = re.compile(rb" ?[\xFC\xFB] ")


def built(name, folder):
    """A helper of the newest build that has it; or built now, from the same sources."""
    builds = [path for path in ROOT.glob(f"build*/tests/unit/{name}") if path.stat().st_mtime > newest_source()]
    if builds:
        return max(builds, key=lambda path: path.stat().st_mtime)
    sources = [ROOT / f"tests/unit/{name}.c"]
    if name == "shell-explain":
        sources += [*(ROOT / "src/fleet/shell").glob("*.c"), *(ROOT / f"src/base/{part}.c" for part in ("buf", "num", "slice", "utf8"))]
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-I", ROOT / "src", "-o", folder / name, *sources], check=True)
    return folder / name


def newest_source():
    return max(path.stat().st_mtime for path in [*(ROOT / "src/fleet/shell").iterdir(), *(ROOT / "tests/unit").glob("shell-*.c")])


class Reader:
    """The helper, which answers one text after the other."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def find(self, text):
        text = text.encode()
        self.process.stdin.write(b"%d\n" % len(text) + text)
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return bytes.fromhex(answer["fault"]).decode(), [bytes.fromhex(found["seen"]) for found in answer["found"]]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


class Shell:
    """bash, among stubs. As nobody where that can be."""

    def __init__(self, base, stub):
        self.base, self.log, self.home = base, base / "log", base / "home"
        (base / "bin").mkdir()
        shutil.copy(stub, base / "stub")
        for name in shell_scripts.STUBS:
            os.link(base / "stub", base / "bin" / name)
        for name in PROGRAMS:
            (base / "bin" / name).symlink_to(shutil.which(name))
        (base / "bin/sh").symlink_to(shutil.which("dash"))
        self.home.mkdir()
        self.log.touch()
        self.log.chmod(0o666)
        self.home.chmod(0o777)
        self.who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

    def run(self, script):
        """(what was called, which files were made)"""
        self.log.write_bytes(b"")
        bash = subprocess.Popen(
            ["/bin/sh", "-c", 'ulimit -t 2 -f 2000; exec /bin/bash --norc -c "$0"', script], cwd=self.home,
            env={"PATH": str(self.base / "bin"), "HOME": str(self.home), "LANG": "C.UTF-8"}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.who)
        try:
            bash.wait(3)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(bash.pid, signal.SIGKILL)  # and what it left in the background
        except ProcessLookupError:
            pass
        bash.wait()
        called = [record.split(b"\0")[:-1] for record in self.log.read_bytes().split(b"\1") if record.endswith(b"\0")]
        files = [os.fsencode(name) for name in os.listdir(self.home)]
        for name in files:
            path = os.path.join(os.fsencode(self.home), name)
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        return called, [name for name in files if name != b"nohup.out"]


def expression(seen):
    """A regular expression for all that a text may become. The stub knows the name alone, without its path."""
    path = re.match(rb"[^ \xFF\xFE]*/", seen)
    return b"".join(rb"[\s\S]*" if byte == ANY else rb"(?: [\s\S]*)?" if byte == WORDS else re.escape(bytes([byte]))
                    for byte in seen[path.end() if path else 0:])


def may_have_called(seen, called):
    """Whether this command, with or without the assignments before it, may have been called so."""
    words = BORDER.split(seen)[0]
    text = b" ".join(word.replace(b" ", BLANK) for word in called)
    while not re.fullmatch(expression(words), text):
        if not re.match(rb"[^ \xFE]*=[^ \xFE]* ", words):
            return False
        words = words.split(b" ", 1)[1]
    return True


def may_have_made(seen, name):
    targets = [target.replace(BLANK, b" ") for target in BORDER.split(seen)[1:]]
    return any(b"/" in target or re.fullmatch(expression(target), name) for target in targets)


def steers(seen):
    """An assignment that stands alone because everything after it may differ: a rule has to allow it."""
    return re.fullmatch(rb"[A-Z_][A-Z0-9_]*=[^ ]*", seen)


def reads_commands(seen):
    """A shell whose commands come from its input: a rule that allows it allows whatever that brings."""
    return re.fullmatch(rb"(?:[^ \xFF\xFE]* )?(?:bash|dash|sh)(?: -[^ c]*)*(?: -s.*)?", BORDER.split(seen)[0])


@pytest.fixture(scope="module")
def helpers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("helpers")
    return {name: built(name, folder) for name in HELPERS}


@pytest.fixture(scope="module")
def reader(helpers):
    reader = Reader(helpers["shell-explain"])
    yield reader
    reader.close()


@pytest.fixture
def shell(helpers, tmp_path):
    for folder in [tmp_path, *tmp_path.parents[:2]]:
        folder.chmod(0o755)
    return Shell(tmp_path, helpers["shell-stub"])


class Tally:
    """What became of scripts: how many were understood, how many of these ran anything, and what escaped."""

    def __init__(self, reader, shell):
        self.reader, self.shell, self.understood, self.ran, self.escaped = reader, shell, 0, 0, []

    def look(self, script):
        fault, found = self.reader.find(script)
        if fault or any(steers(seen) for seen in found):
            return
        self.understood += 1
        called, files = self.shell.run(script)
        self.ran += bool(called)
        missed = [words for words in called if not any(may_have_called(seen, words) for seen in found)]
        missed += [name for name in files if not any(may_have_made(seen, name) for seen in found)]
        if missed and not any(reads_commands(seen) for seen in found):
            self.escaped.append((script, missed))


def test_what_has_fooled_others_is_found_or_not_understood(reader, shell):
    tally = Tally(reader, shell)
    for script in shell_scripts.SEEDS:
        tally.look(script)
    assert not tally.escaped
    assert tally.understood > len(shell_scripts.SEEDS) / 2, "the reader understands too little to be tested by it"
    assert tally.ran > len(shell_scripts.SEEDS) / 3, "bash runs too little to test the reader"


def test_whatever_bash_runs_of_a_random_script_was_found(reader, shell):
    maker = shell_scripts.Maker(random.Random(int(os.environ.get("SHELL_SEED", "1"))))
    scripts = int(os.environ.get("SHELL_SCRIPTS", "500"))
    tally = Tally(reader, shell)
    for _ in range(scripts):
        tally.look(maker.script())
    assert not tally.escaped
    # a script has its time, and a busy machine runs fewer of them to their end
    assert tally.ran > scripts / 10, "bash runs too little to test the reader"


def test_ordinary_commands_are_understood(reader):
    commands = (Path(__file__).parent / "shell_ordinary.txt").read_text().rstrip("\n").split("\n----\n")
    odd = {command: fault for command in commands if (fault := reader.find(command)[0])}
    assert len(commands) > 300
    assert len(odd) < 0.03 * len(commands), odd


def test_a_reader_that_misses_a_command_is_caught(helpers, shell):
    class Blind(Reader):
        def find(self, text):
            fault, found = super().find(text)
            return fault, found[1:]

    blind = Blind(helpers["shell-explain"])
    tally = Tally(blind, shell)
    tally.look("run a; echo > out")
    blind.close()
    assert tally.escaped == [("run a; echo > out", [[b"run", b"a"]])]
