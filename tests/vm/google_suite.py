"""The tests of a program of googletest's: one case for each of its suites.

Each test gets a process of its own, as under ctest: some programs read their environment when they are loaded.
"""
import subprocess
import unittest
from collections.abc import Iterator

TEST_TIMEOUT_S = 300  # 120 under ctest; qemu computes each instruction here


class GoogleSuite(unittest.TestCase):
    def __init__(self, program: str, suite: str, tests: list[str]) -> None:
        super().__init__()
        self.program = program
        self.suite = suite
        self.tests = tests

    def id(self) -> str:
        return f"{self.program}.{self.suite.rstrip('.')}"

    def runTest(self) -> None:
        for test in self.tests:
            with self.subTest(test):
                self.run_one(self.suite + test)

    def run_one(self, name: str) -> None:
        ran = subprocess.run(
            [_path(self.program), f"--gtest_filter={name}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TEST_TIMEOUT_S,
        )
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn("[  PASSED  ] 1 test.", ran.stdout, "it was not run")


def cases(program: str) -> Iterator[GoogleSuite]:
    listed = subprocess.run([_path(program), "--gtest_list_tests"], capture_output=True, text=True, check=True)
    suite = ""
    tests: list[str] = []
    for line in listed.stdout.splitlines():
        name = line.split("#")[0].strip()  # behind it are parameters
        if line.startswith(" "):
            tests.append(name)
        elif name.endswith("."):
            if tests:
                yield GoogleSuite(program, suite, tests)
            suite, tests = name, []
    if not tests:
        raise RuntimeError(f"{program} has no tests")
    yield GoogleSuite(program, suite, tests)


def _path(program: str) -> str:
    return f"/opt/handoff/{program}"
