#!/usr/bin/env python3
"""Looks, from inside the command, wherever a key could be. Every byte that it gets goes to standard output; what it
looked at, and whether it got anything, goes to standard error in words. It does not know the key: the demo, which does,
searches the bytes afterwards.
"""
import os
import subprocess
import sys


def say(place, what):
    print(f"  {place:42} {what}", file=sys.stderr)


def take(data):
    sys.stdout.buffer.write(data + b"\n")


def look_at(path, place):
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        return say(place, f"closed to us: {error.strerror}")
    take(data)
    say(place, f"{len(data)} bytes")


def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def parents():
    """(pid, name) from our parent up to the first process."""
    pid = os.getppid()
    while pid > 0:
        told = status(pid)
        yield pid, told["Name"]
        pid = int(told["PPid"])


def keepers(supervisor):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                told = status(entry)
            except OSError:
                continue  # gone meanwhile
            if told["Name"] == "credfd-keeper" and int(told["PPid"]) == supervisor:
                yield entry


def look_at_memory(pid):
    place = f"/proc/{pid}/mem (credfd-keeper)"
    got = 0
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            spans = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps]
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for start, end in spans:
                try:
                    data = os.pread(memory.fileno(), end - start, start)
                except (OSError, OverflowError):
                    continue  # a piece that nobody may read; perhaps the next
                take(data)
                got += len(data)
    except OSError as error:
        return say(place, f"closed to us: {error.strerror}")
    say(place, f"{got} bytes")


def main():
    variables = subprocess.run(["printenv"], stdout=subprocess.PIPE, check=True).stdout
    take(variables)
    say("printenv", f"{variables.count(10)} lines")
    look_at("/proc/self/environ", "/proc/self/environ")
    above = list(parents())
    for pid, name in above:
        look_at(f"/proc/{pid}/environ", f"/proc/{pid}/environ ({name})")
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the one that listed
        say(f"/proc/self/fd/{name}", target)
    supervisor = next((pid for pid, name in above if name == "credfd"), None)
    found = list(keepers(supervisor))
    if not found:
        sys.exit("look: no keeper runs beside us; this search proves nothing")
    for pid in found:
        look_at_memory(pid)


main()
