"""Upstreams for the tests: a certificate authority, nginx, and a small server whose behaviour a test writes itself.

Everything that reaches one of them is on record as Seen: with the key, exactly as it came. The records live in memory,
or in the session's `test-upstream` folder, one of the two places where the key may be written (see leaks.KEPT).
"""
import dataclasses
import hashlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import urllib.parse
from pathlib import Path

import procs
from ports import free_port, has_ipv6
from procs import wait_until

BIG = 100 << 20
GOOD_NAMES = "DNS:localhost,DNS:api.test,IP:127.0.0.1,IP:::1"


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except ConnectionRefusedError:
        return False


class Authority:
    """A certificate authority and server certificates, made by the openssl command. Each is one .pem: key and chain."""

    def __init__(self, folder):
        self.folder = folder
        self.ca_file = self._root("ca")
        self._root("foreign-ca")
        self.good = self.issue("good", GOOD_NAMES)
        self.expired = self.issue("expired", GOOD_NAMES, "-days", "-1")
        self.wrong_name = self.issue("wrong-name", "DNS:other.test,IP:127.0.0.9")
        self.foreign = self.issue("foreign", GOOD_NAMES, ca="foreign-ca")
        self.client_only = self.issue("client-only", GOOD_NAMES, usage="clientAuth")
        self.self_signed = self._self_signed("self-signed")

    def context(self, pem):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"openssl {arguments}: {done.stderr}"

    def _new_key(self, name, *more):
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                      "-subj", f"/CN={name}", *more)

    def _root(self, name):
        self._new_key(name, "-x509", "-days", "2", "-out", f"{name}.crt")
        return self.folder / f"{name}.crt"

    def _pem(self, name):
        pem = self.folder / f"{name}.pem"
        pem.write_bytes((self.folder / f"{name}.key").read_bytes() + (self.folder / f"{name}.crt").read_bytes())
        return pem

    def issue(self, name, names, *more, ca="ca", usage="serverAuth"):
        """A certificate and its key in one file; `ca` is "foreign-ca" for one that nobody trusts."""
        self._new_key(name, "-out", f"{name}.csr")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key",
                      "-CAcreateserial", "-extfile", extensions.name, "-out", f"{name}.crt", *(more or ("-days", "2")))
        return self._pem(name)

    def _self_signed(self, name):
        self._new_key(name, "-x509", "-days", "2", "-out", f"{name}.crt", "-addext", f"subjectAltName={GOOD_NAMES}")
        return self._pem(name)


@dataclasses.dataclass
class Seen:
    """One request as it reached an upstream."""
    method: str
    target: str
    version: str
    fields: list
    connection: int  # which connection it came on, counted from 1
    body_length: int = 0
    body_sha256: str = hashlib.sha256().hexdigest()
    body: bytes = b""  # its first MiB

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def field(self, name):
        values = self.all(name)
        assert len(values) == 1, f"{len(values)} fields {name} in {self.fields}"
        return values[0]

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def raw_query(self):
        return self.target.partition("?")[2]

    @property
    def query(self):
        return urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True)

    def keys(self, name="app_key"):
        """Every value of the parameter, under whatever spelling decodes to its name."""
        return [value for key, value in self.query if key == name]


class Gone(Exception):
    """The other side closed."""


