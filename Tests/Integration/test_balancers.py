"""Where balancers send clients when nodes are not ready, gone or all without Redis."""

from pathlib import Path
from typing import Any

import pytest

from rig.balancers import Balancer, HAProxy, Nginx
from rig.cluster import Cluster
from rig.node import Node
from rig.process import free_port
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import Wire, upgrade


def test_a_node_that_is_not_ready_gets_no_clients(balanced_cluster: Cluster, tmp_path: Path, start_node: Any) -> None:
    cluster = balanced_cluster
    lonely: Node = start_node(
        "lonely", redis_url=f"redis://127.0.0.1:{free_port()}", ready=False, client=cluster.nodes[0].configuration["client"])
    balancer = HAProxy(tmp_path, [cluster.nodes[0].client, cluster.nodes[1].client, lonely.client])
    try:
        balancer.start(ready=2)
        wires = [Wire(balancer.port).open("/raw?channel=news") for _ in range(10)]
        counts = cluster.nodes[0].api.sessions_by_node()
        assert sorted(counts.values()) == [5, 5] and lonely.api.sessions_by_node() == {}
        for wire in wires:
            wire.close()
    finally:
        balancer.stop()


def test_without_redis_clients_are_let_in_and_wait(balanced_cluster: Cluster) -> None:
    cluster = balanced_cluster
    balancer = cluster.balance(HAProxy)
    staying = WebsocketsClient(balancer.client, "news")
    cluster.redis.kill()
    until(lambda: balancer.healthy() == 0, "no node is ready", 15)
    assert staying.closed is None
    # Its subscription cannot be confirmed before Redis is back, and then it is.
    coming = Wire(balancer.port, seconds=20).send(upgrade("/raw?channel=news"))
    cluster.redis.start()
    assert coming.read_head().startswith(b"HTTP/1.1 101 ")
    cluster.nodes[0].api.publish("news", text="back")
    assert coming.read_frame() == (1, b"back")
    until(lambda: staying.received == ["back"], "the client that stayed")
    until(lambda: balancer.healthy() == 3, "every node is ready", 15)
    coming.close()
    staying.close()


@pytest.mark.parametrize("kind", [HAProxy, Nginx], ids=["haproxy", "nginx"])
def test_clients_find_the_nodes_that_are_left(balanced_cluster: Cluster, kind: type[Balancer]) -> None:
    cluster = balanced_cluster
    balancer = cluster.balance(kind)
    cluster.nodes[0].kill()
    cluster.nodes[1].kill()
    wires = [Wire(balancer.port).open("/raw?channel=news") for _ in range(12)]
    until(lambda: cluster.nodes[2].api.subscribers("news") == 12, "all on the one that is left", 15)
    for wire in wires:
        wire.close()
    # And back: a node that returns gets clients again.
    cluster.nodes[0].configuration["client"]["listen"] = cluster.nodes[0].client
    cluster.nodes[0].start()

    def reaches_the_returned() -> bool:
        with Wire(balancer.port) as wire:
            wire.open("/raw?channel=back")
            return cluster.nodes[0].api.connections(channel="back", node=cluster.nodes[0].id) != []

    until(reaches_the_returned, "the returned node gets a client", 20)
