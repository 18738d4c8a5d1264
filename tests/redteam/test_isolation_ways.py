"""Every way out of an isolated command's network, and of its files and processes, that we could think of.

As root and as a plain user; what is denied must be denied by the kernel. What waits outside are servers of the test's
own, and a process of the same user.
"""
import contextlib
import ctypes
import os
import resource
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from program import as_user, is_root

MODES = ("network", "full")
each_mode = pytest.mark.parametrize("mode", MODES)


def tries(attempts):
    """Inside: {name: "through", or the error's name}."""
    outcome = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            outcome[name] = "through"
        except OSError as error:
            outcome[name] = errno.errorcode.get(error.errno, str(error))
    return outcome


def system_call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *[a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def through(outcome, permitted=()):
    return {name: how for name, how in outcome.items() if how == "through" and name not in permitted}


class Outside:
    """A server: everybody who gets through to it is counted, and greeted."""

    def __init__(self, family, address):
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.bind(address)
        if isinstance(address, str) and address[0] == "/":
            os.chmod(address, 0o777)
        self.socket.listen(16)
        self.address, self.visits = self.socket.getsockname(), 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.socket.accept()
                self.visits += 1
                peer.sendall(b"outside")
                peer.close()

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


@pytest.fixture
def outside():
    """Makes servers."""
    made = []

    def make(family, address):
        made.append(Outside(family, address))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def neighbour(user):
    """A process of the same user's that has nothing to do with credfd."""
    process = subprocess.Popen(["sleep", "600"], **as_user(user))
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def elsewhere(user):
    """A directory of the same user's, of its own below /srv or /var/tmp; never the working directory."""
    path = Path(tempfile.mkdtemp(prefix="credfd-elsewhere-", dir="/var/tmp"))
    path.chmod(0o755)
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def isolated(credfd, user, session):
    """Runs a function of the test, isolated; what it returns."""
    def run(function, *arguments, mode, options=(), **how):
        using = [tries, system_call, *how.pop("using", ())]
        options = ["--isolate", mode, *options] + (["--read", session.stage] if mode == "full" else [])
        return credfd.inside(function, *arguments, using=using, options=list(map(str, options)), user=user, **how)
    return run


# The network.

def reach(ports):
    def tcp(address, family=socket.AF_INET):
        def attempt():
            with socket.socket(family, socket.SOCK_STREAM) as s:
                s.settimeout(5)
                s.connect(address)
                return s.recv(7)
        return attempt

    def udp(address, family=socket.AF_INET):
        def attempt():
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.sendto(b"out", address)
        return attempt

    def name():
        socket.getaddrinfo("example.org", 80)

    return tries({
        "loopback": tcp(("127.0.0.1", ports[0])), "loopback 6": tcp(("::1", ports[0]), socket.AF_INET6),
        "any": tcp(("0.0.0.0", ports[0])), "own address": tcp((ports[1], ports[0])), "far": tcp(("192.0.2.1", 443)),
        "metadata": tcp(("169.254.169.254", 80)), "udp": udp(("192.0.2.1", 53)), "dns": udp(("9.9.9.9", 53)),
        "multicast": udp(("224.0.0.251", 5353)), "udp 6": udp(("2001:db8::1", 53), socket.AF_INET6), "name": name,
    })


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 53))
            return s.getsockname()[0]
        except OSError:
            return "127.0.0.1"


@pytest.mark.defence("network")
@each_mode
def test_no_address_is_reached(isolated, outside, mode):
    server = outside(socket.AF_INET, ("0.0.0.0", 0))
    assert through(isolated(reach, [server.address[1], own_address()], mode=mode)) == {}
    assert server.visits == 0


def open_families():
    def opens(family, kind, protocol=0):
        return lambda: socket.socket(family, kind, protocol).close()

    kinds = {"stream": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM, "raw": socket.SOCK_RAW,
             "seqpacket": socket.SOCK_SEQPACKET}
    inner = {int(socket.AF_UNIX), int(socket.AF_INET), int(socket.AF_INET6), int(socket.AF_NETLINK)}
    return tries({f"{family} {name}": opens(family, kind) for family in range(46) if family not in inner
                  for name, kind in kinds.items()})


@each_mode
def test_no_socket_of_another_family_is_made(isolated, mode):
    assert through(isolated(open_families, mode=mode)) == {}


