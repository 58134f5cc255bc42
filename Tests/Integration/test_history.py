"""What is kept of a channel: positions, history, recovery, and what a node does about holes."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import websockets.exceptions
import websockets.sync.client

from rig.centrifuge_wire import CentrifugeWire as Client, offset
from rig.node import Node, carillon
from rig.redis_keys import key
from rig.redis_server import RedisServer
from rig.waiting import until

RULES = [{"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "10m"}}]


@pytest.fixture(params=["memory", "redis"])
def node(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[Node]:
    if request.param == "memory":
        yield start_node(channels=RULES)
        return
    server = RedisServer(tmp_path).start()
    yield start_node(redis_url=server.url, channels=RULES)
    assert not server.denied(), server.denied()
    server.stop()


def publish(node: Node, channel: str, *numbers: int) -> list[str]:
    """The positions of publications that are numbers."""
    return [
        node.api.post_publication({"channel": channel, "data": number}).json()["positions"][channel] for number in numbers
    ]


def history(node: Node, channel: str, **query: Any) -> tuple[list[Any], dict[str, Any]]:
    page = node.api.get(f"/api/v1/channels/{channel}/history", **query)
    return [json.loads(entry["text"]) for entry in page["publications"]], page


def test_positions_and_pages(node: Node) -> None:
    positions = publish(node, "news", *range(1, 11))
    assert [position.split(":")[1] for position in positions] == [str(number) for number in range(1, 11)]
    assert len({position.split(":")[0] for position in positions}) == 1
    everything, page = history(node, "news")
    assert everything == list(range(1, 11)) and page["top"] == positions[-1] and page["continuous"]
    assert [entry["position"] for entry in page["publications"]] == positions
    assert history(node, "news", since=positions[6])[0] == [8, 9, 10]
    assert history(node, "news", since=positions[3], limit=2)[0] == [5, 6]
    assert history(node, "news", reverse="true", limit=3)[0] == [10, 9, 8]
    assert history(node, "news", reverse="true", since=positions[3])[0] == [3, 2, 1]
    assert history(node, "news", since=positions[-1]) == ([], {"top": positions[-1], "continuous": True, "publications": []})
    assert not history(node, "news", since="0123456789abcdef:3")[1]["continuous"]
    assert history(node, "empty")[0] == []
    assert node.api.request("GET", "/api/v1/channels/news/history?since=nonsense").status_code == 400


def test_only_so_many_are_kept(node: Node) -> None:
    positions = publish(node, "news", *range(1, 151))
    assert history(node, "news", limit=1000)[0] == list(range(51, 151))
    assert history(node, "news", since=positions[49], limit=1000)[0] == list(range(51, 151))
    values, page = history(node, "news", since=positions[48])
    assert not page["continuous"]


def test_the_same_key_is_the_same_publication(node: Node) -> None:
    client = Client(node)
    client.subscribe("news")
    answers = [
        node.api.post_publication({"channel": "news", "data": number, "idempotency_key": "order-1"}).json() for number in (1, 2)
    ]
    assert answers[0] == answers[1]
    publish(node, "news", 3)
    until(lambda: len(client.publications) == 2, "both")
    assert [data for _, data in client.publications] == [1, 3]
    client.close()


def test_centrifuge_clients_recover(node: Node) -> None:
    client = Client(node)
    begun = client.subscribe("news")
    assert begun["recoverable"] and begun["positioned"] and len(begun["epoch"]) == 16 and begun.get("offset", 0) == 0
    publish(node, "news", 1, 2, 3)
    until(lambda: client.publications == [(1, 1), (2, 2), (3, 3)], "three")
    client.close()
    publish(node, "news", 4, 5)

    back = Client(node)
    answer = back.subscribe("news", recover=True, epoch=begun["epoch"], offset=3)
    assert answer["recovered"] and answer["was_recovering"] and answer["offset"] == 3
    assert [(p["offset"], p["data"]) for p in answer["publications"]] == [(4, 4), (5, 5)]
    publish(node, "news", 6)
    until(lambda: back.publications == [(6, 6)], "what follows")
    # Nothing was missed; everything was; somebody else's past; a past that is not kept any more.
    assert Client(node).subscribe("news", recover=True, epoch=begun["epoch"], offset=6)["publications"] == []
    assert len(Client(node).subscribe("news", recover=True, epoch="", offset=0)["publications"]) == 6
    strange = Client(node).subscribe("news", recover=True, epoch="0123456789abcdef", offset=2)
    assert strange["was_recovering"] and "recovered" not in strange and strange["offset"] == 6
    publish(node, "news", *range(7, 120))
    late = Client(node).subscribe("news", recover=True, epoch=begun["epoch"], offset=6)
    assert late["was_recovering"] and "recovered" not in late and late["offset"] == 119
    back.close()


def test_centrifuge_history(node: Node) -> None:
    client = Client(node)
    assert client.command("history", channel="news", limit=10)["error"]["code"] == 103
    client.subscribe("news")
    publish(node, "news", 1, 2, 3)
    page = client.command("history", channel="news", limit=10)
    assert [p["data"] for p in page["publications"]] == [1, 2, 3] and page["offset"] == 3
    assert client.command("history", channel="news", limit=0)["publications"] == []
    since = {"epoch": page["epoch"], "offset": 1}
    assert [p["data"] for p in client.command("history", channel="news", limit=1, since=since)["publications"]] == [2]
    newest = client.command("history", channel="news", limit=2, reverse=True)["publications"]
    assert [p["data"] for p in newest] == [3, 2]
    unknown = {"epoch": "0123456789abcdef", "offset": 1}
    assert client.command("history", channel="news", limit=1, since=unknown)["error"]["code"] == 112
    client.close()


def test_without_history_there_is_none(start_node: Any) -> None:
    node = start_node()
    assert node.api.post_publication({"channel": "news", "data": 1}).json() == {"published": 1}
    assert node.api.request("GET", "/api/v1/channels/news/history").status_code == 404
    client = Client(node)
    assert client.subscribe("news") == {}
    assert client.command("history", channel="news", limit=1)["error"]["code"] == 108
    client.close()


@pytest.mark.parametrize(("rule", "said"), [
    ("history: 5", "has to be a mapping"), ("history: { size: 5 }", "needs size and ttl"),
    ("history: { size: 0, ttl: 1m }", "'size'"), ("history: { size: 5, tll: 1m }", "did you mean 'ttl'"),
])  # fmt: skip
def test_wrong_rules(tmp_path: Path, rule: str, said: str) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(f"channels:\n  - {{ match: '*', {rule} }}\n")
    done = carillon("check", str(file))
    assert done.returncode != 0 and said in done.stderr, done.stderr


def events(node: Node, channels: str, last: str | None = None, *, until_data: str) -> list[tuple[str | None, str, str]]:
    """(id, event, data) of an event stream, up to and with one of these data."""
    found: list[tuple[str | None, str, str]] = []
    headers = {"Last-Event-ID": last} if last else {}
    with requests.get(f"http://{node.client}/sse?{channels}", headers=headers, stream=True, timeout=10) as response:
        assert response.status_code == 200
        publish_when_open = threading.Thread(target=node.api.publish, args=("news",), kwargs={"text": until_data})
        publish_when_open.start()
        identity, event, data = None, "message", None
        for line in response.iter_lines(chunk_size=1, decode_unicode=True):
            if line == "" and data is not None:
                found.append((identity, event, data))
                if data == until_data:
                    break
                identity, event, data = None, "message", None
            elif line.startswith("id: "):
                identity = line[4:]
            elif line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data = line[6:]
        publish_when_open.join()
    return found


def test_event_streams_go_on_where_they_were(node: Node) -> None:
    (first,) = events(node, "channel=news", until_data="one")
    assert first[0] and first[0].startswith("news-")
    for text in ("two", "three"):
        node.api.publish("news", text=text)
    assert [data for _, _, data in events(node, "channel=news", first[0], until_data="four")] == ["two", "three", "four"]
    # Of another channel nobody knows how far it was: that is said, and so it is for a past that is none.
    found = events(node, "channel=news&channel=other", first[0], until_data="five")
    assert ("lost", '{"channel":"other"}') in [(event, data) for _, event, data in found]
    assert [data for _, event, data in found if event == "message"] == ["two", "three", "four", "five"]
    for strange in ("news-1.1", "nonsense", "news-zz.1"):
        found = events(node, "channel=news", strange, until_data="six")
        assert [(event, data) for _, event, data in found] == [("lost", '{"channel":"news"}'), ("message", "six")]


# -- Redis fails


class Stream:
    """Publishes numbers, one after the other, and notes which were taken."""

    def __init__(self, node: Node, channel: str) -> None:
        self.taken: list[tuple[str, int]] = []
        self._node, self._channel = node, channel
        self._number = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._number += 1
            answer = self._node.api.post_publication({"channel": self._channel, "data": self._number})
            if answer.status_code == 200:
                self.taken.append((answer.json()["positions"][self._channel], self._number))

    def stop(self) -> list[tuple[str, int]]:
        self._ended.set()
        self._thread.join(20)
        return self.taken


@pytest.fixture
def two(start_node: Any, tmp_path: Path) -> Iterator[tuple[RedisServer, Node, Node]]:
    server = RedisServer(tmp_path).start()
    one, other = (start_node(name, redis_url=server.url, channels=RULES_LONG) for name in ("one", "two"))
    yield server, one, other
    server.stop()


RULES_LONG = [{**RULES[0], "history": {"size": 10_000, "ttl": "10m"}}]


@pytest.mark.parametrize("kill", [["TYPE", "pubsub"], ["USER", "carillon"]], ids=["subscriptions", "everything"])
def test_killed_connections_are_healed_unnoticed(two: tuple[RedisServer, Node, Node], kill: list[str]) -> None:
    server, one, other = two
    client = Client(other)
    client.subscribe("news")
    stream = Stream(one, "news")
    for _ in range(5):
        before = len(stream.taken)
        until(lambda: len(stream.taken) > before + 50, "some more")
        server.client().execute_command("CLIENT", "KILL", *kill)
        # Again while they come back.
        until(lambda: server.client().execute_command("CLIENT", "KILL", *kill) > 0, "somebody is there", 10)
        until(lambda: one.api.readiness() == 200 and other.api.readiness() == 200, "linked again", 20)
    taken = stream.stop()
    until(lambda: client.publications and client.publications[-1][1] == taken[-1][1], "the last one", 20)
    offsets = [offset for offset, _ in client.publications]
    assert offsets == list(range(1, len(offsets) + 1)), "a hole, or a repetition"
    received = [data for _, data in client.publications]
    assert set(number for _, number in taken) <= set(received)
    assert client.closed is None and not client.unsubscribed
    assert "healed within" in other.output(), "the operator is told what was healed, and how long it took"
    client.close()


def test_a_restart_that_forgets_is_announced(two: tuple[RedisServer, Node, Node]) -> None:
    server, one, other = two
    clients = [Client(node) for node in (one, other)]
    begun = [client.subscribe("news") for client in clients]
    publish(one, "news", 1, 2, 3)
    until(lambda: all(len(client.publications) == 3 for client in clients), "three each")
    server.kill()
    server.start()
    until(lambda: all(client.unsubscribed for client in clients), "they are told", 15)
    assert [client.unsubscribed for client in clients] == [[("news", 2500)]] * 2
    for client, before in zip(clients, begun, strict=True):
        again = client.subscribe("news", recover=True, epoch=before["epoch"], offset=3)
        assert again["was_recovering"] and "recovered" not in again and again["epoch"] != before["epoch"]
    publish(one, "news", 4)
    until(lambda: all(client.publications[-1] == (1, 4) for client in clients), "it goes on")
    for client in clients:
        client.close()


def test_an_epoch_that_nobody_knows_any_more_is_a_loss_for_all(two: tuple[RedisServer, Node, Node]) -> None:
    """It began and ended on a master that is gone. Whoever came to the channel at the next one saw nothing of it, and what was
    acknowledged meanwhile at the one that is gone is lost to them too."""
    server, one, other = two
    publish(one, "news", 1, 2)
    keys = [key("m", "news"), key("h", "news")]
    behind = [server.client().dump(name) for name in keys]
    # A new epoch begins, and one node knows it.
    server.client().hset(key("m", "news"), "r", "another")
    client = Client(one)
    client.subscribe("news")
    publish(one, "news", 3, 4)
    until(lambda: client.publications == [(3, 3), (4, 4)], "it has both")
    # The next master was behind; the other node is there already, and its client begins with what that one has.
    for name, value in zip(keys, behind, strict=True):
        server.client().restore(name, 0, value, replace=True)
    newcomer = Client(other)
    assert newcomer.subscribe("news")["offset"] == 2
    until(lambda: client.unsubscribed == newcomer.unsubscribed == [("news", 2500)], "both are told", 15)
    for one_of_them in (client, newcomer):
        again = one_of_them.subscribe("news")
        publish(other, "news", 5)
        until(lambda one_of_them=one_of_them, again=again: (offset(again["offset"]) + 1, 5) in one_of_them.publications, "it goes on")
        assert len(one_of_them.unsubscribed) == 1
        one_of_them.close()


def test_a_restart_from_a_snapshot_begins_a_new_epoch(two: tuple[RedisServer, Node, Node]) -> None:
    """(epoch, offset) would name two publications otherwise: what was given after the snapshot is given again."""
    server, one, other = two
    clients = [Client(node) for node in (one, other)]
    for client in clients:
        client.subscribe("news")
    quiet = Client(one)
    quiet_begun = quiet.subscribe("quiet")
    before = publish(one, "news", *range(1, 6))
    publish(one, "quiet", 1)
    server.client().save()
    lost = publish(one, "news", *range(6, 9))
    until(lambda: all(len(client.publications) == 8 for client in clients), "all eight")
    server.kill()
    server.start()
    until(lambda: all(client.unsubscribed == [("news", 2500)] for client in clients), "they are told", 15)
    until(one.api.is_ready, "linked")
    after = publish(one, "news", *range(16, 19))
    assert not {position for position in before + lost} & set(after)
    assert [position.split(":")[1] for position in after] == ["6", "7", "8"]
    # Who saw nothing that is lost notices nothing, and goes on from where it was, across the epochs.
    assert not quiet.unsubscribed
    publish(one, "quiet", 2)
    until(lambda: [data for _, data in quiet.publications] == [1, 2], "it goes on")
    assert not quiet.unsubscribed
    again = Client(other).subscribe("quiet", recover=True, epoch=quiet_begun["epoch"], offset=1)
    assert again["recovered"] and [p["data"] for p in again["publications"]] == [2]
    for client in [*clients, quiet]:
        client.close()


def test_many_come_back_with_one_read(node: Node) -> None:
    positions = publish(node, "news", *range(1, 51))
    epoch = positions[0].split(":")[0]
    first = Client(node)
    first.subscribe("news")
    reads = lambda: int(next(line.split()[1].split(".")[0] for line in node.api.metrics().splitlines() if line.startswith("carillon_history_reads_total ")))  # noqa: E731
    before = reads()
    clients = [Client(node) for _ in range(30)]
    for client in clients:
        answer = client.subscribe("news", recover=True, epoch=epoch, offset=50)
        assert answer["recovered"]
    publish(node, "news", *range(51, 61))
    until(lambda: len(first.publications) == 10, "ten")
    more = [Client(node) for _ in range(30)]
    for client in more:
        answer = client.subscribe("news", recover=True, epoch=epoch, offset=52)
        assert answer["recovered"] and [p["data"] for p in answer["publications"]] == list(range(53, 61))
    # Only the regular comparison of where the channel stands.
    assert reads() - before <= 15
    for client in [first, *clients, *more]:
        client.close()


# -- cache channels


def test_the_newest_greets_whoever_comes_to_a_cache_channel(start_node: Any, redis_server: RedisServer) -> None:
    rules = [{"match": "*", "publish": "client", "cache": True, "history": {"size": 10, "ttl": "1h"}}]
    nodes = [start_node(name, redis_url=redis_server.url, channels=rules) for name in "ab"]
    early = Client(nodes[0])
    assert "publications" not in early.subscribe("price"), "there is nothing yet"
    publish(nodes[0], "price", 1, 2)
    for newest, node in zip((3, 5), nodes):
        (position,) = publish(nodes[0], "price", newest)
        # On the second node nobody has been there before: it is read from Redis.
        client = Client(node)
        result = client.subscribe("price")
        assert [one["data"] for one in result["publications"]] == [newest] and result["offset"] == newest
        raw = websockets.sync.client.connect(f"ws://{node.client}/raw?channel=price", ping_interval=None)
        assert raw.recv(timeout=5) == str(newest)
        stream = requests.get(f"http://{node.client}/sse?channel=price", stream=True, timeout=5)
        lines = (line for line in stream.iter_lines(chunk_size=1, decode_unicode=True) if line[:3] in ("id:", "dat"))
        assert [next(lines), next(lines)] == [f"id: price-{int(position.split(':')[0], 16):x}.{newest}", f"data: {newest}"]
        publish(nodes[0], "price", newest + 1)
        assert raw.recv(timeout=5) == str(newest + 1)
        until(lambda client=client, newest=newest: client.publications == [(newest + 1, newest + 1)], "what follows")
        knowing = Client(node)
        known = knowing.subscribe("price", recover=True, epoch=result["epoch"], offset=newest + 1)
        assert known["recovered"] and known["publications"] == [] and known["offset"] == newest + 1
        forgetful = Client(node)
        greeted = forgetful.subscribe("price", recover=True, epoch="", offset=1)
        assert greeted["recovered"] and [one["data"] for one in greeted["publications"]] == [newest + 1]
        raw.close()
        stream.close()
        for one in (client, knowing, forgetful):
            one.close()
    early.close()


# -- channels that a token gives


def given(node: Node, **connect: Any) -> Client:
    secret = "s" * 40
    token = jwt.encode({"sub": "ann", "exp": int(time.time()) + 300, "channels": ["news", "plain:a"]}, secret, algorithm="HS256")
    return Client(node, token, **connect)


GIVEN = {
    "auth": {"keys": [{"secret": "s" * 40}]},
    "channels": [{"match": "plain:*"}, {"match": "*", "history": {"size": 20, "ttl": "10m"}}],
}


def test_a_channel_that_a_token_gives_is_recovered_with_connect(start_node: Any, redis_server: RedisServer) -> None:
    node = start_node(redis_url=redis_server.url, **GIVEN)
    positions = publish(node, "news", 1, 2, 3)
    first = given(node)
    begun = first.connected["subs"]
    assert begun == {"news": {"recoverable": True, "positioned": True, "epoch": positions[0].split(":")[0], "offset": 3}, "plain:a": {}}
    first.close()
    publish(node, "news", 4, 5)
    known = {"news": {"recover": True, "epoch": begun["news"]["epoch"], "offset": 3}, "plain:a": {"recover": True, "offset": 7}}
    back = given(node, subs=known)
    news = back.connected["subs"]["news"]
    assert news["recovered"] and news["was_recovering"] and news["offset"] == 3
    assert [one["data"] for one in news["publications"]] == [4, 5]
    publish(node, "news", 6)
    until(lambda: back.publications == [(6, 6)], "what follows")
    back.close()
    publish(node, "news", *range(7, 40))
    late = given(node, subs=known)
    assert "recovered" not in late.connected["subs"]["news"] and late.connected["subs"]["news"]["offset"] == 39
    # What is lost is said: it cannot subscribe again by itself, so it has to reconnect.
    redis_server.client().flushall()
    publish(node, "news", 1)
    until(lambda: late.closed is not None, "it is told")
    assert "3010" in (late.closed or "")


def test_nothing_is_missed_while_a_client_connects(start_node: Any, redis_server: RedisServer) -> None:
    node = start_node(redis_url=redis_server.url, **GIVEN)
    stop = threading.Event()
    sent: list[int] = []

    def publish_on() -> None:
        while not stop.is_set():
            sent.append(len(sent) + 1)
            publish(node, "news", sent[-1])

    publisher = threading.Thread(target=publish_on)
    publisher.start()
    try:
        for _ in range(30):
            client = given(node)
            place = client.connected["subs"]["news"]
            until(lambda client=client: len(client.publications) >= 3, "some publications")
            client.close()
            offsets = [offset for offset, _ in client.publications]
            assert offsets == list(range(place.get("offset", 0) + 1, place.get("offset", 0) + 1 + len(offsets)))
    finally:
        stop.set()
        publisher.join()
