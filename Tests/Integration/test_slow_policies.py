"""Channels that may lose publications: who does not keep up stays, gets what is newest, and what it lost is counted."""

import json
import os
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rig.certificates import Authority
from rig.footprint import counter
from rig.node import Node, carillon
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import PING, PONG, TEXT, Wire, frame, upgrade

RULES = [
    {"match": "old*", "slow": "drop_oldest", "publish": "client"},
    {"match": "kept*", "slow": "drop_oldest", "publish": "client", "history": {"size": 300, "ttl": "1m"}},
    {"match": "new*", "slow": "latest", "publish": "client"},
    {"match": "busy", "slow": "latest", "presence": {"join_leave": True, "grace": "500ms"}},
    {"match": "log", "slow": "drop_oldest", "presence": {"join_leave": True, "grace": "500ms"}},
    {"match": "*", "slow": "disconnect", "publish": "client"},
]
LOSSES = {"old": "slow_dropped_publications_total", "new": "slow_replaced_publications_total"}


class Reader:
    """A client that reads when it is told to, from a small window. A publication is a number, a blank and filling."""

    def __init__(self, node: Node, path: str, kind: str = "plain", authority: Path | None = None) -> None:
        self.kind = kind
        self.wire = Wire(node.client_port, receive_buffer=4096, seconds=20)
        if kind == "tls":
            context = ssl.create_default_context(cafile=str(authority))
            self.wire.socket = context.wrap_socket(self.wire.socket, server_hostname="localhost")
        if kind == "compressed":
            self.wire.send(upgrade(path, Sec_WebSocket_Extensions="permessage-deflate"))
            assert b"permessage-deflate" in self.wire.read_head()
        elif kind == "centrifuge":
            self.wire.open("/connection/websocket")
            self.wire.send(frame(b'{"id":1,"connect":{}}'))
            self.command()
            self.subscribe(path.rsplit("=", 1)[1])
        else:
            self.wire.open(path)

    def command(self) -> dict[str, Any]:
        return json.loads(self.wire.read_frame()[1])

    def subscribe(self, channel: str, **place: Any) -> dict[str, Any]:
        self.wire.send(frame(json.dumps({"id": 2, "subscribe": {"channel": channel, **place}}).encode()))
        return self.command()

    def next(self) -> str:
        """The payload of the next publication."""
        opcode, payload = self.wire.read_frame()
        assert opcode == TEXT, f"opcode {opcode}: {payload!r}"
        if self.kind == "compressed":
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        text = payload.decode()
        return json.loads(text)["push"]["pub"]["data"] if self.kind == "centrifuge" else text

    def numbers(self, last: int) -> list[int]:
        """The numbers that come, to this one."""
        numbers: list[int] = []
        while not numbers or numbers[-1] != last:
            numbers.append(int(self.next().split()[0]))
        return numbers


def text(number: int, size: int = 30_000) -> str:
    """Compresses to half."""
    return f"{number} {os.urandom(size // 2).hex()}"


def flood(node: Node, channel: str, enough: Callable[[], bool], first: int = 0, size: int = 30_000) -> int:
    """Publishes until it is enough; the number that would be next."""
    number = first
    while True:
        for _ in range(10):
            node.api.publish(channel, text=text(number, size))
            number += 1
        if enough():
            return number
        assert number < 3000, "nothing was ever dropped"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def start(start_node: Any, kind: str = "plain", authority: Authority | None = None, **limits: Any) -> Node:
    client: dict[str, Any] = {}
    if kind == "tls" and authority:
        certificate, key = authority.issue("server")
        client = {"tls": {"certificate": str(certificate), "key": str(key)}}
    return start_node(client=client, channels=RULES, limits={"outbound_bytes": "256KiB", **limits})