def refused_calls():
    def types(request):
        return lambda: fcntl.ioctl(0, request, b"x")

    # x86-64 and all others: io_uring; the keyrings of x86-64
    calls = {"io_uring": (425, 8, 0)}
    if os.uname().machine == "x86_64":
        calls |= {"vsock": (41, 40, 1, 0), "vsock, high half set": (41, 40 | 1 << 40, 1, 0),
                  "vsock by the x32 numbers": (0x40000000 | 41, 40, 1, 0),
                  "add_key": (248, b"user", b"name", b"text", 4, -3), "request_key": (249, b"user", b"name", b"", 0),
                  "keyctl": (250, 0, -3, 1)}
    attempts = {name: lambda call=call: system_call(*call) for name, call in calls.items()}
    return tries({**attempts, "TIOCSTI": types(0x5412), "TIOCLINUX": types(0x541C),
                  "TIOCSTI, high half set": lambda: system_call(16, 0, 0x5412 | 1 << 40, b"x")})


@pytest.mark.defence("network")
@each_mode
def test_calls_that_lead_past_the_namespaces_are_refused(isolated, mode):
    """Standard input is a pipe: without the filter TIOCSTI would say that it is no terminal, and not EPERM."""
    outcome = isolated(refused_calls, mode=mode)
    assert {how for name, how in outcome.items()} <= {"EPERM", "ENOSYS", "EAFNOSUPPORT"}, outcome


def connect_to(paths):
    def connects(path):
        def attempt():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.connect("\0" + path[1:] if path[0] == "@" else path)
        return attempt
    return tries({path: connects(path) for path in paths})


def require_no_abstract_socket(isolated, outside, mode):
    name = f"credfd-outside-{os.getpid()}-{mode}"
    server = outside(socket.AF_UNIX, "\0" + name)
    assert through(isolated(connect_to, [f"@{name}"], mode=mode)) == {}
    assert server.visits == 0


@pytest.mark.defence("network")
def test_no_abstract_socket_of_others_is_reached(isolated, outside):
    require_no_abstract_socket(isolated, outside, "network")


def test_no_abstract_socket_of_others_is_reached_in_full(isolated, outside):
    """Where Landlock is the second wall."""
    require_no_abstract_socket(isolated, outside, "full")


@pytest.fixture
def agents(outside, elsewhere):
    """Sockets of others in the file system: like docker's, like ssh-agent's, like a bus of a user's own."""
    agent = Path(tempfile.mkdtemp(prefix="ssh-", dir="/tmp"))
    agent.chmod(0o755)
    paths = [str(elsewhere / "docker.sock"), str(agent / "agent.1"), str(elsewhere / "deep" / "bus")]
    (elsewhere / "deep").mkdir()
    (elsewhere / "deep").chmod(0o755)
    servers = [outside(socket.AF_UNIX, path) for path in paths]
    yield paths, servers
    shutil.rmtree(agent)


@pytest.mark.defence("view")
@each_mode
def test_no_socket_of_others_in_the_file_system_is_reached(isolated, agents, elsewhere, mode):
    """In `full` even where their directory is shown."""
    paths, servers = agents
    options = ["--read", elsewhere] if mode == "full" else []
    assert through(isolated(connect_to, paths, mode=mode, options=options)) == {}
    assert [server.visits for server in servers] == [0, 0, 0]


@pytest.mark.defence("view")
@each_mode
def test_a_socket_in_the_working_directory_is_not_reached(credfd, session, user, outside, mode):
    folder = session.new_folder(user)
    server = outside(socket.AF_UNIX, str(folder / "other.sock"))
    run = credfd.start(["/usr/bin/python3", "-c",
                        "import socket; socket.socket(socket.AF_UNIX).connect('other.sock')"],
                       folder=folder, user=user, options=["--isolate", mode])
    assert run.wait() == 1
    assert "ConnectionRefusedError" in run.stderr or "PermissionError" in run.stderr
    assert server.visits == 0


AGENTS_VARIABLES = {"SSH_AUTH_SOCK": "/tmp/agent", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/0/bus",
                    "DOCKER_HOST": "unix:///run/docker.sock", "DISPLAY": ":0", "TMUX": "/tmp/tmux-0/default,1,0"}


def read_environment():
    return dict(os.environ)


@each_mode
def test_variables_that_lead_to_agents_are_gone(isolated, mode):
    seen = isolated(read_environment, mode=mode, env={**AGENTS_VARIABLES, "KEPT": "kept"})
    assert set(seen) & set(AGENTS_VARIABLES) == set()
    assert seen["KEPT"] == "kept"


