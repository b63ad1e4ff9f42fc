"""`handoff` under systemd, by the unit that is installed."""
import json
import signal

import echo
from handoff_unit import CONFIG, CONFIG_PATH, ECHO_1, ECHO_2, SERVES, UnitTest, echo_status, upgrade


class UnitUnderSystemdTest(UnitTest):
    def test_clients_may_connect_once_it_has_started(self) -> None:
        container = self.unit()
        container.systemctl("start", "handoff")
        # No waiting: systemctl has returned, so READY=1 was said.
        client = echo.Client(container)
        self.assertEqual(client.say("hello"), "1")
        client.close()
        self.assertEqual(container.show("handoff", "ActiveState"), "active")
        container.wait_for_line("echo: public listens on tcp:127.0.0.1:7000", unit="handoff")
        container.wait_for_line(SERVES, unit="handoff")
        status = echo_status(container)
        self.assertEqual((status["state"], status["release"], status["generation"]), ("running", "1.0", 1))

    def test_an_upgrade_loses_no_client(self) -> None:
        container = self.serving()
        swarm = echo.Swarm(container, 50)
        self.addCleanup(swarm.stop)
        swarm.wait_for_turns(3)
        done = upgrade(container, ECHO_2)
        swarm.wait_for_turns(3)
        self.assertEqual(swarm.stop(), {"2"})
        self.assertEqual((done["result"], done["sessions"]["moved"], done["sessions"]["lost"]), ("done", 50, 0))
        status = echo_status(container)
        self.assertEqual((status["release"], status["generation"]), ("2.0", 2))
        container.wait_for_line(r"echo: .*release 2\.0", unit="handoff")

    def test_reload_reads_the_configuration_again(self) -> None:
        container = self.serving()
        client = echo.Client(container)
        client.say("before")
        container.put(CONFIG_PATH, CONFIG + 'drain = "1m"\n')
        container.systemctl("reload", "handoff")
        container.wait_for_line(r"echo: drain: 30\.0 s -> 1 min 00 s", unit="handoff")
        self.assertEqual(client.say("after"), "1")
        client.close()

        container.put(CONFIG_PATH, CONFIG + 'drian = "1m"\n')
        self.assertNotEqual(container.run("systemctl reload handoff").status, 0)
        self.assertEqual(container.show("handoff", "ActiveState"), "active")
        self.assertEqual(echo_status(container)["state"], "running")

    def test_stop_waits_until_clients_have_their_answers(self) -> None:
        container = self.serving()
        # 400 kB of answers: more than the kernel has room for, and less than a service keeps before it stops reading
        # (1 MiB).
        container.must(["sysctl", "--quiet", "--write", "net.ipv4.tcp_wmem=4096 16384 65536"])
        client = echo.Client(container, receive_buffer=4096)
        questions = [f"{i} ".ljust(2000, ".") for i in range(200)]
        client.send_only("\n".join(questions))
        # During these the service's loop turns often enough to read all of them.
        other = echo.Client(container)
        for _ in range(50):
            other.say("hello")
        container.systemctl("stop", "--no-block", "handoff")
        self.assertTrue(other.ended(), "a client that has its answers is not let go")
        container.wait_for_line("echo: stopping", unit="handoff")
        self.assertEqual(container.show("handoff", "ActiveState"), "deactivating", "it did not wait")
        for question in questions:
            client.hear(question)
        self.assertTrue(client.ended())
        client.close()
        other.close()
        container.wait_for_property("handoff", "ActiveState", "inactive")
        self.assertEqual(container.show("handoff", "Result"), "success")
        self.assertEqual(container.run(["pgrep", "-x", "handoff-echo-1"]).out, "")

    def test_one_service_that_never_comes_up_and_seven_kills_end_nobody_else(self) -> None:
        container = self.unit()
        never = '\n[service.never]\ncommand = ["/bin/sleep", "600"]\nstart_timeout = "10m"\n'
        missing = '\n[service.missing]\ncommand = ["/no/such/program"]\n'
        container.put(CONFIG_PATH, CONFIG + never + missing)
        container.systemctl("start", "handoff")  # returns although one of them is still starting
        container.wait_for_line(SERVES, unit="handoff")
        client = echo.Client(container)
        before = echo_status(container)
        # Five starts in ten seconds are systemd's default limit.
        for kills in range(1, 8):
            container.systemctl("kill", "--kill-whom=main", "--signal=KILL", "handoff")
            self.assertEqual(client.say("hello"), "1")
            container.wait_for_line(SERVES, unit="handoff", times=kills + 1)
        after = echo_status(container)
        self.assertEqual((after["pid"], after["generation"]), (before["pid"], before["generation"]))
        self.assertEqual(client.say("hello"), "1")
        client.close()

    def test_a_killed_supervisor_comes_back_and_its_services_did_not_notice(self) -> None:
        container = self.serving()
        swarm = echo.Swarm(container, 20)
        self.addCleanup(swarm.stop)
        swarm.wait_for_turns(3)
        before = echo_status(container)
        supervisor = container.show("handoff", "MainPID")
        container.systemctl("kill", "--kill-whom=main", "--signal=KILL", "handoff")
        swarm.wait_for_turns(3)
        container.wait_for_line(r"echo: generation 1 \(pid \d+\) is back", unit="handoff")
        container.wait_for_property("handoff", "SubState", "running")
        self.assertNotEqual(container.show("handoff", "MainPID"), supervisor)
        after = echo_status(container)
        for same in ("pid", "generation", "digest", "release"):
            self.assertEqual(after[same], before[same], same)
        self.assertEqual(upgrade(container, ECHO_2)["sessions"]["moved"], 20)
        swarm.wait_for_turns(3)
        self.assertEqual(swarm.stop(), {"2"})

    def test_connections_wait_in_the_fd_store_when_all_are_killed(self) -> None:
        container = self.serving()
        self.assertEqual(container.show("handoff", "NFileDescriptorStore"), "1")
        # Supervisor and service are killed at once, and the restart is held up, so neither runs while the client
        # connects.
        container.put("/etc/systemd/system/handoff.service.d/wait.conf", "[Service]\nExecStartPre=cat /run/gate\n")
        container.must("mkfifo /run/gate && systemctl daemon-reload")
        container.must(["systemctl", "kill", "--kill-whom=all", "--signal=KILL", "handoff"])
        container.wait_for_property("handoff", "SubState", "start-pre")
        self.assertEqual(container.run(["pgrep", "-x", "handoff|handoff-echo-1"]).out, "")
        client = echo.Client(container)
        client.send_only("into the queue")
        container.must("echo open >/run/gate")
        self.assertEqual(client.hear("into the queue"), "1")
        client.close()
        container.wait_for_property("handoff", "SubState", "running")
        self.assertEqual(container.show("handoff", "NFileDescriptorStore"), "1")

    def test_after_a_reboot_what_was_chosen_runs(self) -> None:
        container = self.serving()
        container.systemctl("enable", "handoff")
        upgrade(container, ECHO_2)
        self.assertEqual(echo_status(container)["release"], "2.0")
        container.reboot()
        container.wait_for_line(r"echo: running: generation 1, release 2\.0, pid \d+", unit="handoff")
        container.wait_for_line(rf"echo: what runs is {ECHO_2}, as it was chosen", unit="handoff")
        client = echo.Client(container)
        self.assertEqual(client.say("hello"), "2")
        client.close()
        history = container.must("handoff history")
        self.assertRegex(history, r"echo +upgrade .*1\.0 .*2\.0 ", "the history was lost")

    def test_the_supervisor_replaces_itself_and_is_still_the_units(self) -> None:
        container = self.serving()
        swarm = echo.Swarm(container, 20)
        self.addCleanup(swarm.stop)
        swarm.wait_for_turns(3)
        before = echo_status(container)
        supervisor = container.show("handoff", "MainPID")
        container.must("handoff upgrade --self")
        self.assertEqual(container.show("handoff", "MainPID"), supervisor)
        self.assertEqual(container.show("handoff", "ActiveState"), "active")
        self.assertEqual(echo_status(container)["pid"], before["pid"])
        container.systemctl("reload", "handoff")
        self.assertEqual(upgrade(container, ECHO_2)["sessions"]["moved"], 20)
        swarm.wait_for_turns(3)
        self.assertEqual(swarm.stop(), {"2"})

    def test_a_stop_takes_as_long_as_its_services_drain(self) -> None:
        container = self.unit()
        # The drain is longer than TimeoutStopSec, and the service makes it last: it is halted.
        container.put(CONFIG_PATH, CONFIG + 'drain = "8s"\n')
        container.put("/etc/systemd/system/handoff.service.d/stop.conf", "[Service]\nTimeoutStopSec=2\n")
        container.must("systemctl daemon-reload")
        container.systemctl("start", "handoff")
        container.wait_for_line(SERVES, unit="handoff")
        container.must(f"kill -STOP {echo_status(container)['pid']}")
        container.systemctl("stop", "handoff")
        container.wait_for_line("it is still there after the drain: SIGKILL", unit="handoff")
        self.assertEqual(container.show("handoff", "Result"), "success", "systemd did not wait")
        self.assertEqual(container.run(["pgrep", "-x", "handoff-echo-1"]).out, "")

    def test_what_outlives_a_stop_is_adopted_by_the_next_start(self) -> None:
        container = self.serving()
        client = echo.Client(container)
        client.say("hello")
        before = echo_status(container)
        # It does not react to that signal, so systemd kills it when its time is over.
        deaf = "[Service]\nKillSignal=SIGURG\nTimeoutStopSec=1\n"
        container.put("/etc/systemd/system/handoff.service.d/stop.conf", deaf)
        container.must("systemctl daemon-reload")
        container.systemctl("stop", "handoff")
        self.assertEqual(container.show("handoff", "Result"), "timeout")
        self.assertEqual(client.say("nobody supervises it"), "1")
        container.systemctl("start", "handoff")
        container.wait_for_line(r"echo: generation 1 \(pid \d+\) is back", unit="handoff")
        after = echo_status(container)
        self.assertEqual((after["pid"], after["state"]), (before["pid"], "running"))
        self.assertEqual(client.say("hello again"), "1")
        client.close()

    def test_it_says_what_is_wrong_with_its_unit(self) -> None:
        container = self.unit()
        container.put(
            "/etc/systemd/system/handoff.service.d/wrong.conf",
            "[Unit]\nStartLimitIntervalSec=10\n[Service]\nKillMode=control-group\nFileDescriptorStoreMax=0\n"
            "OOMPolicy=stop\nRuntimeDirectoryPreserve=no\nRestart=on-failure\n",
        )
        container.must("systemctl daemon-reload")
        container.systemctl("start", "handoff")
        for mend in (
            "KillMode=process",
            "Restart=always",
            "StartLimitIntervalSec=0",
            "OOMPolicy=continue",
            "RuntimeDirectoryPreserve=yes",
            "FileDescriptorStoreMax=1",
        ):
            container.wait_for_line(f"handoff.service: .*: set {mend} in the unit", unit="handoff")


    def test_what_a_generation_has_left_is_known_by_its_control_group(self) -> None:
        container = self.unit()
        # Nothing else ties it to the service: a session of its own, no environment, and a parent that has gone.
        wrapper = f"env -i setsid --fork sleep 600; exec {ECHO_1}"
        command = json.dumps(["/bin/sh", "-c", wrapper])
        container.put(CONFIG_PATH, CONFIG.replace(f'["{ECHO_1}"]', command))
        container.systemctl("start", "handoff")
        container.wait_for_line(SERVES, unit="handoff")
        sleep = container.must("pgrep -x sleep").strip()
        group = container.must(f"grep ^0:: /proc/{sleep}/cgroup").strip()
        self.assertEqual(group, "0::/system.slice/handoff.service/handoff-echo-1")
        told = echo_status(container)["children"][0]["processes"]
        self.assertEqual(told, [{"pid": int(sleep), "command": "sleep 600"}])
        # The next supervisor has it from the state file.
        container.systemctl("kill", "--kill-whom=main", "--signal=KILL", "handoff")
        container.wait_for_line(r"echo: generation 1 \(pid \d+\) is back", unit="handoff")
        container.must("handoff stop echo")
        container.wait_for_line(rf"echo: sleep 600 \(pid {sleep}\) is left, and is ended", unit="handoff")
        self.assertEqual(container.run("pgrep -x sleep").out, "")
        self.assertEqual(container.run("ls -d /sys/fs/cgroup/system.slice/handoff.service/handoff-*").out, "")


