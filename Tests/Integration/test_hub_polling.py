"""SignalR clients without WebSockets and event streams: long polling through any node, without sticky sessions."""

import http.client
import json
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from rig.balancers import HAProxy
from rig.cluster import Cluster
from rig.hub_clients import JSON, MESSAGEPACK, CallFailed
from rig.long_polling import END, LongPollingClient, Poller
from rig.node import Node
from rig.waiting import until
from rig.wire import Wire, frame

SECRET = "a secret of more than thirty-two bytes, for tests"
METHODS = {
    "join": "JoinGroup", "leave": "LeaveGroup", "send_to_group": "SendToGroup", "send_to_user": "SendToUser", "send_to_all": "Broadcast",
}  # fmt: skip
HUB = {"path": "/chat", "prefix": "chat:", "keys": ["0123456789abcdef0123456789abcdef"], "methods": METHODS}
CONFIGURATION: dict[str, Any] = {
    "hubs": [HUB],
    "auth": {"keys": [{"secret": SECRET}]},
    "channels": [{"match": "*", "subscribe": "anyone", "publish": "client"}],
}
BOTH = pytest.mark.parametrize("protocol", [JSON, MESSAGEPACK])
#: Publications a second.
RATE = 2000
SEEDS = 3


def token(user: str) -> str:
    return jwt.encode({"exp": int(time.time() + 600), "sub": user}, SECRET, algorithm="HS256")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes; each request of a client goes to the next one."""
    with Cluster(tmp_path, **CONFIGURATION) as started:
        started.start()
        yield started
        started.check_permissions()


def addresses(cluster: Cluster) -> list[str]:
    return [node.client for node in cluster.running]


def total(nodes: list[Node], name: str) -> float:
    return sum(node.api.metric(name) for node in nodes)


def sessions(nodes: list[Node]) -> int:
    return sum(nodes[0].api.sessions_by_node().values())


def home(cluster: Cluster, client: Poller) -> Node:
    """The node that has the session."""
    [connection] = [one for one in cluster.running[0].api.connections() if one["id"].endswith(client.id)]
    return next(node for node in cluster.running if node.id == connection["node"])


def check_counts(nodes: list[Node]) -> None:
    """Every session that was opened is closed, and nothing waits for anybody."""
    until(lambda: total(nodes, "sessions_opened_total") == total(nodes, "sessions_closed_total"), "opened is closed")
    until(lambda: total(nodes, "outbound_bytes") == 0, "nothing waits")
    until(lambda: total(nodes, "sessions") == 0, "no connection is left", 40)


class Publisher(threading.Thread):
    """Publishes numbers in a channel at a rate, until it is stopped."""

    def __init__(self, node: Node, channel: str, rate: int = RATE) -> None:
        super().__init__(daemon=True)
        self._wire = Wire(node.client_port).open(f"/raw?channel={channel}")
        self._rate = rate
        self._ended = threading.Event()
        self.published = 0
        threading.Thread(target=self._drain, daemon=True).start()
        self.start()

    def _drain(self) -> None:
        try:
            while self._wire.socket.recv(1 << 18):
                pass
        except OSError:
            pass

    def run(self) -> None:
        begin = time.monotonic()
        while not self._ended.wait(0.005):
            due = int((time.monotonic() - begin) * self._rate)
            self._wire.send(b"".join(frame(b"%d" % number) for number in range(self.published, due)))
            self.published = due

    def stop(self) -> int:
        self._ended.set()
        self.join()
        return self.published

    def close(self) -> None:
        self.stop()
        # The other thread still reads.
        self._wire.socket.shutdown(socket.SHUT_RDWR)
        self._wire.close()


# What clients do


@BOTH
def test_clients_call_each_other_through_a_balancer(tmp_path: Path, protocol: str) -> None:
    with Cluster(tmp_path, balanced=True, **CONFIGURATION) as cluster:
        cluster.start()
        balancer = cluster.balance(HAProxy)
        clients = [LongPollingClient([balancer.client], protocol, token(f"user{number}")) for number in range(6)]
        try:
            assert sessions(cluster.nodes) == 6
            for number, client in enumerate(clients):
                client.call("JoinGroup", f"g{number % 2}", id="joined")
            for client in clients:
                until(lambda: {"type": 3, "invocationId": "joined", "result": None} in client.messages, "everybody has joined")
            for number, client in enumerate(clients * 5):
                client.call("SendToGroup", f"g{number % 2}", "said", number, ["ümläut\n🔔"])
            for place, client in enumerate(clients):
                own = [[number, ["ümläut\n🔔"]] for number in range(30) if number % 2 == place % 2]
                until(lambda: len(client.heard("said")) == len(own), "everybody in the group hears it")
                assert sorted(client.heard("said")) == own
            clients[0].call("SendToUser", "user5", "whispered", "you")
            clients[1].call("Broadcast", "all", 1)
            for client in clients:
                until(lambda: client.heard("all") == [[1]], "everybody hears it")
            assert [client.heard("whispered") for client in clients] == [[]] * 5 + [[["you"]]]
            assert total(cluster.nodes, "polls_forwarded_total") > 0
        finally:
            for client in clients:
                client.close()
        assert all(client.ended.get(timeout=5) == 204 for client in clients)
        check_counts(cluster.nodes)
        cluster.check_permissions()


@BOTH
def test_nothing_is_lost_or_comes_twice(cluster: Cluster, protocol: str) -> None:
    clients = [LongPollingClient(addresses(cluster)[number:] + addresses(cluster)[:number], protocol) for number in range(3)]
    for client in clients:
        client.call("JoinGroup", "a", id="joined")
        until(lambda: any(message.get("invocationId") == "joined" for message in client.messages), "it has joined")
    publisher = Publisher(cluster.nodes[1], "chat:a")
    try:
        time.sleep(3)
        published = publisher.stop()
        expected = [[number] for number in range(published)]
        for client in clients:
            until(lambda: len(client.heard("message")) >= published, "all of it came", 30)
            assert client.heard("message") == expected
            assert client.ended.empty()
    finally:
        publisher.close()
        for client in clients:
            client.close()
    assert total(cluster.nodes, "poll_answers_lost_total") == 0
    check_counts(cluster.nodes)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_polls_that_break_bring_nothing_twice(cluster: Cluster, seed: int) -> None:
    """Connections of polls break at any time. What the kernel of the node had taken by then is the client's; nothing else is lost."""
    numbers = random.Random(seed)
    client = Poller(addresses(cluster), numbers.choice([JSON, MESSAGEPACK]))
    client.invoke("JoinGroup", "a")
    publisher = Publisher(numbers.choice(cluster.nodes), "chat:a", 300)
    answered = broken = 0
    try:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            poll = client.begin()
            time.sleep(numbers.choice([0, 0.001, 0.004]))
            if numbers.random() < 0.5 and not is_answered(poll):
                poll.close()
                broken += 1
                # A poll that comes at its node only after the next one ends that.
                until(lambda: total(cluster.nodes, "polls_waiting") == 0, "it is gone")
            else:
                assert client.end(poll) == 200
                answered += 1
        published = publisher.stop()
        client.poll_until(lambda: published - 1 in [number for [number] in client.heard("message")])
        heard = [number for [number] in client.heard("message")]
        assert heard == sorted(set(heard)), "nothing comes twice, or in another order"
        assert broken > 3 and answered > 3
    finally:
        publisher.close()
        client.leave()
    assert total(cluster.nodes, "poll_answers_lost_total") == 0
    check_counts(cluster.nodes)


