"""Debian's Jupyter as a person's instance: notebooks, and kernels over WebSockets.

On a machine of the test's own (machine.py) it runs as that person, and keeps its token at home; else as whoever runs
the test, and keeps it where the tests keep secrets.
"""
import json
import os
import shutil
import subprocess

import machine as machines
import procs
import upstream
from procs import wait_until

PROGRAM = shutil.which("jupyter-notebook", path="/usr/bin:/bin")

# The mint command, of whoever may read the token.
MINT = """#!/bin/sh
printf '{{ "credential": "%s" }}\\n' "$(cat {token})"
"""

# The token is read by the server itself: it stands in no argument and no environment.
CONFIGURATION = """
c.NotebookApp.token = open({token!r}).read()
c.NotebookApp.ip, c.NotebookApp.port, c.NotebookApp.port_retries = "127.0.0.1", {port}, 0
c.NotebookApp.allow_remote_access, c.NotebookApp.open_browser = True, False
c.NotebookApp.notebook_dir, c.NotebookApp.allow_root = {work!r}, True
c.NotebookApp.terminals_enabled, c.NotebookApp.quit_button = False, False
c.NotebookApp.cookie_secret_file = {secret!r}
"""

NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "cells": [{"id": "one", "cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
                       "source": "import os\nprint('six times seven is', 6 * 7, 'for', os.environ['WHOSE'])"}]}


def why_not():
    if not PROGRAM:
        return "jupyter-notebook is not installed"
    tried = subprocess.run(["/usr/bin/python3", "-c", "import notebook, ipykernel"], capture_output=True, text=True)
    return None if tried.returncode == 0 else "python3-notebook and python3-ipykernel are not installed"


class Jupyter:
    """One instance, of `account` on `machine`, or of ourselves with everything below `folder`."""

    def __init__(self, session, folder, machine=None, account=None):
        self.session, self.machine, self.account = session, machine, account
        self.home = account.home if machine else str(folder)
        self.port, self.process = upstream.free_port(), None
        self.token, self.secret = f"{self.home}/token", f"{self.home}/cookie-secret"
        self.put("token", session.canary)
        self.put("work/hello.ipynb", json.dumps(NOTEBOOK))
        self.put("jupyter.py", CONFIGURATION.format(token=self.token, port=self.port, work=f"{self.home}/work",
                                                    secret=self.secret))
        self.log = session.new_folder() / "jupyter.log"

    def put(self, name, text):
        path = f"{self.home}/{name}"
        here = self.machine.path(path) if self.machine else machines.Path(path)
        here.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        here.write_text(text)
        here.chmod(0o600)
        if self.machine:
            for each in {here, here.parent}:
                os.chown(each, self.account.uid, self.account.uid)

    def command(self, *words):
        env = ["env", "-i", f"HOME={self.home}", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "WHOSE=" + (
            self.account.name if self.machine else "nobody"), f"JUPYTER_RUNTIME_DIR={self.home}/runtime",
               f"IPYTHONDIR={self.home}/ipython"]
        become = []
        if self.machine:  # who becomes somebody else would forget to die with its parent
            uid = str(self.account.uid)
            become = self.machine.as_root("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
                                          "--pdeathsig=KILL")
        return [*become, *env, *words]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(PROGRAM, f"--config={self.home}/jupyter.py"), cwd="/", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=procs.die_with_parent)
        self.session.services.add(self.process.pid)
        wait_until(self.listens, lambda: "Jupyter listens: " + self.log.read_text(), 60)
        return self

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        return upstream.listens(self.port)

    def forget_sessions(self):
        """As after a restart with another secret: every cookie is dead, and so is every kernel."""
        self.stop()
        self.put("cookie-secret", os.urandom(24).hex())
        self.start()

    def stop(self):
        """At once: its kernels would take their time."""
        if self.process and self.process.poll() is None:
            for pid in (self.process.pid, *procs.descendants(self.process.pid)):
                procs.kill(pid)
            self.process.wait()
        if self.process:
            self.session.services.discard(self.process.pid)
