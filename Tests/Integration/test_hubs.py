"""SignalR clients that nobody of this project wrote, at hubs: behind a balancer without sticky sessions, in both protocols."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from rig.balancers import HAProxy
from rig.cluster import Cluster
from rig.hub_clients import JSON, KINDS, MESSAGEPACK, CallFailed, HttpTransportType, HubClient, PySignalR, SignalRCore
from rig.node import Node
from rig.waiting import until
from rig.wire import BINARY, CLOSE, TEXT, Wire, frame, upgrade

SECRET = "a secret of more than thirty-two bytes, for tests"
KEY, OLD_KEY = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
METHODS = {
    "join": "JoinGroup", "leave": "LeaveGroup", "send_to_group": "SendToGroup", "send_to_user": "SendToUser",
    "send_to_all": "Broadcast",
}  # fmt: skip
HUB = {"path": "/chat", "prefix": "chat:", "keys": [KEY, OLD_KEY], "methods": METHODS}
CONFIGURATION: dict[str, Any] = {
    "hubs": [HUB],
    "auth": {"keys": [{"secret": SECRET}]},
    "channels": [
        {"match": "chat:closed*", "subscribe": "nobody", "publish": "server"},
        {"match": "chat:heard*", "subscribe": "anyone", "publish": "server"},
        {"match": "*", "subscribe": "anyone", "publish": "client"},
    ],
}
EACH = pytest.mark.parametrize(("kind", "protocol"), [(kind, protocol) for kind in KINDS for protocol in (JSON, MESSAGEPACK)])
END = "\x1e"


def token(seconds: float = 600, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, SECRET, algorithm="HS256")


@pytest.fixture
def hub_node(start_node: Any) -> Node:
    return start_node(**CONFIGURATION)


@pytest.fixture
def hub_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes behind HAProxy, which sends each connection to the next node."""
    with Cluster(tmp_path, balanced=True, **CONFIGURATION) as started:
        started.start()
        started.balance(HAProxy)
        yield started
        started.check_permissions()


def url(cluster: Cluster) -> str:
    assert cluster.balancer
    return f"http://{cluster.balancer.client}/chat"


def calls(client: HubClient, target: str) -> list[list[Any]]:
    return [arguments for name, arguments in client.called if name == target]


# Through a balancer


@EACH
def test_clients_on_all_nodes_call_each_other(hub_cluster: Cluster, kind: type[PySignalR], protocol: str) -> None:
    clients = [kind(url(hub_cluster), ["said", "shouted", "message"], protocol) for _ in range(6)]
    try:
        api = hub_cluster.nodes[0].api
        assert len(api.sessions_by_node()) > 1, "they are on several nodes"
        assert {connection["dialect"] for connection in api.connections()} == {"signalr"}
        for client in clients[:5]:
            client.invoke("JoinGroup", "a")
        for number, client in enumerate(clients):
            client.invoke("SendToGroup", "a", "said", f"client {number}", {"n": number, "list": [1, 2.5, None, True]})
        expected = [[f"client {number}", {"n": number, "list": [1, 2.5, None, True]}] for number in range(6)]
        for client in clients[:5]:
            until(lambda: calls(client, "said") == expected, "everybody in the group hears everybody, in order")
        # Without an answer, and to all clients of the hub.
        clients[0].send("Broadcast", "shouted", "ümläut 🔔")
        for client in clients:
            until(lambda: calls(client, "shouted") == [["ümläut 🔔"]], "everybody hears it")
        assert calls(clients[5], "said") == []
        clients[1].invoke("LeaveGroup", "a")
        hub_cluster.nodes[2].api.publish("chat:a", data={"last": True})
        for client in (clients[0], clients[4]):
            until(lambda: calls(client, "message") == [[{"last": True}]], "those who stayed")
        clients[1].invoke("JoinGroup", "b")
        assert calls(clients[1], "message") == []
    finally:
        for client in clients:
            client.close()


