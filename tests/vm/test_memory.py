"""An upgrade of kv in a unit whose MemoryMax= has no room for a second copy of its data (cgroup v2)."""
import json
import os
import select
import subprocess
import unittest
from pathlib import Path
from typing import Any

import resp

PORT = 6379
UNIT = "handoff-kv"
GROUP = Path("/sys/fs/cgroup/system.slice") / f"{UNIT}.service"
MIB = 1 << 20
KEYS = 120
VALUE = "x" * MIB
ROOM = KEYS * MIB // 2


class MemoryTest(unittest.TestCase):
    def start(self, *properties: str) -> None:
        """A supervisor with a kv that has 120 MiB of data, in a unit with room for half of it."""
        run = ["handoff", "run", "--name", "kv", "--listen", f"public=tcp:127.0.0.1:{PORT}", "--"]
        unit = ["systemd-run", "--quiet", f"--unit={UNIT}", "--service-type=notify", "-p", "KillMode=mixed"]
        settings = [word for one in properties for word in ("-p", one)]
        subprocess.run([*unit, *settings, *run, "/opt/handoff/handoff-kv-1"], check=True)
        self.addCleanup(self.stop)
        self.client = resp.Client(PORT)
        self.addCleanup(self.client.close)
        for i in range(KEYS):
            self.assertEqual(self.client.ask("SET", f"k{i}", VALUE), "OK")
        self.assertEqual(self.client.ask("SET", "counter", "0"), "OK")
        self.counted = 0
        self.pid = self.status()["pid"]
        self.limit(ROOM)

    @staticmethod
    def stop() -> None:
        subprocess.run(["systemctl", "stop", UNIT], check=False, capture_output=True)
        subprocess.run(["systemctl", "reset-failed", UNIT], check=False, capture_output=True)

    def limit(self, room: int) -> None:
        """So much may be taken yet, files aside that are given back."""
        stat = dict(line.split() for line in (GROUP / "memory.stat").read_text().splitlines())
        files = int(stat["inactive_file"]) + int(stat["active_file"])
        used = int((GROUP / "memory.current").read_text()) - files
        (GROUP / "memory.max").write_text(str(used + room))

    def evidence(self) -> str:
        log = subprocess.run(["journalctl", "-b", "-u", UNIT], capture_output=True, text=True).stdout
        return log + subprocess.run(["dmesg"], capture_output=True, text=True).stdout[-3000:]

    def log(self) -> str:
        subprocess.run(["journalctl", "--sync"], check=True)
        journal = ["journalctl", "--boot", "--output=cat", f"--unit={UNIT}"]
        return subprocess.run(journal, capture_output=True, text=True, check=True).stdout

    def status(self) -> dict[str, Any]:
        told = subprocess.run(["handoff", "status", "kv", "--json"], capture_output=True, text=True, check=True)
        service: dict[str, Any] = json.loads(told.stdout)["services"][0]
        return service

    def killed(self) -> int:
        events = dict(line.split() for line in (GROUP / "memory.events").read_text().splitlines())
        return int(events["oom_kill"])

    def upgrade(self, *flags: str) -> tuple[int, list[dict[str, Any]], str]:
        words = ["handoff", "upgrade", "kv", "/opt/handoff/handoff-kv-2", "--json", "--freeze-budget=10s", *flags]
        told = subprocess.run(words, capture_output=True, text=True)
        return told.returncode, [json.loads(line) for line in told.stdout.splitlines()], told.stdout + told.stderr

    def expect_served(self) -> None:
        self.counted += 1
        self.assertEqual(self.client.ask("INCR", "counter"), self.counted)
        self.assertEqual(self.client.ask("DBSIZE"), KEYS + 1)
        self.assertEqual(self.client.ask("GET", f"k{KEYS - 1}"), VALUE)

    def test_the_old_process_lives_seven_times_of_seven(self) -> None:
        self.start("OOMPolicy=continue", "MemoryMax=1G")
        for time in range(1, 8):
            status, events, said = self.upgrade()
            self.assertEqual(status, 1, said)
            self.assertEqual(events[0]["event"], "warning", said)
            self.assertIn("memory may be short: the old process has ", events[0]["message"])
            error = events[-1]["error"]
            self.assertEqual(error["code"], "resources", said)
            self.assertIn(f"memory ran out of control group /system.slice/{UNIT}.service (at most ", error["message"])
            self.assertIn("MemoryMax=", error["message"])
            self.assertEqual(self.killed(), time)
            self.assertEqual(self.status()["pid"], self.pid)
            self.expect_served()
        self.limit(4 * KEYS * MIB)
        status, _, said = self.upgrade()
        self.assertEqual(status, 0, said)
        self.assertNotEqual(self.status()["pid"], self.pid)
        self.expect_served()
        score = Path(f"/proc/{self.status()['pid']}/oom_score_adj").read_text()
        self.assertEqual(score, Path("/proc/self/oom_score_adj").read_text(), "who owns is not the first to go")

    def test_without_room_for_any_process_nothing_is_begun(self) -> None:
        self.start("OOMPolicy=continue", "MemoryMax=1G")
        self.limit(2 * MIB)
        status, events, said = self.upgrade()
        self.assertEqual(status, 1, said)
        self.assertIn("memory is short: ", events[-1]["error"]["message"])
        self.assertEqual(self.killed(), 0)
        self.limit(ROOM)
        self.expect_served()

    def test_above_memory_high_it_is_warned_of(self) -> None:
        self.start("OOMPolicy=continue", "MemoryMax=1G")
        maximum = int((GROUP / "memory.max").read_text())
        (GROUP / "memory.max").write_text("max")
        (GROUP / "memory.high").write_text(str(maximum))
        # Above it all are slowed down: the first line is waited for, and the end with more room.
        words = ["handoff", "upgrade", "kv", "/opt/handoff/handoff-kv-2", "--json"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as upgrade:
            assert upgrade.stdout
            first = json.loads(upgrade.stdout.readline())
            (GROUP / "memory.high").write_text("max")
            upgrade.communicate()
        self.assertEqual(first["event"], "warning")
        self.expect_served()

    def test_where_the_kernel_ends_a_whole_group_that_is_said_beforehand_and_true(self) -> None:
        self.start("OOMPolicy=kill", "MemoryMax=1G")
        self.assertEqual((GROUP / "memory.oom.group").read_text(), "1\n")
        log = self.log()
        group = f"control group /system.slice/{UNIT}.service"
        self.assertIn(f"when memory runs out the kernel ends all processes of {group}", log)
        self.assertIn("set OOMPolicy=continue in the unit", log)
        old = os.pidfd_open(self.pid)
        self.addCleanup(os.close, old)
        _, events, said = self.upgrade()
        self.assertEqual(events[0]["event"], "warning", said)
        self.assertIn("the old one, too", events[0]["message"])
        self.assertTrue(select.select([old], [], [], 60)[0], "the old process was not in that group")
