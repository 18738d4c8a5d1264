"""A stand-in for a person's workspace server: it pairs, keeps sessions, serves pages, events and WebSockets.

Versions differ in where the exchange is and in how the cookie is called. What it does wrong, a test says by `mood`.
Everything that reaches it is on record in `seen`, in memory alone: cookies and credentials are in it.
"""
import dataclasses
import hashlib
import http.server
import json
import secrets
import socket
import socketserver
import threading
import time

import websocket

COOKIE_FORMS = {
    "plain": "t3_session",
    "port": "t3_session_{port}",
    "port and hash": "t3_session_{port}_{hash}",
    "hash": "t3_session_{hash}",
}


@dataclasses.dataclass
class Seen:
    method: str
    target: str
    fields: list
    body: bytes = b""

    @property
    def path(self):
        return self.target.partition("?")[0]

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def field(self, name):
        values = self.all(name)
        assert len(values) == 1, f"{len(values)} fields {name} in {self.fields}"
        return values[0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", kind="application/json", *fields):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("half a body is no request")
        return body

    def handle_any(self):
        body = b"" if self.path.startswith("/slow-upload") else self.read_body()
        seen = Seen(self.command, self.path, self.headers.items(), body)
        self.server.t3.record(seen)
        path = seen.path
        if path == "/api/auth/session":
            self.session()
        elif path in ("/api/auth/browser-session", "/api/auth/bootstrap"):
            self.exchange(seen)
        elif self.headers.get("Upgrade", "").lower() == "websocket":
            self.upgrade()
        else:
            getattr(self, "page_" + path.strip("/").replace("-", "_"), self.page)(seen)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = handle_any

    # What the instance does for its session.

    def mishap(self, moods):
        """Whether the mood has spoilt this answer."""
        mood = self.server.t3.mood
        if mood not in moods:
            return False
        if mood == "garbage":
            self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
        elif mood == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif mood == "half a head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-")
        elif mood == "slow":
            self.server.t3.slow.wait(60)
        self.close_connection = True
        return True

    def session(self):
        if self.server.t3.mood == "session is garbage":
            return self.answer(200, b"{ not json")
        if self.server.t3.mood == "session is 500":
            return self.answer(500, {})
        if self.mishap({"garbage", "reset", "half a head", "slow"}):
            return None
        alive = self.server.t3.is_session(self.headers.get_all("Cookie") or [])
        return self.answer(200, {"authenticated": alive, "auth": {
            "policy": "pairing", "bootstrapMethods": ["token"], "sessionMethods": ["cookie"],
            "sessionCookieName": self.server.t3.cookie_name}, "user": None})

    def exchange(self, seen):
        t3 = self.server.t3
        if t3.mood == "moves":  # in mid-flight: the first that asks finds it gone from where it was
            t3.endpoints, t3.mood = {"/api/auth/bootstrap"}, None
        if seen.path not in t3.endpoints:
            return self.answer(404, {"code": "not_found"})
        if self.mishap({"garbage", "reset", "half a head", "slow"}):
            return None
        if self.command != "POST" or self.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            return self.answer(415, {})
        try:
            credential = json.loads(seen.body)["credential"]
        except (ValueError, KeyError, TypeError):
            return self.answer(400, {"code": "bad_request"})
        if t3.mood in ("401", "400", "500", "204"):
            return self.answer(int(t3.mood), {"code": "auth_invalid"})
        if not t3.redeem(credential):
            return self.answer(400 if t3.is_old else 401, {"code": "auth_invalid", "message": "no such credential"})
        if t3.mood == "no cookie":
            return self.answer(200, {"authenticated": True})
        return self.answer(200, {"authenticated": True}, "application/json", *t3.new_cookies())

    # What it is there for.

    def page(self, seen):
        if self.mishap({"garbage", "reset", "half a head", "slow", "pages are slow"} - {"pages are slow"}):
            return
        self.answer(200, {"path": seen.target, "method": seen.method, "fields": seen.fields,
                          "sha256": hashlib.sha256(seen.body).hexdigest(), "instance": self.server.t3.name})

    def page_html(self, seen):
        self.answer(200, b"<!doctype html><html><head><title>t3</title></head><body>hello</body></html>",
                    "text/html; charset=utf-8")

    def page_big(self, seen):
        self.answer(200, b"x" * (10 << 20), "application/octet-stream")

    def page_half(self, seen):
        """Declares more than it sends."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 10)
        self.close_connection = True

    def page_half_chunked(self, seen):
        """Its last chunk never comes."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nhello\r\n5\r\nhe")
        self.close_connection = True

    def page_hang(self, seen):
        self.server.t3.slow.wait(60)
        self.close_connection = True

    def page_events(self, seen):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        for number in range(3):
            self.wfile.write(f"data: {number}\n\n".encode())
            self.wfile.flush()
            if not self.server.t3.next_event.wait(20):
                return
            self.server.t3.next_event.clear()

    def upgrade(self):
        t3 = self.server.t3
        if t3.mood == "refuses upgrades":
            return self.answer(403, {})
        self.close_connection = True
        accept = websocket.accept_for(self.headers["Sec-WebSocket-Key"])
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"),
                            ("Sec-WebSocket-Accept", "nonsense" if t3.mood == "wrong accept" else accept)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        with t3.lock:
            t3.tunnels.append(self)
        try:
            self.echo()
        except (websocket.Gone, OSError, OverflowError, MemoryError):  # the last two: a frame longer than anything
            pass
        with t3.lock:
            t3.tunnels.remove(self)
        return None

    def echo(self):
        while True:
            opcode, payload, _ = websocket.read_frame(self.rfile)
            if opcode == websocket.CLOSE:
                self.server.t3.closed_with.append(websocket.close_code(payload))
                self.wfile.write(websocket.frame(websocket.CLOSE, payload))
                return
            if payload == b"close me":
                self.wfile.write(websocket.close_frame(4001, b"as you wish"))
                continue
            if payload == b"break off":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            self.wfile.write(websocket.frame(websocket.PONG if opcode == websocket.PING else opcode, payload))
            self.wfile.flush()


class TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 4096

    def handle_error(self, request, client_address):
        pass  # a peer that goes is part of the game


class UnixServer(TcpServer):
    address_family = socket.AF_UNIX

    def get_request(self):
        request, _ = super().get_request()
        return request, ("unix", 0)


class T3:
    """One instance. `credentials` is the folder in which the mint command leaves one file for each credential."""

    def __init__(self, credentials, canary, name="alice", cookie="port and hash", endpoints=("/api/auth/browser-session",),
                 is_old=False, unix=None, port=0):
        self.credentials, self.canary, self.name, self.is_old = credentials, canary, name, is_old
        self.endpoints, self.mood = set(endpoints), None
        self.seen, self.sessions, self.tunnels, self.closed_with = [], set(), [], []
        self.lock, self.slow, self.next_event = threading.Lock(), threading.Event(), threading.Event()
        self.server = UnixServer(unix, Handler) if unix else TcpServer(("127.0.0.1", port), Handler)
        Handler.disable_nagle_algorithm = unix is None
        self.server.t3 = self
        self.port = 0 if unix else self.server.server_address[1]
        self.cookie_name = COOKIE_FORMS[cookie].format(port=self.port, hash=secrets.token_hex(4))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def record(self, seen):
        with self.lock:
            self.seen.append(seen)

    def requests(self, path=None):
        with self.lock:
            return [seen for seen in self.seen if path is None or seen.path == path]

    @property
    def exchanges(self):
        return self.requests("/api/auth/browser-session") + self.requests("/api/auth/bootstrap")

    def redeem(self, credential):
        """A credential is good once."""
        try:
            (self.credentials / hashlib.sha256(credential.encode()).hexdigest()).unlink()
        except OSError:
            return False
        return True

    def new_session(self):
        value = f"{self.canary}-{secrets.token_hex(8)}"
        with self.lock:
            self.sessions.add(value)
        return value

    def new_cookies(self):
        tail = "; Path=/; HttpOnly; SameSite=Lax; Expires=" + time.strftime("%a, %d %b %Y %H:%M:%S GMT",
                                                                           time.gmtime(time.time() + 86400))
        yield "Set-Cookie", f"{self.cookie_name}={self.new_session()}{tail}"
        yield "Set-Cookie", "theme=dark; Path=/"

    def is_session(self, cookies):
        pairs = [pair.strip().partition("=") for cookie in cookies for pair in cookie.split(";")]
        return any(name == self.cookie_name and value in self.sessions for name, _, value in pairs)

    def forget_sessions(self):
        with self.lock:
            self.sessions.clear()

    def stop(self):
        self.slow.set()
        self.next_event.set()
        self.server.shutdown()
        self.server.server_close()
