"""heir.py takes over from the real echo, under the real supervisor."""
import os
import signal
import unittest

from supervision import HEIR, WATCHED_HEIR, Supervisor, Talkers

PROGRAMS = os.environ["HANDOFF_PROGRAMS"]


class HeirTest(unittest.TestCase):
    def supervise(self, program="handoff-echo-1", failpoint=None):
        environment = {"HANDOFF_FAILPOINT": failpoint} if failpoint else {}
        self.supervisor = Supervisor(PROGRAMS, [os.path.join(PROGRAMS, program)], environment)
        self.addCleanup(self.supervisor.close)
        return self.supervisor

    def evidence(self):
        return self.supervisor.log()

    def connect(self, **options):
        client = self.supervisor.connect(**options)
        self.addCleanup(client.close)
        return client

    def wake_heir(self):
        """The pid of generation 2, once it waits at its step."""
        os.kill(int(self.supervisor.wait_for_match(r"as generation 2, pid (\d+)")), signal.SIGUSR1)

    def expect(self, outcome, status, result, **sessions):
        """The exit status and the last event of an upgrade."""
        self.assertEqual((outcome[0], outcome[1]["result"]), (status, result), outcome)
        for what, count in sessions.items():
            self.assertEqual(outcome[1]["sessions"][what], count, outcome)


class TakeOverTest(HeirTest):
    def take_over_from(self, program, release):
        supervisor = self.supervise(program)
        quiet, half, waiting = self.connect(), self.connect(), self.connect(receive_buffer=4096)
        self.assertEqual(quiet.say("one"), release)
        self.assertEqual(half.say("one"), release)
        half.send(b"begun here")
        answers = ["x" * 50_000 + str(n) for n in range(20)]  # more than the sockets hold
        for text in answers:
            waiting.send(text.encode() + b"\n")
        self.expect(supervisor.upgrade(HEIR), 0, "done", moved=3, lost=0)
        self.assertEqual(quiet.say("two"), "py")
        half.send(b", ended there\n")
        self.assertEqual(half.hear("begun here, ended there"), "py")
        for text in answers:
            self.assertIn(waiting.hear(text), (release, "py"))
        self.assertEqual(waiting.say("and now"), "py")
        self.assertEqual(self.connect().say("new"), "py")
        status = supervisor.status()
        self.assertEqual((status["state"], status["release"], status["sessions"]), ("running", "py", 4))

    def test_sessions_of_the_release_before_go_on_in_the_middle_of_a_line_and_of_an_answer(self):
        self.take_over_from("handoff-echo-1", "1")

    def test_sessions_of_the_release_after_go_on_in_the_middle_of_a_line_and_of_an_answer(self):
        self.take_over_from("handoff-echo-2", "2")

    def test_clients_that_talk_all_the_time_miss_nothing(self):
        supervisor = self.supervise()
        talkers = Talkers([self.connect() for _ in range(300)])  # more than one frame has fds for
        self.addCleanup(talkers.stop)
        talkers.wait_for_turns(2)
        self.expect(supervisor.upgrade(HEIR), 0, "done", moved=300, lost=0)
        talkers.wait_for_turns(2)
        talkers.stop()
        self.assertEqual(talkers.releases, {"py"})

    def test_a_large_state_comes_in_a_memfd(self):
        supervisor = self.supervise()
        client = self.connect()
        text = "x" * 200_000
        client.say("one")
        client.send(text.encode())
        self.expect(supervisor.upgrade(HEIR), 0, "done", moved=1, lost=0)
        client.send(b"\n")
        self.assertEqual(client.hear(text), "py")

    def test_many_states_come_in_the_ring(self):
        supervisor = self.supervise()
        clients = [self.connect() for _ in range(40)]
        text = "x" * 20_000
        for client in clients:
            client.say("one")
            client.send(text.encode())
        self.expect(supervisor.upgrade(WATCHED_HEIR), 0, "done", moved=40, lost=0)
        supervisor.wait_for_line("heir.py: reached sessions in the ring")
        for client in clients:
            client.send(b"\n")
            self.assertEqual(client.hear(text), "py")

    def test_a_service_that_is_started_by_it_needs_no_donor(self):
        supervisor = self.supervise(HEIR)
        self.assertEqual(self.connect().say("one"), "py")
        self.assertEqual(supervisor.status()["state"], "running")


