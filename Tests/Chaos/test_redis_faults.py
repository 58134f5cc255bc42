"""What happens to Redis (reference: failures F2, F3, F6, F10)."""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_library

from chaos.clients import CentrifugeClient
from chaos.stage import Stage
from rig.node import Node
from rig.redis_keys import key
from rig.redis_server import RedisServer
from rig.waiting import until

#: Redis that keeps all it acknowledged: nothing may be lost at all.
KEEPING = ["--appendonly", "yes", "--appendfsync", "always"]


@pytest.mark.seeds
@pytest.mark.parametrize("outage", [0, 1, pytest.param(10, marks=pytest.mark.long)])
def test_f2_redis_is_killed_and_forgets(stage: Callable[..., Stage], outage: int) -> None:
    with stage() as scene:
        scene.start()
        scene.listen()
        scene.publish(100)
        scene.flows(1200)
        with scene.log.fault(f"Redis killed, {outage} s") as fault:
            scene.redis.kill()
            time.sleep(outage)
            scene.redis.start()
        scene.bounded("all nodes linked after Redis is back", scene.linked_again(), 1.0)
        scene.acknowledged_on_all()
        scene.bounded("deliveries everywhere after Redis is back", scene.log.now() - fault.ended, 2.0)
        scene.flows(800)
        scene.bounded("all told after Redis is back", scene.all_told() - fault.ended, 2.0)
        # It waits for 4 s (`publish_wait`), for then the link may be back.
        scene.bounded("slowest publish", max(one.slowest for one in scene.publishers), 7.0)
        scene.verdict()
        assert scene.crowd.closes == 0, "nobody loses the connection"
        assert scene.most_told == 1, "and nobody is told twice"


@pytest.mark.long
@pytest.mark.parametrize("how", ["with another password", "full of clients"])
def test_f2_redis_comes_back_and_lets_nobody_in(stage: Callable[..., Stage], how: str) -> None:
    """Five seconds in which Redis is there and of no use: nobody hangs, operators are told why, and then all is well."""
    with stage() as scene:
        scene.start()
        scene.listen()
        scene.publish(100)
        scene.flows(800)
        reconnects = scene.metric("link_reconnects_total")
        right = scene.redis.password
        with scene.log.fault(f"Redis comes back {how}"):
            scene.redis.kill()
            scene.redis.password = "another" if how == "with another password" else right
            scene.redis.start()
            inside = scene.redis.client()
            if how == "full of clients":
                inside.config_set("maxclients", 1)
                for kind in ("normal", "pubsub"):
                    inside.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            wanted = "WRONGPASS" if how == "with another password" else "max number of clients"
            until(lambda: any(wanted in reason(node) for node in scene.nodes), "an operator is told why", 10)
            began = time.monotonic()
            assert scene.nodes[0].api.post_publication({"channel": "elsewhere", "data": {}}).status_code == 503
            refused = time.monotonic() - began
            time.sleep(max(0.0, began + 5 - time.monotonic()))
            inside.execute_command("ACL", "SETUSER", "carillon", f">{right}")
            inside.config_set("maxclients", 10_000)
        scene.bounded("deliveries everywhere after Redis is back", scene.acknowledged_on_all(), 5.0)
        more = scene.metric("link_reconnects_total") - reconnects
        scene.bounded("a publication was refused after", refused, 6.0)
        scene.figure("connections to Redis lost meanwhile", f"{more:.0f} on three nodes")
        scene.all_told()
        scene.verdict()
        assert scene.crowd.closes == 0 and scene.most_told == 1


def reason(node: Node) -> str:
    """Why a node is not linked, as its admin page has it."""
    return str(node.api.get(f"/api/v1/nodes/{node.name}")["summary"]["link"].get("reason", ""))


@pytest.mark.seeds
def test_f2_redis_is_killed_and_remembers(stage: Callable[..., Stage], tmp_path: Path) -> None:
    """Within its history: everybody sees every publication once, in order, without a reconnect."""
    with stage() as scene:
        scene.start(RedisServer(tmp_path, arguments=KEEPING).start())
        scene.listen()
        scene.publish(100)
        scene.flows(1200)
        linked, heals = [], []
        for outage in (0.0, 0.5, 3.0):
            with scene.log.fault(f"Redis killed, {outage:g} s") as fault:
                scene.redis.kill()
                time.sleep(outage)
                scene.redis.start()
            linked.append(scene.linked_again())
            # What is published from now on comes after everything that was missed.
            scene.acknowledged_on_all()
            heals.append(scene.log.now() - fault.ended)
            scene.flows(600)
        scene.bounded("all nodes linked after Redis is back", max(linked), 1.0)
        scene.bounded("everything missed was delivered everywhere after", max(heals), 2.0)
        scene.figure("channels compared and healed within", f"{scene.metric('history_heal_seconds') / 3:.3f} s")
        scene.figure("healed", f"{scene.metric('history_healed_total'):.0f} publications")
        assert scene.crowd.closes == 0, "nobody notices"
        # Not even those who come back later, with what they counted in epochs that are over.
        scene.crowd.lose_connections()
        until(lambda: scene.crowd.closes == len(scene.crowd.clients), "all have lost their connections")
        until(lambda: scene.crowd.subscribed == scene.subscriptions, "all are back")
        scene.flows(300)
        verdict = scene.verdict()
        centrifuge = sum(len(client.channels) for client in scene.crowd.clients if isinstance(client, CentrifugeClient))
        assert verdict.recoveries == centrifuge > 0
        assert verdict.announcements == 0


