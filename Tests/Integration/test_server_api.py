"""Centrifugo's server API, driven by its own library for Python (cent), with the official client watching."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cent
import cent.dto
import jwt
import pytest
import requests
import websockets.sync.client

from rig.centrifuge_wire import CentrifugeWire
from rig.named_client import NamedClient
from rig.node import Node
from rig.one_or_two import one_or_two
from rig.receivers import SSEClientPyClient
from rig.redis_server import RedisServer
from rig.waiting import holds, until
from rig.wire import CLOSE, Wire, frame

SECRET = "s" * 40
KEY = "application-key"
TOKEN = "operator-token"
SETTINGS: dict[str, Any] = {
    "admin": {"token": TOKEN, "api_key": KEY},
    "auth": {"keys": [{"secret": SECRET}]},
    "channels": [
        {"match": "kept:*", "subscribe": "anyone", "publish": "client", "history": {"size": 20, "ttl": "1m"}},
        {"match": "short:*", "subscribe": "anyone", "publish": "client", "history": {"size": 2, "ttl": "1m"}},
        {"match": "room:*", "subscribe": "granted", "presence": {"join_leave": True, "grace": "100ms"}},
        {"match": "closed:*", "subscribe": "nobody"},
        {"match": "*", "subscribe": "anyone", "publish": "client"},
    ],
}


def token(user: str, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + 300, **claims}, SECRET, algorithm="HS256")


class Sync:
    """cent as programs without an event loop use it."""

    def __init__(self, node: Node, key: str) -> None:
        self._client = cent.Client(f"http://{node.admin}/api", api_key=key)

    def __call__(self, request: Any) -> Any:
        return getattr(self._client, request.api_method)(request)


class Async:
    """cent as the others use it."""

    def __init__(self, node: Node, key: str) -> None:
        self._node, self._key = node, key

    def __call__(self, request: Any) -> Any:
        async def call() -> Any:
            async with cent.AsyncClient(f"http://{self._node.admin}/api", api_key=self._key) as client:
                return await getattr(client, request.api_method)(request)

        return asyncio.run(call())


@pytest.fixture(params=["memory", "redis"])
def nodes(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[list[Node]]:
    """One node by itself, or two with Redis: clients are on the last, applications talk to the first."""
    with one_or_two(request.param, start_node, tmp_path, **SETTINGS) as started:
        yield started


@pytest.fixture(params=[Sync, Async])
def call(request: pytest.FixtureRequest, nodes: list[Node]) -> Callable[[Any], Any]:
    return request.param(nodes[0], KEY)


def post(node: Node, path: str, body: Any = None, raw: bytes | None = None, key: str | None = KEY, **headers: str) -> requests.Response:
    """As curl does."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"X-API-Key": key} if key else {}
    return requests.post(
        f"http://{node.admin}{path}", data=raw if raw is not None else json.dumps(body), headers={**given, **named}, timeout=15)


def result(node: Node, called: str, **body: Any) -> Any:
    response = post(node, f"/api/{called}", body)
    assert response.status_code == 200 and "error" not in response.json(), response.text
    return response.json()["result"]


def code(node: Node, called: str, **body: Any) -> int:
    response = post(node, f"/api/{called}", body)
    assert response.status_code == 200, response.text
    return response.json()["error"]["code"]


# Publishing


