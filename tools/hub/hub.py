"""A small control plane for runners: it speaks their protocol (docs/runner-protocol.md), and misbehaves when asked to.

Hub is what `tools/hub/hub` shows to a person and what the tests drive. It runs in a thread of its own; every method may be
called from any thread, and those that wait say so. It keeps no secret from whoever holds it: what it hears, it records.
"""
import asyncio
import dataclasses
import http
import itertools
import json
import ssl
import threading
import time
import urllib.parse

import websockets.exceptions
import websockets.server

PATIENCE = 30.0


@dataclasses.dataclass
class Task:
    """What was asked, and everything that came of it."""
    task_id: str
    message: str  # as it goes out, again the same after a reconnect
    sent: int = 0
    results: list = dataclasses.field(default_factory=list)  # payloads, in the order of their coming
    outputs: list = dataclasses.field(default_factory=list)  # (stream, data)

    @property
    def result(self):
        return self.results[0] if self.results else None

    def said(self, stream="stdout"):
        return "".join(data for name, data in self.outputs if name == stream)


@dataclasses.dataclass
class Manners:
    """How it behaves; may be changed while it runs."""
    token: str = None          # only this one is let in
    welcomes: bool = True
    welcome_after: float = 0.0  # seconds
    acks: bool = False         # it says so in its welcome, and acknowledges each result
    withholds_acks: bool = False
    resends: bool = True       # after a reconnect, what has no result yet
    refusal: tuple = None      # (status, [(name, value), ...]) instead of a handshake


