"""Starting credfd with a generated configuration, talking with its workload, and checking what it leaves behind.

Session   one for a whole pytest run: the program, the canary key, a folder that everybody may read
Credfd    one for each test: starts runs, and at the end searches for what must not be there
Run       one `credfd run`, living or ended
"""
import inspect
import json
import os
import pwd
import queue
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import leaks
import procs
import settings
from procs import wait_until

HERE = Path(__file__).resolve().parent
ROLES = {"keeper": "credfd-keeper", "relay": "credfd-relay", "source": "credfd-source",
         "resolver": "credfd-resolver", "exporter": "credfd-exporter", "gate": "credfd-gate"}
NOBODY = pwd.getpwnam("nobody")
EXIT_PATIENCE = 90.0  # a sanitized build on a busy machine is slow


def is_root():
    return os.geteuid() == 0


class Session:
    def __init__(self, path):
        self.began = time.time()
        self.canary = f"canary-{secrets.token_hex(16)}"
        self.search = leaks.Search(self.canary)
        self.base = Path(tempfile.mkdtemp(prefix="credfd-test-"))
        self.base.chmod(0o755)
        self.stage = self._copy(HERE / "lease.py", HERE / "inside.py", HERE.parent / "redteam" / "attack.py")
        self.path = self._reachable(Path(path))
        self.is_sanitized = b"__asan_init" in self.path.read_bytes()
        self.services = set()  # processes of ours that live as long as the session
        self._count = 0
        procs.become_subreaper()

    def _copy(self, *files):
        """Copies that any user may read, wherever the tests themselves lie."""
        stage = self.base / "stage"
        stage.mkdir(mode=0o755)
        for file in files:
            shutil.copy(file, stage / file.name)
            (stage / file.name).chmod(0o644)
        return stage

    def _reachable(self, path):
        """The program where any user may run it: it may lie below a folder that only root may enter."""
        if all(os.stat(folder).st_mode & 0o001 for folder in path.parents):
            return path
        target = self.base / "bin"
        wanted = [file for file in path.parent.iterdir() if file.is_file() and file.name.startswith("credfd")]
        for file in [*wanted, path.parent / "examples" / "connect", *(path.parent / "profiles").rglob("*.yaml")]:
            copy = target / file.relative_to(path.parent)
            copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copy(file, copy)
            copy.chmod(0o755)
        return target / path.name

    def new_folder(self, user=None):
        self._count += 1
        folder = self.base / f"run-{self._count}"
        folder.mkdir(mode=0o755)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        return folder

    def leftovers(self, living=()):
        """Processes below the tests that are neither a service nor of a living run. Reaps the dead on the way."""
        known = self.services | set(living)
        found = []
        for pid in procs.children(os.getpid()):
            if pid in known:
                continue
            if procs.state(pid) == "Z":
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass
            else:
                found.append(pid)
        return found

    def close(self):
        """The last search: in what a run could have written anywhere. Returns the hits."""
        hits = []
        for top in {str(self.base), "/tmp", "/var/tmp", "/var/lib/systemd/coredump", "/dev/shm", "/run", os.getcwd()}:
            hits += self.search.in_tree(top, self.began)
        shutil.rmtree(self.base, ignore_errors=True)
        return sorted(set(hits))


class Lines:
    """The lines of a pipe as they come, read by a thread so that nobody ever blocks the writer."""

    def __init__(self, pipe):
        self.queue, self.seen = queue.Queue(), []
        self.thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self.thread.start()

    def _read(self, pipe):
        for line in pipe:
            self.queue.put(line)
        pipe.close()
        self.queue.put(None)

    def next(self, timeout):
        line = self.queue.get(timeout=timeout)
        if line is not None:
            self.seen.append(line)
        return line

    def rest(self):
        self.thread.join(procs.PATIENCE)
        while not self.queue.empty():
            self.next(0)
        return b"".join(self.seen)