class Peer:
    """One connection to a Server, as its handler sees it."""

    def __init__(self, server, connection, number):
        self.server, self.socket, self.number = server, connection, number
        self.buffer = b""

    def read_head(self):
        """The next request's head, on record from then on; None at the end of the connection."""
        try:
            raw = self._until(b"\r\n\r\n")
        except Gone:
            return None
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        method, target, version = first.split(" ")
        fields = [(line.partition(":")[0], line.partition(":")[2].strip()) for line in lines]
        seen = Seen(method, target, version, fields, self.number)
        self.server.record(seen)
        return seen

    def read_request(self):
        """Head and body; None at the end of the connection."""
        seen = self.read_head()
        if seen:
            self.read_body(seen)
        return seen

    def read_body(self, seen):
        digest = hashlib.sha256()
        for piece in self._body(seen):
            digest.update(piece)
            seen.body_length += len(piece)
            if len(seen.body) < 1 << 20:
                seen.body += piece
        seen.body_sha256 = digest.hexdigest()

    def send(self, *parts):
        for part in parts:
            self.socket.sendall(part if isinstance(part, bytes) else part.encode("latin-1"))

    def answer(self, body=b"ok\n", status="200 OK", *fields):
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
        self.send("".join(line + "\r\n" for line in lines) + "\r\n", body)

    def reset(self):
        """RST instead of an orderly end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close_orderly(self):
        """With TLS, a close_notify first: the whole of a body that only the end of the connection delimits."""
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.unwrap()
            except (OSError, ValueError):
                pass
        self.socket.close()

    def wait_gone(self):
        """Blocks until the other side closes; True if it did so without another byte."""
        try:
            return self.socket.recv(1) == b""
        except OSError:
            return True

    def _fill(self):
        try:
            data = self.socket.recv(256 * 1024)
        except OSError:
            data = b""
        if not data:
            raise Gone()
        self.buffer += data

    def _until(self, mark):
        while mark not in self.buffer:
            self._fill()
        found, self.buffer = self.buffer.split(mark, 1)
        return found + mark

    def _exactly(self, count):
        while count:
            if not self.buffer:
                self._fill()
            piece, self.buffer = self.buffer[:count], self.buffer[count:]
            count -= len(piece)
            yield piece

    def _body(self, seen):
        if seen.all("Transfer-Encoding"):
            while size := int(self._until(b"\r\n"), 16):
                yield from self._exactly(size)
                self._until(b"\r\n")
            self._until(b"\r\n")
        elif lengths := seen.all("Content-Length"):
            yield from self._exactly(int(lengths[0]))


class Server:
    """A server of our own. `handle(peer)` is called for each connection, in a thread; its end closes the connection."""

    def __init__(self, handle, authority=None, pem=None, tls=True, address=("127.0.0.1", 0), host="127.0.0.1"):
        family = {str: socket.AF_UNIX}.get(type(address), socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.handle = handle
        self.context = authority.context(pem or authority.good) if tls else None
        self.ca_file = authority.ca_file if tls else None
        self.requests, self.connections, self.handshakes, self.faults = [], 0, 0, []
        self.open, self._lock, self._stopping = set(), threading.Lock(), False
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(address)
        self.listener.listen(128)
        if family != socket.AF_UNIX:
            self.port = self.listener.getsockname()[1]
            self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def record(self, seen):
        with self._lock:
            self.requests.append(seen)

    def wait_requests(self, count):
        """The requests seen so far, once there are that many."""
        return wait_until(lambda: len(self.requests) >= count and list(self.requests), f"{count} requests upstream")

    def only_request(self):
        assert len(self.requests) == 1, f"{len(self.requests)} requests: {self.requests}"
        return self.requests[0]

    def stop(self):
        self._stopping = True
        with self._lock:
            for connection in [self.listener, *self.open]:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        plain = connection
        try:
            if plain.family != socket.AF_UNIX:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent by itself leaves at once
            if self.context:
                connection = self.context.wrap_socket(plain, server_side=True)
                with self._lock:
                    self.open.discard(plain)
                    self.open.add(connection)
                    self.handshakes += 1
            self.handle(Peer(self, connection, number))
        except (OSError, Gone):
            pass  # a peer that goes away is what many tests are about
        except Exception as error:
            if not self._stopping:
                self.faults.append(repr(error))
        finally:
            with self._lock:
                self.open.discard(plain)
                self.open.discard(connection)
            connection.close()


def answer_all(peer):
    """The plainest handler: every request is read whole and answered, for as long as they come."""
    while seen := peer.read_request():
        peer.answer(json.dumps({"method": seen.method, "path": seen.path, "length": seen.body_length,
                                "sha256": seen.body_sha256}).encode())


class Gate:
    """A handler that keeps every request waiting for its answer until the test opens it."""

    def __init__(self):
        self._opened = threading.Event()

    def open(self):
        self._opened.set()

    def __call__(self, peer):
        while peer.read_request():
            assert self._opened.wait(procs.PATIENCE), "nobody opened the gate"
            peer.answer()


def answer_origin(peer):
    """What stands behind nginx: /chunked/N answers in N chunks, everything else as answer_all."""
    while seen := peer.read_request():
        if seen.path.startswith("/chunked/"):
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(int(seen.path.rsplit("/", 1)[1])):
                line = b"piece %d\n" % number
                peer.send(b"%x\r\n%s\r\n" % (len(line), line))
            peer.send("0\r\n\r\n")
        else:
            peer.answer(json.dumps({"method": seen.method, "path": seen.path, "length": seen.body_length,
                                    "sha256": seen.body_sha256}).encode())


_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log info;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    client_max_body_size 200m; keepalive_requests 100000;
    ssl_session_cache shared:all:1m; ssl_protocols TLSv1.2 TLSv1.3;
    types {{ }} default_type application/octet-stream;
    gzip on; gzip_types *; gzip_min_length 1;
    upstream origin {{ server unix:{folder}/origin; keepalive 16; }}
    {servers}
}}
"""

