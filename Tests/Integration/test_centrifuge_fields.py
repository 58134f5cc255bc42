"""What the Centrifuge protocol has, field by field: served, or refused in the protocol's own words, and in time for the SDKs."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rig.application import Application
from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire, frame

HISTORY = [
    {"match": "kept:*", "subscribe": "anyone", "publish": "client", "history": {"size": 3, "ttl": "5m"}},
    {"match": "*", "subscribe": "anyone", "publish": "client"},
]
#: When the SDKs give a command up, in seconds.
PATIENCE = 5.0


@pytest.fixture
def application() -> Iterator[Application]:
    server = Application()
    yield server
    server.stop()


def code(reply: dict[str, Any]) -> int | None:
    return reply.get("error", {}).get("code")


def test_a_bad_line_behind_a_connect_that_waits_ends_the_session(start_node: Any, application: Application) -> None:
    """It is judged when the verdict is there: no session is left that nobody can use."""
    application.waits.clear()
    node = start_node(auth={"connect_hook": {"url": application.url}})
    wire = Wire(node.client_port).open("/connection/websocket")
    wire.send(frame(b'{"id":1,"connect":{}}\nbad'))
    until(lambda: application.bodies, "the application is asked")
    application.waits.set()
    opcode, payload = wire.read_frame()
    assert opcode == 1 and "connect" in json.loads(payload)
    assert wire.read_close()[0] == 3501
    node.wait_until(lambda: node.api.metric("sessions") == 0, "the session is gone")


@pytest.mark.parametrize("fields, expected", [
    ({"type": 1}, 108), ({"type": 4}, 108), ({"phase": 1}, 108), ({"limit": 10}, 108),
    # Where the rule does not say that they are allowed.
    ({"tf": {"key": "tag", "cmp": "eq", "val": "x"}}, 107), ({"tf": {}}, 107), ({"flag": 1}, None), ({"delta": "fossil"}, None),
    ({"type": None, "tf": None, "flag": None, "token": None, "recover": None, "epoch": None, "offset": None}, None),
], ids=str)  # fmt: skip
def test_fields_of_subscribe(start_node: Any, fields: dict[str, Any], expected: int | None) -> None:
    node: Node = start_node(channels=HISTORY)
    client = CentrifugeWire(node)
    assert code(client.subscribe("news", **fields)) == expected
    assert node.api.subscribers("news") == (0 if expected else 1)
    # The connection goes on, and the channel can be had without the field.
    assert code(client.subscribe("news")) == (None if expected else 105)
    client.close()


def test_a_subscription_that_cannot_be_recovered_is_refused_when_the_client_wants_that(start_node: Any) -> None:
    node: Node = start_node(channels=HISTORY)
    client = CentrifugeWire(node)
    place = client.subscribe("kept:a")
    for number in range(5):
        client.command("publish", channel="kept:a", data=number)
    client.command("unsubscribe", channel="kept:a")
    old = {"recover": True, "epoch": place["epoch"], "offset": 0}
    assert code(client.subscribe("kept:a", **old, flag=2)) == 112
    assert node.api.subscribers("kept:a") == 0
    assert code(client.subscribe("kept:a", **{**old, "epoch": "0123456789abcdef"}, flag=3)) == 112
    # Where nothing is kept nothing can be recovered.
    assert code(client.subscribe("plain", **old, flag=2)) == 112
    recovered = client.subscribe("kept:a", recover=True, epoch=place["epoch"], offset=3, flag=2)
    assert recovered["recovered"] and [one["data"] for one in recovered["publications"]] == [3, 4]
    client.command("unsubscribe", channel="kept:a")
    # Without the flag it begins anew, as ever.
    anew = client.subscribe("kept:a", **old)
    assert anew["was_recovering"] and "recovered" not in anew
    client.close()


def test_commands_nobody_serves(start_node: Any) -> None:
    node: Node = start_node(channels=HISTORY)
    client = CentrifugeWire(node)
    client.subscribe("news")
    assert code(client.command("rpc", data={})) == 108
    assert code(client.command("publish", channel="news", data=1, type=1, key="k")) == 108
    assert code(client.command("sub_refresh", channel="news", type=1, track=[{"items": []}])) == 108
    # There is no answer to it, so nothing less would be heard of.
    wire = Wire(node.client_port).open("/connection/websocket")
    wire.send(frame(b'{"id":1,"connect":{}}\n{"send":{"data":{}}}'))
    assert wire.read_close()[0] == 3508
    client.close()


def test_null_is_published(start_node: Any) -> None:
    node: Node = start_node(channels=HISTORY)
    client = CentrifugeWire(node)
    client.subscribe("kept:null")
    assert client.command("publish", channel="kept:null", data=None) == {}
    until(lambda: client.publications, "the publication arrives")
    assert client.publications == [(1, None)]
    assert [one["data"] for one in client.command("history", channel="kept:null", limit=10)["publications"]] == [None]
    assert code(client.command("publish", channel="kept:null")) == 107
    client.close()


def test_null_is_not_set_in_connect(start_node: Any) -> None:
    client = CentrifugeWire(start_node(), **dict.fromkeys(["token", "data", "subs", "name", "version", "headers", "flag"]))
    assert client.subscribe("news") == {}
    client.close()


def test_headers_of_connect_reach_the_application(start_node: Any, application: Application) -> None:
    node: Node = start_node(auth={"connect_hook": {
        "url": application.url, "forward": ["authorization", "x-tenant", "origin", "x-real-ip", "user-agent"]}})
    given = {"Authorization": "Bearer mine", "X-Tenant": "blue", "Origin": "https://evil.example", "X-Real-IP": "1.2.3.4",
             "X-Other": "no", "User-Agent": "not this one", "X-Null": None}  # fmt: skip
    client = CentrifugeWire(node, headers=given)
    headers = application.last()["headers"]
    # What the request says counts more; whoever writes headers here is neither a browser nor a proxy.
    assert headers.pop("user-agent").startswith("Python")
    assert headers == {"authorization": "Bearer mine", "x-tenant": "blue"}
    client.close()
    refused = Wire(node.client_port).open("/connection/websocket")
    refused.send(frame(b'{"id":1,"connect":{"headers":{"a b":"c"}}}'))
    assert code(json.loads(refused.read_frame()[1])) == 107
    # It may try again, and then counts what it says then.
    refused.send(frame(b'{"id":2,"connect":{"headers":{"X-Tenant":"red"}}}'))
    assert "connect" in json.loads(refused.read_frame()[1])
    assert application.last()["headers"] == {"x-tenant": "red"}
    refused.close()


def test_a_publication_that_waits_for_the_link_is_answered_before_the_sdks_give_up(
    start_node: Any, redis_server: RedisServer
) -> None:
    node: Node = start_node(redis_url=redis_server.url, channels=HISTORY)
    client = CentrifugeWire(node)
    redis_server.kill()
    node.wait_until(lambda: not node.api.is_ready(), "is isolated")
    for wait in (0.0, 0.3, 0.6):
        time.sleep(wait)
        begin = time.monotonic()
        assert code(client.command("publish", channel="news", data=1)) == 100
        took = time.monotonic() - begin
        assert 3.5 < took < PATIENCE - 0.5, f"answered after {took:.2f} s"
    client.close()
