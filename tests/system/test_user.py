"""A supervisor of a user who is not root, in the runtime folder that systemd has made for the user."""
import echo
from handoff_unit import ECHO_1, ECHO_2, SERVES, upgrade
from machines import SystemTest

RUN = ["handoff", "run", "--name", "echo", "--listen", f"public=tcp:127.0.0.1:{echo.PORT}", "--", ECHO_1]


class UserTest(SystemTest):
    def test_a_user_runs_and_upgrades_a_service(self) -> None:
        container = self.container()
        container.start()
        uid = container.add_user("alice")
        container.add_user("bob")
        start = ["systemd-run", "--user", "--quiet", "--unit=supervisor", "--service-type=notify", *RUN]
        container.must(start, user="alice")
        container.wait_for_line(SERVES)
        runtime = f"/run/user/{uid}/handoff"
        self.assertEqual(container.must(f"stat -c '%U %a' {runtime}"), "alice 700\n")

        swarm = echo.Swarm(container, 20)
        self.addCleanup(swarm.stop)
        swarm.wait_for_turns(3)
        self.assertEqual(upgrade(container, ECHO_2, user="alice")["sessions"]["moved"], 20)
        swarm.wait_for_turns(3)
        self.assertEqual(swarm.stop(), {"2"})
        self.assertRegex(container.must("handoff history", user="alice"), r"echo +upgrade ")

        with self.subTest("others"):
            self.assertEqual(container.run("handoff status", user="bob").status, 3, "bob has no supervisor")
            there = container.run(f"HANDOFF_RUNTIME_DIR={runtime} handoff status", user="bob")
            self.assertNotEqual(there.status, 0, "bob was answered by alice's supervisor")
            seen_by_root = container.must(f"HANDOFF_RUNTIME_DIR={runtime} handoff status echo --json")
            self.assertIn('"release":"2.0"', seen_by_root)

        container.must("systemctl --user stop supervisor", user="alice")
        self.assertEqual(container.run("pgrep -u alice handoff").out, "")
