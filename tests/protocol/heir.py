#!/usr/bin/env python3
"""An heir made from PROTOCOL.md and handoff.proto alone: it takes over echo's sessions, serves them, and hands them on
in its turn.

    handoff upgrade echo tests/protocol/heir.py [-- --never-donates]

It shares nothing with libhandoff, to show that the page has all that an implementation needs. Python's standard library
is enough but for the compare-and-exchange, which is libatomic's.

Sections, regions, lanes and links are left out, as the page allows. xxh3.py has the checksum, wire.py the frames and
messages, peer.py what donor and heir share, stage.py what has come from the donor, control.py the supervisor, echo.py
the service, and donor.py the other side.
"""
import os
import select
import socket
import sys
import time

import echo
from control import Control, log
from peer import (BUDGET_US, HEIRS, STALL_US, GivenUp, Gone, Late, OwnershipWord, Peer, as_fields, as_message,
                  negotiate, raise_fd_limit)
from stage import Stage, has_not_moved
from wire import CODE, Channel, Malformed

ACK_EVERY = 4  # half of the donor's window


class Heir:
    """Takes over, or raises GivenUp. Its methods follow the table of PROTOCOL.md ("The heir") from top to bottom."""

    def __init__(self, control):
        handoff = control.start.handoff
        self.control = control
        self.handoff_id = handoff.id
        self.rehearsal = handoff.rehearsal
        self.stall = (handoff.stall_us or STALL_US) / 1e6
        self.budget = (handoff.budget_us or BUDGET_US) / 1e6
        self.channel = Channel(control.start_frame.take(handoff.channel_index, "the channel"))
        self.donor = Peer(control.start_frame.take(handoff.peer_index, "the donor's pidfd"))
        self.stage = Stage(named["name"] for named in control.manifest["named"])
        self.acknowledged = 0
        self.round = 0
        self.donors = None   # the donor's Hello
        self.prepare = None  # Prepare, once it is complete
        self.word = None
        self.connections = {}
        self.donor_died = False
        self.lost = 0
        self.lost_ids = []

    # ---- the way to the ownership word

    def take_over(self):
        self.greet()
        try:
            self.receive()
        except Gone:
            self.outlive()
        if self.prepare is None:  # the donor has died in the copy
            return self.keep()
        try:
            self.restore()
        except GivenUp as refusal:
            if not self.donor_has_gone():
                raise
            log(f"{refusal.reason}, and the donor has gone")
            return self.keep() if self.claim() else self.lose(refusal)
        if not self.donor_has_gone():
            self.await_release()
        if not self.claim():
            return self.lose(GivenUp(CODE.CANCELLED, "the donor took the sessions back", tell=False))
        self.donor_died = self.donor_died or self.donor_has_gone()
        return None

    def greet(self):
        try:
            frame = self.next(time.monotonic() + self.stall)
        except Gone:
            raise GivenUp(CODE.PEER_DIED, "the donor was gone before it said Hello", tell=False) from None
        hello = self.unpack(frame, "Hello")
        if hello.handoff_id != self.handoff_id:
            raise Malformed("the donor's Hello is of another handoff")
        answer = {"protocol_min": 1, "protocol_max": 1, "handoff_id": self.handoff_id, "lanes": 1,
                  "manifest": self.control.manifest, "fds_max": raise_fd_limit(), "ring_sessions": True, "looks": True}
        self.stage.expect(negotiate(hello, as_message("Hello", answer)))
        self.donors = hello
        self.send("Hello", answer)
        self.reached("hello")

    def receive(self):
        """Rounds of the copy, and the delta: up to Prepare."""
        while self.prepare is None:
            self.apply(self.next(time.monotonic() + self.stall, acknowledges=True))

    def apply(self, frame):
        message = frame.message
        if frame.name == "Listeners":
            self.stage.listeners(frame)
        elif frame.name == "Ring":
            self.stage.ring(frame)
        elif frame.name == "Sessions":
            self.stage.apply(frame)
            self.reached("sessions" if message.in_ring is None else "sessions in the ring")
        elif frame.name == "CopyEnd" and self.stage.listeners_complete:
            self.end_round(message)
        elif frame.name == "Prepare" and self.stage.listeners_complete and not self.rehearsal:
            self.take_prepare(frame)
        elif frame.name == "Abort":
            raise GivenUp(message.code, message.reason, tell=False)
        else:
            raise Malformed(f"{frame.name} from the donor in the copy")
        if any(fd is not None for fd in frame.fds):
            raise Malformed(f"{frame.name} has fds that belong to nothing")

    def end_round(self, message):
        if (message.round, message.sessions) != (self.round + 1, len(self.stage.sessions)):
            raise Malformed("CopyEnd counts otherwise than this heir")
        self.round = message.round
        if self.donor_died:
            return  # nobody waits for an answer
        if self.rehearsal:
            self.rehearse()
        self.send("Copied", {"round": self.round, "sessions": len(self.stage.sessions)})
        self.reached("copied")

    def take_prepare(self, frame):
        message = frame.message
        if (message.sessions, message.chunks) != (len(self.stage.sessions), 0):
            raise Malformed("Prepare counts otherwise than this heir")
        if message.checksum != frame.checksum_before:
            raise Malformed("Prepare: the checksum over the copy is wrong")
        fd = frame.take(0, "the ownership word")
        self.word = OwnershipWord(fd)
        os.close(fd)
        self.prepare = message

    def outlive(self):
        """Ends the donor, since EOF may come from one that lives, and reads its last messages to the end."""
        if self.rehearsal:
            raise GivenUp(CODE.PEER_DIED, "the donor was gone before the rehearsal was over", tell=False)
        self.donor_died = True
        self.donor.end()
        try:
            while self.prepare is None and (frame := self.channel.receive()):
                self.apply(frame)
        except (Malformed, GivenUp) as wrong:
            log(f"of a donor that has died: {wrong}")
            self.prepare = None

    def restore(self):
        """Does all that can fail."""
        for number, session in self.stage.sessions.items():
            try:
                self.connections[number] = echo.Connection.restore(session)
            except ValueError as wrong:
                raise GivenUp(CODE.REJECTED, f"session {number}: {wrong}") from None

    def await_release(self):
        self.send("Prepared", {"sessions": len(self.connections)})
        self.reached("prepared")
        try:
            frame = self.next(time.monotonic() + 2 * self.budget)
        except (Gone, Late):
            return  # the ownership word decides
        self.unpack(frame, "Release")

    def claim(self):
        won = self.word.claim(HEIRS)
        if won:
            self.reached("claimed")
            self.channel.send("Resumed")  # best effort: a donor that does not hear it asks the ownership word
            self.reached("resumed")
        return won

    def lose(self, refusal):
        """The donor has the ownership word, and so the sessions. If it has died since, nobody else is left."""
        if not self.donor.has_exited():
            raise refusal
        return self.keep()

    def keep(self):
        """After a crash of the service: keeps the listeners, and the sessions whose state still fits their sockets."""
        if not self.stage.listeners_complete:
            raise GivenUp(CODE.PEER_DIED, "the donor died before it had passed its listeners", tell=False)
        self.donor_died = True
        for connection in self.connections.values():
            connection.socket.detach()  # back to the stage
        self.connections = {}
        self.lost_ids = self.stage.drop_all_but(lambda one: has_not_moved(one) and echo.can_restore(one))
        self.restore()
        known = len(self.connections) + len(self.lost_ids)
        self.lost = max(self.donors.sessions, known) - len(self.connections)  # some may never have come here
        self.reached("kept")

    # ---- parts of it

    def next(self, deadline, acknowledges=False):
        """The donor's next frame. Hears the supervisor while it waits."""
        while True:
            if acknowledges and self.channel.frames - self.acknowledged >= ACK_EVERY:
                self.acknowledge()
            frame = self.channel.receive()
            if frame is not None:
                return frame
            if self.channel.closed or self.donor.has_exited():
                raise Gone
            if acknowledges and self.channel.frames != self.acknowledged:
                self.acknowledge()
            left = deadline - time.monotonic()
            if left <= 0:
                raise Late
            waiting = select.poll()
            for what in (self.channel, self.donor, self.control.channel):
                if what is not self.control.channel or not what.closed:
                    waiting.register(what, select.POLLIN)
            waiting.poll(left * 1000 + 1)
            self.control.hear(self)

    def acknowledge(self):
        if self.channel.send("Ack", {"frames": self.channel.frames}):  # if not, the next one makes up for it
            self.acknowledged = self.channel.frames

    def send(self, name, fields):
        if not self.channel.send(name, fields):
            raise GivenUp(CODE.TIMEOUT, "the donor does not read the channel")

    def unpack(self, frame, name):
        """The message of a frame, which must be of that name."""
        if frame.name == "Abort":
            raise GivenUp(frame.message.code, frame.message.reason, tell=False)
        if frame.name != name or frame.fds:
            raise Malformed(f"{frame.name} with {len(frame.fds)} fds from the donor, not {name}")
        return frame.message

    def donor_has_gone(self):
        return self.donor_died or self.channel.closed or self.donor.has_exited()

    def rehearse(self):
        self.restore()
        self.channel.send("Abort", {"code": CODE.CANCELLED, "reason": "the rehearsal is over"})
        self.control.send("Rehearsed", {
            "handoff_id": self.handoff_id, "complete": True, "from": as_fields(self.donors.manifest),
            "to": self.control.manifest, "sessions": len(self.connections), "passed": len(self.connections)})
        raise GivenUp(CODE.CANCELLED, "the rehearsal is over", tell=False)

    def stop(self, _):
        raise GivenUp(CODE.CANCELLED, "the service is being stopped")

    def cancel(self, handoff_id, reason):
        if handoff_id == self.handoff_id:
            raise GivenUp(CODE.CANCELLED, reason)

    def give_up(self, code, reason, tell):
        """Gives up. Nothing was touched, so the donor goes on as before."""
        if tell:
            self.channel.send("Abort", {"code": code, "reason": reason})
        self.control.failed(self.handoff_id, code, reason)
        sys.exit(f"heir.py: {reason}")

    def close(self):
        """Closes channel and pidfd. The donor needs neither: Resumed is in its buffer, and the ownership word is
        taken."""
        self.channel.close()
        self.donor.close()

    def reached(self, step):
        """A hook for tests that end this process at a step."""


