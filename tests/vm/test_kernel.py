"""Features that tests in the virtual machine rely on and hosts often lack: cgroup v2's limits, kTLS, CRIU."""
import os
import signal
import socket
import subprocess
import unittest
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
LIMIT = 32 << 20
# Takes twice the limit, a page at a time.
GLUTTON = f"import mmap\nm = mmap.mmap(-1, {2 * LIMIT})\nfor i in range(0, len(m), 4096): m[i] = 1"
BYSTANDER = "import sys; print('here', flush=True); sys.stdin.read()"


class MemoryLimitTest(unittest.TestCase):
    def setUp(self) -> None:
        self.group = CGROUPS / "handoff-limit"
        self.group.mkdir()
        self.addCleanup(self.group.rmdir)
        (CGROUPS / "cgroup.subtree_control").write_text("+memory")
        (self.group / "memory.max").write_text(str(LIMIT))

    def start(self, code: str) -> "subprocess.Popen[str]":
        """A Python in the group."""
        join = f"echo $$ >{self.group}/cgroup.procs && exec python3 -c \"$1\""
        process = subprocess.Popen(
            ["sh", "-c", join, "sh", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process: "subprocess.Popen[str]") -> None:
        process.kill()
        process.communicate()

    def events(self) -> dict[str, int]:
        lines = (self.group / "memory.events").read_text().splitlines()
        return {name: int(count) for name, count in (line.split() for line in lines)}

    def bystander(self) -> "subprocess.Popen[str]":
        process = self.start(BYSTANDER)
        assert process.stdout
        self.assertEqual(process.stdout.readline(), "here\n")
        return process

    def test_control_groups_are_version_2(self) -> None:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        self.assertEqual([kind for _, path, kind, *_ in mounts if path.startswith(str(CGROUPS))], ["cgroup2"])
        self.assertIn("memory", (CGROUPS / "cgroup.controllers").read_text().split())

    def test_who_goes_over_memory_max_is_killed_and_counted(self) -> None:
        bystander = self.bystander()
        self.assertEqual(self.events()["oom_kill"], 0)
        glutton = self.start(GLUTTON)
        self.assertEqual(glutton.wait(), -signal.SIGKILL)
        self.assertEqual(self.events()["oom_kill"], 1)
        self.assertEqual(self.events()["oom_group_kill"], 0)
        self.assertIsNone(bystander.poll(), "somebody else was killed as well")

    def test_oom_group_takes_the_whole_group(self) -> None:
        (self.group / "memory.oom.group").write_text("1")
        bystander = self.bystander()
        glutton = self.start(GLUTTON)
        self.assertEqual(glutton.wait(), -signal.SIGKILL)
        self.assertEqual(bystander.wait(), -signal.SIGKILL)
        self.assertEqual(self.events()["oom_group_kill"], 1)


class KernelTlsTest(unittest.TestCase):
    TCP_ULP = 31

    def test_a_connection_takes_the_upper_layer_protocol_tls(self) -> None:
        subprocess.run(["modprobe", "tls"], check=True)
        self.assertTrue(Path("/sys/module/tls").is_dir())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection(listener.getsockname()) as client:
                client.setsockopt(socket.IPPROTO_TCP, self.TCP_ULP, b"tls")
                self.assertEqual(client.getsockopt(socket.IPPROTO_TCP, self.TCP_ULP, 16).rstrip(b"\0"), b"tls")


class CriuTest(unittest.TestCase):
    def test_criu_finds_all_that_it_needs(self) -> None:
        check = subprocess.run(["criu", "check"], capture_output=True, text=True)
        said = check.stdout + check.stderr
        self.assertEqual(check.returncode, 0, said)
        self.assertIn("Looks good.", said)


class KernelTest(unittest.TestCase):
    def test_it_is_debians_own(self) -> None:
        self.assertRegex(os.uname().release, r"^6\.1\.0-\d+-cloud-amd64$")
