"""Control groups of a run, in both hierarchies that systemd may use: cgroup v2, and v1's name=systemd if it is mounted.

A process can't leave its group by forking, so a group that can be removed shows that nothing was left behind.
"""
import os
import select
from contextlib import suppress
from pathlib import Path

NAME = "handoff-test"


def _parents() -> list[Path]:
    """The groups that this process is in, as folders."""
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers] = path
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        root, folder = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2":
            path = own.get("", "/")
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            path = own.get("name=systemd", "/")
        else:
            continue
        found.append(Path(folder, os.path.relpath(path, root)))
    if not found:
        raise RuntimeError("no cgroup2 is mounted, and systemd needs one: mount -t cgroup2 none /sys/fs/cgroup")
    return found


class Group:
    """One group, as a folder in each hierarchy. Inside a run it has one below for each container."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders
        for folder in folders:
            folder.mkdir(exist_ok=True)

    @classmethod
    def of_a_run(cls) -> "Group":
        parents = _parents()
        for parent in parents:
            for old in parent.glob(f"{NAME}-*"):
                if not Path("/proc", old.name.rpartition("-")[2]).exists():
                    with suppress(OSError):
                        _remove(old)  # of a run that was killed before it could do so
        return cls([parent / f"{NAME}-{os.getpid()}" for parent in parents])

    def below(self, name: str) -> "Group":
        return Group([folder / name for folder in self.folders])

    def join_command(self) -> str:
        """A line for a shell that then executes a program: the program and all that it starts are in the group."""
        return "".join(f"echo $$ >'{folder}/cgroup.procs' && " for folder in self.folders)

    def kill(self) -> None:
        """Kills all processes of the group, and returns when it is empty."""
        for folder in self.folders:
            if not (folder / "cgroup.kill").exists():
                continue  # of v1: the same processes are in the other hierarchy
            (folder / "cgroup.kill").write_text("1")
            with open(folder / "cgroup.events") as events:
                changed = select.poll()
                changed.register(events, select.POLLPRI)
                while "populated 1" in events.read():
                    changed.poll()
                    events.seek(0)

    def remove(self) -> None:
        """Removes the group; fails with EBUSY while a process is in it."""
        for folder in self.folders:
            _remove(folder)


def _remove(top: Path) -> None:
    for folder, _, _ in os.walk(top, topdown=False):
        os.rmdir(folder)
