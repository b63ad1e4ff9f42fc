"""A client of the example `kv`, which speaks RESP2."""
import socket

Reply = str | int | None | list["Reply"]


class Client:
    def __init__(self, port: int, timeout: float = 120) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._input = self._socket.makefile("rb")

    def ask(self, *words: str) -> Reply:
        self.send_only(*words)
        return self.reply()

    def send_only(self, *words: str) -> None:
        parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
        self._socket.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())

    def reply(self) -> Reply:
        line = self._input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the connection ended in a reply: {line!r}")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self._input.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == "-1" else [self.reply() for _ in range(int(rest))]
        raise AssertionError(f"the reply was {line!r}")

    def close(self) -> None:
        self._input.close()
        self._socket.close()