@pytest.mark.parametrize("kind", ["plain", "compressed", "tls", "centrifuge"])
@pytest.mark.parametrize("channel", ["old", "new"])
def test_a_stalled_client_stays_and_gets_the_newest(start_node: Any, authority: Authority, channel: str, kind: str) -> None:
    node = start(start_node, kind, authority)
    reader = Reader(node, f"/raw?channel={channel}", kind, authority.file)
    healthy = None if kind == "tls" else WebsocketsClient(node.client, channel)
    count = flood(node, channel, lambda: counter(node, LOSSES[channel]) >= 40)
    if healthy:
        until(lambda: len(healthy.received) == count, "the other client has everything")
        assert [int(each.split()[0]) for each in healthy.received] == list(range(count))
        healthy.close()
        until(lambda: node.api.subscribers(channel) == 1, "only the slow one is left")

    (shown,) = node.api.connections()
    report = node.api.get(f"/api/v1/channels/{channel}")
    lost = counter(node, LOSSES[channel])
    assert shown["dropped_publications"] == report["dropped_publications"] == lost
    assert report["slow"] == {"old": "drop_oldest", "new": "latest"}[channel]
    assert f" {lost} " in node.command("connections").stdout
    # Twice the budget at the most, and what is begun.
    assert shown["backlog_bytes"] - shown["kernel_bytes"] < (256 << 10) + 2 * 32_000
    # What it cannot take back is bounded too: what is not sent yet, and what its small window lets be on its way.
    assert 0 < shown["kernel_bytes"] < (64 << 10) + 2 * 64_000

    numbers = reader.numbers(count - 1)
    assert len(numbers) + lost == count
    begun = next(place for place in range(len(numbers)) if numbers[place] != place)
    if channel == "new":
        assert numbers == [*range(begun), count - 1]
    else:
        # One hole, where it stopped reading.
        assert numbers == [*range(begun), *range(count - (len(numbers) - begun), count)] and len(numbers) - begun >= 7
    # It goes on as if nothing had been.
    node.api.publish(channel, text=text(count))
    assert reader.numbers(count) == [count]
    assert counter(node, "slow_disconnects_total") == 0
    until(lambda: counter(node, "outbound_bytes") == 0, "nothing is left")
    reader.wire.close()


@pytest.mark.parametrize("channel", ["old", "new"])
def test_bursts(start_node: Any, channel: str) -> None:
    """Batches of many publications: a stalled client of a latest channel still gets one that is begun, and the newest."""
    node = start(start_node, publish_rate=0)
    reader = Reader(node, f"/raw?channel={channel}")
    with Wire(node.client_port, seconds=30) as publisher:
        publisher.open("/raw?channel=other-" + channel)
    healthy = WebsocketsClient(node.client, channel)
    count = 0
    with Wire(node.client_port, seconds=30) as publisher:
        publisher.open(f"/raw?channel={channel}")
        while counter(node, LOSSES[channel]) < 20_000:
            publisher.send(b"".join(frame(f"{count + each} x".encode()) for each in range(5000)))
            # It gets its own back, and has to read it.
            while int(publisher.read_frame()[1].split()[0]) != count + 4999:
                pass
            count += 5000
            assert count < 2_000_000
        until(lambda: len(healthy.received) == count, "the other client has everything", 30)
    assert counter(node, "passes_total") < count / 4, "the test is about batches"
    until(lambda: node.api.subscribers(channel) == 2, "the publisher is gone")
    lost = max(each["dropped_publications"] for each in node.api.connections())
    numbers = reader.numbers(count - 1)
    assert numbers == sorted(set(numbers)) and len(numbers) + lost == count
    if channel == "new":
        assert numbers[:-1] == list(range(len(numbers) - 1))
    assert counter(node, "slow_disconnects_total") == 0
    reader.wire.close()
    healthy.close()


def test_other_channels_of_a_session_lose_nothing(start_node: Any) -> None:
    node = start(start_node)
    with Wire(node.client_port, receive_buffer=4096, seconds=20) as wire:
        wire.open("/raw?channel=safe&channel=old&channel=new&channel=old-quiet")
        sent = {"safe": 0, "old": 0, "new": 0}

        def send(channel: str, size: int) -> None:
            node.api.publish(channel, text=f"{channel} {text(sent[channel], size)}")
            sent[channel] += 1

        while counter(node, LOSSES["old"]) < 50:
            for _ in range(10):
                send("old", 20_000)
                send("safe", 300)
                send("new", 20_000)
            assert sent["old"] < 2000
        # A channel that comes late finds the budget used by another one, and gets something through.
        node.api.publish("old-quiet", text="old-quiet 0 " + "x" * 1000)
        # Answers come through, too.
        for _ in range(10):
            wire.send(frame(b"ping", PING))
        got: dict[str, list[int]] = {"safe": [], "old": [], "new": [], "old-quiet": []}
        pongs = 0
        while pongs < 10:
            opcode, payload = wire.read_frame()
            if opcode == PONG:
                pongs += 1
                continue
            assert opcode == TEXT, payload
            channel, number = payload.decode().split()[:2]
            got[channel].append(int(number))
        assert got["safe"] == list(range(sent["safe"]))
        assert got["old-quiet"] == [0]
        for channel in ("old", "new"):
            assert got[channel] == sorted(set(got[channel])) and got[channel][-1] == sent[channel] - 1
            assert len(got[channel]) + counter(node, LOSSES[channel]) == sent[channel]
    assert counter(node, "slow_disconnects_total") == 0


