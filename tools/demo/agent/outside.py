"""What is outside of an agent's run: an API with a key, a host of packages, and everything that a stolen key could be
sent to. All of it in threads of whoever imports it; each listener of a thief notes whoever comes."""
import base64
import hashlib
import http.server
import json
import os
import socket
import ssl
import threading
import urllib.parse

PACKAGE = b"widget 1.0\n" * 500


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, content, kind="application/json"):
        body = content if isinstance(content, bytes) else json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def content(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, *args):
        """Says nothing: the demo does."""


class Api(Handler):
    """Issues and comments, for whoever has the key. /echo says back what it was sent, as careless debug pages do."""
    key, comments, keys_seen = "", [], set()

    def is_known(self):
        self.keys_seen.add(self.headers.get("Authorization", ""))
        return self.headers.get("Authorization") == f"Bearer {self.key}"

    def do_GET(self):
        if not self.is_known():
            self.answer(401, {"error": "who are you?"})
        elif self.path.startswith("/echo"):
            sent = self.headers["Authorization"].encode()
            self.answer(200, {"you sent": dict(self.headers.items()), "hex": sent.hex(),
                              "base64": base64.b64encode(sent).decode(), "url": urllib.parse.quote(sent)})
        elif self.path == "/repos/acme/widget/issues":
            self.answer(200, [{"number": 7, "title": "Widget squeaks"}, {"number": 9, "title": "Widget is blue"}])
        else:
            self.answer(404, {"error": "there is no such thing"})

    def do_POST(self):
        text = self.content()
        if not self.is_known():
            self.answer(401, {"error": "who are you?"})
        else:
            self.comments.append((self.path, json.loads(text)["body"]))
            self.answer(201, {"id": len(self.comments)})


class Packages(Handler):
    """A host that needs no key: it is in egress.allow. Over TLS and without it."""
    headers_seen = []

    def do_GET(self):
        self.headers_seen.append(dict(self.headers.items()))
        self.answer(200, PACKAGE, "application/octet-stream")

    def do_POST(self):
        self.headers_seen.append({**dict(self.headers.items()), "content": self.content().decode("latin-1")})
        self.answer(200, {"thank": "you"})


def package_digest():
    return hashlib.sha256(PACKAGE).hexdigest()


def serve(handler, tls=None):
    """Its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # whoever leaves in the middle of a handshake is no news here
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


class Thief:
    """Waits for whatever an agent sends home. Listens on every address of this machine, and in its file system."""

    def __init__(self, folder):
        self.visits, self.sockets = [], []
        self.tcp = self.listen(socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 0)).getsockname()[1]
        self.udp = self.listen(socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 0)).getsockname()[1]
        self.agent, self.bus = os.path.join(folder, "ssh-agent.sock"), os.path.join(folder, "bus.sock")
        self.abstract = f"credfd-demo-{os.getpid()}"
        for name in (self.agent, self.bus, "\0" + self.abstract):
            self.listen(socket.AF_UNIX, socket.SOCK_STREAM, name)
        for name in (self.agent, self.bus):
            os.chmod(name, 0o777)

    def listen(self, family, kind, address):
        one = socket.socket(family, kind)
        one.bind(address)
        if kind == socket.SOCK_STREAM:
            one.listen()
        self.sockets.append(one)
        threading.Thread(target=self.wait, args=(one, kind, address), daemon=True).start()
        return one

    def wait(self, one, kind, address):
        while True:
            try:
                if kind == socket.SOCK_STREAM:
                    visitor, _ = one.accept()
                    visitor.sendall(b"welcome\n")
                    visitor.close()
                else:
                    text, sender = one.recvfrom(65536)
                    one.sendto(b"welcome\n", sender)
            except OSError:
                return
            self.visits.append(address)
