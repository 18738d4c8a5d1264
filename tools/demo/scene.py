"""What the demos of services share: saying what comes next, waiting for it, and failing in words."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 20.0


class Failed(Exception):
    pass


def check(condition, otherwise):
    if not condition:
        raise Failed(otherwise)


def part(text):
    print(f"\n{text}\n")


def wait_until(condition, what, pause=0.02):
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        check(time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}")
        time.sleep(pause)
    return value


class Processes:
    """Those that a demo has started, in a folder of its own."""

    def __init__(self, work):
        self.work, self.processes = work, []

    def start(self, *command):
        """A part that prints its port once it listens."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.processes.append(process)
        line = process.stdout.readline()
        check(line, f"{command[1]} did not start")
        return int(line)

    def stop(self):
        for process in self.processes:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def show(demo_of):
    """Runs the demo that `demo_of(folder)` makes. The exit status."""
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    work = tempfile.mkdtemp(prefix="credfd-demo-")
    demo = demo_of(work)
    try:
        demo.run()
    except (Failed, AssertionError, OSError) as why:
        print(f"\ndemo: FAILED: {why}")
        return 1
    finally:
        demo.stop()
        shutil.rmtree(work, ignore_errors=True)
    print("\ndemo: ok")
    return 0


def write(*path, text, mode=0o644):
    """Whole or not at all."""
    name = os.path.join(*path)
    with open(f"{name}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(f"{name}.new", mode)
    os.replace(f"{name}.new", name)
    return name
