"""The machine's own scale, by the program bench/scale, on the CPU where all is measured, in each round."""
import json
import subprocess

from report import Row


class Scale:
    """What every server is made of. A figure is of this machine; held against these it is of others as well."""

    NAMES = {"call_ns": ("a bare system call", "us", 1000),
             "loopback_ns": ("128 B sent and received on loopback TCP", "us", 1000),
             "switch_ns": ("a switch between two processes, with the send and recv that make it", "us", 1000),
             "start_ns": ("starting `true`, and its end", "ms", 1_000_000)}

    def round(self, bench, ms):
        command = [bench.program("bench/scale"), str(min(ms // 4, 200))]
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        bench.record("scale", "machine", json.loads(said.stdout))

    def rows(self, bench):
        rounds = bench.of("scale", "machine")
        for key, (name, unit, divisor) in self.NAMES.items():
            yield Row("The machine's own scale, CPU time", name, unit, [seen[key] / divisor for seen in rounds])
