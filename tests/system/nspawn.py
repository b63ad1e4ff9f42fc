"""One boot of a container: systemd-nspawn, and the namespaces of the PID 1 that it has started.

The namespaces are held open from the start on: a pid could mean another process, even one of this machine, by the time
that a test enters them.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cgroups import Group

NAMESPACES = {"mount": "mnt", "uts": "uts", "ipc": "ipc", "net": "net", "pid": "pid", "cgroup": "cgroup"}
CLONE_NEWNET = 0x40000000  # setns(2)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REBOOTED = 133  # what systemd-nspawn --keep-unit ends with when the container wants to start again

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


class Nspawn:
    def __init__(self, name: str, root: Path, group: Group, options: Sequence[str], console: Path) -> None:
        """`root` is a folder that has a Debian; `console` a file that gets what is written to the console."""
        self._group = group
        self._leader: int | None = None  # pidfd of the container's PID 1
        self._namespaces: dict[str, int] = {}
        notify = root.with_name("notify")
        notify.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(notify))
        command = [
            "systemd-nspawn", "--quiet", "--boot", f"--directory={root}", f"--machine={name}",
            # This machine need run neither a systemd nor a machined.
            "--keep-unit", "--register=no",
            "--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
            "--console=read-only", "--notify-ready=yes", *options,
        ]  # fmt: skip
        # The container has cgroup v2, whatever this machine has.
        environment = {"PATH": PATH, "NOTIFY_SOCKET": str(notify), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with open(console, "ab") as output:
            self._process = subprocess.Popen(
                ["sh", "-c", f"{group.join_command()} exec {shlex.join(command)}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )

    def wait_until_ready(self, timeout: float) -> None:
        """Hears systemd-nspawn tell the pid of the container's PID 1, and later that it is ready."""
        deadline = time.monotonic() + timeout
        with _pidfd(self._process.pid) as ended:
            while True:
                left = max(0.0, deadline - time.monotonic())
                readable, _, _ = select.select([self._notify, ended], [], [], left)
                if self._notify in readable:
                    told = self._notify.recv(4096).decode()
                    leader = re.search(r"^X_NSPAWN_LEADER_PID=(\d+)$", told, re.MULTILINE)
                    if leader:
                        self._hold(int(leader[1]))
                    if re.search(r"^READY=1$", told, re.MULTILINE):
                        return
                elif ended in readable:
                    raise RuntimeError(f"systemd-nspawn ended with {self._process.wait()}")
                else:
                    raise TimeoutError(f"the container has not started in {timeout} s")

    def enter(self, command: Sequence[str], text: bool = True) -> "subprocess.Popen[str] | subprocess.Popen[bytes]":
        """Starts a command in the container, with the rights of its PID 1. kill() ends it."""
        return subprocess.Popen(
            [
                "nsenter",
                *(f"--{name}=/proc/self/fd/{fd}" for name, fd in self._namespaces.items()),
                *("setpriv", f"--bounding-set={self._bounding_set}"),
                *command,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=text,
            pass_fds=list(self._namespaces.values()),
            env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"},
            start_new_session=True,
        )

    def in_its_network(self, call: Callable[[], T]) -> T:
        """Calls a function in the container's network. A socket that it makes stays in that network."""
        returned: list[T] = []
        raised: list[OSError] = []

        def there() -> None:
            # setns(2) changes the network of one thread, and this thread ends with the function.
            try:
                if _libc.setns(self._namespaces["net"], CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                returned.append(call())
            except OSError as e:
                raised.append(e)

        thread = threading.Thread(target=there)
        thread.start()
        thread.join()
        if raised:
            raise raised[0]
        return returned[0]

    def wait(self, timeout: float) -> int:
        """Waits until the container has shut down; returns systemd-nspawn's exit status."""
        return self._process.wait(timeout)

    def end(self) -> None:
        """Kills all processes that still run in the container."""
        self._process.kill()  # systemd-nspawn may not have joined the group yet
        self._group.kill()
        self._process.wait()
        if self._leader is not None:
            # PID 1 of the container ends after all others there, those of enter() included.
            select.select([self._leader], [], [])
            os.close(self._leader)
        self._leader = None
        for fd in self._namespaces.values():
            os.close(fd)
        self._namespaces = {}
        self._notify.close()

    def _hold(self, number: int) -> None:
        """Opens the container's PID 1 and its namespaces."""
        # The open folder belongs to one process, even if its pid is used again, and is empty once that has ended.
        folder = os.open(f"/proc/{number}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            status = _read_at(folder, "status")
            if f"\nPPid:\t{self._process.pid}\n" not in status:
                raise RuntimeError(f"process {number} is no child of systemd-nspawn: the container has ended")
            leader = os.pidfd_open(number)
            for name, file in NAMESPACES.items():
                self._namespaces[name] = os.open(f"ns/{file}", os.O_RDONLY, dir_fd=folder)
            self._leader = leader  # the pid meant this process, since its folder still has namespaces
        finally:
            os.close(folder)
        bounds = int(status.split("\nCapBnd:\t", 1)[1].split("\n", 1)[0], 16)
        self._bounding_set = ",".join(["-all", *(f"+cap_{i}" for i in range(64) if bounds >> i & 1)])


def kill(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Kills a command of enter() and what it has started: nsenter leads their process group."""
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
