"""An upgrade of kv under sessions of all kinds, on Debian's kernel."""
import json
import subprocess
import threading
import unittest

import resp

PORT = 6379
UNIT = "handoff-kv"


class KvUpgradeTest(unittest.TestCase):
    SESSIONS = 20

    def setUp(self) -> None:
        self.clients: list[resp.Client] = []
        self.addCleanup(self.close_all)
        run = ["handoff", "run", "--name", "kv", "--listen", f"public=tcp:127.0.0.1:{PORT}", "--"]
        unit = ["systemd-run", "--quiet", f"--unit={UNIT}", "--service-type=notify", "-p", "KillMode=process"]
        subprocess.run([*unit, *run, "/opt/handoff/handoff-kv-1"], check=True)
        self.addCleanup(subprocess.check_call, ["systemctl", "stop", UNIT])
        self.wait_for_line("kv: running: generation 1, release 1.0")

    def evidence(self) -> str:
        return subprocess.run(["journalctl", "-b", "-u", UNIT], capture_output=True, text=True).stdout

    def wait_for_line(self, text: str) -> None:
        """Waits until the supervisor prints a line with this text."""
        follow = ["timeout", "120", "journalctl", "--follow", "--boot", "--lines=all", "--output=cat", f"--unit={UNIT}"]
        with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as journal:
            assert journal.stdout
            found = any(text in line for line in journal.stdout)
            journal.terminate()
        self.assertTrue(found, f"no line with '{text}' has come")

    def close_all(self) -> None:
        for client in self.clients:
            client.close()

    def client(self) -> resp.Client:
        self.clients.append(resp.Client(PORT))
        return self.clients[-1]

    def test_no_session_loses_anything(self) -> None:
        # These sessions carry more than bytes: half a transaction, a subscription, a wait.
        transaction, subscriber, waiter = self.client(), self.client(), self.client()
        self.assertEqual(transaction.ask("MULTI"), "OK")
        self.assertEqual(transaction.ask("SET", "answer", "41"), "QUEUED")
        self.assertEqual(transaction.ask("INCR", "answer"), "QUEUED")
        self.assertEqual(subscriber.ask("SUBSCRIBE", "news"), ["subscribe", "news", 1])
        waiter.send_only("BLPOP", "queue", "0")

        # Sessions that count all the time, each by itself; each number is the one after the last.
        counters = [self.client() for _ in range(self.SESSIONS)]
        counted = [0] * self.SESSIONS
        errors: list[str] = []
        stop = threading.Event()
        turned = threading.Condition()

        def count() -> None:
            try:
                while not stop.is_set():
                    for i, counter in enumerate(counters):
                        counter.send_only("INCR", f"counter {i}")
                    for i, counter in enumerate(counters):
                        counted[i] += 1
                        got = counter.reply()
                        if got != counted[i]:
                            raise AssertionError(f"session {i} counted {got!r} after {counted[i] - 1}")
                    with turned:
                        turned.notify_all()
            except Exception as e:  # an answer that is no number is a wrong one, too
                errors.append(str(e))
                with turned:
                    turned.notify_all()

        thread = threading.Thread(target=count)
        thread.start()

        def wait_for_turns(turns: int) -> None:
            with turned:
                wanted = counted[-1] + turns
                self.assertTrue(turned.wait_for(lambda: counted[-1] >= wanted or errors, timeout=120), "nobody counts")

        try:
            wait_for_turns(3)
            upgrade = subprocess.run(
                ["handoff", "upgrade", "kv", "/opt/handoff/handoff-kv-2", "--json"], capture_output=True, text=True
            )
            self.assertEqual(upgrade.returncode, 0, upgrade.stdout + upgrade.stderr)
            wait_for_turns(3)
        finally:
            stop.set()
            thread.join()
        self.assertEqual(errors, [])
        done = json.loads(upgrade.stdout.splitlines()[-1])
        self.assertEqual((done["result"], done["to"]["release"]), ("done", "2.0"))
        self.assertEqual((done["sessions"]["moved"], done["sessions"]["lost"]), (self.SESSIONS + 3, 0))

        self.assertEqual(transaction.ask("EXEC"), ["OK", 42])
        other = self.client()
        self.assertEqual(other.ask("PUBLISH", "news", "after"), 1)
        self.assertEqual(subscriber.reply(), ["message", "news", "after"])
        self.assertEqual(other.ask("RPUSH", "queue", "element"), 1)
        self.assertEqual(waiter.reply(), ["queue", "element"])
        for i, number in enumerate(counted):
            self.assertEqual(other.ask("GET", f"counter {i}"), str(number))
        # Only release 2 knows this command.
        self.assertIsInstance(other.ask("HANDOFF.UPTIME"), int)
