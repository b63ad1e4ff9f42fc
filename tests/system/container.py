"""A Debian with systemd as PID 1 and the product installed, for one test. What it writes is thrown away.

It boots on an overlay of the cached Debian, in a network namespace of its own. Nothing in it is asked through a bus or
a login: run() enters the container's namespaces.

All of it lives in namespaces of the run (run.py), so it ends with the run, however that ends.
"""
import os
import re
import select
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nspawn
from cgroups import Group

# On a busy machine with two cores a second's work may take ten, so nothing gets less than a minute.
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Result:
    """The result of a command."""

    command: str
    status: int  # -N: ended by signal N
    out: str
    err: str

    def __str__(self) -> str:
        return f"`{self.command}` ended with {self.status}\n{self.out}{self.err}"


class CommandFailed(Exception):
    pass


class Container:
    def __init__(
        self,
        name: str,
        *,
        debian: Path,
        product: Path,
        scratch: Path,
        group: Group,
        without_capabilities: Sequence[str] = (),
        read_only: bool = False,
    ) -> None:
        """`read_only`: the root is; /run, /tmp and /var are in memory and end with a reboot."""
        self.name = name
        self._folder = scratch / name
        self._root = self._folder / "root"
        self._group = group
        self._options = [f"--drop-capability={capability}" for capability in without_capabilities]
        if read_only:
            self._options.append("--volatile=state")
        self._boot: nspawn.Nspawn | None = None

        for folder in ("changes", "work", "root"):
            (self._folder / folder).mkdir(parents=True)
        layers = f"lowerdir={product}:{debian},upperdir={self._folder}/changes,workdir={self._folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self._root], check=True)

    # ---- its life ----

    def start(self, timeout: float = TIMEOUT_S) -> None:
        """Returns when systemd has started all that belongs to its default target."""
        self._boot = nspawn.Nspawn(self.name, self._root, self._group, self._options, self._console_path)
        self._boot.wait_until_ready(timeout)

    def reboot(self, timeout: float = TIMEOUT_S) -> None:
        """Shuts down and starts again; the disk keeps what was written."""
        self._shut_down("reboot", nspawn.REBOOTED, timeout)
        self.start(timeout)

    def poweroff(self, timeout: float = TIMEOUT_S) -> None:
        self._shut_down("poweroff", 0, timeout)

    def destroy(self) -> None:
        """Kills all processes of the container, and throws away all that it wrote."""
        if self._boot is not None:
            self._boot.end()
        subprocess.run(["umount", self._root], check=True)
        self._group.remove()

    def _shut_down(self, how: str, expected: int, timeout: float) -> None:
        assert self._boot is not None, f"{self.name} was not started"
        # The shutdown ends the command, too, so its answer may not arrive.
        self.run(["systemctl", "--no-block", how])
        status = self._boot.wait(timeout)
        self._boot.end()
        self._boot = None
        if status != expected:
            raise RuntimeError(f"{self.name}, {how}: systemd-nspawn ended with {status}, not {expected}")

    # ---- what is in it ----

    def run(
        self,
        command: str | Sequence[str],
        *,
        user: str | None = None,
        stdin: str = "",
        timeout: float = TIMEOUT_S,
    ) -> Result:
        """Runs a command in the container, a string by the shell, and waits for its end. Children in the background
        must close their output, and are not waited for."""
        process = self._enter(command, user)
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as e:
            nspawn.kill(process)
            out, err = process.communicate()
            raise TimeoutError(f"{_shown(command)} did not end within {timeout} s\n{out}{err}") from e
        return Result(_shown(command), process.returncode, out, err)

    def must(self, command: str | Sequence[str], **options: Any) -> str:
        """Runs a command that has to succeed, with the options of run(); returns what it printed."""
        result = self.run(command, **options)
        if result.status != 0:
            raise CommandFailed(str(result))
        return result.out

    def put(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """Writes a file, and the folders above it. Before the start also into a root that is read-only later."""
        data = text.encode() if isinstance(text, str) else text
        if self._boot is None:
            file = self._root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            file.chmod(mode)
            return
        quoted = shlex.quote(path)
        script = f'mkdir -p "$(dirname {quoted})" && cat >{quoted} && chmod {mode:o} {quoted}'
        process = self._enter(script, None, text=False)
        out, err = process.communicate(data, TIMEOUT_S)
        if process.returncode != 0:
            raise CommandFailed(f"{path} can't be written: {err!r}")

    def get(self, path: str) -> str:
        return self.must(["cat", path])

    def add_user(self, name: str) -> int:
        """An account with a systemd and a /run/user/UID of its own, as a login would have made it. Returns the uid."""
        self.must(["useradd", "--create-home", "--shell", "/bin/bash", name])
        uid = int(self.must(["id", "-u", name]))
        self.must(["loginctl", "enable-linger", name])
        # enable-linger asks for the user's systemd and does not wait for it; this job waits for the same.
        self.must(["systemctl", "start", f"user@{uid}.service"])
        return uid

    def connect(self, port: int, receive_buffer: int | None = None, timeout: float = TIMEOUT_S) -> socket.socket:
        """Connects to 127.0.0.1 of the container. The socket stays in the container's network."""

        def connected() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            made.settimeout(timeout)
            try:
                if receive_buffer is not None:
                    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
                made.connect(("127.0.0.1", port))
            except OSError:
                made.close()
                raise
            return made

        return self._running().in_its_network(connected)

    def _running(self) -> nspawn.Nspawn:
        if self._boot is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._boot

    def _enter(self, command: str | Sequence[str], user: str | None, text: bool = True) -> "subprocess.Popen[Any]":
        become: list[str] = []
        if user is not None:
            become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
            become += ["--inh-caps=-all", "--reset-env"]
            # pam_systemd sets this at a login.
            become += ["sh", "-c", 'export XDG_RUNTIME_DIR=/run/user/$(id -u) && cd && exec "$@"', "sh"]
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        return self._running().enter([*become, *words], text)

    # ---- systemd ----

    def systemctl(self, *arguments: str, timeout: float = TIMEOUT_S) -> str:
        """Runs systemctl, which must succeed. Starting, stopping or reloading a unit waits until that is done."""
        return self.must(["systemctl", *arguments], timeout=timeout)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit).strip()

    def journal(self, unit: str | None = None) -> str:
        """The messages of this boot: all of them with their times and senders, or those of a unit alone."""
        which = ["--output=cat", f"--unit={unit}"] if unit else ["--output=short-precise"]
        return self.must(["journalctl", "--no-pager", "--boot", *which])

    def wait_for_line(
        self, pattern: str, unit: str | None = None, *, times: int = 1, timeout: float = TIMEOUT_S
    ) -> str:
        """Waits until the journal of this boot (of a unit) has so many lines with a match, old ones included; returns
        the last of them."""
        for line in self._follow(unit, timeout, f"for {times} lines with /{pattern}/"):
            if re.search(pattern, line):
                times -= 1
            if times == 0:
                return line
        raise AssertionError("a journal that is followed does not end")

    def wait_for_property(self, unit: str, name: str, value: str, timeout: float = TIMEOUT_S) -> None:
        """Waits until a property of a unit has a value: ("handoff", "ActiveState", "active"), say.

        systemd writes a line about each change, and answers a question only in a later turn of its loop, when the
        change is made. So it is enough to ask after each line.
        """
        if self.show(unit, name) == value:
            return
        for _ in self._follow(unit, timeout, f"until {name} of {unit} is {value}"):
            if self.show(unit, name) == value:
                return

    def _follow(self, unit: str | None, timeout: float, what: str) -> Iterator[str]:
        deadline = time.monotonic() + timeout
        which = [f"--unit={unit}"] if unit else []
        follow = self._enter(
            ["journalctl", "--follow", "--boot", "--no-pager", "--lines=all", "--output=cat", *which], None, text=False
        )
        assert follow.stdin and follow.stdout and follow.stderr
        follow.stdin.close()
        rest = b""
        try:
            while True:
                readable, _, _ = select.select([follow.stdout], [], [], max(0.0, deadline - time.monotonic()))
                if not readable:
                    raise TimeoutError(f"waited {timeout} s {what}")
                some = os.read(follow.stdout.fileno(), 65536)
                if not some:
                    raise RuntimeError(f"journalctl ended: {follow.stderr.read()!r}")
                *lines, rest = (rest + some).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")
        finally:
            nspawn.kill(follow)
            follow.wait()
            follow.stdout.close()
            follow.stderr.close()

    # ---- what a failed test shows ----

    @property
    def _console_path(self) -> Path:
        return self._folder / "console"

    def console(self) -> str:
        """The console's text, without colours and empty lines."""
        text = self._console_path.read_text(errors="replace") if self._console_path.exists() else ""
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)
        return "\n".join(line for line in plain.splitlines() if line.strip())

    def evidence(self, lines: int = 60) -> str:
        """The end of the console and of the journal, as evidence of a failed test."""
        console = "\n".join(self.console().splitlines()[-lines:])
        try:
            journal = "\n".join(self.journal().splitlines()[-lines:])
        except (RuntimeError, TimeoutError, CommandFailed, OSError) as e:
            journal = f"can't be read: {e}"
        return f"---- console of {self.name}\n{console}\n---- journal of {self.name}\n{journal}\n----"


def _shown(command: str | Sequence[str]) -> str:
    return command if isinstance(command, str) else shlex.join(command)
