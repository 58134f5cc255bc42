"""Redis that moves under load (reference: failures F4, F5)."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.stage import Stage
from rig.sentinels import DOWN_AFTER, NAME, Sentinels
from rig.waiting import until


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    yield Sentinels(tmp_path).start()


def begin(scene: Stage, sentinels: Sentinels) -> None:
    scene.start(sentinels, backplane=sentinels.settings)
    scene.listen()
    scene.publish(80)
    scene.flows(800)


def told(scene: Stage) -> int:
    return len({(event.client, event.channel) for event in scene.log.events if event.kind == "announced"})


@pytest.mark.seeds
def test_f4_the_master_is_killed(stage: Callable[..., Stage], sentinels: Sentinels) -> None:
    with stage() as scene:
        begin(scene, sentinels)
        with scene.log.fault("the master is killed") as fault:
            sentinels.master.kill()
            resumed = scene.acknowledged_on_all()
        scene.figure("deliveries everywhere again after", f"{scene.log.now() - fault.begun:.2f} s, down-after is {DOWN_AFTER} ms")
        scene.figure("subscriptions told of a loss", str(told(scene)))
        scene.flows(400)
        scene.verdict()
        assert scene.crowd.closes == 0
        assert resumed <= DOWN_AFTER / 1000 + 6


@pytest.mark.seeds
@pytest.mark.long
def test_f4_a_failover_on_purpose(stage: Callable[..., Stage], sentinels: Sentinels) -> None:
    """What the old master takes while the replica is promoted is lost; what counts is that everybody is told, and once."""
    with stage() as scene:
        begin(scene, sentinels)
        before = sentinels.master
        with scene.log.fault("SENTINEL FAILOVER"):
            sentinels.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", NAME)
            until(lambda: sentinels.master is not before, "another master", 20)
            scene.acknowledged_on_all()
        scene.figure("subscriptions told of a loss", str(told(scene)))
        scene.flows(400)
        scene.verdict()
        assert scene.crowd.closes == 0


@pytest.mark.seeds
def test_f4_the_replicas_lack_the_tail(stage: Callable[..., Stage], sentinels: Sentinels) -> None:
    """Nothing is replicated for 3 s before the master dies: that much is lost for sure."""
    with stage() as scene:
        begin(scene, sentinels)
        master = sentinels.master
        with scene.log.fault("not replicated, then the master is killed") as fault:
            for server in sentinels.servers:
                if server is not master:
                    # It is still there for the sentinels, and gets nothing from its master.
                    server.client().config_set("masterauth", "wrong")
                    server.client().config_set("masteruser", "nobody")
            master.client().execute_command("CLIENT", "KILL", "TYPE", "replica")
            time.sleep(3)
            master.kill()
            killed = scene.log.now()
            scene.acknowledged_on_all()
        channels = len(scene.crowd.clients[0].channels)
        wanted = 12 * channels + 8
        until(lambda: told(scene) == wanted, "all subscriptions are told", 15)
        last = max(event.at for event in scene.log.events if event.kind == "announced")
        scene.figure("subscriptions told of a loss", f"{told(scene)} of {wanted}, the last {last - killed:.2f} s after the kill")
        scene.flows(400)
        scene.verdict()
        assert scene.crowd.closes == 0 and fault.begun > 0


@pytest.mark.seeds
@pytest.mark.long
def test_f5_a_stale_master_comes_back(stage: Callable[..., Stage], sentinels: Sentinels) -> None:
    with stage() as scene:
        begin(scene, sentinels)
        old = sentinels.master
        with scene.log.fault("the master sleeps"):
            old.pause()
            until(lambda: sentinels.master is not old, "another master", 20)
            scene.acknowledged_on_all()
            old.resume()
            until(lambda: old.client().role()[0] in (b"slave", "slave"), "it is a replica", 30)
        scene.flows(400)
        scene.figure("subscriptions told of a loss", str(told(scene)))
        scene.verdict()
        assert scene.crowd.closes == 0
