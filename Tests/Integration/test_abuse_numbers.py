"""Depths and numbers that others choose: no message of a client and none in Redis may end the process, and what a page of
the cluster says stays a number."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from rig.footprint import NOISE, Footprint, counter
from rig.forgery import EXTREMES, LARGEST, SPELLED, answer, beat, nested, question, read_question, summary
from rig.node import CARILLON, Node
from rig.receivers import WebsocketsClient
from rig.redis_keys import key
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire, frame

DEEP = 90_000
#: One message each, before anybody is authenticated.
DEEP_MESSAGES = {
    "subs in subs": b'{"id":1,"connect":' + nested('{"subs":{"":', DEEP),
    "subs in subs, closed": b'{"id":1,"connect":' + nested('{"subs":{"":', DEEP, "}}") + b"}",
    "objects": b'{"id":1,"connect":' + nested('{"a":', DEEP, "}") + b"}",
    "data": b'{"id":1,"connect":{"data":' + nested("[", DEEP, "]") + b"}}",
    "both": b'{"id":1,"connect":{"x":' + nested('[{"":', DEEP, "}]") + b"}}",
    "since": b'{"id":1,"connect":' + nested('{"since":', DEEP, "}") + b"}",
    "arrays": nested("[", DEEP),
}


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Any]:
    """A node under another limit of the stack (`ulimit -s`)."""
    started: list[Node] = []

    def start(stack: str) -> Node:
        script = tmp_path / f"carillon-{stack}"
        script.write_text(f'#!/bin/sh\nulimit -s {stack} && exec {CARILLON} "$@"\n')
        script.chmod(0o755)
        node = Node(f"stack-{stack}", tmp_path, limits={"message_bytes": 256 << 10}, auth={"required": True, "keys": [{"secret": "s" * 40}]})
        node.program = script
        started.append(node)
        return node.start()

    yield start
    for node in started:
        node.stop()


@pytest.mark.parametrize("stack", ["8192", "1024", "unlimited"])
def test_no_depth_of_a_message_ends_a_node(limited: Any, stack: str) -> None:
    node = limited(stack)
    for name, message in DEEP_MESSAGES.items():
        with Wire(node.client_port) as wire:
            code, _ = wire.open("/connection/websocket").send(frame(message)).read_close()
            assert code == 3501, name
        assert node.is_running, name
    body = b'{"channel":"news","data":' + nested("[", DEEP, "]") + b"}"
    response = node.api.request("POST", "/api/v1/publish", data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400 and node.is_running


def test_reactors_have_stacks_of_their_own_size(limited: Any) -> None:
    """2 MiB and a guard page, whatever the limit is."""
    for stack in ("512", "65536"):
        node = limited(stack)
        sizes = [
            int(line.split()[0].split("-")[1], 16) - int(line.split()[0].split("-")[0], 16)
            for line in Path(f"/proc/{node.pid}/maps").read_text().splitlines()
            if line.split()[1] == "rw-p"
        ]
        assert sizes.count(2 << 20) >= 1, f"ulimit -s {stack}: {sorted(sizes)[-12:]}"


# -- What Redis brings


@pytest.fixture
def pair(start_node: Any, redis_server: RedisServer) -> tuple[Node, Node, redis.Redis]:
    one = start_node("one", redis_url=redis_server.url)
    two = start_node("two", redis_url=redis_server.url)
    until(lambda: one.api.node_names() == two.api.node_names() == {"one", "two"}, "they know each other")
    return one, two, redis_server.client()


def numbers(value: Any) -> Iterator[float]:
    """All numbers in an answer."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def test_numbers_in_beats_stay_numbers(pair: tuple[Node, Node, redis.Redis]) -> None:
    one, two, publisher = pair
    for index, text in enumerate(EXTREMES + SPELLED):
        # Twice, so that they are added up.
        for node in (0xF1, 0xF2):
            publisher.publish("carillon:beat", beat(node, summary(text), name=f"forged-{node:x}"))
        marker = f"marker-{index}"
        publisher.publish("carillon:beat", beat(0xF3, b'{"sessions":3}', name=marker))
        for node in (one, two):
            until(lambda node=node: marker in node.api.node_names(), f"the beats are heard: {text}")
            report = node.api.cluster()
            assert all(0 <= number <= LARGEST for number in numbers(report)), (text, report)
            assert one.is_running and two.is_running, text
    assert "carillon_nodes" in one.api.metrics()
    # Those that are right are believed, and added up without an overflow.
    for node in (0xF1, 0xF2):
        publisher.publish("carillon:beat", beat(node, summary("9223372036854775807"), name=f"forged-{node:x}"))
    until(lambda: one.api.cluster()["sessions"] == LARGEST, "the sum stops at the largest number")
    assert one.command("cluster").returncode == 0


