"""Channels, subscriptions and publications that mean harm (V11, V12, V13, V25)."""

import json
import random
import select
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rig.control import undisturbed
from rig.crowd import Crowd
from rig.footprint import NOISE, Footprint, counter
from rig.monitor import Monitor
from rig.node import Node
from rig.redis_keys import key
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import BINARY, TEXT, Wire, frame, upgrade


# -- V11: subscribers that do not read

class Subscribers:
    """Many of them in one process (`rig/subscribers.py`)."""

    def __init__(self, node: Node, channel: str, count: int, receive_buffer: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "rig/subscribers.py"), str(node.client_port), channel, str(count),
             str(receive_buffer)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def report(self) -> list[dict[str, Any]]:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self) -> "Subscribers":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


class Numbered:
    """Publishes numbered messages at a rate, as long as it is asked to."""

    def __init__(self, node: Node, channel: str, size: int, rate: int) -> None:
        self._wire = Wire(node.client_port).open(f"/raw?channel={channel}")
        self._padding = "x" * size
        self._rate = rate
        self.count = 0

    def run(self, done: Any, seconds: float) -> float:
        """Until something is true; how long that took."""
        started = time.monotonic()
        sent = 0
        looked = started
        while True:
            now = time.monotonic()
            # What a busy machine has kept from being sent is not caught up with: a burst would be another test.
            due = min(int((now - started) * self._rate) - sent, self._rate // 20 + 1)
            for _ in range(due):
                self._wire.send(frame(f"{self.count} {self._padding}".encode()))
                self.count += 1
            sent = int((now - started) * self._rate)
            # It gets its own messages too.
            while select.select([self._wire.socket], [], [], 0)[0] and self._wire.socket.recv(1 << 20):
                pass
            if now - looked > 0.05:
                looked = now
                if done():
                    return now - started
                assert now - started < seconds, "not in time"
            time.sleep(0.002)

    def close(self) -> None:
        self._wire.close()


def stopped_subscribers(node: Node, budget: int, stopped: int, healthy: int, size: int, rate: int) -> None:
    with Subscribers(node, "flood", healthy) as good, Subscribers(node, "flood", stopped, 4096) as bad:
        publisher = Numbered(node, "flood", size, rate)
        with undisturbed(node, floor=0.5):
            footprint = Footprint(node)
            bad.process.send_signal(signal.SIGSTOP)
            try:
                taken = publisher.run(lambda: counter(node, "slow_disconnects_total") >= stopped, 60)
                peak = footprint.peak
                # And the others go on.
                began = time.monotonic()
                publisher.run(lambda: time.monotonic() - began > 1, 60)
            finally:
                bad.process.send_signal(signal.SIGCONT)
        assert counter(node, "slow_disconnects_total") == stopped
        until(lambda: all(one["last"] == publisher.count - 1 for one in good.report()), "the healthy ones have everything", 20)
        for one in good.report():
            assert one == {"count": publisher.count, "first": 0, "last": publisher.count - 1, "is_whole": True,
                           "code": None, "is_closed": False}  # fmt: skip
        until(lambda: all(one["is_closed"] for one in bad.report()), "the others hear that they are closed", 20)
        ends = bad.report()
        # What was on its way came whole and in order; then the reason.
        assert all(one["is_whole"] and one["first"] == 0 and one["count"] < publisher.count for one in ends)
        # What the kernel holds for a connection is none of the node's budget, and is filled at the same rate.
        kernel = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
        allowed = (budget + kernel) / (size * rate) + 5
        print(f"V11: {stopped} stopped of {stopped + healthy}, {rate} msg/s of {size >> 10} KiB: closed with "
              f"{ {one['code'] for one in ends} } after {taken:.1f} s (allowed {allowed:.1f} s); memory +{peak >> 20} MiB "
              f"(allowed {stopped * budget * 11 // 10 >> 20} MiB); {healthy} healthy ones lost 0 of {publisher.count}")  # fmt: skip
        # Whoever is stopped for longer than the node lingers (5 s) finds a reset instead of the close frame.
        assert {one["code"] for one in ends} <= {1013, None} and (taken > 4 or {one["code"] for one in ends} == {1013})
        assert taken <= allowed
        assert peak <= stopped * budget * 1.1 + NOISE
        # Whoever comes again is a subscriber as before.
        with Subscribers(node, "flood", stopped) as again:
            start = publisher.count
            publisher.run(lambda: publisher.count >= start + 50, 30)
            until(lambda: all(one["last"] == publisher.count - 1 for one in again.report()), "they have everything again", 20)
            assert all(one["is_whole"] for one in again.report())
        publisher.close()


def test_v11_stopped_subscribers_are_closed(start_node: Any) -> None:
    node = start_node(limits={"outbound_bytes": "256KiB"})
    stopped_subscribers(node, 256 << 10, stopped=100, healthy=20, size=8 << 10, rate=200)


@pytest.mark.long
def test_v11_500_of_1000_with_the_default_budget(node: Node) -> None:
    stopped_subscribers(node, 1 << 20, stopped=500, healthy=500, size=8 << 10, rate=50)


# -- V12: floods of subscriptions and of names

def centrifuge(node: Node) -> Wire:
    wire = Wire(node.client_port)
    wire.send(upgrade("/connection/websocket")).read_head()
    wire.send(frame(b'{"id":1,"connect":{}}'))
    assert b'"connect"' in wire.read_frame()[1]
    return wire


def subscribe(number: int, channel: str) -> bytes:
    return frame(json.dumps({"id": number, "subscribe": {"channel": channel}}).encode())


def test_v12_a_million_subscriptions_of_one_client(node: Node) -> None:
    commands = [b"".join(subscribe(2 + batch * 1000 + one, f"flood:{batch}:{one}") for one in range(1000)) for batch in range(10)]
    with undisturbed(node):
        footprint = Footprint(node)
        with centrifuge(node) as wire:
            sent = 0
            replies: dict[str, int] = {}
            try:
                for number in range(1000):
                    wire.send(commands[number % 10])
                    sent += 1000
            except ConnectionError:
                pass
            try:
                while True:
                    opcode, payload = wire.read_frame()
                    if opcode != TEXT:
                        break
                    for line in payload.splitlines():
                        reply = json.loads(line)
                        kind = "subscribed" if "subscribe" in reply else f"error {reply['error']['code']}"
                        replies[kind] = replies.get(kind, 0) + 1
                code = int.from_bytes(payload[:2], "big")
            except (ConnectionError, EOFError):
                # The reset of a connection on which much was unread can overtake the close frame.
                code = 0
        print(f"V12: {sent} subscriptions sent: {replies}, closed with {code}; memory +{footprint.peak >> 10} KiB")
        assert replies.get("subscribed", 0) <= 128 and code in (0, 3013)
        assert set(replies) <= {"subscribed", "error 106", "error 111"}
        assert footprint.peak < NOISE
    until(lambda: counter(node, "channels") == 0, "its channels are gone")


def commands_of_redis(redis_server: RedisServer) -> dict[str, int]:
    statistics = redis_server.client().info("commandstats")
    return {name: statistics.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("subscribe", "unsubscribe")}


def test_v12_names_by_the_thousand_are_forgotten(start_node: Any, redis_server: RedisServer) -> None:
    node = start_node(redis_url=redis_server.url)

    def flood(round: str) -> int:
        """100 clients with as many channels as they may have, all different: how many Redis has at the height of it."""
        with Crowd() as crowd:
            for member in range(100):
                query = "&".join(f"channel={round}:{member}:{number:0200d}" for number in range(15))
                crowd.add(node.client_port, upgrade(f"/raw?{query}"))
            assert crowd.run(lambda: all(member.opened for member in crowd.members), 20)
            assert {member.status for member in crowd.members} == {101}
            held = len(redis_server.client().pubsub_channels("*"))
        until(lambda: counter(node, "link_channels") <= 1, "they are given up", 20)
        return held

    flood("warm")
    before = commands_of_redis(redis_server)
    with undisturbed(node):
        footprint = Footprint(node)
        held = flood("one")
        flood("two")
        grown = footprint.growth
    calls = {name: count - before[name] for name, count in commands_of_redis(redis_server).items()}
    print(f"V12: {held} channels at once, 3000 in all, then {len(redis_server.client().pubsub_channels('*'))}; {calls} at Redis; "
          f"memory {grown >> 10:+} KiB")  # fmt: skip
    assert held >= 1500
    assert len(redis_server.client().pubsub_channels("*")) < 10
    assert grown < NOISE


def test_v12_flapping_costs_redis_next_to_nothing(start_node: Any, redis_server: RedisServer) -> None:
    """Sessions that subscribe and unsubscribe as fast as they may: Redis hears of it now and then."""
    node = start_node(redis_url=redis_server.url, limits={"subscribe_rate": 0})
    pairs = b""
    for number in range(50):
        name = f"flap:{number % 10}"
        pairs += subscribe(10 + 2 * number, name) + frame(
            json.dumps({"id": 11 + 2 * number, "unsubscribe": {"channel": name}}).encode())
    # A subscription that is given up before it was confirmed is not always answered, so those of the other kind are counted.
    flapping: list[Wire] = [centrifuge(node) for _ in range(50)]
    with undisturbed(node):
        before = commands_of_redis(redis_server)
        started = time.monotonic()
        flaps = 0
        while time.monotonic() - started < 3:
            for wire in flapping:
                wire.send(pairs)
            for wire in flapping:
                replies = 0
                while replies < 50:
                    _, payload = wire.read_frame()
                    replies += sum("unsubscribe" in json.loads(line) for line in payload.splitlines())
                flaps += 50
        seconds = time.monotonic() - started
        calls = {name: count - before[name] for name, count in commands_of_redis(redis_server).items()}
    for wire in flapping:
        wire.close()
    print(f"V12: {flaps / seconds:.0f} subscriptions and as many unsubscriptions a second of 50 clients: {calls} at Redis "
          f"in {seconds:.1f} s")  # fmt: skip
    # A channel that nobody wants any more stays for a second: ten channels are at most ten commands a second.
    assert max(calls.values()) <= 10 * (seconds + 2)
    assert flaps > 1000
    until(lambda: counter(node, "channels") == 0, "all channels are gone")


# -- V13: names and what is made of them at Redis

FIXED_NAMES = [
    b"*", b"?", b"[a-z]", b"{a}", b"{}", b"a}b{c", b"\\*", b"news*", b"news", b"carillon:c:news", b"other:c:news", b"c:news", b"$all",
    b"$user:1", b"\r\n", b"a\r\nPUBLISH carillon:beat x\r\n", b"a\nb", b"a b", b"\0", b"a\0b", b"\x7f", b"", b"a" * 255, b"a" * 256,
    b"a" * 3000, b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "ü".encode(), "日本".encode(), b"%2a", b"'", b'"', b"--", b"..",
    b"beat", b":c:", b"node:1", b"\xe2\x80\xa8", b"&channel=b", b"#", b"+", b"a+b", b"*1\r\n$4\r\nPING\r\n", b"\t",
]  # fmt: skip


def random_name(chance: random.Random) -> bytes:
    length = chance.choice([1, 2, 5, 20, 254, 255, 256, 257])
    match chance.randrange(4):
        case 0:
            return chance.randbytes(length)
        case 1:
            return bytes(chance.choices(b"*?[]{}\\:$carilonew", k=length))
        case 2:
            return bytes(chance.choices(b"abc:\r\n\0 $*2", k=length))
        case _:
            return "".join(chance.choices("abäß日😀:{}", k=length)).encode()[:length]


def is_name(candidate: bytes) -> bool:
    """What DESIGN says of names, written down once more."""
    try:
        candidate.decode()
    except UnicodeDecodeError:
        return False
    return 1 <= len(candidate) <= 255 and candidate[:1] != b"$" and all(byte > 0x20 and byte != 0x7F for byte in candidate)


@contextmanager
def listening(node: Node, names: list[str]) -> Iterator[dict[str, Wire]]:
    wires = {}
    for name in names:
        wires[name] = Wire(node.client_port).open(f"/raw?channel={urllib.parse.quote(name, safe='')}")
    yield wires
    for wire in wires.values():
        wire.close()


def heard_of(wire: Wire) -> list[bytes]:
    """Everything that came until now, and nothing is waited for."""
    wire.socket.settimeout(0.05)
    payloads = []
    try:
        while True:
            payloads.append(wire.read_frame()[1])
    except TimeoutError:
        return payloads


def names_at_redis(start_node: Any, tmp_path: Path, count: int) -> None:
    redis_server = RedisServer(tmp_path, prefixes=["carillon", "other"]).start()
    try:
        node = start_node("one", redis_url=redis_server.url)
        other = start_node("two", redis_url=redis_server.url, backplane={"redis": {"prefix": "other"}})
        chance = random.Random(13)
        # Each name once, so that what is seen at Redis can be counted.
        candidates = list(dict.fromkeys(FIXED_NAMES + [random_name(chance) for _ in range(count)]))
        curious = ["*", "?", "[a-z]", "{a}", "news*", "carillon:c:news", "other:c:news", "c:news", "beat"]
        valid = [name for name in candidates if is_name(name)]
        with listening(node, curious) as own, listening(other, [*curious, "news"]) as strange:
            with Monitor(redis_server) as monitor, undisturbed(node, floor=0.5):
                for number, name in enumerate(candidates):
                    path = f"/raw?channel={urllib.parse.quote_from_bytes(name, safe='')}"
                    with Wire(node.client_port) as wire:
                        status = int(wire.send(upgrade(path)).read_head()[9:12])
                        assert status == (101 if is_name(name) else 400), (status, name)
                        if status == 101:
                            # It comes back to its own channel.
                            payload = f"{number}".encode()
                            assert wire.send(frame(payload, BINARY)).read_frame() == (BINARY, payload), name
                commands = monitor.read_until(b"the end")
            for name, wire in own.items():
                expected = [f"{candidates.index(name.encode())}".encode()] if name.encode() in candidates else []
                assert heard_of(wire) == expected, name
            for name, wire in strange.items():
                assert heard_of(wire) == [], name
        published = sorted(words[1] for words in commands if words[0].lower() == b"publish" and words[1].startswith(b"carillon:{"))
        control = key("c", "control")
        assert [name for name in published if name != control] == sorted(key("c", name) for name in valid)
        subscribed = [name for words in commands if words[0].lower() == b"subscribe" for name in words[1:]]
        assert sorted(name for name in subscribed if name != control) == sorted(
            key("c", name) for name in valid if name.decode() not in curious)
        kinds = {words[0].lower() for words in commands}
        print(f"V13: {len(candidates)} names, {len(valid)} of them right: one SUBSCRIBE and one PUBLISH each with exactly its "
              f"bytes, 0 of anything else; commands seen: {sorted(kind.decode() for kind in kinds)}")  # fmt: skip
        assert kinds <= {b"publish", b"subscribe", b"unsubscribe", b"ping", b"set", b"role"}
        assert not redis_server.denied()
    finally:
        redis_server.stop()


def test_v13_names_are_only_names(start_node: Any, tmp_path: Path) -> None:
    names_at_redis(start_node, tmp_path, 1500)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_v13_100000_names(start_node: Any, tmp_path: Path) -> None:
    names_at_redis(start_node, tmp_path, 100_000)


def test_v13_names_in_json_and_over_http(node: Node) -> None:
    """The other ways in have the same rule."""
    with undisturbed(node), centrifuge(node) as wire:
        for number, name in enumerate(FIXED_NAMES, 2):
            try:
                text = name.decode()
            except UnicodeDecodeError:
                continue
            answer = node.api.post_publication({"channel": text, "text": "x"})
            assert (answer.status_code == 200) == is_name(name), (name, answer.text)
            if not text:
                # As if it had not been said, and a command without a channel is none.
                with centrifuge(node) as other:
                    assert other.send(subscribe(number, text)).read_close()[0] == 3501
                continue
            wire.send(subscribe(number, text))
            reply = json.loads(wire.read_frame()[1])
            assert reply["id"] == number and ("subscribe" in reply) == is_name(name), (name, reply)
            if is_name(name):
                node.api.publish(text, text="x")
                push = json.loads(wire.read_frame()[1])
                assert push["push"]["channel"] == text, (name, push)
    # What is not UTF-8 is no JSON, and no text frame.
    with centrifuge(node) as wire:
        assert wire.send(frame(b'{"id":2,"subscribe":{"channel":"\xff"}}')).read_close()[0] == 1007


# -- V25: floods of publications

@pytest.fixture
def limited(start_node: Any) -> Node:
    """With the limits that a configuration has which does not speak of them."""
    return start_node(limits={"publish_rate": 1000, "publish_burst": 2000})


def share_of_a_core(footprint: Footprint, started: float) -> float:
    return footprint.cpu_seconds / (time.monotonic() - started)


def test_v25_a_raw_flood_is_slowed_down(limited: Node) -> None:
    """Nothing is refused: what is sent too fast stays with its sender."""
    data = b"".join(frame(b"x" * 100, BINARY) for _ in range(1000))
    with undisturbed(limited), Wire(limited.client_port, seconds=0.02) as wire:
        wire.open("/raw?channel=abuse")
        before = counter(limited, "client_publishes_total")
        footprint, started = Footprint(limited), time.monotonic()
        rest = b""
        offered = 0
        while time.monotonic() - started < 3:
            rest = rest or data
            try:
                sent = wire.socket.send(rest)
                offered += sent
                rest = rest[sent:]
            except TimeoutError:
                pass
            try:
                while wire.socket.recv(1 << 20):
                    pass
            except TimeoutError:
                pass
        seconds = time.monotonic() - started
        share = share_of_a_core(footprint, started)
        taken = counter(limited, "client_publishes_total") - before
        print(f"V25: raw, as fast as it goes: {taken} publications taken in {seconds:.1f} s, {share:.1%} of a core")
        # The control client's 100 a second are among them, and what one read takes is charged afterwards: 64 KiB.
        assert taken <= 2000 + 1100 * seconds + 700
        assert share <= 0.10
        assert footprint.peak < NOISE


def test_v25_a_centrifuge_flood_is_refused_and_closed(limited: Node) -> None:
    command = frame(b'{"id":9,"publish":{"channel":"abuse","data":{"a":1}}}')
    with undisturbed(limited):
        footprint, started = Footprint(limited), time.monotonic()
        with centrifuge(limited) as wire:
            errors: dict[int, int] = {}
            # 100,000 a second for a second, if anybody took them.
            try:
                for _ in range(100):
                    wire.send(command * 1000)
            except (ConnectionError, TimeoutError):
                pass
            code = 0
            try:
                while not code:
                    opcode, payload = wire.read_frame()
                    if opcode != TEXT:
                        code = int.from_bytes(payload[:2], "big")
                        break
                    for line in payload.splitlines():
                        reply = json.loads(line)
                        number = reply.get("error", {}).get("code", 0)
                        errors[number] = errors.get(number, 0) + 1
            except (ConnectionError, EOFError):
                pass
        time.sleep(max(0.0, 3 - (time.monotonic() - started)))
        share = share_of_a_core(footprint, started)
        print(f"V25: centrifuge, 100,000 at once: {errors.get(0, 0)} taken, {errors.get(111, 0)} refused (111), closed with {code}; "
              f"{share:.1%} of a core")  # fmt: skip
        assert set(errors) <= {0, 111} and code in (0, 3013)
        assert errors.get(0, 0) <= 2000 + 1000 and counter(limited, "link_published_total") < 2000 + 1000 + 1000
        assert counter(limited, "publish_rate_hits_total") >= 1000
        assert share <= 0.10
    assert counter(limited, "sessions") == 0


def test_v25_a_message_has_its_size(limited: Node) -> None:
    with undisturbed(limited), Wire(limited.client_port) as wire:
        wire.open("/raw?channel=abuse")
        assert wire.send(frame(bytes(65_536), BINARY)).read_frame() == (BINARY, bytes(65_536))
        assert wire.send(frame(bytes(65_537), BINARY)).read_close()[0] == 1009
