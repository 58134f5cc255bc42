"""The two sizes of a cluster that most promises have to hold for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .node import Node
from .redis_server import RedisServer
from .waiting import until


@contextmanager
def one_or_two(backplane: str, start_node: Callable[..., Node], folder: Path, **settings: Any) -> Iterator[list[Node]]:
    """One node by itself (`memory`), or two that know each other (`redis`)."""
    if backplane == "memory":
        yield [start_node(**settings)]
        return
    server = RedisServer(folder).start()
    started = [start_node(name, redis_url=server.url, **settings) for name in "ab"]
    for node in started:
        until(lambda node=node: node.api.node_names() == {"a", "b"}, "the nodes know each other")
    yield started
    assert not server.denied(), server.denied()
    server.stop()