def undo(paths):
    """Nested: who is root in a user namespace of his own has every right over mounts that are his own."""
    libc = ctypes.CDLL(None, use_errno=True)

    def umounts(path):
        def attempt():
            if libc.umount2(path.encode(), 2) < 0:
                raise OSError(ctypes.get_errno(), "")
        return attempt

    def binds(path, flags):
        def attempt():
            folder = tempfile.mkdtemp(dir=".")
            if libc.mount(os.path.dirname(path).encode(), folder.encode(), None, flags, None) < 0:
                raise OSError(ctypes.get_errno(), "")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.connect(f"{folder}/{os.path.basename(path)}")
        return attempt

    def connects(path):
        def attempt():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.connect(path)
        return attempt

    def writes(path):
        return lambda: os.close(os.open(path, os.O_WRONLY))

    def remounts(path):
        def attempt():
            if libc.mount(None, path.encode(), None, 0x1020, None) < 0:  # MS_REMOUNT|MS_BIND
                raise OSError(ctypes.get_errno(), "")
            os.close(os.open(path + "/kernel/core_pattern", os.O_WRONLY))
        return attempt

    def everything(how):
        found = {}
        for path in paths:
            found |= {f"{how} umount {path}": umounts(path),
                      f"{how} umount above {path}": umounts(os.path.dirname(path)),
                      f"{how} bind {path}": binds(path, 0x1000), f"{how} bind all {path}": binds(path, 0x5000),
                      f"{how} connect {path}": connects(path)}
        return {**found, f"{how} remount": remounts("/proc/sys"), f"{how} umount /proc/sys": umounts("/proc/sys"),
                f"{how} write": writes("/proc/sys/kernel/core_pattern")}

    here = tries(everything("here"))
    theirs, ours = os.pipe()
    pid = os.fork()
    if pid == 0:
        uid, gid = os.geteuid(), os.getegid()
        libc.unshare(0x10000000 | 0x00020000)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        os.write(ours, json.dumps([os.geteuid(), tries(everything("nested"))]).encode())
        os._exit(0)
    os.close(ours)
    with os.fdopen(theirs) as told:
        nested = json.load(told)
    os.waitpid(pid, 0)
    return here, nested


@pytest.mark.defence("view")
@each_mode
def test_what_is_covered_cannot_be_uncovered(isolated, agents, elsewhere, mode):
    paths, servers = agents
    options = ["--read", elsewhere] if mode == "full" else []
    here, (_, nested) = isolated(try_to_undo, paths, mode=mode, options=options, using=[undo])
    assert through(here) == {}
    assert through(nested) == {}
    assert [server.visits for server in servers] == [0, 0, 0]


def try_to_undo(paths):
    global tempfile, contextlib
    import contextlib
    import tempfile
    return undo(paths)


# Other processes.

def look_into(pid):
    libc = ctypes.CDLL(None, use_errno=True)

    def traces():
        if libc.ptrace(16, pid, None, None) < 0:
            raise OSError(ctypes.get_errno(), "")

    def takes():
        pidfd = os.pidfd_open(pid)
        system_call(438, pidfd, 0, 0)

    def enters(kind):
        def attempt():
            fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
            if libc.setns(fd, 0) < 0:
                raise OSError(ctypes.get_errno(), "")
        return attempt

    def enters_by_pidfd():
        if libc.setns(os.pidfd_open(pid), 0x40000000 | 0x00020000) < 0:
            raise OSError(ctypes.get_errno(), "")

    return tries({
        "ptrace": traces, "pidfd_getfd": takes, "setns by pidfd": enters_by_pidfd,
        **{f"setns {kind}": enters(kind) for kind in ("net", "mnt", "user", "pid")},
        "root": lambda: os.listdir(f"/proc/{pid}/root"), "cwd": lambda: os.listdir(f"/proc/{pid}/cwd/"),
        "fd": lambda: os.readlink(f"/proc/{pid}/fd/0"), "environ": lambda: open(f"/proc/{pid}/environ", "rb").read(),
        "mem": lambda: open(f"/proc/{pid}/mem", "rb").close(),
        "map_files": lambda: os.listdir(f"/proc/{pid}/map_files"),
    })


@each_mode
def test_no_process_of_others_is_a_way_out(isolated, neighbour, mode):
    assert through(isolated(look_into, neighbour.pid, mode=mode)) == {}


def supervisor_and_init():
    found = {}
    for pid in {os.getppid(), 1}:
        found |= {f"{pid} {name}": how for name, how in look_into(pid).items()}
    return found


@each_mode
def test_neither_the_supervisor_nor_the_first_process_is(isolated, mode):
    assert through(isolated(supervisor_and_init, mode=mode, using=[look_into])) == {}