@EACH
def test_users_are_reached_on_any_node(hub_cluster: Cluster, kind: type[PySignalR], protocol: str) -> None:
    ann = [kind(url(hub_cluster), ["mail"], protocol, token=token(sub="ann")) for _ in range(3)]
    bob = kind(url(hub_cluster), ["mail"], protocol, token=token(sub="bob"))
    try:
        bob.invoke("SendToUser", "ann", "mail", 1)
        for node in hub_cluster.nodes:
            answer = node.api.post_publication({"user": "ann", "event": "mail", "data": [2, node.name]})
            assert answer.status_code == 200, answer.text
        expected = [[1], *([2, node.name] for node in hub_cluster.nodes)]
        for client in ann:
            until(lambda: calls(client, "mail") == expected, "all of ann's clients")
        users = {connection.get("user") for connection in hub_cluster.nodes[1].api.connections()}
        assert calls(bob, "mail") == [] and users == {"ann", "bob"}
    finally:
        for client in (*ann, bob):
            client.close()


@EACH
def test_clients_come_back_to_another_node(hub_cluster: Cluster, kind: type[PySignalR], protocol: str) -> None:
    client = kind(url(hub_cluster), ["said"], protocol)
    try:
        client.invoke("JoinGroup", "a")
        [home] = hub_cluster.nodes[0].api.sessions_by_node()
        victim = next(node for node in hub_cluster.nodes if node.id == home)
        victim.kill()
        until(lambda: client.opened >= 2, "it is connected again", 40)
        left = next(node for node in hub_cluster.nodes if node.id != home)
        until(lambda: set(left.api.sessions_by_node()) - {home}, "on another node")
        client.invoke("JoinGroup", "a")
        left.api.post_publication({"channel": "chat:a", "event": "said", "data": [1, 2]})
        until(lambda: calls(client, "said") == [[1, 2]], "it hears again")
    finally:
        client.close()


@EACH
def test_a_connection_that_breaks_is_made_again(hub_node: Node, kind: type[PySignalR], protocol: str) -> None:
    client = kind(f"http://{hub_node.client}/chat", ["said"], protocol)
    try:
        first = hub_node.api.connections()[0]["id"]
        client.cut()
        until(lambda: client.opened >= 2, "it is connected again", 30)
        until(lambda: [c["id"] for c in hub_node.api.connections()] != [first], "as another connection")
        client.invoke("JoinGroup", "a")
        hub_node.api.post_publication({"channel": "chat:a", "event": "said", "data": "x"})
        until(lambda: calls(client, "said") == [["x"]], "it hears again")
    finally:
        client.close()


@EACH
def test_a_drained_node_sends_its_clients_elsewhere(hub_cluster: Cluster, kind: type[PySignalR], protocol: str) -> None:
    clients = [kind(url(hub_cluster), ["said"], protocol) for _ in range(3)]
    try:
        counts = hub_cluster.nodes[0].api.sessions_by_node()
        victim = next(node for node in hub_cluster.nodes if node.id in counts)
        others = [node for node in hub_cluster.nodes if node is not victim]
        assert victim.api.request("POST", f"/api/v1/nodes/{victim.id}/drain").status_code in (200, 202)
        until(lambda: victim.id not in others[0].api.sessions_by_node(), "it has none any more", 20)
        until(lambda: sum(others[1].api.sessions_by_node().values()) == 3, "they are elsewhere", 60)
    finally:
        for client in clients:
            client.close()


# Without WebSocket


def test_event_streams_through_any_node(hub_cluster: Cluster) -> None:
    """Each message of such a client is a request of its own, which the balancer brings to any node."""
    clients = [SignalRCore(url(hub_cluster), ["said"], transport=HttpTransportType.server_sent_events) for _ in range(4)]
    try:
        api = hub_cluster.nodes[0].api
        assert sum(api.sessions_by_node().values()) == 4
        for client in clients:
            client.invoke("JoinGroup", "a")
        for number, client in enumerate(clients * 3):
            client.invoke("SendToGroup", "a", "said", number, ["ümläut\n🔔"])
        for client in clients:
            until(lambda: calls(client, "said") == [[number, ["ümläut\n🔔"]] for number in range(12)], "everybody hears everybody")
        with pytest.raises(CallFailed, match="The hub has no such method."):
            clients[0].invoke("Nothing")
        assert sum(node.api.metric("command_requests_forwarded_total") for node in hub_cluster.nodes) > 0
    finally:
        for client in clients:
            client.close()


