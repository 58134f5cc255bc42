"""What one session may do to itself and to others: logging in twice, going on after a refusal, asking for more than it reads."""

import asyncio
import json
import threading
import time
from typing import Any

import jwt
import pytest

from rig.centrifuge_wire import CentrifugeWire
from rig.control import undisturbed
from rig.node import Node
from rig.verdicts import Verdicts
from rig.waiting import until
from rig.wire import CLOSE, Wire, frame

SECRET = "a secret of more than thirty-two bytes, for tests"
EVERYTHING = [{"match": "*", "subscribe": "anyone", "publish": "client"}]


def token(seconds: float = 60, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, SECRET, algorithm="HS256")


def say(wire: Wire, *commands: dict[str, Any]) -> None:
    """One message, one command a line, numbered from 1."""
    wire.send(frame("\n".join(json.dumps({"id": number + 1, **command}) for number, command in enumerate(commands)).encode()))


def replies(wire: Wire) -> tuple[list[dict[str, Any]], int]:
    """What comes until the node closes, and the code."""
    heard: list[dict[str, Any]] = []
    while True:
        opcode, payload = wire.read_frame()
        if opcode == CLOSE:
            return heard, int.from_bytes(payload[:2], "big")
        heard += [json.loads(line) for line in payload.decode().split("\n")]


