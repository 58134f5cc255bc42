"""What hostile clients of hubs try: each message as fast as possible, lengths and numbers that lie, sessions that nobody resumes,
requests for sessions that are nowhere. A quiet client of the same node notices nothing, and nothing stays behind."""

import json
import struct
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.cluster import Cluster
from rig.control import undisturbed
from rig.flood import flooded
from rig.footprint import NOISE, Footprint, counter
from rig.hub_wire import (
    END, JSON, MESSAGEPACK, call, counted, greeted, greeting, hear, hear_packed, negotiate, packed, packed_call, record, resuming,
)
from rig.node import Node
from rig.streamed import get, port_of
from rig.waiting import holds, until
from rig.wire import BINARY, CLOSE, TEXT, Wire, frame, upgrade

KEY = "0123456789abcdef0123456789abcdef"
METHODS = {"join": "Join", "leave": "Leave", "send_to_group": "Send", "send_to_user": "SendToUser", "send_to_all": "Shout"}
CONFIGURATION: dict[str, Any] = {
    "hubs": [{"path": "/chat", "prefix": "chat:", "keys": [KEY], "methods": METHODS}],
    "channels": [{"match": "*", "subscribe": "anyone", "publish": "client"}],
}
#: How long each flood lasts, in seconds.
SECONDS = 1.5
#: The quiet client's 99th percentile, in seconds, and how many times that where the machine has other work too.
LIMIT, LENIENCE = 0.020, 5
LARGE = "x" * 60_000
#: Where the floods come from.
HOSTILE = "127.0.0.2"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


Made = Callable[[int], bytes]

def mixed(*makers: Made) -> Made:
    return lambda n: makers[n % len(makers)](n)


#: One message of each attack, by its number.
FLOODS: dict[str, Made] = {
    "invoke": lambda n: call("Send", "g", "said", n, id=str(n)),
    "send": lambda n: call("Send", "g", "said", n),
    "calls_of_nothing": mixed(
        lambda n: call("Nothing", id=str(n)), lambda n: call("Nothing"),
        lambda n: record({"type": 4, "invocationId": str(n), "target": "Join", "arguments": []})),
    "joins": mixed(lambda n: call("Join", f"g{n}", id=str(n)), lambda n: call("Join", f"h{n}")),
    "joins_and_leaves": lambda n: call(("Join", "Leave")[n % 2], "g", id=str(n)),
    "users": lambda n: call("SendToUser", f"u{n}", "said", n),
    "shouts": lambda n: call("Shout", "said", n),
    "giant_arguments": lambda n: call("Send", "g", "said", LARGE, id=str(n)),
    "giant_headers": lambda n: record({"type": 1, "headers": {"a": LARGE}, "target": "Nothing", "arguments": []}),
    "deep_arguments": lambda n: call("Send", "g", "said", nested(28), id=str(n)),
    "many_arguments": lambda n: call("Send", "g", "said", *([0] * 20_000)),
    "what_nobody_waits_for": mixed(
        lambda n: record({"type": 6}), lambda n: record({"type": 3, "invocationId": str(n), "result": n}),
        lambda n: record({"type": 2, "invocationId": str(n), "item": n}), lambda n: record({"type": 5, "invocationId": str(n)}),
        lambda n: record({"type": 77, "sequenceId": n})),
    "packed_pings": lambda n: packed([6]),
    "packed_calls": lambda n: packed_call("Send", "g", "said", n, id=str(n)),
    "packed_giants": lambda n: packed_call("Send", "g", "said", b"x" * 60_000, id=str(n)),
    "packed_growth": lambda n: packed_call("Send", "g", "said", "\u0001" * 60_000, id=str(n)),
    "packed_times": lambda n: counted(b"\x95\x01\x80\xc0\xa4Send\x93\xa1g\xa4said" + b"\xdc\x10\x00" + b"\xd6\xff\x7f\xff\xff\xff" * 4096),
}  # fmt: skip
#: Those that a client may send that counts messages: it says again and again that the next one is the first, and sends it again.
COUNTED: dict[str, Made] = {
    "acknowledgements": lambda n: record({"type": 8, "sequenceId": 0}),
    "sequences": lambda n: record({"type": 9, "sequenceId": 1}),
    "repeats": lambda n: (record({"type": 9, "sequenceId": 1}) if n else b"") + call("Send", "g", "said", n % 50) * 4,
}
#: Those that resemble others run with `--everything`.
LONG = {"users", "shouts", "giant_headers", "deep_arguments", "packed_times", "packed_giants"}


