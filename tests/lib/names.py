"""A name service for tests: a tiny DNS server, and the mount namespace in which credfd sees it and nothing else."""
import random
import socket
import struct
import subprocess
import threading

ADDRESS = f"127.53.{random.randrange(256)}.{random.randrange(1, 255)}"  # this process's own: suites run side by side
A, AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


class NameServer:
    """Answers from `zone`: {name: [address, ...]}, or a list of such lists to be given out one after the other."""

    ttl = 0  # seconds

    def __init__(self, zone, address=ADDRESS):
        self.zone = {name: list(values) for name, values in zone.items()}
        self.questions, self._stopping = [], False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopping = True
        self.socket.sendto(b"", self.socket.getsockname())  # wakes the thread, whose wait would keep the port
        self._thread.join()
        self.socket.close()

    def _serve(self):
        while not self._stopping:
            question, client = self.socket.recvfrom(4096)
            if question:
                self.socket.sendto(self._answer(question), client)

    def _answer(self, question):
        name, end = _name(question, 12)
        kind, = struct.unpack("!H", question[end:end + 2])
        self.questions.append((name, kind))
        addresses = self._addresses(name, kind)
        code = NXDOMAIN if addresses is None else NOERROR
        packed = [socket.inet_pton(socket.AF_INET6 if ":" in one else socket.AF_INET, one) for one in addresses or []
                  if (":" in one) == (kind == AAAA)]
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, self.ttl, len(one)) + one for one in packed)
        head = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(packed), 0, 0)
        return head + question[12:end + 4] + records

    def _addresses(self, name, kind):
        values = self.zone.get(name.lower())
        if values and isinstance(values[0], list):
            return values.pop(0) if kind == A and len(values) > 1 else values[0]
        return values


def _name(packet, at):
    labels = []
    while length := packet[at]:
        labels.append(packet[at + 1:at + 1 + length].decode("latin-1"))
        at += 1 + length
    return ".".join(labels), at + 1


# A bare system has no such files, and over nothing nothing can be mounted: then /etc gets a layer of its own first.
LAYER = """
if ! [ -e /etc/hosts ] || ! [ -e /etc/resolv.conf ]; then
    mkdir -p "$0/layer"
    mount -t tmpfs -o mode=755 layer "$0/layer"
    mkdir "$0/layer/upper" "$0/layer/work"
    mount -t overlay -o "lowerdir=/etc,upperdir=$0/layer/upper,workdir=$0/layer/work" layer /etc
    touch /etc/hosts /etc/resolv.conf
fi
for name in hosts resolv.conf; do mount --bind "$0/$name" "/etc/$name"; done
exec "$@"
"""


def wrapper(folder, hosts="", nameserver=ADDRESS):
    """The front of a command line: it sees these /etc/hosts and /etc/resolv.conf. As root, with mount namespaces."""
    (folder / "hosts").write_text(hosts)
    (folder / "resolv.conf").write_text(f"nameserver {nameserver}\noptions timeout:1 attempts:1\n")
    return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", LAYER, str(folder)]


def why_not(folder):
    """A reason why names cannot be faked here, or None."""
    done = subprocess.run([*wrapper(folder), "true"], capture_output=True, text=True)
    if done.returncode:
        return f"no mount namespace with its own /etc/hosts: {done.stderr.strip()}"
    try:
        NameServer({}).stop()
    except OSError as error:
        return f"no server on {ADDRESS} port 53: {error}"
    return None