@pytest.mark.parametrize("channel, loss", [("busy", LOSSES["new"]), ("log", LOSSES["old"])])
def test_who_comes_and_goes_is_not_lost(start_node: Any, channel: str, loss: str) -> None:
    node = start(start_node)
    reader = Reader(node, f"?channel={channel}", "centrifuge")
    count = flood(node, channel, lambda: counter(node, loss) > 0)
    for _ in range(2):
        visitor = Reader(node, f"?channel={channel}", "centrifuge")
        until(lambda: node.api.get(f"/api/v1/channels/{channel}/presence")["clients"] == 2, "it is there")
        count = flood(node, channel, lambda: True, count)
        visitor.wire.close()
        # It may be back soon, so it is listed for a while.
        until(lambda: node.api.subscribers(channel) == 1, "its connection is gone")
    numbers: list[int] = []
    changes: list[str] = []
    while len(changes) < 5 or not numbers or numbers[-1] != count - 1:
        push = reader.command()
        if not push:
            reader.wire.send(frame(b"{}"))
            continue
        for kind in ("join", "leave"):
            if kind in push["push"]:
                changes.append(kind)
        if "pub" in push["push"]:
            numbers.append(int(push["push"]["pub"]["data"].split()[0]))
    # Its own, two that came, and two that went when their grace was over.
    assert changes.count("join") == 3 and changes.count("leave") == 2
    # The visitors did not read either.
    (shown,) = node.api.connections()
    assert len(numbers) + shown["dropped_publications"] == count and numbers == sorted(set(numbers))
    assert counter(node, "slow_disconnects_total") == 0
    reader.wire.close()


def test_a_channel_that_disconnects_still_does(start_node: Any) -> None:
    """What may be dropped does not save a session that does not read what may not."""
    node = start(start_node)
    with Wire(node.client_port, receive_buffer=4096, seconds=20) as wire:
        wire.open("/raw?channel=safe&channel=old")
        count = flood(node, "old", lambda: counter(node, LOSSES["old"]) > 0)
        flood(node, "safe", lambda: counter(node, "slow_disconnects_total") == 1)
        code, reason = wire.read_close()
        assert code == 1013 and "slow" in reason
    assert count > 0


