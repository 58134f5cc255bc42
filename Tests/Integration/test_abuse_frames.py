"""Frames that mean harm (V1, V5, V7, V10, V52): refused at their limit, at no cost in memory, and nobody else notices."""

import socket
import struct
import time
import zlib
from typing import Any

import pytest

from rig.control import percentile, undisturbed
from rig.crowd import Crowd
from rig.footprint import NOISE, Footprint, counter
from rig.node import Node
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import BINARY, PING, TEXT, Wire, frame, upgrade

RAW = upgrade("/raw?channel=abuse")


def reset_on_close(connection: socket.socket) -> None:
    """Thousands of closed connections would keep their ports for a minute each."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# -- V1: lengths are judged before anything is allocated

LENGTHS = {"all bits": b"\xff" * 8, "highest bit": b"\x80" + bytes(7), "4 GiB": struct.pack(">Q", 1 << 32)}
ANNOUNCED = [
    bytes([0x80 | opcode, 0x7F | mask]) + length + (bytes(4) if mask else b"")
    for opcode in (TEXT, BINARY, PING) for mask in (0, 0x80) for length in LENGTHS.values()
]  # fmt: skip


def announce(node: Node, count: int) -> list[float]:
    """Sends each of them in turn; how long the close frame took, in seconds."""
    taken = []
    for number in range(count):
        with Wire(node.client_port) as wire:
            reset_on_close(wire.socket)
            wire.open("/raw?channel=abuse")
            started = time.monotonic()
            wire.send(ANNOUNCED[number % len(ANNOUNCED)])
            code, _ = wire.read_close()
            taken.append(time.monotonic() - started)
            assert code in (1002, 1009), (ANNOUNCED[number % len(ANNOUNCED)], code)
    return taken


def test_v1_10000_announced_lengths_allocate_nothing(node: Node) -> None:
    announce(node, 2000)
    with undisturbed(node):
        footprint = Footprint(node)
        taken = announce(node, 10_000)
        until(lambda: footprint.files <= 0, "its files are given back")
    print(f"V1: close after {percentile(taken, 0.5) * 1e3:.2f} ms, p99 {percentile(taken, 0.99) * 1e3:.1f} ms, "
          f"memory +{footprint.peak >> 10} KiB at most, +{footprint.growth >> 10} KiB after")  # fmt: skip
    assert percentile(taken, 0.99) <= 0.100
    # 6 bytes a connection: not even 64 KiB for all of them, beside what is noise.
    assert footprint.peak < (64 << 10) + NOISE


# -- V5: tiny fragments that never end

#: A fragment of one byte: header, key of zeros, "a".
FIRST = bytes([TEXT, 0x81]) + bytes(4) + b"a"
NEXT = bytes([0, 0x81]) + bytes(4) + b"a"
FRAGMENTS = 131_000
#: What others may wait when the cap of fragments is lifted, in seconds.
LATE = 2.0


def flood_with_fragments(node: Node, connections: int) -> tuple[Crowd, int]:
    """All of them at once; how many bytes were sent."""
    crowd = Crowd()
    members = crowd.open(connections, node.client_port, RAW)
    data = memoryview(FIRST + NEXT * (FRAGMENTS - 1))
    offsets = dict.fromkeys(members, 0)
    deadline = time.monotonic() + 60
    while offsets and time.monotonic() < deadline:
        crowd.turn(0)
        for member, offset in list(offsets.items()):
            try:
                if not member.ended:
                    offset += member.socket.send(data[offset : offset + 65_536])
            except BlockingIOError:
                continue
            except OSError:
                crowd.end(member)
            if member.ended or member.tail or offset == len(data):
                del offsets[member]
            else:
                offsets[member] = offset
    assert not offsets, f"{len(offsets)} connections are not read from any more"
    return crowd, connections * len(data)


def test_v5_tiny_fragments_end_at_the_cap(node: Node) -> None:
    flood_with_fragments(node, 20)[0].__exit__()
    with undisturbed(node):
        footprint = Footprint(node)
        crowd, _ = flood_with_fragments(node, 200)
        with crowd:
            assert crowd.run(lambda: all(member.tail for member in crowd.members), 10)
            assert {member.close_code for member in crowd.members} == {1009}
        print(f"V5: 200 connections, memory +{footprint.peak >> 10} KiB at most")
    # Each may hold the 1024 bytes of 1024 fragments, twice while its memory grows.
    assert footprint.peak < 200 * 2 * 1024 + NOISE


def test_v5_fragments_take_the_memory_of_their_bytes(start_node: Any) -> None:
    """Where more fragments are allowed, each still costs its byte and nothing beside it."""
    node = start_node(limits={"fragments": 1_000_000, "message_bytes": "1MiB"})
    flood_with_fragments(node, 20)[0].__exit__()
    # 26 million frames are as many as two cores can take in that time, and a session is read from 64 KiB at a time: 200 of
    # them are a turn of 9,000 frames each, which is what others wait for. The cap of fragments is what keeps this away
    # (the test before); where it is lifted, others are late for as long as the flood lasts and lose nothing.
    with undisturbed(node, floor=LATE):
        footprint = Footprint(node)
        crowd, sent = flood_with_fragments(node, 200)
        with crowd:
            until(lambda: counter(node, "received_bytes_total") >= sent, "all of it has been read", 30)
            held = footprint.peak
            assert not any(member.ended for member in crowd.members)
        payload = 200 * FRAGMENTS
        print(f"V5: {sent >> 20} MiB sent, {payload >> 20} MiB of payload, memory +{held >> 20} MiB")
    # Memory doubles as a message grows: 131,000 bytes lie in 256 KiB at the worst.
    assert held < 200 * (256 << 10) + NOISE
    until(lambda: counter(node, "sessions") == 0, "all have left")


def test_v5_messages_have_to_end_in_time(start_node: Any) -> None:
    node = start_node(limits={"message_timeout": "1s"})
    with undisturbed(node), Wire(node.client_port) as wire:
        wire.open("/raw?channel=abuse").send(FIRST)
        started = time.monotonic()
        for _ in range(20):
            # Another fragment now and then does not help.
            wire.send(NEXT)
            time.sleep(0.04)
        code, reason = wire.read_close()
        assert (code, "limits.message_timeout" in reason) == (1008, True)
        assert time.monotonic() - started < 3.5
    assert counter(node, "message_timeouts_total") == 1


def test_v5_all_incomplete_messages_together_are_bounded(start_node: Any) -> None:
    node = start_node(limits={"incomplete_bytes_node": "4MiB"})
    begun = frame(b"a" * 60_000, first=TEXT)
    with undisturbed(node), Crowd() as crowd:
        footprint = Footprint(node)
        members = crowd.open(400, node.client_port, RAW)
        for member in members:
            member.socket.setblocking(True)
            member.socket.sendall(begun)
            member.socket.setblocking(False)
        assert crowd.run(lambda: sum(bool(member.tail) for member in members) >= 400 - (4 << 20) // 60_000, 10)
        refused = [member for member in members if member.tail]
        assert {member.close_code for member in refused} == {1013}
        assert counter(node, "incomplete_limit_hits_total") == len(refused)
        print(f"V5: {len(refused)} of 400 refused, memory +{footprint.peak >> 10} KiB")
        # 24 MiB were offered.
        assert footprint.peak < 2 * (4 << 20) + NOISE


# -- V7: bombs

LIMIT = 64 << 10


def deflated(payload: bytes, compressor: Any = None) -> bytes:
    """A message of permessage-deflate (RFC 7692 7.2.1)."""
    compressor = compressor or zlib.compressobj(9, zlib.DEFLATED, -15)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert data.endswith(b"\x00\x00\xff\xff")
    return data[:-4]


def bomb(total: int) -> bytes:
    """Zeros that are `total` bytes when they are inflated: the same mebibyte again and again."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return (piece * (total >> 20))[:-4]


