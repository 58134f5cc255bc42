"""What happens in a node, as the event stream of the admin listener tells it."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rig.centrifuge_wire import CentrifugeWire
from rig.cluster import LEASE_SECONDS, Cluster
from rig.crowd import Crowd
from rig.events import Events
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import CLOSE, Wire, frame, upgrade

RULES = [
    {"match": "quiet:*", "subscribe": "anyone"},
    {"match": "*", "subscribe": "anyone", "publish": "client", "presence": {"grace": "0s"}, "occupancy": True},
]
SETTINGS: dict[str, Any] = {"channels": RULES}
OCCUPANCY = "channel_occupied,channel_vacated"


def raw(node: Node, channel: str) -> Wire:
    return Wire(node.client_port).open(f"/raw?channel={channel}")


@pytest.fixture(params=["memory", "redis"])
def node(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[Node]:
    if request.param == "memory":
        yield start_node(**SETTINGS)
        return
    server = RedisServer(tmp_path).start()
    yield start_node(redis_url=server.url, **SETTINGS)
    assert not server.denied(), server.denied()
    server.stop()


def test_a_session_from_its_opening_to_its_end(node: Node) -> None:
    with Events(node) as events:
        assert len(events.greeting["kinds"]) == 10
        client = CentrifugeWire(node)
        client.subscribe("room")
        client.command("publish", channel="room", data={"n": 1})
        events.until(lambda events: events.of(kind="published"), "the publication is told")
        events.until(lambda events: events.of(kind="channel_occupied"), "the channel is told")
        events.until(lambda events: events.of(kind="member_joined"), "the member is told")
        client.close()
        events.until(lambda events: events.of(kind="channel_vacated"), "the end is told")
        events.until(lambda events: events.of(kind="member_left"), "and that the member is gone")
        told = events.kinds(session=client.id)
        own = [kind for kind in told if not kind.startswith("member")]
        assert own == ["session_opened", "subscribed", "published", "unsubscribed", "session_closed"]
        assert Counter(event["kind"] for event in events.events) == Counter(
            [*own, "channel_occupied", "channel_vacated", "member_joined", "member_left"])
        [published] = events.of(kind="published")
        assert published["data"] == {"n": 1} and published["channel"] == "room" and published["node"] == node.id
        [opened] = events.of(kind="session_opened")
        assert opened["dialect"] == "centrifuge" and opened["remote"].startswith("127.0.0.1:")


def test_how_sessions_end(node: Node) -> None:
    with Events(node, "session_closed") as events:
        assert events.greeting["kinds"] == ["session_closed"]
        client = raw(node, "quiet:a")
        client.send(frame((1001).to_bytes(2, "big"), CLOSE))
        client.read_close()
        # They may be on different reactors: one after the other.
        events.until(lambda events: len(events.events) == 1, "one end is told")
        gone = raw(node, "quiet:a")
        gone.close()
        events.until(lambda events: len(events.events) == 2, "two ends are told")
        broken = raw(node, "quiet:a")
        broken.send(frame(b"", 7))
        asked = raw(node, "quiet:a")
        events.until(lambda events: len(events.events) == 3, "three ends are told")
        [connection] = node.api.connections()
        node.api.request("POST", f"/api/v1/connections/{connection['id']}/close")
        asked.read_close()
        # One that never was in did not leave either.
        Wire(node.client_port).send(upgrade("/connection/websocket")).close()
        events.until(lambda events: len(events.events) == 4, "all ends are told")
        assert [(event["code"], event["cause"]) for event in events.events] == [
            (1001, "left"), (1006, "gone"), (1002, "protocol_error"), (4000, "requested"),
        ]  # fmt: skip


def test_what_cannot_be_asked_for(node: Node) -> None:
    response = node.api.request("GET", "/api/v1/events", params={"kinds": "subscribed,nothing"})
    assert response.status_code == 400 and "'nothing'" in response.json()["error"]["message"]
    assert node.api.request("HEAD", "/api/v1/events").status_code == 405
    assert node.api.request("POST", "/api/v1/events").headers["allow"] == "GET"


def test_streams_are_bounded_and_given_back(start_node: Any) -> None:
    node = start_node(admin={"event_streams": 2}, **SETTINGS)
    first, second = Events(node, "subscribed"), Events(node, "subscribed")
    assert node.api.metric("event_listeners") == 2
    refused = node.api.request("GET", "/api/v1/events")
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "too_many_event_streams"
    assert node.api.metric("event_streams_refused_total") == 1
    first.close()
    until(lambda: node.api.metric("event_listeners") == 1, "the place is free again")
    with until(lambda: Events(node, "subscribed"), "it can be had again"):
        client = raw(node, "a")
        second.until(lambda events: events.of(kind="subscribed"), "the others go on")
    second.close()
    until(lambda: node.api.metric("event_listeners") == 0, "nobody listens")
    before = node.api.metric("events_total")
    client.close()
    until(lambda: node.api.metric("sessions_closed_total") == 1, "a session has gone")
    assert node.api.metric("events_total") == before


def test_a_stopping_node_ends_its_streams(start_node: Any) -> None:
    """Also one that is not read."""
    node = start_node(**SETTINGS)
    deaf = socket.create_connection(("127.0.0.1", node.admin_port))
    deaf.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    with Events(node, "session_closed") as events:
        client = raw(node, "a")
        node.stop()
        assert node.exit_code == 0
        events.until(lambda events: events.is_over, "the stream is over")
        assert [event["cause"] for event in events.events] == ["shutdown"]
        client.close()
    deaf.close()


def test_a_listener_that_does_not_read_is_told_what_it_missed(start_node: Any) -> None:
    node = start_node(limits={"event_bytes": "64KiB", "publish_rate": 0}, **SETTINGS)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.connect(("127.0.0.1", node.admin_port))
    listener.sendall(b"GET /api/v1/events?kinds=published HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    until(lambda: node.api.metric("event_listeners") == 1, "it listens")
    publisher = raw(node, "a")
    count, size = 0, 8000
    while node.api.metric("events_dropped_total") < 100:
        for _ in range(50):
            publisher.send(frame(b"x" * size))
            count += 1
        until(lambda count=count: node.api.metric("client_publishes_total") == count, "they are published")
        assert count < 20_000
    # Nobody else has noticed anything.
    publisher.send(frame(b"last"))
    while publisher.read_frame()[1] != b"last":
        pass
    # It reads now: what it did not get is said where it is missing, and together that is all.
    told = dropped = 0
    listener.settimeout(20)
    reader = listener.makefile("rb")
    while told + dropped < count + 1:
        line = reader.readline()
        assert line, "the stream is over"
        if line.startswith(b"event: published"):
            told += 1
        elif line.startswith(b"event: dropped"):
            dropped += json.loads(reader.readline().removeprefix(b"data: "))["events"]
    assert dropped >= 100 and told + dropped == count + 1
    assert node.api.metric("events_dropped_total") == dropped
    listener.close()


def test_thousands_that_close_at_once(start_node: Any) -> None:
    node = start_node(**SETTINGS)
    count = 3000
    with Events(node, "session_opened,session_closed,subscribed,unsubscribed") as events, Crowd() as crowd:
        crowd.open(count, node.client_port, upgrade("/raw?channel=a"))
        events.until(lambda events: len(events.of(kind="subscribed")) == count, "all are in", 30)
        node.api.request("POST", f"/api/v1/nodes/{node.id}/drain")
        assert crowd.run(lambda: not crowd.alive, 30)
        events.until(lambda events: len(events.of(kind="session_closed")) == count, "all have gone", 30)
        by_session: dict[str, list[str]] = {}
        for event in events.events:
            by_session.setdefault(event["session"], []).append(event["kind"])
        assert len(by_session) == count
        order = ["session_opened", "subscribed", "unsubscribed", "session_closed"]
        assert all(kinds == order for kinds in by_session.values())
        assert events.dropped == 0 and node.api.metric("events_dropped_total") == 0


# Several nodes


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, 2, **SETTINGS) as started:
        yield started.start()
        started.check_permissions()


def test_the_first_and_the_last_in_the_cluster(cluster: Cluster) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(Events(node, OCCUPANCY)) for node in cluster.nodes]

        def told() -> list[str]:
            return sorted(event["kind"] for stream in streams for event in stream.of(channel="room"))

        for turn in range(1, 4):
            first, second = raw(cluster.nodes[0], "room"), raw(cluster.nodes[1], "room")
            until(lambda turn=turn: told().count("channel_occupied") == turn, "one of them says that it is occupied")
            first.close()
            # The next channel's events are told after this one's, so nothing is under way any more.
            for number, node in enumerate(cluster.nodes):
                raw(node, f"mark-{turn}-{number}").close()
                mark = f"mark-{turn}-{number}"
                until(lambda mark=mark: any(s.of(kind="channel_vacated", channel=mark) for s in streams), "the mark is told")
            assert told() == sorted(["channel_occupied"] * turn + ["channel_vacated"] * (turn - 1))
            second.close()
            until(lambda turn=turn: told().count("channel_vacated") == turn, "the last one has gone")
        assert told() == ["channel_occupied"] * 3 + ["channel_vacated"] * 3


def test_a_node_that_is_killed(cluster: Cluster) -> None:
    """What only it had is vacated, and its members have left, said once, by who is left."""
    survivor, dying = cluster.nodes
    with Events(survivor, f"{OCCUPANCY},member_left") as events, ExitStack() as stack:
        channels = [f"room-{number}" for number in range(200)]
        clients = [CentrifugeWire(dying) for _ in range(4)]
        for number, channel in enumerate([*channels, "shared"]):
            clients[number % 4].subscribe(channel)
        stack.callback(raw(survivor, "shared").close)
        until(lambda: survivor.api.subscribers("shared") == 2, "both are subscribed")
        present = "/api/v1/channels/room-199/presence"
        until(lambda: survivor.api.get(present, view="count")["clients"] == 1, "the last member is known")
        until(lambda: dying.api.metric("occupancy_channels") == 201, "all channels are known")
        dying.kill()
        seconds = LEASE_SECONDS + 15
        events.until(lambda events: len(events.of(kind="channel_vacated")) == 200, "its channels are vacated", seconds)
        events.until(lambda events: len(events.of(kind="member_left")) == 201, "its members have left", seconds)
        assert {event["channel"] for event in events.of(kind="channel_vacated")} == set(channels)
        # The node that came back as another one finds everything as it should be.
        dying.start()
        again = raw(dying, "room-0")
        with Events(dying, OCCUPANCY) as second:
            again.close()
            second.until(lambda events: events.of(kind="channel_vacated", channel="room-0"), "and it is told here")
        assert len(events.of(kind="channel_vacated")) == 200
        assert len(events.of(kind="channel_vacated", channel="shared")) == 0


def test_a_redis_that_comes_back_empty_is_no_news(cluster: Cluster) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(Events(node, OCCUPANCY)) for node in cluster.nodes]
        clients = [raw(node, "room") for node in cluster.nodes]

        def told(kind: str) -> int:
            return sum(len(stream.of(kind=kind, channel="room")) for stream in streams)

        until(lambda: told("channel_occupied") == 1, "it is occupied")
        cluster.redis.stop()
        for node in cluster.nodes:
            until(lambda node=node: not node.api.is_ready(), "it is noticed")
        cluster.redis.start()
        for node in cluster.nodes:
            until(node.api.is_ready, "it is linked again", 20)
        clients[0].close()
        raw(cluster.nodes[0], "mark").close()
        until(lambda: any(s.of(kind="channel_vacated", channel="mark") for s in streams), "what came later is told")
        assert told("channel_occupied") == 1 and told("channel_vacated") == 0
        clients[1].close()
        until(lambda: told("channel_vacated") == 1, "the last one has gone")
