"""A network namespace of our own, in which lines can be cut, slowed and made lossy without anybody else noticing."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

#: Set in a network of our own, in which all of the rig runs again.
OWN_NETWORK = "CHAOS_OWN_NETWORK"
inside = pytest.mark.skipif(OWN_NETWORK not in os.environ, reason="runs in a network namespace of its own")


def in_a_network_where(prepared: str, file: str, test: str, directory: Path, note: Callable[[dict[str, Any]], None], *, seed: int | None = None) -> None:
    """Runs a test of a file again, in a network namespace where something was done to the line; clients and all."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace takes root")
    results = directory / "results.xml"
    repeated = "" if seed is None else f" --seed={seed}"
    again = f"exec {sys.executable} -m pytest {file} -q -s -k {test} --page={test}{repeated} --junitxml={results}"
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", f"ip link set lo up mtu 1500; {prepared}; {again}"],
        env={**os.environ, OWN_NETWORK: "1"}, capture_output=True, text=True, timeout=200, check=False)  # fmt: skip
    print(done.stdout[-2000:])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "1 passed" in done.stdout
    for noted in ElementTree.parse(results).iter("property"):
        note(json.loads(noted.get("value", "")))


def nft(*words: str) -> str:
    return subprocess.run(["nft", *" ".join(words).split()], capture_output=True, text=True, timeout=10, check=True).stdout


def as_group(program: Path | str, group: int, directory: Path) -> Path:
    """A program that runs as another group, by which rules can tell its packets."""
    script = directory / f"group-{group}"
    script.write_text(f'#!/bin/sh\nexec setpriv --regid={group} --clear-groups {program} "$@"\n')
    script.chmod(0o755)
    return script