def signal_it(pid):
    return tries({"kill": lambda: os.kill(pid, 0)}), [name for name in os.listdir("/proc") if name.isdigit()]


def test_in_full_no_process_of_others_is_seen_or_signalled(isolated, neighbour):
    outcome, seen = isolated(signal_it, neighbour.pid, mode="full")
    assert outcome == {"kill": "ESRCH"}
    assert len(seen) <= 3, "the first process, the command, and what it runs"


def signal_and_limit(pids):
    """A signal makes many a program listen, or write, or end; a limit makes it unable to."""
    import resource
    import signal

    attempts = {}
    for name, pid in pids.items():
        for number in (0, signal.SIGHUP, signal.SIGQUIT, signal.SIGCONT, signal.SIGURG):
            attempts[f"{name} kill {number}"] = lambda pid=pid, number=number: os.kill(pid, number)
        attempts[f"{name} pidfd"] = lambda pid=pid: signal.pidfd_send_signal(os.pidfd_open(pid), 0)
        attempts[f"{name} tgkill"] = lambda pid=pid: system_call(234, pid, pid, 0)
        attempts[f"{name} limit"] = lambda pid=pid: resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, 4096))
    return tries(attempts)


def signal_family():
    """What the command has started is its own."""
    import signal
    import subprocess

    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    child.terminate()
    return child.wait() == -signal.SIGTERM and tries(
        {"itself": lambda: os.kill(os.getpid(), signal.SIGURG), "group": lambda: os.killpg(0, signal.SIGURG)})


def signal_supervisor():
    return signal_and_limit({"supervisor": os.getppid()})


def require_untouched(isolated, neighbour, mode):
    assert through(isolated(signal_and_limit, {"neighbour": neighbour.pid}, mode=mode)) == {}
    assert neighbour.poll() is None
    assert through(isolated(signal_supervisor, mode=mode, using=[signal_and_limit])) == {}


@pytest.mark.defence("network")
def test_no_process_of_others_is_signalled_or_limited(isolated, neighbour):
    """Nor is the supervisor told to read its rules again."""
    require_untouched(isolated, neighbour, "network")


def test_no_process_of_others_is_signalled_or_limited_in_full(isolated, neighbour):
    require_untouched(isolated, neighbour, "full")


@each_mode
def test_what_the_command_has_started_it_can_signal(isolated, mode):
    assert isolated(signal_family, mode=mode) == {"itself": "through", "group": "through"}


def find_queues(key):
    libc = ctypes.CDLL(None, use_errno=True)

    def finds(call, *arguments):
        def attempt():
            if call(*arguments) < 0:
                raise OSError(ctypes.get_errno(), "")
        return attempt

    return tries({"queue": finds(libc.msgget, key, 0), "memory": finds(libc.shmget, key, 0, 0),
                  "POSIX queue": finds(libc.mq_open, b"/credfd-test", 0),
                  "its file": lambda: open("/dev/mqueue/credfd-test", "rb").close()})