class Run:
    """One started credfd. `pid` is the supervisor's."""

    def __init__(self, process, folder, report=None):
        self.process, self.folder, self._report = process, folder, report
        self.pid = process.pid
        self.lines = Lines(process.stdout) if process.stdout else None

    # In step with the workload.

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def expect(self, text, timeout=EXIT_PATIENCE):
        """Waits until the workload prints a line that begins so, and returns the rest of that line."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.next(max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line {text!r} within {timeout} s; so far: {self.story()}") from None
            if line is None:
                raise AssertionError(f"the command ended without a line {text!r}: {self.story()}")
            if line.decode().startswith(text):
                return line.decode()[len(text):].strip()

    def wait(self, timeout=EXIT_PATIENCE):
        """The exit status, once it has ended."""
        if self.process.stdin and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        return self.process.wait(timeout)

    def result(self):
        """What the function inside returned, once it has ended well."""
        status = self.wait()
        outcome = json.loads(self._report.read_text()) if self._report.exists() else {}
        assert "raised" not in outcome, f"inside the workload:\n{outcome['raised']}\n{self.story()}"
        assert status == 0 and "returned" in outcome, f"exit status {status}: {self.story()}"
        return outcome["returned"]

    def kill(self, number=signal.SIGKILL):
        procs.kill(self.pid, number)

    # What it said.

    @property
    def stdout(self):
        return self.lines.rest()

    @property
    def stderr(self):
        return (self.folder / "stderr").read_text(errors="replace")

    def story(self):
        parts = {"stderr": self.stderr[-3000:], "stdout": b"".join(self.lines.seen if self.lines else [])[-500:],
                 "report": self._report.read_text() if self._report and self._report.exists() else None}
        return " ".join(f"{name}: {value!r}" for name, value in parts.items() if value)

    def audit(self, count=0):
        """The audit's lines of exchanges, each read as JSON; waits until there are `count`."""
        return self._audit_lines(count, "exchanges", lambda line: "event" not in line)

    def events(self, count=0):
        """The audit's lines of leases' beginnings and ends; waits as `audit`."""
        return self._audit_lines(count, "events", lambda line: "event" in line)

    def _audit_lines(self, count, what, is_one):
        path = self.folder / "audit.jsonl"

        def lines():
            text = path.read_text() if path.exists() else ""
            found = list(filter(is_one, map(json.loads, text.split("\n")[:-1])))
            return (found or True) if len(found) >= count else None

        found = wait_until(lines, f"{count} {what} in the audit")
        return found if isinstance(found, list) else []

    # Its processes.

    def roles(self, name):
        return [pid for pid in procs.children(self.pid) if procs.comm(pid) == ROLES[name]]

    def role(self, name):
        """The one process of that role, when it is settled: the command runs no sooner."""
        self.command()
        found = wait_until(lambda: self.roles(name), f"a {name} below {self.pid}")
        assert len(found) == 1, f"{len(found)} of {name}"
        return found[0]

    def command(self):
        """The workload's first process."""
        def find():
            return [pid for pid in procs.children(self.pid) if not procs.comm(pid).startswith("credfd")]
        return wait_until(find, "the command's process")[0]