@pytest.mark.parametrize(
    "bad",
    [b"not JSON", b"{", b"\xff\xfe", nested("[", 8000), nested("[", 8000, "]"), b"[" + b"1," * 10_000 + b"1]", b'{"a":"' + b"x" * (1 << 20) + b'"}'],
    ids=["text", "cut", "no UTF-8", "deep", "deep and closed", "many", "large"])  # fmt: skip
def test_what_is_no_summary_is_no_beat(pair: tuple[Node, Node, redis.Redis], bad: bytes) -> None:
    one, _, publisher = pair
    before = counter(one, "link_bad_messages_total")
    publisher.publish("carillon:beat", beat(0xF1, bad))
    until(lambda: counter(one, "link_bad_messages_total") == before + 1, "it is counted as bad")
    assert one.api.node_names() == {"one", "two"}


def test_many_forged_nodes_cost_bounded_memory(pair: tuple[Node, Node, redis.Redis]) -> None:
    one, _, publisher = pair
    footprint = Footprint(one)
    large = b'{"a":"' + b"x" * 8000 + b'"}'
    for start in range(0, 12_000, 500):
        pipeline = publisher.pipeline(transaction=False)
        for number in range(start, start + 500):
            pipeline.publish("carillon:beat", beat(1000 + number, large, name=f"n{number}"))
        pipeline.execute()
    until(lambda: one.api.metric("nodes") >= 9000, "they are believed to be nodes", 20)
    print(f"12,000 forged nodes with 8 kB each: +{footprint.peak >> 20} MiB")
    # 16 MiB of summaries, and 10,000 records; the link's buffers besides.
    assert footprint.peak < (64 << 20) + NOISE
    assert one.is_running


def test_beats_are_believed_on_their_channel_only(pair: tuple[Node, Node, redis.Redis]) -> None:
    one, two, publisher = pair
    subscriber = WebsocketsClient(one.client, "news")
    before = counter(one, "link_bad_messages_total")
    for channel in (key("c", "news"), f"carillon:node:{one.id}"):
        publisher.publish(channel, beat(0xF1, b"{}"))
    publisher.publish(key("c", "news"), answer(1, int(two.id, 16), {"closed": {"_0": True}}))
    publisher.publish("carillon:beat", answer(1, int(two.id, 16), {"closed": {"_0": True}}))
    publisher.publish(key("c", "news"), question(1, int(two.id, 16), {"drain": {}}))
    until(lambda: counter(one, "link_bad_messages_total") == before + 5, "all are counted as bad")
    subscriber.close()
    assert one.api.node_names() == {"one", "two"}


# -- Forged answers