def test_messages_of_event_streams_at_every_node(tmp_path: Path) -> None:
    with Cluster(tmp_path, **CONFIGURATION) as cluster:
        cluster.start()
        connection = negotiate(cluster.nodes[0])["connectionToken"]
        path = f"/chat?id={connection}"
        with Wire(cluster.nodes[1].client_port) as stream:
            stream.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n".encode())
            assert stream.read_head().startswith(b"HTTP/1.1 200 ")

            def post(node: Node, *messages: dict[str, Any]) -> int:
                body = "".join(json.dumps(message) + END for message in messages)
                return requests.post(f"http://{node.client}{path}", data=body.encode(), timeout=10).status_code

            def event() -> dict[str, Any]:
                text = b""
                while not text.endswith(b"\x1e\n\n"):
                    text += stream._read(1)
                return json.loads(text.rpartition(b"data: ")[2][:-3])

            assert post(cluster.nodes[2], {"protocol": "json", "version": 1}) == 200
            assert event() == {}
            for number, node in enumerate(cluster.nodes):
                assert post(node, {"type": 1, "invocationId": str(number), "target": "JoinGroup", "arguments": [f"g{number}"]}) == 200
                assert event() == {"type": 3, "invocationId": str(number), "result": None}
            cluster.nodes[0].api.publish("chat:g2", text="two\nlines")
            assert event() == {"type": 1, "target": "message", "arguments": ["two\nlines"]}
        until(lambda: post(cluster.nodes[2], {"type": 6}) == 404, "its session is gone")
        other = negotiate(cluster.nodes[0])["connectionToken"]
        assert requests.post(f"http://{cluster.nodes[0].client}/chat?id={other}", data="x", timeout=10).status_code == 404
        assert requests.post(f"http://{cluster.nodes[0].client}/chat", data="x", timeout=10).status_code == 400


# What is refused


@EACH
def test_calls_fail_in_the_words_of_the_protocol(hub_node: Node, kind: type[PySignalR], protocol: str) -> None:
    client = kind(f"http://{hub_node.client}/chat", ["said"], protocol)
    try:
        for method, arguments, error in [
            ("Nothing", (), "The hub has no such method."),
            ("JoinGroup", (), "The arguments do not fit the method."),
            ("JoinGroup", ("closed",), "This is not permitted."),
            ("SendToGroup", ("heard", "said", 1), "This is not permitted."),
            ("LeaveGroup", ("all",), "This is not permitted."),
        ]:
            with pytest.raises(CallFailed, match=error):
                client.invoke(method, *arguments)
        client.send("SendToGroup", "heard", "said", 1)
        client.invoke("JoinGroup", "still-there")
        assert client.opened == 1 and hub_node.api.metric("protocol_errors_total") == 0
    finally:
        client.close()


def test_streams_are_refused(hub_node: Node) -> None:
    with Wire(hub_node.client_port).open("/chat") as wire:
        greet(wire)
        for call in (
            {"type": 4, "invocationId": "1", "target": "JoinGroup", "arguments": ["a"]},
            {"type": 1, "invocationId": "2", "target": "JoinGroup", "arguments": ["a"], "streamIds": ["3"]},
        ):
            say(wire, call)
            say(wire, {"type": 2, "invocationId": "3", "item": 1}, {"type": 3, "invocationId": "3"})
            answer = hear(wire)
            assert answer == {"type": 3, "invocationId": call["invocationId"], "error": "This is not available here."}


@pytest.mark.parametrize("kind", KINDS)
def test_clients_without_a_token_are_turned_away(start_node: Any, kind: type[PySignalR]) -> None:
    node: Node = start_node(**{**CONFIGURATION, "auth": {"required": True, "keys": [{"secret": SECRET}]}})
    address = f"http://{node.client}/chat"
    assert requests.post(f"{address}/negotiate", timeout=5).status_code == 401
    assert requests.post(f"{address}/negotiate", headers={"Authorization": f"Bearer {token(-100)}"}, timeout=5).status_code == 401
    client = kind(address, [], token=token(sub="ann"))
    client.invoke("JoinGroup", "a")
    client.close()
    # As browsers do, which cannot set a header here.
    assert Wire(node.client_port).send(upgrade("/chat")).read_head().startswith(b"HTTP/1.1 401 ")
    Wire(node.client_port).open(f"/chat?access_token={token(sub='ann')}").close()


# On the wire


def greet(wire: Wire, protocol: str = JSON, version: int = 1) -> Wire:
    opcode = TEXT if protocol == JSON else BINARY
    wire.send(frame((json.dumps({"protocol": protocol, "version": version}) + END).encode(), opcode))
    assert wire.read_frame() == (opcode, b"{}\x1e")
    return wire


