"""Clients of the example `echo`, whose answer to the nth line TEXT of a connection is `n RELEASE TEXT`.

The number goes on across upgrades, so it shows at once when a line was lost, repeated, or answered by a process that
does not know the connection.
"""
import socket
import threading
from collections.abc import Sequence

from container import Container

PORT = 7000


class Client:
    """One connection. Each answer is checked."""

    def __init__(self, container: Container, port: int = PORT, receive_buffer: int | None = None) -> None:
        self._socket = container.connect(port, receive_buffer)
        self._input = self._socket.makefile("r", encoding="ascii", newline="\n")
        self.lines = 0

    def say(self, text: str) -> str:
        """Says a line; returns the release that has answered."""
        self._socket.sendall(f"{text}\n".encode())
        return self.hear(text)

    def hear(self, text: str) -> str:
        self.lines += 1
        answer = self._input.readline()
        number, release, said = (answer.rstrip("\n").split(" ", 2) + ["", ""])[:3]
        if (number, said) != (str(self.lines), text) or not answer.endswith("\n"):
            raise AssertionError(f"the answer to line {self.lines}, {text!r}, was {answer!r}")
        return release

    def send_only(self, text: str) -> None:
        self._socket.sendall(f"{text}\n".encode())

    def ended(self) -> bool:
        """Waits for the end of the connection. False: something else has come."""
        return self._input.readline() == ""

    def close(self) -> None:
        self._input.close()
        self._socket.close()


class Swarm:
    """Clients that each say a line as soon as the last one is answered, until stop()."""

    def __init__(self, container: Container, clients: int, port: int = PORT) -> None:
        self.clients = [Client(container, port) for _ in range(clients)]
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._spoke = threading.Condition()
        self._turns = 0
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self) -> None:
        # In turns: all say a line, then all have to get their answers.
        while not self._stop.is_set() and not self.errors:
            try:
                releases = self._turn()
            except Exception as e:  # an answer that is no text is a wrong one, too
                self.errors.append(str(e))
                releases = ()
            with self._spoke:
                self._turns += 1
                self.releases = releases
                self._spoke.notify_all()

    def _turn(self) -> Sequence[str]:
        for client in self.clients:
            client.send_only("hello")
        return [client.hear("hello") for client in self.clients]

    def wait_for_turns(self, turns: int, timeout: float = 60) -> None:
        """Waits for so many more turns, or for the first error."""
        with self._spoke:
            wanted = self._turns + turns
            if not self._spoke.wait_for(lambda: self._turns >= wanted or self.errors, timeout):
                raise TimeoutError(f"the clients have had no answer for {timeout} s")

    def stop(self) -> set[str]:
        """Ends the talk; returns the releases that answered in the last turn. Fails if a client missed an answer."""
        self._stop.set()
        self._thread.join()
        for client in self.clients:
            client.close()
        if self.errors:
            raise AssertionError("; ".join(self.errors))
        return set(self.releases)
