"""What has come from the donor: named fds, the ring, and the sessions, each with its newest state.

Nothing here is the heir's yet. The donor has the same sockets open, so shutdown(2), an option, or a flag would reach
its clients. So a socket that is dropped is closed and nothing else.
"""
import fcntl
import mmap
import os
import socket
import struct
import termios

from peer import FIXED, SEAL_WRITE, GivenUp, map_sealed
from wire import CODE, SCHEMA, Malformed
from xxh3 import xxh3

MAX_SLOT = 1 << 20
MAX_SLOTS = 1024
INDEPENDENT = 1  # Session.flags


class Session:
    """One session of the donor's, by its newest record."""

    def __init__(self, fd):
        self.fd = fd
        self.version = 0  # of the state
        self.state = self.input = self.output = b""
        self.layer_flags = 0
        self.independent = False
        self.counters = None


class Stage:
    def __init__(self, claims):
        self.named = dict.fromkeys(claims)  # name -> (fd, Named)
        self.named_total = None
        self.sessions = {}  # id -> Session
        self._versions = []  # of the donor's kinds
        self._ring = None
        self._slots = self._slot_size = 0

    def expect(self, versions):
        self._versions = versions

    @property
    def listeners_complete(self):
        return self.named_total is not None and self._named_count() == self.named_total

    def _named_count(self):
        return sum(named is not None for named in self.named.values())

    def listeners(self, frame):
        message = frame.message
        if self.listeners_complete or self.named_total not in (None, message.total):
            raise Malformed("Listeners: the counts do not agree")
        self.named_total = message.total
        for named in message.named:
            if named.name not in self.named:
                raise GivenUp(CODE.UNCLAIMED, f"'{named.name}' is not claimed by this release")
            if self.named[named.name] is not None:
                raise Malformed(f"Listeners: '{named.name}' came twice")
            fd = frame.take(named.fd_index, named.name)
            self.named[named.name] = (fd, named)
            found = os.fstat(fd)
            if (found.st_ino, found.st_dev) != (named.inode, named.device):
                raise GivenUp(CODE.IDENTITY, f"'{named.name}' is not the socket announced")
        if self._named_count() > self.named_total:
            raise Malformed("Listeners: more came than were announced")

    def ring(self, frame):
        message = frame.message
        if self._ring is not None:
            raise Malformed("Ring: again")
        if not (0 < message.slots <= MAX_SLOTS and 0 < message.slot_size <= MAX_SLOT):
            raise Malformed(f"Ring: {message.slots} slots of {message.slot_size} bytes")
        fd = frame.take(0, "the ring")
        self._ring = map_sealed(fd, message.slots * message.slot_size, FIXED, mmap.PROT_READ)
        os.close(fd)
        self._slots, self._slot_size = message.slots, message.slot_size

    def apply(self, frame):
        """Sessions, in the frame or in the ring."""
        message = frame.message
        if message.in_ring is not None:
            if message.sessions or message.closed or message.unseen:
                raise Malformed("Sessions: some in the ring and some not")
            message = SCHEMA.decode("Sessions", self._in_ring(message.in_ring))
            if message.in_ring is not None:
                raise Malformed("Sessions: in the ring, and yet not there")
        unused = iter(range(len(frame.fds)))
        for record in message.sessions:
            self._session(record, message.unseen, frame, unused)
        if next(unused, None) is not None:
            raise Malformed("Sessions: fds that belong to no session")
        for number in message.closed:
            if number not in self.sessions:
                raise Malformed(f"Sessions: closes {number}, which never came")
            os.close(self.sessions.pop(number).fd)

    def _in_ring(self, place):
        if place.slot >= self._slots or place.length > self._slot_size:
            raise Malformed("Sessions: outside of the ring")
        begin = place.slot * self._slot_size
        data = self._ring[begin:begin + place.length]
        if xxh3(data) != place.checksum:
            raise Malformed("Sessions: wrong checksum in the ring")
        return data

    def _session(self, record, unseen, frame, unused):
        who = f"session {record.id}"
        if record.kind >= len(self._versions):
            raise Malformed(f"{who} is of an unknown kind")
        if record.has_fd == (record.id in self.sessions):
            raise Malformed(f"{who} came twice" if record.has_fd else f"{who} changed before it came")
        if record.has_fd:
            place = next(unused, len(frame.fds))
            session = self.sessions[record.id] = Session(frame.take(place, who))
            if unseen or place in (0, len(frame.fds) - 1):
                if os.fstat(session.fd).st_ino != record.inode:
                    raise GivenUp(CODE.IDENTITY, f"{who} is not the socket announced")
        session = self.sessions[record.id]
        session.version = self._versions[record.kind]
        session.independent = bool(record.flags & INDEPENDENT)
        session.counters = record.counters and (record.counters.consumed, record.counters.written)
        session.layer_flags = record.layer_flags
        session.state, session.input, session.output = record.state, record.input, record.output
        if record.blob is not None:
            fd = frame.take(next(unused, len(frame.fds)), f"the state of {who}")
            try:
                session.state, session.input, session.output = read_blob(fd, record.blob)
            finally:
                os.close(fd)

    def drop_all_but(self, keep):
        """After the donor's death: resets the sessions of which `keep` is not true, and returns their ids."""
        lost = [number for number, session in self.sessions.items() if not keep(session)]
        for number in lost:
            reset(self.sessions.pop(number).fd)
        return lost


def read_blob(fd, blob):
    """The state, input and output that lie in a memfd, one after the other."""
    size = blob.state_length + blob.input_length + blob.output_length
    if size == 0:
        return b"", b"", b""
    with map_sealed(fd, size, FIXED | SEAL_WRITE, mmap.PROT_READ) as memory:
        data = memory[:size]
    if xxh3(data) != blob.checksum:
        raise Malformed("the state in a memfd has another checksum")
    rest = data[blob.state_length:]
    return data[:blob.state_length], rest[:blob.input_length], rest[blob.input_length:]


def has_not_moved(session):
    """Whether the socket's byte counters are still those of the state, in both directions."""
    return session.independent and session.counters is not None and session.counters == counters_of(session.fd)


def counters_of(fd):
    """(bytes that the application has read, bytes that it has written), as the kernel counts a TCP socket."""
    with socket.socket(fileno=os.dup(fd)) as copy:
        if copy.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        before = None
        while True:  # under traffic two readings may differ
            info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
            acked, received = struct.unpack_from("=QQ", info, 120)  # tcpi_bytes_acked, tcpi_bytes_received
            if (acked, received) == before:
                return received - unread, acked + unacked
            before = acked, received
            unread, unacked = (struct.unpack("i", fcntl.ioctl(fd, what, bytes(4)))[0]
                               for what in (termios.FIONREAD, termios.TIOCOUTQ))


def reset(fd):
    """Ends a connection by a reset, so that the client knows that the session is lost."""
    with socket.socket(fileno=fd) as session:
        session.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