def say(wire: Wire, *messages: dict[str, Any]) -> None:
    wire.send(frame("".join(json.dumps(message) + END for message in messages).encode()))


def hear(wire: Wire) -> dict[str, Any]:
    opcode, payload = wire.read_frame()
    assert opcode == TEXT and payload.endswith(b"\x1e"), (opcode, payload)
    return json.loads(payload[:-1])


def negotiate(node: Node, version: int = 1, **headers: str) -> dict[str, Any]:
    response = requests.post(f"http://{node.client}/chat/negotiate?negotiateVersion={version}", headers=headers, timeout=5)
    assert response.status_code == 200, response.text
    return response.json()


def test_any_node_accepts_what_another_one_negotiated(tmp_path: Path) -> None:
    with Cluster(tmp_path, **CONFIGURATION) as cluster:
        cluster.start()
        for here, there in itertools.permutations(cluster.nodes, 2):
            answer = negotiate(here)
            with Wire(there.client_port).open(f"/chat?id={answer['connectionToken']}") as wire:
                greet(wire)
                [connection] = there.api.connections(node=there.id)
                assert connection["id"].endswith(answer["connectionId"])
            until(lambda: there.api.connections() == [], "it is gone")
        old = negotiate(cluster.nodes[0], version=0)
        assert "connectionToken" not in old
        Wire(cluster.nodes[1].client_port).open(f"/chat?id={old['connectionId']}").close()


def test_negotiations_offer_what_there_is(hub_node: Node) -> None:
    answer = negotiate(hub_node)
    assert answer["availableTransports"] == [
        {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}, {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
        {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]}]
    assert answer["negotiateVersion"] == 1 and set(answer) == {
        "negotiateVersion", "connectionId", "connectionToken", "availableTransports"}
    asked = requests.post(f"http://{hub_node.client}/chat/negotiate?negotiateVersion=1&useStatefulReconnect=true", timeout=5)
    assert asked.json()["useStatefulReconnect"] is True
    assert requests.get(f"http://{hub_node.client}/chat/negotiate", timeout=5).status_code == 405
    assert hub_node.api.metric("negotiations_total") == 2


def test_ids_that_are_none(hub_node: Node) -> None:
    good = negotiate(hub_node)["connectionToken"]
    for bad in ["x", good[:-1], good + "A", good[:20] + ("A" if good[20] != "A" else "B") + good[21:], negotiate(hub_node)["connectionId"]]:
        head = Wire(hub_node.client_port).send(upgrade(f"/chat?id={bad}")).read_head()
        assert head.startswith(b"HTTP/1.1 404 "), bad
    assert hub_node.api.metric("connection_tokens_refused_total") == 5


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("protocol", [JSON, MESSAGEPACK])
def test_handshakes_of_all_versions(hub_node: Node, protocol: str, version: int) -> None:
    with Wire(hub_node.client_port).open("/chat") as wire:
        greet(wire, protocol, version)


@pytest.mark.parametrize(
    "handshake",
    ['{"protocol":"json","version":9}', '{"protocol":"xml","version":1}', "x", '{"type":6}', "{}"],
)
def test_handshakes_that_are_none(hub_node: Node, handshake: str) -> None:
    with Wire(hub_node.client_port).open("/chat") as wire:
        wire.send(frame((handshake + END).encode()))
        assert "error" in hear(wire)
        assert wire.read_frame()[0] == CLOSE


def test_a_client_has_to_greet_in_time(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION, limits={"publish_rate": 0, "connect_timeout": "1s"})
    with Wire(node.client_port).open("/chat") as wire:
        assert hear(wire) == {"error": "the client did not log in in time (limits.connect_timeout)"}
        assert wire.read_close()[0] == 1008


def test_pings_are_messages_and_never_frames(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION, liveness={"ping_interval": "1s", "pong_timeout": "500ms"})
    with Wire(node.client_port).open("/chat") as text, Wire(node.client_port).open("/chat") as packed:
        greet(text)
        greet(packed, MESSAGEPACK)
        for _ in range(3):
            assert hear(text) == {"type": 6}
            assert packed.read_frame() == (BINARY, b"\x02\x91\x06")
        # A ping of WebSocket is answered all the same.
        text.send(frame(b"here?", 9))
        frames = [text.read_frame() for _ in range(2)]
        assert (10, b"here?") in frames


