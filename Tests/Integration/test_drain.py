"""A node leaves in good order: not ready first, then its sessions, one after the other."""

import json
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import websockets.exceptions
import websockets.sync.client

from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire, upgrade


def connect(node: Node, channel: str = "a") -> websockets.sync.client.ClientConnection:
    return websockets.sync.client.connect(f"ws://{node.client}/raw?channel={channel}", ping_interval=None, legacy=True)


def test_not_ready_first_and_then_everybody_leaves(start_node: Any) -> None:
    node = start_node(drain={"wait": "1s", "window": "1s"})
    raw = connect(node)
    wire = CentrifugeWire(node)
    stream = requests.get(f"http://{node.client}/sse?channel=a", stream=True, timeout=10)
    began = time.monotonic()
    node.send(15)
    until(lambda: node.api.readiness() == 503, "not ready")
    assert "draining" in node.api.request("GET", "/health/ready").text
    assert requests.get(f"http://{node.client}/health", timeout=5).text == "draining\n"
    # The balancer may not have noticed: whoever comes is served.
    late = connect(node)
    node.api.publish("a", text="still here")
    assert raw.recv(timeout=5) == late.recv(timeout=5) == "still here"
    for client in (raw, late):
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            client.recv(timeout=10)
        assert closed.value.rcvd and closed.value.rcvd.code == 1001 and "reconnect" in closed.value.rcvd.reason
    until(lambda: wire.closed is not None, "the centrifuge client is told")
    assert "3001" in (wire.closed or "") and "shutdown" in (wire.closed or "")
    lines = [line for line in stream.iter_lines(decode_unicode=True) if line.startswith("retry: ")]
    assert len(lines) == 2 and 100 <= int(lines[1][7:]) <= 2000, "when to come back"
    assert node.wait() == 0
    assert 1 <= time.monotonic() - began < 6


def test_nobody_is_there_so_nobody_is_waited_for(start_node: Any) -> None:
    node = start_node(drain={"wait": "60s", "window": "60s", "timeout": "2m"})
    began = time.monotonic()
    node.send(15)
    assert node.wait() == 0 and time.monotonic() - began < 5


def test_the_signal_again_ends_it_at_once(start_node: Any) -> None:
    node = start_node(drain={"wait": "60s", "window": "60s", "timeout": "2m"})
    client = connect(node)
    node.send(15)
    until(lambda: node.api.readiness() == 503, "not ready")
    until(lambda: "draining" in node.output(), "it says what it does")
    node.send(15)
    assert node.wait() == 0
    with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
        client.recv(timeout=5)
    assert closed.value.rcvd and closed.value.rcvd.code == 1001


def test_after_the_timeout_it_ends_whoever_is_left(start_node: Any) -> None:
    node = start_node(drain={"wait": "0s", "window": "1s", "timeout": "2s"})
    # These never answer the close, which they have 5 s for otherwise.
    mute = [Wire(node.client_port).send(upgrade("/raw?channel=a")) for _ in range(3)]
    until(lambda: node.api.subscribers("a") == 3, "they are there")
    began = time.monotonic()
    node.send(2)
    assert node.wait() == 0 and time.monotonic() - began < 4
    assert "3 sessions did not leave in time" in node.output()
    for wire in mute:
        wire.socket.close()


