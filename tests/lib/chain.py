"""The audit's chain, written from its description alone and apart from our C code: a line's `prev` is the SHA-256 of
the line before it, without its newline."""
import hashlib
import json

START = "0" * 64


def hash_of(line):
    return hashlib.sha256(line.encode()).hexdigest()


def lines(count, prev=START, first=1, **changes):
    """`count` lines that follow the one whose hash is `prev`, with paths /1, /2, ...; a callable change gets the number."""
    made = []
    for number in range(first, first + count):
        fields = {"time": f"2026-01-31T12:{number // 60 % 60:02}:{number % 60:02}.000Z", "prev": prev, "lease": "api",
                  "identity": "alice", "pid": 4711, "executable": "/usr/bin/curl", "method": "GET",
                  "authority": "api.example.org", "path": f"/{number}", "status": 200, "bytes_in": 0, "bytes_out": 10,
                  "duration_ms": 3, "rule": "GET /**", "masked": 0}
        fields.update({name: value(number) if callable(value) else value for name, value in changes.items()})
        made.append(json.dumps(fields, separators=(",", ":")))
        prev = hash_of(made[-1])
    return made


def write(path, made):
    path.write_text("".join(line + "\n" for line in made))
    return path


def require_whole(*paths, start=START):
    """The lines of the files, oldest first, read as JSON: each follows the one before it."""
    prev, found = start, []
    for path in paths:
        text = path.read_text()
        assert text.endswith("\n") or not text
        for line in text.split("\n")[:-1]:
            found.append(json.loads(line))
            assert found[-1]["prev"] == prev, f"{path}: {line} does not follow"
            prev = hash_of(line)
    return found
