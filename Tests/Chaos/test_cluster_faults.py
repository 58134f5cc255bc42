"""Several Redis servers under load (F11): a Redis Cluster of three masters and three replicas, and three independent servers."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.network import as_group, in_a_network_where, inside, nft
from chaos.stage import Stage
from rig.node import CARILLON
from rig.redis_cluster import NODE_TIMEOUT, RedisCluster
from rig.redis_keys import key, partition
from rig.shards import Shards, owners
from rig.waiting import until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    yield RedisCluster(tmp_path, replicas=1).start()


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[Shards]:
    yield Shards(tmp_path).start()


def begin(scene: Stage, servers: RedisCluster | Shards) -> None:
    scene.start(servers, backplane=servers.settings())
    scene.listen()
    scene.publish(80)
    scene.flows(800)


def masters(cluster: RedisCluster) -> set[int]:
    return {part[2][1] for part in cluster.running[0].cluster("SLOTS")}


def busy(scene: Stage, cluster: RedisCluster) -> int:
    """The port of the master that has the first channel."""
    return cluster.master_of(cluster.slot(key("m", scene.channels[0]))).port


@pytest.mark.seeds
def test_f11_a_master_of_a_cluster_is_killed(stage: Callable[..., Stage], cluster: RedisCluster) -> None:
    with stage(channels=8) as scene:
        begin(scene, cluster)
        port = busy(scene, cluster)
        dying = next(server for server in cluster.servers if server.port == port)
        with scene.log.fault("a master is killed") as fault:
            dying.kill()
            until(lambda: port not in masters(cluster), "a replica is promoted", 30)
            named = scene.log.now()
            scene.acknowledged_on_all()
        scene.figure("a replica is promoted after", f"{named - fault.begun:.2f} s, cluster-node-timeout is {NODE_TIMEOUT} ms")
        scene.bounded("deliveries everywhere after that", fault.ended - named, 3)
        scene.figure("subscriptions told of a loss", str(scene.told))
        scene.flows(400)
        scene.verdict()
        assert scene.crowd.closes == 0


@pytest.mark.seeds
def test_f11_a_failover_on_purpose(stage: Callable[..., Stage], cluster: RedisCluster) -> None:
    """`CLUSTER FAILOVER` waits until the replica has everything: nothing is lost."""
    with stage(channels=8) as scene:
        begin(scene, cluster)
        port = busy(scene, cluster)
        old = next(server for server in cluster.servers if server.port == port)
        replica = next(server for server in cluster.servers if server.role() == "slave" and server.client().role()[2] == port)
        with scene.log.fault("CLUSTER FAILOVER"):
            replica.cluster("FAILOVER")
            until(lambda: replica.role() == "master" and old.role() == "slave", "the replica is promoted", 20)
            scene.acknowledged_on_all()
        scene.flows(400)
        scene.settle()
        scene.bounded("acknowledged and lost", len(scene.lost), 0, "")
        scene.verdict()
        assert scene.crowd.closes == 0 and scene.told == 0


@pytest.mark.seeds
def test_f11_slots_move(stage: Callable[..., Stage], cluster: RedisCluster) -> None:
    """1,000 slots under load: everything once and in order, and nobody is told of a loss."""
    with stage(channels=24) as scene:
        begin(scene, cluster)
        port = busy(scene, cluster)
        source = next(server for server in cluster.servers if server.port == port)
        target = next(server for server in cluster.servers if server.port in masters(cluster) - {port})
        with scene.log.fault("1,000 slots move"):
            cluster.move(1000, source, target)
            scene.acknowledged_on_all()
        scene.flows(400)
        scene.settle()
        scene.bounded("acknowledged and lost", len(scene.lost), 0, "")
        scene.bounded("slowest publish", max(one.slowest for one in scene.publishers), 4.0)
        scene.figure("partitions whose publications waited", f"{scene.metric('link_slot_waits_total'):.0f} on three nodes")
        scene.verdict()
        assert scene.crowd.closes == 0 and scene.told == 0


@pytest.mark.long
def test_f11_a_master_is_added_and_one_is_removed(stage: Callable[..., Stage], cluster: RedisCluster) -> None:
    with stage(channels=24) as scene:
        begin(scene, cluster)
        with scene.log.fault("a master is added, and has 3,000 slots"):
            source = next(server for server in cluster.servers if server.port == busy(scene, cluster))
            added = cluster.add()
            cluster.move(3000, source, added)
            scene.acknowledged_on_all()
        with scene.log.fault("it gives them back, and is removed"):
            cluster.move(3000, added, source)
            cluster.command("del-node", source.address, added.id)
            scene.acknowledged_on_all()
        scene.flows(400)
        scene.settle()
        scene.bounded("acknowledged and lost", len(scene.lost), 0, "")
        scene.verdict()
        assert scene.crowd.closes == 0 and scene.told == 0


#: Groups of a master and of a node that are cut off from the others.
SMALL_MASTER, SMALL_NODE = 4712, 4713
#: Packets of the small side's node have its mark in both directions. What is between the sides goes through `cut`, which has no rules yet.
SIDES = "; ".join([
    "nft add table inet split", "nft 'add chain inet split cut'",
    "nft 'add chain inet split out { type filter hook output priority 0; }'",
    f"nft add rule inet split out meta skgid {SMALL_NODE} ct mark set 3", "nft add rule inet split out jump cut",
])  # fmt: skip


@pytest.mark.seeds
@pytest.mark.long
def test_f11_a_split(tmp_path: Path, seed: int, note: Callable[[dict[str, Any]], None]) -> None:
    in_a_network_where(SIDES, __file__, "on_both_sides_of_a_split", tmp_path, note, seed=seed)


@inside
def test_f11_on_both_sides_of_a_split(stage: Callable[..., Stage], tmp_path: Path) -> None:
    """One master and one node are cut off from all others for 5 s. What the master takes before it notices is lost, and told."""
    cluster = RedisCluster(tmp_path, replicas=1)
    small = cluster.servers[0]
    small.program = str(as_group("redis-server", SMALL_MASTER, tmp_path))
    cluster.start()
    with stage(channels=8) as scene:
        programs = [CARILLON, CARILLON, as_group(CARILLON, SMALL_NODE, tmp_path)]
        scene.start(cluster, programs=programs, backplane=cluster.settings(ready_when="any"))
        scene.listen()
        # A publisher for each channel and side: one that waits for a master on the other side does not keep others from publishing.
        for channel in scene.channels:
            scene.publish(10, publishers=1, nodes=scene.nodes[:2], channels=[channel])
            scene.publish(10, publishers=1, nodes=scene.nodes[2:], channels=[channel])
        scene.flows(800)
        assert small.role() == "master"
        assert any(cluster.master_of(cluster.slot(key("m", channel))) is small for channel in scene.channels)
        others = ",".join(str(port) for server in cluster.servers[1:] for port in server.ports)
        own = ",".join(str(port) for port in small.ports)
        with scene.log.fault("a master and a node are cut off for 5 s") as fault:
            for rule in [
                # The others to the small side, and its master to them.
                f"tcp dport {{{own}}} ct mark != 3", f"tcp sport {{{own}}} ct mark != 3", f"meta skgid {SMALL_MASTER} tcp dport {{{others}}}",
                f"meta skgid {SMALL_MASTER} tcp sport != {{{own}}}", f"ct mark 3 tcp dport {{{others}}}", f"ct mark 3 tcp sport {{{others}}}",
            ]:  # fmt: skip
                nft("add rule inet split cut", rule, "drop")
            until(lambda: any(server.role() == "master" for server in cluster.servers[3:]), "a replica is promoted", 20)
            until(lambda: scene.log.now() - fault.begun > 5, "5 s are over", 10)
            nft("flush chain inet split cut")
            cluster.wait_until_whole()
            scene.acknowledged_on_all()
        scene.linked_again()
        scene.flows(400)
        scene.settle()
        scene.figure("acknowledged on the small side, and lost", str(len(scene.lost)))
        scene.figure("subscriptions told of a loss", f"{scene.told} of {scene.subscriptions}")
        scene.verdict()
        assert scene.crowd.closes == 0


@pytest.mark.seeds
def test_f11_one_of_several_servers_is_away(stage: Callable[..., Stage], shards: Shards) -> None:
    """For 5 s: what lives on the others does not notice."""
    with stage(channels=12) as scene:
        begin(scene, shards)
        where = {channel: owners(shards.names)[partition(channel)] for channel in scene.channels}
        away = where[scene.channels[0]]
        others = {channel for channel, number in where.items() if number != away}
        with scene.log.fault("one server stands still for 5 s") as fault:
            shards.servers[away].pause()
            until(lambda: scene.log.now() - fault.begun > 5, "5 s are over", 10)
            shards.servers[away].resume()
            scene.acknowledged_on_all()
        scene.linked_again()
        delays = [delay for delay in scene.delays(fault.begun, others)]
        if delays:
            scene.bounded("slowest delivery of the others", scene.slowest(delays), 2.0)
        scene.flows(400)
        scene.verdict()
        assert scene.crowd.closes == 0


@pytest.mark.seeds
def test_f11_one_of_several_servers_is_killed(stage: Callable[..., Stage], shards: Shards) -> None:
    """It comes back empty: losses in its channels are told, and in no other."""
    with stage(channels=12) as scene:
        begin(scene, shards)
        where = {channel: owners(shards.names)[partition(channel)] for channel in scene.channels}
        away = where[scene.channels[0]]
        with scene.log.fault("one server is killed and started again"):
            shards.servers[away].kill()
            killed = time.monotonic()
            until(lambda: time.monotonic() - killed > 1, "a second later", 5)
            shards.servers[away].start()
            scene.acknowledged_on_all()
        scene.linked_again()
        scene.flows(400)
        scene.verdict()
        assert {channel for _, channel in scene.announcements} <= {channel for channel, number in where.items() if number == away}
        assert scene.crowd.closes == 0
