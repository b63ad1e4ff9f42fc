"""What tests/long/tls and its neighbours have: certificates, an example under a supervisor, a client whose lines are
checked."""
import contextlib
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("HANDOFF_TEST_BIN", ROOT / "build/release/bin"))
PATIENCE_S = 60
EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("rsa:2048",)


class Failed(Exception):
    pass


def run(*command: object, **more) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], check=True, **more)


def build(*examples: str, groups: tuple[str, ...] = ()):
    """Both releases of the examples and the supervisor, in the release preset; installs what these groups need.

    Where HANDOFF_TEST_BIN names a folder, its programs are taken as they are.
    """
    run(ROOT / "scripts/deps", "build", "test", *groups)
    if "HANDOFF_TEST_BIN" in os.environ:
        return
    if not (ROOT / "build/release/build.ninja").exists():
        run("cmake", "--preset", "release", cwd=ROOT, stdout=subprocess.DEVNULL)
    targets = ["handoff-supervisor"] + [f"handoff-{name}-{release}" for name in examples for release in (1, 2)]
    run("cmake", "--build", "--preset", "release", "--target", *targets, cwd=ROOT)


def wait_until(so, what: str):
    """Asks until `so` returns what is true, and returns that."""
    deadline = time.monotonic() + PATIENCE_S
    while not (result := so()):
        if time.monotonic() > deadline:
            raise Failed(f"waited in vain for {what}")
        time.sleep(0.02)
    return result


class Files:
    """The certificates of server and client, and what clients leave."""

    def __init__(self, folder: Path, key: tuple[str, ...] = EC):
        self.folder = folder
        for name in ("server", "client"):
            run(
                *("openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2"),
                *("-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
                *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
                stderr=subprocess.DEVNULL,
            )
        self.ca, self.key = folder / "server.pem", folder / "server.key"
        self.client, self.client_key = folder / "client.pem", folder / "client.key"
        self.client_p12 = folder / "client.p12"
        run(
            *("openssl", "pkcs12", "-export", "-in", self.client, "-inkey", self.client_key),
            *("-out", self.client_p12, "-passout", "pass:password"),
        )
        self.limits = folder / "limits"  # Java changes its key after so many bytes
        self.limits.write_text("jdk.tls.keyLimits=AES/GCM/NoPadding KeyUpdate 2^17, ChaCha20-Poly1305 KeyUpdate 2^17\n")


class Service:
    """An example under a supervisor of its own."""

    def __init__(self, name: str, files: Files, listeners: list[str], options: tuple[object, ...] = (), tls=True):
        self.name, self.generation = name, 1
        self.folder = Path(tempfile.mkdtemp(prefix="runtime-", dir=files.folder))
        self.environment = {**os.environ, "HANDOFF_RUNTIME_DIR": str(self.folder)}
        words = [BIN / "handoff", "run", "--name", name]
        for listener in listeners:
            words += ["--listen", f"{listener}=tcp:127.0.0.1:0"]
        words += ["--", self.program(1), *(["--tls-cert", files.ca, "--tls-key", files.key] if tls else []), *options]
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [str(word) for word in words], env=self.environment, stdout=self.log, stderr=self.log
        )
        wait_until(lambda: (self.status() or {}).get("state") == "running", "the service")

    def program(self, release: int) -> Path:
        return BIN / f"handoff-{self.name}-{release}"

    def status(self):
        asked = subprocess.run(
            [BIN / "handoff", "status", self.name, "--json"], env=self.environment, capture_output=True, check=False
        )
        for line in asked.stdout.splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                answer = json.loads(line)
                services = answer.get("services", [answer])
                return next((one for one in services if one.get("name") == self.name), None)
        return None

    def port(self, listener: str) -> int:
        entry = next(one for one in self.status()["listeners"] if one["name"] == listener)
        return int(entry["address"].rpartition(":")[2])

    def settled(self) -> bool:
        now = self.status()
        return now is not None and not now["leaving"] and now["kept"] is not None

    def upgrade(self):
        wait_until(self.settled, "the release before to leave")
        self.generation += 1
        done = subprocess.run(
            [BIN / "handoff", "upgrade", self.name, self.program(2 - self.generation % 2)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or ", 0 lost" not in done.stdout:
            raise Failed(f"the upgrade: {done.stdout}{done.stderr}")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Client:
    """A program that sends what it reads and prints what it receives, and the lines that echo owes it."""

    ANSWER = re.compile(rb"^(\d+) [12] (.*)$")

    def __init__(self, command: list[object], pure: bool, errors: Path):
        self.pure = pure  # it prints what it receives and nothing else
        self.said: list[bytes] = []
        self.checked = 0  # of them
        self.lines: list[bytes] = []
        self.resumed = False
        self.changed = threading.Condition()
        self.errors = errors
        with open(errors, "wb") as stderr:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
            )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        rest = b""
        while data := os.read(self.process.stdout.fileno(), 65536):
            *lines, rest = (rest + data).split(b"\n")
            with self.changed:
                self.lines += lines
                self.changed.notify_all()
        with self.changed:
            self.process.wait()
            self.changed.notify_all()

    def type(self, data: bytes):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    # Digits and small letters up to f: none of them is a command of s_client's.
    def say(self, size: int, cut=None):
        """A line; `cut` is called in its middle."""
        line = (b"%d:" % len(self.said)) + b"0123456789abcdef" * (size // 16)
        self.said.append(line)
        if cut is None:
            self.type(line + b"\n")
            return
        self.type(line[: len(line) // 2])
        cut()
        self.type(line[len(line) // 2 :] + b"\n")

    def check(self):
        """Waits for all answers; each is compared."""
        deadline = time.monotonic() + PATIENCE_S
        while self.checked < len(self.said):
            with self.changed:
                while not self.lines and self.process.returncode is None:
                    if not self.changed.wait(deadline - time.monotonic()):
                        break
                lines, self.lines = self.lines, []
            if not lines:
                told = self.errors.read_text(errors="replace")[-500:]
                raise Failed(f"{self.checked} answers to {len(self.said)} lines; {told}")
            for line in lines:
                self.compare(line)

    def compare(self, answer: bytes):
        match = self.ANSWER.match(answer)
        if not match and not self.pure:
            self.resumed |= answer.startswith(b"Reused, TLSv1.")  # s_client says so among other things
            return
        if self.checked == len(self.said):
            raise Failed(f"nobody has asked for {answer[:80]!r}")
        line = self.said[self.checked]
        self.checked += 1
        if not match or int(match[1]) != self.checked or match[2] != line:
            raise Failed(f"answer {self.checked} is {answer[:80]!r}, to {line[:80]!r}")

    def wait_error(self, text: str, times: int = 1):
        wait_until(lambda: self.errors.read_text(errors="replace").count(text) >= times, f"'{text}' from the client")

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:  # -quiet, say, goes on at the end of its input
            self.process.kill()
            self.process.wait()
