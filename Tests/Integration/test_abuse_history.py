"""What clients may ask of history, what they leave behind, and what others may write into it (issue: holes, entries 4, 6 and 8)."""

import json
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from rig.centrifuge_wire import CentrifugeWire as Client
from rig.control import undisturbed
from rig.footprint import counter
from rig.node import Node
from rig.redis_keys import PARTITIONS, beginnings, key
from rig.redis_server import RedisServer
from rig.waiting import holds, until

RULES = [{"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 100_000, "ttl": "10m"}}]
NEWEST = 2**53 - 1


def publish(node: Node, channel: str, *numbers: int) -> list[str]:
    return [node.api.post_publication({"channel": channel, "data": number}).json()["positions"][channel] for number in numbers]


def grow(server: RedisServer, node: Node, channel: str, count: int, size: int) -> str:
    """A long history, as a node would have written it; returns its epoch."""
    node.api.publish(channel, text="x" * size)
    client = server.client()
    (_, fields), *_ = client.xrange(key("h", channel))
    (envelope,) = fields.values()
    epoch = client.hget(key("m", channel), "e")
    first = epoch + struct.pack(">Q", 1)
    assert envelope.count(first) == 1
    pipeline = client.pipeline(transaction=False)
    for number in range(2, count + 1):
        pipeline.xadd(key("h", channel), {"p": envelope.replace(first, epoch + struct.pack(">Q", number))}, id=f"{number}-0")
        if number % 500 == 0:
            pipeline.execute()
    pipeline.hset(key("m", channel), "o", count)
    pipeline.execute()
    return epoch.hex()


class Abusers:
    """Threads that do something again and again, each with a chance of its own, until they are stopped."""

    def __init__(self, actions: list[Callable[[random.Random], object]]) -> None:
        self.done = [0] * len(actions)
        self.failures: list[str] = []
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number, action), daemon=True) for number, action in enumerate(actions)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int, action: Callable[[random.Random], object]) -> None:
        chance = random.Random(number)
        while not self._ended.is_set():
            try:
                action(chance)
                self.done[number] += 1
            except Exception as error:  # noqa: BLE001 - it is told at the end
                self.failures.append(f"{type(error).__name__}: {error}")
                time.sleep(0.1)

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)


def stream_from(node: Node, channel: str, last: str) -> str:
    """The first event of an event stream that goes on somewhere."""
    with requests.get(
        f"http://{node.client}/sse?channel={channel}", headers={"Last-Event-ID": last}, stream=True, timeout=10) as response:
        assert response.status_code == 200
        for line in response.iter_lines(chunk_size=1, decode_unicode=True):
            if line.startswith("event: "):
                return line[7:]
    return ""


