"""Vendors' hosts under their own names: one TLS server at port 443 of a loopback address, and the mount namespace whose
/etc/hosts leads there. Needs root.

A handler answers one request, handler(peer, seen). What each host was asked is in `requests`.
"""
import itertools
import random
import re
from pathlib import Path

import names
import upstream as servers

BLOCK = f"127.{random.randrange(64, 128)}.{random.randrange(256)}"  # this process's own: suites run side by side
_addresses = (f"{BLOCK}.{number}" for number in itertools.cycle(range(1, 255)))
SHIPPED = Path(__file__).resolve().parents[2] / "profiles"


class Vendors:
    def __init__(self, authority, hosts):
        """`hosts` is {name: handler}."""
        self.hosts = hosts
        pem = authority.issue("vendors", ",".join(f"DNS:{name}" for name in hosts))
        self.ca_file = authority.ca_file
        self.address = next(_addresses)
        self._server = servers.Server(self._serve, authority, pem=pem, address=(self.address, 443))

    def stop(self):
        self._server.stop()
        assert not self._server.faults, self._server.faults

    @property
    def requests(self):
        return self._server.requests

    def asked(self, host):
        """The requests for that host, each as METHOD PATH."""
        return [f"{seen.method} {seen.path}" for seen in self.requests if seen.field("Host") == host]

    def wrapper(self, folder):
        """The front of a command line: it sees these names, and no others."""
        return names.wrapper(folder, "".join(f"{self.address} {name}\n" for name in self.hosts))

    def _serve(self, peer):
        while seen := peer.read_request():
            self.hosts[seen.field("Host")](peer, seen)


def write_profile(home, name, changes=()):
    """A copy of the profile as it is shipped, among a user's own, whose upstreams may have the address that they
    have in a test. `changes` are texts in it and what takes their place."""
    text = (SHIPPED / f"{name}.yaml").read_text()
    text = re.sub(r"^( *)upstream: .*$", r"\g<0>\n\1allow_private: true", text, flags=re.MULTILINE)
    for old, new in changes:
        assert old in text, f"{name}.yaml has no {old!r}"
        text = text.replace(old, new)
    folder = home / "credfd" / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
