"""A front as people have it: nginx that asks a sign-in server who somebody is, and tells the dispatcher in a header.

SignIn   the sign-in server: a form, a cookie, and who has it
Front    nginx before a dispatcher, asking it (auth_request). What a browser says about itself is removed
"""
import html
import http.cookies
import http.server
import os
import secrets
import shutil
import socketserver
import subprocess
import threading
import urllib.parse

import procs
import upstream
from dispatch import HEADER
from procs import wait_until

PROGRAM = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
COOKIE = "front_session"

PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in</title><style>body {{ font: 18px system-ui; margin: 20vh auto; max-width: 20em; padding: 1em }}
input, button {{ font: inherit; display: block; width: 100%; margin: .5em 0; padding: .4em; box-sizing: border-box }}
</style><h1>Sign in</h1><form method="post" action="/sign-in"><input name="name" placeholder="Name" autofocus>
<input name="password" type="password" placeholder="Password"><input name="next" type="hidden" value="{next}">
<button>Sign in</button></form></html>"""

CONFIGURATION = """
daemon off; worker_processes 1; {user} pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    upstream dispatcher {{ server 127.0.0.1:{dispatcher}; keepalive 16; }}
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    {servers}
}}
"""

SERVER = """
    server {{
        listen 127.0.0.1:{port};
        location = /sign-in {{ proxy_pass http://127.0.0.1:{sign_in}; }}
        location = /ask {{
            internal;
            proxy_pass http://127.0.0.1:{sign_in};
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }}
        location @sign_in {{ return 303 /sign-in?next=$request_uri; }}
        location / {{
            auth_request /ask;
            auth_request_set $person $upstream_http_signed_in_as;
            error_page 401 = @sign_in;
            proxy_pass http://dispatcher;
            proxy_set_header Host $http_host;
            proxy_set_header {header} $person;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Upgrade $http_upgrade;
            proxy_buffering off;
            proxy_read_timeout 1h;
            {more}
        }}
    }}
"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body="", *fields):
        body = body.encode()
        self.send_response(status)
        for field in (("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))), *fields):
            self.send_header(*field)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/sign-in":
            return self.answer(200, PAGE.format(next=html.escape(query.partition("next=")[2] or "/")))
        cookie = http.cookies.SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        name = self.server.sessions.get(cookie.value) if cookie else None
        return self.answer(200, "", ("Signed-In-As", name)) if name else self.answer(401)

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if self.server.passwords.get(form["name"]) != form["password"]:
            return self.answer(403, "No.")
        value = secrets.token_hex(16)
        self.server.sessions[value] = form["name"]
        return self.answer(303, "", ("Location", form["next"]),
                           ("Set-Cookie", f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax"))


class SignIn(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def __init__(self, *names):
        super().__init__(("127.0.0.1", 0), Handler)
        self.passwords, self.sessions = {name: secrets.token_hex(8) for name in names}, {}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Front:
    """`port` is where people come in; behind `forgetful_port` no cookie of an instance's reaches them."""

    def __init__(self, session, sign_in, dispatcher_port):
        self.folder, self.session = session.new_folder(), session
        self.port, self.forgetful_port = upstream.free_port(), upstream.free_port()
        servers = "".join(SERVER.format(port=port, sign_in=sign_in.server_address[1], header=HEADER, more=more)
                          for port, more in ((self.port, ""), (self.forgetful_port, "proxy_hide_header Set-Cookie;")))
        (self.folder / "nginx.conf").write_text(CONFIGURATION.format(
            folder=self.folder, servers=servers, dispatcher=dispatcher_port,
            user="user nobody nogroup;" if os.geteuid() == 0 else ""))
        with open(self.folder / "out", "wb") as out:
            self.process = subprocess.Popen(
                [PROGRAM, "-c", f"{self.folder}/nginx.conf", "-p", str(self.folder), "-e", f"{self.folder}/error.log"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=procs.die_with_parent)
        session.services.add(self.process.pid)
        wait_until(self.listens, lambda: "nginx listens: " + (self.folder / "out").read_text())

    def listens(self):
        assert self.process.poll() is None, (self.folder / "out").read_text()
        return upstream.listens(self.port)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.session.services.discard(self.process.pid)
