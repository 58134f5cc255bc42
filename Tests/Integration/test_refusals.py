"""Operators see why clients are refused: a line a second for each reason and reactor, and a count."""

import json
from typing import Any

import jwt
import pytest

from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.waiting import until
from rig.wire import Wire, frame, upgrade

SECRET = "a secret of more than thirty-two bytes, for tests"


def refusals(node: Node, reason: str) -> int:
    for line in node.api.metrics().splitlines():
        if line.startswith(f'carillon_refusals_total{{reason="{reason}"}} '):
            return int(line.rsplit(" ", 1)[1])
    return 0


def logged(node: Node, kind: str) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in node.output().splitlines()]
    return [line for line in lines if line["message"].startswith("client refused: ") and line["kind"] == kind]


def status(node: Node, request: bytes) -> int:
    with Wire(node.client_port) as wire:
        wire.send(request)
        return int(wire.read_head().split(b" ")[1])


def test_requests(start_node: Any) -> None:
    node = start_node(node={"reactors": 2}, log={"format": "json"}, client={"origins": ["https://app.example.com"]}, auth={"keys": [{"secret": SECRET}], "required": True})
    for _ in range(20):
        assert status(node, upgrade("/raw?channel=a", Origin="https://evil.example.net")) == 403
    assert status(node, upgrade("/raw?channel=a")) == 401
    assert status(node, upgrade("/raw?channel=a&token=x.y.z")) == 401
    assert refusals(node, "origin_not_allowed") == 20 and refusals(node, "token_missing") + refusals(node, "token_invalid") == 2
    origin = logged(node, "origin_not_allowed")
    # Once a second on each reactor, whatever comes.
    assert 1 <= len(origin) <= 4
    assert origin[0]["origin"] == "https://evil.example.net" and "client.origins" in origin[0]["message"]
    assert origin[0]["remote"].startswith("127.0.0.1:")


def test_sessions(start_node: Any) -> None:
    node = start_node(log={"format": "json"}, limits={"message_bytes": 1024, "control_rate": 1, "control_burst": 1})
    with Wire(node.client_port) as wire:
        wire.open("/raw?channel=a")
        wire.send(frame(b"x" * 2000))
        assert wire.read_close()[0] == 1009
    with Wire(node.client_port) as wire:
        wire.open("/raw?channel=a")
        for _ in range(5):
            wire.send(frame(b"", 9))
        wire.read_to_end()
    (large,) = logged(node, "close_1009")
    (pings,) = logged(node, "close_1008")
    assert "limits.control_rate" in pings["message"] and large["dialect"] == "raw"
    assert refusals(node, "close_1009") == refusals(node, "close_1008") == 1


def test_commands(start_node: Any) -> None:
    node = start_node(log={"format": "json"}, limits={"channels_per_session": 1}, auth={"keys": [{"secret": SECRET}]})
    client = CentrifugeWire(node, token=jwt.encode({"sub": "ann", "exp": 9999999999}, SECRET, algorithm="HS256"))
    lines = [{"id": n, "subscribe": {"channel": channel}} for n, channel in enumerate(["closed:1", "a", "b"], 10)]
    client.socket.send("\n".join(json.dumps(line) for line in lines))
    until(lambda: refusals(node, "error_103") == 1 and refusals(node, "error_106") == 1, "both are counted")
    (denied,) = logged(node, "error_103")
    (many,) = logged(node, "error_106")
    assert (denied["channel"], denied["user"], denied["dialect"]) == ("closed:1", "ann", "centrifuge")
    assert "limits.channels_per_session" in many["message"]
    client.close()
    with Wire(node.client_port) as wire:
        wire.open("/connection/websocket")
        wire.send(frame(b"this is no command"))
        assert wire.read_close()[0] == 3501
    assert len(logged(node, "disconnect_3501")) == 1


@pytest.mark.parametrize("path", ["/raw?channel=", "/nothing"])
def test_every_refusal_says_what_would_be_right(start_node: Any, path: str) -> None:
    node = start_node(log={"format": "json"})
    assert status(node, upgrade(path)) in (400, 404)
    until(lambda: "client refused: " in node.output(), "it is logged")