def test_answers_cannot_be_guessed(pair: tuple[Node, Node, redis.Redis]) -> None:
    """A node that does not answer, and somebody who answers in its name whatever is asked."""
    one, two, publisher = pair
    for _ in range(3):
        one.api.connections()
    two.pause()
    ended = threading.Event()

    def forge() -> None:
        entry = {
            "id": f"{two.id}-0000000000000001-{1:032x}", "node": two.id, "dialect": "forged", "remote": "nowhere", "channels": [],
            "more_channels": 0, "age_seconds": 0, "messages_in": 0, "bytes_in": 0, "bytes_out": 0, "backlog_bytes": 0,
        }  # fmt: skip
        while not ended.is_set():
            pipeline = publisher.pipeline(transaction=False)
            for number in range(200):
                pipeline.publish(f"carillon:node:{one.id}", answer(number, int(two.id, 16), {"connections": {"_0": [entry]}}))
            pipeline.execute()

    thread = threading.Thread(target=forge)
    thread.start()
    try:
        page = one.api.get("/api/v1/connections")
    finally:
        ended.set()
        thread.join()
        two.resume()
    assert page["nodes"] == {"asked": 2, "answered": 1, "missing": [two.name]} and page["connections"] == []
    assert counter(one, "cluster_answers_ignored_total") > 100


class FalseNode:
    """Somebody who says to be a node, and is asked like one."""

    def __init__(self, server: RedisServer, number: int) -> None:
        self.number = number
        self.client = server.client()
        self._listener = server.client().pubsub(ignore_subscribe_messages=True)
        self._listener.subscribe(f"carillon:node:{number:016x}", "carillon:beat")
        #: What it says to everything it is asked.
        self.says: bytes = b"{}"
        self.asked = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        said = float("-inf")
        while not self._ended.is_set():
            if time.monotonic() - said > 1:
                self.client.publish("carillon:beat", beat(self.number, summary("1"), name=f"false-{self.number:x}"))
                said = time.monotonic()
            message = self._listener.get_message(timeout=0.05)
            if not message or not (asked := read_question(message["data"])):
                continue
            self.asked += 1
            identity, node, _ = asked
            self.client.publish(f"carillon:node:{node:016x}", answer(identity, self.number, self.says))
            if len(self.says) > 1 << 20:
                # Redis gives up subscribers for which more than 32 MB wait.
                continue
            # A second time, and from somebody who was not asked.
            self.client.publish(f"carillon:node:{node:016x}", answer(identity, self.number, self.says))
            self.client.publish(f"carillon:node:{node:016x}", answer(identity, 0xABCDEF, self.says))

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture
def false_nodes(redis_server: RedisServer) -> Iterator[list[FalseNode]]:
    started = [FalseNode(redis_server, number) for number in (0xF1, 0xF2)]
    yield started
    for one in started:
        one.stop()


def test_numbers_in_answers_stay_numbers(start_node: Any, redis_server: RedisServer, false_nodes: list[FalseNode]) -> None:
    node = start_node("one", redis_url=redis_server.url)
    until(lambda: node.api.node_names() == {"one", "false-f1", "false-f2"}, "it knows the false nodes")

    def say(text: str) -> None:
        for one in false_nodes:
            one.says = text.encode()

    largest_seen = 0
    for number in EXTREMES + SPELLED:
        say(f'{{"channel":{{"subscribers":{number},"dropped":{number}}}}}')
        report = node.api.get("/api/v1/channels/news")
        assert report["nodes"]["asked"] == 3 and all(0 <= value <= LARGEST for value in numbers(report)), (number, report)
        largest_seen = max(largest_seen, report["subscribers"])
        say(f'{{"channels":{{"_0":[{{"name":"news","subscribers":{number},"on_nodes":{number}}}]}}}}')
        page = node.api.get("/api/v1/channels")
        assert all(0 <= value <= LARGEST for value in numbers(page)), (number, page)
        say(f'{{"closed_user":{{"sessions":{number}}}}}')
        closed = node.api.request("POST", "/api/v1/users/ann/close").json()
        assert 0 <= closed["closed"] <= LARGEST, (number, closed)
    assert largest_seen == LARGEST
    # Rows of connections: each false node speaks for its own only.
    row = '{{"id":"{0}-0000000000000001-{1:032x}","node":"{0}","dialect":"raw","remote":"x","channels":[],"more_channels":{2},"age_seconds":{2},"messages_in":{2},"bytes_in":{2},"bytes_out":{2},"backlog_bytes":{2}}}'
    for number in EXTREMES:
        for one in false_nodes:
            one.says = f'{{"connections":{{"_0":[{row.format(f"{one.number:016x}", 1, number)},{row.format(node.id, 2, number)}]}}}}'.encode()
        for order in ("id", "backlog"):
            page = node.api.get("/api/v1/connections", sort=order)
            assert all(0 <= value <= LARGEST for value in numbers(page)), (number, page)
            assert node.id not in {entry["id"].split("-")[0] for entry in page["connections"]}
    # What is no answer is none, and says so.
    for bad in (b"", b"[]", b"null", nested('{"channel":', DEEP, "}"), nested("[", DEEP), b"\xff", b'{"channel":{"subscribers":1,"dropped":1},"closed":{"_0":true}}'):
        for one in false_nodes:
            one.says = bad
        counted = node.api.get("/api/v1/channels/news")["nodes"]
        assert (counted["asked"], counted["answered"], len(counted["missing"])) == (3, 1, 2), (bad, counted)
    assert node.is_running and node.api.is_ready()


