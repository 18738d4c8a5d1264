"""A small workspace of one person, paired as T3 Code is: a one-time credential for a cookie; then a page, and a
WebSocket that echoes. `workspace.py FOLDER USER` prints its port and serves; `workspace.py --mint FOLDER USER` prints a
credential for it, as the mint command does in earnest as that user."""
import base64
import hashlib
import http.cookies
import http.server
import json
import os
import secrets
import struct
import sys

TEXT, CLOSE = 1, 8


def accept_for(key):
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def frame(opcode, payload, masked=False):
    """One short WebSocket frame (RFC 6455); a browser masks, with zeros here."""
    return bytes([0x80 | opcode, (0x80 if masked else 0) | len(payload)]) + (bytes(4) if masked else b"") + payload


def read_frame(file):
    """(opcode, payload) of the next short frame; None at the end."""
    head = file.read(2)
    if len(head) < 2:
        return None
    mask = file.read(4) if head[1] & 0x80 else bytes(4)
    payload = file.read(head[1] & 0x7F)
    return head[0] & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def close_code(payload):
    return struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else None


def place_of(folder, credential):
    """Who mints leaves this file, who redeems takes it away: good once. What is in neither is the credential."""
    return os.path.join(folder, hashlib.sha256(credential.encode()).hexdigest())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, kind="application/json", *fields):
        self.send_response(status)
        for field in (("Content-Type", kind), ("Content-Length", str(len(body))), *fields):
            self.send_header(*field)
        self.end_headers()
        self.wfile.write(body)

    def has_session(self):
        cookie = http.cookies.SimpleCookie(self.headers.get("Cookie", "")).get(self.server.cookie)
        return cookie is not None and cookie.value in self.server.sessions

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            os.unlink(place_of(self.server.folder, json.loads(body)["credential"]))
        except OSError:
            return self.answer(401, b"{}")
        value = secrets.token_hex(16)
        self.server.sessions.add(value)
        return self.answer(200, b'{"authenticated": true}', "application/json",
                           ("Set-Cookie", f"{self.server.cookie}={value}; Path=/; HttpOnly; SameSite=Lax"))

    def do_GET(self):
        if self.path == "/api/auth/session":
            return self.answer(200, json.dumps({"authenticated": self.has_session(), "auth": {
                "sessionCookieName": self.server.cookie}}).encode())
        if not self.has_session():
            return self.answer(401, b"{}")
        if key := self.headers.get("Sec-WebSocket-Key"):
            return self.echo(key)
        return self.answer(200, f"Hello {self.server.user}, this is your workspace: {self.path}\n".encode(),
                           "text/plain")

    def echo(self, key):
        self.close_connection = True
        self.send_response(101)
        for field in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_for(key))):
            self.send_header(*field)
        self.end_headers()
        while got := read_frame(self.rfile):
            self.wfile.write(frame(*got))
            if got[0] == CLOSE:
                return


def main():
    if sys.argv[1] == "--mint":
        folder, credential = os.path.join(*sys.argv[2:4]), secrets.token_hex(16)
        open(place_of(folder, credential), "x").close()
        print(json.dumps({"credential": credential, "expiresAt": "soon"}, indent=2))
        return
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.user, server.folder, server.sessions = sys.argv[2], os.path.join(*sys.argv[1:3]), set()
    server.cookie = f"t3_session_{server.server_address[1]}"
    os.mkdir(server.folder)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
