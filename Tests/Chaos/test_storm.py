"""Everybody comes back at once."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.figures import Figure
from rig.crowd import Crowd, Member
from rig.node import Node
from rig.redis_server import RedisServer
from rig.wire import frame, upgrade

CHANNELS = 100
#: Publications each channel has.
KEPT = 60
SETTINGS: dict[str, Any] = {
    "channels": [{"match": "*", "publish": "client", "history": {"size": 200, "ttl": "1h"}}],
    "limits": {"publish_rate": 0},
}


class Returning(Crowd):
    """Clients that recover, and what they got: publications of each, once its reply is whole."""

    def __init__(self) -> None:
        super().__init__()
        self.received: dict[Member, bytes] = {}
        self.recovered: dict[Member, int] = {}

    def _read(self, member: Member) -> None:
        data = member.socket.recv(262_144)
        if not data:
            return self.end(member)
        if member in self.recovered:
            return None
        whole = self.received.get(member, b"") + data
        self.received[member] = whole
        if b"\r\n\r\n" in whole:
            member.opened = member.opened or time.monotonic()
            reply = whole.find(b'"was_recovering":true')
            if reply >= 0 and whole.endswith(b"}}"):
                self.recovered[member] = whole.count(b'"data"') if whole.find(b'"recovered":true', reply) >= 0 else -1
                del self.received[member]
        return None


@pytest.mark.parametrize("clients", [3000, pytest.param(15_000, marks=pytest.mark.long)])
def test_a_storm_of_reconnects_reads_each_channel_once(
    tmp_path: Path, seed: int, clients: int, note: Callable[[dict[str, Any]], None]
) -> None:
    """All nodes are new, so nothing is at hand, and everybody missed something else."""
    print(f"\nstorm of {clients}: seed {seed}")
    chance = random.Random(seed)
    server = RedisServer(tmp_path).start()
    first = Node("first", tmp_path, server.url, **SETTINGS).start()
    epochs = []
    for channel in range(CHANNELS):
        for number in range(KEPT):
            answer = first.api.post_publication({"channel": f"storm:{channel}", "data": {"n": number}})
        epochs.append(answer.json()["positions"][f"storm:{channel}"].split(":")[0])
    first.stop()
    nodes = [Node(f"node-{number}", tmp_path, server.url, **SETTINGS).start() for number in range(3)]
    with Returning() as crowd:
        expected: dict[Member, int] = {}
        began = time.monotonic()
        for number in range(clients):
            channel, offset = number % CHANNELS, chance.randint(1, KEPT)
            subscribe = {"channel": f"storm:{channel}", "recover": True, "epoch": epochs[channel], "offset": offset}
            commands = [{"id": 1, "connect": {}}, {"id": 2, "subscribe": subscribe}]
            request = upgrade("/connection/websocket") + b"".join(frame(json.dumps(one).encode()) for one in commands)
            expected[crowd.add(nodes[number % 3].client_port, request)] = KEPT - offset
            if number % 64 == 0:
                crowd.turn(0)
        assert crowd.run(lambda: len(crowd.recovered) == clients, 60), f"{len(crowd.recovered)} of {clients} are back"
        took = time.monotonic() - began
        reads = [int(node.api.metric("history_reads_total")) for node in nodes]
        wrong = {member: count for member, count in crowd.recovered.items() if count != expected[member]}
        print(f"  {clients} back after {took:.1f} s; reads of history by node, of {CHANNELS} channels: {reads}")
        figures = [Figure("all back after", f"{took:.1f} s", took), Figure("reads of history of a node", f"{max(reads)}", max(reads), 2 * CHANNELS)]
        note({"name": "", "seed": seed, "figures": [figure.json() for figure in figures]})
        assert not wrong, f"{len(wrong)} did not get what they had missed"
        assert all(count <= 2 * CHANNELS for count in reads)
    for process in [*nodes, server]:
        process.stop()
