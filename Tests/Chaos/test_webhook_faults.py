"""Webhooks, when their receiver is bad or away, and when nodes and Redis die."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.cluster import LEASE_SECONDS, Cluster
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.webhook_receiver import WebhookReceiver
from rig.wire import Wire, frame

SETTINGS: dict[str, Any] = {
    "channels": [{"match": "*", "subscribe": "anyone", "publish": "client", "occupancy": True}],
    "limits": {"publish_rate": 0},
}
#: Redis has on its disk what it acknowledged.
DURABLE = ["--appendonly", "yes", "--appendfsync", "always"]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    started = WebhookReceiver()
    yield started
    started.stop()


class Traffic:
    """Numbers that clients publish, and which of them have to arrive."""

    def __init__(self, channels: int) -> None:
        self.channels = [f"room-{number}" for number in range(channels)]
        self.sent = dict.fromkeys(self.channels, 0)

    def publish(self, node: Node, each: int) -> None:
        """Publishes at a node, and waits until it has stored the events: then they are accepted."""
        before = node.api.metric("webhook_events_total")
        for channel in self.channels:
            wire = Wire(node.client_port).open(f"/raw?channel={channel}")
            for _ in range(each):
                wire.send(frame(b"%d" % self.sent[channel]))
                self.sent[channel] += 1
            for _ in range(each):
                wire.read_frame()
            wire.close()
        wanted = before + each * len(self.channels)
        until(lambda: node.api.metric("webhook_events_total") == wanted, "the events are stored", 30)

    def arrived(self, receiver: WebhookReceiver) -> dict[str, list[int]]:
        """What came, in the order in which it came first."""
        found: dict[str, list[int]] = {channel: [] for channel in self.channels}
        for event in receiver.of("published"):
            found[event["subject"]].append(int(event["data"]["text"]))
        return found

    def expect(self, receiver: WebhookReceiver, seconds: float) -> None:
        """Everything arrived, and each channel in order."""
        total = sum(self.sent.values())
        until(lambda: len(receiver.of("published")) == total, "everything arrives", seconds)
        for channel, numbers in self.arrived(receiver).items():
            assert numbers == list(range(self.sent[channel])), channel


def faults(tmp_path: Path, receiver: WebhookReceiver, away: float) -> None:
    """The receiver away, slow, answering 500, closing early; the node that sends killed with 1,000 events under way; Redis killed."""
    server = RedisServer(tmp_path, arguments=DURABLE).start()
    entry = receiver.entry(events=["published"], timeout="1s")
    nodes = [Node(f"node-{index}", tmp_path, server.url, webhooks=[entry], **SETTINGS).start() for index in range(3)]
    traffic = Traffic(10)
    port = receiver.port
    receiver.stop()
    gone = time.monotonic()
    for node in nodes[1:]:
        traffic.publish(node, 20)
    until(lambda: time.monotonic() - gone > away, "the receiver is away for a while", away + 10)
    back = WebhookReceiver(port)
    back.status = 500
    # More than 1,000 events of one node are under way when it dies.
    traffic.publish(nodes[0], 110)
    until(lambda: back.requests >= 3, "it is tried", 40)
    nodes[0].kill()
    back.hangs_up = True
    until(lambda: back.requests >= 6, "and again by those who are left", 60)
    back.status, back.hangs_up, back.delay = 200, False, 0.3
    traffic.publish(nodes[1], 10)
    server.kill()
    until(lambda: not any(node.api.is_ready() for node in nodes[1:]), "Redis is missed")
    server.start()
    until(lambda: all(node.api.is_ready() for node in nodes[1:]), "it is back", 30)
    traffic.publish(nodes[2], 10)
    back.delay = 0
    traffic.expect(back, 60)
    [state] = until(lambda: [one for one in nodes[1].api.get("/api/v1/webhooks")["webhooks"] if not one["waiting"]], "nothing waits")
    assert state["dead_letters"] == 0
    assert sum(node.api.metric("webhook_events_dropped_total") for node in nodes[1:]) == 0
    assert not server.denied(), server.denied()
    back.stop()
    for node in nodes[1:]:
        node.stop()
    server.stop()


def test_every_accepted_event_arrives(tmp_path: Path, receiver: WebhookReceiver) -> None:
    faults(tmp_path, receiver, away=2)


@pytest.mark.long
def test_every_accepted_event_arrives_after_a_minute(tmp_path: Path, receiver: WebhookReceiver) -> None:
    faults(tmp_path, receiver, away=60)


@pytest.mark.seeds
def test_occupied_and_vacated_alternate(tmp_path: Path, receiver: WebhookReceiver, seed: int) -> None:
    """Joins and leaves at all nodes, a node killed and started again: per channel, the two strictly alternate."""
    chance = random.Random(seed)
    entry = receiver.entry(events=["channel_occupied", "channel_vacated"], vacated_grace="200ms", timeout="1s")
    channels = [f"room-{number}" for number in range(20)]
    with Cluster(tmp_path, 3, webhooks=[entry], **SETTINGS) as cluster:
        cluster.start()
        open_wires: list[tuple[Node, Wire]] = []

        def turn() -> None:
            if open_wires and chance.random() < 0.5:
                open_wires.pop(chance.randrange(len(open_wires)))[1].close()
            else:
                node = chance.choice(cluster.running)
                wire = Wire(node.client_port).open(f"/raw?channel={chance.choice(channels)}")
                open_wires.append((node, wire))
            time.sleep(chance.choice([0, 0.005, 0.05]))

        for _ in range(150):
            turn()
        victim = chance.choice(cluster.nodes)
        victim.kill()
        open_wires[:] = [(node, wire) for node, wire in open_wires if node is not victim]
        receiver.status = 500
        for _ in range(100):
            turn()
        receiver.status = 200
        victim.start()
        for _ in range(100):
            turn()
        for _, wire in open_wires:
            wire.close()

        def told(channel: str) -> list[str]:
            return receiver.kinds(channel=channel)

        def is_over() -> bool:
            return all(not told(channel) or told(channel)[-1] == "channel_vacated" for channel in channels)

        until(is_over, "all channels are vacated", LEASE_SECONDS + 30)
        until(lambda: sum(node.api.metric("occupancy_channels") for node in cluster.running) == 0, "and known to be", 20)
        until(is_over, "all channels are vacated", 20)
        for channel in channels:
            kinds = told(channel)
            assert kinds == ["channel_occupied", "channel_vacated"] * (len(kinds) // 2), (seed, channel, kinds)
        assert any(told(channel) for channel in channels)
        cluster.check_permissions()
