"""The centrifuge dialect where there is no WebSocket: a stream, and requests with commands that any node takes."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from rig.application import Application
from rig.balancers import HAProxy
from rig.centrifuge_protobuf import delimited
from rig.certificates import Authority
from rig.cluster import Cluster
from rig.control import undisturbed
from rig.node import Node
from rig.streamed import EMULATION, Stream, Streamed, ask, get, post
from rig.waiting import until
from rig.wire import Wire, frame

SECRET = "a secret of more than thirty-two bytes, for tests"
KEPT = [{"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "5m"}, "presence": {}}]
TRANSPORTS = pytest.mark.parametrize(
    ("transport", "protobuf"), [("http_stream", False), ("http_stream", True), ("sse", False)], ids=["lines", "protobuf", "events"])


def token(seconds: float = 600, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, SECRET, algorithm="HS256")


@pytest.fixture
def application() -> Iterator[Application]:
    server = Application()
    yield server
    server.stop()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Cluster]:
    """Redis and two nodes that know each other."""
    with Cluster(tmp_path, size=2, channels=KEPT) as started:
        yield started.start()
        started.check_permissions()


def pub(push: Any) -> Any:
    """The payload of a publication."""
    return push["pub"]["data"] if isinstance(push, dict) else json.loads(push.pub.data)


@TRANSPORTS
def test_a_client_does_all_it_does_over_websocket(start_node: Any, transport: str, protobuf: bool) -> None:
    node: Node = start_node(channels=KEPT, liveness={"ping_interval": "1s", "pong_timeout": "500ms"})
    client = Streamed(node.client, transport=transport, protobuf=protobuf)
    assert client.node == node.id and client.id.startswith(node.id)
    reply = client.command("subscribe", channel="news")
    assert (reply.subscribe if protobuf else reply) and node.api.subscribers("news") == 1
    node.api.publish("news", data={"n": 1})
    assert pub(client.push()) == {"n": 1}
    client.command("publish", channel="news", data="eyJuIjoyfQ==" if protobuf else {"n": 2})
    assert pub(client.push()) == {"n": 2}
    history = client.command("history", channel="news", limit=-1)
    assert len(history.history.publications if protobuf else history["publications"]) == 2
    presence = client.command("presence", channel="news")
    assert list(presence.presence.presence if protobuf else presence["presence"]) == [client.id]
    # A client that answers pings stays, beyond the time of two of them.
    while client.pings < 2:
        node.api.publish("news", data={"n": 3})
        assert pub(client.push()) == {"n": 3}
        time.sleep(0.2)
    client.command("unsubscribe", channel="news")
    assert node.api.subscribers("news") == 0 and node.api.metric("pongs_missed_total") == 0
    client.close()
    until(lambda: node.api.metric("sessions") == 0, "the session ends with its stream")
    assert client.send(client.encoded("publish", 50, channel="news", data="e30=" if protobuf else {}))[0] == 404


@TRANSPORTS
def test_a_client_that_answers_no_ping_has_to_go(start_node: Any, transport: str, protobuf: bool) -> None:
    node: Node = start_node(liveness={"ping_interval": "1s", "pong_timeout": "500ms"})
    client = Streamed(node.client, transport=transport, protobuf=protobuf, pongs=False)
    push = client.push()
    disconnect = push.disconnect if protobuf else push["disconnect"]
    code, reconnect = (disconnect.code, disconnect.reconnect) if protobuf else (disconnect["code"], disconnect["reconnect"])
    assert (code, reconnect) == (3012, True) and client.stream.ended()
    assert node.api.metric("pongs_missed_total") == 1


@pytest.mark.parametrize("spoken", ["http_stream", "sse"])
def test_commands_of_one_request_keep_their_order(start_node: Any, spoken: str) -> None:
    node: Node = start_node(channels=KEPT)
    client = Streamed(node.client, transport=spoken)
    client.command("subscribe", channel="a")
    lines = [json.dumps({"id": number, "publish": {"channel": "a", "data": number}}) for number in range(3, 103)]
    assert client.send("\n".join(lines).encode())[0] == 204
    found = [client.receive() for _ in range(200)]
    assert [message["push"]["pub"]["data"] for message in found if "push" in message] == list(range(3, 103))
    assert [message["id"] for message in found if "id" in message] == list(range(3, 103))
    # And of requests that follow each other.
    for number in range(103, 123):
        assert client.send(client.encoded("publish", number, channel="a", data=number))[0] == 204
    seen = [client.receive() for _ in range(40)]
    assert [message["push"]["pub"]["data"] for message in seen if "push" in message] == list(range(103, 123))
    client.close()


def test_a_connect_that_waits_holds_what_follows(start_node: Any, application: Application) -> None:
    application.waits.clear()
    node: Node = start_node(auth={"connect_hook": {"url": application.url}})
    body = b'{"id":1,"connect":{"data":{"a":1}}}\n{"id":2,"subscribe":{"channel":"a"}}'
    stream = Stream(node.client, post("/connection/http_stream", body))
    assert stream.status == 200
    until(lambda: application.bodies, "the application is asked")
    assert application.asked[0]["data"] == {"a": 1} and application.asked[0]["dialect"] == "centrifuge"
    application.waits.set()
    assert [stream.message()["id"] for _ in range(2)] == [1, 2]
    stream.close()


def test_tokens(start_node: Any) -> None:
    node: Node = start_node(auth={"required": True, "keys": [{"secret": SECRET}], "refresh_grace": "0s"}, channels=KEPT)
    client = Streamed(node.client, token=token(sub="ann", channels=["given"]))
    assert client.connected["subs"].keys() == {"given"} and client.connected["expires"]
    assert client.command("refresh", token=token(sub="ann"))["ttl"] > 0
    node.api.publish("given", data=1)
    assert pub(client.push()) == 1
    expired = Streamed(node.client, token=token(-600, sub="ann"))
    assert expired.connected["error"]["code"] == 109
    bad = Stream(node.client, post("/connection/http_stream", b'{"id":1,"connect":{"token":"x"}}'))
    assert bad.message() == {"push": {"disconnect": {"code": 3500, "reason": "invalid token"}}} and bad.ended()
    # A token in the request is judged before anything is answered.
    status, text = ask(node.client, post("/connection/http_stream", b'{"id":1,"connect":{}}', Authorization="Bearer x"))
    assert status == 401 and "token_invalid" in text
    client.close()


# MARK: Hostile


def test_the_key_of_a_session_is_its_own(start_node: Any) -> None:
    node: Node = start_node(channels=KEPT)
    client, other = Streamed(node.client), Streamed(node.client)
    place, secret = client.session.split("-")
    _, locator, id_secret = client.id.split("-")
    assert place == locator and secret != id_secret and len(secret) == 32 and secret != other.session.split("-")[1]
    data = json.dumps({"id": 9, "publish": {"channel": "a", "data": 1}}).encode()
    forged = [
        f"{locator}-{id_secret}", f"{locator}-{'0' * 32}", f"{locator}-{other.session.split('-')[1]}", client.id, "", "x",
        f"{'f' * 16}-{secret}", client.session[:-1], client.session + "0", client.session.upper() + "g"]  # fmt: skip
    for session in forged:
        status, text = ask(node.client, client.emulation(data, session=session))
        assert (status, "unknown_session" in text) == (404, True), session
    for name in ["", "x", "0" * 16, "f" * 16, client.node.upper() + "x"]:
        assert ask(node.client, client.emulation(data, node=name))[0] == 404, name
    # A session over WebSocket takes no commands from elsewhere: it has no key.
    with Wire(node.client_port).open("/connection/websocket") as wire:
        wire.send(frame(b'{"id":1,"connect":{}}'))
        known = json.loads(wire.read_frame()[1])["connect"]
        assert "session" not in known
        parts = known["client"].split("-")
        assert ask(node.client, client.emulation(data, session=f"{parts[1]}-{parts[2]}"))[0] == 404
    assert node.api.metric("client_publishes_total") == 0
    assert node.api.metric("command_requests_refused_total") == len(forged) + 6
    assert client.command("publish", channel="a", data=1) == {}
    client.close()
    other.close()


@pytest.mark.parametrize(("body", "status"), [
    (b"", 400), (b"{", 400), (b"[]", 400), (b"\xff\xfe", 400), (b'{"node":1}', 400), (b'{"data":{"id":1}}', 400),
    (b'{"data":"\xed\xa0\x80"}', 400), (b"{" * 5000, 400), (b"[" * 100_000, 400), (b"null", 400), (b"{}", 404),
    (b'{"node":"0000000000000001","session":"x","data":""}', 404),
], ids=lambda value: str(value)[:24])  # fmt: skip
def test_bodies_that_are_no_requests(node: Node, body: bytes, status: int) -> None:
    assert ask(node.client, post(EMULATION, body))[0] == status
    assert ask(node.client, post(EMULATION, body, Content_Type="application/octet-stream"))[0] in (400, 404)


def test_what_a_session_is_sent_ends_it_in_the_words_of_the_protocol(start_node: Any) -> None:
    node: Node = start_node(limits={"message_bytes": 1024})
    cases: list[tuple[bytes, int]] = [
        (b"", 3501), (b"nonsense", 3501), (b"{}", 3501), (b'{"id":2,"connect":{}}', 3501), (b'{"publish":{"channel":"a","data":1}}', 3501),
        (b'{"id":2,"send":{"data":1}}', 3508), (b'{"id":2,"publish":{"channel":"a","data":"' + b"x" * 2000 + b'"}}', 3501)]
    for data, code in cases:
        client = Streamed(node.client)
        assert client.send(data)[0] == 204
        push = client.push()
        assert push["disconnect"]["code"] == code and "reconnect" not in push["disconnect"], data
        assert client.stream.ended() and client.send(b'{"id":3,"publish":{}}')[0] == 404
    client = Streamed(node.client, protobuf=True)
    assert client.send(delimited(b"\x0a\x05"))[0] == 204 and client.push().disconnect.code == 3501


def test_an_encoding_that_is_not_the_sessions(node: Node) -> None:
    lines, protobuf = Streamed(node.client), Streamed(node.client, protobuf=True)
    swapped = [(lines, protobuf), (protobuf, lines)]
    for speaker, owner in swapped:
        data = speaker.encoded("unsubscribe", 2, channel="a")
        status, text = ask(node.client, speaker.emulation(data, session=owner.session))
        assert status == 400 and "wrong_encoding" in text
    assert lines.command("unsubscribe", channel="a") == {} and protobuf.command("unsubscribe", channel="a").id == 2


def test_bodies_that_are_too_large_or_of_no_length(start_node: Any) -> None:
    node: Node = start_node(limits={"request_bytes": "2KiB", "handshake_timeout": "1s"})
    client = Streamed(node.client)
    for path in [EMULATION, "/connection/http_stream", "/connection/uni_http_stream", "/connection/sse", "/connection/uni_sse"]:
        assert ask(node.client, post(path, b"x" * 2049))[0] == 413
        assert ask(node.client, post(path, b"", Content_Length="99999999999999999999999"))[0] == 413
        assert ask(node.client, post(path, b"", Content_Length="", Transfer_Encoding="chunked"))[0] == 411
        assert ask(node.client, post(path, b"{}", Expect="100-continue"))[0] == 417
    assert node.api.metric("requests_oversized_total") == 10
    # A body that does not come in time, and one that trickles.
    begun = time.monotonic()
    status, text = ask(node.client, client.emulation(b"{}")[:-5])
    assert status == 408 and "handshake_timeout" in text and time.monotonic() - begun < 8
    with Wire(node.client_port) as wire:
        request = client.emulation(b'{"id":2,"unsubscribe":{"channel":"a"}}')
        for byte in request[:-20]:
            wire.send(bytes([byte]))
        wire.send(request[-20:] + b"bytes behind the body")
        assert wire.read_head().startswith(b"HTTP/1.1 204 ")
    assert client.reply(2)["unsubscribe"] == {}
    client.close()
    until(lambda: node.api.metric("sessions") == 0, "nothing is left")


def test_bodies_count_as_incomplete_messages(start_node: Any) -> None:
    node: Node = start_node(node={"reactors": 1}, limits={"incomplete_bytes_node": "1MiB", "request_bytes": "1MiB", "message_bytes": 1024})
    wires = []
    for _ in range(5):
        wire = Wire(node.client_port)
        wire.send(post(EMULATION, b"x" * 250_000, Content_Length="500000"))
        wires.append(wire)
    until(lambda: node.api.metric("incomplete_limit_hits_total") >= 1, "the limit holds")
    for wire in wires:
        wire.close()
    until(lambda: node.api.metric("sessions") == 0, "they are gone")
    client = Streamed(node.client)
    assert client.command("unsubscribe", channel="a") == {}
    client.close()


def test_commands_that_are_too_many(start_node: Any) -> None:
    """A client that is too fast waits; what waits for it is bounded."""
    node: Node = start_node(limits={"command_rate": 20, "command_burst": 5, "batch_bytes": "16KiB", "message_bytes": "16KiB"})
    client = Streamed(node.client)
    statuses = []
    for number in range(2, 80):
        body = json.dumps({"id": number, "unsubscribe": {"channel": "a" * 200}}).encode()
        statuses.append(client.send(body)[0])
    assert statuses[0] == 204 and set(statuses) == {204, 429}
    taken = statuses.count(204)
    assert [client.receive()["id"] for _ in range(taken)] == [2 + n for n, status in enumerate(statuses) if status == 204]
    assert node.api.metric("command_rate_hits_total") >= 1
    client.close()


def test_requests_with_commands_have_a_rate(start_node: Any) -> None:
    node: Node = start_node(limits={"requests_per_second": 5, "requests_burst": 5})
    client = Streamed(node.client)
    statuses = [client.send(b'{"id":2,"unsubscribe":{"channel":"a"}}')[0] for _ in range(10)]
    assert statuses[:5] == [204] * 5 and 429 in statuses
    assert node.api.metric("request_rate_hits_total") == statuses.count(429)
    # Sessions are none of its business.
    Streamed(node.client).close()
    node.stop()
    node = start_node("other", limits={"requests_per_address_per_second": 1, "requests_per_address_burst": 2})
    client = Streamed(node.client)
    assert [client.send(b'{"id":2,"unsubscribe":{"channel":"a"}}')[0] for _ in range(3)] == [204, 204, 429]


def test_methods_and_paths(node: Node) -> None:
    for path, allowed in [
        (EMULATION, "POST, OPTIONS"), ("/connection/http_stream", "POST, OPTIONS"), ("/connection/sse", "GET, POST, OPTIONS"),
        ("/connection/uni_http_stream", "POST, OPTIONS"), ("/connection/uni_sse", "GET, POST, OPTIONS")]:  # fmt: skip
        with Wire(node.client_port) as wire:
            head = wire.send(b"PUT %b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode()).read_head().decode()
        assert head.startswith("HTTP/1.1 405 ") and f"Allow: {allowed}\r\n" in head
    assert ask(node.client, get("/connection/sse"))[0] == 400
    assert ask(node.client, post("/connection/http_stream", b""))[0] == 400


def test_pages_of_other_origins(start_node: Any) -> None:
    node: Node = start_node(client={"origins": ["https://app.example.com"]})
    origin = {"Origin": "https://app.example.com"}

    def head(request: bytes) -> str:
        with Wire(node.client_port) as wire:
            return wire.send(request).read_head().decode()

    ask_first = b"OPTIONS /emulation HTTP/1.1\r\nHost: a\r\nOrigin: %b\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n"
    preflight = head(ask_first % b"https://app.example.com")
    assert preflight.startswith("HTTP/1.1 200 ") and "Access-Control-Allow-Methods: POST\r\n" in preflight
    assert "Access-Control-Allow-Headers: content-type\r\n" in preflight
    assert head(ask_first % b"https://evil.example.com").startswith("HTTP/1.1 403 ")
    client = Streamed(node.client, headers=origin)
    assert "Access-Control-Allow-Origin: https://app.example.com\r\n" in client.stream.head
    request = client.emulation(b'{"id":2,"unsubscribe":{"channel":"a"}}')
    allowed = head(request.replace(b"Host: localhost", b"Host: localhost\r\nOrigin: https://app.example.com"))
    assert allowed.startswith("HTTP/1.1 204 ") and "Access-Control-Allow-Origin: https://app.example.com\r\n" in allowed
    refused = head(request.replace(b"Host: localhost", b"Host: localhost\r\nOrigin: https://evil.example.com"))
    assert refused.startswith("HTTP/1.1 403 ") and "Access-Control-Allow-Origin" not in refused
    client.close()


def test_guesses_disturb_nobody(start_node: Any) -> None:
    """V41: keys that are wrong, bodies that are none and bodies that never end, as fast as four connections at a time can."""
    node: Node = start_node(channels=KEPT, limits={"request_bytes": "64KiB"})
    client = Streamed(node.client)
    place = client.session[:17]
    held = [Wire(node.client_port).send(post(EMULATION, b"x" * 60_000, Content_Length="65536")) for _ in range(50)]

    def guess(number: int) -> int:
        if number % 8 == 0:
            return ask(node.client, post(EMULATION, b"[" * 60_000))[0]
        return ask(node.client, client.emulation(b"x" * 30_000, session=f"{place}{number:032x}"))[0]

    with undisturbed(node), ThreadPoolExecutor(4) as pool:
        statuses = set(pool.map(guess, range(600)))
    assert statuses == {400, 404}
    for wire in held:
        wire.close()
    assert client.command("subscribe", channel="a") is not None
    client.close()
    until(lambda: node.api.metric("sessions") == 0, "nothing is left")
    assert node.api.metric("faults_total") == 0


# MARK: More than one node


@TRANSPORTS
def test_any_node_takes_commands(pair: Cluster, transport: str, protobuf: bool) -> None:
    first, second = pair.nodes
    client = Streamed(first.client, second.client, transport, protobuf=protobuf)
    assert client.node == first.id
    client.command("subscribe", channel="news")
    assert second.api.subscribers("news") == 1
    for number in range(20):
        client.command("publish", channel="news", data="MQ==" if protobuf else number)
    pushes = [pub(client.push()) for _ in range(20)]
    assert pushes == ([1] * 20 if protobuf else list(range(20)))
    assert second.api.metric("command_requests_forwarded_total") == 21
    assert second.api.metric("command_requests_total") == 21
    # What another node says about a wrong key is what its own would say.
    wrong = client.session[:17] + "0" * 32
    assert ask(second.client, client.emulation(b"\0" if protobuf else b"{}", session=wrong))[0] == 404
    client.close()
    until(lambda: first.api.metric("sessions") == 0, "the stream is gone")
    assert client.send(b"\0" if protobuf else b"{}")[0] == 404


def test_large_requests_come_through(pair: Cluster) -> None:
    first, second = pair.nodes
    client = Streamed(first.client, second.client)
    lines = [json.dumps({"id": n, "publish": {"channel": "a", "data": "x" * 30_000}}).encode() for n in range(2, 10)]
    assert client.send(b"\n".join(lines))[0] == 204
    assert [client.receive()["id"] for _ in range(8)] == list(range(2, 10))
    client.close()


def test_requests_on_their_way_are_bounded(tmp_path: Path) -> None:
    """A node that does not answer costs the others bounded memory, and its clients a temporary refusal."""
    with Cluster(tmp_path, size=2, channels=KEPT, limits={"forward_bytes": "1MiB"}) as cluster:
        cluster.start()
        first, second = cluster.nodes
        client = Streamed(first.client, second.client)
        body = json.dumps({"id": 2, "publish": {"channel": "a", "data": "x" * 60_000}}).encode()
        first.pause()
        try:
            with ThreadPoolExecutor(32) as pool:
                answers = list(pool.map(lambda _: client.send(body), range(32)))
        finally:
            first.resume()
        assert {status for status, _ in answers} == {503}
        assert second.api.metric("command_forward_limit_hits_total") >= 1
        assert second.api.metric("command_forwards_unanswered_total") >= 1
        client.close()


def test_a_node_that_died_and_one_that_leaves(pair: Cluster) -> None:
    first, second = pair.nodes
    client = Streamed(first.client, second.client)
    first.kill()
    # Its lease is not over: it is asked, and does not answer.
    status, text = client.send(b'{"id":2,"unsubscribe":{"channel":"a"}}')
    assert status == 503 and "temporarily_unavailable" in text
    # And then it is forgotten.
    until(lambda: client.send(b'{"id":2,"unsubscribe":{"channel":"a"}}')[0] == 404, "nobody waits for it", 30)
    first.configuration["client"]["listen"] = first.client
    first.start()
    pair.wait_until_whole()
    client = Streamed(first.client, second.client)
    client.command("subscribe", channel="a")
    first.send(signal.SIGTERM)
    push = client.push()
    assert push["disconnect"] == {"code": 3001, "reason": "shutdown", "reconnect": True} and client.stream.ended()
    until(lambda: client.send(b'{"id":3,"unsubscribe":{"channel":"a"}}')[0] == 404, "it has said farewell")


def test_behind_a_balancer(balanced_cluster: Cluster) -> None:
    """Each request goes where the balancer sends it: most of them to another node than the stream's."""
    cluster = balanced_cluster
    balancer = cluster.balance(HAProxy)
    clients = [Streamed(balancer.client, transport=transport, protobuf=protobuf)
               for transport, protobuf in [("http_stream", False), ("http_stream", True), ("sse", False)] for _ in range(3)]  # fmt: skip
    # The balancer takes the nodes in turn, and so had each request the node of its stream.
    clients[0].command("unsubscribe", channel="news")
    for client in clients:
        client.command("subscribe", channel="news")
    for number in range(5):
        cluster.nodes[number % 3].api.publish("news", data=number)
    for client in clients:
        assert [pub(client.push()) for _ in range(5)] == list(range(5))
        assert client.command("publish", channel="other", data="MQ==" if client.is_protobuf else 1) is not None
    forwarded = sum(node.api.metric("command_requests_forwarded_total") for node in cluster.nodes)
    assert 1 <= forwarded <= 19 and sum(node.api.metric("command_requests_total") for node in cluster.nodes) == 19
    for client in clients:
        client.close()


