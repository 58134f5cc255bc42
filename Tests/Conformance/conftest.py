"""The rig of the integration tests, and the same option, for tests of another folder."""

import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "Integration"))

from rig.node import CARILLON  # noqa: E402 - it is found only now


def pytest_addoption(parser: pytest.Parser) -> None:
    # Both folders in one run: the other one has added it already.
    with contextlib.suppress(ValueError):
        parser.addoption("--everything", action="store_true", help="also what takes minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--everything"):
        return
    skip = pytest.mark.skip(reason="takes minutes; runs with --everything")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)


def pytest_sessionstart(session: pytest.Session) -> None:
    if not session.config.option.collectonly and not CARILLON.exists():
        pytest.exit(f"{CARILLON} is not there; build it with: make build", 2)
