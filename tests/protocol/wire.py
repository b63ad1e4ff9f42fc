"""Frames and messages, as PROTOCOL.md ("Framing") and handoff.proto have them.

The messages and their fields are read from handoff.proto itself. A message is a SimpleNamespace that has each field
of its type: 0, False, "", b"", [] or None where the sender left it out.
"""
import os
import re
import select
import socket
import struct
from pathlib import Path
from types import SimpleNamespace

from xxh3 import Xxh3

TYPES = {
    1: "Hello", 2: "Abort", 16: "Listeners", 17: "Sessions", 18: "Ring", 19: "SectionChunk", 20: "CopyEnd",
    21: "Prepare", 22: "Release", 23: "Region", 24: "Lanes", 25: "LanePrepare", 32: "Ack", 33: "Copied",
    34: "Prepared", 35: "Resumed", 48: "LinkHello", 49: "GroupSessions", 50: "GroupPrepare", 51: "GroupRelease",
    52: "GroupPrepared", 53: "GroupResumed", 54: "GroupAbort", 64: "Start", 65: "Donate", 66: "Stop", 67: "Query",
    68: "Cancel", 69: "Drain", 70: "Relink", 71: "Spread", 96: "Register", 97: "Owner", 98: "Progress",
    99: "Failed", 100: "Retired", 101: "Status", 102: "Health", 103: "Late", 110: "Rehearsed"}
NUMBERS = {name: number for number, name in TYPES.items()}
HEADER = struct.Struct("<2sBBII")  # magic, type, 0, number of fds, length of the body
MAX_FRAME = 204800
MAX_FDS = 253


class Malformed(Exception):
    """Bytes that are no message of the protocol."""


# ---- protobuf


class Schema:
    """The messages and enums of a .proto file that has no nested ones."""

    def __init__(self, text):
        text = re.sub(r"//.*", "", text)
        self.enums = {name: {key: int(value) for key, value in re.findall(r"(\w+)\s*=\s*(\d+);", body)}
                      for name, body in re.findall(r"\benum (\w+) \{(.*?)\}", text, re.S)}
        fields = r"(repeated )?(\w+) (\w+) = (\d+);"
        self.messages = {name: {int(number): (field, kind, bool(repeated))
                                for repeated, kind, field, number in re.findall(fields, body)}
                         for name, body in re.findall(r"\bmessage (\w+) \{(.*?)\}", text, re.S)}

    def _empty(self, kind, repeated):
        if repeated:
            return []
        if kind in self.messages:
            return None
        return {"bool": False, "string": "", "bytes": b""}.get(kind, 0)

    def decode(self, name, body):
        """The message of that name in `body`. Fields that it does not know are skipped."""
        known = self.messages[name]
        message = SimpleNamespace(**{field: self._empty(kind, repeated) for field, kind, repeated in known.values()})
        at = 0
        while at < len(body):
            tag, at = _read_varint(body, at)
            wire_type = tag & 7
            if wire_type == 0:
                value, at = _read_varint(body, at)
            elif wire_type == 2:
                length, at = _read_varint(body, at)
                value, at = body[at:at + length], at + length
            elif wire_type in (1, 5):
                value, at = None, at + (8 if wire_type == 1 else 4)
            else:
                raise Malformed(f"{name} has a field of wire type {wire_type}")
            if at > len(body):
                raise Malformed(f"{name} ends in the middle of a field")
            if tag >> 3 in known and value is not None:
                self._take(message, *known[tag >> 3], value)
        return message

    def _take(self, message, field, kind, repeated, value):
        scalar = kind not in self.messages and kind not in ("string", "bytes")
        if scalar != isinstance(value, int):
            if scalar and repeated:  # packed: all of them in one field
                at = 0
                while at < len(value):
                    number, at = _read_varint(value, at)
                    getattr(message, field).append(number)
            return  # of another wire type than ours: a field that is not known
        if kind in self.messages:
            value = self.decode(kind, value)
        elif kind == "string":
            value = value.decode(errors="replace")
        elif kind == "bool":
            value = value != 0
        if repeated:
            getattr(message, field).append(value)
        else:
            setattr(message, field, value)

    def encode(self, name, fields):
        """The message with these fields, a dict; what is left out, 0 or empty is not written."""
        numbers = {field: (number, kind) for number, (field, kind, _) in self.messages[name].items()}
        out = bytearray()
        for field, value in fields.items():
            number, kind = numbers[field]
            if isinstance(value, list):
                if value and kind not in self.messages and kind not in ("string", "bytes"):
                    value = b"".join(map(_varint, value))  # packed
                    out += _varint(number << 3 | 2) + _varint(len(value)) + value
                else:
                    for one in value:
                        out += self._field(number, kind, one)
            elif value or isinstance(value, dict):
                out += self._field(number, kind, value)
        return bytes(out)

    def _field(self, number, kind, value):
        if kind in self.messages:
            value = self.encode(kind, value)
        elif kind == "string":
            value = value.encode()
        elif kind != "bytes":
            return _varint(number << 3) + _varint(int(value))
        return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data, at):
    number = 0
    for shift in range(0, 64, 7):
        if at == len(data):
            raise Malformed("a number is cut off")
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & (1 << 64) - 1, at
    raise Malformed("a number has more than 64 bits")