@pytest.fixture
def hooked(start_node: Any) -> Any:
    """Starts a node whose connect hook answers with what a function says."""
    loops: list[tuple[asyncio.AbstractEventLoop, threading.Thread, Verdicts]] = []

    def start(**changes: Any) -> tuple[Node, Verdicts]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        verdicts = asyncio.run_coroutine_threadsafe(Verdicts(silent=3).start(), loop).result(5)
        loops.append((loop, thread, verdicts))
        auth = {"required": True, "connect_hook": {"url": verdicts.url, "timeout": "500ms", **changes.pop("hook", {})}}
        return start_node(auth=auth, channels=EVERYTHING, **changes), verdicts

    yield start
    for loop, thread, verdicts in loops:
        asyncio.run_coroutine_threadsafe(verdicts.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


# -- 1: nothing but connect before a session is authenticated


def test_commands_behind_a_refused_connect_are_not_carried_out(start_node: Any) -> None:
    node = start_node(auth={"required": True, "keys": [{"secret": SECRET}]}, channels=EVERYTHING)
    listener = CentrifugeWire(node, token(sub="ann"))
    listener.subscribe("secret")
    wire = Wire(node.client_port).open("/connection/websocket")
    say(
        wire, {"connect": {"token": token(-365 * 86400, sub="bob")}}, {"subscribe": {"channel": "secret"}},
        {"publish": {"channel": "secret", "data": "x"}})
    heard, code = replies(wire)
    assert [reply.get("error", {}).get("code") for reply in heard] == [109]
    assert code == 3501
    node.api.publish("secret", data="last")
    until(lambda: listener.publications, "the publication arrives")
    assert [data for _, data in listener.publications] == ["last"]
    assert node.api.subscribers("secret") == 1
    listener.close()


@pytest.mark.parametrize("verdict", ["fail", "silent"])
def test_commands_behind_a_connect_nobody_decides_are_not_carried_out(hooked: Any, verdict: str) -> None:
    node, _ = hooked()
    wire = Wire(node.client_port).open("/connection/websocket")
    say(wire, {"connect": {"data": {"verdict": verdict}}}, {"subscribe": {"channel": "secret"}}, {"publish": {"channel": "secret", "data": "x"}})
    heard, code = replies(wire)
    assert [reply.get("error", {}).get("code") for reply in heard] == [100] and code == 3501
    assert node.api.subscribers("secret") == 0 and node.api.metric("client_publishes_total") == 0


def test_commands_behind_a_connect_are_not_carried_out_when_the_hook_is_busy(hooked: Any) -> None:
    node, verdicts = hooked(hook={"concurrency": 1})
    first = Wire(node.client_port).open("/connection/websocket")
    say(first, {"connect": {"data": {"verdict": "silent"}}})
    until(lambda: verdicts.asked, "the hook is asked")
    second = Wire(node.client_port).open("/connection/websocket")
    say(second, {"connect": {"data": {"verdict": "accept"}}}, {"publish": {"channel": "secret", "data": "x"}})
    heard, code = replies(second)
    assert [reply["error"]["code"] for reply in heard] == [100] and code == 3501
    assert node.api.metric("client_publishes_total") == 0


def test_commands_behind_a_slow_connect_are_carried_out_once_it_is_accepted(hooked: Any) -> None:
    node, _ = hooked()
    wire = Wire(node.client_port).open("/connection/websocket")
    say(wire, {"connect": {"data": {"verdict": "slow.ann"}}}, {"subscribe": {"channel": "a"}}, {"rpc": {}})
    # A frame of its own behind it waits too; and what is wrong behind it ends the session, not before.
    wire.send(frame(b'{"id":9,"publish":{"channel":"a","data":1}}') + frame(b"{"))
    heard, code = replies(wire)
    ids = [reply["id"] for reply in heard if "id" in reply]
    assert ids[0] == 1 and set(ids) >= {1, 3} and code == 3501
    assert node.api.metric("client_publishes_total") == 1


# -- 2: one membership for one session


def test_a_second_connect_after_a_refused_one_is_one_membership(hooked: Any) -> None:
    node, _ = hooked()
    for _ in range(20):
        wire = Wire(node.client_port).open("/connection/websocket")
        wire.send(frame(b'{"id":1,"connect":{"data":{"verdict":"fail"}}}'))
        assert json.loads(wire.read_frame()[1])["error"]["code"] == 100
        wire.send(frame(b'{"id":2,"connect":{"data":{"verdict":"accept.ann"}}}'))
        assert "connect" in json.loads(wire.read_frame()[1])
        wire.send(frame(b'{"id":3,"connect":{"data":{"verdict":"accept.ann"}}}'))
        assert wire.read_close()[0] == 3501
        wire.close()
        # Honest clients in the slots that are used again get what is for all, and nothing else.
        one, other = (CentrifugeWire(node, data={"verdict": f"accept.{name}"}) for name in ("bob", "eve"))
        one.subscribe("bob"), other.subscribe("eve")
        assert node.api.post_publication({"all": True, "data": "hello"}).status_code == 200
        node.api.publish("bob", data="for bob")
        node.api.publish("eve", data="for eve")
        until(lambda: one.publications and other.publications, "both are served")
        assert ([d for _, d in one.publications], [d for _, d in other.publications]) == (["for bob"], ["for eve"])
        assert one.closed is None and other.closed is None
        one.close(), other.close()
    assert node.api.metric("faults_total") == 0


# -- 10: what the application is told; and counts of users


def test_a_retried_connect_reaches_the_application_with_the_headers_of_the_request(hooked: Any) -> None:
    node, verdicts = hooked()
    wire = Wire(node.client_port)
    head = "GET /connection/websocket?room=7 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: session=17\r\nUser-Agent: test\r\n\r\n"
    wire.send(head.encode())
    assert wire.read_head().startswith(b"HTTP/1.1 101")
    for number, verdict in ((1, "fail"), (2, "fail"), (3, "accept.ann")):
        wire.send(frame(json.dumps({"id": number, "connect": {"data": {"verdict": verdict}}}).encode()))
        wire.read_frame()
    assert len(verdicts.questions) == 3
    for question in verdicts.questions:
        assert question["headers"]["cookie"] == "session=17" and question["headers"]["user-agent"] == "test"
        assert question["target"].startswith("/connection/websocket?room=7")


def test_a_session_counts_for_one_user_at_a_time(start_node: Any) -> None:
    """A token with the request and another with `connect`: both users get their counts back."""
    node = start_node(auth={"keys": [{"secret": SECRET}]}, limits={"sessions_per_user": 2}, channels=EVERYTHING)
    for _ in range(5):
        wire = Wire(node.client_port).open(f"/connection/websocket?token={token(sub='ann')}")
        say(wire, {"connect": {"token": token(sub="bob")}})
        assert "connect" in json.loads(wire.read_frame()[1])
        wire.close()
        until(lambda: node.api.metric("sessions") == 0, "the session is gone")
    for name in ("ann", "bob"):
        sessions = [CentrifugeWire(node, token(sub=name)) for _ in range(2)]
        for session in sessions:
            session.close()
        until(lambda: node.api.metric("sessions") == 0, "the sessions are gone")


# -- 5: every byte that waits is counted, before it is produced

#: What is kept of the channel: half of it has to be escaped, six bytes for one.
KEPT = [{"match": "h", "subscribe": "anyone", "publish": "client", "history": {"size": 400, "ttl": "5m"}, "presence": True}]
PAYLOAD = "\u0001\u0002ab" * 1500
OWN, ALL = 1 << 20, 48 << 20


def silent(node: Node, path: str) -> Wire:
    """A session that does not read: little fits into its socket."""
    return Wire(node.client_port, receive_buffer=4096).open(path)


def ask_for_history(node: Node) -> Wire:
    wire = silent(node, "/connection/websocket")
    commands = [{"connect": {}}, {"subscribe": {"channel": "h"}}, *({"history": {"channel": "h", "limit": 300}} for _ in range(40))]
    say(wire, *commands)
    return wire


def ask_for_presence(node: Node) -> Wire:
    wire = silent(node, "/connection/websocket")
    say(wire, {"connect": {}}, {"subscribe": {"channel": "h"}}, *({"presence": {"channel": "h"}} for _ in range(200)))
    return wire


def epoch(node: Node) -> str:
    return node.api.get("/api/v1/channels/h/history", limit=1)["top"].rpartition(":")[0]


def recover(node: Node) -> Wire:
    wire = silent(node, "/connection/websocket")
    say(wire, {"connect": {}}, *({method: {"channel": "h", **({"recover": True, "epoch": epoch(node), "offset": 280} if method == "subscribe" else {})}} for _ in range(20) for method in ("subscribe", "unsubscribe")))
    return wire


def resume_stream(node: Node) -> Wire:
    wire = Wire(node.client_port, receive_buffer=4096)
    wire.send(f"GET /sse?channel=h HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: h-{epoch(node)}.180\r\n\r\n".encode())
    return wire


@pytest.mark.parametrize("attack", [ask_for_history, ask_for_presence, recover, resume_stream])
def test_what_waits_stays_within_both_limits(start_node: Any, attack: Any) -> None:
    node = start_node(
        channels=KEPT, limits={"outbound_bytes": OWN, "outbound_bytes_node": ALL, "subscribe_rate": 0},
        liveness={"ping_interval": "10m"})
    for _ in range(300):
        node.api.publish("h", text=PAYLOAD)
    before = node.resident_bytes()
    with undisturbed(start_node("control")):
        wires = [attack(node) for _ in range(120)]
        most = memory = 0
        end = time.monotonic() + 4
        while time.monotonic() < end:
            most = max(most, int(node.api.metric("outbound_bytes")))
            memory = max(memory, node.resident_bytes() - before)
            time.sleep(0.05)
        connections = node.api.connections(sort="backlog")
    waiting = [connection["backlog_bytes"] - connection["kernel_bytes"] for connection in connections]
    print(f"{attack.__name__}: {len(waiting)} sessions open, {most >> 10} KiB waited at the most, {max(waiting, default=0) >> 10} KiB for one, memory +{memory >> 10} KiB")
    assert sum(waiting) <= ALL and most <= ALL
    # One publication may wait in any case where nothing else does.
    assert max(waiting, default=0) <= OWN + 6 * len(PAYLOAD)
    assert memory <= ALL * 1.5 + (24 << 20)
    for wire in wires:
        wire.close()
    until(lambda: node.api.metric("sessions") == 0, "the sessions are gone")
    assert node.api.metric("outbound_bytes") == 0 and node.api.metric("faults_total") == 0


def test_a_history_that_does_not_fit_is_shortened_and_the_client_can_go_on(start_node: Any) -> None:
    node = start_node(channels=KEPT, limits={"outbound_bytes": OWN})
    for number in range(300):
        node.api.publish("h", text=f"{number} {PAYLOAD}")
    client = CentrifugeWire(node)
    client.subscribe("h")
    page = client.command("history", channel="h", limit=300)
    epoch, found, pages = page["epoch"], [], 1
    while True:
        assert page["publications"] or len(found) == 300
        found += [(entry["offset"], entry["data"].split(" ")[0]) for entry in page["publications"]]
        if found[-1][0] == page["offset"]:
            break
        page = client.command("history", channel="h", limit=300, since={"epoch": epoch, "offset": found[-1][0]})
        pages += 1
    assert found == [(number + 1, str(number)) for number in range(300)]
    assert pages > 1
    client.close()