def test_more_rows_than_asked_for_are_not_taken(start_node: Any, redis_server: RedisServer, false_nodes: list[FalseNode]) -> None:
    node = start_node("one", redis_url=redis_server.url)
    until(lambda: node.api.node_names() == {"one", "false-f1", "false-f2"}, "it knows the false nodes")
    footprint = Footprint(node)
    channels = [{"name": f"forged:{number:06}", "subscribers": 1, "on_nodes": 1} for number in range(20_000)]
    for one in false_nodes:
        one.says = json.dumps({"channels": {"_0": channels}}).encode()
    page = node.api.get("/api/v1/channels", limit=10)
    assert len(page["channels"]) == 10 and page["channels"][0] == {"name": "forged:000000", "subscribers": 2, "nodes": 2, "on_nodes": 2}
    # Too large for an answer: refused before it is looked into.
    before = counter(node, "link_bad_messages_total")
    false_nodes[0].says = b'{"channels":{"_0":[' + b" " * (17 << 20) + b"]}}"
    assert node.api.get("/api/v1/channels", limit=10)["nodes"]["answered"] == 2
    until(lambda: counter(node, "link_bad_messages_total") > before, "it is counted as bad")
    print(f"answers of 1 MB and of 17 MiB: +{footprint.peak >> 20} MiB")
    assert node.is_running


# -- Forged questions


def test_nobody_makes_all_nodes_leave_by_one_message(pair: tuple[Node, Node, redis.Redis]) -> None:
    one, two, publisher = pair
    for node in (int(two.id, 16), 0xF1):
        publisher.publish("carillon:beat", question(7, node, {"drain": {}}))
    # Questions are answered in their order: when this one is, the others were looked at.
    assert one.api.get("/api/v1/channels/news")["nodes"] == {"asked": 2, "answered": 2}
    assert one.api.is_ready() and two.api.is_ready()


def test_questions_of_strangers_are_few(pair: tuple[Node, Node, redis.Redis]) -> None:
    one, _, publisher = pair
    listener = publisher.pubsub()
    listener.subscribe("carillon:node:00000000000000f1")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    before = counter(one, "cluster_questions_refused_total")
    body = {"connections": {"_0": {"sort": "backlog", "limit": 1000}}}
    for _ in range(10):
        pipeline = publisher.pipeline(transaction=False)
        for number in range(500):
            pipeline.publish(f"carillon:node:{one.id}", question(number, 0xF1, body))
        pipeline.execute()
    refused = until(lambda: (lambda count: count if count > 4500 else 0)(counter(one, "cluster_questions_refused_total") - before), "they are counted")
    answers = 0
    while listener.get_message(timeout=1):
        answers += 1
    print(f"5000 questions of a stranger: {refused} refused, {answers} answered")
    # 10 in a second, and it took a few.
    assert 0 < answers <= 5000 - refused <= 200
    assert one.is_running


