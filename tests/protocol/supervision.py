"""The real supervisor with echo under it, and clients that check every byte."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEIR = HERE / "heir.py"
WATCHED_HEIR = HERE / "watched_heir.py"
PATIENCE = 60  # seconds, for a machine that is busy with other tests


class Supervisor:
    """`handoff run` in a runtime folder of its own. close() ends it and all that it has started."""

    def __init__(self, programs, command, environment=None):
        self.programs = Path(programs)
        self.folder = Path(tempfile.mkdtemp(prefix="protocol-"))
        self.environment = {**os.environ, "HANDOFF_RUNTIME_DIR": str(self.folder / "run"),
                            "HANDOFF_STATE_DIR": str(self.folder / "state"), "PYTHONDONTWRITEBYTECODE": "1"}
        self.command = [str(one) for one in command]
        self.lines = []
        self._said = threading.Condition()
        self.start(environment or {})

    def program(self, name):
        return self.programs / name

    def start(self, environment=None):
        """Returns when echo runs, or was found running."""
        heard = len(self.lines)
        self.process = subprocess.Popen(
            [self.program("handoff"), "run", "--name", "echo", "--listen", "public=tcp:127.0.0.1:0", "--",
             *self.command],
            env={**self.environment, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace")
        threading.Thread(target=self._listen, args=(self.process.stderr,), daemon=True).start()
        self.wait_for_line(r"echo: running", heard)
        self._port = int(self.status()["listeners"][0]["address"].rsplit(":", 1)[1])

    def _listen(self, pipe):
        for line in pipe:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()

    def wait_for_line(self, pattern, after=0):
        """The match in the first line of the log that has one, after so many other lines."""
        def found():
            return next((line for line in self.lines[after:] if re.search(pattern, line)), None)
        with self._said:
            if not self._said.wait_for(found, PATIENCE):
                raise TimeoutError(f"the log has no {pattern!r}:\n{self.log()}")
            return found()

    def wait_for_match(self, pattern):
        """What the pattern's one group has matched."""
        return re.search(pattern, self.wait_for_line(pattern)).group(1)

    def log(self):
        return "\n".join(self.lines)

    def lines_with(self, beginning):
        """The rest of each line of the log that contains this text."""
        with self._said:
            return [line.split(beginning, 1)[1] for line in self.lines if beginning in line]

    def run(self, *arguments):
        """`handoff ARGUMENTS --json`: its exit status, and its last event."""
        return self._begin(*arguments)()

    def _begin(self, command, *arguments):
        process = subprocess.Popen([self.program("handoff"), command, "--json", *map(str, arguments)],
                                   env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def outcome():
            out, err = process.communicate(timeout=2 * PATIENCE)
            lines = [line for line in out.splitlines() if line.startswith("{")]
            if not lines:
                raise AssertionError(f"handoff {command}: {out}{err}\n{self.log()}")
            return process.returncode, json.loads(lines[-1])

        return outcome

    def begin_upgrade(self, program, *arguments, freeze_budget="10s", one_way=False):
        """Begins an upgrade; returns a function that waits for its outcome. The budget is for a busy machine."""
        return self._begin("upgrade", "--freeze-budget", freeze_budget, *(["--one-way"] if one_way else []), "echo",
                           program, *(["--", *arguments] if arguments else []))

    def upgrade(self, program, *arguments, **options):
        return self.begin_upgrade(program, *arguments, **options)()

    def status(self):
        return self.run("status", "echo")[1]["services"][0]

    def connect(self, **options):
        return Client(self._port, **options)

    def kill(self):
        """Kills the supervisor alone; its services live on."""
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            for _ in range(2):  # the second time: at once
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(PATIENCE / 10)
                    break
                except subprocess.TimeoutExpired:
                    pass
            else:
                self.kill()
        shutil.rmtree(self.folder)


class Client:
    """One connection, whose nth line is answered by `n RELEASE TEXT`."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.input = self.socket.makefile("rb")
        self.lines = 0

    def send(self, data):
        self.socket.sendall(data)

    def say(self, text):
        """Returns the release that has answered."""
        self.send(f"{text}\n".encode())
        return self.hear(text)

    def hear(self, text):
        self.lines += 1
        answer = self.input.readline()
        number, release, said = answer.split(b" ", 2)
        if (number, said) != (str(self.lines).encode(), f"{text}\n".encode()):
            raise AssertionError(f"the answer to line {self.lines}, {text[:80]!r}, was {answer[:80]!r}")
        return release.decode()

    def is_reset(self):
        """Whether the connection ends, by a reset or not, without another byte."""
        try:
            return self.input.readline() == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.input.close()
        self.socket.close()


class Talkers:
    """Clients that each say a line as soon as the last one is answered, until stop()."""

    def __init__(self, clients):
        self.clients = clients
        self.releases = set()  # of the last turn
        self._turns = 0
        self._wrong = None
        self._stop = False
        self._turned = threading.Condition()
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self):
        while not self._stop and self._wrong is None:
            wrong, releases = None, set()
            try:
                for client in self.clients:
                    client.send(b"hello\n")
                releases = {client.hear("hello") for client in self.clients}
            except Exception as e:
                wrong = e
            with self._turned:
                self._turns += 1
                self._wrong, self.releases = wrong, releases
                self._turned.notify_all()

    def wait_for_turns(self, turns):
        with self._turned:
            wanted = self._turns + turns
            if not self._turned.wait_for(lambda: self._turns >= wanted or self._wrong, PATIENCE):
                raise TimeoutError("the clients have no answer")

    def stop(self):
        """Ends the talk; raises the error of a client that missed an answer."""
        self._stop = True
        self._thread.join()
        if self._wrong is not None:
            raise self._wrong