@pytest.mark.seeds
def test_f3_redis_comes_back_from_an_older_snapshot(stage: Callable[..., Stage], tmp_path: Path) -> None:
    with stage() as scene:
        scene.start(RedisServer(tmp_path, arguments=["--dbfilename", "dump.rdb"]).start())
        scene.listen()
        scene.publish(100)
        scene.flows(800)
        scene.redis.client().save()
        scene.flows(2000)
        with scene.log.fault("Redis killed, back from a snapshot") as fault:
            scene.redis.kill()
            scene.redis.start()
        scene.acknowledged_on_all()
        scene.bounded("all told after Redis is back", scene.all_told() - fault.ended, 2.0)
        scene.flows(800)
        scene.verdict()
        assert scene.crowd.closes == 0 and scene.most_told == 1


@pytest.mark.seeds
def test_f6_subscriptions_are_killed_again_and_again(stage: Callable[..., Stage], seed: int) -> None:
    with stage() as scene:
        scene.start()
        scene.listen()
        scene.publish(100)
        scene.flows(800)
        chance = random.Random(seed)
        slowest = 0.0
        for _ in range(8):
            with scene.log.fault("CLIENT KILL TYPE pubsub"):
                scene.redis.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                time.sleep(chance.uniform(0, 0.3))
            slowest = max(slowest, scene.acknowledged_on_all())
        scene.bounded("slowest heal of eight", slowest, 1.5)
        verdict = scene.verdict()
        assert scene.crowd.closes == 0 and verdict.announcements == 0, "nobody notices"


def test_f6_a_node_that_reads_too_slowly_loses_its_subscription(stage: Callable[..., Stage], tmp_path: Path) -> None:
    """Redis drops what it had for a subscriber whose buffer is full, although PUBLISH said 1."""
    limit = ["--client-output-buffer-limit", "pubsub 1mb 512kb 1"]
    with stage() as scene:
        scene.start(RedisServer(tmp_path, arguments=limit).start())
        scene.listen()
        scene.publish(100, nodes=scene.nodes[:2])
        scene.flows(800)
        subscribers = len(scene.redis.client().client_list(_type="pubsub"))
        with scene.log.fault("a node is stopped under load"):
            scene.nodes[2].pause()
            noise = scene.redis.client()
            until(
                lambda: [noise.publish(key("c", "chaos:0"), b"x" * 65_536) for _ in range(8)]
                and len(scene.redis.client().client_list(_type="pubsub")) < subscribers,
                "Redis gives the subscription up", 20)  # fmt: skip
            scene.nodes[2].resume()
        scene.bounded("healed after the node goes on", scene.acknowledged_on_all(), 1.5)
        scene.verdict()


@pytest.mark.parametrize("kind", [pytest.param("a script that blocks", marks=pytest.mark.long), pytest.param("CLIENT PAUSE", marks=pytest.mark.long), "maxmemory"])
def test_f10_redis_is_busy_or_full(stage: Callable[..., Stage], kind: str) -> None:
    with stage() as scene:
        scene.start()
        scene.listen()
        scene.publish(100)
        scene.flows(800)
        reconnects = scene.metric("link_reconnects_total")
        began = time.monotonic()
        with scene.log.fault(kind):
            if kind == "maxmemory":
                tops = [scene.redis.client().hget(key("m", channel), "o") for channel in scene.channels]
                scene.redis.client().config_set("maxmemory", "1mb")
                until(lambda: sum(one.outcome == "error" for one in scene.log.publishes) > 10, "publishes are refused", 20)
                after = [scene.redis.client().hget(key("m", channel), "o") for channel in scene.channels]
                lengths = [scene.redis.client().xlen(key("h", channel)) for channel in scene.channels]
                assert [int(one) for one in after] == lengths and all(int(a) >= int(b) for a, b in zip(after, tops, strict=True))
                scene.redis.client().config_set("maxmemory", "0")
                scene.bounded("a publication was refused after", max(one.ended - one.begun for one in scene.log.publishes if one.outcome == "error"), 2.0)
            elif kind == "CLIENT PAUSE":
                scene.redis.client().execute_command("CLIENT", "PAUSE", "3000", "ALL")
                time.sleep(3)
            else:
                busy = threading.Thread(target=lambda: block(scene.redis, 8))
                busy.start()
                busy.join()
        lasted = time.monotonic() - began
        healed = scene.acknowledged_on_all()
        more = scene.metric("link_reconnects_total") - reconnects
        scene.bounded("normal again after", healed, 1.0)
        # One attempt a second and node, when the first two have failed.
        scene.bounded(f"reconnects in {lasted:.0f} s on three nodes", more, 3 * int(lasted) + 6, "")
        verdict = scene.verdict()
        assert scene.crowd.closes == 0 and verdict.announcements == 0


def block(server: RedisServer, seconds: int) -> None:
    """Runs a script that does nothing for so long; nothing else is answered meanwhile."""
    client = redis_library.Redis(port=server.port, socket_timeout=seconds + 10)
    script = "local t = redis.call('TIME') local e = t[1] + ARGV[1] while tonumber(redis.call('TIME')[1]) < e do end return 1"
    client.eval(script, 0, seconds)