def test_a4_one_client_does_not_break_the_link(start_node: Any, redis_server: RedisServer) -> None:
    """60 MB of history, and everything that makes a node read it: made-up epochs, old positions, questions of clients and of the
    API. Before, one of them isolated the node."""
    node = start_node(redis_url=redis_server.url, channels=RULES, limits={"subscribe_rate": 0})
    epoch = grow(redis_server, node, "big", 60_000, 1000)
    reconnects, unrecovered = counter(node, "link_reconnects_total"), counter(node, "unrecovered_total")
    reads = counter(node, "history_reads_total")
    lasting = [Client(node) for _ in range(20)]
    for client in lasting:
        assert client.subscribe("big")["offset"] == 60_000

    def recover(chance: random.Random) -> None:
        client = Client(node)
        known = chance.choice([epoch, epoch, f"{chance.getrandbits(64):016x}", "0" * 16])
        answer = client.subscribe("big", recover=True, epoch=known, offset=chance.choice([1, 2**64 - 1, chance.randrange(59_000)]))
        assert answer["was_recovering"] and "recovered" not in answer, answer
        near = Client(node)
        answer = near.subscribe("big", recover=True, epoch=epoch, offset=60_000 - chance.randrange(1, 290))
        assert answer["recovered"], answer
        client.close()
        near.close()

    def ask(client: Client) -> Callable[[random.Random], None]:
        def action(chance: random.Random) -> None:
            offset = chance.randrange(60_000)
            page = client.command(
                "history", channel="big", limit=chance.choice([-1, 300, 1]), since={"epoch": epoch, "offset": offset},
                reverse=chance.random() < 0.3)
            assert "error" not in page and len(page["publications"]) <= 300, page
            made_up = client.command("history", channel="big", limit=300, since={"epoch": f"{chance.getrandbits(64):016x}", "offset": 1})
            assert made_up["error"]["code"] == 112, made_up
        return action

    def resume(chance: random.Random) -> None:
        assert stream_from(node, "big", chance.choice(["big-0.1", f"big-{epoch}.1", f"big-{chance.getrandbits(64):x}.7"])) == "lost"

    def page(chance: random.Random) -> None:
        since = chance.choice([None, f"{epoch}:{chance.randrange(60_000)}", "0123456789abcdef:1"])
        answer = node.api.get("/api/v1/channels/big/history", since=since, limit=1000, reverse=chance.choice(["true", "false"]))
        assert sum(len(entry["text"]) for entry in answer["publications"]) <= 2 << 20

    with undisturbed(node) as control:
        abusers = Abusers([recover] * 20 + [ask(client) for client in lasting] + [resume] * 4 + [page] * 2)
        time.sleep(8)
        abusers.stop()
    assert not abusers.failures, (len(abusers.failures), abusers.failures[:5])
    assert counter(node, "link_reconnects_total") == reconnects and node.api.is_ready()
    assert node.output().count("isolated") == 0
    read = counter(node, "history_reads_total") - reads
    print(
        f"A4: {sum(abusers.done)} abuses in 8 s, {sum(abusers.done[:20])} of them recoveries twice, for which there were {read:.0f} reads; "
        f"{counter(node, 'history_reads_waited_total'):.0f} questions waited, {counter(node, 'history_reads_shared_total'):.0f} shared; "
        f"{control.figures}")
    assert counter(node, "unrecovered_total") - unrecovered >= sum(abusers.done[:20])
    assert all(abusers.done), abusers.done
    # Four a second for those who come back, however many they are, and not one for each.
    assert read < 8 * 4 + 60, read
    for client in lasting:
        assert client.closed is None
        client.close()


def test_a4_large_messages_come_page_by_page(start_node: Any, redis_server: RedisServer) -> None:
    """Whatever does not fit in a page comes with the next one: nothing is silently missing, and nothing is read beyond a page."""
    limits = {"message_bytes": "2MiB", "outbound_bytes": "4MiB"}
    node = start_node(redis_url=redis_server.url, channels=RULES, limits=limits)
    for number in range(40):
        node.api.publish("large", text=f"{number:04}" + "x" * 1_000_000)
    for reverse in ("false", "true"):
        seen: list[int] = []
        since, pages = None, 0
        while True:
            page = node.api.get("/api/v1/channels/large/history", since=since, limit=100, reverse=reverse)
            seen += [int(entry["text"][:4]) for entry in page["publications"]]
            assert sum(len(entry["text"]) for entry in page["publications"]) <= 2 << 20
            pages += 1
            since = page.get("next")
            if since is None:
                break
        assert seen == (list(range(40)) if reverse == "false" else list(range(39, -1, -1))) and pages >= 20
    client = Client(node)
    begun = client.subscribe("large")
    page = client.command("history", channel="large", limit=100, since={"epoch": begun["epoch"], "offset": 0})
    assert [publication["offset"] for publication in page["publications"]] == [1]
    # A hole is mended page by page, too: all of it is read again.
    redis_client = redis_server.client()
    redis_client.execute_command("CLIENT", "PAUSE", 0)
    client.close()
    other = Client(node)
    answer = other.subscribe("large", recover=True, epoch=begun["epoch"], offset=39)
    assert answer["recovered"] and len(answer["publications"]) == 1
    late = Client(node)
    assert "recovered" not in late.subscribe("large", recover=True, epoch=begun["epoch"], offset=10)
    other.close()
    late.close()


