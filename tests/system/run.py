#!/usr/bin/python3
"""Runs the system tests; tests/system/run calls it, as root.

    tests/system/run.py DEBIAN PRODUCT [NAME...]

DEBIAN is the folder of tests/machine/root, PRODUCT that of tests/machine/stage. A NAME chooses the cases whose names
contain it.

The cases run in a mount namespace, a PID namespace and several control groups of their own. However the run ends, the
kernel ends its processes and takes its mounts away, and with them the tmpfs that has all written files. Only the empty
control groups are left. If removing them fails, a process is still in them, and the run fails.
"""
import os
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # not into the sources, as root
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support")]

import cases  # noqa: E402
import machines  # noqa: E402
from cgroups import Group  # noqa: E402

INSIDE = "--inside"


def outside(arguments: list[str]) -> int:
    if os.geteuid() != 0:
        sys.exit("tests/system/run.py: only root can run containers")
    group = Group.of_a_run()
    # unshare is killed with this process, and the run's PID 1 with unshare.
    unshare = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    folders = ":".join(map(str, group.folders))
    # PID 1 of the run is a shell, since one of its tasks is to wait for orphans: a container can't end before the last
    # of its processes was waited for.
    init = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, __file__, INSIDE, folders]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    run = subprocess.Popen([*unshare, *init, *arguments])
    try:
        return run.wait()
    except Ended as e:
        return 128 + e.signal
    finally:
        run.kill()  # unshare, and with it PID 1 of the run
        group.kill()
        group.remove()


class Ended(BaseException):
    def __init__(self, number: int) -> None:
        self.signal = number


def _end(number: int, _: object) -> None:
    raise Ended(number)


def inside(folders: str, debian: str, product: str, names: list[str]) -> int:
    # outside() handles Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    group = Group([Path(folder) for folder in folders.split(":")])
    for folder in group.folders:
        (folder / "cgroup.procs").write_text("0")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", machines.SCRATCH], check=True)
    # In a container the product belongs to root, whichever user has built it.
    copy = machines.SCRATCH / "product"
    subprocess.run(["cp", "-dR", "--preserve=mode,timestamps", product, copy], check=True)
    machines.prepare(debian=Path(debian), product=copy, scratch=machines.SCRATCH / "containers", group=group)
    return cases.run(FOLDER, names)


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        sys.exit(inside(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]))
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(outside(sys.argv[1:]))