PROTO = Path(__file__).resolve().parents[2] / "libhandoff/protocol/handoff.proto"
SCHEMA = Schema(PROTO.read_text())
CODE = SimpleNamespace(**SCHEMA.enums["Code"])


# ---- frames


class Frame:
    """One message that has come, with its fds as numbers. The frame owns them until they are taken."""

    checksum_before = 0  # of a Prepare: over all frames before it

    def __init__(self, name, message, fds):
        self.name = name
        self.message = message  # None if its type is not known
        self.fds = fds

    def take(self, index, what):
        """The fd at that place of the frame, which the caller owns from now on."""
        if index >= len(self.fds) or self.fds[index] is None:
            raise Malformed(f"{self.name} has no fd for {what}")
        fd, self.fds[index] = self.fds[index], None
        return fd

    def close(self):
        close_all(fd for fd in self.fds if fd is not None)
        self.fds = []


class Channel:
    """One end of a channel or of a control socket. No call waits, whether the socket is O_NONBLOCK or not."""

    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.frames = self.frames_sent = 0
        self.checksum, self.checksum_sent = Xxh3(), Xxh3()  # over frames that have come, or were sent
        self.closed = False

    def fileno(self):
        return self.socket.fileno()

    def send(self, name, fields=None, fds=()):
        """Sends a frame; False if it can't be sent now. If the peer has gone, receive() tells, after its last
        messages."""
        body = SCHEMA.encode(name, fields or {})
        frame = HEADER.pack(b"HF", NUMBERS[name], 0, len(fds), len(body)) + body
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []
        try:
            self.socket.sendmsg([frame], rights, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.frames_sent += 1
        self.checksum_sent.update(frame)
        return True

    def receive(self):
        """The next frame; None if there is none yet, or if the peer has closed its end (`closed`)."""
        while True:
            try:
                data, rights, flags, _ = self.socket.recvmsg(
                    MAX_FRAME, socket.CMSG_SPACE(4 * MAX_FDS), socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
                break
            except BlockingIOError:
                return None
            except ConnectionResetError:
                continue  # comes once if the peer has left something unread; what the peer had sent comes after it
        fds = [fd for level, kind, numbers in rights if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
               for fd in struct.unpack(f"{len(numbers) // 4}i", numbers)]
        if not data and not fds and poll(self, select.POLLRDHUP, 0) & (select.POLLHUP | select.POLLRDHUP):
            self.closed = True
            return None
        try:
            name, body = _unpack(data, len(fds), flags)
            message = SCHEMA.decode(name, body) if name in SCHEMA.messages else None
        except Malformed:
            close_all(fds)
            raise
        frame = Frame(name, message, fds)
        if name == "Prepare":
            frame.checksum_before = self.checksum.digest()
        self.checksum.update(data)
        self.frames += 1
        return frame

    def close(self):
        self.socket.close()


def _unpack(data, fds, flags):
    if flags & socket.MSG_TRUNC:
        raise Malformed(f"a frame is longer than {MAX_FRAME} bytes")
    if flags & socket.MSG_CTRUNC:
        raise Malformed("fds were lost on the way in")
    if len(data) < HEADER.size:
        raise Malformed(f"a frame has {len(data)} bytes, less than a header")
    magic, number, zero, announced, length = HEADER.unpack_from(data)
    name = TYPES.get(number, f"type {number}")
    if magic != b"HF" or zero != 0:
        raise Malformed(f"a frame begins with {data[:4].hex()}")
    if length != len(data) - HEADER.size or announced != fds:
        raise Malformed(f"{name} announces {length} bytes and {announced} fds, "
                        f"and has {len(data) - HEADER.size} and {fds}")
    return name, data[HEADER.size:]


def close_all(fds):
    for fd in fds:
        os.close(fd)


def poll(what, events, timeout_ms):
    """The poll(2) events of one fd, within that time; None for no limit."""
    waiting = select.poll()
    waiting.register(what, events)
    ready = waiting.poll(timeout_ms)
    return ready[0][1] if ready else 0