def test_sessions_leave_spread_over_the_window(start_node: Any) -> None:
    node = start_node(drain={"wait": "0s", "window": "3s"})
    left: list[float] = []
    clients = [connect(node) for _ in range(60)]

    def watch(client: websockets.sync.client.ClientConnection) -> None:
        try:
            client.recv()
        except websockets.exceptions.ConnectionClosed:
            left.append(time.monotonic() - began)

    began = time.monotonic()
    threads = [threading.Thread(target=watch, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    node.send(15)
    for thread in threads:
        thread.join(15)
    assert len(left) == 60
    for second in range(3):
        assert 12 <= len([at for at in left if second <= at < second + 1]) <= 28, sorted(left)
    assert node.wait() == 0


def test_by_the_api_it_stays_until_it_is_stopped(start_node: Any, redis_server: RedisServer) -> None:
    nodes = [start_node(name, redis_url=redis_server.url, drain={"wait": "0s", "window": "1s"}) for name in "ab"]
    until(lambda: nodes[0].api.node_names() == {"a", "b"}, "the nodes know each other")
    clients = [connect(nodes[1]) for _ in range(5)]
    done = nodes[0].command("drain", "b")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "b: drained, 0 sessions"
    for client in clients:
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            client.recv(timeout=5)
    assert nodes[1].is_running and nodes[1].api.readiness() == 503
    assert "drained" in nodes[0].command("cluster").stdout
    with pytest.raises(OSError):
        connect(nodes[1])
    # Again is the same as once.
    assert nodes[0].command("drain", nodes[1].id, "--no-wait").stdout == "draining\n"
    unknown = nodes[0].command("drain", "nobody")
    assert unknown.returncode == 1 and "no node has this id or name" in unknown.stderr
    assert nodes[0].api.is_ready()
    nodes[1].send(15)
    assert nodes[1].wait() == 0


def test_publications_on_their_way_are_answered_first(start_node: Any, redis_server: RedisServer) -> None:
    node = start_node(redis_url=redis_server.url, drain={"wait": "0s", "window": "0s"})
    wire = CentrifugeWire(node)
    wire.subscribe("a")
    redis_server.pause()
    wire.socket.send(json.dumps({"id": 77, "publish": {"channel": "a", "data": "last words"}}))
    until(lambda: "carillon_client_publishes_total" in node.api.metrics() and node.api.metric("client_publishes_total") == 1, "it is under way")
    node.send(15)
    until(lambda: node.api.readiness() == 503, "not ready")
    assert 77 not in wire.replies and wire.closed is None
    redis_server.resume()
    until(lambda: wire.closed is not None, "it is closed")
    assert wire.replies[77] == {"id": 77, "publish": {}}
    assert node.wait() == 0


def test_bad_settings_are_named(start_node: Any, tmp_path: Path) -> None:
    node = Node("bad", tmp_path, drain={"wait": "20s", "window": "20s"}).launch_node()
    assert node.wait() == 1
    assert "drain.timeout has to be at least drain.wait and drain.window together" in node.output()


def test_what_the_api_has_promised_is_answered_before_the_end(start_node: Any, redis_server: RedisServer) -> None:
    """The node ends while a publication waits for Redis: the caller hears what became of it, and the process ends."""
    node = start_node(redis_url=redis_server.url)
    redis_server.pause()
    answers: list[requests.Response] = []
    caller = threading.Thread(target=lambda: answers.append(node.api.post_publication({"channel": "a", "text": "x"})))
    caller.start()
    # The audit log has a line only for what was answered; Redis has the publication in its socket, unread.
    until(lambda: node.api.metric("link_sent_bytes_total") > 0, "the node is at work")
    node.send(15)
    until(lambda: "draining" in node.output() or not node.is_running or node.api.readiness() == 503, "it has begun to end")
    redis_server.resume()
    caller.join(15)
    assert [answer.status_code for answer in answers] in ([200], [503])
    assert node.wait() == 0


def test_a_drained_node_can_be_put_back(start_node: Any, redis_server: RedisServer) -> None:
    nodes = [start_node(name, redis_url=redis_server.url, drain={"wait": "0s", "window": "0s"}) for name in "ab"]
    until(lambda: nodes[0].api.node_names() == {"a", "b"}, "the nodes know each other")
    client = connect(nodes[1])
    for _ in range(2):
        assert nodes[0].command("drain", "b").returncode == 0
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            client.recv(timeout=5)
        assert nodes[1].api.readiness() == 503
        with pytest.raises(OSError):
            connect(nodes[1])
        back = nodes[0].command("drain", "b", "--undo")
        assert back.returncode == 0 and back.stdout == "b: serving\n", back.stderr
        assert nodes[1].api.is_ready()
        assert requests.get(f"http://{nodes[1].client}/health", timeout=5).text == "ready\n"
        client = connect(nodes[1])
        nodes[0].api.publish("a", text="hello")
        assert client.recv(timeout=5) == "hello"
    # Again is the same as once.
    assert nodes[0].command("drain", "b", "--undo").returncode == 0
    assert "put back" in nodes[1].output()
    until(lambda: all("draining" not in (entry["summary"] or {}) for entry in nodes[0].api.cluster()["cluster"]), "everybody knows")
    nodes[1].send(15)
    assert nodes[1].wait() == 0


def test_a_drain_can_be_undone_while_it_waits_and_while_sessions_leave(start_node: Any) -> None:
    node = start_node(drain={"wait": "5s", "window": "0s", "timeout": "1m"})
    client = connect(node)
    assert node.command("drain", "node", "--no-wait").returncode == 0
    until(lambda: node.api.readiness() == 503, "not ready")
    assert node.command("drain", "node", "--undo").returncode == 0
    assert node.api.is_ready()
    node.api.publish("a", text="still here")
    assert client.recv(timeout=5) == "still here"
    client.close()
    node.stop()
    node = start_node("slow", drain={"wait": "0s", "window": "50s", "timeout": "1m"})
    clients = [connect(node) for _ in range(10)]
    assert node.command("drain", "slow", "--no-wait").returncode == 0
    until(lambda: len(node.api.connections()) < 10, "the first one is told")
    assert node.command("drain", "slow", "--undo").returncode == 0
    left = len(node.api.connections())
    assert 5 <= left <= 9
    node.api.publish("a", text="still here")
    late = connect(node)
    until(lambda: len(node.api.connections()) == left + 1, "a new one is let in")
    for each in [*clients, late]:
        each.close()


def test_a_node_that_is_being_stopped_is_not_put_back(start_node: Any) -> None:
    node = start_node(drain={"wait": "3s", "window": "0s", "timeout": "1m"})
    client = connect(node)
    node.send(15)
    until(lambda: node.api.readiness() == 503, "not ready")
    refused = node.command("drain", "node", "--undo")
    assert refused.returncode == 1 and "is being stopped" in refused.stderr
    with pytest.raises(websockets.exceptions.ConnectionClosed):
        client.recv(timeout=10)
    assert node.wait() == 0


def test_a_port_that_is_taken_meanwhile_is_said(start_node: Any) -> None:
    node = start_node()
    assert node.command("drain", "node").returncode == 0
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", node.client_port))
        taken.listen()
        refused = node.command("drain", "node", "--undo")
        assert refused.returncode == 1 and "address already in use" in refused.stderr
        assert node.api.readiness() == 503
    assert node.command("drain", "node", "--undo").returncode == 0 and node.api.is_ready()


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGALRM])
def test_a_signal_that_means_nothing_does_not_end_a_node(start_node: Any, number: int) -> None:
    node = start_node()
    client = connect(node)
    for _ in range(3):
        node.send(number)
    node.api.publish("a", text="still here")
    assert client.recv(timeout=5) == "still here" and node.is_running
    client.close()


def test_two_nodes_of_one_name_are_noticed(start_node: Any, redis_server: RedisServer, tmp_path: Path) -> None:
    first = start_node("twin", redis_url=redis_server.url)
    second = Node("twin2", tmp_path, redis_server.url, node={"name": "twin"}).start()
    try:
        for node, other in ((first, second), (second, first)):
            until(lambda: f"another node has the name twin too (id {other.id})" in node.output(), "it says so", 15)
            assert any("another node has the name" in event["message"] for event in node.api.cluster()["events"])
        # A name that means two is refused, an id is taken.
        refused = first.command("drain", "twin", "--no-wait")
        assert refused.returncode == 1 and second.id in refused.stderr and first.id in refused.stderr
        assert first.command("drain", second.id).returncode == 0
    finally:
        second.stop()