class DeltaTest(HeirTest):
    """Sessions that end, change and begin during the copy."""

    def copy_under(self, program, release):
        supervisor = self.supervise(program)
        ends, changes, stays = clients = [self.connect() for _ in range(3)]
        for client in clients:
            client.say("one")
        upgrade = supervisor.begin_upgrade(WATCHED_HEIR, "sessions", "wait")
        supervisor.wait_for_line("heir.py: reached sessions")
        ends.close()
        self.assertEqual(changes.say("two"), release)
        begins = self.connect()
        self.assertEqual(begins.say("one"), release)  # so it was accepted, after the end of the other was seen
        self.wake_heir()
        self.expect(upgrade(), 0, "done", moved=3, lost=0)
        for client in (changes, stays, begins):
            self.assertEqual(client.say("three"), "py")

    def test_by_echo(self):
        self.copy_under("handoff-echo-1", "1")

    def test_by_its_own_kind(self):
        self.copy_under(HEIR, "py")


class SupervisedTest(HeirTest):
    def setUp(self):
        self.supervise()
        self.client = self.connect()
        self.client.say("one")

    def take_over(self):
        self.expect(self.supervisor.upgrade(HEIR), 0, "done", moved=1, lost=0)

    def test_a_plan_changes_nothing(self):
        status, plan = self.supervisor.run("plan", "echo", HEIR)
        self.assertEqual((status, plan["result"]), (0, "done"), plan)
        self.assertEqual(self.client.say("two"), "1")

    def test_who_never_donates_says_so_and_serves_on(self):
        status, done = self.supervisor.upgrade(HEIR, "--never-donates")
        self.assertEqual((status, done["error"]["code"]), (1, "one_way"), done)
        self.expect(self.supervisor.upgrade(HEIR, "--never-donates", one_way=True), 0, "done", moved=1, lost=0)
        status, done = self.supervisor.upgrade(HEIR)
        self.assertEqual((status, done["result"], done["error"]["code"]), (1, "failed", "rejected"), done)
        self.assertIn("never hands over", done["error"]["message"])
        self.assertEqual(self.client.say("two"), "py")

    def test_it_leaves_when_it_is_stopped(self):
        self.take_over()
        pid = self.supervisor.status()["pid"]
        self.assertEqual(self.supervisor.run("stop", "echo")[0], 0)
        self.supervisor.wait_for_line(rf"pid {pid}\) exited with status 0")
        self.assertTrue(self.client.is_reset())

    def test_a_stop_ends_a_handoff_first(self):
        self.take_over()
        upgrade = self.supervisor.begin_upgrade(WATCHED_HEIR, "sessions", "wait")
        self.supervisor.wait_for_line("heir.py: reached sessions")
        self.assertEqual(self.supervisor.run("stop", "echo")[0], 0)
        self.expect(upgrade(), 1, "failed")
        self.supervisor.wait_for_line("generation 2 .* exited with status 0")
        self.assertTrue(self.client.is_reset())

    def test_it_comes_back_to_the_next_supervisor(self):
        self.take_over()
        before = self.supervisor.status()
        self.supervisor.kill()
        self.assertEqual(self.client.say("two"), "py")
        self.supervisor.start()
        after = self.supervisor.status()
        self.assertEqual((after["state"], after["pid"], after["sessions"]), ("running", before["pid"], 1))
        self.assertEqual(after["listeners"], before["listeners"])
        self.assertEqual(self.client.say("three"), "py")
        self.assertEqual(self.connect().say("new"), "py")