class Credfd:
    """Starts runs for one test. `upstream` is what credentials are bound to unless a test says otherwise."""

    def __init__(self, session, upstream):
        self.session, self.upstream = session, upstream
        self.runs = []

    @property
    def canary(self):
        return self.session.canary

    def credential(self, name="api", **changes):
        """A credential as a mapping; a change to None takes a key out."""
        return {
            "name": name,
            "secret": {"file": "SECRET"},  # stands for a file made for the run
            "upstream": self.upstream.url,
            "inject": {"query": "app_key"},
            "allow": "all",
            "ca_file": str(self.upstream.ca_file) if self.upstream.ca_file else None,
            "env": {"API_FD": "{fd}"},
            **changes,
        }

    def write_secret(self, folder, name, text, user=None):
        keep = folder / "test-secrets"
        keep.mkdir(mode=0o700, exist_ok=True)
        path = keep / f"{name}.key"
        path.write_text(text)
        path.chmod(0o400)
        for made in (keep, path):
            if user:
                os.chown(made, user.pw_uid, user.pw_gid)
        return path

    def write_settings(self, folder, credentials, extra=None, user=None, key=None):
        key = self.canary + "\n" if key is None else key
        for credential in credentials:
            if credential["secret"] == {"file": "SECRET"}:
                credential["secret"] = {"file": str(self.write_secret(folder, credential["name"], key, user))}
        path = folder / "credfd.yaml"
        path.write_text(settings.dump({"credentials": credentials, **(extra or {})}))
        return path

    def start(self, command, *, credentials=None, options=(), extra=None, audit=True, user=None, key=None, env=None,
              wrapper=(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec=None, pass_fds=(), config=None,
              report=None, folder=None, profiles=(), **changes):
        """`credfd run` with that command. `changes` are to the one credential that there is by default, whose secret is
        a file that holds `key`: the canary, unless a test says otherwise. `profiles` are names of such, in place of a
        configuration, and each has that secret, or the one that --secret `secret` says."""
        folder = folder or self.session.new_folder(user)
        if profiles:
            secret = changes.pop("secret", None)
            if not secret:
                key = self.canary if key is None else key
                secret = f"file:{self.write_secret(folder, 'profile', key, user)}"
            source = [word for name in profiles for word in ("--profile", name, "--secret", secret)]
        elif config is None:
            credentials = [self.credential(**changes)] if credentials is None else credentials
            config = self.write_settings(folder, credentials, extra, user, key)
        source = source if profiles else ["-c", str(config)]
        arguments = [*wrapper, str(self.session.path), "run", *source, *options]
        if audit:
            arguments += ["--audit", str(folder / "audit.jsonl")]
        arguments += ["--", *map(str, command)]
        with open(folder / "stderr", "wb") as stderr:
            process = subprocess.Popen(
                arguments, cwd=folder, env=self.environment(folder, env), stdin=stdin, stdout=stdout, stderr=stderr,
                preexec_fn=preexec, pass_fds=pass_fds, **as_user(user))
        run = Run(process, folder, report)
        self.runs.append(run)
        return run

    def environment(self, folder, changes=None):
        kept = {name: value for name, value in os.environ.items() if name in ("ASAN_OPTIONS", "UBSAN_OPTIONS")}
        return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(folder), "LANG": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1", **kept, **(changes or {})}

    def start_inside(self, function, *arguments, using=(), user=None, **how):
        """`credfd run` with a function of the test as its workload: see inside.py for what it finds there."""
        folder = self.session.new_folder(user)
        source, report = folder / "inside.py", folder / "report.json"
        source.write_text("\n\n".join(textwrap.dedent(inspect.getsource(part)) for part in (*using, function)))
        command = [sys.executable, "-S", self.session.stage / "inside.py", source, function.__name__, report,
                   json.dumps(arguments)]
        return self.start(command, user=user, folder=folder, report=report, **how)

    def inside(self, function, *arguments, **how):
        """What the function returns when it runs as the workload."""
        return self.start_inside(function, *arguments, **how).result()

    def command(self, *arguments, env=None, input=None, timeout=EXIT_PATIENCE, cwd=None):
        """Another command of credfd, run to its end."""
        folder = self.session.new_folder()
        return subprocess.run([str(self.session.path), *map(str, arguments)], cwd=cwd or folder, input=input,
                              env=self.environment(folder, env), capture_output=True, timeout=timeout)

    # What must not be there.

    def living(self):
        return [run.pid for run in self.runs if run.process.poll() is None]

    def require_nothing_left(self):
        """Every run has ended: so has every process that it started, whatever it is."""
        assert not self.living(), "a run still lives"
        leftovers = self.session.leftovers
        wait_until(lambda: not leftovers(), lambda: f"the end of {'; '.join(map(procs.describe, leftovers()))}")

    def leaks(self):
        search = self.session.search
        hits = search.in_processes([pid for run in self.living() for pid in [run, *procs.descendants(run)]])
        for run in self.runs:
            hits += search.in_tree(str(run.folder))
        return hits

    def close(self):
        hits = self.leaks()
        for pid in self.living():
            procs.kill(pid)
        for run in self.runs:
            run.wait()
        try:
            self.require_nothing_left()
        finally:
            for pid in self.session.leftovers():
                procs.kill(pid)
        assert not hits, f"the canary was found in {hits}"
        self.require_no_sanitizer_report()

    def require_no_sanitizer_report(self):
        """In a sanitized build: no fault in any process, even where the test itself did not notice."""
        for run in self.runs:
            found = re.search(r"(?:ERROR: \w+Sanitizer|runtime error:).*", run.stderr, re.DOTALL)
            assert not found, found.group()[:6000]


def as_user(user):
    """Arguments for Popen. Without a user: as we are."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
