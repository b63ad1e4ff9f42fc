"""The base of a system test: makes containers, and shows what went on in them if the test fails."""
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgroups import Group
from container import Container


# In the run's mount namespace. systemd-nspawn keeps its locks there, too.
SCRATCH = Path("/run")


@dataclass(frozen=True)
class Run:
    debian: Path
    product: Path
    scratch: Path
    group: Group


_run: Run | None = None


def prepare(**parts: Any) -> None:
    """Once, before the cases."""
    global _run
    _run = Run(**parts)


class SystemTest(unittest.TestCase):
    """A case makes its containers by container(); they end with it."""

    def setUp(self) -> None:
        self._containers: list[Container] = []

    def container(self, **options: Any) -> Container:
        """A container that is not started yet: put() files, then start() it. The options are those of Container."""
        assert _run is not None, "run by scripts/test system"
        name = f"c{_Count.next()}"
        made = Container(
            name,
            debian=_run.debian,
            product=_run.product,
            scratch=_run.scratch,
            group=_run.group.below(name),
            **options,
        )
        self._containers.append(made)
        self.addCleanup(made.destroy)
        return made

    def evidence(self) -> str:
        return "\n".join(container.evidence() for container in self._containers)


class _Count:
    """Names differ over the whole run: a container's folder stays until its end."""

    last = 0

    @classmethod
    def next(cls) -> int:
        cls.last += 1
        return cls.last
