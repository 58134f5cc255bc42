"""A client that does not read is disconnected with the reason, and nobody else notices."""

import json
import time
from typing import Any

import pytest

from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import TEXT, Wire, frame

PAYLOAD = "x" * 60_000


@pytest.mark.parametrize("dialect, code", [("raw", 1013), ("centrifuge", 3008)])
def test_a_client_that_does_not_read(start_node: Any, dialect: str, code: int) -> None:
    node = start_node(limits={"outbound_bytes": "128KiB"})
    healthy = WebsocketsClient(node.client, "flood")
    slow = Wire(node.client_port, receive_buffer=4096, seconds=20)
    if dialect == "raw":
        slow.open("/raw?channel=flood")
    else:
        slow.open("/connection/websocket")
        slow.send(frame(b'{"id":1,"connect":{}}') + frame(b'{"id":2,"subscribe":{"channel":"flood"}}'))
        for _ in range(2):
            assert slow.read_frame()[0] == TEXT
    until(lambda: node.api.subscribers("flood") == 2, "both are subscribed")

    # Until the node has dropped it: what the kernel buffers on the way is the kernel's business.
    count = 0
    while node.api.subscribers("flood") == 2:
        node.api.publish("flood", text=f"{count} {PAYLOAD}")
        count += 1
        assert count < 1000, "a client that reads nothing was never dropped"
    for _ in range(20):
        node.api.publish("flood", text=f"{count} {PAYLOAD}")
        count += 1

    until(lambda: len(healthy.received) == count, "the other client has everything")
    assert [int(text.split()[0]) for text in healthy.received] == list(range(count))
    assert healthy.closed is None

    # What was on its way comes in order and whole; then the reason.
    numbers = []
    while True:
        opcode, payload = slow.read_frame()
        if opcode != TEXT:
            break
        text = payload.decode()
        if dialect == "centrifuge":
            text = json.loads(text)["push"]["pub"]["data"]
        numbers.append(int(text.split()[0]))
    assert numbers == list(range(len(numbers))) and len(numbers) < count
    assert int.from_bytes(payload[:2], "big") == code
    assert b"slow" in payload[2:]
    assert "carillon_slow_disconnects_total 1" in node.api.metrics()
    slow.close()
    healthy.close()


def test_the_backlog_is_listed(start_node: Any) -> None:
    node = start_node(limits={"outbound_bytes": "8MiB"})
    with Wire(node.client_port, receive_buffer=4096) as slow:
        slow.open("/raw?channel=flood")
        healthy = WebsocketsClient(node.client, "flood")
        deadline = time.monotonic() + 30
        backlog = 0
        while backlog < 200_000:
            node.api.publish("flood", text=PAYLOAD)
            worst = node.api.get("/api/v1/connections", sort="backlog", limit=1)["connections"][0]
            backlog = worst["backlog_bytes"]
            assert time.monotonic() < deadline
        result = node.command("connections", "--sort", "backlog", "--limit", "1")
        assert worst["id"] in result.stdout
        healthy.close()
    until(lambda: len(node.api.connections()) == 0, "both are gone")
    until(lambda: "carillon_outbound_bytes 0" in node.api.metrics(), "what waited was given back")
