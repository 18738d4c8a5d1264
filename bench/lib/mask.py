"""What masking costs a byte of a response, by the program bench/mask: CPU time, text by text."""
import json
import subprocess

from report import Row


class Mask:
    """Marks are for what ordinary responses are made of. The other texts are an attacker's: made of the key's parts."""

    MARKS = {"json": ("<=", 0.2), "random": ("<=", 0.2)}

    def __init__(self):
        self.costs = {}

    def round(self, bench, ms):
        command = [bench.program("bench/mask"), str(max(50, ms // 5))]
        for line in subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines():
            seen = json.loads(line)
            bench.record("mask", "credfd", seen)
            self.costs.setdefault(seen["text"], []).append(seen["ns_per_byte"])

    def rows(self, _bench):
        for text, costs in self.costs.items():
            yield Row("Masking, of one key", text, "ns a byte", costs, self.MARKS.get(text))
