"""The service: echo, as examples/echo has it. To the nth line TEXT of a connection the answer is `n py TEXT`.

Its state, version 2: how many lines a connection has had and when the first of them came, each in 8 bytes,
little-endian. Version 1 has the number alone.
"""
import selectors
import socket
import struct
import time

from control import DONOR, OWNER
from donor import Donor

RELEASE = "py"
KIND = {"name": "session", "version": 2, "reads": [1, 2], "writes": [1, 2]}
MAX_LINE = 1 << 20
HIGH_WATER = 1 << 20  # a client that does not read its answers is not read from
CLOSING = 1           # Session.layer_flags, as uv.hpp has them: the session ends when its output is sent


def unpack_state(session):
    """(lines, first_line_ns); raises ValueError."""
    fields = struct.Struct("<Q" if session.version == 1 else "<QQ")
    if len(session.state) != fields.size:
        raise ValueError(f"a state of {len(session.state)} bytes is none of version {session.version} of echo's")
    return (*fields.unpack(session.state), 0)[:2]


def can_restore(session):
    try:
        unpack_state(session)
    except ValueError:
        return False
    return True


class Connection:
    def __init__(self, session, lines=0, first_line_ns=0, inherited=False):
        self.socket = session
        self.lines = lines
        self.first_line_ns = first_line_ns
        self.input = b""
        self.output = b""
        self.closing = False
        self.inherited = inherited

    @classmethod
    def restore(cls, session):
        """A Connection made from a stage.Session; raises ValueError for a malformed state. Does not touch the
        socket."""
        connection = cls(None, *unpack_state(session), inherited=True)
        connection.input, connection.output = session.input, session.output
        connection.closing = bool(session.layer_flags & CLOSING)
        connection.socket = socket.socket(fileno=session.fd)
        return connection

    def save(self, version):
        return struct.pack("<Q", self.lines) if version == 1 else struct.pack("<QQ", self.lines, self.first_line_ns)

    def layer_flags(self):
        return CLOSING if self.closing else 0

    def answer(self):
        """Takes the complete lines from the input."""
        *lines, self.input = self.input.split(b"\n")
        for line in lines:
            if len(line) > MAX_LINE:
                self.input, self.closing = b"", True
                return
            self.lines += 1
            if self.lines == 1:
                self.first_line_ns = time.monotonic_ns()
            self.output += b"%d %s %s\n" % (self.lines, RELEASE.encode(), line)
        if len(self.input) > MAX_LINE:
            self.input, self.closing = b"", True


class Echo:
    """Serves listeners and connections, and whatever else is watched in the same loop."""

    def __init__(self, named, connections):
        self.named = named  # pairs of a Named and its listener
        self.connections = connections  # id -> Connection
        self.donor = None  # the handoff that is under way
        self._listeners = [listener for _, listener in named]
        self._retired = False
        self._selector = selectors.DefaultSelector()
        self._timers = []
        self._stop_by = None
        self._ids = None

    def begin(self, control, generation):
        """From here on the sockets are this process's own, and so are their flags."""
        self._ids = (generation << 40 | n for n in range(1, 1 << 40))
        for listener in self._listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, lambda _, of=listener: self._accept(of))
        self._control = control
        control.watch(self)
        for number in list(self.connections):
            self._begin(number)

    def serve(self):
        """Returns when it was stopped, or everything is the heir's."""
        while not self._retired and (self._stop_by is None or self.connections):
            times = [when for when, _ in self._timers] + ([] if self._stop_by is None else [self._stop_by])
            ready = self._selector.select(max(min(times) - time.monotonic(), 0) if times else None)
            for key, events in ready:
                key.data(events)
                if self._retired:
                    return  # what else is ready is the heir's
            now = time.monotonic()
            due = [what for when, what in self._timers if when <= now]
            self._timers = [timer for timer in self._timers if timer[0] > now]
            for what in due:
                what()
            if self._stop_by is not None and self._stop_by <= now:
                break

    def after(self, seconds, what):
        self._timers.append((time.monotonic() + seconds, what))

    def watch(self, what, ready):
        self._selector.register(what, selectors.EVENT_READ, ready)

    def unwatch(self, what):
        self._selector.unregister(what)

    def donate(self, order, frame):
        self._control.state = DONOR
        self.donor = Donor(self._control, self, order, frame, over=self._serve_on)
        self.donor.begin()

    def _serve_on(self):
        self.donor = None
        self._control.state = OWNER

    def cancel(self, handoff_id, reason):
        if self.donor is not None:
            self.donor.cancel(handoff_id, reason)

    def retire(self):
        """Everything is the heir's: this process only has to exit."""
        self._retired = True

    def stop(self, deadline_us):
        """No new connections; the others end when they have their answers, and at the deadline all do."""
        if self._stop_by is not None:
            return
        if self.donor is not None:
            self.donor.cancel(self.donor.handoff_id, "the service is being stopped")
        self._stop_by = deadline_us / 1e6
        for listener in self._listeners:
            self._selector.unregister(listener)
        for number, connection in list(self.connections.items()):
            connection.closing = True
            self._go_on(number)

    def _accept(self, listener):
        try:
            session, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        number = next(self._ids)
        self.connections[number] = Connection(session)
        self._begin(number)

    def _begin(self, number):
        connection = self.connections[number]
        connection.socket.setblocking(False)
        self._selector.register(connection.socket, selectors.EVENT_READ, lambda events: self._ready(number, events))
        connection.answer()  # input that came along may hold a whole line
        self._go_on(number)

    def _ready(self, number, events):
        connection = self.connections.get(number)
        if connection is None:
            return  # ended in this turn
        if events & selectors.EVENT_READ:
            try:
                data = connection.socket.recv(65536)
            except BlockingIOError:
                data = None
            except OSError:
                data = b""
            if data == b"":
                return self._end(number)
            if data:
                connection.input += data
                connection.answer()
        self._go_on(number)

    def _go_on(self, number):
        """Sends what can be sent, and waits for what comes next."""
        connection = self.connections[number]
        try:
            while connection.output:
                connection.output = connection.output[connection.socket.send(connection.output):]
        except BlockingIOError:
            pass
        except OSError:
            return self._end(number)
        if connection.closing and not connection.output:
            return self._end(number)
        reads = not connection.closing and len(connection.output) < HIGH_WATER
        wanted = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if connection.output else 0)
        key = self._selector.get_key(connection.socket)
        if key.events != wanted:
            self._selector.modify(connection.socket, wanted, key.data)

    def _end(self, number):
        connection = self.connections.pop(number)
        self._selector.unregister(connection.socket)
        if connection.inherited:
            try:
                # While the donor still has the socket open, close() alone would tell the client nothing.
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the client has gone already
        connection.socket.close()