def test_a_drain_tells_streams_to_come_back(start_node: Any) -> None:
    node: Node = start_node(drain={"wait": "0s", "window": "1s"})
    clients = [Streamed(node.client, transport=kind) for kind in ("http_stream", "sse") for _ in range(4)]
    assert node.command("drain", node.id).returncode == 0
    for client in clients:
        assert client.push()["disconnect"]["code"] == 3001 and client.stream.ended()


def test_what_a_client_misses_it_gets_when_it_comes_back(pair: Cluster) -> None:
    first, second = pair.nodes
    client = Streamed(first.client)
    begin = client.command("subscribe", channel="kept")
    client.close()
    for number in range(3):
        second.api.publish("kept", data=number)
    client = Streamed(second.client, first.client, "sse")
    again = client.command("subscribe", channel="kept", recover=True, epoch=begin["epoch"], offset=begin.get("offset", 0))
    assert again["recovered"] and [each["data"] for each in again["publications"]] == [0, 1, 2]
    client.close()


def test_a_stream_that_is_not_read_is_a_slow_consumer(start_node: Any) -> None:
    node: Node = start_node(limits={"outbound_bytes": "64KiB"})
    client = Streamed(node.client)
    client.command("subscribe", channel="a")
    text = "x" * 50_000

    def is_slow() -> bool:
        for _ in range(20):
            node.api.publish("a", text=text)
        return node.api.metric("slow_disconnects_total") == 1

    until(is_slow, "it is found to be slow", 30)
    until(lambda: node.api.metric("sessions") == 0, "it is gone", 15)