def frames(made: Made, opcode: int) -> list[bytes]:
    """Frames with as many messages as fit into 16 KiB, or one that is larger, made before anything is measured."""
    found, one, number = [], b"", 0
    while len(found) < 40:
        one += made(number)
        number += 1
        if len(one) >= 16_384:
            found.append(frame(one, opcode))
            one = b""
    return found


@pytest.fixture(scope="module")
def flooded_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    # Without it a client that comes again has its buckets full again.
    limits = {"connects_per_address_per_second": 2, "connects_per_address_burst": 8}
    node = Node("flooded", tmp_path_factory.mktemp("flooded"), **CONFIGURATION, limits=limits, resume={"time": "2s"}).start()
    yield node
    until(lambda: counter(node, "sessions") == 0, "all sessions are gone", 40)
    assert counter(node, "faults_total") == 0
    node.stop()


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node("shared", tmp_path_factory.mktemp("shared"), **CONFIGURATION).start()
    yield node
    assert counter(node, "faults_total") == 0
    node.stop()


@pytest.fixture
def hub_node(start_node: Any) -> Node:
    return start_node(**CONFIGURATION)


# -- Floods


@pytest.mark.parametrize(
    "attack", [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in (*FLOODS, *COUNTED)])  # fmt: skip
def test_no_message_of_a_hub_keeps_others_waiting(flooded_node: Node, attack: str, request: pytest.FixtureRequest) -> None:
    node = flooded_node
    protocol = MESSAGEPACK if attack.startswith("packed") else JSON
    sent = frames((FLOODS | COUNTED)[attack], BINARY if protocol == MESSAGEPACK else TEXT)
    footprint = Footprint(node)
    # Each of them hears what it sends, which is much for two cores beside other tests.
    floor = LIMIT if request.config.getoption("--everything") else LIMIT * LENIENCE * 4

    def come() -> Wire:
        # From an address of their own: the limits of theirs are not for the quiet client.
        wire = resuming(node, source=HOSTILE) if attack in COUNTED else greeted(node, protocol, source=HOSTILE)
        # It hears what it sends.
        return wire.send(frame(call("Join", "g"))) if protocol == JSON else wire.send(frame(packed_call("Join", "g"), BINARY))

    with undisturbed(node, floor=floor) as control, flooded(come, sent) as done:
        time.sleep(SECONDS)
    print(f"{attack}: {done.messages} frames, {done.ended} sessions ended, peak {footprint.peak >> 10} KiB, {control.figures}")
    assert done.messages > 0 and footprint.peak < 64 << 20


def test_clients_that_do_not_read_their_completions(start_node: Any) -> None:
    """What waits for them stays within the limits, whatever they call."""
    limits = {"outbound_bytes": "64KiB", "outbound_bytes_node": "4MiB", "command_rate": 0, "publish_rate": 0}
    node: Node = start_node(**CONFIGURATION, limits=limits)
    footprint = Footprint(node)
    identifier = "i" * 255
    message = frame(record({"type": 4, "invocationId": identifier, "target": "x", "arguments": []}) * 50)

    def come() -> Wire:
        return greeted(node, receive_buffer=4096)

    with undisturbed(node, floor=0.5), flooded(come, [message], crowd=40, reads=False) as done:
        holds(lambda: counter(node, "outbound_bytes") <= 4 << 20, "what waits is bounded", SECONDS)
    print(f"{done.messages} messages, {done.ended} ended, peak {footprint.peak >> 10} KiB")
    assert done.ended > 0 and counter(node, "slow_disconnects_total") > 0
    # They go on sending after the goodbye, which they do not read either.
    assert counter(node, "discard_limit_hits_total") > 0
    assert footprint.peak < (4 << 20) + (24 << 20) and counter(node, "faults_total") == 0


