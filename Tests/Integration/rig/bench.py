"""`carillon bench`: clients by the thousand that count what they get."""

import json
import resource
from typing import Any

from .node import carillon


def bench(scenario: str, urls: list[str], sessions: int, *options: str, seconds: float = 300) -> dict[str, Any]:
    """Runs a scenario to its end; lost, repeated or disordered deliveries make the command fail."""
    arguments = [argument for url in urls for argument in ("--url", url)]
    result = carillon(
        "bench", scenario, *arguments, "--sessions", str(sessions), "--json", "--quiet", *options, seconds=seconds)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return json.loads(result.stdout.splitlines()[-1])


def open_files_limit() -> int:
    """What a process of ours may open: the node and the bench each need a descriptor for a session."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
