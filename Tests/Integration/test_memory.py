"""What comes and goes leaves no memory behind."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from rig.footprint import Footprint
from rig.node import Node
from rig.receivers import WebsocketsClient
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire, frame

CHANNELS = 60_000
SESSIONS = 60
CYCLES = 5
#: Bytes more than before any of it. Without giving back it is 70 to 120 MB, and more with each cycle; with it 12 to 24 MB.
MOST = 40 << 20
#: The longest a publication may take while memory is given back, in seconds, on a machine that does other things too.
LATEST = 0.5


def come_and_go(node: Node, cycle: int) -> None:
    """60 sessions with 1,000 channels each, which nobody else has."""
    each = CHANNELS // SESSIONS
    wires = []
    for session in range(SESSIONS):
        wire = Wire(node.client_port)
        wire.open("/connection/websocket")
        wire.send(frame(b'{"id":1,"connect":{}}'))
        for start in range(0, each, 100):
            commands = (
                {"id": 2 + number, "subscribe": {"channel": f"c{cycle}:{session}:{number}"}} for number in range(start, start + 100)
            )
            wire.send(frame("\n".join(json.dumps(command) for command in commands).encode()))
        wires.append(wire)
    until(lambda: node.api.metric("channels") >= CHANNELS, "all are subscribed", 120)
    for wire in wires:
        wire.close()
    until(lambda: node.api.metric("channels") <= 1 and node.api.metric("link_channels") <= 2, "all have gone", 120)


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_memory_is_given_back_after_sixty_thousand_channels_have_come_and_gone(start_node: Any, tmp_path: Path, kind: str) -> None:
    server = RedisServer(tmp_path).start() if kind == "redis" else None
    node = start_node(
        redis_url=server.url if server else None, node={"reactors": 2},
        limits={"channels_per_session": 2000, "subscribe_rate": 0, "command_rate": 0},
        channels=[{"match": "*", "subscribe": "anyone", "publish": "client"}])  # fmt: skip
    receiver = WebsocketsClient(node.client, "steady")
    footprint = Footprint(node)
    for cycle in range(CYCLES):
        come_and_go(node, cycle)
    # Somebody else is served all the while, also in the moment in which memory is given back.
    delays: list[float] = []
    over = threading.Event()

    def publish() -> None:
        number = 0
        while not over.wait(0.02):
            begun = time.monotonic()
            node.api.publish("steady", text=str(number))
            number += 1
            until(lambda: len(receiver.received) >= number, "it arrives", 10)  # noqa: B023
            delays.append(time.monotonic() - begun)

    steady = threading.Thread(target=publish)
    steady.start()
    grown = footprint.growth
    until(lambda: footprint.growth < MOST, f"memory is given back: it was {grown >> 20} MiB more", 40)
    over.set()
    steady.join()
    print(f"{grown >> 10} KiB more than before, then {footprint.growth >> 10}; the slowest publication took {max(delays):.3f} s")
    assert max(delays) < LATEST
    receiver.close()
    node.stop()
    if server:
        server.stop()
