"""The control socket: the supervisor's orders to this process, and its reports.

A service serves on after its supervisor's death, and comes back to the next one.
"""
import os
import selectors
import socket
import struct
import sys
import time

from wire import CODE, Channel, Malformed

HEIR, OWNER, DONOR = 1, 2, 3  # Status.state
FIRST_WAIT, LONGEST_WAIT = 0.02, 1.0  # seconds, until the next attempt to come back


def log(text):
    os.write(2, f"heir.py: {text}\n".encode())  # at once: others write there, too


class Control:
    def __init__(self):
        number, pid = os.environ.pop("HANDOFF_FD", ""), os.environ.pop("HANDOFF_PID", "")
        if pid != str(os.getpid()):
            sys.exit("heir.py: no supervisor has started this process")
        os.set_inheritable(int(number), False)
        self.channel = Channel(int(number))
        self._wait_readable()
        self.start_frame = self.channel.receive()
        if self.start_frame is None or self.start_frame.name != "Start":
            sys.exit("heir.py: the supervisor's first message is no Start")
        self.start = self.start_frame.message
        if self.start.protocol_min > 1 or self.start.protocol_max < 1:
            sys.exit("heir.py: the supervisor does not speak version 1")
        self.state = HEIR
        self.donates = True
        self.sessions = lambda: 0  # gives the number of sessions
        self.manifest = None
        self._outcome = []   # Failed, of the last handoff that was refused
        self._owner = None   # Owner, as it was sent
        self._shown = []     # the listeners in it
        self._queue = []     # messages that the socket did not take yet
        self._wait = FIRST_WAIT

    def _wait_readable(self):
        waiting = selectors.DefaultSelector()
        waiting.register(self.channel, selectors.EVENT_READ)
        if not waiting.select(5):
            sys.exit("heir.py: the supervisor sent no Start")

    # ---- sending

    def send(self, name, fields, fds=()):
        self._queue.append((name, fields, fds))
        self.flush()

    def flush(self):
        while self._queue and self.channel.send(*self._queue[0]):
            del self._queue[0]

    def register(self, manifest, **more):
        self.manifest = manifest
        self.send("Register", {"protocol_min": 1, "protocol_max": 1, "generation": self.start.generation,
                               "manifest": manifest, **more})

    def owner(self, listeners, **fields):
        """`listeners`: pairs of a Named and its socket."""
        self.state = OWNER
        self._shown = listeners
        self._owner = {"generation": self.start.generation, "running_at_ns": time.monotonic_ns(),
                       "named": [{**vars(named), "fd_index": 0} for named, _ in listeners], **fields}
        self.send("Owner", self._owner)

    def failed(self, handoff_id, code, reason):
        now = time.monotonic_ns()
        self._outcome = ["Failed", {"handoff_id": handoff_id, "code": code, "reason": reason, "at_ns": now}]
        self.send(*self._outcome)

    # ---- receiving

    def hear(self, service):
        """All that has come. `service` has stop(deadline_us), cancel(handoff_id, reason) and, as an owner, donate()."""
        self.flush()
        while not self.channel.closed:
            try:
                frame = self.channel.receive()
            except Malformed as wrong:
                log(f"from the supervisor: {wrong}")
                continue
            if frame is None:
                return
            self._obey(frame, service)
            frame.close()

    def _obey(self, frame, service):
        message = frame.message
        if frame.name == "Query":
            self.send("Status", {"query_id": message.id, "sessions": self.sessions(), "state": self.state})
        elif frame.name == "Stop":
            service.stop(message.deadline_us)
        elif frame.name == "Cancel":
            service.cancel(message.handoff_id, message.reason)
        elif frame.name == "Donate" and self.state == OWNER and self.donates:
            service.donate(message, frame)
        elif frame.name == "Donate":
            self._refuse(message.handoff, frame)
        else:
            log(f"{frame.name} of the supervisor is ignored")

    def _refuse(self, handoff, frame):
        """Sends the heir an Abort, and closes the channel."""
        reason = "this process is not free to hand over" if self.donates else "this process never hands over"
        end = Channel(frame.take(handoff.channel_index, "the channel"))
        end.send("Abort", {"code": CODE.REJECTED, "reason": reason})
        end.close()
        self.failed(handoff.id, CODE.REJECTED, reason)

    # ---- an owner's loop

    def watch(self, service):
        """Lets `service` obey while it serves. Comes back to the next supervisor when this one has gone."""
        def heard(_):
            self.hear(service)
            if self.channel.closed:
                log("the supervisor is gone; serving on")
                service.unwatch(self.channel)
                service.after(self._wait, come_back)

        def come_back():
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            channel = connect(self.start.report_path.decode()) if self.start.report_path else None
            if channel is None:
                return service.after(self._wait, come_back)
            self._wait = FIRST_WAIT
            self.channel, self._queue = channel, []
            self._come_back()
            service.watch(self.channel, heard)

        service.watch(self.channel, heard)

    def _come_back(self):
        self.register(self.manifest, returning=True, state=self.state)
        if self._outcome:
            self.send(*self._outcome)
        named = [{**vars(named), "fd_index": index} for index, (named, _) in enumerate(self._shown)]
        self.send("Owner", {**self._owner, "named": named, "with_fds": True},
                  [listener.fileno() for _, listener in self._shown])


def connect(path):
    """Connects to a supervisor of this user or of root that listens there; None if there is none."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        end.connect(path)
        _, uid, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid in (0, os.geteuid()):
            return Channel(end.detach())
    except OSError:
        pass
    end.close()
    return None