def test_publish_and_broadcast_reach_clients(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    client = NamedClient(nodes[-1].client)
    client.subscribe("news")
    client.subscribe("kept:1")
    assert call(cent.PublishRequest(channel="news", data={"n": 1})) == cent.PublishResult()
    first = call(cent.PublishRequest(channel="kept:1", data=[1, "two"]))
    assert first.offset == 1 and len(first.epoch) == 16
    answer = call(cent.BroadcastRequest(channels=["kept:1", "news", "bad channel"], data="both"))
    assert [bool(each.error) for each in answer.responses] == [False, False, True]
    assert answer.responses[0].result.offset == 2 and answer.responses[0].result.epoch == first.epoch
    assert answer.responses[2].error.code == 107
    until(lambda: len(client.payloads()) == 4, "all arrive")
    events = client.named("publication")
    assert [event[2] for event in events if event[1] == "news"] == [{"n": 1}, "both"]
    # What applications are told of positions is what clients are told.
    assert [event[3] for event in events if event[1] == "kept:1"] == [1, 2]


def test_publications_keep_their_bytes(nodes: list[Node]) -> None:
    url = f"ws://{nodes[-1].client}/raw?channel=news"
    with websockets.sync.client.connect(url) as socket:
        data = '{"n" : 1.50,  "s":"\\u00e9"}'
        post(nodes[0], "/api/publish", raw=f'{{"channel":"news","data": {data} }}'.encode())
        assert socket.recv(5) == data
        assert result(nodes[0], "publish", channel="news", data=None, b64data=base64.b64encode(b"\0\1\xff").decode()) == {}
        assert socket.recv(5) == b"\0\1\xff"


def test_options_of_a_publication(nodes: list[Node]) -> None:
    first = result(nodes[0], "publish", channel="kept:1", data=1, idempotency_key="k", delta=True)
    assert result(nodes[-1], "publish", channel="kept:1", data=2, idempotency_key="k") == first
    client = NamedClient(nodes[-1].client)
    client.subscribe("kept:1")
    assert result(nodes[0], "publish", channel="kept:1", data="passing", skip_history=True) == {}
    until(lambda: client.payloads() == ["passing"], "it arrives")
    assert [each["data"] for each in result(nodes[0], "history", channel="kept:1", limit=10)["publications"]] == [1]
    for field, value in [("version", 3), ("version_epoch", "x")]:
        assert code(nodes[0], "publish", channel="kept:1", data=1, **{field: value}) == 108
    for empty in [{"tags": {}}, {"version": 0}, {"skip_history": None}, {"b64data": None}]:
        result(nodes[0], "publish", channel="kept:1", data=1, **empty)


# Sessions


def test_subscribe_reaches_every_session_of_a_user(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    clients = [NamedClient(node.client, token("ann")) for node in nodes] + [NamedClient(nodes[0].client, token("ann"))]
    other = NamedClient(nodes[-1].client, token("bob"))
    assert call(cent.SubscribeRequest(user="ann", channel="room:1", data={"hello": "ann"})) == cent.SubscribeResult()
    # Whoever is told that it is done may rely on it: what is published now arrives.
    call(cent.PublishRequest(channel="room:1", data="first"))
    for client in clients:
        until(lambda client=client: client.payloads() == ["first"], "the publication arrives")
        told = [event for event in client.events if event[0] in ("subscribed", "publication")]
        assert told[0] == ("subscribed", "room:1", {"hello": "ann"}, None)
    assert not other.named("subscribed")
    # Again is the same as once.
    call(cent.SubscribeRequest(user="ann", channel="room:1"))
    stats = call(cent.PresenceStatsRequest(channel="room:1"))
    assert (stats.num_clients, stats.num_users) == (len(clients), 1)
    presence = call(cent.PresenceRequest(channel="room:1")).presence
    assert set(presence) == {client.id for client in clients} and {entry.user for entry in presence.values()} == {"ann"}
    assert call(cent.UnsubscribeRequest(user="ann", channel="room:1")) == cent.UnsubscribeResult()
    call(cent.PublishRequest(channel="room:1", data="second"))
    for client in clients:
        until(lambda client=client: client.named("unsubscribed"), "it is told")
        assert client.payloads() == ["first"] and len(client.named("subscribed")) == 1
    assert call(cent.PresenceRequest(channel="room:1")).presence == {}


def test_one_client_of_a_user(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    one, two = [NamedClient(nodes[-1].client, token("ann")) for _ in range(2)]
    call(cent.SubscribeRequest(user="ann", channel="room:1", client=one.id))
    until(lambda: one.named("subscribed"), "the one is subscribed")
    call(cent.SubscribeRequest(user="ann", channel="room:2", session=two.id))
    until(lambda: two.named("subscribed"), "the other one is subscribed")
    # The user and the client have to be the same one's.
    call(cent.SubscribeRequest(user="bob", channel="room:3", client=one.id))
    call(cent.SubscribeRequest(user="ann", channel="room:3", client="nobody"))
    call(cent.SubscribeRequest(user="nobody", channel="room:3"))
    assert call(cent.PresenceRequest(channel="room:3")).presence == {}
    assert [event[1] for event in one.named("subscribed")] == ["room:1"]
    assert [event[1] for event in two.named("subscribed")] == ["room:2"]


def test_a_subscription_with_history_knows_where_it_begins(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    for number in range(3):
        call(cent.PublishRequest(channel="kept:1", data=number))
    top = call(cent.HistoryRequest(channel="kept:1"))
    client = NamedClient(nodes[-1].client, token("ann"))
    call(cent.SubscribeRequest(user="ann", channel="kept:1"))
    until(lambda: client.named("subscribed"), "it is subscribed")
    assert client.named("subscribed") == [("subscribed", "kept:1", None, (top.offset, top.epoch))]
    # It recovers by itself when its connection breaks, if the application subscribes it again or its token does.
    call(cent.UnsubscribeRequest(user="ann", channel="kept:1"))
    since = cent.StreamPosition(offset=top.offset - 2, epoch=top.epoch)
    call(cent.SubscribeRequest(user="ann", channel="kept:1", recover_since=since))
    call(cent.PublishRequest(channel="kept:1", data=3))
    until(lambda: client.payloads() == [1, 2, 3], "what it missed and what follows arrives")
    assert client.named("subscribed")[1][3] == (top.offset - 2, top.epoch)


def test_a_past_that_is_gone_is_refused(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    positions = [call(cent.PublishRequest(channel="short:1", data=number)) for number in range(5)]
    client = NamedClient(nodes[-1].client, token("ann"))
    gone = cent.StreamPosition(offset=positions[0].offset, epoch=positions[0].epoch)
    with pytest.raises(cent.CentApiResponseError) as refused:
        call(cent.SubscribeRequest(user="ann", channel="short:1", recover_since=gone))
    assert refused.value.code == 112
    with pytest.raises(cent.CentApiResponseError) as refused:
        call(cent.SubscribeRequest(user="ann", channel="news", recover_since=gone))
    assert refused.value.code == 112
    call(cent.PublishRequest(channel="short:1", data="after"))
    holds(lambda: not client.named("publication") and not client.named("subscribed"), "nothing arrives", 0.3)


def test_join_and_leave_are_announced(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    watcher = NamedClient(nodes[0].client, token("watcher"))
    NamedClient(nodes[-1].client, token("ann"))
    call(cent.SubscribeRequest(user="watcher", channel="room:1"))
    call(cent.SubscribeRequest(user="ann", channel="room:1"))
    until(lambda: ("join", "room:1", "ann") in watcher.events, "the join is announced")
    call(cent.UnsubscribeRequest(user="ann", channel="room:1"))
    until(lambda: ("leave", "room:1", "ann") in watcher.events, "the leave is announced")


def test_unsubscribe_ends_what_a_client_asked_for(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    client = NamedClient(nodes[-1].client, token("ann"))
    for channel in ("news", "sport", "kept:1"):
        client.subscribe(channel)
    call(cent.UnsubscribeRequest(user="ann", channel="news"))
    until(lambda: client.named("own unsubscribed") == [("own unsubscribed", "news", 2000)], "one ends")
    # No channel means all of them.
    call(cent.UnsubscribeRequest(user="ann", channel=""))
    until(lambda: len(client.named("own unsubscribed")) == 3, "all end")
    assert {event[2] for event in client.named("own unsubscribed")} == {2000}
    assert not client.named("disconnected")


def test_disconnect_with_a_whitelist_and_a_code(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    clients = [NamedClient(node.client, token("ann")) for node in [*nodes, nodes[-1]]]
    kept, gone = clients[-1], clients[:-1]
    other = NamedClient(nodes[-1].client)
    bye = cent.Disconnect(code=4501, reason="bye")
    assert call(cent.DisconnectRequest(user="ann", whitelist=[kept.id], disconnect=bye)) == cent.DisconnectResult()
    for client in gone:
        until(lambda client=client: client.named("disconnected"), "it is disconnected")
        assert client.named("disconnected") == [("disconnected", 4501, "bye")]
    holds(lambda: not kept.named("disconnected") and not other.named("disconnected"), "the others stay", 0.3)
    call(cent.DisconnectRequest(user="ann"))
    until(lambda: kept.named("disconnected") == [("disconnected", 3503, "force disconnect")], "it does not come back")
    # No user is a user too.
    call(cent.DisconnectRequest(user="", client=other.id))
    until(lambda: other.named("disconnected"), "visitors can be disconnected")


def test_refresh_moves_the_end_of_a_session(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    wire = CentrifugeWire(nodes[-1], token("ann"))
    pushes: list[Any] = []
    take = wire._take
    wire._take = lambda message: (pushes.append(message.get("push", {})), take(message))[1]  # type: ignore[method-assign]
    assert call(cent.RefreshRequest(user="ann", expire_at=int(time.time()) + 1000)) == cent.RefreshResult()
    call(cent.RefreshRequest(user="ann"))
    until(lambda: [push for push in pushes if "refresh" in push][1:], "it is told twice")
    first, second = [push["refresh"] for push in pushes if "refresh" in push]
    assert first["expires"] and 990 <= first["ttl"] <= 1000 and second == {}
    call(cent.RefreshRequest(user="ann", expired=True))
    until(lambda: wire.closed, "it ends")
    assert "3005" in wire.closed


def test_a_session_ends_when_its_moved_end_comes(start_node: Any) -> None:
    node = start_node(**{**SETTINGS, "auth": {"keys": [{"secret": SECRET}], "leeway": "0s", "refresh_grace": "0s"}})
    wire = CentrifugeWire(node, token("ann"))
    result(node, "refresh", user="ann", expire_at=int(time.time()) + 2)
    until(lambda: wire.closed and "3005" in wire.closed, "it expires", 6)


def test_a_subscription_ends_when_it_is_to(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    wire = CentrifugeWire(nodes[-1], token("ann"))
    request = cent.SubscribeRequest(user="ann", channel="room:1")
    result(nodes[0], "subscribe", **request.api_payload, expire_at=int(time.time()) + 2)
    assert result(nodes[0], "presence_stats", channel="room:1")["num_clients"] == 1
    until(lambda: wire.unsubscribed == [("room:1", 2501)], "it ends", 6)
    assert wire.closed is None


def test_limits_and_rules_hold(start_node: Any) -> None:
    node = start_node(**{**SETTINGS, "limits": {"channels_per_session": 2}})
    client = NamedClient(node.client, token("ann"))
    result(node, "subscribe", user="ann", channel="a")
    result(node, "subscribe", user="ann", channel="b")
    assert code(node, "subscribe", user="ann", channel="c") == 106
    assert code(node, "subscribe", user="ann", channel="closed:1") == 108
    assert [event[1] for event in client.named("subscribed")] == ["a", "b"]
    # An override may ask for what the channel's rule gives, and for nothing else.
    result(node, "unsubscribe", user="ann", channel="b")
    assert code(node, "subscribe", user="ann", channel="room:1", override={"force_recovery": {"value": True}}) == 108
    result(node, "subscribe", user="ann", channel="room:1", override={"presence": {"value": True}})


def test_a_slow_reader_of_a_given_channel_comes_back(start_node: Any) -> None:
    """A client cannot subscribe anew to what it was given, so it reconnects when something is lost."""
    changes = {"channels": [{"match": "*", "subscribe": "anyone", "slow": "drop_oldest", "history": {"size": 5, "ttl": "1m"}}]}
    node = start_node(**{**SETTINGS, **changes, "limits": {"outbound_bytes": "64KiB"}})
    wire = Wire(node.client_port, receive_buffer=4096, seconds=20)
    wire.open("/connection/websocket")
    wire.send(frame(json.dumps({"id": 1, "connect": {"token": token("ann")}}).encode()))
    wire.read_frame()
    result(node, "subscribe", user="ann", channel="given")
    assert "subscribe" in json.loads(wire.read_frame()[1])["push"]
    commands = [{"publish": {"channel": "given", "data": "x" * 50_000}}] * 40
    for _ in range(4):
        assert post(node, "/api/batch", {"commands": commands}).status_code == 200
    opcode, payload = wire.read_frame()
    while opcode != CLOSE:
        opcode, payload = wire.read_frame()
    assert int.from_bytes(payload[:2], "big") == 3010, payload


def test_sessions_of_other_dialects(nodes: list[Node]) -> None:
    stream = SSEClientPyClient(nodes[-1].client, f"mine&token={token('ann')}")
    url = f"ws://{nodes[-1].client}/raw?channel=mine&token={token('ann')}"
    with websockets.sync.client.connect(url) as socket:
        result(nodes[0], "subscribe", user="ann", channel="given")
        result(nodes[0], "publish", channel="given", data="here")
        assert socket.recv(5) == '"here"'
        until(lambda: stream.count() == 1, "the stream gets it too")
        # What a session asked for in its address cannot end without a word, and it has none.
        assert code(nodes[0], "unsubscribe", user="ann", channel="mine") == 108
        result(nodes[0], "unsubscribe", user="ann", channel="given")
        result(nodes[0], "publish", channel="given", data="gone")
        result(nodes[0], "publish", channel="mine", data="still")
        assert socket.recv(5) == '"still"'
        until(lambda: stream.count() == 2, "the stream gets what it asked for")
        result(nodes[0], "disconnect", user="ann", disconnect={"code": 4200, "reason": "enough"})
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            socket.recv(5)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4200, "enough")
    until(lambda: stream.closed, "the stream ends")


# Questions


def test_history_is_what_clients_see(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    publisher = CentrifugeWire(nodes[-1], token("ann", info={"colour": "blue"}))
    publisher.subscribe("kept:1")
    publisher.command("publish", channel="kept:1", data={"from": "a client"})
    for number in range(1, 5):
        call(cent.PublishRequest(channel="kept:1", data=number))
    seen = publisher.command("history", channel="kept:1", limit=-1)
    whole = call(cent.HistoryRequest(channel="kept:1", limit=-1))
    assert (whole.offset, whole.epoch) == (seen["offset"], seen["epoch"])
    assert [(each.offset, each.data) for each in whole.publications] == [(each["offset"], each["data"]) for each in seen["publications"]]
    assert whole.publications[0].info.user == "ann" and whole.publications[0].info.conn_info == {"colour": "blue"}
    assert whole.publications[1].info is None
    end = call(cent.HistoryRequest(channel="kept:1"))
    assert end.publications == [] and (end.offset, end.epoch) == (whole.offset, whole.epoch)
    since = cent.StreamPosition(offset=whole.publications[1].offset, epoch=whole.epoch)
    page = call(cent.HistoryRequest(channel="kept:1", limit=2, since=since))
    assert [each.data for each in page.publications] == [2, 3]
    back = call(cent.HistoryRequest(channel="kept:1", limit=3, reverse=True))
    assert [each.data for each in back.publications] == [4, 3, 2]
    with pytest.raises(cent.CentApiResponseError) as refused:
        call(cent.HistoryRequest(channel="kept:1", limit=2, since=cent.StreamPosition(offset=1, epoch="nonsense")))
    assert refused.value.code == 112
    with pytest.raises(cent.CentApiResponseError) as refused:
        call(cent.HistoryRequest(channel="news", limit=2))
    assert refused.value.code == 108


def test_more_history_than_a_page(start_node: Any) -> None:
    rules = [{"match": "*", "subscribe": "anyone", "history": {"size": 3000, "ttl": "1m"}}]
    node = start_node(**{**SETTINGS, "channels": rules})
    for begin in range(0, 2500, 500):
        commands = [{"publish": {"channel": "long", "data": number}} for number in range(begin, begin + 500)]
        assert post(node, "/api/batch", {"commands": commands}).status_code == 200
    assert [each["data"] for each in result(node, "history", channel="long", limit=-1)["publications"]] == list(range(2500))
    back = result(node, "history", channel="long", limit=1700, reverse=True)["publications"]
    assert [each["data"] for each in back] == list(range(2499, 799, -1))


def test_removed_history_is_gone_on_every_node(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    watchers = [CentrifugeWire(node) for node in nodes]
    for watcher in watchers:
        watcher.subscribe("kept:1")
    for number in range(5):
        call(cent.PublishRequest(channel="kept:1", data=number))
    end = call(cent.HistoryRequest(channel="kept:1"))
    for watcher in watchers:
        until(lambda watcher=watcher: len(watcher.publications) == 5, "all arrive")
    # Each node has it at hand for those who come back.
    before = [CentrifugeWire(node).subscribe("kept:1", recover=True, offset=end.offset - 2, epoch=end.epoch) for node in nodes]
    assert all(reply["recovered"] and len(reply["publications"]) == 2 for reply in before)
    assert call(cent.HistoryRemoveRequest(channel="kept:1")) == cent.HistoryRemoveResult()
    assert call(cent.HistoryRequest(channel="kept:1", limit=-1)) == cent.HistoryResult(offset=end.offset, epoch=end.epoch)
    for node in nodes:
        # Whoever missed something is told, and whoever missed nothing goes on.
        reply = CentrifugeWire(node).subscribe("kept:1", recover=True, offset=end.offset - 2, epoch=end.epoch)
        assert reply.get("recovered", False) is False and not reply.get("publications")
        assert CentrifugeWire(node).subscribe("kept:1", recover=True, offset=end.offset, epoch=end.epoch)["recovered"]
    # Those who are there go on without a word.
    after = call(cent.PublishRequest(channel="kept:1", data="after"))
    assert (after.offset, after.epoch) == (end.offset + 1, end.epoch)
    for node, watcher in zip(nodes, watchers):
        until(lambda watcher=watcher: watcher.publications[-1] == (6, "after"), "it arrives")
        assert not watcher.unsubscribed and watcher.closed is None
        reply = CentrifugeWire(node).subscribe("kept:1", recover=True, offset=end.offset, epoch=end.epoch)
        assert [each["data"] for each in reply["publications"]] == ["after"]
        reply = CentrifugeWire(node).subscribe("kept:1", recover=True, offset=end.offset - 1, epoch=end.epoch)
        assert reply.get("recovered", False) is False
    with pytest.raises(cent.CentApiResponseError) as refused:
        call(cent.HistoryRemoveRequest(channel="news"))
    assert refused.value.code == 108


def test_presence_without_a_rule_is_refused(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    for request in (cent.PresenceRequest(channel="news"), cent.PresenceStatsRequest(channel="news")):
        with pytest.raises(cent.CentApiResponseError) as refused:
            call(request)
        assert refused.value.code == 108


def test_presence_tells_what_tokens_say(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    ann = NamedClient(nodes[-1].client, token("ann", info={"name": "Ann"}))
    call(cent.SubscribeRequest(user="ann", channel="room:1"))
    entry = call(cent.PresenceRequest(channel="room:1")).presence[ann.id]
    assert (entry.user, entry.client, entry.conn_info, entry.chan_info) == ("ann", ann.id, {"name": "Ann"}, None)


def test_channels_by_pattern(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    clients = [NamedClient(node.client) for node in [*nodes, nodes[-1]]]
    for client in clients:
        client.subscribe("chat:1")
    clients[-1].subscribe("chat:22")
    clients[-1].subscribe("news")
    everything = call(cent.ChannelsRequest()).channels
    assert {name: each.num_clients for name, each in everything.items()} == {"chat:1": len(clients), "chat:22": 1, "news": 1}
    for pattern, names in {
        "chat:*": {"chat:1", "chat:22"}, "chat:?": {"chat:1"}, "*:[0-1]": {"chat:1"}, "{news,chat:2*}": {"news", "chat:22"},
        "nothing*": set(),
    }.items():  # fmt: skip
        assert set(call(cent.ChannelsRequest(pattern=pattern)).channels) == names, pattern
    with pytest.raises(cent.CentApiResponseError) as refused:
        call(cent.ChannelsRequest(pattern="[a"))
    assert refused.value.code == 107


def test_info(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    clients = [NamedClient(nodes[-1].client, token(user)) for user in ("ann", "ann", "bob")]
    for client in clients:
        client.subscribe("news")
    clients[0].subscribe("sport")

    def last() -> Any:
        return next(entry for entry in call(cent.InfoRequest()).nodes if entry.uid == nodes[-1].id)

    until(lambda: last().num_clients == 3 and last().num_channels >= 2, "the node says it in its beat")
    entry = last()
    assert (entry.name, entry.num_users, entry.num_subs) == (nodes[-1].configuration["node"]["name"], 2, 4)
    assert entry.version and entry.process.rss > 1_000_000 and "deliveries" in entry.metrics.items
    assert {each.uid for each in call(cent.InfoRequest()).nodes} == {node.id for node in nodes}


def test_what_is_not_served_says_so(nodes: list[Node], call: Callable[[Any], Any]) -> None:
    refusals = {
        108: [
            cent.dto.ConnectionsRequest(user="ann", expression=""), cent.dto.UpdateUserStatusRequest(users=["ann"]),
            cent.dto.GetUserStatusRequest(users=["ann"]), cent.dto.DeleteUserStatusRequest(users=["ann"]),
            cent.dto.BlockUserRequest(user="ann"), cent.dto.UnblockUserRequest(user="ann"), cent.dto.RevokeTokenRequest(uid="1"),
            cent.dto.InvalidateUserTokensRequest(user="ann"),
            cent.dto.DeviceRegisterRequest(provider="fcm", token="t", platform="ios"), cent.dto.DeviceUpdateRequest(),
            cent.dto.DeviceRemoveRequest(), cent.dto.DeviceListRequest(), cent.dto.DeviceTopicListRequest(),
            cent.dto.UserTopicListRequest(), cent.dto.DeviceTopicUpdateRequest(device_id="1", op="add", topics=[]),
            cent.dto.UserTopicUpdateRequest(user="ann", op="add", topics=[]),
            cent.dto.SendPushNotificationRequest(recipient=cent.dto.PushRecipient(), notification=cent.dto.PushNotification()),
            cent.dto.UpdatePushStatusRequest(analytics_uid="1", status="read"), cent.dto.CancelPushRequest(uid="1"),
        ],
    }  # fmt: skip
    for number, requests_ in refusals.items():
        for request in requests_:
            with pytest.raises(cent.dto.CentApiResponseError) as refused:
                call(request)
            assert refused.value.code == number, request
    assert code(nodes[0], "rpc", method="anything", params={}) == 104
    assert code(nodes[0], "nonsense") == 104


# Several at once


@pytest.mark.parametrize("parallel", [False, True])
def test_a_batch(nodes: list[Node], call: Callable[[Any], Any], parallel: bool) -> None:
    client = NamedClient(nodes[-1].client)
    client.subscribe("news")
    batch = [cent.PublishRequest(channel="news", data=number) for number in range(20)]
    replies = call(cent.BatchRequest(requests=[*batch, cent.HistoryRequest(channel="kept:1")], parallel=parallel)).replies
    assert len(replies) == 21 and isinstance(replies[-1], cent.HistoryResult)
    until(lambda: len(client.payloads()) == 20, "all arrive")
    if not parallel:
        assert client.payloads() == list(range(20))


def test_a_batch_with_mistakes_in_it(nodes: list[Node]) -> None:
    commands = [{"publish": {"channel": "a", "data": 1}}, {"publish": {"channel": ""}}, {"connections": {}}, None, {}]
    replies = post(nodes[0], "/api/batch", {"commands": commands}).json()["replies"]
    assert [reply.get("error", {}).get("code") for reply in replies] == [None, 107, 108, 107, 104]
    assert replies[0] == {"publish": {}}
    assert post(nodes[0], "/api/batch", {"commands": [{"publish": 5}]}).status_code == 400


def test_the_older_form(nodes: list[Node]) -> None:
    """As gocent and phpcent send it: commands in lines, and the key behind a word of its own."""
    lines = [{"method": "publish", "params": {"channel": "kept:1", "data": 1}}, {"id": 7, "method": "HISTORY", "params": {"channel": "kept:1", "limit": 1}}, {"method": "info"}, {"method": "nonsense"}]  # fmt: skip
    body = "\n".join(json.dumps(line) for line in lines).encode()
    response = post(nodes[0], "/api", raw=body, key=None, Authorization=f"apikey {KEY}")
    replies = [json.loads(line) for line in response.text.splitlines()]
    assert replies[0]["result"]["offset"] == 1 and replies[1]["id"] == 7
    assert replies[1]["result"]["publications"][0]["data"] == 1
    assert len(replies[2]["result"]["nodes"]) == len(nodes) and replies[3]["error"]["code"] == 104
    assert post(nodes[0], "/api", raw=b"{").status_code == 400
    assert post(nodes[0], "/api", raw=b"").status_code == 400


# Keys, errors and the log


def test_keys(start_node: Any) -> None:
    node = start_node(**SETTINGS)
    body = {"channel": "a", "data": 1}
    for key in (KEY, TOKEN):
        assert post(node, "/api/publish", body, key=key).status_code == 200
        assert post(node, "/api/publish", body, key=None, Authorization=f"apikey {key}").status_code == 200
        assert post(node, "/api/publish", body, key=None, Authorization=f"Bearer {key}").status_code == 200
        assert post(node, f"/api/publish?api_key={key}", body, key=None).status_code == 200
    for path in ("/api/publish", "/api/nonsense", "/api", "/api/batch", "//api/publish", "/api//publish", "/api/publish/"):
        for wrong in ({"key": None}, {"key": "wrong"}, {"key": None, "Authorization": "apikey wrong"}, {"key": None, "Authorization": KEY}):
            assert post(node, path, body, **wrong).status_code in (401, 404), (path, wrong)
            if path in ("/api/publish", "/api/nonsense", "/api", "/api/batch"):
                assert post(node, path, body, **wrong).status_code == 401, (path, wrong)
    with pytest.raises(cent.CentUnauthorizedError):
        Sync(node, "wrong")(cent.PublishRequest(channel="a", data=1))
    # The application's key opens nothing else.
    for method, path in [("GET", "/api/v1/cluster"), ("POST", "/api/v1/publish"), ("POST", f"/api/v1/nodes/{node.id}/drain"), ("GET", "/metrics")]:
        for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"apikey {KEY}"}):
            response = requests.request(method, f"http://{node.admin}{path}?api_key={KEY}", headers=headers, timeout=10)
            assert response.status_code == 401, (method, path, headers)
    assert KEY not in json.dumps(node.api.get("/api/v1/config"))


def test_without_a_key_on_loopback(start_node: Any) -> None:
    node = start_node()
    assert Sync(node, "")(cent.PublishRequest(channel="a", data=1)) == cent.PublishResult()
    # Pages of others may not use an operator's browser for it, nor names that only lead here.
    body = {"channel": "a", "data": 1}
    assert post(node, "/api/publish", body, key=None, Origin="https://evil.example").status_code == 403
    assert post(node, "/api/publish", body, key=None, Host="evil.example").status_code == 403
    # With a key for applications alone, it is asked for although nothing else is.
    other = start_node("other", admin={"api_key": KEY})
    assert post(other, "/api/publish", body, key=None).status_code == 401
    assert post(other, "//api/publish", body, key=None).status_code in (401, 404)
    assert post(other, "/api/publish", body).status_code == 200
    assert other.api.get("/api/v1/cluster")


def test_errors_with_a_status(nodes: list[Node]) -> None:
    for method, body, status, number in [
        ("publish", {"channel": ""}, 400, 107), ("rpc", {"method": "x"}, 404, 104), ("nonsense", {}, 404, 104),
        ("connections", {}, 400, 108), ("history", {"channel": "kept:1", "since": {"offset": 5, "epoch": "x"}, "limit": 1}, 416, 112),
    ]:  # fmt: skip
        response = post(nodes[0], f"/api/{method}", body, X_Centrifugo_Error_Mode="transport")
        assert (response.status_code, response.json()["code"]) == (status, number), response.text
        assert post(nodes[0], f"/api/{method}", body).json()["error"]["code"] == number
    for raw in (b"", b"{", b"[]", b"null", b'{"channel":5,"data":1}', b'\xff', b'{"channel":"a","data":' + b"[" * 1000):
        assert post(nodes[0], "/api/publish", raw=raw).status_code == 400, raw[:50]
    assert requests.get(f"http://{nodes[0].admin}/api/publish", headers={"X-API-Key": KEY}, timeout=10).status_code == 405
    assert post(nodes[0], "/api/publish", raw=b'{"channel":"a","data":"' + b"x" * 600_000 + b'"}').status_code == 413


def test_a_node_that_does_not_answer_is_no_success(start_node: Any, redis_server: RedisServer) -> None:
    one, two = [start_node(name, redis_url=redis_server.url, **SETTINGS) for name in "ab"]
    for node in (one, two):
        until(lambda node=node: node.api.node_names() == {"a", "b"}, "the nodes know each other")
    two.pause()
    try:
        for method in ("disconnect", "refresh"):
            answer = post(one, f"/api/{method}", {"user": "ann"}).json()
            assert answer["error"]["code"] == 100 and "1 of 2 nodes" in answer["error"]["message"]
        assert post(one, "/api/channels", {}).json()["error"]["code"] == 100
    finally:
        two.resume()


def test_the_log_says_who_did_what(start_node: Any) -> None:
    node = start_node(**SETTINGS)
    NamedClient(node.client, token("ann"))
    result(node, "subscribe", user="ann", channel="room:1")
    result(node, "presence", channel="room:1")
    result(node, "publish", channel="news", data=1)
    post(node, "/api/batch", {"commands": [{"info": {}}]})
    post(node, "/api/batch", {"commands": [{"disconnect": {"user": "ann"}}]})
    post(node, "/api/info", {}, key="wrong")
    lines = [line for line in node.output().splitlines() if "audit: " in line]
    assert len(lines) == 3, lines
    assert "POST /api/subscribe" in lines[0] and "user=ann" in lines[0] and "sessions=1" in lines[0] and "channel=room:1" in lines[0]
    assert "POST /api/batch" in lines[1] and "user=ann" in lines[1]
    assert "wrong token" in lines[2] and KEY not in "\n".join(lines)
