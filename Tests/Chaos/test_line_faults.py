"""What happens between nodes and Redis (reference: failures F7, F8)."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.line import Line
from chaos.network import in_a_network_where, inside
from chaos.stage import Stage
from rig.redis_keys import key
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire, upgrade


@pytest.fixture
def server(tmp_path: Path) -> RedisServer:
    return RedisServer(tmp_path).start()


@pytest.fixture
def line(server: RedisServer) -> Iterator[Line]:
    started = Line(server.port)
    yield started
    started.stop()


def through(server: RedisServer, line: Line) -> list[str]:
    """The first node goes through the line, the others do not."""
    return [server.url.replace(f":{server.port}", f":{line.port}"), server.url, server.url]


@pytest.mark.seeds
@pytest.mark.parametrize("direction", ["from Redis", pytest.param("to Redis", marks=pytest.mark.long), pytest.param("both", marks=pytest.mark.long)])
@pytest.mark.parametrize("seconds", [5, pytest.param(1, marks=pytest.mark.long)])
def test_f8_a_black_hole(stage: Callable[..., Stage], server: RedisServer, line: Line, direction: str, seconds: int) -> None:
    black_hole(stage(), server, line, direction, seconds)


@pytest.mark.long
@pytest.mark.parametrize("direction", ["from Redis", "to Redis", "both"])
def test_f8_a_black_hole_for_long(stage: Callable[..., Stage], server: RedisServer, line: Line, direction: str) -> None:
    black_hole(stage(), server, line, direction, 30)


def black_hole(scene: Stage, server: RedisServer, line: Line, direction: str, seconds: int) -> None:
    with scene:
        scene.start(server, through(server, line))
        scene.listen()
        scene.publish(100, publishers=4)
        scene.flows(500)
        node = scene.nodes[0]
        with scene.log.fault(f"black hole {direction}, {seconds} s") as fault:
            line.is_blind = direction != "to Redis"
            line.is_mute = direction != "from Redis"
            if seconds >= 5:
                until(lambda: node.api.readiness() == 503, "it is not ready", 10)
                scene.bounded("not ready after", scene.log.now() - fault.begun, 6.0)
            time.sleep(max(0.0, fault.begun + seconds - scene.log.now()))
            line.is_blind = line.is_mute = False
        # What was swallowed is missing in the stream for ever: also a short hole ends when the connection is given up, after 5 s.
        scene.bounded("healed after its end", scene.acknowledged_on_all(), {1: 5.5, 5: 4.0, 30: 4.0}[seconds])
        retried = sum(one.tries > 1 for one in scene.log.publishes)
        scene.figure("publications tried again", str(retried))
        scene.figure("slowest publish", f"{max(one.slowest for one in scene.publishers):.2f} s")
        verdict = scene.verdict()
        assert verdict.announcements == 0 and scene.crowd.closes == 0


@pytest.mark.parametrize(("publishers", "breaks"), [(24, 3), pytest.param(240, 5, marks=pytest.mark.long)])
def test_f8_lost_answers_make_no_duplicates(
    stage: Callable[..., Stage], server: RedisServer, line: Line, publishers: int, breaks: int
) -> None:
    """Redis hears everything, and the node hears nothing of it: publications are carried out and not acknowledged."""
    with stage(nodes=3, channels=2) as scene:
        scene.start(server, through(server, line))
        scene.listen(4, 4)
        scene.publish(1000, publishers=publishers, nodes=scene.nodes[:1])
        scene.flows(500)
        for _ in range(breaks):
            with scene.log.fault("answers are lost"):
                line.is_blind = True
                until(lambda: scene.nodes[0].api.readiness() == 503, "it notices", 10)
                line.is_blind = False
            scene.acknowledged_on_all()
        for publisher in scene.publishers:
            publisher.stop()
        lost = sum(any(one.begun < fault.ended and one.ended > fault.ended for fault in scene.log.faults) for one in scene.log.publishes)
        scene.figure("publications whose answer was lost or late", str(lost))
        verdict = scene.verdict()
        assert verdict.announcements == 0 and lost >= publishers * breaks / 2


@pytest.mark.long
def test_f8_a_slow_line(tmp_path: Path, note: Callable[[dict[str, Any]], None]) -> None:
    in_a_network_where("tc qdisc add dev lo root tbf rate 8mbit burst 32kb latency 400ms", __file__, "on_a_slow_line", tmp_path, note)


@inside
def test_f8_on_a_slow_line(stage: Callable[..., Stage], server: RedisServer) -> None:
    with stage() as scene:
        scene.start(server)
        scene.listen(6, 4)
        scene.publish(60)
        scene.flows(300)
        with scene.log.fault("more than the line takes"):
            # 64 KiB to each of ten subscribers is most of a second.
            for _ in range(6):
                scene.nodes[0].api.publish("chaos:elsewhere", text="x" * 60_000)
            scene.flows(600, 60)
        scene.verdict()


#: Where a rule will drop packets.
LOSSY = "nft add table inet loss; nft 'add chain inet loss in { type filter hook input priority 0; }'"


@pytest.mark.long
def test_f8_packets_are_lost(tmp_path: Path, note: Callable[[dict[str, Any]], None]) -> None:
    in_a_network_where(LOSSY, __file__, "on_a_lossy_line", tmp_path, note)


@inside
def test_f8_on_a_lossy_line(stage: Callable[..., Stage], server: RedisServer) -> None:
    with stage() as scene:
        scene.start(server)
        scene.listen(6, 4)
        scene.publish(100, publishers=6)
        scene.flows(300)
        with scene.log.fault("one packet in twenty is lost"):
            subprocess.run(["nft", "add", "rule", *"inet loss in numgen random mod 20 < 1 counter drop".split()], check=True, timeout=10)
            scene.flows(4000, 120)
            lost = subprocess.run(["nft", "list", "chain", "inet", "loss", "in"], capture_output=True, text=True, timeout=10, check=True)
            subprocess.run(["nft", "flush", "chain", "inet", "loss", "in"], check=True, timeout=10)
        packets = int(lost.stdout.split("packets ")[1].split()[0])
        assert packets > 100, "packets were lost"
        scene.figure("packets lost", str(packets))
        scene.figure("connections of clients lost", str(scene.crowd.closes))
        scene.figure("connections to Redis lost", f"{scene.metric('link_reconnects_total'):.0f}")
        scene.figure("99 of 100 delivered within", f"{scene.slowest(scene.delays()):.2f} s")
        verdict = scene.verdict()
        assert verdict.announcements == 0, "it takes longer, and nothing is lost"


@pytest.mark.seeds
@pytest.mark.parametrize("channels", [2000, pytest.param(20_000, marks=pytest.mark.long)])
def test_f7_the_link_is_lost_twice_at_once(stage: Callable[..., Stage], channels: int) -> None:
    """What is wanted and what Redis knows are the same again, however the losses fall; and it costs few commands."""
    with stage(nodes=1, channels=2, limits={"publish_rate": 0, "channels_per_session": 1000, "subscribe_rate": 0}) as scene:
        scene.start()
        scene.listen(4, 2)
        scene.publish(50)
        many = []
        for first in range(0, channels, 200):
            query = "&".join(f"channel=many:{number}" for number in range(first, first + 200))
            many.append(Wire(scene.nodes[0].client_port).send(upgrade(f"/raw?{query}")))
        redis = scene.redis.client()
        until(lambda: len(redis.pubsub_channels("carillon:{*}:c:many:*")) == channels, "all are subscribed", 30)
        commands = int(redis.info("commandstats")["cmdstat_subscribe"]["calls"])
        with scene.log.fault("killed twice"):
            redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            # Some go while it is away.
            for wire in many[:2]:
                wire.socket.close()
            until(lambda: redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub") > 0, "it is back", 10)
        wanted = {key("c", f"many:{number}") for number in range(400, channels)}
        began = time.monotonic()
        until(lambda: set(redis.pubsub_channels("carillon:{*}:c:many:*")) == wanted, "what is wanted is what there is", 20)
        scene.bounded("the same again after", time.monotonic() - began, 3.0)
        used = int(redis.info("commandstats")["cmdstat_subscribe"]["calls"]) - commands
        scene.bounded("SUBSCRIBE commands, twice", used, 2 * (channels // 512 + 4), "")
        scene.flows(200)
        for wire in many:
            wire.socket.close()
        verdict = scene.verdict()
        assert verdict.announcements == 0
