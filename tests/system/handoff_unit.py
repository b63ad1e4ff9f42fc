"""The unit that is installed, in a container, with the example `echo` as its service."""
import json
from typing import Any

from container import Container
from machines import SystemTest

ECHO_1 = "/opt/handoff/handoff-echo-1"
ECHO_2 = "/opt/handoff/handoff-echo-2"
CONFIG = f"""\
[service.echo]
command = ["{ECHO_1}"]
listen = {{ public = "tcp:127.0.0.1:7000" }}
"""
SERVES = r"echo: running: generation 1, release 1\.0, pid \d+"  # a line of the supervisor
CONFIG_PATH = "/etc/handoff/handoff.toml"


class UnitTest(SystemTest):
    def unit(self, **options: Any) -> Container:
        """A container that runs and has the unit's configuration; the unit is not started."""
        container = self.container(**options)
        container.put(CONFIG_PATH, CONFIG)
        container.start()
        return container

    def serving(self, **options: Any) -> Container:
        """The unit is started, and so is its service."""
        container = self.unit(**options)
        container.systemctl("start", "handoff")
        container.wait_for_line(SERVES, unit="handoff")
        return container


def echo_status(container: Container, user: str | None = None) -> dict[str, Any]:
    """The service's object in `handoff status --json`."""
    services: list[dict[str, Any]] = json.loads(container.must("handoff status echo --json", user=user))["services"]
    assert len(services) == 1, services
    return services[0]


def upgrade(container: Container, program: str, user: str | None = None) -> dict[str, Any]:
    """Upgrades the service; returns the last event of `handoff upgrade --json`."""
    told = container.must(["handoff", "upgrade", "echo", program, "--json"], user=user)
    done: dict[str, Any] = json.loads(told.splitlines()[-1])
    return done