class UnitOfAUserTest(UnitTest):
    def test_a_supervisor_for_each_user(self) -> None:
        container = self.container()
        container.put("/etc/handoff/alice.toml", CONFIG)
        container.start()
        container.add_user("alice")
        container.systemctl("start", "handoff@alice")
        container.wait_for_line(SERVES, unit="handoff@alice")
        pid = container.must("pgrep -x -u alice handoff-echo-1").strip()
        self.assertEqual(container.must("stat -c '%U %a' /run/handoff-alice"), "alice 700\n")
        client = echo.Client(container)
        self.assertEqual(client.say("hello"), "1")
        container.systemctl("kill", "--kill-whom=main", "--signal=KILL", "handoff@alice")
        container.wait_for_line(r"echo: generation 1 \(pid \d+\) is back", unit="handoff@alice")
        self.assertEqual(client.say("hello"), "1")
        client.close()
        self.assertEqual(container.must("pgrep -x -u alice handoff-echo-1").strip(), pid)

    def test_one_in_the_systemd_of_the_user(self) -> None:
        container = self.container()
        container.put("/home/alice/.config/handoff/handoff.toml", CONFIG)
        container.start()
        container.add_user("alice")
        container.must("chown -R alice: /home/alice")
        container.must("systemctl --user start handoff", user="alice")
        client = echo.Client(container)
        self.assertEqual(client.say("hello"), "1")
        container.must("systemctl --user kill --kill-whom=main --signal=KILL handoff", user="alice")
        container.wait_for_line(r"echo: generation 1 \(pid \d+\) is back")
        self.assertEqual(client.say("hello"), "1")
        client.close()
        container.must("systemctl --user stop handoff", user="alice")
        self.assertEqual(container.run("pgrep -u alice -x handoff-echo-1").out, "")


