"""Runs unittest's cases with one line for each, as it ends, and counts them in the last line.

A case that fails tells why: its traceback, and what its `evidence()` returns, if it has that method. `evidence()` is called
before the case is torn down.
"""
import time
import unittest
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.loader import _FailedTest

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Cases(unittest.TestResult):
    """Prints instead of collecting. A skipped case was not seen to work, so it counts as failed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0
        self.failed = 0
        self._started = 0.0
        self._case_failed = False

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._started = time.monotonic()
        self._case_failed = False

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        if not self._case_failed:
            self._count("pass", test)
        self._case_failed = False  # setUpClass() and its kin fail outside of any case

    def addFailure(self, test: unittest.TestCase, err: ExcInfo) -> None:
        super().addFailure(test, err)
        self._fail(test, self.failures[-1][1])

    def addError(self, test: unittest.TestCase, err: ExcInfo) -> None:
        super().addError(test, err)
        self._fail(test, self.errors[-1][1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: ExcInfo | None) -> None:
        if err is not None:
            super().addFailure(subtest, err)
            self._fail(test, f"{subtest}\n{self.failures[-1][1]}")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._fail(test, f"skipped: {reason}\n")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._fail(test, "passed, and was expected to fail\n")

    def _fail(self, test: Any, why: str) -> None:
        if not self._case_failed:
            self._count("FAIL", test)
        self._case_failed = True
        print(_indented(why), flush=True)
        if hasattr(test, "evidence"):
            print(_indented(test.evidence()), flush=True)

    def _count(self, verdict: str, test: Any) -> None:
        if verdict == "pass":
            self.passed += 1
        else:
            self.failed += 1
        name = test.id() if hasattr(test, "id") else str(test)
        print(f"{verdict}  {name}  {time.monotonic() - self._started:.1f} s", flush=True)


def run(folder: Path, names: Sequence[str]) -> int:
    """Runs the cases of test_*.py in `folder` whose id contains one of `names`; all of them if there is no name.

    Returns the exit status: 0 if cases were run and all of them passed, 2 if a name fits none.
    """
    cases = list(_flat(unittest.defaultTestLoader.discover(str(folder))))
    for case in cases:
        if isinstance(case, _FailedTest):
            raise case._exception  # a file that can't be imported has no cases that a name could fit
    unknown = [name for name in names if not any(name in case.id() for case in cases)]
    if unknown or not cases:
        print(f"no case is called {', '.join(unknown)}; there are:" if unknown else f"no case in {folder}")
        print("".join(f"  {case.id()}\n" for case in cases), end="")
        return 2
    result = Cases()
    # The suite runs setUpClass() and the like, too.
    unittest.TestSuite(case for case in cases if not names or any(name in case.id() for name in names)).run(result)
    print(f"{result.passed} passed, {result.failed} failed", flush=True)
    return 0 if result.failed == 0 else 1


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from _flat(part)
        else:
            yield part


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
