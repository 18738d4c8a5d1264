"""Thousands of WebSockets at once, without a thread for each.

Echo      an instance that echoes, in a process of its own; every cookie is a session. Run as a program it is that
Tunnels   many connections to a dispatcher, each a WebSocket: opened, and echoing in rounds, until they are closed
"""
import asyncio
import json
import resource
import subprocess
import sys
import time

import procs
import websocket

COOKIE = "t3_session_many"
AT_ONCE = 200  # handshakes under way: a listener's backlog is not what is tested
PATIENCE = 60.0


class Frames(asyncio.Protocol):
    """One WebSocket's bytes: a head first, then frames."""

    def connection_made(self, transport):
        self.transport, self.buffer, self.is_open = transport, bytearray(), False

    def data_received(self, data):
        self.buffer += data
        while not self.is_open and (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).decode("latin-1").split("\r\n")
            del self.buffer[:end + 4]
            self.on_head(head[0], {name.lower(): value.strip() for name, _, value in
                                   (line.partition(":") for line in head[1:])})
        while self.is_open and (frame := websocket.take_frame(self.buffer)):
            self.on_frame(*frame)


class Echo(Frames):
    def on_head(self, line, fields):
        if key := fields.get("sec-websocket-key"):
            self.is_open = True
            self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 b"Sec-WebSocket-Accept: " + websocket.accept_for(key).encode() + b"\r\n\r\n")
            return
        body = json.dumps({"authenticated": True, "auth": {"sessionCookieName": COOKIE}}).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                             % (len(body), body))

    def on_frame(self, opcode, payload):
        self.transport.write(websocket.frame(opcode, payload))
        if opcode == websocket.CLOSE:
            self.transport.close()


class Instance:
    """The process of an Echo."""

    def __init__(self, session):
        self.session = session
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        preexec_fn=procs.die_with_parent)
        session.services.add(self.process.pid)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.communicate()
        self.session.services.discard(self.process.pid)


class Tunnel(Frames):
    def __init__(self, tunnels):
        self.tunnels, self.opened = tunnels, asyncio.get_running_loop().create_future()
        self.echoed, self.close_code, self.closed_after = 0, None, None
        self.bytes_in = self.bytes_out = 0  # of frames, as the dispatcher counts them

    def connection_made(self, transport):
        super().connection_made(transport)
        self.transport.write(self.tunnels.request)

    def on_head(self, line, fields):
        self.is_open = " 101 " in line
        if not self.opened.done():
            self.opened.set_result(line)

    def data_received(self, data):
        self.bytes_out += len(data) if self.is_open else 0
        super().data_received(data)

    def send(self, opcode, payload):
        data = websocket.frame(opcode, payload, True)
        self.bytes_in += len(data)
        self.transport.write(data)

    def on_frame(self, opcode, payload):
        if opcode == websocket.CLOSE:
            self.close_code = websocket.close_code(payload)
            self.send(opcode, payload)
        elif payload == b"%d" % self.tunnels.round:
            self.echoed = self.tunnels.round

    def connection_lost(self, error):
        self.closed_after = time.monotonic()
        if not self.opened.done():
            self.opened.set_result(f"it was closed: {error}")


class Tunnels:
    """Everything here runs in one event loop: `async with`."""

    def __init__(self, port, fields):
        lines = ["GET /ws HTTP/1.1", "Host: t3.example.org", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {websocket.new_key()}",
                 *(f"{name}: {value}" for name, value in fields), "", ""]
        self.port, self.request, self.all, self.round = port, "\r\n".join(lines).encode(), [], 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exception):
        for tunnel in self.all:
            tunnel.transport.abort()

    async def open(self, count):
        """Opens so many more; what each was answered, where that is not 101."""
        loop, room = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)

        async def one():
            async with room:
                _, tunnel = await loop.create_connection(lambda: Tunnel(self), "127.0.0.1", self.port)
                self.all.append(tunnel)
                return await asyncio.wait_for(tunnel.opened, PATIENCE)

        lines = await asyncio.gather(*(one() for _ in range(count)))
        return [line for line in lines if " 101 " not in line]

    async def echo(self):
        """One message through each, and back; how many have not come."""
        self.round += 1
        for tunnel in self.all:
            tunnel.send(websocket.TEXT, b"%d" % self.round)
        await self.until(lambda tunnel: tunnel.echoed == self.round or tunnel.closed_after)
        return sum(tunnel.echoed != self.round for tunnel in self.all)

    async def until(self, condition):
        """Until that holds for each, or the patience ends."""
        deadline = time.monotonic() + PATIENCE
        while not all(map(condition, self.all)) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    @property
    def living(self):
        return sum(tunnel.closed_after is None for tunnel in self.all)


def why_not(count):
    """Why so many cannot be open at once; None when they can. Raises the limit of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 500  # a dispatcher has two for each, and may have all of them
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return f"only {hard} descriptors are allowed here, and {wanted} are needed"
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return None


async def serve():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
