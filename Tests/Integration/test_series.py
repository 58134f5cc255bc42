"""What operators look at beside pages of connections: samples, events, problems, sorted channels, one connection, origins of keys."""

import time
from typing import Any

import pytest
import requests

from rig.centrifuge_wire import CentrifugeWire
from rig.cluster import LEASE_SECONDS, Cluster
from rig.node import Node
from rig.waiting import until
from rig.wire import Wire, frame

LISTS = ["sessions", "publications_per_s", "deliveries_per_s", "backlog_bytes", "round_trip_us"]


def refusal(node: Node, path: str, status: int = 400) -> str:
    response = node.api.request("GET", path)
    assert response.status_code == status, f"{path}: {response.status_code} {response.text}"
    return response.json()["error"]["message"]


def series(node: Node, **query: Any) -> dict[str, dict[str, Any]]:
    report = node.api.get("/api/v1/series", **query)
    assert report["step_ms"] == 1000
    for one in report["nodes"]:
        assert len({len(one[name]) for name in LISTS}) == 1, one
    return {one["name"]: one for one in report["nodes"]}


def test_series_of_all_nodes(cluster: Cluster) -> None:
    asked = cluster.nodes[2]
    until(lambda: all(len(one["sessions"]) >= 2 for one in series(asked).values()), "two samples of each")
    wires = [Wire(cluster.nodes[0].client_port).open("/raw?channel=a") for _ in range(5)]
    until(lambda: series(asked)["node-1"]["sessions"][-1] == 5, "the sessions are seen")
    for number in range(50):
        cluster.nodes[1].api.publish("a", text=f"{number}")
    until(lambda: max(series(asked)["node-1"]["deliveries_per_s"]) > 0, "the deliveries are seen")
    seen = series(asked)
    assert max(seen["node-1"]["publications_per_s"]) > 0 and max(seen["node-2"]["deliveries_per_s"]) == 0
    for one in seen.values():
        assert one["answered"] and abs(one["end"] - time.time() * 1000) < 5000
        assert any(value is not None for value in one["round_trip_us"])
    assert all(len(one["sessions"]) == 1 for one in series(asked, samples=1).values())
    assert "1 to 600" in refusal(asked, "/api/v1/series?samples=601")
    assert "unknown parameter" in refusal(asked, "/api/v1/series?limit=1")

    cluster.nodes[1].pause()
    silent = series(asked)["node-2"]
    assert not silent["answered"] and silent["sessions"] == []
    cluster.nodes[1].resume()
    until(lambda: series(asked)["node-2"]["answered"], "it is heard again")
    # The seconds in which it stood still have their place.
    for wire in wires:
        wire.close()


def test_what_happened_lately_on_all_nodes(cluster: Cluster) -> None:
    asked = cluster.nodes[0]

    def recent() -> list[dict[str, Any]]:
        return asked.api.get("/api/v1/recent")["events"]

    until(lambda: any("has joined" in event["text"] for event in recent()), "nodes have joined")
    wire = Wire(cluster.nodes[1].client_port).open("/raw?channel=a")
    assert asked.command("drain", "node-2").returncode == 0
    drained = until(
        lambda: [event for event in recent() if event["text"].startswith("drained")], "the drain is remembered")
    assert drained[0]["node"] == "node-2" and drained[0]["severity"] == "info"
    assert any(event["text"].startswith("draining: 1 session leaves") for event in recent())
    times = [event["time"] for event in recent()]
    assert times == sorted(times, reverse=True) and len(asked.api.get("/api/v1/recent", limit=2)["events"]) == 2
    cluster.nodes[2].kill()
    gone = until(
        lambda: [event for event in recent() if "node node-3 is gone" in event["text"]], "it is gone",
        LEASE_SECONDS + 5)
    # Two nodes noticed.
    assert len(gone) == 1 and gone[0]["severity"] == "warning"
    wire.close()


