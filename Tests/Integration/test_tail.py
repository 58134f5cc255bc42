"""Reading along in a channel through the admin listener."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from rig.admin_stream import AdminStream, Refused
from rig.cluster import Cluster
from rig.node import Node
from rig.waiting import until
from rig.wire import Wire, frame

HISTORY = [{"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 10, "ttl": "1m"}, "occupancy": True}]


def tail(node: Node, channel: str) -> AdminStream:
    stream = AdminStream(node, f"/api/v1/channels/{quote(channel, safe='')}/tail")
    return stream.until(lambda stream: stream.of("listening"), "it listens")


def shown(stream: AdminStream) -> list[str]:
    return [event["data"] for event in stream.of("publication")]


def test_a_tail_reads_along_on_any_node(cluster: Cluster) -> None:
    with tail(cluster.nodes[0], "news") as stream:
        assert stream.of("listening") == [{"node": cluster.nodes[0].id, "channel": "news"}]
        cluster.nodes[1].api.publish("news", text="plain")
        cluster.nodes[2].api.publish("news", data={"n": 1})
        cluster.nodes[0].api.publish("news", binary=b"\x00\xff")
        cluster.nodes[0].api.publish("other", text="not this one")
        stream.until(lambda stream: len(stream.of("publication")) == 3, "all three")
        plain, json_value, binary = stream.of("publication")
        assert plain["data"] == "plain" and plain["encoding"] == "text" and plain["bytes"] == 5
        assert plain["position"] is None and not plain["truncated"] and plain["time"] > 1.7e12
        assert json.loads(json_value["data"]) == {"n": 1} and json_value["kind"] == "json"
        assert binary["encoding"] == "base64" and base64.b64decode(binary["data"]) == b"\x00\xff"
        # Nobody is subscribed by that.
        assert cluster.nodes[1].api.subscribers("news") == 0
        assert cluster.nodes[1].api.get("/api/v1/channels")["channels"] == []
    until(lambda: cluster.nodes[0].api.metric("link_channels") <= 1, "the node lets go of the channel")


def test_positions_and_occupancy(start_node: Any) -> None:
    node: Node = start_node(channels=HISTORY)
    with AdminStream(node, "/api/v1/events?kinds=channel_occupied,channel_vacated") as events, tail(node, "kept") as stream:
        node.api.publish("kept", text="one")
        node.api.publish("kept", text="two")
        stream.until(lambda stream: len(stream.of("publication")) == 2, "both")
        history = node.api.get("/api/v1/channels/kept/history")["publications"]
        assert [event["position"] for event in stream.of("publication")] == [entry["position"] for entry in history]
        # A tail does not make a channel occupied; a subscriber does, and its leaving vacates it though the tail goes on.
        assert events.of("channel_occupied") == []
        wire = Wire(node.client_port).open("/raw?channel=kept")
        events.until(lambda events: events.of("channel_occupied"), "occupied by the subscriber")
        wire.close()
        events.until(lambda events: events.of("channel_vacated"), "vacated by it")
        node.api.publish("kept", text="three")
        stream.until(lambda stream: shown(stream) == ["one", "two", "three"], "the tail goes on")


def test_hostile_names_and_payloads_are_data(node: Node) -> None:
    name = "<script>\u202e&\"'/%2f"
    with tail(node, name) as stream:
        node.api.publish(name, text="a\n\nevent: publication\ndata: {}\n\n\x1b[2J")
        stream.until(lambda stream: stream.of("publication"), "it arrives")
        assert shown(stream) == ["a\n\nevent: publication\ndata: {}\n\n\x1b[2J"]
        assert stream.of("listening")[0]["channel"] == name
    for bad in ["%24all", "a%20b", "x" * 256]:
        response = node.api.request("GET", f"/api/v1/channels/{bad}/tail")
        assert response.status_code in (400, 404), f"{bad}: {response.status_code}"
    assert node.api.request("GET", "/api/v1/channels/a/tail?limit=3").status_code == 400
    assert node.api.request("HEAD", "/api/v1/channels/a/tail").status_code == 405
    assert node.api.request("POST", "/api/v1/channels/a/tail").headers["allow"] == "GET"


def test_long_payloads_are_cut_between_characters(start_node: Any) -> None:
    node: Node = start_node(admin={"shown_bytes": "17B"})
    with tail(node, "a") as stream:
        node.api.publish("a", text="€" * 1000)
        stream.until(lambda stream: stream.of("publication"), "it arrives")
        [event] = stream.of("publication")
        assert event["data"] == "€" * 5 and event["truncated"] and event["bytes"] == 3000


def test_what_is_too_much_is_counted(start_node: Any) -> None:
    node: Node = start_node(admin={"shown_rate": 5})
    with tail(node, "a") as stream:
        with Wire(node.client_port).open("/raw?channel=a") as publisher:
            publisher.send(b"".join(frame(b"%d" % number) for number in range(200)))
            stream.until(
                lambda stream: len(shown(stream)) + sum(event["publications"] for event in stream.of("dropped")) == 200,
                "each is shown or counted")
        assert 5 <= len(shown(stream)) < 20
        assert node.api.metric("tail_left_out_total") == 200 - len(shown(stream))


def test_tails_are_bounded_and_given_back(start_node: Any) -> None:
    node: Node = start_node(admin={"event_streams": 1})
    with tail(node, "a"):
        with pytest.raises(Refused) as refused:
            tail(node, "b")
        assert refused.value.status == 503 and refused.value.error["code"] == "too_many_event_streams"
        assert node.api.metric("event_streams_refused_total") == 1
    with until(lambda: tail(node, "b"), "the place is free again") as stream:
        node.api.publish("b", text="x")
        stream.until(lambda stream: shown(stream) == ["x"], "it works")


def test_a_node_stops_with_open_tails(node: Node) -> None:
    with tail(node, "a") as stream:
        node.stop()
        assert node.exit_code == 0
        stream.until(lambda stream: stream.is_over, "the stream is over")


def test_a_tail_outlives_a_break_of_the_link(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    with tail(node, "a") as stream:
        cluster.redis.pause()
        until(lambda: node.api.readiness() == 503, "it is isolated")
        cluster.redis.resume()
        until(node.api.is_ready, "it is back")
        until(lambda: cluster.nodes[1].api.is_ready(), "so is the other one")
        cluster.nodes[1].api.publish("a", text="after")
        stream.until(lambda stream: "after" in shown(stream), "it goes on")
