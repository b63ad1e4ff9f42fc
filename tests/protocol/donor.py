"""The donor: hands echo's sessions over to an heir. It serves while it copies, and is frozen from Copied on.

The table of PROTOCOL.md ("The donor"): Greeting, Copying and AwaitingCopied are turns of the service's loop; from
Frozen on nothing else is done, so those states are lines of _switch().
"""
import os
import select
import time

from peer import (BUDGET_US, DONORS, FIXED, SEAL_WRITE, SPARE_FDS, STALL_US, WORD_SIZE, GivenUp, Gone, Late,
                  OwnershipWord, Peer, as_message, make_sealed, negotiate)
from stage import INDEPENDENT, counters_of
from wire import CODE, MAX_FDS, SCHEMA, Channel, Malformed, close_all
from xxh3 import xxh3

WINDOW = 8  # frames that the heir has not acknowledged
MAX_INLINE = 32 * 1024
BATCH = 128 * 1024  # bytes of records, after which a frame is full: there is room for one more
REHEARSED = "the rehearsal is over"


class Donor:
    """One handoff. `service` has connections and listeners, and retire(); `over` is called when the service serves
    on."""

    def __init__(self, control, service, order, frame, over):
        handoff = order.handoff
        self.handoff_id = handoff.id
        self.rehearsal = handoff.rehearsal
        self._control, self._service, self._over = control, service, over
        self._stall = (handoff.stall_us or STALL_US) / 1e6
        self._budget = (handoff.budget_us or BUDGET_US) / 1e6
        self._channel = Channel(frame.take(handoff.channel_index, "the channel"))
        self._heir = Peer(frame.take(handoff.peer_index, "the heir's pidfd"))
        self._frames = iter(())  # of the copy, made when they can be sent
        self._pending = None     # a frame that could not be sent yet
        self._acknowledged = 0
        self._sent = {}          # id -> the record that the heir has
        self._bytes = 0
        self._version = 0        # of the state, as it travels
        self._greeted = self._round_sent = self._copied = self._prepare_sent = self._closed = False
        self._word = None

    # ---- while it serves

    def begin(self):
        self._hello = {"protocol_min": 1, "protocol_max": 1, "handoff_id": self.handoff_id, "lanes": 1,
                       "manifest": {**self._control.manifest, "named": self._describe_named()},
                       "sessions": len(self._service.connections)}
        self._heard()
        self._channel.send("Hello", self._hello)
        self._service.watch(self._channel, self.turn)
        self._service.watch(self._heir, self.turn)
        self._wake()

    def cancel(self, handoff_id, reason):
        if handoff_id == self.handoff_id:
            self._give_up(GivenUp(CODE.CANCELLED, reason))

    def turn(self, _=None):
        """Call it when something has come from the heir, or its time is up."""
        if self._closed:
            return  # in this turn of the loop
        try:
            while not self._copied and (frame := self._channel.receive()):
                self._take(frame)
            if self._channel.closed or self._heir.has_exited():
                raise Gone
            if self._copied:
                return self._switch()
            if time.monotonic() >= self._deadline:
                raise Late
            self._pump()
        except (GivenUp, Gone, Late, Malformed) as wrong:
            self._give_up(wrong)

    def _wake(self):
        def look():
            self.turn()
            if not self._closed:
                self._wake()
        self._service.after(max(self._deadline - time.monotonic(), 0.01), look)

    def _heard(self):
        self._deadline = time.monotonic() + self._stall

    def _take(self, frame):
        message = frame.message
        if frame.fds:
            frame.close()
            raise Malformed(f"the heir sent fds with {frame.name}")
        if frame.name == "Abort":
            raise GivenUp(message.code, message.reason, tell=False)
        if frame.name == "Ack" and self._greeted:
            if not self._acknowledged <= message.frames <= self._channel.frames_sent:
                raise Malformed("the heir acknowledges frames that were not sent")
            self._acknowledged = message.frames
        elif frame.name == "Hello" and not self._greeted:
            self._greet(message)
        elif frame.name == "Copied" and self._round_sent and not self._copied:
            if (message.round, message.sessions) != (1, len(self._sent)):
                raise Malformed("the heir confirms another copy than was sent")
            if self.rehearsal:
                raise GivenUp(CODE.CANCELLED, REHEARSED)
            self._copied = True
        else:
            raise Malformed(f"{frame.name} from the heir")
        self._heard()

    def _greet(self, hello):
        if hello.handoff_id != self.handoff_id:
            raise Malformed("the heir's Hello is of another handoff")
        self._version, = negotiate(as_message("Hello", self._hello), hello)
        needed = len(self._service.connections) + len(self._service.named) + SPARE_FDS
        if needed > hello.fds_max:
            raise GivenUp(CODE.RESOURCES, f"the heir may open {hello.fds_max} fds, and needs about {needed}")
        self._greeted = True
        self._progress("PHASE_COPY")
        self._frames = self._copy()

    def _progress(self, phase):
        self._control.send("Progress", {
            "handoff_id": self.handoff_id, "phase": SCHEMA.enums["Phase"][phase], "at_ns": time.monotonic_ns(),
            "sessions_sent": len(self._sent), "sessions_total": len(self._service.connections), "bytes": self._bytes,
            "round": 1})

    # ---- frames, each a (name, fields, fds); the fds are duplicates, which this side closes

    def _describe_named(self):
        out = []
        for named, listener in self._service.named:
            found = os.fstat(listener.fileno())
            out.append({"name": named.name, "address": named.address, "inode": found.st_ino, "device": found.st_dev})
        return out

    def _copy(self):
        named = [{**one, "fd_index": index} for index, one in enumerate(self._describe_named())]
        yield ("Listeners", {"named": named, "total": len(named)},
               [os.dup(listener.fileno()) for _, listener in self._service.named])
        yield from self._records(list(self._service.connections))
        yield "CopyEnd", {"round": 1, "sessions": len(self._sent)}, []

    def _delta(self):
        """Frames for the sessions that have ended since they were sent, then for those that are new or have changed."""
        ended = [number for number in self._sent if number not in self._service.connections]
        for number in ended:
            del self._sent[number]
        if ended:
            yield "Sessions", {"closed": ended}, []
        yield from self._records(list(self._service.connections))

    def _records(self, numbers):
        """Frames for those of these sessions whose state the heir does not have."""
        records, fds, size = [], [], 0
        for number in numbers:
            connection = self._service.connections.get(number)
            if connection is None:
                continue  # ended while frames before this were sent
            state = connection.save(self._version)
            saved = state, connection.input, connection.output, connection.closing
            if self._sent.get(number) == saved:
                continue
            records.append(self._record(number, connection, state, number not in self._sent, fds))
            self._sent[number] = saved
            size += sum(map(len, saved[:3])) + 128
            if size >= BATCH or len(fds) + 2 > MAX_FDS:
                yield "Sessions", {"sessions": records}, fds
                records, fds, size = [], [], 0
        if records:
            yield "Sessions", {"sessions": records}, fds

    def _record(self, number, connection, state, new, fds):
        socket = connection.socket
        record = {"id": number, "flags": INDEPENDENT, "has_fd": new, "inode": os.fstat(socket.fileno()).st_ino,
                  "layer_flags": connection.layer_flags()}
        counters = counters_of(socket.fileno())
        if counters is not None:
            record["counters"] = dict(zip(("consumed", "written"), counters))
        if new:
            fds.append(os.dup(socket.fileno()))
        parts = {"state": state, "input": connection.input, "output": connection.output}
        data = b"".join(parts.values())
        self._bytes += len(data)
        if len(data) <= MAX_INLINE:
            return {**record, **parts}
        fds.append(make_sealed(len(data), data, FIXED | SEAL_WRITE))
        lengths = {f"{name}_length": len(part) for name, part in parts.items()}
        return {**record, "blob": {**lengths, "checksum": xxh3(data)}}

    def _pump(self):
        """Sends what the window and the channel take. Returns whether that was all."""
        while self._channel.frames_sent - self._acknowledged < WINDOW:
            self._pending = self._pending or next(self._frames, None)
            if self._pending is None:
                return True
            name, fields, fds = self._pending
            if not self._channel.send(name, fields, fds):
                return False  # the heir's next Ack says that it has read some
            close_all(fds)
            self._pending = None
            self._round_sent = self._round_sent or name == "CopyEnd"
        return False

    # ---- the switch: nothing else is done from here on

    def _switch(self):
        self._frozen_at = time.monotonic()
        self._frozen_at_ns = time.monotonic_ns()
        release_by, resumed_by = (self._frozen_at + self._budget * share for share in (0.8, 1))
        fd = make_sealed(WORD_SIZE)
        self._word = OwnershipWord(fd)
        try:
            self._progress("PHASE_SWITCH")
            self._frames = self._delta()
            while not self._pump():
                self._await("Ack", release_by)
            while self._channel.frames_sent - self._acknowledged >= WINDOW:
                self._await("Ack", release_by)
            self._send("Prepare", {
                "sessions": len(self._sent), "checksum": self._channel.checksum_sent.digest(),
                "frozen_at_ns": self._frozen_at_ns, "budget_us": int(self._budget * 1e6)}, [fd])
            self._prepare_sent = True
            prepared = self._await("Prepared", release_by)
            if prepared.sessions != len(self._sent):
                raise Malformed("the heir is prepared for another number of sessions")
            self._send("Release", {}, [])
            self._await("Resumed", resumed_by)
        except (GivenUp, Gone, Late, Malformed) as wrong:
            if self._word.claim(DONORS):
                return self._give_up(wrong)
        finally:
            os.close(fd)
        self._retire()

    def _send(self, name, fields, fds):
        if not self._channel.send(name, fields, fds):
            raise Late

    def _await(self, name, deadline):
        """The next message, which must be of that name; an Ack may come at any time."""
        while True:
            frame = self._channel.receive()
            if frame is None:
                if self._channel.closed or self._heir.has_exited():
                    raise Gone
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Late
                waiting = select.poll()
                waiting.register(self._channel, select.POLLIN)
                waiting.register(self._heir, select.POLLIN)
                waiting.poll(left * 1000 + 1)
            elif frame.name == "Ack":
                self._take(frame)
                if name == "Ack":
                    return frame.message
            elif frame.name == name and not frame.fds:
                return frame.message
            else:
                self._take(frame)  # handles an Abort; anything else is out of order

    # ---- ends

    def _retire(self):
        self._control.send("Retired", {
            "handoff_id": self.handoff_id, "at_ns": time.monotonic_ns(), "sessions": len(self._sent),
            "bytes": self._bytes, "frozen_at_ns": self._frozen_at_ns, "heir_died": self._heir.has_exited(),
            "lost": len(self._sent) if self._heir.has_exited() else 0})
        self._close()
        self._service.retire()

    def _give_up(self, wrong):
        """Uses the sockets again: the service goes on as before."""
        code, reason, tell = reason_of(wrong)
        if tell and not self._heir.has_exited():
            told = self._channel.send("Abort", {"code": code, "reason": reason})
            if not told and not self._prepare_sent:
                self._heir.end()  # else it would take the closed channel for the donor's death
        if self.rehearsal:
            self._control.send("Rehearsed", {
                "handoff_id": self.handoff_id, "complete": self._round_sent, "from": self._hello["manifest"],
                "sessions": len(self._service.connections), "passed": len(self._sent)})
        self._close()
        self._control.failed(self.handoff_id, code, reason)
        self._over()

    def _close(self):
        self._closed = True
        if self._pending is not None:
            close_all(self._pending[2])
        self._service.unwatch(self._channel)
        self._service.unwatch(self._heir)
        self._channel.close()
        self._heir.close()


def reason_of(wrong):
    """Returns (code, reason, whether the heir must be told)."""
    if isinstance(wrong, GivenUp):
        return wrong.code, wrong.reason, wrong.tell
    if isinstance(wrong, Malformed):
        return CODE.PROTOCOL, str(wrong), True
    if isinstance(wrong, Late):
        return CODE.TIMEOUT, "the heir was silent for too long", True
    return CODE.PEER_DIED, "the heir died before it had taken over", False
