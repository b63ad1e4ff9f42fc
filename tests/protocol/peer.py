"""What donor and heir share: how a handoff ends, what they agree on, and the ownership word."""
import ctypes
import fcntl
import mmap
import os
import resource
import select
import signal

from wire import CODE, SCHEMA, Malformed, poll

STALL_US, BUDGET_US = 10_000_000, 250_000  # where Handoff says 0
SPARE_FDS = 64

F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_WRITE = 1, 2, 4, 8
FIXED = SEAL_SEAL | SEAL_SHRINK | SEAL_GROW  # seals of a memfd that is written to while both have it

WORD_SIZE = 4096
FREE, DONORS, HEIRS = 0, 1, 2  # values of the ownership word
SEQ_CST = 5


class GivenUp(Exception):
    """The handoff is over for this process. `tell`: the peer must be told."""

    def __init__(self, code, reason, tell=True):
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.tell = tell


class Gone(Exception):
    """The peer has exited, or has closed the channel."""


class Late(Exception):
    """The peer was silent for too long."""


class Peer:
    """The other process, by its pidfd."""

    def __init__(self, pidfd):
        self.pidfd = pidfd

    def fileno(self):
        return self.pidfd

    def has_exited(self):
        return bool(poll(self.pidfd, select.POLLIN, 0))

    def end(self):
        """Returns when the process has exited."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        poll(self.pidfd, select.POLLIN, None)

    def close(self):
        os.close(self.pidfd)


# ---- what they agree on


def as_message(name, fields):
    """A dict of fields as the message that a peer would read."""
    return SCHEMA.decode(name, SCHEMA.encode(name, fields))


def as_fields(message):
    """A message as the dict of fields that it is sent as."""
    if isinstance(message, list):
        return [as_fields(one) for one in message]
    if hasattr(message, "__dict__"):
        return {name: as_fields(value) for name, value in vars(message).items() if value is not None}
    return message


def negotiate(donor, heir):
    """The state version of each of the donor's kinds, from the two Hellos. Both sides get the same result."""
    if min(donor.protocol_max, heir.protocol_max) < max(donor.protocol_min, heir.protocol_min):
        raise GivenUp(CODE.VERSION, "no protocol version in common")
    if donor.lanes > 1 or heir.lanes > 1:
        raise GivenUp(CODE.REJECTED, "this implementation knows one lane, and no more")
    ours, theirs = donor.manifest, heir.manifest
    if ours.service != theirs.service:
        raise GivenUp(CODE.UNCLAIMED, f"the donor is service '{ours.service}', the heir '{theirs.service}'")
    claims = {named.name for named in theirs.named}
    for named in ours.named:
        if named.name not in claims:
            raise GivenUp(CODE.UNCLAIMED, f"'{named.name}' is not claimed by release {theirs.release}")
    kinds = {(kind.name, kind.section, kind.region): kind for kind in theirs.kinds}
    versions = []
    for kind in ours.kinds:
        other = kinds.get((kind.name, kind.section, kind.region))
        if other is None:
            raise GivenUp(CODE.UNCLAIMED, f"'{kind.name}' is not claimed by release {theirs.release}")
        common = set(kind.writes) & set(other.reads)
        if not common:
            raise GivenUp(CODE.VERSION, f"no state version in common for '{kind.name}'")
        versions.append(max(common))
    return versions


def raise_fd_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


# ---- shared memory


def make_sealed(size, data=b"", seals=FIXED):
    """Makes a sealed memfd; returns its fd."""
    fd = os.memfd_create("handoff", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(fd, size)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]
    fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def map_sealed(fd, size, seals, protection):
    """Maps a memfd of the peer's. Checks size and seals: a shorter one, or one that can shrink, could cause a
    SIGBUS."""
    if fcntl.fcntl(fd, F_GET_SEALS) & seals != seals:
        raise Malformed("the peer's memory is not sealed")
    if os.fstat(fd).st_size < size:
        raise Malformed(f"the peer's memory has less than {size} bytes")
    return mmap.mmap(fd, size, mmap.MAP_SHARED, protection)


class OwnershipWord:
    """The ownership word: whose the sessions are, from Prepare on."""

    def __init__(self, fd):
        self._memory = map_sealed(fd, WORD_SIZE, FIXED, mmap.PROT_READ | mmap.PROT_WRITE)

    def claim(self, party):
        """Takes the word for that party, unless it is taken. Returns whether that party has it."""
        word = ctypes.c_uint32.from_buffer(self._memory)
        found = ctypes.c_uint32(FREE)
        exchange = ctypes.CDLL("libatomic.so.1")["__atomic_compare_exchange_4"]
        exchange.restype = ctypes.c_bool
        exchange.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_int]
        won = exchange(ctypes.addressof(word), ctypes.addressof(found), party, SEQ_CST, SEQ_CST)
        return won or found.value == party
