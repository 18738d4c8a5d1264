"""Runs one function of a test inside the workload and reports what it returned.

    python3 inside.py FILE NAME REPORT ARGUMENTS     FILE holds the function's source, REPORT takes its JSON answer

The function sees the names of this module: `lease`, `attack`, `say` and `hear`, and the modules imported here.
Standard input, output and error stay the test's: `say` and `hear` are how a test and its workload keep in step.
"""
import ctypes
import errno
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time


class Later:
    """A module that is imported when it is used: few functions need it, and thousands are run."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, attribute):
        return getattr(__import__(self.name), attribute)


hashlib, subprocess, threading, traceback = map(Later, ("hashlib", "subprocess", "threading", "traceback"))

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import attack  # noqa: E402
import lease  # noqa: E402


def say(text):
    """One line to the test."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def hear():
    """One line from the test, waited for; "" once the test closed its end."""
    return sys.stdin.readline().rstrip("\n")


def main(argv):
    source, name, report, arguments = argv[1:5]
    with open(source, encoding="utf-8") as file:
        code = compile(file.read(), source, "exec")
    names = dict(globals())
    try:
        exec(code, names)
        outcome = {"returned": names[name](*json.loads(arguments))}
    except BaseException:
        outcome = {"raised": traceback.format_exc()}
    with open(report, "w", encoding="utf-8") as file:
        json.dump(outcome, file)


if __name__ == "__main__":
    main(sys.argv)