_SERVER = """
    server {{
        {listen}
        ssl_certificate {pem}; ssl_certificate_key {pem}; {more}
        add_header X-Connection $connection always; add_header X-Nth $connection_requests always;
        add_header X-Reused $ssl_session_reused always; add_header X-Protocol $ssl_protocol always;
        location = /fast {{ return 200 "fast\\n"; }}
        location = /once {{ keepalive_timeout 0; return 200 "once\\n"; }}
        location /file/ {{ alias {folder}/file/; }}
        location /echo {{ {echo} }}
        location ~ ^/bot[^/]+/echo {{ {echo} }}
        location /git/ {{
            auth_basic git; auth_basic_user_file {folder}/git.users; proxy_pass http://unix:{folder}/git;
            proxy_http_version 1.1; proxy_set_header X-Remote-User $remote_user;
        }}
        location / {{
            proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_buffering off; proxy_request_buffering off;
            proxy_set_header X-Seen-Line $request; proxy_set_header X-Seen-Connection $connection;
            proxy_set_header X-Seen-Nth $connection_requests;
        }}
    }}
"""

# What it was asked, wherever a key may stand in that, as a careless server shows it.
_ECHO = 'return 200 "$request_uri $arg_app_key $http_authorization $http_x_api_key $http_cookie\\n";'
GIT_USER = "robot"


class Nginx:
    """nginx with TLS, a port for each way a certificate can be, before an origin of ours that records what arrives."""

    def __init__(self, session, authority, folder):
        self.folder, self.authority, self.ca_file = folder, authority, authority.ca_file
        self.origin = Server(answer_origin, tls=False, address=f"{folder}/origin")
        os.chmod(f"{folder}/origin", 0o777)
        self.ports = {name: free_port() for name in
                      ("good", "expired", "wrong_name", "foreign", "self_signed", "client_only", "tls11")}
        self.url = f"https://127.0.0.1:{self.ports['good']}"
        self.big_sha256 = self._make_big()
        (folder / "git.users").write_text(f"{GIT_USER}:{{PLAIN}}{session.canary}\n")
        (folder / "nginx.conf").write_text(self._configuration())
        self._start(session)

    @property
    def requests(self):
        return self.origin.requests

    def url_of(self, name, host="127.0.0.1"):
        return f"https://{host}:{self.ports[name]}"

    def _make_big(self):
        (self.folder / "file").mkdir(mode=0o755)
        digest = hashlib.sha256()
        block = os.urandom(1 << 20)
        with open(self.folder / "file" / "big", "wb") as file:
            for number in range(BIG >> 20):
                piece = number.to_bytes(8, "big") + block[8:]
                digest.update(piece)
                file.write(piece)
        return digest.hexdigest()

    def _configuration(self):
        servers = ""
        for name, port in self.ports.items():
            listen = f"listen 127.0.0.1:{port} ssl;" + (f" listen [::1]:{port} ssl;" if has_ipv6() else "")
            more = "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;" if name == "tls11" else ""
            pem = self.authority.good if name == "tls11" else getattr(self.authority, name)
            servers += _SERVER.format(listen=listen, pem=pem, more=more, folder=self.folder, echo=_ECHO)
        user = "user nobody nogroup;" if os.geteuid() == 0 else ""
        return _NGINX.format(folder=self.folder, user=user, servers=servers)

    def _start(self, session):
        command = [shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin"), "-c", f"{self.folder}/nginx.conf",
                   "-p", str(self.folder), "-e", f"{self.folder}/error.log"]
        with open(self.folder / "nginx.out", "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, preexec_fn=procs.die_with_parent)
        session.services.add(self.process.pid)
        wait_until(self._answers, "nginx listens: " + (self.folder / "nginx.out").read_text())

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "nginx.out").read_text()
        return listens(self.ports["good"])

    def established(self):
        """How many connections to the good port there are, by the kernel's table."""
        return count_established(self.ports["good"])

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.origin.stop()


def count_established(port):
    """Connections to a local port whose server side is still established."""
    wanted, count = f":{port:04X}", 0
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        rows = (line.split() for line in lines)
        count += sum(1 for row in rows if row[1].endswith(wanted) and row[3] == "01")
    return count
