"""The search for the canary: the key of this run, made fresh, which may be in no place that outlives a request."""
import base64
import os
import stat
import urllib.parse

import procs

# Where the tests themselves keep the key: the files that credfd reads it from, and what reached an upstream.
KEPT = {"test-secrets", "test-upstream"}


def forms(canary):
    """The canary and what it looks like encoded: as it is, percent, hex and base64 at its three alignments."""
    raw = canary.encode()
    found = {raw, urllib.parse.quote(canary, safe="").encode(), raw.hex().encode(), raw.hex().upper().encode()}
    for pad in range(3):
        code = base64.b64encode(b"x" * pad + raw)
        found.add(code[4 if pad else 0:(len(code) - 4)])  # without the characters that the neighbours decide
        found.add(code[4 if pad else 0:(len(code) - 4)].replace(b"+", b"-").replace(b"/", b"_"))
    return found


class Search:
    def __init__(self, canary):
        self.needles = forms(canary)
        self.longest = max(map(len, self.needles))

    def is_in(self, data):
        return any(needle in data for needle in self.needles)

    def in_file(self, path):
        try:
            with open(path, "rb") as file:
                tail = b""
                while block := file.read(1 << 20):
                    if self.is_in(tail + block):
                        return True
                    tail = block[-self.longest:]
        except OSError:
            pass  # gone, or not ours to read
        return False

    def in_tree(self, top, since=0.0):
        """Regular files under `top`, changed after `since`, that hold the canary; KEPT folders are left out."""
        hits = []
        for folder, names, files in os.walk(top):
            names[:] = [name for name in names if name not in KEPT]
            hits += [path for path in (os.path.join(folder, file) for file in files)
                     if _is_recent_file(path, since) and self.in_file(path)]
        return hits

    def in_processes(self, pids):
        hits = []
        for pid in pids:
            hits += [f"/proc/{pid}/{name} of {procs.comm(pid)}"
                     for name in ("environ", "cmdline") if self.is_in(getattr(procs, name)(pid))]
        return hits


def _is_recent_file(path, since):
    try:
        about = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and about.st_mtime >= since and about.st_size <= 256 << 20
