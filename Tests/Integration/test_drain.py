"""A node leaves in good order: not ready first, then its sessions, one after the other."""

import json
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
    for socket in (raw, late):
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            socket.recv(timeout=10)
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
