"""What stands between a front and the instances: the dispatcher, its peers and the floor, each doing the same: 1,000
names, a session's cookie that must be there, connections kept on both sides, one process or thread for the work."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import machine
import peers
from ports import free_port

INSTANCES = 10
HEADER = "X-authentik-username"
PATIENCE = 20

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/pid;
error_log {folder}/log warn;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/temp;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    proxy_max_temp_file_size 0;
    map_hash_max_size 1048576;
    map_hash_bucket_size 128;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    map $http_x_authentik_username $instance {{ include {folder}/people; }}
    {upstreams}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            if ($instance = "") {{ return 403; }}
            if ($http_cookie !~ "t3_session") {{ return 401; }}
            proxy_pass http://$instance;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header {header} "";
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"""

NGINX_UPSTREAM = """
    upstream i{n} {{ server 127.0.0.1:{port}; keepalive 512; keepalive_requests 1000000000;
                     keepalive_timeout 600s; }}"""

HAPROXY = """
global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    http-reuse always
frontend people
    bind 127.0.0.1:{port} backlog 4096
    acl has_session req.hdr(Cookie) -m sub t3_session
    http-request deny deny_status 401 unless has_session
    http-request set-var(txn.instance) req.hdr({header}),map_str({folder}/people,nobody)
    http-request del-header {header}
    use_backend %[var(txn.instance)]
backend nobody
    http-request deny deny_status 403
{backends}
"""

HAPROXY_BACKEND = """
backend i{n}
    server s 127.0.0.1:{port} pool-purge-delay 600s"""


class World:
    """The instances, one process on another CPU than the subjects, and who has which."""

    def __init__(self, bench):
        self.bench, self.folder = bench, bench.folder
        self.cpu = machine.other(bench.cpu)
        self.ports = [free_port() for _ in range(INSTANCES)]
        words = [bench.program("bench/instance"), *map(str, self.ports)]
        self.process = subprocess.Popen(words, preexec_fn=lambda: os.sched_setaffinity(0, {self.cpu}))
        await_port(self.process, self.ports[-1])
        self.files = machine.descriptors()

    def client_cpu(self, connections):
        """Where the client and the instances run. With one connection one of all waits for the others at any time: then
        they share the subject's CPU, for what waking another CPU costs is the machine's, and wobbles."""
        cpu = self.bench.cpu if connections == 1 else self.cpu
        os.sched_setaffinity(self.process.pid, {cpu})
        return cpu

    def close(self):
        self.process.kill()
        self.process.wait()

    def people(self, n):
        return [(f"person-{i}", i % INSTANCES) for i in range(n)]

    def table(self, n):
        return {name: {"os_user": f"user{i}", "port": self.ports[i]} for name, i in self.people(n)}


def await_port(process, port):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.005)
    raise RuntimeError(f"{process.args[0]} does not listen")


class Subject:
    """One that runs. Where a peer is missing, making it raises peers.Missing."""

    name = None
    why_no_reload = None
    is_pool_alone = False  # differs from another subject in what it pools, and in nothing else

    def __init__(self, world, names=1000):
        self.world, self.port = world, free_port()
        self.folder = world.folder / f"{self.name.replace(' ', '-').replace(',', '')}-{self.port}"
        (self.folder / "temp").mkdir(parents=True)
        began = time.perf_counter()
        self.process = subprocess.Popen([str(word) for word in self.command(names)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=open(self.folder / "said", "w"))
        try:
            await_port(self.process, self.port)
        except RuntimeError:
            files = [self.folder / "said", self.folder / "log"]
            said = "".join(path.read_text()[-500:] for path in files if path.exists())
            self.close()
            raise RuntimeError(f"{self.name} does not listen: {said}") from None
        self.start_ms = (time.perf_counter() - began) * 1000

    def command(self, names):
        raise NotImplementedError

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def pids(self):
        return machine.tree(self.process.pid)

    def pss_kib(self):
        return machine.all_pss_kib(self.pids())

    def close(self):
        pids = self.pids()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids[1:]:  # those that a reload left to serve what they had, and whose master has not waited
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


class Dispatcher(Subject):
    """As people have it, with one worker for the one CPU, and without an access log, as its peers."""

    name = "credfd"

    def command(self, names):
        self.table_file = self.write("table.json", json.dumps(self.world.table(names)))
        # a mint command is never reached: everybody has a session
        settings = {"listen": [f"127.0.0.1:{self.port}"], "workers": 1, "table": {"file": str(self.table_file)},
                    "profile": "t3", "mint": {"command": ["false"]}, "drain": "1s"}
        return [self.world.bench.program("credfd"), "dispatch", "-c",
                self.write("credfd.yaml", json.dumps({"dispatch": settings}))]


class Nginx(Subject):
    name = "nginx"

    def command(self, names):
        self.write("people", "".join(f"{name} i{n};\n" for name, n in self.world.people(names)))
        upstreams = "".join(NGINX_UPSTREAM.format(n=n, port=port) for n, port in enumerate(self.world.ports))
        text = NGINX.format(folder=self.folder, port=self.port, upstreams=upstreams, header=HEADER,
                            files=self.world.files, connections=self.world.files - 100)
        if os.geteuid() == 0:
            text = "user root;\n" + text  # the folder is ours alone
        return [peers.program("nginx"), "-p", self.folder, "-c", self.write("nginx.conf", text)]


class Haproxy(Subject):
    name = "haproxy"

    def command(self, names):
        self.write("people", "".join(f"{name} i{n}\n" for name, n in self.world.people(names)))
        backends = "".join(HAPROXY_BACKEND.format(n=n, port=port) for n, port in enumerate(self.world.ports))
        text = HAPROXY.format(folder=self.folder, port=self.port, backends=backends, header=HEADER,
                              connections=(self.world.files - 100) // 2)
        return [peers.program("haproxy"), "-db", "-f", self.write("haproxy.cfg", text)]


class HaproxyReloading(Haproxy):
    """Under a master, which alone can replace a worker."""

    def command(self, names):
        return [*super().command(names), "-W"]

    def reload(self):
        self.process.send_signal(signal.SIGUSR2)


class Go(Subject):
    name = "Go"
    why_no_reload = "it reads its table once: it would be started again"
    idle = 0

    def command(self, names):
        return [peers.go_program("dispatch", self.world.bench.build), f"127.0.0.1:{self.port}",
                self.write("table.json", json.dumps(self.world.table(names))), self.idle]


class GoMended(Go):
    """What is known to cost the reference most is a number: how many connections it keeps."""

    name = "Go, pool mended"
    is_pool_alone = True
    idle = 512


class Floor(Subject):
    name = "floor"
    why_no_reload = "it has no table"

    def command(self, _names):
        return [self.world.bench.program("bench/floor-pump"), self.port, self.world.ports[0]]


ALL = (Dispatcher, Nginx, Haproxy, Go, GoMended, Floor)
OURS = Dispatcher.name


def available(world, missing):
    """The kinds that can be started here; why the others cannot goes into `missing`."""
    kinds = []
    for kind in ALL:
        try:
            kind(world).close()
            kinds.append(kind)
        except peers.Missing as why:
            missing[kind.name] = str(why)
    return kinds
