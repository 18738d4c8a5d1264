"""A client of ours that has said that it is ready, and obeys lines: each is answered with a line of JSON."""
import json
import os
import subprocess


class Client:
    """The running program: a context. It runs on `cpu`, or where the benchmark itself does. `stderr` is a file."""

    def __init__(self, words, cpu=None, stderr=None):
        self.words = [str(word) for word in words]
        pin = None if cpu is None else lambda: os.sched_setaffinity(0, {cpu})
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                        preexec_fn=pin)
        self._line()  # "ready"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.terminate()
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait() != 0 and not kind:
            raise RuntimeError(f"{' '.join(self.words)} ended with status {self.process.returncode}")

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.words)} ended early")
        return line

    def tell(self, line="go"):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self._line())

    def ask(self, line="go"):
        self.tell(line)
        return self.hear()
