"""Valkey in the place of Redis: links, history, presence, and what happens when it fails."""

from pathlib import Path
from typing import Any

import pytest

from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_server import VALKEY, RedisServer
from rig.waiting import until

RULES = [{"match": "*", "publish": "client", "history": {"size": 100, "ttl": "10m"}, "presence": {"join_leave": True, "grace": "0s"}}]

pytestmark = pytest.mark.skipif(not VALKEY.exists(), reason="there is no Valkey here: scripts/install.sh says why")


def test_all_that_is_asked_of_redis(start_node: Any, tmp_path: Path) -> None:
    server = RedisServer(tmp_path, program=str(VALKEY), arguments=["--appendonly", "yes", "--appendfsync", "always"]).start()
    assert server.client().info("server")["server_name"] == "valkey"
    nodes: list[Node] = [start_node(name, redis_url=server.url, channels=RULES) for name in "ab"]
    until(lambda: nodes[0].api.node_names() == {"a", "b"}, "the nodes know each other")
    client = CentrifugeWire(nodes[0])
    place = client.subscribe("news")
    other = CentrifugeWire(nodes[1])
    other.subscribe("news")
    until(lambda: ("join", other.id) in client.changes, "who comes is told")
    assert nodes[0].api.get("/api/v1/channels/news/presence", view="count") == {"clients": 2, "users": 2}

    def publish(number: int) -> None:
        body = {"channel": "news", "data": number, "idempotency_key": f"n{number}"}
        until(lambda: nodes[1].api.post_publication(body).status_code == 200, f"{number} is published", 20)

    for number in range(1, 6):
        publish(number)
    publish(5)
    until(lambda: client.publications == [(number, number) for number in range(1, 6)], "each once")
    # Its connections are cut, and then it is killed and started again with all it had.
    server.client().execute_command("CLIENT", "KILL", "USER", "carillon")
    publish(6)
    server.kill()
    server.start()
    publish(7)
    until(lambda: client.publications[-1] == (7, 7), "it goes on", 20)
    assert client.publications == [(number, number) for number in range(1, 8)] and client.closed is None and not client.unsubscribed
    back = CentrifugeWire(nodes[1])
    recovered = back.subscribe("news", recover=True, epoch=place["epoch"], offset=2)
    assert recovered["recovered"] and [one["data"] for one in recovered["publications"]] == [3, 4, 5, 6, 7]
    # It comes back with nothing: that is said.
    server.client().flushall()
    publish(8)
    until(lambda: ("news", 2500) in client.unsubscribed, "it is told", 10)
    for one in (client, other, back):
        one.close()
    assert not server.denied(), server.denied()
    server.stop()