class Hub:
    def __init__(self, port=0, certificate=None, manners=None, on_event=None):
        """`certificate` is a PEM with its key, for wss. `on_event` hears (kind, details) in the hub's own thread."""
        self.manners = manners or Manners()
        self.tasks, self.heartbeats, self.messages = {}, [], []
        self.requests = []  # (path, headers) of every handshake
        self.order = []     # task ids, in the order of their results, each as often as it came
        self.closes = []    # how connections ended
        self.calls = []     # mcp.result
        self._on_event = on_event or (lambda kind, details: None)
        self._changed = threading.Condition()
        self._number = itertools.count(1)
        self._socket = None  # the runner's connection
        self.connects = 0
        self._loop = asyncio.new_event_loop()
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = None
        self.port = port
        self.open()

    # Its life.

    def _run(self, coroutine, timeout=PATIENCE):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def open(self):
        """Listens, also again after shut."""
        async def listen():
            self._server = await websockets.server.serve(
                self._serve, "127.0.0.1", self.port, ssl=self._tls, process_request=self._admit, compression=None,
                max_size=64 << 20, max_queue=1024, ping_interval=None, close_timeout=1)
            self.port = self._server.sockets[0].getsockname()[1]
        self._run(listen())
        return self

    def shut(self):
        """Nobody is listening any more; the living connection is broken off."""
        self.drop()

        async def close():
            self._server.close()
            await self._server.wait_closed()
        self._run(close())

    def close(self):
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)

    @property
    def url(self):
        return f"{'wss' if self._tls else 'ws'}://localhost:{self.port}/safari/worknode/ws"

    # What it is told.

    def send(self, operation, args, task_id=None, trace_id=None, source=None):
        """Asks for a task, now or when there is a runner. Returns it."""
        task_id = task_id or f"task-{next(self._number)}"
        payload = {"task_id": task_id, "operation": operation, "args": args}
        payload.update({key: value for key, value in (("trace_id", trace_id), ("source_instance_id", source)) if value})
        task = self.tasks.setdefault(task_id, Task(task_id, self.envelope("task.request", payload)))
        self._loop.call_soon_threadsafe(self._ask, task)
        return task

    def bash(self, command, **more):
        ids = {name: more.pop(name) for name in ("task_id", "trace_id", "source") if name in more}
        return self.send("bash", {"command": command, **more}, **ids)

    def repeat(self, task):
        """The same request once more."""
        self._loop.call_soon_threadsafe(self._ask, task)

    def cancel(self, task):
        self.say("task.cancel", {"task_id": task.task_id})

    def say(self, kind, payload):
        self.text(self.envelope(kind, payload))

    def envelope(self, kind, payload):
        return json.dumps({"id": f"msg_{next(self._number)}", "type": kind, "payload": payload,
                           "timestamp": int(time.time() * 1000)})

    def text(self, text):
        """Any text as a message."""
        self._run(self._socket.send(text))

    def frame(self, data):
        """Any value that websockets can send: bytes for a binary message, a list for fragments."""
        self._run(self._socket.send(data))

    def raw(self, data):
        """Bytes on the connection, frame or not."""
        async def write():
            self._socket.transport.write(data)
        self._run(write())

    def drop(self):
        """Breaks the connection off in the middle of whatever it carries."""
        async def abort():
            if self._socket:
                self._socket.transport.abort()
        self._run(abort())

    def end(self, code=1000, reason=""):
        """Closes the connection as the protocol has it."""
        self._run(self._socket.close(code, reason))

    def stall(self, is_stalled=True):
        """Reads nothing more, or goes on."""
        async def pause():
            transport = self._socket.transport
            (transport.pause_reading if is_stalled else transport.resume_reading)()
        self._run(pause())

    def acknowledge(self, task_id):
        self.say("task.ack", {"task_id": task_id})

    # What it waits for.

    def wait(self, condition, what="it", timeout=PATIENCE):
        """Until `condition()` is true; its value."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (value := condition()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"the hub waited {timeout:g} s for {what() if callable(what) else what}")
                self._changed.wait(min(left, 0.5))
            return value

    def wait_connected(self, times=1, timeout=PATIENCE):
        """Until a runner has connected so often, and is there."""
        self.wait(lambda: self.connects >= times and self.is_connected, f"connection {times}", timeout)

    @property
    def is_connected(self):
        return self._socket is not None and self._socket.open

    def result(self, task, timeout=PATIENCE):
        return self.wait(lambda: task.result, f"the result of {task.task_id}", timeout)

    @property
    def queries(self):
        """What each connection said behind the path."""
        return [urllib.parse.parse_qs(urllib.parse.urlsplit(path).query) for path, _ in self.requests]

    # Inside its own thread.

    async def _admit(self, path, headers):
        self.requests.append((path, headers))
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        if self.manners.refusal:
            self._tell("refused", {"status": self.manners.refusal[0]})
            return http.HTTPStatus(self.manners.refusal[0]), self.manners.refusal[1], b""
        if self.manners.token is not None and query.get("token") != [self.manners.token]:
            self._tell("refused", {"status": 401})
            return http.HTTPStatus.UNAUTHORIZED, [], b"who are you?\n"
        return None

    async def _serve(self, connection, path):
        self._socket = connection
        self.connects += 1
        self._tell("connected", {"broker": "broker=1" in path.split("?")[-1].split("&")})
        try:
            await self._welcome(connection)
            for task in list(self.tasks.values()) if self.manners.resends else ():
                if not task.results:
                    self._ask(task)
            async for message in connection:
                await self._hear(connection, message)
        except websockets.exceptions.ConnectionClosed:
            pass
        finally:
            self.closes.append((connection.close_code, connection.close_reason))
            if self._socket is connection:
                self._socket = None
            self._tell("disconnected", {"code": connection.close_code})

    async def _welcome(self, connection):
        if not self.manners.welcomes:
            return
        await asyncio.sleep(self.manners.welcome_after)
        payload = {"worknode_id": "node-1", "name": "demo", "labels": ["demo"]}
        if self.manners.acks:
            payload.update(acks=True, received=self.order[-1000:])
        await connection.send(self.envelope("welcome", payload))

    async def _hear(self, connection, text):
        message = json.loads(text)
        kind, payload = message["type"], message["payload"]
        self.messages.append(message)
        task = self.tasks.get(payload.get("task_id"))
        if kind == "heartbeat":
            self.heartbeats.append(payload)
        elif kind == "task.output" and task:
            task.outputs.append((payload["stream"], payload["data"]))
        elif kind == "task.result":
            self.order.append(payload["task_id"])
            if task:
                task.results.append(payload)
            if self.manners.acks and not self.manners.withholds_acks:
                await connection.send(self.envelope("task.ack", {"task_id": payload["task_id"]}))
        elif kind == "mcp.result":
            self.calls.append(payload)
        self._tell(kind, payload)

    def _ask(self, task):
        if self._socket and self._socket.open:
            task.sent += 1
            self._loop.create_task(self._ask_now(self._socket, task.message))

    async def _ask_now(self, connection, message):
        try:
            await connection.send(message)
        except websockets.exceptions.ConnectionClosed:
            pass  # asked again on the next connection

    def _tell(self, kind, details):
        with self._changed:
            self._changed.notify_all()
        self._on_event(kind, details)