def test_a4_what_a_node_misses_is_read_in_pages(start_node: Any, redis_server: RedisServer) -> None:
    """Two nodes; one of them is deaf for a while, and then has more to read than a page holds."""
    one, two = (start_node(name, redis_url=redis_server.url, channels=RULES) for name in ("one", "two"))
    client = Client(two)
    client.subscribe("news")
    # Its subscriptions are cut again and again while much is published.
    ended = threading.Event()

    def cut() -> None:
        while not ended.is_set():
            redis_server.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            time.sleep(0.05)

    cutter = threading.Thread(target=cut, daemon=True)
    cutter.start()
    try:
        for number in range(60):
            until(lambda number=number: one.api.post_publication(
                {"channel": "news", "text": f"{number:04}" + "x" * 40_000, "idempotency_key": f"n{number}"}).status_code == 200,
                "it is taken", 20)
    finally:
        ended.set()
        cutter.join()
    until(lambda: len(client.publications) >= 60, "all of them", 30)
    assert [offset for offset, _ in client.publications] == list(range(1, 61)) and not client.unsubscribed
    client.close()


# -- What strangers leave behind


def subscribe_all(node: Node, names: list[str]) -> list[Client]:
    clients = []
    for start in range(0, len(names), 2000):
        client = Client(node)
        part = names[start : start + 2000]
        lines = [json.dumps({"id": number + 1_000_000, "subscribe": {"channel": name}}) for number, name in enumerate(part)]
        for line in range(0, len(lines), 500):
            client.socket.send("\n".join(lines[line : line + 500]))
        until(lambda client=client, part=part: len(client.replies) == len(part), "all are answered", 60)
        assert all("subscribe" in reply for reply in client.replies.values())
        client.replies.clear()
        clients.append(client)
    return clients


def count_names(prefix: str) -> list[str]:
    return [f"{prefix}:{number}" for number in range(20_000)]


STRANGERS = {"subscribe_rate": 0, "channels_per_session": 10_000, "message_bytes": "1MiB"}


def test_a6_invented_names_leave_nothing_in_redis(start_node: Any, redis_server: RedisServer) -> None:
    node = start_node(redis_url=redis_server.url, channels=RULES, limits=STRANGERS)
    first = Client(node)
    first.subscribe("anything")
    # The layout, the node's lease, and what channels without publications begin with in the partition of this one.
    before = until(lambda: redis_server.client().dbsize(), "the node is there")
    clients = subscribe_all(node, count_names("invented"))
    during = redis_server.client().dbsize()
    for name in range(200):
        node.api.get(f"/api/v1/channels/invented:{name}/history")
        clients[0].command("history", channel=f"invented:{name}", limit=10)
    # What they begin with, once for each partition, however many names there are.
    most = before + PARTITIONS
    assert during <= most and redis_server.client().dbsize() <= most, (before, during)
    for client in clients:
        client.close()
    until(lambda: counter(node, "link_channels") <= 2, "their names are forgotten", 20)
    after = redis_server.client().dbsize()
    print(f"A6: 20000 invented names: {before} keys before, {during} during, {after} after")
    assert after <= most and counter(node, "channels") <= 2
    first.close()


def test_a6_invented_names_leave_nothing_in_memory(start_node: Any) -> None:
    node = start_node(channels=RULES, limits=STRANGERS)
    clients = subscribe_all(node, count_names("invented"))
    assert counter(node, "history_channels") == 0
    for client in clients:
        client.close()
    until(lambda: counter(node, "channels") == 0, "their names are forgotten", 20)
    assert counter(node, "history_channels") == 0
    node.api.publish("real", text="x")
    assert until(lambda: counter(node, "history_channels"), "one that was published to") == 1