# -- Lengths and depths that lie


def lies() -> dict[str, bytes]:
    """What follows the greeting, as one binary frame."""
    head = b"\x96\x01\x80\xc0\xa4Send"
    lying = {
        "array32": b"\xdd\xff\xff\xff\xff", "map32": b"\xdf\xff\xff\xff\xff", "bin32": b"\xc6\xff\xff\xff\xff", "str32": b"\xdb\xff\xff\xff\xff",
        "ext32": b"\xc9\xff\xff\xff\xff\x01", "array16": b"\xdc\xff\xff", "map16": b"\xde\xff\xff", "str8": b"\xd9\xff", "never used": b"\xc1",
        "half a number": b"\xcf\xff\xff",
    }  # fmt: skip
    found = {f"{name} as {place}": counted(front + lie + b"\x00" * 8) for name, lie in lying.items() for place, front in (
        ("a message", b""), ("arguments", head), ("an argument", head + b"\x91"), ("headers", b"\x96\x01"), ("an id", b"\x96\x01\x80"),
        ("a method", b"\x96\x01\x80\xc0"))}  # fmt: skip
    return found | {
        "a length of 4 GiB": b"\xff\xff\xff\xff\x0f" + b"\x00" * 8, "a length of 32 GiB": b"\xff\xff\xff\xff\x7f", "a length without an end": b"\xff" * 40,
        "a length of six bytes": b"\x81\x80\x80\x80\x80\x00", "a length beyond the frame": b"\x05\x91\x06", "an empty message": b"\x00",
        "a negative type": packed([-1]), "a type that is text": packed(["1"]), "an empty list": packed([]), "no list": packed([1])[:1] + b"\x01",
        "too few parts": packed([1, {}, None]), "a method without UTF-8": counted(head[:4] + b"\xa2\xff\xfe\x90"),
        "an id without UTF-8": counted(b"\x96\x01\x80\xa2\xff\xfe\xa1a\x90"), "an id of 256 bytes": packed([1, {}, "i" * 256, "Send", []]),
        "a method of 256 bytes": packed_call("m" * 256), "more behind it": counted(b"\x91\x06\x00"),
    }  # fmt: skip


def test_lengths_that_lie(hub_node: Node) -> None:
    attacks = lies()
    with undisturbed(hub_node):
        for rounds in (1, 20):
            footprint = Footprint(hub_node)
            for _ in range(rounds):
                for name, attack in attacks.items():
                    with greeted(hub_node, MESSAGEPACK) as wire:
                        wire.send(frame(attack, BINARY))
                        code, _ = wire.read_close()
                        assert code in (1008, 1009), (name, code)
    print(f"{20 * len(attacks)} lies, peak {footprint.peak >> 10} KiB")
    assert footprint.peak < NOISE
    until(lambda: footprint.files <= 0, "no file stays open")
    assert counter(hub_node, "faults_total") == 0


DEEP = 90_000