def test_a_known_node_that_floods_with_questions_is_answered_in_turn(pair: tuple[Node, Node, redis.Redis]) -> None:
    one, two, publisher = pair
    before = counter(one, "cluster_questions_refused_total")
    body = {"connections": {"_0": {"sort": "backlog", "limit": 1000}}}
    pipeline = publisher.pipeline(transaction=False)
    for number in range(5000):
        pipeline.publish(f"carillon:node:{one.id}", question(number, int(two.id, 16), body))
    pipeline.execute()
    until(lambda: counter(one, "cluster_questions_refused_total") > before, "more than may wait are refused")
    assert one.api.get("/api/v1/connections")["nodes"] == {"asked": 2, "answered": 2}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", nested("[", DEEP), nested('{"channels":', DEEP, "}"), b"{" * 100, b'{"close":{"connection":"x","code":0,"reason":"r"}}',
                                  b'{"channels":{"prefix":"","limit":9223372036854775807}}', b'{"channels":{"prefix":"","limit":-1}}', b'{"channels":{"prefix":"","limit":1e400}}',
                                  b'{"connections":{"_0":{"sort":"backlog","limit":-9223372036854775808,"cursor":{"backlog":-1,"id":""}}}}',
                                  b'{"connections":{"_0":{"sort":"backlog","limit":9,"cursor":{"backlog":18446744073709551615,"id":"x"}}}}'])  # fmt: skip
def test_what_is_no_question_ends_nothing(pair: tuple[Node, Node, redis.Redis], body: bytes) -> None:
    one, two, publisher = pair
    publisher.publish(f"carillon:node:{one.id}", question(1, int(two.id, 16), body))
    publisher.publish("carillon:beat", question(1, int(two.id, 16), body))
    assert one.api.get("/api/v1/channels/news")["nodes"]["answered"] == 2
    assert one.is_running


# -- The end of a node that crashes


@pytest.mark.parametrize("setting", [None, "enable=yes", "enable=yes,threads=all,symbolicate=full"])
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT])
def test_a_crash_ends_a_node_at_once(tmp_path: Path, setting: str | None, number: int) -> None:
    """Whatever Swift's runtime is told to do about crashes: sockets of a process that is being looked at stay open."""
    node = Node("crash", tmp_path)
    node.start(**({"SWIFT_BACKTRACE": setting} if setting else {}))
    client = Wire(node.client_port).open("/raw?channel=news")
    started = time.monotonic()
    node.send(number)
    code = node.wait(10)
    took = time.monotonic() - started
    print(f"signal {number} with SWIFT_BACKTRACE={setting}: gone after {took * 1e3:.0f} ms")
    assert code == -number and took < 1
    with pytest.raises((EOFError, ConnectionError)):
        client.read_frame()


def test_a_crash_of_a_large_node_ends_it_at_once(tmp_path: Path) -> None:
    """With 1000 sessions, and 300 MiB of messages that are not complete."""
    node = Node("crash", tmp_path, limits={"message_bytes": 16 << 20, "incomplete_bytes_node": 512 << 20})
    node.start(SWIFT_BACKTRACE="enable=yes")
    clients = [Wire(node.client_port).open("/raw?channel=news") for _ in range(1000)]
    for client in clients[:30]:
        client.send(frame(b"x" * (11 << 20))[: 10 << 20])
    resident = until(lambda: (lambda size: size if size > 280 << 20 else 0)(node.resident_bytes()), "it has taken it all")
    started = time.monotonic()
    node.send(signal.SIGSEGV)
    node.wait(10)
    took = time.monotonic() - started
    print(f"{resident >> 20} MiB: gone after {took * 1e3:.0f} ms")
    assert took < 1
    for client in clients:
        client.close()
