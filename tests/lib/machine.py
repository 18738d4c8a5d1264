"""A machine of the test's own: accounts, /etc, /usr/bin, /usr/local/bin and /home in a private mount namespace, so that
sudo and credfd-mint run with the paths that they ship with, and nothing of this machine is changed. Needs root.

Machine   one for each test: people, files, the shipped sudoers line; runs commands inside as whoever is asked for
"""
import collections
import os
import shutil
import subprocess
from pathlib import Path

import procs

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "credfd"
GROUP = ("keepers", 60100)  # one more that alice and the service are in

Account = collections.namedtuple("Account", "name uid home")
ACCOUNTS = [Account(SERVICE, 60001, "/nonexistent"), Account("alice", 60002, "/home/alice"),
            Account("bob", 60003, "/home/bob"), Account("a-b_1", 60004, "/home/a-b_1"),
            Account("a" * 32, 60005, "/home/long"), Account("roots", 60006, "/home/roots")]

# What the service file leaves of root's capabilities: sudo must do with it.
BOUNDS = "-all,+setuid,+setgid,+audit_write,+sys_resource"

MOUNTS = """
set -e
mount -t tmpfs -o mode=755 machine "$1"
for lower in /etc /usr/bin /usr/local/bin; do
    upper=$1/$(echo "$lower" | tr / _)
    mkdir -p "$upper/upper" "$upper/work"
    mount -t overlay -o "lowerdir=$lower,upperdir=$upper/upper,workdir=$upper/work" machine "$lower"
done
mount -t tmpfs -o mode=755 machine /home
[ -e /etc/hosts ] || echo "127.0.0.1 localhost $(cat /proc/sys/kernel/hostname)" > /etc/hosts  # sudo looks for itself
echo ready
exec sleep infinity
"""


def why_not():
    """Why there can be no such machine here; None when there can."""
    if os.geteuid() != 0:
        return "needs root: accounts and a mount namespace"
    missing = [name for name in ("unshare", "nsenter", "setpriv", "sudo", "visudo") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} is not installed"
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True)
    return f"no mount namespace: {tried.stderr.strip()}" if tried.returncode else None


class Machine:
    def __init__(self, folder, mint):
        """`folder` is one of the test's own; `mint` the credfd-mint to install."""
        # it ends with the tests, however they end
        self.holder = subprocess.Popen(["setpriv", "--pdeathsig=KILL", "unshare", "-m", "--propagation", "private",
                                        "sh", "-c", MOUNTS, "sh", folder],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.holder.stdout.readline() != b"ready\n":
            raise RuntimeError(f"no machine: {self.holder.stderr.read().decode()}")
        self.root = Path(f"/proc/{self.holder.pid}/root")
        self.put("/usr/local/bin/credfd-mint", mint.read_bytes(), 0o755)
        self.add_accounts()
        shipped = (ROOT / "packaging" / "sudoers").read_text()
        self.put("/etc/sudoers.d/credfd", shipped.replace("@BINDIR@", "/usr/local/bin"), 0o440)
        self.map("# people", "anna=alice", "bert=bob")

    def processes(self, *names):
        """Living processes of these people, or of all."""
        uids = {account.uid for account in ACCOUNTS if not names or account.name in names}
        here, found = os.readlink(f"/proc/{self.holder.pid}/ns/mnt"), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:  # another machine, of tests that run at the same time, has the same accounts
                if os.stat(f"/proc/{pid}").st_uid in uids and os.readlink(f"/proc/{pid}/ns/mnt") == here:
                    found.append(int(pid))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended meanwhile
        return found

    def close(self):
        for pid in self.processes():
            procs.kill(pid)
        self.holder.kill()
        self.holder.communicate()

    def path(self, path):
        return self.root / path.lstrip("/")

    def put(self, path, content, mode=0o644, owner=0, group=0):
        """A file inside, in the place of what was there."""
        to = self.path(path)
        to.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        to.unlink(missing_ok=True)
        to.write_bytes(content if isinstance(content, bytes) else content.encode())
        to.chmod(mode)
        os.chown(to, owner, group)
        return to

    def add_accounts(self):
        for file, line in (("passwd", "{0}:x:{1}:{2}::{3}:/bin/sh"), ("shadow", "{0}:*:20000::::::"),
                           ("group", "{0}:x:{1}:")):
            with open(self.path(f"/etc/{file}"), "a", encoding="ascii") as to:
                for name, uid, home in ACCOUNTS:
                    gid = 0 if name == "roots" and file == "passwd" else uid
                    to.write(line.format(name, uid, gid, home) + "\n")
        with open(self.path("/etc/group"), "a", encoding="ascii") as to:
            to.write(f"{GROUP[0]}:x:{GROUP[1]}:alice,{SERVICE}\n")
        for _, uid, home in ACCOUNTS[1:]:
            self.path(home).mkdir(mode=0o750)
            os.chown(self.path(home), uid, uid)

    def map(self, *lines, **how):
        return self.put("/etc/ttyd-user-map", "".join(line + "\n" for line in lines), **how)

    def profile(self, name, *words, **how):
        return self.put(f"/etc/credfd/mint.d/{name}.conf", "".join(word + "\n" for word in words), **how)

    def as_service(self, *command):
        """The command line that runs it inside as the dispatcher's user, with what its service file leaves it."""
        uid = str(ACCOUNTS[0].uid)
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--", "setpriv", f"--reuid={uid}",
                f"--regid={uid}", f"--groups={uid},{GROUP[1]}", f"--bounding-set={BOUNDS}", "--inh-caps=-all", *command]

    def as_root(self, *command):
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--", *command]

    def run(self, command, timeout=60, **how):
        return subprocess.run(command, timeout=timeout, capture_output=True, stdin=subprocess.DEVNULL, **how)

    def mint(self, *words, **how):
        """As the dispatcher does it: sudo, and the two words."""
        return self.run(self.as_service("sudo", "-n", "/usr/local/bin/credfd-mint", *words), **how)
