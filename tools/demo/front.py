"""A tiny front: it knows who has signed in (the cookie `who`; a real one has asked for a password), and tells the
dispatcher in X-authentik-username. What a browser writes there itself is removed. It speaks from 127.0.0.2, and the
dispatcher believes nobody else. `front.py PORT` (of the dispatcher) prints its own port and serves."""
import asyncio
import re
import sys

HEADER = "X-authentik-username"


def rewritten(head):
    """The head as it goes on: the field of the name set once, and one request to a connection."""
    line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    is_upgrade = any(field.lower().startswith("upgrade:") for field in fields)
    who = re.search(r"^cookie:.*\bwho=(\w+)", "\n".join(fields), re.I | re.M)
    kept = [field for field in fields if not re.match(HEADER + ":", field, re.I)
            and (is_upgrade or not re.match("connection:", field, re.I))]
    kept += [f"{HEADER}: {who.group(1)}"] if who else []
    kept += [] if is_upgrade else ["Connection: close"]
    return "\r\n".join([line, *kept, "", ""]).encode("latin-1")


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def serve(port):
    async def guest(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            there, onward = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        except (OSError, asyncio.IncompleteReadError):
            return writer.close()
        onward.write(rewritten(head))
        return await asyncio.gather(pump(reader, onward), pump(there, writer))

    server = await asyncio.start_server(guest, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