def test_addresses_and_operators_see_a_session_as_any_other(start_node: Any) -> None:
    node: Node = start_node()
    client = Streamed(node.client)
    client.command("subscribe", channel="a")
    (seen,) = node.api.connections()
    assert seen["id"] == client.id and seen["dialect"] == "centrifuge"
    assert node.command("connections").returncode == 0
    assert node.api.request("POST", f"/api/v1/connections/{client.id}/close").status_code == 200
    assert client.push()["disconnect"]["code"] == 4000 and client.stream.ended()


def test_over_tls(start_node: Any, believed: tuple[Authority, Path, Path]) -> None:
    """requests, from PyPI: the stream and its commands on connections that are encrypted."""
    authority, certificate, key = believed
    node: Node = start_node(client={"tls": {"certificate": str(certificate), "key": str(key)}}, channels=KEPT)
    port = node.client_port
    with requests.Session() as http:
        # The environment may name other authorities.
        http.trust_env, http.verify = False, str(authority.file)
        url = f"https://localhost:{port}"
        stream = http.post(f"{url}/connection/http_stream", json={"id": 1, "connect": {}}, stream=True, timeout=10)
        lines = stream.iter_lines(chunk_size=1)
        connected = json.loads(next(lines))["connect"]
        for number, command in enumerate([{"subscribe": {"channel": "a"}}, {"publish": {"channel": "a", "data": 1}}], 2):
            body = {"session": connected["session"], "node": connected["node"], "data": json.dumps({"id": number, **command})}
            assert http.post(f"{url}/emulation", json=body, timeout=10).status_code == 204
        assert json.loads(next(lines))["id"] == 2
        assert {"id" in json.loads(next(lines)) for _ in range(2)} == {True, False}


def test_frames_and_requests_do_not_mix(node: Node) -> None:
    """Bytes behind the body of a stream's request are nobody's."""
    stream = Stream(node.client, post("/connection/http_stream", b'{"id":1,"connect":{}}') + b'{"id":2,"subscribe":{"channel":"a"}}\n' * 100)
    assert stream.message()["id"] == 1
    stream.wire.send(b"\x81\x85abcd" * 1000)
    node.api.publish("a", data=1)
    assert node.api.subscribers("a") == 0 and node.api.metric("sessions") == 1
    stream.close()
