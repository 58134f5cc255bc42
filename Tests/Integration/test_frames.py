"""WebSocket frames that are not right: each closes its connection with a code and a reason, and nothing else."""

import struct
from typing import Any

import pytest

from rig.node import Node
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import BINARY, CLOSE, PING, PONG, TEXT, Wire, frame

HUGE = b"\x7f" + struct.pack(">Q", 1 << 62)
NEGATIVE = b"\x7f" + b"\xff" * 8

#: Bytes after the handshake → close code (RFC 6455 7.4.1).
FRAMES: dict[str, tuple[bytes, int]] = {
    "message too big": (frame(b"x" * 70_000), 1009),
    "4 GiB announced": (frame(b"", BINARY, length=b"\x7f" + struct.pack(">Q", 1 << 32)), 1009),
    "2^62 bytes announced": (frame(b"", BINARY, length=HUGE), 1009),
    "negative length": (frame(b"", BINARY, length=NEGATIVE), 1002),
    "longer length than needed": (frame(b"x", length=b"\x7e\x00\x01"), 1002),
    "not masked": (frame(b"hello", mask=False), 1002),
    "reserved bit 1": (frame(b"x", first=0xC1), 1002),
    "reserved bit 3": (frame(b"x", first=0x91), 1002),
    "reserved opcode 3": (frame(b"x", 3), 1002),
    "reserved opcode 11": (frame(b"x", 11), 1002),
    "long ping": (frame(b"x" * 126, PING), 1002),
    "ping in fragments": (frame(b"x", first=PING), 1002),
    "continuation of nothing": (frame(b"x", 0), 1002),
    "message inside a message": (frame(b"a", first=TEXT) + frame(b"b"), 1002),
    "text that is not UTF-8": (frame(b"\xff\xfe"), 1007),
    "overlong UTF-8": (frame(b"\xc0\xaf"), 1007),
    "surrogate in UTF-8": (frame(b"\xed\xa0\x80"), 1007),
    "UTF-8 cut at the end": (frame("é".encode()[:1]), 1007),
    "bad UTF-8 in an open fragment": (frame(b"good \xff", first=TEXT), 1007),
    "close with one byte": (frame(b"\x03", CLOSE), 1002),
    "close with a reserved code": (frame(struct.pack(">H", 1005), CLOSE), 1002),
    "close with a code below 1000": (frame(struct.pack(">H", 999), CLOSE), 1002),
    "close with a bad reason": (frame(struct.pack(">H", 1000) + b"\xff", CLOSE), 1007),
    "too many fragments": (frame(b"a", first=TEXT) + frame(b"a", first=0) * 2000, 1009),
    "too much in fragments": (frame(b"a" * 40_000, first=TEXT) + frame(b"a" * 40_000, first=0), 1009),
}


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One node for all of these, because it has to survive all of them."""
    node = Node("node", tmp_path_factory.mktemp("frames")).start()
    yield node
    assert node.is_running
    node.stop()


@pytest.mark.parametrize("case", FRAMES)
def test_a_wrong_frame_closes(case: str, shared_node: Node) -> None:
    data, code = FRAMES[case]
    with Wire(shared_node.client_port) as wire:
        wire.open("/raw?channel=frames")
        try:
            wire.send(data)
        except ConnectionError:
            pass
        got, reason = wire.read_close()
    assert got == code, (got, reason)
    assert reason


def test_nothing_of_a_wrong_message_is_published(shared_node: Node) -> None:
    listener = WebsocketsClient(shared_node.client, "frames-2")
    with Wire(shared_node.client_port) as wire:
        wire.open("/raw?channel=frames-2").send(frame(b"good") + frame(b"bad \xff") + frame(b"after"))
        assert wire.read_close()[0] == 1007
    shared_node.api.publish("frames-2", text="end")
    until(lambda: "end" in listener.received, "the last one")
    assert listener.received == ["good", "end"]
    listener.close()


def test_a_message_in_fragments_and_single_bytes(shared_node: Node) -> None:
    listener = WebsocketsClient(shared_node.client, "frames-3")
    text = "in pieces: é🔔"
    pieces = [bytes([byte]) for byte in text.encode()]
    data = frame(pieces[0], first=TEXT) + b"".join(frame(piece, first=0) for piece in pieces[1:])
    data += frame(b"in between", PING) + frame(b"", 0)
    with Wire(shared_node.client_port) as wire:
        wire.open("/raw?channel=frames-3")
        for byte in data:
            wire.send(bytes([byte]))
        assert wire.read_frame() == (PONG, b"in between")
        assert wire.read_frame() == (TEXT, text.encode())
    until(lambda: listener.received == [text], "the message")
    listener.close()


def test_the_close_handshake(shared_node: Node) -> None:
    with Wire(shared_node.client_port) as wire:
        wire.open("/raw?channel=frames").send(frame(struct.pack(">H", 1000) + b"bye", CLOSE))
        assert wire.read_close()[0] == 1000
        assert wire.read_to_end() == b""


def test_publishing_where_only_the_server_may(shared_node: Node) -> None:
    with Wire(shared_node.client_port) as wire:
        wire.open("/raw?channel=listen:a").send(frame(b"x"))
        code, reason = wire.read_close()
    assert code == 1008 and "listen:a" in reason


#: Frames in the centrifuge dialect → close code (Centrifuge client protocol).
COMMANDS: dict[str, tuple[list[bytes], int]] = {
    "not JSON": ([b"hello"], 3501),
    "empty": ([b""], 3501),
    "subscribe before connect": ([b'{"id":1,"subscribe":{"channel":"a"}}'], 3501),
    "connect twice": ([b'{"id":1,"connect":{}}', b'{"id":2,"connect":{}}'], 3501),
    "pong without ping": ([b'{"id":1,"connect":{}}', b"{}"], 3501),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_wrong_command_disconnects(case: str, shared_node: Node) -> None:
    commands, code = COMMANDS[case]
    with Wire(shared_node.client_port) as wire:
        wire.open("/connection/websocket")
        for command in commands:
            wire.send(frame(command))
        got, reason = wire.read_close()
    assert got == code and reason


def test_a_client_that_never_connects_is_disconnected(start_node: Any) -> None:
    node = start_node("impatient", limits={"handshake_timeout": "1s"})
    with Wire(node.client_port, seconds=15) as wire:
        wire.open("/connection/websocket")
        assert wire.read_close()[0] == 3502


def test_a_silent_client_is_pinged_and_then_disconnected(start_node: Any) -> None:
    node = start_node("watchful", liveness={"ping_interval": "1s", "pong_timeout": "500ms"})
    with Wire(node.client_port) as silent, Wire(node.client_port) as answering:
        silent.open("/raw?channel=a")
        answering.open("/raw?channel=a")
        for _ in range(3):
            assert answering.read_frame()[0] == PING
            answering.send(frame(b"", PONG))
        code, reason = silent.read_close()
    assert code == 1008 and "pong" in reason
