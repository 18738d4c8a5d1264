#!/usr/bin/env python3
"""The API of the demo: HTTPS, one key, and that key's owner is alice.

    api.py KEY_FILE CERTIFICATE CERTIFICATE_KEY

Prints its port on one line when it listens, and serves until it is ended. Any path answers {"you are": "alice"} to a
request with the key in the query (app_key=...) or in Authorization (Bearer ...), and 401 to any other. /echo says the
whole request back, key and all, as careless debug pages do.
"""
import hmac
import http.server
import json
import ssl
import sys
import urllib.parse


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = ""

    def has_key(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        shown = query.get("app_key", []) + [self.headers.get("Authorization", "").removeprefix("Bearer ")]
        return any(hmac.compare_digest(one.encode(), self.key.encode()) for one in shown)

    def do_GET(self):
        status, answer = (200, {"you are": "alice"}) if self.has_key() else (401, {"error": "who are you?"})
        if self.path.startswith("/echo"):
            answer = {"you asked for": self.path, "your key in hex": self.key.encode().hex()}
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Says nothing: a request line holds the key."""


def main():
    key_file, certificate, certificate_key = sys.argv[1:]
    with open(key_file, encoding="ascii") as file:
        Api.key = file.read().strip()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


main()
