"""A role that was taken over: stands in the place of its program, and says on its channels what it likes.

It is run by the supervisor, isolated, with nothing but its channel. What it has to do stands in plan.json beside it:

attacks   each process of this role takes the next of them. It says hello and hears what it is told, as the role does;
          then it sends these datagrams on the channel that they name. When none is left it becomes the role itself.
behind    instead, it runs the role behind itself and passes on what both sides say; and it makes itself a peer of it,
          on a fresh channel for each of these datagrams.

What became of each stands in a file of its own in `said`: how it began, and, for those who live to tell it, whether the
other side has ended the channel.
"""
import array
import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import time

CHANNEL = 3
LARGEST = 1 << 18
CLONE_PARENT = 0x8000
SYS_CLONE = {"x86_64": 56, "aarch64": 220}
PATIENCE = 5.0

here = os.path.dirname(os.path.abspath(sys.argv[0]))
with open(os.path.join(here, "plan.json"), encoding="ascii") as file:
    plan = json.load(file)
types = plan["types"]


def tell(number, **what):
    path = os.path.join(here, "said", str(number))
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump(what, file)
    os.rename(path + ".new", path)


def take_number():
    """The first that nobody has taken yet."""
    for number in range(len(plan["attacks"])):
        try:
            os.close(os.open(os.path.join(here, "said", f"{number}.taken"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return number
        except FileExistsError:
            pass
    return None


def become_real():
    os.execv(plan["real"], [plan["real"], *sys.argv[1:]])


def go_on_as_copy():
    """As a role does: the supervisor waits for the end of the process that it started, and hears the copy."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid = libc.syscall(SYS_CLONE[os.uname().machine], CLONE_PARENT, 0, 0, 0, 0)
    if pid != 0:
        os._exit(0)
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, as a role has it


class Wire:
    """One end of a channel: whole datagrams, with descriptors."""

    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(True)

    def send(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], rights)

    def receive(self):
        """(bytes, descriptors); no bytes at the end."""
        data, rights, _, _ = self.socket.recvmsg(LARGEST, socket.CMSG_SPACE(16 * 4))
        fds = array.array("i")
        for _, _, raw in rights:
            fds.frombytes(raw[:len(raw) - len(raw) % 4])
        return data, list(fds)

    def is_ready(self, seconds):
        return bool(select.select([self.socket], [], [], seconds)[0])

    def is_ended(self, seconds=PATIENCE):
        """Whether the other side has closed it; what it says meanwhile is of no interest."""
        deadline = time.monotonic() + seconds
        try:
            while self.is_ready(max(0, deadline - time.monotonic())):
                data, fds = self.receive()
                for fd in fds:
                    os.close(fd)
                if not data:
                    return True
        except OSError:
            return True
        return False


def hello(supervisor):
    supervisor.send(struct.pack("<BI", types["HELLO"], os.getpid()), [os.pidfd_open(os.getpid())])


def hear_all(supervisor, wanted, patience=PATIENCE):
    """What a role is told at its start: {peer: descriptor}; whoever is wanted is among them, however late."""
    peers = {}
    while supervisor.is_ready(0.3 if wanted in peers or peers and wanted is None else patience):
        data, fds = supervisor.receive()
        if not data:
            break
        if data[0] == types["PEER"]:
            peers[data[1]] = fds.pop()
    return peers


def send_all(wire, attack):
    """Each datagram of the attack as often as it says; (how many went out, whether the other side has closed)."""
    null, sent = os.open("/dev/null", os.O_RDONLY), 0
    try:
        for text, fds, times in attack["datagrams"]:
            data = bytes.fromhex(text) if isinstance(text, str) else b"\0" * text
            for _ in range(times):
                wire.socket.settimeout(PATIENCE / 2)
                wire.send(data, [null] * fds)
                sent += 1
    except TimeoutError:
        return sent, "it takes no more"
    except OSError as error:
        return sent, f"errno {error.errno}"
    finally:
        wire.socket.settimeout(None)
        os.close(null)
    return sent, "sent"


def attack_as_role(number):
    attack = plan["attacks"][number]
    supervisor = Wire(CHANNEL)
    go_on_as_copy()
    hello(supervisor)
    peers = hear_all(supervisor, attack["channel"], attack.get("hears", PATIENCE))
    wire = supervisor if attack["channel"] is None else Wire(peers[attack["channel"]])
    tell(f"{number}.began", pid=os.getpid())
    sent, how = send_all(wire, attack)
    ended = attack.get("reads", True) and wire.is_ended(attack["patience"])
    tell(number, pid=os.getpid(), sent=sent, how=how, ended=ended)
    if attack.get("lingers"):
        time.sleep(PATIENCE * 4)


# In between.

class Between:
    """The role itself behind us: what it is told and what it says passes through."""

    def __init__(self, supervisor):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.supervisor, self.role, self.peers, self.log = supervisor, Wire(ours.detach()), {}, []
        if os.fork() == 0:
            os.dup2(theirs.fileno(), CHANNEL)
            become_real()
        theirs.close()

    def pass_on(self, seconds):
        """Until nothing more is said for so long. False at the end of either."""
        while True:
            ready = select.select([self.supervisor.socket, self.role.socket], [], [], seconds)[0]
            if not ready:
                return True
            for one, other in ((self.supervisor, self.role), (self.role, self.supervisor)):
                if one.socket in ready and not self._pass_one(one, other):
                    return False

    def _pass_one(self, one, other):
        data, fds = one.receive()
        if not data:
            return False
        if one is self.role and data[0] == types["HELLO"]:
            hello(self.supervisor)
        else:
            if data[0] == types["PEER"] and one is self.supervisor:
                self.peers.setdefault((data[1], struct.unpack_from("<I", data, 2)[0]), os.dup(fds[0]))
            if data[0] == types["LOG"] and one is self.role:
                self.log.append(data[6:].decode("latin-1"))
            other.send(data, fds)
        for fd in fds:
            os.close(fd)
        return True

    def introduce(self, peer, number, fd):
        self.role.send(struct.pack("<BBI", types["PEER"], peer, number), [fd])

    def fresh(self, peer, number):
        """A channel as that peer."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.introduce(peer, number, theirs.fileno())
        theirs.close()
        return Wire(ours.detach())


def stand_between():
    go_on_as_copy()
    between = Between(Wire(CHANNEL))
    between.pass_on(0.5)
    for number, attack in enumerate(plan["behind"]):
        between.log.clear()
        wire = between.fresh(attack["peer"], attack["number"])
        sent, how = send_all(wire, attack)
        deadline, ended = time.monotonic() + attack["patience"], False
        while not ended and time.monotonic() < deadline:
            lives = between.pass_on(0.01)
            ended = not lives or attack.get("reads", True) and wire.is_ended(0.01)
        between.pass_on(0.02)
        tell(number, sent=sent, how=how, ended=ended, log="\n".join(between.log))
        wire.socket.close()
    for (peer, number), fd in between.peers.items():  # as if nothing had been
        between.introduce(peer, number, fd)
    tell("over")
    while between.pass_on(PATIENCE):
        pass
    os._exit(0)


signal.signal(signal.SIGPIPE, signal.SIG_IGN)
if plan["behind"]:
    stand_between()
else:
    mine = take_number()
    if mine is None:
        become_real()
    attack_as_role(mine)