@pytest.fixture
def compressing(start_node: Any) -> Node:
    return start_node("compressing", limits={"message_bytes": "64KiB"})


def open_compressed(node: Node) -> Wire:
    wire = Wire(node.client_port)
    reset_on_close(wire.socket)
    wire.send(upgrade("/raw?channel=abuse", Sec_WebSocket_Extensions="permessage-deflate"))
    head = wire.read_head()
    assert head.startswith(b"HTTP/1.1 101 ")
    # What a client has sent before costs nothing: no window of it is kept.
    (answer,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-extensions: permessage-deflate")]
    assert b"client_no_context_takeover" in answer
    return wire


def outcome(node: Node, data: bytes) -> int:
    """What becomes of a compressed message: its close code, or 0 when it was taken."""
    with open_compressed(node) as wire:
        wire.send(frame(data, first=0xC0 | BINARY))
        opcode, payload = wire.read_frame()
        return 0 if opcode == BINARY else struct.unpack(">H", payload[:2])[0]


def test_v7_bombs_end_at_the_cap(compressing: Node) -> None:
    node = compressing
    assert outcome(node, deflated(bytes(LIMIT))) == 0
    assert outcome(node, deflated(bytes(LIMIT + 1))) == 1009
    # About a thousand to one: 60 KiB, as much as a message may have, are 60 MiB of zeros.
    small = bomb(60 << 20)
    assert len(small) <= LIMIT
    with undisturbed(node):
        footprint = Footprint(node)
        assert [outcome(node, small) for _ in range(100)] == [1009] * 100
        print(f"V7: 100 bombs, {footprint.cpu_seconds * 10:.1f} ms of CPU each, memory +{footprint.peak >> 10} KiB")
        assert footprint.cpu_seconds / 100 <= 0.050
        assert footprint.peak <= LIMIT + (320 << 10) + NOISE


def test_v7_a_gigabyte_in_fragments(compressing: Node) -> None:
    """A mebibyte of deflate, a gibibyte of zeros, in fragments that are each small enough."""
    data = bomb(1 << 30)
    pieces = [data[start : start + 16_384] for start in range(0, len(data), 16_384)]
    with undisturbed(compressing), open_compressed(compressing) as wire:
        footprint = Footprint(compressing)
        try:
            wire.send(frame(pieces[0], first=0x40 | BINARY))
            for piece in pieces[1:]:
                wire.send(frame(piece, first=0))
        except ConnectionError:
            pass
        assert wire.read_close()[0] == 1009
        assert footprint.peak <= LIMIT + (320 << 10) + NOISE
        assert footprint.cpu_seconds <= 0.050 + 0.2  # the control client is served meanwhile


def test_v7_a_window_of_1000_messages(compressing: Node) -> None:
    """Messages that are a few bytes because they point into those before them: none of them is understood."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b"".join(struct.pack(">I", number * 2654435761 % (1 << 32)) for number in range(8000))
    messages = [deflated(block, compressor) for _ in range(1000)]
    assert max(len(message) for message in messages[1:]) < 2000
    with undisturbed(compressing), open_compressed(compressing) as wire:
        footprint = Footprint(compressing)
        try:
            wire.send(b"".join(frame(message, first=0xC0 | BINARY) for message in messages))
        except ConnectionError:
            pass
        assert wire.read_close()[0] in (1002, 1007)
        assert counter(compressing, "protocol_errors_total") == 1
        assert footprint.peak <= LIMIT + (320 << 10) + NOISE


def test_v7_1000_messages_at_the_limit(compressing: Node) -> None:
    """Each is as large as a message may be, and that is all that they take together."""
    data = frame(deflated(bytes(LIMIT)), first=0xC0 | BINARY)
    assert outcome(compressing, deflated(bytes(LIMIT))) == 0
    with undisturbed(compressing), open_compressed(compressing) as wire:
        footprint = Footprint(compressing)
        for _ in range(1000):
            opcode, payload = wire.send(data).read_frame()
            # The node's own answer is compressed too.
            inflated = zlib.decompress(payload + b"\x00\x00\xff\xff\x01\x00\x00\xff\xff", -15)
            assert (opcode, inflated) == (BINARY, bytes(LIMIT))
        each = footprint.cpu_seconds / 1000
        print(f"V7: 1000 messages of {len(data)} bytes, 64 KiB inflated: {each * 1e3:.2f} ms of CPU each, "
              f"memory +{footprint.peak >> 10} KiB")  # fmt: skip
        assert each <= 0.050
        assert footprint.peak <= LIMIT + (320 << 10) + NOISE


PARAMETERS = ["server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=0", "server_max_window_bits=-1",
              "server_max_window_bits=99999999999999999999", "server_max_window_bits=08", "server_max_window_bits",
              "client_max_window_bits=7", "client_max_window_bits=16", "server_no_context_takeover=1",
              "server_no_context_takeover; server_no_context_takeover", "unheard_of", "=", '"', ";;;", "a" * 4000]  # fmt: skip


def test_v7_window_bits_that_cannot_be(compressing: Node) -> None:
    """Such an offer is declined or the handshake is refused (RFC 7692 7.1): nothing is agreed upon that cannot be kept."""
    answers = []
    with undisturbed(compressing):
        for text in PARAMETERS:
            with Wire(compressing.client_port) as wire:
                wire.send(upgrade("/raw?channel=abuse", Sec_WebSocket_Extensions=f"permessage-deflate; {text}"))
                head = wire.read_head()
                answers.append(int(head[9:12]))
                assert head.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 400 ")), (text, head)
                assert b"\r\nsec-websocket-extensions" not in head.lower(), (text, head)
                if answers[-1] == 101:
                    assert wire.send(frame(b"plain", BINARY)).read_frame() == (BINARY, b"plain"), text
    print(f"V7: {len(PARAMETERS)} impossible offers, 0 agreed to, {answers.count(101)} open without compression")


# -- V10: pings


def test_v10_a_million_pings_by_somebody_who_does_not_read(node: Node) -> None:
    pings = frame(b"", PING) * 10_000
    with undisturbed(node):
        footprint = Footprint(node)
        with Wire(node.client_port, receive_buffer=4096) as wire:
            wire.open("/raw?channel=abuse")
            sent = 0
            try:
                for _ in range(100):
                    wire.send(pings)
                    sent += 10_000
            except (ConnectionError, TimeoutError):
                pass
            assert wire.read_close()[0] == 1008
        print(f"V10: {sent} pings sent, memory +{footprint.peak >> 10} KiB")
        assert footprint.peak <= (64 << 10) + NOISE
    assert counter(node, "control_rate_hits_total") == 1
    until(lambda: counter(node, "sessions") == 0, "it is gone")


def test_v10_pongs_wait_within_the_budget(start_node: Any) -> None:
    """Without a limit of their rate, answers that nobody reads are still what a session may have waiting."""
    node = start_node(limits={"control_rate": 0, "outbound_bytes": "256KiB"})
    pings = frame(b"x" * 125, PING) * 1000
    with undisturbed(node):
        footprint = Footprint(node)
        with Wire(node.client_port, receive_buffer=4096) as wire:
            wire.open("/raw?channel=abuse")
            try:
                for _ in range(1000):
                    wire.send(pings)
            except (ConnectionError, TimeoutError):
                pass
            until(lambda: counter(node, "slow_disconnects_total") == 1, "it counts as slow")
        print(f"V10: memory +{footprint.peak >> 10} KiB")
        # What waits is counted in bytes; a pong of 127 has a block of its own.
        assert footprint.peak <= 4 * (256 << 10) + NOISE


def test_v6_v8_v9_what_comes_before_a_bad_frame_counts(node: Node) -> None:
    """Fragments, UTF-8 and opcodes are the Autobahn suite's (Tests/Conformance); here: the others are served meanwhile."""
    listener = WebsocketsClient(node.client, "abuse")
    with undisturbed(node):
        for number in range(500):
            with Wire(node.client_port) as wire:
                reset_on_close(wire.socket)
                wire.open("/raw?channel=abuse")
                wire.send(frame(str(number).encode()) + [frame(b"\xff"), frame(b"x", 3), frame(b"x", mask=False)][number % 3])
                assert wire.read_close()[0] in (1002, 1007)
    until(lambda: len(listener.received) == 500, "the good ones")
    assert listener.received == [str(number) for number in range(500)]
    listener.close()


# -- V52: the last words are not the client's


@pytest.mark.parametrize("path", ["/raw?channel=abuse", "/connection/websocket", "no request"])
def test_v52_what_is_sent_after_the_goodbye_is_not_read_for_ever(node: Node, path: str) -> None:
    """The goodbye arrives although bytes of the client are under way; who sends without end is cut off soon."""
    bad = b"GARBAGE / HTTP/9.9\r\n\r\n" if path == "no request" else frame(b"x", 3)
    flood = bytes(64 << 10)

    def come() -> Wire:
        wire = Wire(node.client_port)
        return wire if path == "no request" else wire.open(path)

    with come() as wire:
        wire.send(bad + flood)
        assert wire.read_head().startswith(b"HTTP/1.1 ") if path == "no request" else wire.read_close()[0] in (1002, 3501)
    with undisturbed(node):
        for number in range(20):
            before = counter(node, "received_bytes_total")
            with come() as wire:
                wire.send(bad)
                with pytest.raises(OSError):
                    for _ in range(2000):
                        wire.send(flood)
            # One read more than the limit, and the control client's messages.
            assert counter(node, "received_bytes_total") - before < 2 << 20
            until(lambda number=number: counter(node, "discard_limit_hits_total") == number + 1, "it was cut off")
