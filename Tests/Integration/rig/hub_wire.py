"""Hubs on the wire: messages of both hub protocols, also such as no client sends."""

import json
from typing import Any

import msgpack
import requests

from .node import Node
from .wire import BINARY, TEXT, Wire, frame, upgrade

END = b"\x1e"
JSON, MESSAGEPACK = "json", "messagepack"


def record(message: Any) -> bytes:
    """A message in JSON, with what ends it."""
    return json.dumps(message, separators=(",", ":")).encode() + END


def counted(body: bytes) -> bytes:
    """Bytes with their length in front, as messages in MessagePack have it: 7 bits a byte, the lowest first."""
    length, head = len(body), b""
    while length > 0x7F:
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + bytes([length]) + body


def packed(message: list[Any]) -> bytes:
    return counted(msgpack.packb(message))


def call(method: str, *arguments: Any, id: str | None = None) -> bytes:
    message: dict[str, Any] = {"type": 1, "target": method, "arguments": list(arguments)}
    return record(message if id is None else {**message, "invocationId": id})


def packed_call(method: str, *arguments: Any, id: str | None = None) -> bytes:
    return packed([1, {}, id, method, list(arguments)])


def negotiate(node: Node, hub: str = "/chat", *, is_resumable: bool = False) -> dict[str, Any]:
    query = "negotiateVersion=1" + ("&useStatefulReconnect=true" if is_resumable else "")
    response = requests.post(f"http://{node.client}{hub}/negotiate?{query}", timeout=5)
    assert response.status_code == 200, response.text
    return response.json()


def greeting(protocol: str = JSON, version: int = 1) -> bytes:
    return frame(record({"protocol": protocol, "version": version}), TEXT if protocol == JSON else BINARY)


def greeted(node: Node, protocol: str = JSON, *, hub: str = "/chat", token: str | None = None, version: int = 1, **options: Any) -> Wire:
    """An open session; `token`: of a connection that was negotiated."""
    wire = Wire(node.client_port, **options)
    try:
        wire.send(upgrade(hub + (f"?id={token}" if token else "")) + greeting(protocol, version))
        head = wire.read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        opcode, payload = wire.read_frame()
        assert payload == b"{}" + END, (opcode, payload)
    except BaseException:
        wire.close()
        raise
    return wire


def resuming(node: Node, **options: Any) -> Wire:
    """A session that its client may go on with after its connection was cut."""
    return greeted(node, token=negotiate(node, is_resumable=True)["connectionToken"], version=2, **options)


def hear(wire: Wire) -> list[dict[str, Any]]:
    """The messages of the next frame, in JSON."""
    opcode, payload = wire.read_frame()
    assert opcode == TEXT and payload.endswith(END), (opcode, payload)
    return [json.loads(text) for text in payload[:-1].split(END)]


def hear_packed(wire: Wire) -> list[list[Any]]:
    """The same in MessagePack."""
    opcode, payload = wire.read_frame()
    assert opcode == BINARY, (opcode, payload)
    messages = []
    while payload:
        length = shift = 0
        while True:
            byte, payload = payload[0], payload[1:]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        messages.append(msgpack.unpackb(payload[:length], strict_map_key=False))
        payload = payload[length:]
    return messages