def test_several_messages_in_a_frame(hub_node: Node) -> None:
    with Wire(hub_node.client_port).open("/chat") as wire:
        first = json.dumps({"protocol": "json", "version": 1}) + END
        calls = [{"type": 1, "invocationId": str(n), "target": "JoinGroup", "arguments": [f"g{n}"]} for n in range(3)]
        wire.send(frame((first + "".join(json.dumps(call) + END for call in [{"type": 6}, *calls])).encode()))
        assert wire.read_frame() == (TEXT, b"{}\x1e")
        answers = sorted(hear(wire)["invocationId"] for _ in calls)
        assert answers == ["0", "1", "2"]


def test_pages_of_other_origins_may_negotiate(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION, client={"origins": ["https://app.example.com"]})
    address = f"http://{node.client}/chat/negotiate"
    page = {"Origin": "https://app.example.com"}
    asked = requests.options(
        address, timeout=5, headers={
            **page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-requested-with,x-signalr-user-agent"})
    assert asked.status_code == 200 and asked.headers["Access-Control-Allow-Methods"] == "POST"
    assert asked.headers["Access-Control-Allow-Headers"] == "x-requested-with,x-signalr-user-agent"
    answer = requests.post(address, headers=page, timeout=5)
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == page["Origin"]
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert requests.post(address, headers={"Origin": "https://evil.example.com"}, timeout=5).status_code == 403


def test_a_reload_changes_hubs(hub_node: Node) -> None:
    answer = negotiate(hub_node)
    with Wire(hub_node.client_port).open("/chat") as wire:
        greet(wire)
        changed = {**HUB, "keys": ["another key of more than thirty-two bytes"], "methods": {"join": "Enter"}}
        hub_node.file.write_text(json.dumps({**hub_node.configuration, "hubs": [changed, {"path": "/more"}]}))
        response = hub_node.api.request("POST", "/api/v1/config/reload")
        report = response.json()
        assert response.status_code == 200 and [change["key"] for change in report["changed"]] == ["hubs"], report
        assert KEY not in json.dumps(hub_node.api.get("/api/v1/config")) + json.dumps(report)
        say(wire, {"type": 1, "invocationId": "1", "target": "JoinGroup", "arguments": ["a"]})
        assert hear(wire)["error"] == "The hub has no such method."
        say(wire, {"type": 1, "invocationId": "2", "target": "Enter", "arguments": ["a"]})
        assert hear(wire) == {"type": 3, "invocationId": "2", "result": None}
    Wire(hub_node.client_port).open("/more").close()
    assert Wire(hub_node.client_port).send(upgrade(f"/chat?id={answer['connectionToken']}")).read_head().startswith(b"HTTP/1.1 404 ")


def test_events_have_a_name_where_there_is_one(hub_node: Node) -> None:
    """An event stream has events, and Centrifuge clients get the name as a tag; the command line has an option for it."""
    with Wire(hub_node.client_port).send(b"GET /sse?channel=chat:a HTTP/1.1\r\nHost: a\r\n\r\n") as stream:
        stream.read_head()
        with Wire(hub_node.client_port).open("/connection/websocket") as wire, Wire(hub_node.client_port).open("/chat") as hub:
            wire.send(frame(b'{"id":1,"connect":{}}'))
            wire.read_frame()
            wire.send(frame(b'{"id":2,"subscribe":{"channel":"chat:a"}}'))
            wire.read_frame()
            greet(hub)
            until(lambda: hub_node.api.subscribers("chat:a") == 2, "both are there")
            result = hub_node.command("publish", "chat:a", "--event", "moved", "[1,2]")
            assert result.returncode == 0, result.stderr
            pushed = json.loads(wire.read_frame()[1])["push"]["pub"]
            assert pushed["data"] == [1, 2] and pushed["tags"] == {"event": "moved"}
            say(hub, {"type": 1, "invocationId": "1", "target": "SendToGroup", "arguments": ["a", "x y", 1]})
            assert hear(hub) == {"type": 3, "invocationId": "1", "result": None}
            assert json.loads(wire.read_frame()[1])["push"]["pub"]["tags"] == {"event": "x y"}
        text = b""
        while b"x y" not in text:
            text += stream.socket.recv(4096)
        assert b"event: moved\ndata: [1,2]\n\n" in text
    for event, code in [("", 400), ("a\nb", 400), ("x" * 256, 400), ("x" * 255, 200), (5, 400)]:
        assert hub_node.api.post_publication({"channel": "a", "data": 1, "event": event}).status_code == code
