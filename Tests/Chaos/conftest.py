"""How scenarios are run: a few of them by default, all of them and many seeds with --everything."""

import json
import os
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ["PATH"] += ":/usr/sbin:/sbin"
sys.path.insert(0, str(Path(__file__).parent))

import chaos  # noqa: E402, F401 - it makes the rig of the integration tests known
from chaos.stage import Stage  # noqa: E402
from chaos.summary import Summary  # noqa: E402

REPORTS = Path(__file__).resolve().parents[2] / ".build/chaos"


summary = Summary()


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--everything"):
        os.environ["CHAOS_STRICT"] = "1"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and not report.skipped:
        summary.add(report.user_properties, report.passed)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not summary.runs:
        return
    page = REPORTS / f"{config.getoption('--page')}.html"
    summary.write(page)
    if config.getoption("--everything"):
        terminalreporter.write_line(summary.text())
    terminalreporter.write_line(f"every run on one page: {page}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--everything", action="store_true", help="every scenario, and twenty seeds where that is said")
    parser.addoption("--seed", type=int, help="the seed of a run that is to be repeated")
    parser.addoption("--page", default="index", help="what the page with all runs is called, in .build/chaos")
    parser.addoption("--seeds", type=int, help="how many seeds, where there is more than one")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" not in metafunc.fixturenames:
        return
    config = metafunc.config
    if config.getoption("--seed") is not None:
        return metafunc.parametrize("seed", [config.getoption("--seed")])
    count = 1
    if metafunc.definition.get_closest_marker("seeds"):
        count = config.getoption("--seeds") or (20 if config.getoption("--everything") else 1)
    metafunc.parametrize("seed", [random.randrange(1_000_000) for _ in range(count)] if count == 1 else list(range(1, count + 1)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--everything"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="runs with --everything"))


@pytest.fixture
def note(request: pytest.FixtureRequest, seed: int) -> Callable[[dict[str, Any]], None]:
    """Takes what a scenario has to say of itself to the page with all runs."""
    parameters = {key: value for key, value in request.node.callspec.params.items() if key != "seed"}
    scenario = " ".join([request.node.originalname.removeprefix("test_"), *(getattr(one, "__name__", str(one)) for one in parameters.values())])

    def take(about: dict[str, Any]) -> None:
        request.node.user_properties.append(("chaos", json.dumps({"scenario": scenario, **about})))

    return take


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path, seed: int, note: Callable[[dict[str, Any]], None]) -> Callable[..., Stage]:
    """Sets a stage, named after the scenario; its picture is kept in .build/chaos."""
    name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")

    def make(**options: Any) -> Stage:
        return Stage(tmp_path, name, seed, REPORTS / f"{name}.svg", noted=note, **options)

    return make