@pytest.fixture
def two(start_node: Any, tmp_path: Path) -> Iterator[tuple[RedisServer, Node, Node]]:
    server = RedisServer(tmp_path).start()
    one, other = (start_node(name, redis_url=server.url, channels=RULES) for name in ("one", "two"))
    yield server, one, other
    assert not server.denied(), server.denied()
    server.stop()


def test_a_beginning_holds_on_every_node(two: tuple[RedisServer, Node, Node]) -> None:
    server, one, other = two
    client = Client(one)
    begun = client.subscribe("news")
    assert begun.get("offset", 0) == 0 and server.client().exists(key("m", "news")) == 0
    gaps = counter(one, "history_gaps_total")
    publish(other, "news", 1, 2)
    until(lambda: client.publications == [(1, 1), (2, 2)], "both")
    assert counter(one, "history_gaps_total") == gaps, "the first publication is expected as it is"
    client.close()
    publish(other, "news", 3)
    for node, offset, missed in ((other, 0, [1, 2, 3]), (one, 2, [3]), (other, 3, [])):
        back = Client(node)
        answer = back.subscribe("news", recover=True, epoch=begun["epoch"], offset=offset)
        assert answer["recovered"] and [publication["data"] for publication in answer["publications"]] == missed
        back.close()


def test_a_beginning_does_not_outlive_a_loss_of_everything(two: tuple[RedisServer, Node, Node]) -> None:
    server, one, other = two
    client = Client(one)
    begun = client.subscribe("news")
    client.close()
    until(lambda: one.api.metric("link_channels") == 0, "nobody follows it")
    publish(other, "news", 1, 2, 3)
    server.client().flushall()
    for node in (one, other):
        back = Client(node)
        assert "recovered" not in back.subscribe("news", recover=True, epoch=begun["epoch"], offset=0)
        back.close()
    publish(other, "news", 4)
    for offset in (0, 1):
        back = Client(one)
        answer = back.subscribe("news", recover=True, epoch=begun["epoch"], offset=offset)
        assert answer["was_recovering"] and "recovered" not in answer, answer
        back.close()


def test_a_quiet_channel_does_not_notice_a_restart(two: tuple[RedisServer, Node, Node]) -> None:
    """From a snapshot that has everything: nothing was lost, so nobody is told of a loss, and the beginning still counts."""
    server, one, other = two
    clients = [Client(node) for node in (one, other)]
    begun = [client.subscribe("quiet") for client in clients]
    server.client().save()
    server.kill()
    server.start()
    until(lambda: one.api.readiness() == 200 and other.api.readiness() == 200, "linked again", 20)
    # As long as it takes until the ends of all channels were compared.
    holds(lambda: not any(client.unsubscribed or client.closed for client in clients), "nobody is told of a loss", 6)
    publish(one, "quiet", 1)
    until(lambda: all(client.publications == [(1, 1)] for client in clients), "it goes on")
    back = Client(other)
    answer = back.subscribe("quiet", recover=True, epoch=begun[0]["epoch"], offset=0)
    assert answer["recovered"] and [publication["data"] for publication in answer["publications"]] == [1]
    for client in [*clients, back]:
        client.close()


def test_a_beginning_does_not_hide_what_was_acknowledged(two: tuple[RedisServer, Node, Node]) -> None:
    """The first publication of a channel is lost with the server, and nobody was subscribed. Whoever was told the beginning
    before learns of it, because the node that acknowledged the publication notes the loss."""
    server, one, other = two
    client = Client(one)
    begun = client.subscribe("news")
    client.close()
    until(lambda: one.api.metric("link_channels") == 0, "nobody follows it")
    server.client().save()
    publish(other, "news", 1)
    server.kill()
    server.start()
    until(lambda: one.api.readiness() == 200 and other.api.readiness() == 200, "linked again", 20)
    until(lambda: counter(other, "history_losses_noted_total") == 1, "the loss is noted")
    for node in (one, other):
        back = Client(node)
        answer = back.subscribe("news", recover=True, epoch=begun["epoch"], offset=0)
        assert answer["was_recovering"] and "recovered" not in answer, answer
        back.close()