def main(heir_class=Heir):
    control = Control()
    start = control.start
    control.donates = "--never-donates" not in sys.argv
    kind = echo.KIND if control.donates else {**echo.KIND, "writes": []}
    manifest = {"service": start.service, "release": echo.RELEASE, "kinds": [kind], "named": [{"name": "public"}]}
    control.register(manifest, rehearsal=start.heir and start.handoff.rehearsal)
    if start.heir:
        heir = heir_class(control)
        try:
            heir.take_over()
        except GivenUp as refusal:
            heir.give_up(refusal.code, refusal.reason, refusal.tell)
        except Malformed as wrong:
            heir.give_up(CODE.PROTOCOL, str(wrong), tell=True)
        except Late:
            heir.give_up(CODE.TIMEOUT, "the donor was silent for too long", tell=True)
        connections = heir.connections
        named = [(named, socket.socket(fileno=fd)) for fd, named in heir.stage.named.values()]
    else:
        heir, connections = None, {}
        named = [(one, socket.socket(fileno=control.start_frame.take(one.fd_index, one.name)))
                 for one in start.listeners]
    service = echo.Echo(named, connections)
    control.sessions = lambda: len(connections)
    service.begin(control, start.generation)
    control.owner(named, **(account(heir) if heir else {}))
    if heir:
        heir.close()
    service.serve()


def account(heir):
    """The fields of Owner about the handoff."""
    out = {"handoff_id": heir.handoff_id, "sessions": len(heir.connections), "donor_died": heir.donor_died,
           "lost": heir.lost, "lost_ids": heir.lost_ids[:100]}
    if heir.prepare is not None:
        blackout = (time.monotonic_ns() - heir.prepare.frozen_at_ns) // 1000
        out["frozen_at_ns"] = heir.prepare.frozen_at_ns
        out["blackout"] = dict.fromkeys(("p50_us", "p99_us", "p999_us", "max_us"), blackout)
    return out


if __name__ == "__main__":
    main()
