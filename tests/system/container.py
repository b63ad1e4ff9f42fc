"""A Debian with systemd as PID 1 and the product installed, for one test. What it writes is thrown away.

systemd-nspawn boots it on an overlay of the cached Debian, in a network namespace of its own. Nothing in it is asked
through a bus or a login: run() enters the container's namespaces, which are held open since its start. A number of a
process could have come to mean another process, or this machine, by then.

All of it lives in namespaces of the run (run.py), so it ends with the run, however that ends.
"""
import ctypes
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgroups import Group

# A busy machine with two cores: what takes a second may take ten.
TIMEOUT_S = 60.0
NAMESPACES = {"mount": "mnt", "uts": "uts", "ipc": "ipc", "net": "net", "pid": "pid", "cgroup": "cgroup"}
CLONE_NEWNET = 0x40000000  # setns(2)
REBOOT = 133  # what systemd-nspawn --keep-unit ends with when the container has rebooted
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Result:
    """What came of a command."""

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
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader: int | None = None  # pidfd of the container's PID 1
        self._namespaces: dict[str, int] = {}
        self._bounding_set = ""

        for folder in ("changes", "work", "root"):
            (self._folder / folder).mkdir(parents=True)
        layers = f"lowerdir={product}:{debian},upperdir={self._folder}/changes,workdir={self._folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self._root], check=True)
        self._notify_path = self._folder / "notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self._notify_path))

    # ---- its life ----

    def start(self, timeout: float = TIMEOUT_S) -> None:
        """Returns when systemd has started all that belongs to its default target."""
        command = [
            "systemd-nspawn", "--quiet", "--boot", f"--directory={self._root}", f"--machine={self.name}",
            # Neither a systemd nor a machined need run on this side.
            "--keep-unit", "--register=no",
            "--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
            "--console=read-only", "--notify-ready=yes", *self._options,
        ]  # fmt: skip
        # cgroup v2 inside, whatever this side has.
        environment = {
            "PATH": PATH,
            "NOTIFY_SOCKET": str(self._notify_path),
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
        }
        with open(self._console_path, "ab") as console:
            self._nspawn = subprocess.Popen(
                ["sh", "-c", f"{self._group.join_command()} exec {shlex.join(command)}"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=environment,
            )
        self._wait_until_ready(time.monotonic() + timeout)

    def reboot(self, timeout: float = TIMEOUT_S) -> None:
        """Shuts down and starts again; the disk keeps what was written."""
        status = self._shut_down("reboot", timeout)
        if status != REBOOT:
            raise RuntimeError(f"{self.name} rebooted, and systemd-nspawn ended with {status}")
        self.start(timeout)

    def poweroff(self, timeout: float = TIMEOUT_S) -> None:
        status = self._shut_down("poweroff", timeout)
        if status != 0:
            raise RuntimeError(f"{self.name} was switched off, and systemd-nspawn ended with {status}")

    def destroy(self) -> None:
        """Kills all that runs in it, and forgets all that it wrote."""
        self._group.kill()
        if self._nspawn is not None:
            self._nspawn.wait()
        if self._leader is not None:
            # PID 1 of the container ends after all others there, those of run() included.
            select.select([self._leader], [], [])
        self._forget_processes()
        self._notify.close()
        subprocess.run(["umount", self._root], check=True)
        self._group.remove()

    def _shut_down(self, how: str, timeout: float) -> int:
        assert self._nspawn is not None, f"{self.name} was not started"
        # Its answer may not arrive: the shutdown ends the command, too.
        self.run(["systemctl", "--no-block", how])
        status = self._nspawn.wait(timeout)
        self._nspawn = None
        self._forget_processes()
        return status

    def _forget_processes(self) -> None:
        for fd in self._namespaces.values():
            os.close(fd)
        self._namespaces = {}
        if self._leader is not None:
            os.close(self._leader)
        self._leader = None

    def _wait_until_ready(self, deadline: float) -> None:
        """systemd-nspawn tells the number of PID 1 when there is one, and when that says that it is ready."""
        assert self._nspawn is not None
        with _pidfd(self._nspawn.pid) as ended:
            while True:
                readable, _, _ = select.select([self._notify, ended], [], [], max(0.0, deadline - time.monotonic()))
                if self._notify in readable:
                    told = self._notify.recv(4096).decode()
                    leader = re.search(r"^X_NSPAWN_LEADER_PID=(\d+)$", told, re.MULTILINE)
                    if leader:
                        self._hold(int(leader[1]))
                    if re.search(r"^READY=1$", told, re.MULTILINE):
                        return
                elif ended in readable:
                    raise RuntimeError(f"systemd-nspawn ended with {self._nspawn.wait()}\n{self.console()}")
                else:
                    raise TimeoutError(f"{self.name} has not started\n{self.console()}")

    def _hold(self, leader: int) -> None:
        """Opens the container's PID 1 and its namespaces."""
        # The folder stays that of one process, whoever has the number later.
        folder = os.open(f"/proc/{leader}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._leader = os.pidfd_open(leader)
            for name, file in NAMESPACES.items():
                self._namespaces[name] = os.open(f"ns/{file}", os.O_RDONLY, dir_fd=folder)
            status = _read_at(folder, "status")
        finally:
            os.close(folder)
        assert self._nspawn is not None
        if f"\nPPid:\t{self._nspawn.pid}\n" not in status:
            raise RuntimeError(f"process {leader} is no child of systemd-nspawn: the container has ended")
        bounds = int(status.split("\nCapBnd:\t", 1)[1].split("\n", 1)[0], 16)
        self._bounding_set = ",".join(["-all", *(f"+cap_{i}" for i in range(64) if bounds >> i & 1)])

    # ---- what is in it ----

    def run(
        self,
        command: str | Sequence[str],
        *,
        user: str | None = None,
        stdin: str = "",
        timeout: float = TIMEOUT_S,
    ) -> Result:
        """Runs a command in the container: a string is for the shell. Its end is waited for, not that of its children
        in the background, which have to let go of its output."""
        process = self._enter(command, user)
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as e:
            _kill(process)
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
        if self._nspawn is None:
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
        made: list[socket.socket | OSError] = []

        def connect_there() -> None:
            # A network namespace is a thread's own; this one ends with the function.
            if _libc.setns(self._namespaces["net"], CLONE_NEWNET) != 0:
                made.append(OSError(ctypes.get_errno(), "setns"))
                return
            made.append(_connected(port, receive_buffer, timeout))

        thread = threading.Thread(target=connect_there)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def _enter(self, command: str | Sequence[str], user: str | None, text: bool = True) -> "subprocess.Popen[Any]":
        if not self._namespaces:
            raise RuntimeError(f"{self.name} does not run")
        enter = ["nsenter", *(f"--{name}=/proc/self/fd/{fd}" for name, fd in self._namespaces.items())]
        # As little as the container's PID 1 may do.
        become = ["setpriv", f"--bounding-set={self._bounding_set}"]
        if user is not None:
            become += [f"--reuid={user}", f"--regid={user}", "--init-groups", "--inh-caps=-all", "--reset-env"]
            # What pam_systemd sets at a login.
            login = 'export XDG_RUNTIME_DIR=/run/user/$(id -u) && cd && exec "$@"'
            become += ["sh", "-c", login, "sh"]
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        return subprocess.Popen(
            [*enter, *become, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=text,
            pass_fds=list(self._namespaces.values()),
            env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"},
            start_new_session=True,
        )

    # ---- systemd ----

    def systemctl(self, *arguments: str, timeout: float = TIMEOUT_S) -> str:
        """Must succeed; what starts, stops or reloads a unit waits until that is done."""
        return self.must(["systemctl", *arguments], timeout=timeout)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit).strip()

    def journal(self, unit: str | None = None) -> str:
        """The messages of this boot: all of them with their times and senders, or those of a unit alone."""
        which = ["--output=cat", f"--unit={unit}"] if unit else ["--output=short-precise"]
        return self.must(["journalctl", "--no-pager", "--boot", *which])

    def wait_for_line(self, pattern: str, unit: str | None = None, timeout: float = TIMEOUT_S) -> str:
        """Waits until a line of the journal (of a unit) has a match, whether it is there already or comes; returns it."""
        for line in self._follow(unit, timeout, f"for a line with /{pattern}/"):
            if re.search(pattern, line):
                return line
        raise AssertionError("a journal that is followed does not end")

    def wait_for_property(self, unit: str, name: str, value: str, timeout: float = TIMEOUT_S) -> None:
        """Waits until a property of a unit has a value: ("handoff", "ActiveState", "active"), say.

        systemd writes a line about each change. It answers in the turn of its loop after that line's, at the earliest,
        and has made the change by then; so it is enough to ask after each line.
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
            _kill(follow)
            follow.wait()
            follow.stdout.close()
            follow.stderr.close()

    # ---- what a failed test shows ----

    @property
    def _console_path(self) -> Path:
        return self._folder / "console"

    def console(self) -> str:
        """What was written to the console, without colours and empty lines."""
        text = self._console_path.read_text(errors="replace") if self._console_path.exists() else ""
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)
        return "\n".join(line for line in plain.splitlines() if line.strip())

    def evidence(self, lines: int = 60) -> str:
        """The end of the console and of the journal, for somebody who was not there."""
        console = "\n".join(self.console().splitlines()[-lines:])
        try:
            journal = "\n".join(self.journal().splitlines()[-lines:])
        except (RuntimeError, TimeoutError, CommandFailed, OSError) as e:
            journal = f"can't be read: {e}"
        return f"---- console of {self.name}\n{console}\n---- journal of {self.name}\n{journal}\n----"


def _connected(port: int, receive_buffer: int | None, timeout: float) -> socket.socket | OSError:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(timeout)
    try:
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.connect(("127.0.0.1", port))
    except OSError as e:
        made.close()
        return e
    return made


def _kill(process: "subprocess.Popen[Any]") -> None:
    """Kills a command of _enter() and what it has started: nsenter leads their process group."""
    os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def _read_at(folder: int, name: str) -> str:
    with open(name, opener=lambda path, flags: os.open(path, flags, dir_fd=folder)) as file:
        return file.read()


def _shown(command: str | Sequence[str]) -> str:
    return command if isinstance(command, str) else shlex.join(command)