def test_channels_by_subscribers_and_rate(cluster: Cluster) -> None:
    asked = cluster.nodes[2]
    wires = []
    for number, name in enumerate(["few", "some", "some", "many", "many", "many", "other"]):
        wires.append(Wire(cluster.nodes[number % 3].client_port).open(f"/raw?channel={name}"))
    until(lambda: asked.api.subscribers("many") == 3, "all are subscribed")

    def names(**query: Any) -> list[str]:
        return [channel["name"] for channel in asked.api.get("/api/v1/channels", **query)["channels"]]

    assert names(sort="subscribers") == ["many", "some", "few", "other"]
    assert names(sort="name") == ["few", "many", "other", "some"]
    first = asked.api.get("/api/v1/channels", sort="subscribers", limit=1)
    [many] = first["channels"]
    assert many["subscribers"] == 3 and many["nodes"] == many["on_nodes"] == 3
    assert names(sort="subscribers", limit=3, cursor=first["cursor"]) == ["some", "few", "other"]
    assert names(sort="subscribers", prefix="o") == ["other"]

    def rates() -> dict[str, float]:
        for _ in range(20):
            cluster.nodes[0].api.publish("few", text="x")
        return {c["name"]: c["publications_per_s"] for c in asked.api.get("/api/v1/channels", sort="rate")["channels"]}

    found = until(lambda: (seen := rates())["few"] > 5 and seen, "the rate is seen")
    assert next(iter(found)) == "few" and found["many"] == 0
    one = asked.api.get("/api/v1/channels/few")
    assert one["publications_per_s"] > 0 and one["dialects"] == [{"name": "raw", "subscribers": 1}]
    assert "subscribers" in refusal(asked, "/api/v1/channels?sort=size")
    # A cursor belongs to its order.
    by_name = asked.api.get("/api/v1/channels", limit=1)["cursor"]
    assert "'cursor'" in refusal(asked, f"/api/v1/channels?sort=rate&cursor={by_name}")
    for wire in wires:
        wire.close()


def test_one_channel_by_dialect_and_rule(start_node: Any) -> None:
    rules = [
        {"match": "kept:*", "subscribe": "anyone", "history": {"size": 10, "ttl": "1m"}, "presence": {"join_leave": "users"}},
        {"match": "*", "subscribe": "anyone", "slow": "latest"},
    ]
    node: Node = start_node(channels=rules)
    wire = Wire(node.client_port).open("/raw?channel=kept:1")
    client = CentrifugeWire(node)
    client.subscribe("kept:1")
    report = node.api.get("/api/v1/channels/kept:1")
    assert report["rule"] == "kept:*" and report["history"] == {"size": 10, "ttl_ms": 60000}
    assert report["presence"]["join_leave"] == "users"
    assert report["dialects"] == [{"name": "centrifuge", "subscribers": 1}, {"name": "raw", "subscribers": 1}]
    assert report["by_node"][0]["dialects"] == report["dialects"]
    other = node.api.get("/api/v1/channels/other")
    assert other["slow"] == "latest" and "history" not in other and other["subscribers"] == 0
    client.close()
    wire.close()


def test_connections_by_address_dialect_age_and_losses(cluster: Cluster) -> None:
    asked = cluster.nodes[1]
    first = Wire(cluster.nodes[0].client_port).open("/raw?channel=a")
    until(lambda: asked.api.subscribers("a") == 1, "the first one")
    opened = asked.api.connections()[0]["opened_at"]
    until(lambda: time.time() * 1000 > opened + 2100, "some time later")
    client = CentrifugeWire(cluster.nodes[2])
    until(lambda: len(asked.api.connections()) == 2, "the second one")
    assert [one["dialect"] for one in asked.api.connections(sort="age")] == ["raw", "centrifuge"]
    assert [one["dialect"] for one in asked.api.connections(sort="age", page=1)] == ["raw", "centrifuge"]
    assert len(asked.api.connections(sort="dropped", page=1)) == 2
    assert [one["id"] for one in asked.api.connections(dialect="centrifuge")] == [client.id]
    assert len(asked.api.connections(address="127.0.0.0/8")) == 2
    assert len(asked.api.connections(address="127.0.0.1", dialect="raw")) == 1
    assert asked.api.connections(address="10.0.0.0/8") == []
    assert "'address'" in refusal(asked, "/api/v1/connections?address=10.0.0.1/8")
    assert "raw, sse, centrifuge or signalr" in refusal(asked, "/api/v1/connections?dialect=mqtt")
    assert "id, backlog, age or dropped" in refusal(asked, "/api/v1/connections?sort=user")
    client.close()
    first.close()


def test_everything_of_one_connection(cluster: Cluster) -> None:
    client = CentrifugeWire(cluster.nodes[0])
    for name in ["b", "a", "<b>\u202eevil</b>"]:
        client.subscribe(name)
    asked = cluster.nodes[1]
    one = asked.api.get(f"/api/v1/connections/{client.id}", limit=2)
    assert one["id"] == client.id and one["node"] == cluster.nodes[0].id and one["node_name"] == "node-1"
    assert one["transport"] == "websocket" and one["encoding"] == "standard" and one["logged_in"] and not one["tls"]
    assert one["subscription_count"] == 3 and len(one["subscriptions"]) == 2 and one["unread"] == []
    rest = asked.api.get(f"/api/v1/connections/{client.id}", cursor=one["cursor"])
    names = [channel["name"] for channel in one["subscriptions"] + rest["subscriptions"]]
    assert sorted(names) == sorted(["b", "a", "<b>\u202eevil</b>"]) and "cursor" not in rest
    assert all(channel["confirmed"] and channel["form"] == "all" for channel in one["subscriptions"])
    client.close()
    until(lambda: asked.api.request("GET", f"/api/v1/connections/{client.id}").status_code == 404, "it is gone")
    assert "not the id" in refusal(asked, "/api/v1/connections/nobody")
    cluster.nodes[0].kill()
    gone = asked.api.request("GET", f"/api/v1/connections/{client.id}")
    assert gone.status_code == 503 and gone.json()["error"]["code"] == "node_unreachable"


