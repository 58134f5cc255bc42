"""Presence as a weapon: crowds that are asked for, crowds that come and go, and a Redis that lies about them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from rig.centrifuge_wire import CentrifugeWire
from rig.control import undisturbed
from rig.crowd import Crowd
from rig.footprint import Footprint, counter
from rig.liar import Liar
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import upgrade

RULES = [
    {"match": "control", "subscribe": "anyone", "publish": "client"},
    {"match": "kept:*", "subscribe": "anyone", "publish": "client", "history": {"size": 10, "ttl": "1m"}},
    {"match": "churn:*", "subscribe": "anyone", "presence": {"join_leave": True, "grace": "5s"}},
    {"match": "*", "subscribe": "anyone", "publish": "client", "presence": True},
]

#: Two clients may ask 90 times a second each: a question about presence counts for eight.
RATES = {"subscribe_rate": 800, "subscribe_burst": 2048}


@pytest.fixture(params=["memory", "redis"])
def node(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[Node]:
    if request.param == "memory":
        yield start_node(channels=RULES, limits=RATES)
        return
    server = RedisServer(tmp_path).start()
    started = start_node(redis_url=server.url, channels=RULES, limits=RATES)
    started.redis = server
    yield started
    assert not server.denied(), server.denied()
    server.stop()


def linked_through(start_node: Any, redis_server: RedisServer, liar: Liar, **settings: Any) -> Node:
    return start_node(redis_url=redis_server.url.replace(f":{redis_server.port}", f":{liar.port}"), channels=RULES, **settings)


def present(node: Node, channel: str, view: str = "count") -> dict[str, Any]:
    return node.api.get(f"/api/v1/channels/{channel}/presence", view=view)


#: What the 99th percentile of others may grow to, in seconds. It stays below 20 ms on a machine that does nothing else; the
#: rest is for those that do.
QUIET = 0.040

# -- asking


class Asking:
    """Two clients that ask as often as they may (`rig/asking.py`)."""

    def __init__(self, node: Node, channel: str, window: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "rig/asking.py"), str(node.client_port), channel, "90", str(window)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def finish(self) -> dict[str, Any]:
        return json.loads(self.process.communicate(timeout=60)[0])

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("members", [8000, 990])
def test_asking_who_is_in_a_crowd_delays_nobody(node: Node, members: int) -> None:
    with Crowd() as crowd:
        crowd.open(members, node.client_port, upgrade("/raw?channel=crowd"), seconds=60)
        until(lambda: present(node, "crowd")["clients"] == members, "all are present", 60)
        footprint = Footprint(node)
        with undisturbed(node, floor=QUIET) as control, Asking(node, "crowd", 1000 if members > 1000 else 4) as asking:
            time.sleep(4)
            report = asking.finish()
        answers = report["answers"]
        cost = footprint.cpu_seconds / report["asked"]
        print(f"{members} members: {answers} in {report['seconds']:.1f} s, {cost * 1e6:.0f} us of CPU each; {control.figures}")
        # Whatever else the machine does meanwhile: a refusal costs next to nothing, and a list what is in it.
        assert cost < (0.001 if members > 1000 else 0.010)
        # All of them were answered, and as they should be.
        listed = "too many" if members > 1000 else "list"
        assert set(answers) <= {"other", "counts", listed} and answers["counts"] + answers[listed] == report["asked"], report
        assert report["asked"] > 400, report
        if members > 1000:
            assert counter(node, "presence_limit_hits_total") == answers[listed]
        # Operators get all of them, page by page.
        if members > 1000:
            found: set[str] = set()
            cursor: dict[str, str] = {}
            while True:
                page = node.api.get("/api/v1/channels/crowd/presence", limit=1000, **cursor)
                found |= {entry["client"] for entry in page["members"]}
                if "cursor" not in page:
                    break
                cursor = {"cursor": page["cursor"]}
            # The two who asked may be there still: they have their grace.
            assert members <= len(found) <= members + 2
    until(lambda: present(node, "crowd")["clients"] == 0, "all are gone", 30)


# -- coming and going

CONNECTIONS = 1500
CHANNELS = 120


def come_and_go(node: Node, wave: int) -> float:
    """Each connection is alone in channels that nobody ever named, and goes without a word; how long that took."""
    started = time.monotonic()
    with Crowd() as crowd:
        for first in range(0, CONNECTIONS, 250):
            some = []
            for number in range(first, first + 250):
                names = "&".join(f"channel=churn:{wave}.{number}.{index}" for index in range(CHANNELS))
                some.append(crowd.add(node.client_port, upgrade(f"/raw?{names}")))
            assert crowd.run(lambda some=some: all(member.opened for member in some), 30)
            for member in some:
                crowd.end(member)
    return time.monotonic() - started


def test_coming_and_going_leaves_little_and_not_for_long(node: Node) -> None:
    # What the allocator keeps for the next crowd is not what is measured: the same crowd again needs no more.
    come_and_go(node, 0)
    come_and_go(node, 1)
    settle(node)
    footprint = Footprint(node)
    taken = come_and_go(node, 2) + come_and_go(node, 3)
    peak = footprint.peak
    settle(node)
    growth = footprint.growth
    print(f"{2 * CONNECTIONS} connections of {CHANNELS} channels in {taken:.1f} s: memory +{peak >> 20} MiB at most, "
          f"+{growth >> 10} KiB after, {counter(node, 'presence_grace_limit_hits_total')} without grace")  # fmt: skip
    assert counter(node, "presence_grace_limit_hits_total") > 0
    # How much of a crowd waits for a reactor at its worst moment differs from time to time; a leak would be 100 MiB for each.
    assert peak < 64 << 20 and growth < 64 << 20
    if redis := getattr(node, "redis", None):
        # But for the lists of nodes, and the marks by which a node notices that Redis lost everything.
        def left() -> set[bytes]:
            return {key for key in redis.client().scan_iter("carillon:{*}:p*", 1000) if b"}:p::" not in key}

        until(lambda: all(key.endswith(b"}:pn") for key in left()), "Redis holds nothing of it", 30)


def settle(node: Node) -> None:
    """Waits until nobody is here, and nothing of those who were is left to be told."""
    until(lambda: node.api.metric("sessions") <= 2 and node.api.metric("channels") <= 2, "they are gone", 60)
    until(lambda: node.api.metric("presence_waiting") == 0, "all is told", 60)
    # Their grace, 5 s.
    until(lambda: present(node, "churn:0.0.0")["clients"] == 0 and present(node, "churn:3.1499.0")["clients"] == 0, "their grace is over", 30)


def test_whoever_is_alone_gets_no_grace_when_many_go(start_node: Any) -> None:
    node = start_node(channels=RULES, limits={"presence_leaving": 10})
    watcher = CentrifugeWire(node)
    watcher.subscribe("churn:shared")
    others = [CentrifugeWire(node) for _ in range(20)]
    for other in others:
        other.subscribe("churn:shared")
    until(lambda: len(watcher.changes) == 21, "all have come")
    began = time.monotonic()
    for other in others:
        other.drop()
    leaves = lambda: [change for change in watcher.changes if change[0] == "leave"]  # noqa: E731
    # Ten leave at once and that is said; the others have their grace.
    until(lambda: len(leaves()) == 10 and counter(node, "presence_grace_limit_hits_total") == 10, "ten left at once", 3)
    assert time.monotonic() - began < 3 and present(node, "churn:shared")["clients"] == 11
    until(lambda: len(leaves()) == 20, "the others left later", 15)
    assert time.monotonic() - began > 4
    watcher.close()


# -- a Redis that lies


def test_a_redis_that_forgets_every_script_is_asked_less_and_less_often(
    start_node: Any, redis_server: RedisServer, liar: Liar
) -> None:
    # The watcher asks as fast as it is answered: its rate is not what this is about.
    node = linked_through(start_node, redis_server, liar, limits={"subscribe_rate": 0})
    watcher = CentrifugeWire(node)
    watcher.subscribe("room")
    node.api.publish("kept:a", text="before")
    loads_before = loads(redis_server)
    liar.forgets = True
    began = time.monotonic()
    publications = reads = 0
    with requests.Session() as session:
        while time.monotonic() - began < 10:
            answer = session.post(f"http://{node.admin}/api/v1/publish", json={"channel": "kept:a", "text": "x"}, timeout=10)
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "not_published", answer.text
            publications += 1
            for path in ("kept:a/history", "room/presence"):
                answer = session.get(f"http://{node.admin}/api/v1/channels/{path}", timeout=10)
                assert answer.status_code == 503, f"{path}: {answer.status_code} {answer.text}"
                reads += 1
            assert watcher.command("presence_stats", channel="room")["error"]["code"] == 100
    loaded = loads(redis_server) - loads_before
    print(f"NOSCRIPT for ever: {publications} publications and {reads} reads refused in 10 s, {loaded} scripts loaded")
    scripts = 18
    # After 0 or 1, 2, 4, 8 s, and at most once more on the way.
    assert 0 < loaded <= 5 * scripts
    assert node.output().count("answers NOSCRIPT right after SCRIPT LOAD") == 1
    # What needs no script goes on.
    node.api.publish("control", text="plain")
    liar.forgets = False
    until(lambda: node.api.post_publication({"channel": "kept:a", "text": "after"}).status_code == 200, "it works again", 40)
    until(lambda: present(node, "room")["clients"] == 1, "presence, too", 40)
    texts = [entry["text"] for entry in node.api.get("/api/v1/channels/kept:a/history")["publications"]]
    assert texts == ["before", "after"], "what was refused was not published"
    watcher.close()


def loads(redis_server: RedisServer) -> int:
    """How many scripts Redis was told to take."""
    statistics = redis_server.client().info("commandstats")
    return sum(entry["calls"] for name, entry in statistics.items() if name.startswith("cmdstat_script"))


def test_scripts_that_were_flushed_are_loaded_once(start_node: Any, redis_server: RedisServer) -> None:
    node = start_node(redis_url=redis_server.url, channels=RULES)
    watcher = CentrifugeWire(node)
    watcher.subscribe("room")
    node.api.publish("kept:a", text="0")
    # Scripts were loaded with the connection: a second has to pass before they are loaded again.
    started = time.monotonic()
    until(lambda: time.monotonic() - started > 1.1, "the pause is over", 10)
    before = loads(redis_server)
    redis_server.client().script_flush()
    for number in range(1, 5):
        node.api.publish("kept:a", text=str(number))
    assert watcher.command("presence_stats", channel="room") == {"num_clients": 1, "num_users": 1}
    texts = [entry["text"] for entry in node.api.get("/api/v1/channels/kept:a/history")["publications"]]
    assert texts == ["0", "1", "2", "3", "4"]
    assert loads(redis_server) - before <= 18 + 1, "the flush itself, and each script once"
    watcher.close()


@pytest.mark.parametrize("numbers", [(-5, -5), (-1, 3), (9223372036854775807, 9223372036854775807), (4294967296, 1)])
def test_numbers_that_are_no_counts_end_nobody(
    start_node: Any, redis_server: RedisServer, liar: Liar, numbers: tuple[int, int]
) -> None:
    node = linked_through(start_node, redis_server, liar)
    clients = [CentrifugeWire(node) for _ in range(3)]
    for client in clients:
        client.subscribe("room")
    assert clients[0].command("presence_stats", channel="room") == {"num_clients": 3, "num_users": 3}
    lie = ":%d\r\n:%d\r\n" % numbers
    liar.distortions = {f"*{size}\r\n:3\r\n:3\r\n".encode(): f"*{size}\r\n{lie}".encode() for size in (3, 4)}
    bad = counter(node, "link_bad_messages_total")
    assert clients[0].command("presence_stats", channel="room")["error"]["code"] == 100
    assert clients[1].command("presence", channel="room")["error"]["code"] == 100
    assert node.api.request("GET", "/api/v1/channels/room/presence").status_code == 503
    assert counter(node, "link_bad_messages_total") >= bad + 3
    liar.distortions = {}
    assert clients[2].command("presence_stats", channel="room") == {"num_clients": 3, "num_users": 3}
    for client in clients:
        client.close()


def test_equal_questions_share_a_read(start_node: Any, redis_server: RedisServer) -> None:
    node = start_node(redis_url=redis_server.url, channels=RULES)
    clients = [CentrifugeWire(node) for _ in range(20)]
    for client in clients:
        client.subscribe("room")
    before = called(redis_server)
    redis_server.pause()
    for client in clients:
        client.socket.send("\n".join(json.dumps({"id": 100 + one, "presence": {"channel": "room"}}) for one in range(20)))
    until(lambda: node.api.metric("messages_received_total") >= 3 * 20, "all have asked")
    redis_server.resume()
    until(lambda: all({100 + one for one in range(20)} <= set(client.replies) for client in clients), "all are answered", 20)
    assert all(len(client.replies[119]["presence"]["presence"]) == 20 for client in clients)
    asked = called(redis_server) - before
    print(f"400 equal questions: {asked} scripts were run")
    assert asked <= 25
    for client in clients:
        client.close()


def called(redis_server: RedisServer) -> int:
    return redis_server.client().info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
