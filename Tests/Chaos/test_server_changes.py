"""Independent servers are added and removed by rolling restarts, under load, and with nodes and servers that die meanwhile (F11)."""

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.clients import CentrifugeClient
from chaos.stage import Stage
from rig.node import Node
from rig.shards import Shards
from rig.waiting import until

CLIENTS = 60
#: The balancer says whose connections they are.
INTRODUCED = {"listen": "127.0.0.1:0", "proxy_protocol": {"mode": "required", "trusted": ["127.0.0.1"]}}


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[Shards]:
    yield Shards(tmp_path, 4).start()


def begin(scene: Stage, shards: Shards, numbers: list[int]) -> Any:
    scene.start(shards, backplane=shards.settings(only=numbers, ready_when="any"))
    balancer = scene.balance()
    for number in range(CLIENTS):
        scene.crowd.add(CentrifugeClient, balancer.client, [scene.channels[number % len(scene.channels)]], f"client-{number}")
    until(lambda: scene.crowd.subscribed == CLIENTS, "all are subscribed", 60)
    scene.publish(80)
    scene.flows(500)
    return balancer


def restart(scene: Stage, balancer: Any, settings: dict[str, Any]) -> None:
    for node in scene.nodes:
        with scene.log.fault(f"{node.name} is restarted"):
            node.send(signal.SIGTERM)
            assert node.wait(40) == 0
            # The same addresses, for the balancer knows no others.
            node.configuration["client"]["listen"] = node.client
            node.configuration["admin"]["listen"] = node.admin
            node.configuration["backplane"] = settings
            node.start()
            until(lambda: balancer.healthy() == 3, "the balancer knows", 20)
        scene.flows(50)


def link(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = node.api.get(f"/api/v1/nodes/{node.name}")["summary"]["link"]
    return found


def in_use(node: Node) -> int:
    """Servers that have partitions."""
    lines = [line for line in node.api.metrics().splitlines() if line.startswith("carillon_link_server_partitions{")]
    return sum(float(line.split()[-1]) > 0 for line in lines)


def moved(scene: Stage, servers: int, seconds: float = 60) -> float:
    began = scene.log.now()
    running = [node for node in scene.nodes if node.is_running]
    until(lambda: all("change" not in link(node) and in_use(node) == servers for node in running), "all partitions have moved", seconds)
    return scene.log.now() - began


@pytest.mark.seeds
@pytest.mark.long
def test_f11_a_server_is_added_and_one_removed(stage: Callable[..., Stage], shards: Shards) -> None:
    """Three become four, and the first one goes: nothing is lost, and nobody is told of a loss."""
    with stage(channels=24, client=INTRODUCED, drain={"wait": "2s", "window": "2s"}) as scene:
        balancer = begin(scene, shards, [0, 1, 2])
        restart(scene, balancer, shards.settings(ready_when="any"))
        with scene.log.fault("a fourth server gets its share"):
            scene.figure("the move took", f"{moved(scene, 4):.1f} s")
            scene.acknowledged_on_all()
        restart(scene, balancer, shards.settings(ready_when="any", leaving=["shard-0"]))
        with scene.log.fault("the first one leaves"):
            scene.figure("the move back took", f"{moved(scene, 3):.1f} s")
            scene.acknowledged_on_all()
        restart(scene, balancer, shards.settings(only=[1, 2, 3], ready_when="any"))
        shards.servers[0].stop()
        scene.flows(400)
        scene.settle()
        scene.bounded("acknowledged and lost", len(scene.lost), 0, "")
        scene.bounded("slowest publish", max(one.slowest for one in scene.publishers), 4.0)
        scene.verdict()
        assert scene.told == 0


@pytest.mark.seeds
@pytest.mark.long
def test_f11_a_node_or_a_server_dies_while_partitions_move(stage: Callable[..., Stage], shards: Shards) -> None:
    """At a time and of a kind that the seed says: what was acknowledged is there in the end, or everybody was told."""
    with stage(channels=24, drain={"wait": "0s", "window": "0s"}) as scene:
        chance = random.Random(scene.seed)
        scene.start(shards, backplane=shards.settings(only=[0, 1, 2], ready_when="any"))
        scene.listen(9, 6)
        scene.publish(80)
        scene.flows(300)
        for node in scene.nodes:
            node.stop()
        # All at once, for that takes less time here; the move begins when they agree.
        for node in scene.nodes:
            node.configuration["client"]["listen"] = node.client
            node.configuration["admin"]["listen"] = node.admin
            node.configuration["backplane"] = shards.settings(ready_when="any")
            node.launch_node()
        for node in scene.nodes:
            node.wait_until_ready()
        first = min(scene.nodes, key=lambda node: int(node.id, 16))
        until(lambda: "the Redis servers change from" in first.output(), "it begins", 60)
        victim = chance.choice(["the first node", "another node", "the new server", "an old server", "a node that stands still"])
        later = scene.log.now() + chance.uniform(0, 2.0)
        until(lambda: scene.log.now() >= later, "a moment later", 5)
        node = first if victim == "the first node" else next(node for node in scene.nodes if node is not first)
        server = shards.servers[3 if victim == "the new server" else 0]
        with scene.log.fault(f"{victim} does not answer for 4 s") as fault:
            target: Any = server if victim.endswith("server") else node
            target.pause()
            until(lambda: scene.log.now() - fault.begun > 4, "4 s later", 10)
            target.resume()
            scene.acknowledged_on_all()
        scene.figure("did not answer", victim)
        scene.figure("all moved after", f"{moved(scene, 4, 90):.1f} s")
        scene.linked_again()
        scene.flows(300)
        scene.settle()
        scene.bounded("acknowledged and lost", len(scene.lost), 0, "")
        scene.verdict()