@pytest.mark.parametrize("protocol", [JSON, MESSAGEPACK])
def test_depths(start_node: Any, protocol: str) -> None:
    node: Node = start_node(**CONFIGURATION, limits={"message_bytes": 256 << 10})

    def call_of(depth: int) -> bytes:
        """A call with an argument of this depth, which is two levels less than the message's."""
        if protocol == JSON:
            value = b"[" * depth + b"1" + b"]" * depth
            return frame(b'{"type":1,"invocationId":"1","target":"Send","arguments":["g","said",%s]}\x1e' % value)
        return frame(counted(b"\x95\x01\x80\xa11\xa4Send\x93\xa1g\xa4said" + b"\x91" * depth + b"\x01"), BINARY)

    # The list of arguments is one level of what is published.
    with greeted(node, protocol) as wire, greeted(node) as listener:
        listener.send(frame(call("Join", "g", id="0")))
        hear(listener)
        wire.send(call_of(30))
        [answer] = hear(wire) if protocol == JSON else hear_packed(wire)
        assert answer == {"type": 3, "invocationId": "1", "result": None} if protocol == JSON else answer == [3, {}, "1", 2], answer
        assert hear(listener) == [{"type": 1, "target": "said", "arguments": [nested(30)]}]
    for depth in (32, 33, 64, DEEP):
        with greeted(node, protocol) as wire:
            wire.send(call_of(depth))
            code, _ = ending(wire)
            assert code == 1008, (depth, code)
        assert node.is_running, depth
    assert counter(node, "client_publishes_total") == 1 and counter(node, "faults_total") == 0


def test_a_call_does_not_grow_beyond_the_limit(hub_node: Node) -> None:
    """Control characters have six bytes in JSON: such a call is refused, and not published."""
    with greeted(hub_node, MESSAGEPACK) as wire:
        wire.send(frame(packed_call("Join", "g", id="0"), BINARY))
        hear_packed(wire)
        before = counter(hub_node, "client_publishes_total")
        wire.send(frame(packed_call("Send", "g", "said", "\u0001" * 60_000, id="1"), BINARY))
        [answer] = hear_packed(wire)
        assert answer[:5] == [3, {}, "1", 1, "The arguments do not fit the method."], answer
        assert counter(hub_node, "client_publishes_total") == before and counter(hub_node, "messages_oversized_total") == 1
        # What fits is published.
        wire.send(frame(packed_call("Send", "g", "said", "\u0001" * 10_000, id="2"), BINARY))
        heard = [message for _ in range(2) for message in hear_packed(wire)]
        assert [1, {}, None, "said", ["\u0001" * 10_000], []] in heard, [str(message)[:80] for message in heard]


# -- Greetings


def ending(wire: Wire) -> tuple[int, bytes]:
    """The code of the close frame, and what came in front of it."""
    text = b""
    while True:
        opcode, payload = wire.read_frame()
        if opcode == CLOSE:
            return struct.unpack(">H", payload[:2])[0], text
        text += payload


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"{}", b"{}\x1e", b"\x1e", b"\x1e" * 1000, b'{"protocol":"json"}\x1e', b'{"protocol":"json","version":3}\x1e',
        b'{"protocol":"xml","version":1}\x1e', b'{"protocol":"json","version":-1}\x1e', b'{"protocol":"json","version":1e0}\x1e',
        b'{"protocol":"json","version":18446744073709551616}\x1e', b'{"protocol":"json\\u0000","version":1}\x1e',
        b'{"protocol":"json","version":1}', b'{"protocol":"json","version":1}\x1e\x1e', b'{"protocol":"json","version":1}\x1e{"protocol":"json","version":1}\x1e',
        b'{"protocol":"\xff","version":1}\x1e', b'{"type":6}\x1e', b'{"type":9,"sequenceId":1}\x1e', b"\x02\x91\x06", b"\x03\x92\x09\x01", b"[" * 60_000 + b"\x1e",
        b"\x00" * 100, b'{"protocol":"json","version":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}\x1e",
    ],
    ids=lambda bad: repr(bad[:40]),
)  # fmt: skip
def test_greetings_that_are_none(shared_node: Node, bad: bytes) -> None:
    with Wire(shared_node.client_port).open("/chat") as wire:
        wire.send(frame(bad, BINARY))
        if not bad:
            # An empty message says nothing; it is no greeting either.
            wire.send(frame(b"{}", BINARY))
        code, _ = ending(wire)
        assert code in (1003, 1008, 1009), code
    assert shared_node.is_running