def require_no_queue(isolated, mode):
    """Those of System V know no directory; those of POSIX lie in one, and in a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x63726564 + os.getpid()
    made = libc.msgget(key, 0o1666), libc.shmget(key, 4096, 0o1666)
    assert min(made) >= 0
    libc.mq_open(b"/credfd-test", os.O_CREAT | os.O_RDWR, 0o666, None)
    try:
        assert through(isolated(find_queues, key, mode=mode)) == {}
    finally:
        libc.msgctl(made[0], 0, None)
        libc.shmctl(made[1], 0, None)
        libc.mq_unlink(b"/credfd-test")


@pytest.mark.defence("network")
def test_no_queue_or_memory_of_others_is_a_way_out(isolated):
    require_no_queue(isolated, "network")


def test_no_queue_or_memory_of_others_is_a_way_out_in_full(isolated):
    require_no_queue(isolated, "full")


# The kernel's own helpers.

def tell_kernel():
    def writes(path):
        return lambda: os.close(os.open(path, os.O_WRONLY))
    return tries({path: writes(path) for path in (
        "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/panic_on_oom",
        "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/sys/kernel/profiling",
        "/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/cpu/release_agent", "/sys/fs/cgroup/cgroup.procs")})


@each_mode
def test_the_kernel_is_told_nothing(isolated, mode):
    assert through(isolated(tell_kernel, mode=mode)) == {}


@pytest.mark.defence("view")
@each_mode
def test_not_even_by_root(credfd, session, as_root, mode):
    run = credfd.start(["sh", "-c", "echo '|/bin/false' >/proc/sys/kernel/core_pattern"], options=["--isolate", "none"])
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    run.wait()
    Path("/proc/sys/kernel/core_pattern").write_text(before)
    run = credfd.start(["sh", "-c", f"echo '{before.strip()}' >/proc/sys/kernel/core_pattern"],
                       options=["--isolate", mode])
    assert run.wait() != 0
    assert "Read-only" in run.stderr


# Files, in `full`.

def spoil(paths):
    def writes(path):
        def attempt():
            with open(path, "a") as file:
                file.write("evil\n")
        return attempt

    def reads(path):
        def attempt():
            with open(path, "rb") as file:
                if not file.read(1):
                    raise OSError(errno.ENODATA, "")
        return attempt
    return tries({**{f"write {path}": writes(path) for path in paths},
                  **{f"read {path}": reads(path) for path in paths}})


@pytest.mark.defence("view")
def test_key_files_of_the_system_are_invisible_to_root(credfd, as_root, session):
    outcome = credfd.inside(spoil, ["/etc/shadow", "/etc/gshadow"], using=[tries, system_call],
                            options=["--isolate", "full", "--read", str(session.stage)])
    assert through(outcome, permitted=["write /etc/shadow", "write /etc/gshadow"]) == {}
    assert "evil" not in Path("/etc/shadow").read_text()


def test_in_full_homes_spools_and_the_system_are_not_written_to(isolated, elsewhere, user):
    (elsewhere / ".bashrc").write_text("sound\n")
    (elsewhere / ".bashrc").chmod(0o666)
    watched = [elsewhere / ".bashrc", "/root/.bashrc", "/etc/crontab", "/etc/profile", "/usr/bin/env"]
    made = ["/var/spool/cron/crontabs/root", "/var/spool/cron/atjobs/x", "/etc/cron.d/credfd-evil",
            "/usr/bin/credfd-evil", "/etc/credfd-evil", "/root/credfd-evil", "/credfd-evil", "/var/lib/credfd-evil",
            "/boot/credfd-evil"]
    before = {path: Path(path).read_bytes() for path in watched if Path(path).exists()}
    outcome = isolated(spoil, [*map(str, watched), *made], mode="full", env={"HOME": str(elsewhere)})
    assert {path: Path(path).read_bytes() for path in before} == before
    assert [path for path in made if Path(path).exists() and "evil" in Path(path).name] == []
    assert outcome[f"write {elsewhere}/.bashrc"] == "through", "a home of its own is there, empty, to be written to"


def list_and_write(path):
    outcome = tries({"list": lambda: os.listdir(path), "read": lambda: open(f"{path}/file").close(),
                     "write": lambda: open(f"{path}/new", "w").close()})
    return outcome


@pytest.mark.parametrize("option, permitted", [(None, set()), ("--read", {"list", "read"}),
                                               ("--write", {"list", "read", "write"})])
def test_in_full_other_directories_are_as_the_options_say(isolated, elsewhere, option, permitted):
    (elsewhere / "file").write_text("text")
    outcome = isolated(list_and_write, str(elsewhere), mode="full", options=[option, elsewhere] if option else [])
    assert set(through(outcome)) == permitted
    assert (elsewhere / "new").exists() == ("write" in permitted)


@pytest.mark.defence("view")
@each_mode
def test_the_file_with_the_key_is_covered(isolated, mode):
    """It lies below the working directory, and belongs to the command's user."""
    outcome = isolated(read_key, mode=mode)
    assert set(outcome.values()) <= {"ENODATA", "EACCES"} and outcome, outcome


def read_key():
    def reads(path):
        def attempt():
            with open(path, "rb") as file:
                if not file.read(1):
                    raise OSError(errno.ENODATA, "")
        return attempt
    return tries({name: reads(f"test-secrets/{name}") for name in os.listdir("test-secrets")})


# What credfd reads again while the command runs.

RULES = {"-c": ["-c", "conf/credfd.yaml"], "-c, by way of another": ["-c", "other/../conf/credfd.yaml"],
         "-c, by a link": ["-c", "link/credfd.yaml"], "-c, a link": ["-c", "linked.yaml"]}


