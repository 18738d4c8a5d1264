"""Starting `credfd runner` against the small control plane of tools/hub, with a real API behind it and a stand-in for the
fduty CLI in front of it.

Runner   one supervisor, living or ended
Fleet    what a test holds: a hub, an API with TLS, and the runner
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import procs
import upstream
from procs import wait_until
from service import Service

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "hub"))

from hub import Hub, Manners  # noqa: E402,F401

ROLES = {"link": "credfd-link", "task": "credfd-task", "exec": "credfd-exec", "probe": "credfd-probe",
         "keeper": "credfd-keeper", "relay": "credfd-relay", "resolver": "credfd-resolver", "source": "credfd-source",
         "exporter": "credfd-exporter"}


class Runner(Service):
    """One `credfd runner`. Settings that are None are left out."""
    roles_of = ROLES

    def __init__(self, session, hub, ca_file=None, env=None, **changes):
        super().__init__(session, "runner", env)
        self.hub = hub
        self.secrets = self.folder / "test-secrets"
        self.secrets.mkdir(mode=0o755)
        self.token_file = self.secrets / "token"
        self.workspace, self.spool = self.folder / "workspace", self.folder / "spool"
        self.runtime = self.folder / "runtime"
        self.runtime.mkdir(mode=0o700)
        self.audit_file = self.folder / "audit.jsonl"
        self.env = {"XDG_RUNTIME_DIR": str(self.runtime), "TZ": "UTC", **self.env}
        if ca_file:
            self.env["SSL_CERT_FILE"] = str(ca_file)
        self.write_token(hub.manners.token or "token-of-nobody")
        self.settings = {
            "url": hub.url, "token": {"file": str(self.token_file)}, "workspace": str(self.workspace),
            "spool": {"directory": str(self.spool)}, "permission": {"bash": "allow"},
            "tasks": {"timeout": "60s", "grace": "1s"},
        }
        self.write_config(**changes)

    def write_token(self, token):
        self.token_file.write_text(token)
        self.token_file.chmod(0o600)

    def write_config(self, top=None, **changes):
        """`top` is what stands beside `runner:`."""
        self.settings = {**self.settings, **changes}
        self.write_settings({"runner": self.settings, "audit": {"file": str(self.audit_file)}, **(top or {})})

    def write_cli(self, age="new"):
        """The CLI, new or old, in the folder where the settings look for it. Replaced whole, as an update is."""
        folder = self.folder / "cli"
        folder.mkdir(exist_ok=True)
        source = (ROOT / "tests" / "lib" / "fduty.py").read_text().replace('AGE = "new"', f'AGE = "{age}"')
        new = folder / "fduty.new"
        new.write_text(source)
        new.chmod(0o755)
        shutil.copy(ROOT / "tests" / "lib" / "lease.py", folder / "lease.py")
        os.replace(new, folder / "fduty")
        return folder / "fduty"

    @property
    def fduty(self):
        return self.folder / "cli" / "fduty"

    # What it says.

    def audit(self, count, event="request"):
        """The lines of the audit of that kind; waits until there are `count`."""
        def lines():
            text = self.audit_file.read_text() if self.audit_file.exists() else ""
            found = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
            found = [line for line in found if line.get("event", "request") == event]
            return (found,) if len(found) >= count else None
        return wait_until(lines, f"{count} lines in the audit")[0]

    def status(self):
        """What `credfd runner status --json` prints."""
        done = subprocess.run([self.session.path, "runner", "status", "--json"], capture_output=True, text=True,
                              timeout=procs.PATIENCE, env={**os.environ, **self.env})
        assert done.stdout, done.stderr
        status = json.loads(done.stdout)
        assert done.returncode == (0 if status["connected"] else 1), done.stderr
        return status

    def wait_said(self, text):
        """Until the log says that."""
        return wait_until(lambda: text in self.stderr, lambda: f"{text!r} in the log:\n{self.stderr}")

    def spooled(self, ending=""):
        return sorted(name for name in os.listdir(self.spool) if name.endswith(ending)) if self.spool.exists() else []

    @property
    def processes(self):
        return procs.descendants(self.pid)


class Fleet:
    """Makes what a test needs, and ends it."""

    def __init__(self, session, authority, serve):
        self.session, self.authority, self.serve = session, authority, serve
        self.hubs, self.runners = [], []

    def hub(self, tls=True, **manners):
        """A control plane whose token is on the list of what must not be left anywhere."""
        manners.setdefault("token", self.session.canary + "-token")
        self.hubs.append(Hub(upstream.free_port(), self.authority.good if tls else None, Manners(**manners)))
        return self.hubs[-1]

    def api(self, handle=upstream.answer_all, **how):
        return self.serve(handle, **how)

    def runner(self, hub=None, **changes):
        """A runner that is not started yet; trusts the tests' authority for hub and API."""
        self.runners.append(Runner(self.session, hub or self.hub(), self.authority.ca_file, **changes))
        return self.runners[-1]

    def start(self, hub=None, **changes):
        """A runner that is connected, and its hub."""
        runner = self.runner(hub, **changes).start()
        runner.hub.wait_connected()
        return runner, runner.hub

    def key(self, api):
        """A credential for a task: the canary, bound to that API."""
        return {"key": self.session.canary, "base_url": api.url}

    def close(self):
        """Everything of it; returns where the key or the token was found."""
        living = [runner for runner in self.runners if runner.process and runner.process.poll() is None]
        hits = self.session.search.in_processes([pid for each in living for pid in [each.pid, *each.processes]])
        for runner in self.runners:
            runner.stop()
        for hub in self.hubs:
            hub.close()
        wait_until(lambda: not self.session.leftovers(),
                   lambda: f"left running: {[procs.cmdline(p) for p in self.session.leftovers()]}")
        for runner in self.runners:
            hits += self.session.search.in_tree(runner.folder)
            assert "runtime error" not in runner.stderr and "Sanitizer" not in runner.stderr, runner.stderr
        return hits
