"""What operators see: pages of connections and channels, tables, JSON, metrics and the admin page."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from rig.cluster import Cluster
from rig.node import CARILLON
from rig.page import AdminPage
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import Wire


def connect(cluster: Cluster, count: int) -> list[Wire]:
    """Clients on all nodes, each with a channel of its own and one in common."""
    return [
        Wire(cluster.nodes[number % 3].client_port).open(f"/raw?channel=all&channel=own:{number:03}")
        for number in range(count)
    ]


def test_pages_of_connections_hold_everybody_once(cluster: Cluster) -> None:
    wires = connect(cluster, 50)
    asked = cluster.nodes[1].api
    until(lambda: asked.subscribers("all") == 50, "fifty subscribers")
    for size in (1, 7, 50, 1000):
        found = asked.connections(page=size)
        assert len(found) == len({entry["id"] for entry in found}) == 50
        assert found == sorted(found, key=lambda entry: entry["id"])
    first = asked.get("/api/v1/connections", limit=20)
    assert len(first["connections"]) == 20 and first["nodes"] == {"asked": 3, "answered": 3}
    # Who comes and goes between two pages does not move the others.
    for wire in wires[:10]:
        wire.close()
    until(lambda: asked.subscribers("all") == 40, "forty are left")
    rest = asked.get("/api/v1/connections", limit=1000, cursor=first["cursor"])["connections"]
    seen = {entry["id"] for entry in first["connections"]} | {entry["id"] for entry in rest}
    assert {entry["id"] for entry in asked.connections()} <= seen
    for wire in wires:
        wire.close()


def test_connections_of_a_channel_and_of_a_node(cluster: Cluster) -> None:
    wires = connect(cluster, 9)
    api = cluster.nodes[0].api
    until(lambda: api.subscribers("all") == 9, "nine subscribers")
    [one] = api.connections(channel="own:004")
    assert one["node"] == cluster.nodes[1].id and one["dialect"] == "raw"
    assert set(one["channels"]) == {"all", "own:004"} and one["remote"].startswith("127.0.0.1")
    assert len(api.connections(node=cluster.nodes[2].id)) == 3
    assert api.connections(channel="nobody") == []
    for wire in wires:
        wire.close()


def test_pages_of_channels(cluster: Cluster) -> None:
    wires = connect(cluster, 30)
    api = cluster.nodes[2].api
    until(lambda: api.subscribers("all") == 30, "thirty subscribers")
    names: list[str] = []
    cursor = None
    while True:
        page = api.get("/api/v1/channels", limit=8, prefix="own:", cursor=cursor)
        names += [channel["name"] for channel in page["channels"]]
        cursor = page.get("cursor")
        if not cursor:
            break
    assert names == [f"own:{number:03}" for number in range(30)]
    [shared] = api.get("/api/v1/channels", prefix="all")["channels"]
    assert shared["subscribers"] == 30 and shared["on_nodes"] == 3
    report = api.get("/api/v1/channels/all")
    assert sorted(share["subscribers"] for share in report["by_node"]) == [10, 10, 10]
    for wire in wires:
        wire.close()


def test_commands_print_tables_and_json(cluster: Cluster) -> None:
    client = WebsocketsClient(cluster.nodes[0].client, "news:1")
    node = cluster.nodes[1]
    until(lambda: node.api.subscribers("news:1") == 1, "one subscriber")

    channels = node.command("channels", "--prefix", "news:")
    assert channels.stdout.splitlines()[0].split() == ["CHANNEL", "SUBSCRIBERS", "NODES", "IN/S"]
    assert channels.stdout.splitlines()[1].split() == ["news:1", "1", "1", "0"]
    assert json.loads(node.command("channels", "--json").stdout)["channels"][0]["name"] == "news:1"
    assert "1 subscriber;" in node.command("channels", "news:1").stdout

    connections = node.command("connections", "--channel", "news:1")
    # Two lines for each: its id and its node, then what it does.
    identifier, on = connections.stdout.splitlines()[2].split()
    assert on == cluster.nodes[0].name and "news:1" in connections.stdout.splitlines()[3]
    assert json.loads(node.command("connections", "--json").stdout)["connections"][0]["id"] == identifier

    assert node.command("publish", "news:1", "from the command line").stdout == "published\n"
    assert json.loads(node.command("publish", "news:1", "1.50", "--json").stdout) == {"published": 1}
    until(lambda: len(client.received) == 2, "both publications")
    assert client.received == ["from the command line", "1.50"]

    assert node.command("close", identifier).stdout == "closed\n"
    until(lambda: client.closed, "closed")
    again = node.command("close", identifier)
    assert again.returncode == 1 and "404" in again.stderr
    refused = node.command("publish", "not a name", "x")
    assert refused.returncode == 1 and "invalid_channel" in refused.stderr


def test_names_cannot_control_a_terminal(node: Any) -> None:
    with Wire(node.client_port) as wire:
        # U+009B is a control sequence introducer without a byte below 0x20.
        wire.open("/raw?channel=a%c2%9b31mred")
        until(lambda: node.api.get("/api/v1/channels")["channels"], "the channel")
        assert "\x9b" not in node.command("channels").stdout


def test_metrics_are_prometheus_text(cluster: Cluster) -> None:
    client = WebsocketsClient(cluster.nodes[0].client, "news")
    cluster.nodes[1].api.publish("news", text="x")
    until(lambda: client.received, "the publication")
    response = cluster.nodes[0].api.request("GET", "/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    described: dict[str, str] = {}
    values: dict[str, float] = {}
    for line in response.text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in described, f"{name} is described twice"
            described[name] = kind
        elif not line.startswith("#"):
            match = re.fullmatch(r'(carillon_[a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? (\S+)', line)
            assert match, line
            assert match[1] in described, f"{match[1]} is not described"
            values[match[1]] = values.get(match[1], 0) + float(match[4])
    assert values["carillon_sessions"] == 1 and values["carillon_nodes"] == 3 and values["carillon_link_up"] == 1
    assert values["carillon_deliveries_total"] == 1
    for name, kind in described.items():
        assert (kind == "counter") == name.endswith("_total"), f"{name} is a {kind}"
    client.close()


def test_the_admin_page_shows_the_cluster_and_what_happened(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.nodes[0]
    page = AdminPage(tmp_path, node)
    try:
        page.waits(lambda: page.column("Nodes", "Node") == ["node-1", "node-2", "node-3"], "shows the nodes")
        cluster.redis.pause()
        until(lambda: node.api.readiness() == 503, "it notices")
        page.waits(lambda: "isolated" in page.column("Nodes", "State"), "shows it")
        cluster.redis.resume()
        until(node.api.is_ready, "it is back")
        page.waits(lambda: page.count("#events li") >= 2, "shows what happened")
    finally:
        page.stop()


def test_subscribe_prints_what_comes(node: Any) -> None:
    command = [str(CARILLON), "subscribe", "news", "--server", f"ws://{node.client}", "--count", "2"]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: node.api.subscribers("news") == 1, "it subscribes")
        node.api.publish("news", text="good morning")
        node.api.publish("news", data={"n": 1})
        printed, _ = listener.communicate(timeout=10)
    finally:
        listener.kill()
        listener.wait()
    assert listener.returncode == 0
    lines = printed.splitlines()
    assert len(lines) == 2 and "good morning" in lines[0] and '{"n": 1}' in lines[1]