def start_with_rules(credfd, session, user, script, mode, source, lies_in="conf", env=None):
    """A command in a directory of its own with its rules, which lie below that, or in it for "."."""
    folder = session.new_folder(user)
    for name in ("conf", "other"):
        (folder / name).mkdir()
    (folder / "link").symlink_to("conf")
    credential = credfd.credential(secret={"file": str(credfd.write_secret(folder, "api", credfd.canary, user))})
    made = credfd.write_settings(folder, [credential], user=user)
    (folder / "linked.yaml").symlink_to(os.path.join(lies_in, "credfd.yaml"))
    made.rename(folder / lies_in / "credfd.yaml")
    for path in (folder, *folder.rglob("*")):
        if user:
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    text = (folder / lies_in / "credfd.yaml").read_text()
    with open(folder / "stderr", "wb") as stderr:
        done = subprocess.run([str(session.path), "run", *source, "--audit", str(folder / "audit.jsonl"), "--isolate",
                               mode, "--", "sh", "-c", script], cwd=folder, stdin=subprocess.DEVNULL, stdout=stderr,
                              stderr=stderr, env=credfd.environment(folder, env), check=False, **as_user(user))
    return done.returncode, (folder / "stderr").read_text(), folder, text


REPLACE = """
    for name in "$DIRECTORY/credfd.yaml" "$@"; do
        echo evil >>"$name"; sed -i s/credentials/evil/ "$name"; mv "$name" "$name.old" && echo evil >"$name"
        rm -f "$name"; ln -sf /etc/passwd "$name"; cp /etc/passwd new && mv -f new "$name"; rm -f new
    done 2>/dev/null
    for name in conf other link linked.yaml . "$PWD"; do
        mv "$name" "$name.old" && mkdir "$name" && echo evil >"$name/credfd.yaml"
    done 2>/dev/null
    python3 -c 'import ctypes; print(ctypes.CDLL(None).renameat2(-100, b"conf", -100, b"test-secrets", 2))'
    echo done
"""


@pytest.mark.defence("view")
@each_mode
@pytest.mark.parametrize("source", RULES)
def test_the_rules_are_neither_written_nor_replaced(credfd, session, user, mode, source):
    """Not even by a directory or a link on the way to them."""
    script = f"set -- linked.yaml; DIRECTORY=conf; {REPLACE}"
    status, said, folder, text = start_with_rules(credfd, session, user, script, mode, RULES[source])
    assert status == 0 and "done" in said, said
    with open(folder / RULES[source][1]) as file:
        assert file.read() == text
    assert (folder / "conf" / "credfd.yaml").read_text() == text


@pytest.mark.defence("view")
@each_mode
@pytest.mark.parametrize("source, env", [(["-c", "credfd.yaml"], {}), (["-c", "./credfd.yaml"], {}), ([], {}),
                                         (["-c", "other/../credfd.yaml"], {}), ([], {"CREDFD_CONFIG": "credfd.yaml"})],
                         ids=["named", "with a dot", "default", "by way of another", "by the environment"])
def test_the_rules_in_the_working_directory_are_neither_written_nor_replaced(credfd, session, user, mode, source, env):
    script = f"DIRECTORY=.; {REPLACE}"
    status, said, folder, text = start_with_rules(credfd, session, user, script, mode, source, ".", env)
    assert status == 0 and "done" in said, said
    assert (folder / "credfd.yaml").read_text() == text
    if "other/../credfd.yaml" in source:
        assert (folder / "other" / ".." / "credfd.yaml").read_text() == text


@pytest.mark.defence("view")
@each_mode
def test_the_directory_of_a_key_is_not_replaced(isolated, mode):
    assert isolated(replace_keys, mode=mode) == {"rename": "EBUSY", "exchange": "EBUSY", "remove": "EBUSY"}


def replace_keys():
    def exchanges():
        os.mkdir("evil")
        system_call(316 if os.uname().machine == "x86_64" else 276, -100, b"test-secrets", -100, b"evil", 2)
    return tries({"rename": lambda: os.rename("test-secrets", "test-old"), "exchange": exchanges,
                  "remove": lambda: os.rmdir("test-secrets")})


@each_mode
def test_work_beside_the_rules_goes_on(credfd, session, user, mode):
    """Files are moved and linked within the directory in which the rules lie, and below it."""
    script = """set -e
        mkdir deep deep/er; echo text >file; mv file deep/er/file; ln deep/er/file again; mv deep deeper; cat again
        git init -q . && git add again && git -c user.name=n -c user.email=e commit -qm m && git gc -q && echo done"""
    status, said, _, _ = start_with_rules(credfd, session, user, script, mode, ["-c", "credfd.yaml"], ".",
                                          {"HOME": "/nowhere"})
    assert status == 0 and said.split() == ["text", "done"], said


# By another mount.

