#!/usr/bin/python3
"""A stand-in for the fduty CLI, written from the contracts alone: it says what it can, and asks its API one thing.

    fduty version --json    {"broker_egress": true} unless it is an old one (AGE, below)
    fduty get PATH          through its lease when it has one, else with the key of its environment
    fduty env               what it sees
"""
import json
import os
import ssl
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lease  # noqa: E402

AGE = "new"  # or "old": it has never heard of leases


def version():
    print(json.dumps({"version": "1.2.3", "commit": "abc", "broker_egress": True}) if AGE == "new" else "fduty 1.0.0")


def get(path):
    number = os.environ.get("FLASHDUTY_CRED_FD")
    if number and AGE == "new":
        with lease.Stream(lease.Channel(int(number)).dial()) as stream:
            answer = stream.request("GET", f"{path}?app_key=broker-sentinel")
        print(answer.status, answer.text)
        return
    key, base = os.environ["FLASHDUTY_APP_KEY"], os.environ["FLASHDUTY_BASE_URL"]
    with urllib.request.urlopen(f"{base}{path}?app_key={key}", context=ssl.create_default_context()) as answer:
        print(answer.status, answer.read().decode())


def main():
    if sys.argv[1:] == ["version", "--json"]:
        version()
    elif sys.argv[1] == "get":
        get(sys.argv[2])
    elif sys.argv[1] == "env":
        print(json.dumps(dict(os.environ)))
    else:
        sys.exit(f"fduty: no command {sys.argv[1]}")


if __name__ == "__main__":
    main()