def test_greetings_in_pieces(hub_node: Node) -> None:
    """A message may come byte by byte, and in fragments; it may not come in several messages."""
    whole = greeting()
    with Wire(hub_node.client_port).open("/chat") as wire:
        for place in range(len(whole)):
            wire.send(whole[place : place + 1])
        assert hear(wire) == [{}]
    text = record({"protocol": "json", "version": 1})
    with Wire(hub_node.client_port).open("/chat") as wire:
        for place in range(len(text)):
            last = place == len(text) - 1
            wire.send(frame(text[place : place + 1], first=(0x80 if last else 0) | (TEXT if place == 0 else 0)))
        assert hear(wire) == [{}]
    with Wire(hub_node.client_port).open("/chat") as wire:
        wire.send(frame(text[:10])).send(frame(text[10:]))
        assert ending(wire)[0] == 1008
    # Again, in an open session.
    with greeted(hub_node) as wire:
        wire.send(greeting())
        assert ending(wire)[0] == 1008


def test_greetings_that_never_come(start_node: Any) -> None:
    """Over both transports, and in the middle of a message."""
    node: Node = start_node(**CONFIGURATION, limits={"connect_timeout": "500ms"})
    footprint = Footprint(node)
    wires = [Wire(node.client_port).open("/chat") for _ in range(300)]
    for wire in wires[:100]:
        wire.send(greeting()[:-1])
    tokens = [negotiate(node)["connectionToken"] for _ in range(100)]
    streams = [Wire(port_of(node.client)).send(get(f"/chat?id={token}", Accept="text/event-stream")) for token in tokens]
    begin = time.monotonic()
    for wire in wires:
        assert ending(wire)[0] == 1008
    for stream in streams:
        stream.read_to_end()
    assert time.monotonic() - begin < 5
    until(lambda: counter(node, "sessions") == 0, "all are gone")
    for wire in (*wires, *streams):
        wire.close()
    until(lambda: footprint.files <= 0, "no file stays open")
    assert counter(node, "faults_total") == 0


def test_a_frame_full_of_messages(hub_node: Node) -> None:
    """Hundreds of calls in one frame are answered, each once, in their order; what comes behind waits its turn."""
    with greeted(hub_node) as wire:
        calls = b"".join(call("Nothing", id=str(number)) for number in range(1500))
        assert len(calls) > 64 << 10
        wire.send(frame(calls))
        heard: list[str] = []
        while len(heard) < 1500:
            heard += [message["invocationId"] for message in hear(wire)]
        assert heard == [str(number) for number in range(1500)]
    with greeted(hub_node) as wire:
        # An empty message between two is none of the protocol's.
        wire.send(frame(call("Nothing", id="1") + END + call("Nothing", id="2")))
        code, text = ending(wire)
        assert code == 1008 and b'"invocationId":"1"' in text and b'"invocationId":"2"' not in text


# -- Numbers of messages

