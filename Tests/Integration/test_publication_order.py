"""Publications with idempotency keys, and the order of those with history beside those without, through Redis."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client

from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until

RULES = [{"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 10_000, "ttl": "10m"}}]
KEY = "order-key-of-the-application-1234"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path).start()
    yield started
    assert not started.denied(), started.denied()
    started.stop()


@pytest.fixture
def nodes(start_node: Any, server: RedisServer) -> list[Node]:
    settings: dict[str, Any] = {"channels": RULES, "admin": {"api_key": KEY}, "limits": {"publish_rate": 0}}
    return [start_node(name, redis_url=server.url, **settings) for name in "ab"]


def post(node: Node, **body: Any) -> None:
    answer = node.api.post_publication(body)
    assert answer.status_code == 200, answer.text


def test_what_is_for_one_connection_arrives_once_with_a_key(nodes: list[Node]) -> None:
    """It is heard in a channel of the node that has the connection, not in one of its own."""
    with websockets.sync.client.connect(f"ws://{nodes[0].client}/raw?channel=news", legacy=True) as client:
        [entry] = nodes[0].api.connections()
        for _ in range(2):
            post(nodes[1], connection=entry["id"], text="with a key", idempotency_key="k")
        post(nodes[1], connection=entry["id"], text="without")
        assert [client.recv(10) for _ in range(2)] == ["with a key", "without"]


def test_keys_of_users_whose_names_have_spaces_are_different(nodes: list[Node], server: RedisServer) -> None:
    post(nodes[0], user="ann", data=1, idempotency_key="b c")
    post(nodes[0], user="ann b", data=2, idempotency_key="c")
    keys = {name for name in server.client().scan_iter("*:i:*")}
    assert len(keys) == 2, keys


def test_a_key_that_somebody_else_has_written_to_spoils_nothing(nodes: list[Node], server: RedisServer) -> None:
    post(nodes[0], channel="news", data=1, idempotency_key="k")
    [name] = server.client().scan_iter("*:i:news k")
    server.client().delete(name)
    server.client().rpush(name, "x")
    for data in (2, 3):
        post(nodes[0], channel="news", data=data, idempotency_key="k")
    page = nodes[1].api.get("/api/v1/channels/news/history", limit=10)
    assert [json.loads(entry["text"]) for entry in page["publications"]] == [1, 2]


def test_what_is_not_kept_stays_between_those_that_are(nodes: list[Node]) -> None:
    """All of them in one request, so in one turn: those with history wait for its end."""
    client = CentrifugeWire(nodes[1])
    client.subscribe("news")
    count = 400
    commands = [{"publish": {"channel": "news", "data": number, "skip_history": number % 3 == 0}} for number in range(count)]
    answer = nodes[0].api.request("POST", "/api/batch", json={"commands": commands}, headers={"X-API-Key": KEY})
    assert answer.status_code == 200, answer.text
    until(lambda: len(client.publications) == count, "all arrive", 20)
    assert [data for _, data in client.publications] == list(range(count))
    client.close()


def test_scripts_that_are_lost_in_a_burst_change_no_order(nodes: list[Node], server: RedisServer) -> None:
    client = CentrifugeWire(nodes[1])
    client.subscribe("news")
    with websockets.sync.client.connect(f"ws://{nodes[0].client}/raw?channel=news", legacy=True) as publisher:
        numbers = itertools.count()
        began = time.monotonic()
        # Scripts that are missing within a second after they were loaded are not loaded again at once.
        while time.monotonic() - began < 1.5:
            publisher.send(str(next(numbers)))
            until(lambda: len(client.publications) > 0, "publications flow")
        for number in range(3000):
            publisher.send(str(next(numbers)))
            if number == 1500:
                server.client().script_flush()
        count = next(numbers)
        until(lambda: len(client.publications) >= count, "all arrive", 30)
    assert [data for _, data in client.publications] == list(range(count))
    client.close()