class UnitWithoutPtraceTest(UnitTest):
    """A container whose bounding set lacks CAP_SYS_PTRACE: as good as all that a container engine runs."""

    def test_it_starts_upgrades_and_survives_its_supervisor(self) -> None:
        container = self.serving(without_capabilities=["CAP_SYS_PTRACE"])
        bounds = container.must("grep CapBnd /proc/$(systemctl show --value -p MainPID handoff)/status").split()[1]
        self.assertEqual(int(bounds, 16) >> 19 & 1, 0, "the supervisor has CAP_SYS_PTRACE")
        swarm = echo.Swarm(container, 20)
        self.addCleanup(swarm.stop)
        swarm.wait_for_turns(3)
        self.assertEqual(upgrade(container, ECHO_2)["sessions"]["moved"], 20)
        swarm.wait_for_turns(3)
        container.systemctl("kill", "--kill-whom=main", f"--signal={signal.SIGKILL:d}", "handoff")
        container.wait_for_line(r"echo: generation 2 \(pid \d+\) is back", unit="handoff")
        swarm.wait_for_turns(3)
        self.assertEqual(swarm.stop(), {"2"})


class UnitOnReadOnlyRootTest(UnitTest):
    def test_it_starts_and_upgrades_with_its_state_in_memory(self) -> None:
        container = self.serving(read_only=True)
        self.assertNotEqual(container.run("touch /etc/x").status, 0, "the root can be written to")
        self.assertEqual(container.must("stat -f -c %T /var/lib/handoff"), "tmpfs\n")
        swarm = echo.Swarm(container, 20)
        self.addCleanup(swarm.stop)
        swarm.wait_for_turns(3)
        self.assertEqual(upgrade(container, ECHO_2)["sessions"]["moved"], 20)
        swarm.wait_for_turns(3)
        self.assertEqual(swarm.stop(), {"2"})
        self.assertRegex(container.must("handoff history"), r"echo +upgrade ")
