"""Nodes that come, go and answer for each other."""

import json
import time
from typing import Any

from rig.balancers import HAProxy
from rig.centrifuge_receiver import CentrifugeClient
from rig.cluster import LEASE_SECONDS, Cluster
from rig.receivers import WebsocketsClient
from rig.waiting import until


def listed(node: Any) -> set[str]:
    """The names of all nodes that a node lists, heard lately or not."""
    return {entry["name"] for entry in node.api.cluster()["cluster"]}


def is_whole(entry: dict[str, Any]) -> bool:
    """Whether a node's numbers are there and good."""
    summary = entry["summary"]
    return summary["link"]["phase"] == "linked" and summary["link"]["round_trip_us"] > 0 and summary["memory_bytes"] > 0


def test_any_node_shows_all_three(cluster: Cluster) -> None:
    for node in cluster.nodes:
        report = node.api.cluster()
        assert report["nodes"] == {"asked": 3, "answered": 3}
        assert report["answered_by"] == node.id
        assert listed(node) == {"node-1", "node-2", "node-3"}
        assert [entry["name"] for entry in report["cluster"] if entry["is_self"]] == [node.name]
        # A node's first beats say no more than that it is there.
        until(lambda: all(is_whole(entry) for entry in node.api.cluster()["cluster"]), "every node's numbers")


def test_the_command_shows_all_three(cluster: Cluster) -> None:
    for node in cluster.nodes:
        result = node.command("cluster")
        assert result.returncode == 0, result.stderr
        lines = result.stdout.splitlines()
        assert lines[0].split()[:3] == ["NODE", "LINK", "SESSIONS"]
        assert [line.split()[0] for line in lines[1:4]] == ["node-1", "node-2", "node-3"]
        assert "3 of 3 nodes heard" in result.stdout
        report = json.loads(node.command("cluster", "--json").stdout)
        assert {entry["name"] for entry in report["cluster"]} == {"node-1", "node-2", "node-3"}


def test_a_killed_node_is_gone_within_its_lease_and_its_clients_go_elsewhere(balanced_cluster: Cluster) -> None:
    cluster = balanced_cluster
    balancer = cluster.balance(HAProxy)
    clients = [CentrifugeClient(balancer.client, "news") for _ in range(9)]
    first, victim, third = cluster.nodes
    until(lambda: len(first.api.sessions_by_node()) == 3, "all three nodes hold some")
    lost = [client for client in clients if client.client_id.startswith(victim.id)]
    assert lost, "the victim holds some"

    victim.kill()
    killed = time.monotonic()
    for node in (first, third):
        until(lambda: listed(node) == {"node-1", "node-3"}, f"{node.name} has forgotten it", LEASE_SECONDS + 2)
    assert time.monotonic() - killed < LEASE_SECONDS + 2

    for client in lost:
        until(lambda: client.happened.count("subscribed") == 2, "subscribed again", 15)
        assert not client.client_id.startswith(victim.id)
    until(lambda: first.api.subscribers("news") == 9, "nine subscribers on two nodes")
    third.api.publish("news", data={"n": 1})
    for client in clients:
        until(lambda: client.received == [{"n": 1}], "the publication, once")
        client.close()


def test_a_node_that_leaves_says_so_to_everybody(cluster: Cluster) -> None:
    first, leaving, _ = cluster.nodes
    raw = WebsocketsClient(leaving.client, "news")
    centrifuge = CentrifugeClient(leaving.client, "news")
    leaving.stop()
    assert leaving.exit_code == 0
    # At once, and not only when a lease has ended.
    until(lambda: listed(first) == {"node-1", "node-3"}, "the farewell was heard", 2)
    until(lambda: raw.closed, "the raw client was told")
    assert raw.close_frame.code == 1001 and "reconnect" in raw.close_frame.reason
    until(lambda: any(text.startswith("connecting 3001") for text in centrifuge.happened), "the other client was told")
    centrifuge.close()


def test_a_node_that_does_not_answer_is_counted(cluster: Cluster) -> None:
    first, _, silent = cluster.nodes
    clients = [WebsocketsClient(node.client, "news") for node in cluster.nodes]
    until(lambda: len(first.api.connections()) == 3, "three connections")
    silent.pause()
    try:
        answer = first.api.get("/api/v1/connections")
        assert answer["nodes"] == {"asked": 3, "answered": 2, "missing": [silent.name]}
        assert len(answer["connections"]) == 2
    finally:
        silent.resume()
    until(lambda: len(first.api.connections()) == 3, "it answers again")
    for client in clients:
        client.close()


def test_one_connection_is_reached_from_any_node(cluster: Cluster) -> None:
    first, second, third = cluster.nodes
    target = CentrifugeClient(second.client, "news")
    other = WebsocketsClient(second.client, "news")
    [entry] = [entry for entry in first.api.connections() if entry["dialect"] == "centrifuge"]
    assert entry["id"] == target.client_id and entry["node"] == second.id

    # What one connection alone gets; then what everybody gets, so that the first would have come before.
    response = third.api.post_publication({"connection": entry["id"], "data": {"for": "you"}})
    assert response.status_code == 200, response.text
    raw = [entry for entry in first.api.connections() if entry["dialect"] == "raw"][0]
    assert third.api.post_publication({"connection": raw["id"], "text": "for you"}).status_code == 200
    assert first.api.post_publication({"all": True, "text": "for all"}).status_code == 200
    until(lambda: "for all" in other.received, "the broadcast to all")
    assert other.received == ["for you", "for all"]

    response = first.api.request("POST", f"/api/v1/connections/{raw['id']}/close")
    assert response.status_code == 200, response.text
    until(lambda: other.closed, "closed from another node")
    assert other.close_frame.code == 4000
    assert first.api.request("POST", f"/api/v1/connections/{raw['id']}/close").status_code == 404
    target.close()


def test_except_leaves_out_one_connection(cluster: Cluster) -> None:
    first, second, third = cluster.nodes
    spared = CentrifugeClient(second.client, "news")
    other = WebsocketsClient(third.client, "news")
    body = {"channel": "news", "data": 1, "except": [spared.client_id]}
    assert first.api.post_publication(body).status_code == 200
    first.api.publish("news", data=2)
    until(lambda: spared.received, "the second publication")
    assert spared.received == [2]
    until(lambda: len(other.received) == 2, "both publications")
    assert other.received == ["1", "2"]
    spared.close()
    other.close()