NUMBERS = ["-1", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e3", "1.5", "NaN", "null", '"1"', "[]", "{}", "true", "00", ""]


@pytest.mark.parametrize("kind", [8, 9])
def test_numbers_of_messages(hub_node: Node, kind: int) -> None:
    """Only what was sent can be acknowledged, and only what was taken can be sent again; whoever says something else has to go."""
    for number in NUMBERS:
        with resuming(hub_node) as wire:
            wire.send(frame(b'{"type":%d,"sequenceId":%s}\x1e' % (kind, number.encode())))
            assert ending(wire)[0] == 1008, number
    for body in (b"\xd3" + b"\xff" * 8, b"\xcb\x7f\xf8" + bytes(6), b"\xcf" + b"\xff" * 8, b"\xca\x7f\xc0\x00\x00", b"\xc0", b"\xa11", b"\xcf\x80" + bytes(7)):
        with greeted(hub_node, MESSAGEPACK, token=negotiate(hub_node, is_resumable=True)["connectionToken"], version=2) as wire:
            wire.send(frame(counted(b"\x92" + bytes([kind]) + body), BINARY))
            assert ending(wire)[0] == 1008, body
    # In a session that does not count, they mean nothing, or end it.
    with greeted(hub_node) as wire:
        wire.send(frame(record({"type": kind, "sequenceId": 2**63}) + call("Nothing", id="1")))
        assert [message for message in hear(wire)]
    until(lambda: counter(hub_node, "sessions") == 0, "none of these sessions waits for its client")
    assert counter(hub_node, "faults_total") == 0


def test_what_is_sent_again_has_to_be_paid_for(hub_node: Node) -> None:
    """A client that says again and again that it begins anew is read from more slowly, as any other that says too much."""
    with resuming(hub_node) as wire:
        wire.send(frame(call("Nothing") * 10))
        before = counter(hub_node, "command_rate_hits_total")
        again = record({"type": 9, "sequenceId": 1}) + call("Nothing") * 10
        for _ in range(20):
            wire.send(frame(again * 50))
        until(lambda: counter(hub_node, "command_rate_hits_total") > before, "its rate is limited")


# -- Sessions that nobody goes on with


def test_cut_sessions_pile_up_within_limits(start_node: Any) -> None:
    """Each connection leaves a session behind that waits for its client, with groups and messages."""
    limits = {"sessions_per_address": 500, "publish_rate": 0}
    node: Node = start_node(**CONFIGURATION, limits=limits, resume={"time": "20s"})
    footprint = Footprint(node)
    refused = 0
    with undisturbed(node):
        for number in range(700):
            try:
                wire = resuming(node)
            except (AssertionError, OSError, EOFError):
                refused += 1
                continue
            wire.send(frame(b"".join(call("Join", f"g{number}-{group}") for group in range(20)) + call("Join", "all-of-them")))
            if number % 250 == 0:
                wire.send(frame(call("Send", "all-of-them", "said", "x" * 2000)))
            wire.close()
    print(f"{refused} refused, {counter(node, 'sessions')} sessions, peak {footprint.peak >> 10} KiB")
    # Those that wait count as connections of their address.
    assert refused >= 190 and counter(node, "sessions") <= 500
    assert footprint.peak < 64 << 20
    until(lambda: counter(node, "sessions") == 0, "all have waited long enough", 60)
    until(lambda: counter(node, "channels") <= 2, "their groups are gone")
    assert counter(node, "faults_total") == 0


def test_resuming_what_is_nowhere(tmp_path: Path) -> None:
    """Whoever comes back with an id that nobody has is refused within a second, without a trace; an id that was not signed asks nobody."""
    with Cluster(tmp_path, 2, **CONFIGURATION) as cluster:
        cluster.start()
        one, two = cluster.nodes
        footprint = Footprint(one)
        sequence = frame(record({"type": 9, "sequenceId": 1}))
        forged = "A" * 76
        with undisturbed(two):
            tokens = [negotiate(two, is_resumable=True)["connectionToken"] for _ in range(200)]
            wires = []
            begin = time.monotonic()
            for token in tokens:
                wire = Wire(one.client_port)
                wire.send(upgrade(f"/chat?id={token}") + sequence)
                wires.append(wire)
            for wire in wires:
                assert b" 101 " in wire.read_head()
                assert hear(wire) == [{"type": 9, "sequenceId": 1}]
                assert hear(wire) == [{"type": 7, "allowReconnect": True}]
                assert wire.read_close()[0] == 4011
                wire.close()
            took = time.monotonic() - begin
            # Once more: it is known by now that there is none.
            for token in tokens:
                with Wire(one.client_port) as wire:
                    wire.send(upgrade(f"/chat?id={token}") + sequence)
                    head = wire.read_head()
                    assert head.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 101 ")), head
            for _ in range(200):
                with Wire(one.client_port) as wire:
                    assert wire.send(upgrade(f"/chat?id={forged}") + sequence).read_head().startswith(b"HTTP/1.1 404 ")
        print(f"200 refused in {took:.2f} s, peak {footprint.peak >> 10} KiB")
        assert took < 3 and counter(one, "resumes_refused_total") >= 200
        until(lambda: counter(one, "sessions") == counter(two, "sessions") == 0, "no session stays")
        until(lambda: footprint.files <= 0, "no file stays open")
        assert counter(one, "faults_total") == counter(two, "faults_total") == 0
        cluster.check_permissions()


# -- Requests


def posts(node: Node, token: str, count: int) -> dict[int, int]:
    """So many requests with a message, over connections of their own; how many got which status."""
    statuses: dict[int, int] = {}
    body = record({"type": 6})
    request = (f"POST /chat?id={token} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    for start in range(0, count, 50):
        wires = [Wire(node.client_port).send(request) for _ in range(min(50, count - start))]
        for wire in wires:
            status = int(wire.read_head().split()[1])
            statuses[status] = statuses.get(status, 0) + 1
            wire.close()
    return statuses


def test_messages_for_sessions_that_are_nowhere(tmp_path: Path) -> None:
    """A node asks all others where a session is. So what one address may ask is limited, and an id that was not signed asks nobody."""
    limits = {"requests_per_address_per_second": 100, "requests_per_address_burst": 200}
    with Cluster(tmp_path, 3, **CONFIGURATION, limits=limits) as cluster:
        cluster.start()
        one, two, _ = cluster.nodes
        token = negotiate(one)["connectionToken"]
        footprint = Footprint(one)
        with undisturbed(two):
            begin = time.monotonic()
            statuses = posts(one, token, 2000)
            allowed = 200 + 100 * (time.monotonic() - begin + 1)
        print(f"{statuses}, {counter(one, 'command_requests_forwarded_total')} asked of others, peak {footprint.peak >> 10} KiB")
        assert set(statuses) <= {404, 429} and statuses[404] <= allowed and statuses[429] > 1000
        assert counter(one, "command_requests_forwarded_total") == statuses[404]
        before = counter(one, "command_requests_forwarded_total")
        time.sleep(1)
        assert set(posts(one, "A" * 76, 50)) == {404} and counter(one, "command_requests_forwarded_total") == before
        assert footprint.growth < NOISE + (4 << 20)
        until(lambda: footprint.files <= 0, "no file stays open")


def test_negotiations_leave_nothing_behind(hub_node: Node) -> None:
    footprint = Footprint(hub_node)
    request = b"POST /chat/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    sent = []

    def ask() -> None:
        with Wire(hub_node.client_port) as wire:
            wire.send(request)
            assert wire.read_head().startswith(b"HTTP/1.1 200 ")
        sent.append(1)

    def storm() -> None:
        for _ in range(1500):
            ask()

    with undisturbed(hub_node):
        crowd = [threading.Thread(target=storm) for _ in range(2)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
    assert len(sent) == 3000 and counter(hub_node, "negotiations_total") == 3000
    assert footprint.growth < NOISE
    until(lambda: footprint.files <= 0, "no file stays open")


# -- Names

COMPOSED, DECOMPOSED = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


def test_names_are_bytes(start_node: Any) -> None:
    """Texts that people take for the same are different groups, events, users and methods."""
    hub = {**CONFIGURATION["hubs"][0], "methods": {**METHODS, "join": COMPOSED}}
    node: Node = start_node(**{**CONFIGURATION, "hubs": [hub]})
    with greeted(node) as ann, greeted(node) as bob:
        for wire, group in ((ann, COMPOSED), (bob, DECOMPOSED)):
            wire.send(frame(call(COMPOSED, group, id="1")))
            assert hear(wire) == [{"type": 3, "invocationId": "1", "result": None}]
        ann.send(frame(call(DECOMPOSED, "g", id="2")))
        assert hear(ann)[0]["error"] == "The hub has no such method."
        assert node.api.subscribers(f"chat:{COMPOSED}") == node.api.subscribers(f"chat:{DECOMPOSED}") == 1
        for group, event in ((COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)):
            node.api.post_publication({"channel": f"chat:{group}", "event": event, "data": group})
        # Bytes, not what Python compares.
        [heard] = hear(ann)
        assert (heard["target"].encode(), heard["arguments"][0].encode()) == (DECOMPOSED.encode(), COMPOSED.encode())
        [heard] = hear(bob)
        assert (heard["target"].encode(), heard["arguments"][0].encode()) == (COMPOSED.encode(), DECOMPOSED.encode())
        ann.send(frame(call("SendToUser", COMPOSED, "said", 1, id="3")))
        assert hear(ann) == [{"type": 3, "invocationId": "3", "result": None}]


#: Groups, events and users that are none; `chat:` is in front of a group.
BAD_NAMES: dict[str, tuple[bytes, bytes]] = {
    "NUL in a group": (b"Join", b'["a\\u0000b"]'), "a line end in a group": (b"Join", b'["a\\nb"]'), "a space in a group": (b"Join", b'["a b"]'),
    "a group of 251 bytes": (b"Join", b'["' + b"g" * 251 + b'"]'), "a large group": (b"Join", b'["' + b"g" * 60_000 + b'"]'),
    "a group that is a list": (b"Join", b'[["a"]]'), "a group that is null": (b"Join", b"[null]"), "half a pair": (b"Join", b'["\\ud800"]'),
    "a line end in an event": (b"Send", b'["g","a\\r\\nevent: b",1]'), "NUL in an event": (b"Send", b'["g","\\u0000",1]'),
    "an event of 256 bytes": (b"Send", b'["g","' + b"e" * 256 + b'",1]'), "an empty event": (b"Send", b'["g","",1]'),
    "NUL in a user": (b"SendToUser", b'["a\\u0000","said",1]'), "an empty user": (b"SendToUser", b'["","said",1]'),
    "a user of 250 bytes": (b"SendToUser", b'["' + b"u" * 250 + b'","said",1]'), "half a pair in a user": (b"SendToUser", b'["\\udfff","said",1]'),
}  # fmt: skip


def test_names_that_are_none(hub_node: Node) -> None:
    with greeted(hub_node) as wire:
        for name, (method, arguments) in BAD_NAMES.items():
            wire.send(frame(b'{"type":1,"invocationId":"1","target":"%s","arguments":%s}\x1e' % (method, arguments)))
            assert hear(wire) == [{"type": 3, "invocationId": "1", "error": "The arguments do not fit the method."}], name
        # The longest ones.
        wire.send(frame(call("Join", "g" * 250, id="2") + call("Send", "g" * 250, "e" * 255, 1, id="3") + call("SendToUser", "u" * 249, "said", id="4")))
        heard: list[dict[str, Any]] = []
        while len(heard) < 4:
            heard += hear(wire)
        assert [m["invocationId"] for m in heard if m["type"] == 3] == ["2", "3", "4"] and all("error" not in m for m in heard), heard
        # A group cannot reach out of its prefix.
        wire.send(frame(call("Join", "$all", id="5")))
        assert hear(wire) == [{"type": 3, "invocationId": "5", "result": None}] and hub_node.api.subscribers("chat:$all") == 1
    assert counter(hub_node, "client_publishes_total") == 2 and counter(hub_node, "faults_total") == 0
    # Text that is none.
    for protocol, message in ((JSON, b'{"type":1,"target":"Join","arguments":["\xff"]}\x1e'), (MESSAGEPACK, counted(b"\x95\x01\x80\xc0\xa4Join\x91\xa2\xff\xfe"))):
        with greeted(hub_node, protocol) as wire:
            wire.send(frame(message + (call("Nothing", id="1") if protocol == JSON else packed_call("Nothing", id="1")), BINARY))
            if protocol == JSON:
                assert ending(wire)[0] == 1008
            else:
                assert hear_packed(wire)[0][:2] == [3, {}]
    assert json.loads(json.dumps(hub_node.api.cluster())) and hub_node.is_running