def test_an_event_stream_is_told(start_node: Any) -> None:
    node = start(start_node)
    with Wire(node.client_port, receive_buffer=4096, seconds=20) as wire:
        wire.send(b"GET /sse?channel=old HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in wire.read_head()
        count = flood(node, "old", lambda: counter(node, LOSSES["old"]) >= 40)
        told = counter(node, "slow_announcements_total")
        # Reads on behind the hole, and falls behind once more.
        data = b""
        while b"event: lost" not in data or len(data.split(b"event: lost")[1]) < 100_000:
            data += wire.socket.recv(4096)
        lost = counter(node, LOSSES["old"])
        count = flood(node, "old", lambda: counter(node, LOSSES["old"]) >= lost + 20, count)
        last = f"data: {count - 1} ".encode()
        while last not in data or not data.endswith(b"\n\n"):
            data += wire.socket.recv(65536)
    assert told == 1, "one event for one hole, however much is dropped there"
    events = [block for block in data.decode().split("\n\n") if block.startswith(("data:", "event:"))]
    expected = 0
    holes = 0
    isKnown = False
    for event in events:
        if event.startswith("event: lost"):
            assert json.loads(event.split("data: ")[1]) == {"channel": "old"}
            isKnown = True
            continue
        number = int(event.split()[1])
        assert number == expected or isKnown, f"{expected} to {number - 1} are missing and nobody said so"
        holes += number != expected
        assert (number == expected) != isKnown, "something is said to be lost, and is not"
        expected, isKnown = number + 1, False
    assert expected == count and holes >= 2


def test_a_centrifuge_client_with_history_recovers(start_node: Any) -> None:
    """Where a client knows its place, nothing is lost in silence: it begins anew behind what it has, and recovers."""
    node = start(start_node)
    reader = Reader(node, "?channel=kept", "centrifuge")
    count = flood(node, "kept", lambda: counter(node, "slow_announcements_total") == 1, size=3000)
    numbers: list[int] = []
    while True:
        push = reader.command()["push"]
        if "unsubscribe" in push:
            assert push["unsubscribe"]["code"] == 2500 and push["channel"] == "kept"
            break
        numbers.append(int(push["pub"]["data"].split()[0]))
        assert push["pub"]["offset"] == len(numbers)
    assert numbers == list(range(len(numbers))) and len(numbers) < count
    epoch = node.api.get("/api/v1/channels/kept/history", limit=1)["top"].split(":")[0]
    reply = reader.subscribe("kept", recover=True, offset=len(numbers), epoch=epoch)
    assert reply["subscribe"]["recovered"], reply
    numbers += [int(each["data"].split()[0]) for each in reply["subscribe"]["publications"]]
    assert numbers == list(range(count))
    assert counter(node, "slow_disconnects_total") == 0
    reader.wire.close()


@pytest.mark.parametrize("channel", ["old", "new"])
def test_a_client_that_reads_byte_by_byte(start_node: Any, channel: str) -> None:
    node = start(start_node, outbound_bytes="16KiB")
    reader = Reader(node, f"/raw?channel={channel}")
    data = b""
    count = 0
    while counter(node, LOSSES[channel]) < 300:
        for _ in range(50):
            node.api.publish(channel, text=text(count, 2000))
            count += 1
            data += reader.wire.socket.recv(1)
        assert count < 5000
    reader.wire._rest = data
    numbers = reader.numbers(count - 1)
    assert numbers == sorted(set(numbers)) and len(numbers) + counter(node, LOSSES[channel]) == count
    assert counter(node, "slow_disconnects_total") == 0
    reader.wire.close()


@pytest.mark.parametrize("channel", ["old", "new"])
def test_publications_larger_than_the_budget(start_node: Any, channel: str) -> None:
    node = start(start_node, message_bytes="4MiB", outbound_bytes="64KiB")
    reader = Reader(node, f"/raw?channel={channel}")
    count = flood(node, channel, lambda: counter(node, LOSSES[channel]) >= 5, size=3_000_000)
    # Control frames find room beside them.
    reader.wire.send(frame(b"still there?", PING))
    numbers = reader.numbers(count - 1)
    assert numbers[:-1] == list(range(len(numbers) - 1)) and len(numbers) + counter(node, LOSSES[channel]) == count
    assert reader.wire.read_frame() == (PONG, b"still there?")
    assert counter(node, "slow_disconnects_total") == 0
    reader.wire.close()


def test_what_all_sessions_may_have_waiting_holds(start_node: Any) -> None:
    """limits.outbound_bytes_node is not for dropping channels to exceed."""
    node = start(start_node, outbound_bytes="8MiB", outbound_bytes_node="2MiB")
    readers = [Reader(node, "/raw?channel=old") for _ in range(6)]
    count = flood(node, "old", lambda: counter(node, LOSSES["old"]) >= 100)
    assert counter(node, "outbound_bytes") <= 2 << 20
    assert counter(node, "node_outbound_limit_hits_total") > 0
    shares = {each["id"]: each["dropped_publications"] for each in node.api.connections()}
    received = 0
    for reader in readers:
        numbers = reader.numbers(count - 1)
        assert numbers == sorted(set(numbers))
        received += len(numbers)
        reader.wire.close()
    assert received + sum(shares.values()) == 6 * count
    assert counter(node, "slow_disconnects_total") == 0


@pytest.mark.parametrize("channel", ["old", "new"])
def test_a_node_that_is_behind_itself(start_node: Any, channel: str) -> None:
    """Publications come faster than they can be compressed: some are lost to everybody, and nobody is disconnected."""
    # Each reactor has a backlog of its own.
    node = start_node(
        node={"name": "node", "reactors": 1}, channels=RULES,
        limits={"message_bytes": "16MiB", "outbound_bytes": "256MiB", "outbound_bytes_node": "1GiB"})
    wires = [Wire(node.client_port, seconds=30), Wire(node.client_port, seconds=30)]
    wires[0].send(upgrade(f"/raw?channel={channel}", Sec_WebSocket_Extensions="permessage-deflate"))
    wires[1].send(f"GET /sse?channel={channel} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    for wire in wires:
        wire.read_head()
    seen = [0, 0]
    lost = [0, 0]

    def read(which: int) -> None:
        wire = wires[which]
        wire.socket.settimeout(30)
        tail = b""
        try:
            while True:
                if which == 0:
                    if wire.read_frame()[0] != TEXT:
                        return
                    seen[0] += 1
                    continue
                data = wire.socket.recv(1 << 20)
                if not data:
                    return
                both = tail + data
                seen[1] += both.count(b"data: x") - tail.count(b"data: x")
                lost[1] += both.count(b"event: lost\n") - tail.count(b"event: lost\n")
                tail = both[-11:]
        except (OSError, EOFError):
            pass

    threads = [threading.Thread(target=read, args=(which,), daemon=True) for which in (0, 1)]
    for thread in threads:
        thread.start()
    payload = "x" + os.urandom(5 << 20).hex()
    rounds = 0
    with ThreadPoolExecutor(6) as pool:
        while counter(node, "backlog_overruns_total") == 0:
            list(pool.map(lambda _: node.api.publish(channel, text=payload), range(6)))
            rounds += 1
            assert rounds < 20, "the node kept up"
    count = 6 * rounds
    gone = {each["dialect"]: each["dropped_publications"] for each in node.api.connections()}
    assert gone["raw"] == gone["sse"] >= 1 and counter(node, "publications_overrun_total") >= 1
    until(lambda: seen == [count - gone["raw"], count - gone["sse"]], "everybody got the rest", 30)
    assert lost[1] == (counter(node, "backlog_overruns_total") if channel == "old" else 0)
    assert counter(node, "slow_disconnects_total") == 0 and node.api.subscribers(channel) == 2
    for wire in wires:
        wire.close()


def test_an_unknown_policy(tmp_path: Path) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text('channels:\n  - { match: "*", slow: drop_newest }\n')
    result = carillon("check", str(file))
    assert result.returncode == 1
    assert ":2:25: " in result.stdout + result.stderr
    assert "disconnect or drop_oldest or latest; did you mean 'drop_oldest'?" in result.stdout + result.stderr


@pytest.mark.parametrize(("channel", "oldest"), [("new", 3.5), ("old", 8.0)])
def test_what_a_slow_reader_gets_is_not_old(start_node: Any, channel: str, oldest: float) -> None:
    """400 kB a second are published, and the client reads 100 kB a second: what it gets in the end is a few seconds old. Without
    a bound the node's kernel keeps up to 4 MB for it, which nobody can replace: 40 s. Its own kernel keeps 128 KiB here."""
    node = start_node(channels=RULES, limits={"outbound_bytes": "256KiB", "publish_rate": 0})
    payload = "x" * 9_980
    with Wire(node.client_port, receive_buffer=65536, seconds=20) as reader, Wire(node.client_port, seconds=20) as publisher:
        reader.open(f"/raw?channel={channel}")
        publisher.open(f"/raw?channel={channel}")
        done = threading.Event()

        def publish() -> None:
            publisher.socket.settimeout(20)
            begin = time.monotonic()
            for number in range(600):
                while time.monotonic() < begin + number / 40:
                    publisher.socket.settimeout(0.005)
                    try:
                        publisher.socket.recv(1 << 20)
                    except TimeoutError:
                        pass
                publisher.socket.settimeout(20)
                publisher.send(frame(f"{time.monotonic()} {payload}".encode(), opcode=TEXT))
                if done.is_set():
                    return

        thread = threading.Thread(target=publish, daemon=True)
        thread.start()
        ages = []
        begin = time.monotonic()
        while (now := time.monotonic()) < begin + 12:
            # At its own pace, whatever there is.
            if len(ages) > (now - begin) * 10:
                time.sleep(0.01)
                continue
            opcode, message = reader.read_frame()
            assert opcode == TEXT
            ages.append(time.monotonic() - float(message.split(b" ")[0]))
        done.set()
        thread.join()
        shown = node.api.connections(sort="backlog")[0]
    print(f"{channel}: age of the last publications {max(ages[-10:]):.2f} s, {len(ages)} read; {shown.get('kernel_bytes')} bytes in the kernel")
    assert max(ages[-10:]) < oldest
    assert shown["dropped_publications"] > 0 and shown["backlog_bytes"] > shown["kernel_bytes"] > 0
