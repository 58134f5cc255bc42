"""What is kept outlives Redis' process, and only for its time: nobody is told of a loss that is none, nobody gets what is over."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rig.centrifuge_wire import CentrifugeWire, offset
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until

RULES = [
    {"match": "short:*", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "4s"}},
    {"match": "cache:*", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "4s"}},
    {"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "10m"}},
]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that loses nothing."""
    server = RedisServer(tmp_path, arguments=["--appendonly", "yes", "--appendfsync", "always"])
    yield server.start()
    assert not server.denied()
    server.stop()


def restart(server: RedisServer, *nodes: Node) -> None:
    server.kill()
    for node in nodes:
        until(lambda node=node: node.api.readiness() == 503, "it is isolated", 15)
    server.start()
    for node in nodes:
        until(node.api.is_ready, "it is linked again", 15)


def test_nobody_is_told_of_a_loss_after_restarts_that_lost_nothing(start_node: Any, kept: RedisServer) -> None:
    one, two = (start_node(name, redis_url=kept.url, channels=RULES) for name in ("one", "two"))
    channels = ["news", "late"]
    clients: list[tuple[CentrifugeWire, str, str]] = []

    def subscribe(node: Node) -> None:
        for channel in channels:
            client = CentrifugeWire(node)
            answers: list[dict[str, Any]] = []

            def is_subscribed(client: CentrifugeWire = client, channel: str = channel) -> bool:
                answers.append(client.subscribe(channel))
                # On a busy machine the link may just have been lost again. SDKs try again after a temporary error.
                assert "epoch" in answers[-1] or answers[-1]["error"].get("temporary"), answers[-1]
                return "epoch" in answers[-1]

            until(is_subscribed, f"it is subscribed to {channel}", 15)
            clients.append((client, channel, answers[-1]["epoch"]))

    def published(channel: str, number: int) -> None:
        (one, two)[number % 2].api.publish(channel, data=number)
        for client, its, _ in clients:
            if its == channel:
                until(lambda client=client: client.publications[-1:] and client.publications[-1][1] == number, f"{channel}: {number}")

    for node in (one, two):
        subscribe(node)
    published("news", 1)
    published("news", 2)
    # Of a later channel nothing is published before the first restart.
    for round in range(3):
        restart(kept, one, two)
        for node in (one, two):
            subscribe(node)
        published("news", 10 * round + 11)
        published("late", 10 * round + 12)
    # All go, miss something, and come back, to the other node too, each with the epoch of its subscription.
    for client, _, _ in clients:
        client.drop()
    for channel in channels:
        one.api.publish(channel, data=99)
    false = []
    for number, (client, channel, epoch) in enumerate(clients):
        again = CentrifugeWire((one, two)[number // 2 % 2])
        answer = again.subscribe(channel, recover=True, epoch=epoch, offset=client.last)
        if not answer.get("recovered"):
            false.append((channel, epoch, client.last, answer))
        else:
            assert [one["data"] for one in answer["publications"]] == [99]
            # From there it goes on, and comes back once more.
            last = answer["publications"][-1]["offset"]
            assert offset(last) == client.publications[-1][0] + 1
            again.drop()
            once_more = CentrifugeWire((one, two)[number % 2])
            answer = once_more.subscribe(channel, recover=True, epoch=answer["epoch"], offset=last)
            assert answer["recovered"] and not answer["publications"]
            once_more.close()
    assert not false, f"{len(false)} of {len(clients)} were told of a loss: {false}"
    for node in (one, two):
        assert node.api.metric("unrecovered_total") == 0
        node.stop()


def test_a_lost_end_is_told_to_those_who_saw_it(start_node: Any, tmp_path: Path) -> None:
    """The same, but Redis comes back as it was before: those who saw what it lost are told, and those who did not are not."""
    server = RedisServer(tmp_path, arguments=["--appendonly", "yes", "--appendfsync", "always"]).start()
    node = start_node(redis_url=server.url, channels=RULES)
    stayed, left = CentrifugeWire(node), CentrifugeWire(node)
    epoch = stayed.subscribe("news")["epoch"]
    assert left.subscribe("news")["epoch"] == epoch
    node.api.publish("news", data=1)
    until(lambda: stayed.last and left.last, "both have it")
    left.drop()
    length = sum(file.stat().st_size for file in tmp_path.glob("appendonlydir/*.incr.aof"))
    node.api.publish("news", data=2)
    until(lambda: len(stayed.publications) == 2, "one has the second")
    stayed.drop()
    node.stop()
    server.kill()
    (file,) = tmp_path.glob("appendonlydir/*.incr.aof")
    file.write_bytes(file.read_bytes()[:length])
    server.start()
    node = start_node("other", redis_url=server.url, channels=RULES)
    for number in (3, 4, 5):
        node.api.publish("news", data=number)
    again = CentrifugeWire(node)
    answer = again.subscribe("news", recover=True, epoch=epoch, offset=stayed.last)
    assert not answer.get("recovered"), "the second one is not the second one any more"
    other = CentrifugeWire(node)
    answer = other.subscribe("news", recover=True, epoch=epoch, offset=left.last)
    assert answer["recovered"] and [one["data"] for one in answer["publications"]] == [3, 4, 5]
    node.stop()
    server.stop()


@pytest.fixture(params=["memory", "redis"])
def node(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[Node]:
    if request.param == "memory":
        yield start_node(channels=RULES)
        return
    server = RedisServer(tmp_path).start()
    yield start_node(redis_url=server.url, channels=RULES)
    assert not server.denied(), server.denied()
    server.stop()


def test_history_backwards_from_the_beginning_is_an_empty_page(node: Node) -> None:
    for number in range(3):
        node.api.publish("news", data=number)
    client = CentrifugeWire(node)
    epoch = client.subscribe("news")["epoch"]
    answer = client.command("history", channel="news", limit=10, reverse=True, since={"epoch": epoch, "offset": 0})
    assert "error" not in answer and answer["publications"] == [] and answer["offset"] == 3
    page = node.api.get("/api/v1/channels/news/history", since=f"{epoch}:0", reverse="true")
    assert page["publications"] == [] and page["continuous"]
    client.close()


@pytest.mark.parametrize("reverse", [False, True])
def test_since_without_an_epoch_is_any_epoch(node: Node, reverse: bool) -> None:
    for number in range(1, 6):
        node.api.publish("news", data=number)
    client = CentrifugeWire(node)
    client.subscribe("news")
    expected = [1] if reverse else [3, 4, 5]
    for since in ({"offset": 2}, {"offset": 2, "epoch": ""}):
        answer = client.command("history", channel="news", limit=10, reverse=reverse, since=since)
        assert "error" not in answer, answer
        assert [json.loads(json.dumps(one["data"])) for one in answer["publications"]] == expected
    # As recovery takes it.
    other = CentrifugeWire(node)
    assert [one["data"] for one in other.subscribe("news", recover=True, offset=2)["publications"]] == [3, 4, 5]
    # What was never there is still no position.
    assert client.command("history", channel="news", limit=10, since={"offset": 6})["error"]["code"] == 112
    assert client.command("history", channel="news", limit=10, since={"offset": 2, "epoch": "0123456789abcdef"})["error"]["code"] == 112
    client.close()
    other.close()


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_nothing_is_handed_out_past_its_time(start_node: Any, tmp_path: Path, kind: str) -> None:
    server = RedisServer(tmp_path).start() if kind == "redis" else None
    node = start_node(redis_url=server.url if server else None, channels=RULES)
    for number in range(1, 4):
        node.api.publish("short:a", data=number)
    published = time.monotonic()
    # Somebody comes late, and what came lately is read for those who come back.
    time.sleep(2.5)
    first = CentrifugeWire(node)
    answer = first.subscribe("short:a", recover=True, offset=1)
    assert answer["recovered"] and [one["data"] for one in answer["publications"]] == [2, 3]
    until(lambda: time.monotonic() > published + 4.2, "the time is over")
    second = CentrifugeWire(node)
    answer = second.subscribe("short:a", recover=True, offset=1)
    assert not answer.get("recovered") and not answer.get("publications"), answer
    # A newer one is handed out, and those before it are over.
    node.api.publish("short:a", data=4)
    third = CentrifugeWire(node)
    answer = third.subscribe("short:a", recover=True, offset=3)
    assert answer["recovered"] and [one["data"] for one in answer["publications"]] == [4]
    fourth = CentrifugeWire(node)
    answer = fourth.subscribe("short:a", recover=True, offset=1)
    assert not answer.get("recovered") and not answer.get("publications"), answer
    for client in (first, second, third, fourth):
        client.close()
    node.stop()
    if server:
        server.stop()


def test_a_publication_says_the_epoch_that_begins_with_it(start_node: Any, kept: RedisServer) -> None:
    """So that SDKs that know the field come back with the epoch of what they have, and not with that of their subscription."""
    node: Node = start_node(redis_url=kept.url, channels=RULES)
    client = CentrifugeWire(node)
    client.subscribe("news")
    publications: list[dict[str, Any]] = []
    take = client._take

    def taken(message: dict[str, Any]) -> None:
        if "pub" in message.get("push", {}):
            publications.append(message["push"]["pub"])
        take(message)

    client._take = taken  # type: ignore[method-assign]
    for number in range(2):
        node.api.publish("news", data=number)
    restart(kept, node)
    for number in range(2, 4):
        node.api.publish("news", data=number)
    until(lambda: len(publications) == 4, "all of them arrive")
    first, second, third, fourth = (publication.get("epoch") for publication in publications)
    assert first and third and first != third and second is None and fourth is None
    assert all(publication["time"] > 0 for publication in publications)
    node.api.publish("news", data=4)
    until(lambda: len(publications) == 5, "it arrives")
    again = CentrifugeWire(node)
    back = again.subscribe("news", recover=True, epoch=third, offset=publications[2]["offset"])
    assert back["recovered"] and [each["data"] for each in back["publications"]] == [3, 4]
    for each in (client, again):
        each.close()
