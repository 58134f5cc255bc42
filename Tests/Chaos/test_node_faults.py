"""What happens to nodes (reference: failures F1, F9, F13 to F17)."""

import json
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import linear_regression

import pytest

from chaos.clients import CentrifugeClient
from chaos.previous import previous
from chaos.stage import Stage
from rig.balancers import HAProxy, Nginx
from rig.centrifuge_wire import CentrifugeWire
from rig.node import CARILLON
from rig.redis_keys import key
from rig.waiting import until
from rig.wire import Wire, upgrade

#: Behind a balancer nodes take connections only with a header that says for whom.
INTRODUCED = {"client": {"listen": "127.0.0.1:0", "proxy_protocol": {"mode": "required", "trusted": ["127.0.0.1"]}}}


@pytest.mark.parametrize("seconds", [15, pytest.param(600, marks=pytest.mark.long)])
def test_f1_nothing_happens(stage: Callable[..., Stage], seconds: int) -> None:
    """Clients come and go all the time; nothing is left behind by those who went."""
    with stage(kept=100_000) as scene:
        scene.start()
        scene.listen(18, 12)
        scene.publish(200, publishers=4)
        scene.flows(500)
        files = [node.open_files() for node in scene.nodes]
        memory = [node.resident_bytes() for node in scene.nodes]
        began = time.monotonic()
        count = 0
        #: Resident memory of all nodes by the time, in MiB and hours, after three minutes.
        samples: list[tuple[float, float]] = []
        while time.monotonic() < began + seconds:
            if time.monotonic() > began + 180 + 5 * len(samples):
                samples.append((time.monotonic() / 3600, sum(node.resident_bytes() for node in scene.nodes) / 2**20 / len(scene.nodes)))
            for node in scene.nodes:
                wire = Wire(node.client_port).send(upgrade(f"/raw?channel=gone:{count % 50}"))
                wire.socket.close()
                count += 1
            time.sleep(0.06)
        client = scene.redis.client()
        wanted = len(scene.channels) + 1
        until(lambda: len(client.pubsub_channels("carillon:{*}:c:*")) == wanted, "nobody wants the channels of those who went", 20)
        grown = [node.open_files() - before for node, before in zip(scene.nodes, files, strict=True)]
        scene.figure("connections that came and went", str(count))
        scene.figure("open files more than before", str(grown))
        more = [(node.resident_bytes() - before) >> 10 for node, before in zip(scene.nodes, memory, strict=True)]
        scene.figure("memory more than before", f"{more} KiB")
        if samples:
            scene.bounded("memory more an hour and node, after three minutes", linear_regression(*zip(*samples, strict=True)).slope, 1.0, "MiB")
        verdict = scene.verdict()
        assert verdict.announcements == 0 and scene.crowd.closes == 0
        assert all(abs(one) <= 5 for one in grown)


@pytest.mark.parametrize(("kind", "clients"), [
    (HAProxy, 100), pytest.param(HAProxy, 6000, marks=pytest.mark.long),
    pytest.param(Nginx, 100, marks=pytest.mark.long), pytest.param(Nginx, 1500, marks=pytest.mark.long),
])
def test_f9_a_node_is_killed_behind_a_balancer(stage: Callable[..., Stage], kind: type[HAProxy] | type[Nginx], clients: int) -> None:
    with stage(channels=4, **INTRODUCED) as scene:
        scene.start()
        balancer = scene.balance(kind)
        for number in range(clients):
            client = scene.crowd.add(CentrifugeClient, balancer.client, [scene.channels[number % 4]], f"client-{number}")
            client.backoff = (0.2, 2.0) if clients < 1000 else (2.5, 5.0)
        until(lambda: scene.crowd.subscribed == clients, "all are subscribed", 60)
        # More than some ten thousand deliveries a second the clients of this test do not take.
        scene.publish(40 if clients < 1000 else 6, nodes=scene.nodes[1:])
        scene.flows(5 * clients)
        before = scene.slowest(scene.delays())
        lost = len(scene.nodes[0].api.connections(1000, node=scene.nodes[0].id))
        reads = scene.metric("history_reads_total", scene.nodes[1:])
        with scene.log.fault("a node is killed") as fault:
            scene.nodes[0].kill()
            until(lambda: scene.crowd.closes >= lost, "its clients notice", 10)
            until(lambda: scene.crowd.subscribed == clients, "all are back", 30)
        back = scene.log.now() - fault.begun
        read = scene.metric("history_reads_total", scene.nodes[1:]) - reads
        others = {event.client for event in scene.log.events} - {event.client for event in scene.log.events if event.kind == "closed"}
        meanwhile = scene.slowest(scene.delays(since=fault.begun, of=others))
        scene.flows(3 * clients)
        scene.figure("clients of the node", str(lost))
        scene.bounded("all back after", back, 15.0)
        # Below a tenth of a second it is the clients of this test that are slow.
        scene.bounded("99 of 100 deliveries to the others within", meanwhile, round(max(3 * before, 0.1), 3))
        scene.bounded("reads of history meanwhile, of 4 channels on 2 nodes", read, 2 * 2 * len(scene.channels), "")
        verdict = scene.verdict()
        assert verdict.announcements == 0, "everybody was recovered"
        assert verdict.recoveries >= lost