def test_an_answer_that_breaks_comes_again(tmp_path: Path) -> None:
    """So large an answer that no kernel takes it whole: its connection breaks, and the next poll gets it, at whatever node."""
    limits = {"poll_bytes": "16MiB", "outbound_bytes": "32MiB", "publish_rate": 0}
    with Cluster(tmp_path, **CONFIGURATION, limits=limits) as cluster:
        cluster.start()
        client = Poller(addresses(cluster))
        client.invoke("JoinGroup", "a")
        texts = [f"{number} " + "x" * 60_000 for number in range(200)]
        for text in texts:
            cluster.nodes[0].api.publish("chat:a", text=text)
        until(lambda: total(cluster.nodes, "outbound_bytes") > 12_000_000, "they wait")
        for count, node in enumerate(cluster.nodes, 1):
            broken = client.begin(node.client)
            assert broken.sock.recv(100_000).startswith(b"HTTP/1.1 200 ")
            broken.close()
            until(lambda: total(cluster.nodes, "poll_answers_returned_total") == count, "it comes back", 40)
        client.poll_until(lambda: len(client.heard("message")) >= len(texts))
        assert client.heard("message") == [[text] for text in texts]
        client.leave()
        check_counts(cluster.nodes)


def is_answered(poll: http.client.HTTPConnection) -> bool:
    """Whether something of the answer came."""
    poll.sock.setblocking(False)
    try:
        return bool(poll.sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        poll.sock.settimeout(30)


# One poll and another


def test_a_newer_poll_ends_the_older_one(cluster: Cluster) -> None:
    client = Poller(addresses(cluster))
    client.invoke("JoinGroup", "a")
    here, *others = cluster.nodes
    for older in cluster.nodes:
        for newer in cluster.nodes:
            first = client.begin(older.client)
            until(lambda: older.api.metric("polls_waiting") == 1, "it waits")
            second = client.begin(newer.client)
            assert client.end(first) == 204
            here.api.publish("chat:a", text=f"{older.name} {newer.name}")
            assert client.end(second) == 200
    assert client.heard("message") == [[f"{older.name} {newer.name}"] for older in cluster.nodes for newer in cluster.nodes]
    assert total(cluster.nodes, "polls_replaced_total") == 9
    assert client.leave() == 202
    check_counts(cluster.nodes)


def test_delete_ends_the_session_at_any_node(cluster: Cluster) -> None:
    for node in cluster.nodes:
        client = Poller(addresses(cluster))
        waiting = client.begin()
        until(lambda: total(cluster.nodes, "polls_waiting") == 1, "it waits")
        assert client.leave(node.client) == 202
        assert client.end(waiting) == 204
        for other in cluster.nodes:
            assert client.poll(other.client) == 404
            assert client.post(client.message("JoinGroup", "a"), other.client) == 404
            assert client.leave(other.client) == 404
        assert sessions(cluster.nodes) == 0
    check_counts(cluster.nodes)


def test_a_close_message_of_the_client_ends_it_too(cluster: Cluster) -> None:
    client = Poller(addresses(cluster))
    assert client.post(json.dumps({"type": 7}).encode() + END) == 200
    assert client.poll() == 204
    assert client.poll() == 404
    check_counts(cluster.nodes)


# Time


def test_polls_without_messages_are_answered_in_time(tmp_path: Path) -> None:
    with Cluster(tmp_path, 2, **CONFIGURATION, limits={"poll_timeout": "1s", "publish_rate": 0}) as cluster:
        cluster.start()
        client = Poller(addresses(cluster))
        for node in cluster.nodes:
            begin = time.monotonic()
            assert client.poll(node.client) == 200
            assert 0.8 < time.monotonic() - begin < 3 and client.messages == []
        assert total(cluster.nodes, "poll_timeouts_total") == 2
        # It polls and says nothing, and that is enough, as it is with ASP.NET Core.
        client.poll_until(lambda: len(client.statuses) > 6)
        client.invoke("JoinGroup", "a")
        assert client.leave() == 202
        check_counts(cluster.nodes)


def test_a_client_that_polls_no_more_is_gone(tmp_path: Path) -> None:
    with Cluster(tmp_path, 2, **CONFIGURATION, limits={"poll_gap": "1s", "publish_rate": 0}) as cluster:
        cluster.start()
        clients = [Poller(addresses(cluster)) for _ in range(4)]
        held = clients[3].begin()
        until(lambda: sessions(cluster.nodes) == 1, "those who do not poll are gone", 5)
        for client in clients[:3]:
            assert client.poll() == 404
        assert total(cluster.nodes, "poll_gap_timeouts_total") == 3
        # Its connection breaks while nothing waits.
        held.close()
        until(lambda: sessions(cluster.nodes) == 0, "and so is the last one", 5)
        check_counts(cluster.nodes)


def test_a_client_that_does_not_fetch_is_slow(tmp_path: Path) -> None:
    """What waits for it is bounded. It hears that it has to come back, and the others hear everything."""
    with Cluster(tmp_path, 2, **CONFIGURATION, limits={"outbound_bytes": "64KiB", "poll_bytes": "8KiB", "publish_rate": 0}) as cluster:
        cluster.start()
        vanished, other = Poller(addresses(cluster)), LongPollingClient(addresses(cluster))
        for client in (vanished, other):
            client.call("JoinGroup", "a", id="joined")
        vanished.poll()
        until(lambda: any(message.get("invocationId") == "joined" for message in other.messages), "it has joined")
        for number in range(200):
            cluster.nodes[0].api.publish("chat:a", text=f"{number} " + "x" * 1000)
        until(lambda: len(other.heard("message")) == 200, "the other one has all of it", 30)
        assert total(cluster.nodes, "slow_disconnects_total") == 1
        assert total(cluster.nodes, "outbound_bytes") < 100_000
        statuses = []
        while not statuses or statuses[-1] == 200:
            statuses.append(vanished.poll())
        assert statuses[-1] == 204 and vanished.messages[-1] == {"type": 7, "allowReconnect": True}
        other.close()
        check_counts(cluster.nodes)


@BOTH
def test_answers_are_bounded_and_end_with_whole_messages(tmp_path: Path, protocol: str) -> None:
    with Cluster(tmp_path, 2, **CONFIGURATION, limits={"poll_bytes": "1KiB", "publish_rate": 0}) as cluster:
        cluster.start()
        client = Poller(addresses(cluster), protocol)
        client.invoke("JoinGroup", "a")
        texts = ["x" * (number * 7 % 300) for number in range(300)]
        for text in texts:
            cluster.nodes[0].api.publish("chat:a", text=text)
        client.poll_until(lambda: len(client.heard("message")) == len(texts))
        assert client.heard("message") == [[text] for text in texts]
        assert client.largest <= 1024
        cluster.nodes[1].api.publish("chat:a", text="y" * 5000)
        client.poll_until(lambda: client.heard("message")[-1] == ["y" * 5000])
        client.leave()
        check_counts(cluster.nodes)


# Nodes that go


def test_a_killed_node_is_answered_for_at_once(cluster: Cluster) -> None:
    client = Poller(addresses(cluster))
    dead = home(cluster, client)
    others = [node for node in cluster.nodes if node is not dead]
    held = client.begin(others[0].client)
    until(lambda: others[0].api.metric("polls_waiting") == 1, "it waits")
    dead.kill()
    begin = time.monotonic()
    assert client.poll(others[1].client) == 404
    assert time.monotonic() - begin < 1
    # The one that waited is told once the node is silent.
    assert client.end(held) == 404
    assert time.monotonic() - begin < 6
    # It connects anew, as its library would, until that works.
    deadline = time.monotonic() + 8
    while True:
        try:
            again = LongPollingClient([node.client for node in others])
            break
        except AssertionError:
            assert time.monotonic() < deadline
            time.sleep(0.25)
    again.call("JoinGroup", "a", id="joined")
    until(lambda: again.messages, "it is whole again")
    others[1].api.publish("chat:a", text="hello")
    until(lambda: again.heard("message") == [["hello"]], "and hears")
    again.close()
    check_counts(others)


def test_a_draining_node_answers_its_polls(cluster: Cluster) -> None:
    draining, *others = cluster.nodes
    here, away = (Poller(addresses(cluster), at=node.client) for node in (draining, others[0]))
    assert (home(cluster, here), home(cluster, away)) == (draining, others[0])
    # One at the node that leaves, for a session that is elsewhere, and one the other way round.
    through = away.begin(draining.client)
    waiting = here.begin(others[0].client)
    until(lambda: draining.api.metric("polls_waiting") == 1 and others[0].api.metric("polls_waiting") == 1, "they wait")
    draining.send(signal.SIGTERM)
    assert away.end(through) == 200 and away.messages == []
    assert here.end(waiting) == 200
    assert here.messages == [{"type": 7, "allowReconnect": True}]
    assert here.poll(others[1].client) in (204, 404)
    others[0].api.publish("chat:all", text="hello")
    draining.wait()
    assert away.poll(others[1].client) == 200 and away.heard("message") == [["hello"]]


def test_polls_wait_while_redis_is_away(cluster: Cluster) -> None:
    client = Poller(addresses(cluster))
    client.invoke("JoinGroup", "a")
    for node in cluster.nodes:
        held = client.begin(node.client)
        time.sleep(0.2)
        cluster.redis.kill()
        until(lambda: all(node.api.readiness() == 503 for node in cluster.nodes), "all are isolated", 15)
        cluster.redis.start()
        cluster.wait_until_whole(30)
        until(lambda: all(node.api.readiness() == 200 for node in cluster.nodes), "all are linked", 15)
        cluster.nodes[0].api.publish("chat:a", text=node.name)
        assert client.end(held) == 200
    assert client.heard("message") == [[node.name] for node in cluster.nodes]
    client.leave()


# Strangers


def test_polls_of_somebody_else(cluster: Cluster) -> None:
    client = Poller(addresses(cluster), token=token("ann"))
    held = client.begin()
    time.sleep(0.1)
    other = Poller(addresses(cluster), token=token("bob"), greets=False)
    nobody = Poller(addresses(cluster), greets=False)
    for node in cluster.nodes:
        for stranger in (other, nobody):
            stranger.target = client.target
            assert stranger.poll(node.client) == 403
            assert stranger.leave(node.client) == 403
    forged = Poller(addresses(cluster), greets=False)
    forged.requests.headers = {"Authorization": "Bearer " + token("ann")[:-2] + "AA"}
    forged.target = client.target
    assert forged.poll() == 401
    # Its own poll is still there.
    client.call("Broadcast", "said", 1)
    assert client.end(held) == 200 and client.heard("said") == [[1]]
    assert client.leave() == 202


def test_requests_that_are_none(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    client = Poller(addresses(cluster))
    numbers = random.Random(1)

    def status(method: str, target: str, body: bytes = b"") -> int:
        return requests.request(method, f"http://{node.client}{target}", data=body, timeout=10).status_code

    good = client.target
    for method in ("GET", "DELETE", "POST"):
        body = b"x" if method == "POST" else b""
        assert status(method, "/chat", body) == 400
        for bad in ["x", "", good[9:-1], good[9:] + "A", "%00", "A" * 76, "A" * 5000, "🔔"]:
            assert status(method, f"/chat?id={bad}", body) in (400, 404, 414), bad
    # Never opened.
    unopened = Poller(addresses(cluster), greets=False)
    assert status("POST", unopened.target, b"x") == 404 and status("DELETE", unopened.target) == 404
    assert status("POST", good, b"x" * (1 << 20)) == 413 and status("POST", good) == 400
    assert status("PUT", good) == 405 and status("DELETE", good, b"x") == 400
    allowed = requests.options(f"http://{node.client}{good}", timeout=10).headers["Allow"]
    assert allowed == "GET, POST, DELETE, OPTIONS"
    for _ in range(50):
        junk = numbers.randbytes(numbers.randrange(1, 2000))
        victim = Poller(addresses(cluster), numbers.choice([JSON, MESSAGEPACK]), greets=numbers.random() < 0.7)
        assert victim.post(junk) in (200, 400, 404)
        victim.leave()
    # Many at once, at all nodes: one of them waits in the end.
    polls = [client.begin() for _ in range(30)]
    time.sleep(0.5)
    client.call("Broadcast", "said", 1)
    statuses = sorted(client.end(poll) for poll in polls)
    assert statuses == [200] + [204] * 29 and client.heard("said") == [[1]]
    assert client.leave() == 202
    assert all(node.is_running for node in cluster.nodes) and total(cluster.nodes, "faults_total") == 0
    check_counts(cluster.nodes)


def test_several_first_polls_open_one_session(cluster: Cluster) -> None:
    for _ in range(10):
        client = Poller(addresses(cluster), greets=False)
        polls = [client.begin(node.client) for node in cluster.nodes]
        # One opens it. The others are refused, or wait; and of those that wait, the last one stays.
        until(lambda: sum(is_answered(poll) for poll in polls) >= 2, "they are answered")
        statuses = [client.end(poll) for poll in polls if is_answered(poll)]
        assert statuses.count(200) == 1 and set(statuses) <= {200, 204, 404, 409}, statuses
        assert sessions(cluster.nodes) == 1
        assert client.leave() == 202
    check_counts(cluster.nodes)


def test_other_transports_keep_their_session(cluster: Cluster) -> None:
    client = Poller(addresses(cluster), greets=False)
    with Wire(cluster.nodes[1].client_port) as stream:
        stream.send(f"GET {client.target} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n".encode())
        assert stream.read_head().startswith(b"HTTP/1.1 200 ")
        for node in cluster.nodes:
            assert client.poll(node.client) == 409 and client.leave(node.client) == 409
        assert client.post(json.dumps({"protocol": "json", "version": 1}).encode() + END) == 200


def test_calls_fail_in_the_words_of_the_protocol(cluster: Cluster) -> None:
    for protocol in (JSON, MESSAGEPACK):
        client = Poller(addresses(cluster), protocol)
        with pytest.raises(CallFailed, match="The hub has no such method."):
            client.invoke("Nothing")
        client.leave()


@pytest.mark.parametrize("greeting", [{"protocol": "json", "version": 9}, {"protocol": "xml", "version": 1}, {"type": 6}])
def test_greetings_that_are_none(cluster: Cluster, greeting: dict[str, Any]) -> None:
    client = Poller(addresses(cluster), greets=False)
    assert client.poll() == 200
    assert client.post(json.dumps(greeting).encode() + END) == 200
    assert client.poll() == 200 and "error" in client.messages[0]
    assert client.poll() == 204
    check_counts(cluster.nodes)