@pytest.fixture
def elsewhere_too(as_root):
    """A wrapper in which the whole file system is seen a second time, and another proc and sysfs."""
    top = Path(tempfile.mkdtemp(prefix="credfd-twice-", dir="/var/tmp"))
    top.chmod(0o755)
    for name in ("all", "proc", "sys"):
        (top / name).mkdir()
    script = (f'mount --bind / {top}/all && mount -t proc proc {top}/proc && mount -t sysfs sys {top}/sys && '
              f'exec "$@"')
    yield top, ["unshare", "--mount", "sh", "-c", script, "sh"]
    for name in ("all", "proc", "sys"):
        (top / name).rmdir()
    top.rmdir()


@pytest.mark.defence("view")
@each_mode
def test_what_is_covered_is_not_seen_by_another_mount(credfd, session, elsewhere_too, agents, mode):
    paths, servers = agents
    top, wrapper = elsewhere_too
    folder = session.new_folder()
    work = folder / "work"
    work.mkdir()
    (folder / "conf").mkdir()
    settings = credfd.write_settings(folder, [credfd.credential()])
    settings = settings.rename(folder / "conf" / "credfd.yaml")
    text = settings.read_text()
    run = subprocess.run([*wrapper, str(session.path), "run", "-c", str(settings), "--audit", "-", "--isolate", mode,
                          *(["--write", str(top)] if mode == "full" else []), "--", "/usr/bin/python3", "-Sc",
                          LOOK_TWICE, f"{top}/all{folder}", *(f"{top}/all{path}" for path in paths)],
                         cwd=work, env=credfd.environment(folder), stdin=subprocess.DEVNULL, capture_output=True,
                         text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert credfd.canary not in run.stdout
    assert "connected" not in run.stdout
    assert settings.read_text() == text
    assert [server.visits for server in servers] == [0, 0, 0]


LOOK_TWICE = """
import glob, os, socket, sys
def attempt(what):
    try:
        print(what())
    except OSError as error:
        print(error.strerror)
for path in glob.glob(sys.argv[1] + "/test-secrets/*"):
    attempt(open(path).read)
def spoil():
    with open(sys.argv[1] + "/conf/credfd.yaml", "a") as file:
        file.write("evil")
attempt(spoil)
attempt(lambda: os.rename(sys.argv[1] + "/conf", sys.argv[1] + "/conf.old"))
for path in sys.argv[2:]:
    with socket.socket(socket.AF_UNIX) as s:
        attempt(lambda: s.connect(path) or "connected")
"""


@pytest.mark.defence("view")
@each_mode
def test_another_proc_or_sysfs_tells_the_kernel_nothing(credfd, elsewhere_too, mode):
    top, wrapper = elsewhere_too
    names = [f"{top}/proc/sys/kernel/domainname", f"{top}/proc/sysrq-trigger", f"{top}/sys/kernel/profiling",
             f"{top}/sys/kernel/mm/ksm/run"]
    run = credfd.start(["sh", "-c", 'for name in "$@"; do (: >>"$name") 2>/dev/null && echo "$name"; done; echo done',
                        "sh", *names], wrapper=wrapper,
                       options=["--isolate", mode, *(["--write", str(top)] if mode == "full" else [])])
    assert run.wait() == 0, run.stderr
    assert run.stdout == b"done\n"


# Devices, as root.

@pytest.mark.defence("view")
@each_mode
def test_no_device_of_the_machine_is_opened_by_root(credfd, as_root, mode):
    """Neither where the machine has them nor where somebody has put one."""
    folder = credfd.session.new_folder()
    os.mknod(folder / "disk", 0o60666, os.makedev(7, 0))
    os.mknod(folder / "made", 0o20666, os.makedev(1, 5))
    (folder / "made").chmod(0o666)
    script = """import glob, os, stat
for path in [*glob.glob("/dev/**", recursive=True), "disk", "made"]:
    kind = os.stat(path, follow_symlinks=False).st_mode if os.path.exists(path) else 0
    if not (stat.S_ISBLK(kind) or stat.S_ISCHR(kind)):
        continue
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
        print(path)
    except OSError:
        pass
"""
    run = credfd.start(["/usr/bin/python3", "-Sc", script], folder=folder, options=["--isolate", mode])
    assert run.wait() == 0, run.stderr
    allowed = {"null", "zero", "full", "random", "urandom", "tty", "console", "pts/ptmx"}
    assert set(run.stdout.decode().split()) <= {f"/dev/{name}" for name in allowed}


# Sockets that lead nowhere.

@pytest.fixture(scope="module")
def dead_sockets():
    """At home, where no test that runs beside this one looks: inside an isolated command nobody can tell that they are
    dead, and they are too many to be covered."""
    folder = Path(tempfile.mkdtemp(prefix="credfd-dead-", dir="/var/lib" if is_root() else "/tmp"))
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "0"))
    for number in range(1, 4300):
        os.mknod(folder / str(number), 0o140777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("mode", ["network", "network,best"])
def test_sockets_that_others_have_left_behind_do_not_matter(credfd, dead_sockets, user, mode):
    """Anybody can make as many as he likes."""
    run = credfd.start(["sh", "-c", "cat /proc/net/dev | wc -l"], options=["--isolate", mode], user=user,
                       env={"HOME": str(dead_sockets)})
    assert run.wait() == 0, run.stderr
    assert run.stdout == b"3\n", "isolated"


@pytest.fixture
def many_files():
    """As many descriptors as this user may have."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 8192:
        pytest.skip("too few descriptors for that many sockets")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def sockets_out_of_sight(number):
    """In a network of their own: who does not look where they lie does not see them. (A thread can go there alone.)"""
    made = []

    def make():
        ctypes.CDLL(None).unshare(0x40000000)  # CLONE_NEWNET; who is not root stays
        made.extend(socket.socket(socket.AF_UNIX) for _ in range(number))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made


def test_best_is_not_less_for_what_others_have_done(credfd, user, many_files):
    """More listeners than can be covered: nothing is started, rather than without isolation. They lie at home, where no
    test that runs beside this one looks."""
    folder = Path(tempfile.mkdtemp(prefix="credfd-many-", dir="/var/lib" if is_root() else "/tmp"))
    folder.chmod(0o755)
    listeners = sockets_out_of_sight(4300)
    try:
        for number, listener in enumerate(listeners):
            listener.bind(str(folder / str(number)))
            (folder / str(number)).chmod(0o777)
            listener.listen()
        run = credfd.start(["echo", "ran"], options=["--isolate", "network,best"], user=user,
                           env={"HOME": str(folder)})
        assert run.wait() == 125
        assert run.stdout == b""
        assert "more sockets than can be covered" in run.stderr
    finally:
        for listener in listeners:
            listener.close()
        shutil.rmtree(folder)


def folder_for_all(base, mode):
    folder = Path(tempfile.mkdtemp(prefix="credfd-place-", dir=base))
    folder.chmod(mode)
    return folder


def fill(folder):
    """With more names than are looked at. Most are further names of a file: a file of its own for each takes far longer."""
    for number in range(66000):
        if number % 30000 == 0:
            file = folder / str(number)
            os.mknod(file)
        else:
            os.link(file, folder / str(number))


def require_hidden(credfd, place, full, env):
    """Somebody listens at the place, unseen by the kernel's list, and the folder is full."""
    [listener] = sockets_out_of_sight(1)
    with contextlib.closing(listener):
        listener.bind(str(place))
        place.chmod(0o777)
        listener.listen()
        fill(full)
        run = credfd.start(["/usr/bin/python3", "-c",
                            "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])", place],
                           options=["--isolate", "network"], env=env)
        assert run.wait() == 1
        assert "ConnectionRefusedError" in run.stderr or "PermissionError" in run.stderr


@pytest.mark.defence("view")
def test_who_fills_tmp_hides_no_agent_at_home(credfd):
    """What is looked at is bounded in each place by itself."""
    home = folder_for_all("/var/lib" if is_root() else "/tmp", 0o755)
    full = folder_for_all("/tmp", 0o755)
    try:
        (home / ".ssh").mkdir(0o755)
        require_hidden(credfd, home / ".ssh" / "agent", full, {"HOME": str(home)})
    finally:
        shutil.rmtree(home)
        shutil.rmtree(full)


@pytest.mark.defence("view")
def test_who_fills_a_place_for_all_hides_no_service_beside_it(credfd):
    """As /run/lock lies in /run. A service's is found even if it is listed last."""
    if not is_root() or os.stat("/run").st_mode & stat.S_IWOTH:
        pytest.skip("nobody but root may make something in /run, and this test does")
    folders = [folder_for_all("/run", 0o755) for _ in range(8)]
    try:
        first, *_, last = sorted(folders, key=lambda folder: os.listdir("/run").index(folder.name))
        first.chmod(0o1777)
        require_hidden(credfd, last / "socket", first, {})
    finally:
        for folder in folders:
            shutil.rmtree(folder)