@pytest.mark.long
def test_f9_the_balancer_is_reloaded(stage: Callable[..., Stage]) -> None:
    """Those who are connected stay with the old process, and those who come are let in by the new one."""
    with stage(channels=2, **INTRODUCED) as scene:
        scene.start()
        old = scene.balance()
        for number in range(60):
            scene.crowd.add(CentrifugeClient, old.client, scene.channels, f"client-{number}")
        until(lambda: scene.crowd.subscribed == 120, "all are subscribed", 30)
        scene.publish(60)
        scene.flows(1000)
        with scene.log.fault("HAProxy is reloaded"):
            new = HAProxy(scene.directory / "new", [node.client for node in scene.nodes])
            new.port, new.takes_over = old.port, old.pid
            scene.balancer = new.start()
            for number in range(60, 80):
                scene.crowd.add(CentrifugeClient, new.client, scene.channels, f"client-{number}")
            until(lambda: scene.crowd.subscribed == 160, "who comes now is let in", 20)
        scene.flows(1000)
        verdict = scene.verdict()
        assert scene.crowd.closes == 0 and verdict.announcements == 0
        old.kill()


@pytest.mark.long
def test_f14_a_node_sleeps(stage: Callable[..., Stage]) -> None:
    """As a virtual machine that is paused: when it goes on it has to see first what it missed."""
    with stage() as scene:
        scene.start()
        scene.listen()
        scene.publish(100, nodes=scene.nodes[:2])
        scene.flows(500)
        with scene.log.fault("a node sleeps"):
            scene.nodes[2].pause()
            time.sleep(20)
            scene.nodes[2].resume()
        scene.bounded("healed after it goes on", scene.acknowledged_on_all(), 3.0)
        verdict = scene.verdict()
        assert verdict.announcements == 0


def test_f15_nodes_publish_to_one_channel_at_once(stage: Callable[..., Stage]) -> None:
    with stage(channels=1, kept=100_000) as scene:
        scene.start()
        scene.listen(6, 6)
        scene.publish(3000, publishers=6)
        scene.flows(20_000, 60)
        verdict = scene.verdict()
        entries = scene.log.final[scene.channels[0]]
        assert [offset for _, offset, _ in entries] == list(range(1, len(entries) + 1)), "contiguous, and each once"
        assert len(entries) >= verdict.acknowledged
        scene.figure("offsets", f"1 to {len(entries)}")


def test_f16_a_node_runs_out_of_files(stage: Callable[..., Stage]) -> None:
    with stage() as scene:
        scene.start()
        scene.listen()
        scene.publish(100)
        scene.flows(500)
        node = scene.nodes[0]
        before = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
        held: list[Wire] = []
        with scene.log.fault("no more files"):
            resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (node.open_files() + 8, before[1]))
            for _ in range(60):
                held.append(Wire(node.client_port).send(upgrade("/raw?channel=x")))
            used = cpu_seconds(node.pid)
            began = time.monotonic()
            scene.flows(1500)
            share = (cpu_seconds(node.pid) - used) / (time.monotonic() - began)
            resource.prlimit(node.pid, resource.RLIMIT_NOFILE, before)
        until(lambda: node.api.subscribers("x") == 60, "who waited is let in", 15)
        scene.bounded("share of a core while there were no files", share, 0.5, "")
        for wire in held:
            wire.socket.close()
        verdict = scene.verdict()
        assert verdict.announcements == 0 and scene.crowd.closes == 0