def test_a_limit_that_bites_is_a_problem(start_node: Any) -> None:
    node: Node = start_node(limits={"publish_rate": 1, "publish_burst": 1})
    until(lambda: node.api.get("/api/v1/problems")["ok"], "nothing is wrong")
    calm = node.api.get("/api/v1/problems")
    assert calm["sentence"] == "The node is linked, and no limit was reached in the last minute."
    assert calm["limits"] == calm["slow"] == calm["problems"] == []
    until(lambda: len(series(node)["node"]["sessions"]) >= 1, "limits are watched")
    wire = Wire(node.client_port).open("/raw?channel=a")
    wire.send(frame(b"1") + frame(b"2") + frame(b"3"))
    report = until(lambda: (seen := node.api.get("/api/v1/problems"))["limits"] and seen, "the limit is named")
    [limit] = report["limits"]
    assert limit["name"] == "publish_rate_hits" and limit["key"] == "limits.publish_rate" and limit["node"] == "node"
    assert limit["hits_last_minute"] == node.api.metric("publish_rate_hits_total") >= 1
    assert not report["ok"] and "limits.publish_rate" in report["sentence"]
    events = node.api.get("/api/v1/recent")["events"]
    assert any("limits.publish_rate begins to bite" in event["text"] for event in events)
    wire.close()


def test_a_slow_connection_and_a_lost_link_are_problems(cluster: Cluster) -> None:
    asked = cluster.nodes[1]
    lazy = Wire(cluster.nodes[0].client_port, receive_buffer=4096).open("/raw?channel=a")
    until(lambda: asked.api.subscribers("a") == 1, "it is subscribed")
    until(
        lambda: cluster.nodes[2].api.publish("a", text="x" * 30_000) or asked.api.get("/api/v1/problems")["slow"],
        "it does not keep up", 20)
    report = asked.api.get("/api/v1/problems")
    assert report["slow"][0]["node"] == cluster.nodes[0].id and report["slow"][0]["backlog_bytes"] >= 65536
    assert any("does not keep up" in problem["text"] for problem in report["problems"])
    lazy.close()
    cluster.redis.pause()
    until(lambda: not asked.api.get("/api/v1/problems")["ok"], "the link is lost", 15)
    cluster.redis.resume()
    until(asked.api.is_ready, "it is back")


def test_where_each_key_is_set(start_node: Any) -> None:
    node: Node = start_node(limits={"sessions": 50}, admin={"token": "a-token-of-some-length"})
    rows = {row["key"]: row for row in node.api.get("/api/v1/config", origins="true")}
    line = next(n for n, text in enumerate(node.file.read_text().splitlines(), 1) if "sessions: 50" in text)
    assert rows["limits.sessions"] == {
        "key": "limits.sessions", "value": "50", "origin": "file", "where": f"{node.file}:{line}"}
    assert rows["limits.subscribe_rate"]["origin"] == "default" and rows["limits.subscribe_rate"]["where"] is None
    assert rows["admin.token"]["value"] == "(secret)"
    assert "a-token-of-some-length" not in str(rows)
    assert set(node.api.get("/api/v1/config")) == set(rows) and node.api.get("/api/v1/config")["limits.sessions"] == "50"
    assert "true or false" in refusal(node, "/api/v1/config?origins=yes")
    stranger = requests.get(f"http://{node.admin}/api/v1/config?origins=true", timeout=10)
    assert stranger.status_code == 401


def test_a_variable_is_an_origin(tmp_path: Any) -> None:
    node = Node("node", tmp_path)
    node.start(CARILLON_LIMITS_SESSIONS="77")
    try:
        rows = {row["key"]: row for row in node.api.get("/api/v1/config", origins="true")}
        assert rows["limits.sessions"]["origin"] == "environment"
        assert rows["limits.sessions"]["where"] == "CARILLON_LIMITS_SESSIONS" and rows["limits.sessions"]["value"] == "77"
    finally:
        node.stop()


@pytest.mark.parametrize("path", ["series", "recent", "problems", "channels", "connections", "config"])
def test_everything_needs_the_token(start_node: Any, path: str) -> None:
    node: Node = start_node(admin={"token": "a-token-of-some-length"})
    assert requests.get(f"http://{node.admin}/api/v1/{path}", timeout=10).status_code == 401