class DonateTest(HeirTest):
    """heir.py hands over to both releases of echo, and to another heir.py."""

    def hand_over_to(self, program, release):
        supervisor = self.supervise(HEIR)
        quiet, half, waiting = self.connect(), self.connect(), self.connect(receive_buffer=4096)
        self.assertEqual(quiet.say("one"), "py")
        half.say("one")
        half.send(b"x" * 100_000)
        answers = ["x" * 50_000 + str(n) for n in range(20)]  # more than the sockets hold
        for text in answers:
            waiting.send(text.encode() + b"\n")
        self.expect(supervisor.upgrade(program), 0, "done", moved=3, lost=0)
        self.assertEqual(quiet.say("two"), release)
        half.send(b", ended there\n")
        self.assertEqual(half.hear("x" * 100_000 + ", ended there"), release)
        for text in answers:
            self.assertIn(waiting.hear(text), ("py", release))
        self.assertEqual(waiting.say("and now"), release)
        # Each owner numbers the sessions that it opens: no two may have one id.
        clients = [quiet, half, waiting]
        for again, answers_as in ((program, release), (HEIR, "py"), (program, release)):
            if clients[3:]:
                self.expect(supervisor.upgrade(again), 0, "done", moved=len(clients), lost=0)
            clients.append(self.connect())
            for client in clients:
                self.assertEqual(client.say("again"), answers_as)

    def test_to_the_release_before(self):
        self.hand_over_to(os.path.join(PROGRAMS, "handoff-echo-1"), "1")

    def test_to_the_release_after(self):
        self.hand_over_to(os.path.join(PROGRAMS, "handoff-echo-2"), "2")

    def test_to_another_of_its_kind(self):
        self.hand_over_to(WATCHED_HEIR, "py")

    def test_clients_that_talk_all_the_time_miss_nothing(self):
        supervisor = self.supervise(HEIR)
        talkers = Talkers([self.connect() for _ in range(300)])
        self.addCleanup(talkers.stop)
        for program, release in (("handoff-echo-2", "2"), (HEIR, "py"), ("handoff-echo-1", "1")):
            self.expect(supervisor.upgrade(os.path.join(PROGRAMS, program)), 0, "done", moved=300, lost=0)
            talkers.wait_for_turns(2)
            self.assertEqual(talkers.releases, {release})
        talkers.stop()

    def test_an_heir_that_dies_changes_nothing(self):
        supervisor = self.supervise(HEIR)
        client = self.connect()
        client.say("one")
        for step in ("hello", "sessions", "copied", "prepared"):
            self.expect(supervisor.upgrade(WATCHED_HEIR, step, "kill"), 1, "failed")
            self.assertEqual(client.say(step), "py")
        self.assertEqual(supervisor.status()["generation"], 1)

    def test_an_heir_that_hangs_changes_nothing(self):
        supervisor = self.supervise(HEIR)
        client = self.connect()
        client.say("one")
        outcome = supervisor.upgrade(WATCHED_HEIR, "prepared", "wait", freeze_budget="250ms")
        self.expect(outcome, 1, "failed")
        self.assertEqual(outcome[1]["error"]["code"], "timeout")
        self.assertEqual(client.say("two"), "py")

    def test_an_heir_that_dies_as_the_owner_has_lost_the_sessions(self):
        supervisor = self.supervise(HEIR)
        client = self.connect()
        client.say("one")
        self.expect(supervisor.upgrade(WATCHED_HEIR, "claimed", "kill"), 5, "lost")
        self.assertTrue(client.is_reset())
        supervisor.wait_for_line("echo: running: generation 3")
        self.assertEqual(self.connect().say("new"), "py")

    def test_a_plan_changes_nothing(self):
        supervisor = self.supervise(HEIR)
        client = self.connect()
        client.say("one")
        status, plan = supervisor.run("plan", "echo", os.path.join(PROGRAMS, "handoff-echo-2"))
        self.assertEqual((status, plan["result"]), (0, "done"), plan)
        self.assertEqual(client.say("two"), "py")


