"""What we are held against, as far as this machine has it. What is missing is told and left out, never guessed."""
import os
import re
import shutil
import subprocess
from pathlib import Path

SBIN = os.environ.get("PATH", "") + ":/usr/sbin"
GO_OF_DEBIAN = "/usr/lib/go/bin"  # before any other: its version is the one that goes with the marks
SOURCES = Path(__file__).resolve().parent.parent / "go"


class Missing(Exception):
    """A peer that is not there, and why."""


def program(name):
    found = shutil.which(name, path=SBIN)
    if not found:
        raise Missing(f"{name} is not installed: tools/setup bench")
    return found


def go():
    found = shutil.which("go", path=f"{GO_OF_DEBIAN}:{SBIN}")
    if not found:
        raise Missing("go is not installed: tools/setup bench")
    return found


def go_program(name, build):
    """One of the references, built of the standard library alone where our own programs are built."""
    folder = build / "bench" / "go"
    environment = {**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "",
                   "GOCACHE": str(folder / "cache")}
    done = subprocess.run([go(), "build", "-o", folder / name, SOURCES / f"{name}.go"], env=environment,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Missing(f"go could not build {name}: {done.stderr.strip()[-300:]}")
    return folder / name


def version(find, *words):
    """What a peer or a tool says of itself, in one line; None when it is not there, or cannot be started."""
    try:
        done = subprocess.run([find(), *words], capture_output=True, text=True)
    except (Missing, OSError):
        return None
    return ((done.stdout or done.stderr).splitlines() or [None])[0]


def versions():
    words = {"nginx": "-v", "haproxy": "-v", "wrk": "-v", "strace": "-V"}
    return {"go": version(go, "version"),
            **{name: version(lambda name=name: program(name), word) for name, word in words.items()}}


def short_versions(said):
    """"nginx 1.22.1, ...", of what `versions` has found. Who says no number says its name."""
    found = {name: re.search(r"[0-9]+(\.[0-9]+)+", line) for name, line in said.items() if line}
    return ", ".join(f"{name} {number[0]}" if number else name for name, number in found.items())
