"""A container does what container.py says: the other system tests rely on that."""
from machines import SystemTest


class ContainerTest(SystemTest):
    def test_a_command_has_its_own_status_and_output(self) -> None:
        container = self.container()
        container.start()
        result = container.run("cat; echo out; echo err >&2; exit 7", stdin="in\n")
        self.assertEqual((result.status, result.out, result.err), (7, "in\nout\n", "err\n"))
        self.assertEqual(container.run("kill -KILL $$").status, -9)
        self.assertEqual(container.run(["printf", "%s", "a b"]).out, "a b")
        with self.assertRaises(TimeoutError):
            container.run("sleep 60", timeout=0.2)
        self.assertEqual(container.run("pgrep -x sleep").out, "", "a command that took too long runs on")

    def test_it_is_a_machine_of_its_own(self) -> None:
        container = self.container()
        container.start()
        self.assertEqual(container.must("systemctl is-system-running"), "running\n")
        self.assertEqual(container.must("hostname").strip(), container.name)
        self.assertEqual(container.must("ps -o comm= 1"), "systemd\n")
        self.assertEqual(container.must("ip -o link | wc -l").strip(), "1", "it has more than a loopback")
        self.assertEqual(container.must("stat -f -c %T /sys/fs/cgroup"), "cgroup2fs\n")

    def test_a_reboot_keeps_the_disk_and_nothing_else(self) -> None:
        container = self.container()
        container.put("/etc/before", "before the start")
        container.start()
        self.assertEqual(container.get("/etc/before"), "before the start")
        container.put("/srv/deep/down", "on the disk", mode=0o750)
        self.assertEqual(container.must("stat -c %a /srv/deep/down"), "750\n")
        container.put("/run/mark", "in memory")
        container.reboot()
        self.assertEqual(container.get("/srv/deep/down"), "on the disk")
        self.assertNotEqual(container.run("test -e /run/mark").status, 0)
        self.assertIn("Rebooting", container.console())
        container.poweroff()
        container.start()
        self.assertEqual(container.get("/srv/deep/down"), "on the disk")

    def test_all_programs_find_their_libraries(self) -> None:
        container = self.container()
        container.start()
        linked = container.must("ldd /usr/bin/handoff /usr/libexec/handoff/* /opt/handoff/*")
        missing = [line.strip() for line in linked.splitlines() if "not found" in line]
        self.assertEqual(missing, [], "tests/machine/root lacks a package")
        self.assertIn("Everything that is needed is there.", container.must("handoff doctor"))
