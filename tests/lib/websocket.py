"""As much of WebSocket (RFC 6455) as both ends of a test need: the handshake, and frames one by one, well-formed or not."""
import base64
import hashlib
import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def accept_for(key):
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def new_key():
    return base64.b64encode(os.urandom(16)).decode()


def frame(opcode, payload=b"", masked=False, is_final=True):
    head = bytes([(0x80 if is_final else 0) | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + _xor(payload, mask)


def close_frame(code, reason=b"", masked=False):
    return frame(CLOSE, struct.pack("!H", code) + reason, masked)


def _xor(payload, mask):
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Gone(Exception):
    """The other side closed between two frames, or in one."""


def read_exactly(file, size):
    got = file.read(size) if size else b""
    if got is None or len(got) < size:
        raise Gone
    return got


def read_frame(file):
    """(opcode, payload, is_final) of the next frame on a binary file object."""
    first, second = read_exactly(file, 2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", read_exactly(file, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", read_exactly(file, 8))
    mask = read_exactly(file, 4) if second & 0x80 else None
    payload = read_exactly(file, size)
    return first & 0x0F, _xor(payload, mask) if mask else payload, bool(first & 0x80)


def close_code(payload):
    return struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else None


def take_frame(buffer):
    """(opcode, payload) of the first frame in a bytearray, which is taken out of it; None while it is not whole."""
    size, at = buffer[1] & 0x7F if len(buffer) >= 2 else 0, 2
    if size >= 126:
        at = 4 if size == 126 else 10
        size = int.from_bytes(buffer[2:at], "big")
    mask_at, at = at, at + (4 if len(buffer) >= 2 and buffer[1] & 0x80 else 0)
    if len(buffer) < at + size:
        return None
    opcode, mask, payload = buffer[0] & 0x0F, bytes(buffer[mask_at:at]), bytes(buffer[at:at + size])
    del buffer[:at + size]
    return opcode, _xor(payload, mask) if mask else payload