def test_what_the_version_before_left_is_read(two: tuple[RedisServer, Node, Node]) -> None:
    """It made a hash with an epoch for whatever was read, and gave channels epochs of their own."""
    server, one, other = two
    client = Client(one)
    begun = client.subscribe("news")
    epoch = bytes(range(8))
    run = server.client().info("server")["run_id"]
    server.client().hset(key("m", "news"), mapping={"e": epoch, "o": "0", "r": run, "l": ""})
    holds(lambda: not client.unsubscribed, "that is no loss", 6)
    publish(other, "news", 1, 2)
    until(lambda: client.publications == [(1, 1), (2, 2)], "both")
    assert server.client().hget(key("m", "news"), "e") == epoch
    for known, offset, missed in ((begun["epoch"], 0, [1, 2]), (epoch.hex(), 1, [2]), (begun["epoch"], 1, [2])):
        back = Client(other)
        answer = back.subscribe("news", recover=True, epoch=known, offset=offset)
        assert answer["recovered"] and [publication["data"] for publication in answer["publications"]] == missed
        back.close()
    client.close()


# -- What others write into history


def write_hash(**fields: Any) -> Callable[[redis.Redis], object]:
    good = {"e": bytes(8), "o": "5", "r": "x", "l": ""}
    return lambda client: client.hset(key("m", "bad"), mapping={**good, **fields})


def write_stream(identity: str, **fields: bytes) -> Callable[[redis.Redis], object]:
    def write(client: redis.Redis) -> None:
        write_hash()(client)
        client.xadd(key("h", "bad"), fields or {"p": b"x"}, id=identity)

    return write


HOSTILE: dict[str, Callable[[redis.Redis], object]] = {
    "the largest word": write_hash(o=2**64 - 1),
    "beyond 2^53": write_hash(o=2**53),
    "the last offset": write_hash(o=NEWEST),
    "negative": write_hash(o=-5),
    "text": write_hash(o="many"),
    "not a number": write_hash(o="nan"),
    "a fraction": write_hash(o="1.5"),
    "a short epoch": write_hash(e=b"abc"),
    "a long epoch": write_hash(e=bytes(100)),
    "half a lineage": write_hash(l=b"123456789"),
    "a lineage of the largest": write_hash(l=b"\xff" * 16),
    "claims of the largest": write_hash(c=b"\xff" * 32),
    "half a claim": write_hash(c=b"123"),
    "only an epoch": lambda client: client.hset(key("m", "bad"), "e", bytes(8)),
    "no hash": lambda client: client.set(key("m", "bad"), "x"),
    "no stream": lambda client: (write_hash()(client), client.set(key("h", "bad"), "x")),
    "a huge id": write_stream("18446744073709551615-18446744073709551615"),
    "a huge id without a rest": write_stream("18446744073709551615-0"),
    "an id that goes on": write_stream("9007199254740991-0"),
    "entries that are none": write_stream("3-0", p=b"\xca\x01\x01 nonsense"),
    "other fields": write_stream("3-0", a=b"1", b=b"2", c=b"3"),
    "an empty entry": write_stream("1-0", p=b""),
    "beginnings that are none": lambda client: client.hset(beginnings("bad"), mapping={"g": b"12345", "r": "x"}),
}


