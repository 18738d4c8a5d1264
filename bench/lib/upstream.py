"""The upstream: nginx, one worker, with TLS and without, and with files of three sizes."""
import os
import shutil
import socket
import subprocess
import time

from ports import free_port

FILES = {"128": 128, "16k": 16 * 1024}

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 12000; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/temp;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    open_file_cache max=16;
    sendfile on;
    tcp_nodelay on;
    tcp_nopush on; # head and file together, as over TLS
    ssl_certificate {folder}/server.crt;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.3;
    root {folder}/www;
    server {{ listen 127.0.0.1:{tls_port} ssl; }}
    server {{ listen 127.0.0.1:{plain_port}; }}
}}
"""


def write_text(path, size):
    """Text as an API sends it, rather than zeros: whatever looks at the bytes of a body is to have something to see."""
    line = '{"id": "inc_65f0c2a7", "title": "disk of db-3 is 92 % full", "severity": "Warning"}\n'.encode()
    block = (line * (1 + (1 << 20) // len(line)))[: 1 << 20]
    with open(path, "wb") as file:
        while size > 0:
            size -= file.write(block[:size])


class Upstream:
    def __init__(self, folder, big_bytes):
        self.folder = folder
        self.tls_port, self.plain_port = free_port(), free_port()
        self.ca_file = folder / "server.crt"
        self._issue()
        (folder / "www").mkdir()
        (folder / "temp").mkdir()
        for name, size in {**FILES, "big": big_bytes}.items():
            write_text(folder / "www" / name, size)
        text = CONFIGURATION.format(folder=folder, tls_port=self.tls_port, plain_port=self.plain_port)
        if os.geteuid() == 0:
            text = "user root;\n" + text  # the folder is ours alone
        (folder / "nginx.conf").write_text(text)
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf"], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self._await()

    @property
    def pid(self):
        return self.process.pid

    def _issue(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=upstream", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / "server.key",
             "-out", self.ca_file], check=True, capture_output=True)

    def _await(self):
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.plain_port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        raise RuntimeError("nginx did not start: " + (self.folder / "nginx.log").read_text())

    def close(self):
        self.process.terminate()
        self.process.wait()