def cpu_seconds(pid: int) -> float:
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_f13_slow_clients_hold_up_nobody(stage: Callable[..., Stage]) -> None:
    with stage(limits={"publish_rate": 0, "outbound_bytes": "256KiB"}) as scene:
        scene.start()
        scene.listen()
        slow = [Wire(scene.nodes[0].client_port, receive_buffer=4096).send(upgrade("/raw?channel=heavy")) for _ in range(40)]
        until(lambda: scene.nodes[0].api.subscribers("heavy") == 40, "they are there")
        scene.publish(100)
        with scene.log.fault("forty clients do not read"):
            for _ in range(150):
                scene.nodes[0].api.publish("heavy", text="x" * 60_000)
            scene.flows(2000)
        for wire in slow:
            wire.socket.close()
        scene.figure("delivery of the others, 99 of 100 within", f"{1000 * scene.slowest(scene.delays()):.0f} ms")
        verdict = scene.verdict()
        assert verdict.announcements == 0 and scene.crowd.closes == 0
        assert scene.metric("slow_disconnects_total") == 40, "they are told, and gone"


def test_f17_a_rolling_restart_loses_nothing(stage: Callable[..., Stage]) -> None:
    """Node after node, under load: nobody misses anything, and the others are not overrun."""
    rolling_restart(stage, CARILLON)


@pytest.mark.long
def test_f17_an_upgrade_loses_nothing(stage: Callable[..., Stage]) -> None:
    """The same from the version before this one, node after node; in between both understand each other, and heal."""
    rolling_restart(stage, previous())


def rolling_restart(stage: Callable[..., Stage], before: Path) -> None:
    """From one version of the program to the present one."""
    with stage(channels=4, program=before, drain={"wait": "3s", "window": "10s"}, **INTRODUCED) as scene:
        scene.start()
        balancer = scene.balance()
        count = 120
        for number in range(count):
            scene.crowd.add(CentrifugeClient, balancer.client, [scene.channels[number % 4]], f"client-{number}")
        until(lambda: scene.crowd.subscribed == count, "all are subscribed", 60)
        scene.publish(40)
        scene.flows(1000)
        for node in scene.nodes:
            with scene.log.fault(f"{node.name} is restarted"):
                node.send(signal.SIGTERM)
                assert node.wait(40) == 0
                # The same addresses, for the balancer knows no others.
                node.configuration["client"]["listen"] = node.client
                node.configuration["admin"]["listen"] = node.admin
                node.program = CARILLON
                node.start()
                until(lambda: balancer.healthy() == 3, "the balancer knows", 20)
            with scene.log.fault("CLIENT KILL TYPE pubsub"):
                scene.redis.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            scene.acknowledged_on_all()
        scene.flows(1000)
        until(lambda: scene.crowd.subscribed == count, "all are there", 20)
        closes = [event for event in scene.log.events if event.kind == "closed"]
        seconds = Counter(int(event.at) for event in closes)
        scene.figure("reconnects", f"{len(closes)}")
        scene.bounded(f"in one second, of {count} clients", max(seconds.values()), count // 10, "")
        verdict = scene.verdict()
        assert verdict.announcements == 0, "nothing was lost"


def test_f17_envelopes_of_other_versions_do_no_harm(stage: Callable[..., Stage]) -> None:
    """What a newer node adds is skipped; what it says in a way of its own is counted."""
    with stage(nodes=2) as scene:
        scene.start()
        scene.listen(4, 4)
        scene.publish(100)
        redis = scene.redis.client()
        bad = scene.metric("link_bad_messages_total")
        for _ in range(50):
            origin = (1).to_bytes(8, "big")
            # Version 2, an unknown type, and a beat of another version.
            redis.publish(key("c", "chaos:0"), b"\xca\x02\x01\x00" + origin + b"\x00")
            redis.publish(key("c", "chaos:0"), b"\xca\x01\x63\x00" + origin)
            redis.publish("carillon:beat", b"\xca\x02\x02\x00" + origin + bytes(8))
        until(lambda: scene.metric("link_bad_messages_total") - bad == 300, "each is counted, on both nodes")
        # A field nobody knows, with a payload everybody does.
        wire = CentrifugeWire(scene.nodes[0])
        wire.subscribe("plain")
        name = b"plain"
        field = bytes([1]) + len(name).to_bytes(4, "big") + name
        unknown = bytes([99]) + (3).to_bytes(4, "big") + b"new"
        redis.publish(key("c", "plain"), b"\xca\x01\x01\x01" + origin + field + unknown + b"\x00" + json.dumps({"n": 1}).encode())
        until(lambda: [data for _, data in wire.publications] == [{"n": 1}], "it is understood all the same")
        wire.close()
        scene.flows(300)
        scene.verdict()