def test_a8_a_history_that_no_node_wrote(start_node: Any, redis_server: RedisServer) -> None:
    """The node lives, says what is wrong, and everything else works; also when it is written while somebody follows."""
    node = start_node(redis_url=redis_server.url, channels=RULES, limits={"subscribe_rate": 0})
    listener = Client(node)
    listener.subscribe("good")
    reconnects = counter(node, "link_reconnects_total")
    outcomes: dict[str, int] = {}
    for number, (name, write) in enumerate(HOSTILE.items()):
        for is_followed in (False, True):
            follower = Client(node)
            client = redis_server.client()
            client.delete(key("m", "bad"), key("h", "bad"))
            if is_followed:
                follower.subscribe("bad")
                publish(node, "bad", 1)
                client.delete(key("h", "bad"))
            write(client)
            bad = counter(node, "link_bad_messages_total")
            begun = follower.subscribe("bad") if not is_followed else {}
            for epoch, offset in ((begun.get("epoch", "0" * 16), 0), ("0" * 16, 2**64 - 1), ("ff" * 8, NEWEST), ("0" * 16, 4)):
                back = Client(node)
                back.command("subscribe", channel="bad", recover=True, epoch=epoch, offset=offset)
                back.command("history", channel="bad", limit=300, since={"epoch": epoch, "offset": offset})
                back.command("history", channel="bad", limit=300, reverse=True)
                back.close()
            for query in ({}, {"reverse": "true"}, {"since": f"{'0' * 16}:{NEWEST}"}, {"since": f"{'0' * 16}:{NEWEST}", "reverse": "true"},
                          {"since": f"{'0' * 16}:0", "reverse": "true"}):  # fmt: skip
                assert node.api.request("GET", "/api/v1/channels/bad/history", params=query).status_code in (200, 503)
            published = node.api.post_publication({"channel": "bad", "data": 1})
            assert published.status_code in (200, 503), published.text
            assert node.is_running and node.api.is_ready(), name
            outcomes[name] = int(counter(node, "link_bad_messages_total") - bad)
            follower.close()
        publish(node, "good", number)
        until(lambda number=number: listener.publications and listener.publications[-1][1] == number, f"others go on after {name}")
        client.delete(key("m", "bad"), key("h", "bad"))
        publish(node, "bad", 1)
    assert counter(node, "link_reconnects_total") == reconnects
    assert "is not valid" in node.output() and f"delete {key('m', 'bad').decode()}" in node.output()
    # Twice a minute would be noise.
    assert node.output().count("is not valid") <= 3
    print(f"A8: {outcomes}")
    assert sum(1 for count in outcomes.values() if count) >= len(HOSTILE) - 8, outcomes
    listener.close()


def test_a8_positions_beyond_all_offsets_in_messages(start_node: Any, redis_server: RedisServer) -> None:
    """The same by way of pub/sub: a publication with the largest position there is."""
    node = start_node(redis_url=redis_server.url, channels=RULES)
    client = Client(node)
    client.subscribe("news")
    publish(node, "news", 1)
    until(lambda: client.publications == [(1, 1)], "a good one")
    redis_client = redis_server.client()
    ((_, fields),) = redis_client.xrange(key("h", "news"))
    (envelope,) = fields.values()
    epoch = redis_client.hget(key("m", "news"), "e")
    before = counter(node, "link_bad_messages_total")
    for offset in (2**64 - 1, 2**63, 2**53):
        redis_client.publish(key("c", "news"), envelope.replace(epoch + struct.pack(">Q", 1), epoch + struct.pack(">Q", offset)))
    until(lambda: counter(node, "link_bad_messages_total") == before + 3, "they are refused")
    # The largest that can be: it is looked for in history, where it is not.
    for offset in (NEWEST, NEWEST - 1):
        redis_client.publish(key("c", "news"), envelope.replace(epoch + struct.pack(">Q", 1), epoch + struct.pack(">Q", offset)))
    publish(node, "news", 2)
    until(lambda: (2, 2) in client.publications, "it goes on")
    assert node.is_running and client.closed is None
    client.close()