class HeirDiesTest(HeirTest):
    """docs/faults.md, "new release dies"."""

    def setUp(self):
        self.supervise()
        self.client = self.connect()
        self.client.say("one")

    def die_before_the_claim(self, step):
        self.expect(self.supervisor.upgrade(WATCHED_HEIR, step, "kill"), 1, "failed")
        self.supervisor.wait_for_line(f"heir.py: reached {step}")
        self.assertEqual(self.client.say("two"), "1")
        self.assertEqual(self.connect().say("new"), "1")
        self.assertEqual(self.supervisor.status()["restarts"], 0)
        self.expect(self.supervisor.upgrade(HEIR), 0, "done", moved=2)
        self.assertEqual(self.client.say("three"), "py")

    def die_as_the_owner(self, step):
        self.expect(self.supervisor.upgrade(WATCHED_HEIR, step, "kill"), 5, "lost")
        self.supervisor.wait_for_line(f"heir.py: reached {step}")
        self.assertTrue(self.client.is_reset())
        self.supervisor.wait_for_line("echo: running: generation 3, release 1.0")
        self.assertEqual(self.connect().say("new"), "1")

    def test_after_hello(self):
        self.die_before_the_claim("hello")

    def test_in_the_copy(self):
        self.die_before_the_claim("sessions")

    def test_after_the_copy(self):
        self.die_before_the_claim("copied")

    def test_before_it_is_released(self):
        self.die_before_the_claim("prepared")

    def test_after_the_claim(self):
        self.die_as_the_owner("claimed")

    def test_after_resumed(self):
        self.die_as_the_owner("resumed")


class DonorDiesTest(HeirTest):
    """docs/faults.md, "old release dies"."""

    def outlive(self, failpoint, steps, waits_at=None):
        """The donor dies, and the heir takes exactly these steps to the one session that there is.

        An heir that waits at a step goes on once the donor is dead.
        """
        supervisor = self.supervise(failpoint=failpoint)
        client = self.connect()
        client.say("one")
        upgrade = supervisor.begin_upgrade(WATCHED_HEIR, *([waits_at, "wait"] if waits_at else []))
        supervisor.wait_for_line(r"generation 1 \(pid \d+\) was killed by SIGKILL")
        if waits_at:
            self.wake_heir()
        self.expect(upgrade(), 0, "done", moved=1, lost=0)
        self.assertEqual(supervisor.lines_with("heir.py: reached "), steps)
        self.assertEqual(client.say("two"), "py")
        self.assertEqual(self.connect().say("new"), "py")

    def test_before_it_has_passed_its_listeners(self):
        supervisor = self.supervise(failpoint="donor.hello.sent=kill")
        client = self.connect()
        client.say("one")
        self.expect(supervisor.upgrade(HEIR), 5, "lost")
        self.assertTrue(client.is_reset())
        self.assertEqual(self.connect().say("new"), "1")

    def test_in_the_copy_quiet_sessions_are_kept(self):
        self.outlive("donor.copy_end.sent=kill", ["hello", "sessions", "copied", "kept"])

    def test_in_the_copy_others_are_reset_and_named(self):
        supervisor = self.supervise()
        quiet, busy = self.connect(), self.connect()
        quiet.say("one")
        busy.say("one")
        donor = supervisor.status()["pid"]
        upgrade = supervisor.begin_upgrade(WATCHED_HEIR, "sessions", "wait")
        supervisor.wait_for_line("heir.py: reached sessions")
        self.assertEqual(busy.say("two"), "1")  # the copy is older than that
        os.kill(donor, signal.SIGKILL)
        supervisor.wait_for_line(rf"generation 1 \(pid {donor}\) was killed by SIGKILL")
        self.wake_heir()
        status, done = upgrade()
        self.expect((status, done), 5, "lost", moved=1, lost=1)
        self.assertEqual(len(done["sessions"]["lost_ids"]), 1)
        self.assertEqual(supervisor.lines_with("heir.py: reached "), ["hello", "sessions", "copied", "kept"])
        self.assertTrue(busy.is_reset())
        self.assertEqual(quiet.say("two"), "py")

    def test_when_everything_was_sent_nothing_is_lost(self):
        self.outlive("donor.prepare.sent=kill", ["hello", "sessions", "copied", "claimed", "resumed"],
                     waits_at="copied")

    def test_after_release(self):
        self.outlive("donor.release.sent=kill", ["hello", "sessions", "copied", "prepared", "claimed", "resumed"])

    def test_with_the_ownership_word(self):
        self.outlive("donor.prepared.received=error:EIO,donor.claim.after=kill",
                     ["hello", "sessions", "copied", "prepared", "kept"], waits_at="prepared")
