"""A group of 1,000 SignalR clients, one of which does not read: everything reaches all others, and soon."""

from typing import Any

import pytest

from rig.bench import bench
from rig.node import Node
from rig.waiting import until
from rig.wire import TEXT, Wire, frame

CLIENTS, RATE, SECONDS, BYTES = 1000, 20, 3, 8000
HUB = {"path": "/hub", "methods": {"join": "JoinGroup", "send_to_group": "SendToGroup"}}
#: What p99 may be with a paused client, in microseconds: this, or so many times what it is without one. Deliveries that wait for the
#: paused one would take seconds.
BOUND, TIMES = 500_000, 10


def paused(node: Node) -> Wire:
    """A client that joins the group and reads nothing after that; what the kernel takes for it is full already."""
    wire = Wire(node.client_port, receive_buffer=4096).open("/hub")
    wire.send(frame(b'{"protocol":"json","version":1}\x1e'))
    assert wire.read_frame() == (TEXT, b"{}\x1e")
    wire.send(frame(b'{"type":1,"invocationId":"1","target":"JoinGroup","arguments":["bench"]}\x1e'))
    assert b'"invocationId":"1"' in wire.read_frame()[1]

    def is_full() -> bool:
        node.api.publish("bench", text="x" * 60_000)
        return node.api.connections()[0]["backlog_bytes"] > 0

    until(is_full, "something waits for it", 30)
    return wire


def run(node: Node, dialect: str) -> dict[str, Any]:
    """Clients join the group and one of them sends; each of them has to get everything once and in order."""
    options = ("--dialect", dialect, "--rate", str(RATE), "--bytes", str(BYTES), "--seconds", str(SECONDS), "--warm-up", "1")
    found = bench("camera", [f"ws://{node.client}/hub"], CLIENTS, *options)
    assert found["problems"] == [] and found["metrics"]["left_out"] == 0
    assert found["metrics"]["deliveries_per_second"] > 0.5 * CLIENTS * RATE
    return found["metrics"]


@pytest.mark.parametrize(("dialect", "ending"), [("signalr-json", "stays"), ("signalr-messagepack", "is sent away")])
def test_one_that_does_not_read_delays_nobody(start_node: Any, dialect: str, ending: str) -> None:
    room = "64MiB" if ending == "stays" else "256KiB"
    node = start_node(hubs=[HUB], limits={"outbound_bytes": room})
    without = run(node, dialect)
    until(lambda: node.api.subscribers("bench") == 0, "all have left")
    with paused(node) as wire:
        beside = run(node, dialect)
        until(lambda: len(node.api.connections()) == (1 if ending == "stays" else 0), "the others have left")
        if ending == "stays":
            [waiting] = node.api.connections()
            assert waiting["backlog_bytes"] > 10 * BYTES
        else:
            assert node.api.metric("slow_disconnects_total") == 1
        wire.close()
    assert beside["delay_p99"] < max(BOUND, TIMES * without["delay_p99"]), (without, beside)
