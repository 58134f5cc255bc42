"""What every test may ask for. Each test has servers of its own, in a directory of its own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Debian keeps servers where not everybody's PATH leads.
os.environ["PATH"] += ":/usr/sbin:/sbin"
sys.path.insert(0, str(Path(__file__).parent))

from rig.browser import Chromium, PageServer  # noqa: E402 - it is found only now
from rig.certificates import Authority, key_pin  # noqa: E402
from rig.cluster import Cluster  # noqa: E402
from rig.liar import Liar  # noqa: E402
from rig.node import CARILLON, Node  # noqa: E402
from rig.redis_server import RedisServer  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
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


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Any]:
    """Starts nodes: `start_node("a", redis_url=None, ready=True, **configuration)`."""
    started: list[Node] = []

    def start(name: str = "node", redis_url: str | None = None, ready: bool = True, **changes: Any) -> Node:
        node = Node(name, tmp_path, redis_url, **changes)
        started.append(node)
        return node.start(ready=ready)

    yield start
    for node in reversed(started):
        node.stop()


@pytest.fixture
def node(start_node: Any) -> Node:
    """One node, backplane in memory."""
    return start_node()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server.start()
    if server.is_running:
        assert not server.denied(), f"deploy/redis/carillon.acl does not allow all a node does: {server.denied()}"
    server.stop()


@pytest.fixture
def liar(redis_server: RedisServer) -> Iterator[Liar]:
    started = Liar(redis_server.port)
    yield started
    started.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Redis and three nodes that know each other."""
    with Cluster(tmp_path) as started:
        yield started.start()
        started.check_permissions()


@pytest.fixture
def balanced_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """The same, to be put behind a balancer: clients cannot come directly."""
    with Cluster(tmp_path, balanced=True) as started:
        yield started.start()
        started.check_permissions()


@pytest.fixture(scope="session")
def page() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def believed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Path, Path]:
    """An authority, and a certificate of it with its key, which the browser takes."""
    authority = Authority(tmp_path_factory.mktemp("believed"))
    return authority, *authority.issue("believed")


@pytest.fixture(scope="session")
def browser(
    page: PageServer, believed: tuple[Authority, Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chromium]:
    started = Chromium(tmp_path_factory.mktemp("browser"), trusted=key_pin(believed[1])).start(page.origin + "/")
    yield started
    started.stop()
