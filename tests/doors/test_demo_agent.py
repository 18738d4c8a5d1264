"""`make demo-agent` holds what it shows: every attack fails, the work is done; and it would say so if it were not so."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import program

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^ *(\d+|-)  .{43}  (held|done|STOLEN|ESCAPED|FAILED) ", re.M)


@pytest.fixture
def play(credfd, needs):
    """The demo as that user; its exit status and what it printed."""
    needs("curl", "openssl", "sha256sum")

    def run(user, *arguments, wrapper=()):
        folder = credfd.session.new_folder(user)
        for part in ("tools/demo", "tests/lib"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        done = subprocess.run([*wrapper, "/usr/bin/python3", folder / "tools/demo/agent/demo", *arguments], cwd=folder,
                              env={**credfd.environment(folder), "CREDFD": str(credfd.session.path)}, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **program.as_user(user))
        return done.returncode, done.stdout.decode()
    return run


def test_every_attack_fails_and_the_work_is_done(play, user):
    status, said = play(user)
    assert status == 0 and said.endswith("\ndemo: ok\n"), said
    rows = ROW.findall(said)
    assert sorted(word for _, word in rows) == ["done"] * 3 + ["held"] * 20, said


def test_without_isolation_it_says_what_got_through(play, as_root):
    """Among processes of its own: its attacks reach whatever they can."""
    status, said = play(None, "--isolate", "none", wrapper=["unshare", "--pid", "--fork", "--mount-proc"])
    assert status == 1 and "ESCAPED" in said and "demo: FAILED" in said, said
