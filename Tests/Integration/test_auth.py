"""Who gets in, as whom, and for how long: tokens made by PyPI PyJWT, shown in every way there is."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import centrifuge
import jwt
import pytest
import requests
import websockets.exceptions
import websockets.sync.client
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rig.application import Application
from rig.centrifuge_wire import CentrifugeWire
from rig.cluster import Cluster
from rig.issuer import Issuer
from rig.node import Node, carillon
from rig.waiting import until

SECRET = "a secret of more than thirty-two bytes, for tests"
CHANNELS = [
    {"match": "open:*", "subscribe": "anyone", "publish": "client"},
    {"match": "users:*", "subscribe": "user", "publish": "user"},
    {"match": "granted:*", "subscribe": "granted", "publish": "granted"},
    {"match": "*", "subscribe": "nobody", "publish": "server"},
]


def token(key: Any = SECRET, algorithm: str = "HS256", seconds: float = 60, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, key, algorithm=algorithm, headers=headers)


def start(start_node: Any, **auth: Any) -> Node:
    return start_node(auth={"keys": [{"secret": SECRET}], **auth}, channels=CHANNELS)


def connect(node: Node, path: str, **arguments: Any) -> websockets.sync.client.ClientConnection:
    return websockets.sync.client.connect(f"ws://{node.client}{path}", compression=None, legacy=True, **arguments)


def refusal(node: Node, path: str, **arguments: Any) -> tuple[int, str]:
    """Status and code of a handshake that is refused."""
    with pytest.raises(websockets.exceptions.InvalidStatus) as raised:
        connect(node, path, **arguments)
    response = raised.value.response
    return response.status_code, json.loads(response.body)["error"]["code"]


# -- raw and sse: a token is shown with the request


def test_a_token_in_the_query_the_header_or_a_cookie(start_node: Any) -> None:
    node = start_node(
        auth={"keys": [{"secret": SECRET}], "required": True, "cookie": "session"},
        client={"origins": ["https://app.example.com"]}, channels=CHANNELS)
    good = token(sub="ann")
    for path, headers in (
        (f"/raw?channel=users:a&token={good}", {}),
        ("/raw?channel=users:a", {"Authorization": f"Bearer {good}"}),
        ("/raw?channel=users:a", {"Cookie": f"other=1; session={good}"}),
    ):
        with connect(node, path, additional_headers=headers) as socket:
            socket.send("hello")
            assert socket.recv(timeout=5) == "hello"
    assert [c["user"] for c in node.api.connections()] in ([], ["ann"])
    assert refusal(node, "/raw?channel=open:a") == (401, "token_missing")
    stream = requests.get(f"http://{node.client}/sse?channel=users:a&token={good}", stream=True, timeout=5)
    assert stream.status_code == 200
    stream.close()


def test_visitors_get_what_is_open(start_node: Any) -> None:
    node = start(start_node)
    connect(node, "/raw?channel=open:a").close()
    assert refusal(node, "/raw?channel=users:a") == (403, "not_permitted")
    assert refusal(node, "/raw?channel=granted:a") == (403, "not_permitted")
    assert refusal(node, "/raw?channel=hidden") == (403, "not_permitted")


def test_grants_open_channels_and_nothing_else(start_node: Any) -> None:
    node = start(start_node)
    reader = token(sub="ann", grants=[{"match": "granted:*", "allow": ["subscribe"]}])
    writer = token(sub="bob", grants=[{"match": ["granted:a"], "allow": ["subscribe", "publish"]}])
    with connect(node, f"/raw?channel=granted:a&token={reader}") as listening:
        with connect(node, f"/raw?channel=granted:a&token={writer}") as speaking:
            speaking.send("from bob")
            assert listening.recv(timeout=5) == "from bob"
        listening.send("from ann")
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            listening.recv(timeout=5)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
    assert refusal(node, f"/raw?channel=granted:b&token={writer}") == (403, "not_permitted")
    hidden = token(sub="ann", channels=["hidden"])
    assert refusal(node, f"/raw?channel=open:a&token={hidden}") == (403, "not_permitted")


def test_channels_of_a_token_are_joined(start_node: Any) -> None:
    node = start(start_node)
    with connect(node, f"/raw?token={token(sub='ann', channels=['granted:x', 'open:y'])}") as socket:
        node.api.publish("granted:x", text="1")
        node.api.publish("open:y", text="2")
        assert [socket.recv(timeout=5), socket.recv(timeout=5)] == ["1", "2"]


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def hostile_tokens() -> dict[str, str]:
    good = token(sub="ann")
    head, body, signature = good.split(".")
    return {
        "none": f"{part({'alg': 'none'})}.{body}.",
        "None": f"{part({'alg': 'None'})}.{body}.",
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "five parts": f"{good}.a.b",
        "another signature": f"{head}.{body}.{signature[::-1]}",
        "other claims": f"{head}.{part({'sub': 'root', 'exp': 9999999999})}.{signature}",
        "padding": f"{good}==",
        "expired": token(sub="ann", seconds=-120),
        "not yet": token(sub="ann", nbf=int(time.time()) + 600),
        "no expiry": jwt.encode({"sub": "ann"}, SECRET, algorithm="HS256"),
        "wrong secret": token("b" * 40, sub="ann"),
        "wrong algorithm": token(SECRET * 2, "HS512", sub="ann"),
        "unknown key": token(sub="ann", headers={"kid": "../../etc/passwd"}),
        "critical": token(sub="ann", headers={"crit": ["x"], "x": 1}),
        "nested": token(sub="ann", headers={"cty": "JWT"}),
        "huge": token(sub="ann", info="x" * 9000),
        "user is a number": f"{head}.{part({'sub': 1, 'exp': 9999999999})}.{signature}",
        "not json": f"{head}.{base64.urlsafe_b64encode(b'{').decode().rstrip('=')}.{signature}",
        "nothing": "none-at-all",
        "for a subscription": token(sub="ann", channel="open:a"),
    }


@pytest.mark.parametrize("name", hostile_tokens())
def test_a_bad_token_is_refused(start_node: Any, name: str) -> None:
    node = start(start_node)
    bad = hostile_tokens()[name]
    if name == "huge":
        expected = 431, "header_too_large"
    else:
        expected = 401, "token_expired" if name == "expired" else "token_invalid"
    assert refusal(node, "/raw?channel=open:a", additional_headers={"Authorization": f"Bearer {bad}"}) == expected
    # It is said nowhere, least of all in the log.
    assert bad not in node.output()
    assert name == "huge" or "carillon_unauthorized_total 1" in node.api.metrics()


def test_the_end_of_a_token_ends_the_session(start_node: Any) -> None:
    node = start(start_node, leeway="0s")
    with connect(node, f"/raw?channel=open:a&token={token(sub='ann', seconds=2)}") as socket:
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            socket.recv(timeout=8)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008 and "expired" in closed.value.rcvd.reason


# -- keys


def key_pair() -> tuple[Any, bytes]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private, private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_keys_from_files_and_the_confusion_of_kinds(start_node: Any, tmp_path: Path) -> None:
    private, public = key_pair()
    (tmp_path / "issuer.pem").write_bytes(public)
    node = start_node(auth={"keys": [{"file": str(tmp_path / "issuer.pem"), "algorithm": "RS256"}]}, channels=CHANNELS)
    connect(node, f"/raw?channel=users:a&token={token(private, 'RS256', sub='ann')}").close()
    # The public key, used as a secret (CVE-2016-10555). PyJWT refuses to make such a token.
    import hashlib
    import hmac

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': 'root', 'exp': int(time.time()) + 60})}"
    digest = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
    assert refusal(node, f"/raw?channel=users:a&token={forged}") == (401, "token_invalid")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([{"secret": "short"}], "32"),
        ([{"file": "/nowhere/issuer.pem"}], "/nowhere/issuer.pem"),
        ([{"secret": SECRET, "file": "x"}], "name exactly one source of the key"),
        ([{"secret": SECRET, "algorithm": "none"}], "'none' is not possible here"),
        ([{"jwks_url": "http://issuer.example.com/keys"}], "https"),
        ([{"sceret": SECRET}], "did you mean 'secret'"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_is_an_error_at_start(tmp_path: Path, keys: list[dict[str, str]], message: str) -> None:
    import yaml

    file = tmp_path / "node.yaml"
    file.write_text(yaml.safe_dump({"client": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"}, "auth": {"keys": keys}}))
    result = carillon("serve", "--config", str(file))
    assert result.returncode != 0 and message in result.stderr, result.stderr
    assert SECRET not in result.stderr
    # It is found without starting too.
    checked = carillon("check", str(file))
    assert checked.returncode != 0 and message in checked.stderr + checked.stdout


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    server = Issuer()
    yield server
    server.stop()


def test_keys_from_a_url_and_a_new_one(start_node: Any, issuer: Issuer) -> None:
    first = issuer.add("one")
    node = start_node(auth={"keys": [{"jwks_url": issuer.url}]}, channels=CHANNELS)
    connect(node, f"/raw?channel=users:a&token={token(first, 'RS256', sub='ann', headers={'kid': 'one'})}").close()
    # Rotated: the node does not know the key yet, and looks for it while the client waits.
    second = issuer.add("two")
    connect(node, f"/raw?channel=users:a&token={token(second, 'RS256', sub='ann', headers={'kid': 'two'})}").close()
    fetches = issuer.fetches
    # Whoever makes keys up does not make the node ask each time.
    stranger, _ = key_pair()
    for number in range(20):
        made_up = token(stranger, "RS256", sub="ann", headers={"kid": f"made-up-{number}"})
        assert refusal(node, f"/raw?channel=users:a&token={made_up}")[0] == 401
    assert issuer.fetches <= fetches + 1


# -- centrifuge


class Centrifuge:
    """A client of PyPI centrifuge-python, with what happened to it."""

    def __init__(self, node: Node, **arguments: Any) -> None:
        self.node = node
        self.arguments = arguments
        self.happened: list[str] = []
        self.received: list[Any] = []

    async def __aenter__(self) -> "Centrifuge":
        outer = self

        class Events(centrifuge.ClientEventHandler):
            async def on_connected(self, ctx: Any) -> None:
                outer.happened.append("connected")

            async def on_disconnected(self, ctx: Any) -> None:
                outer.happened.append(f"disconnected {ctx.code}")

            async def on_error(self, ctx: Any) -> None:
                outer.happened.append(f"error {ctx.error}")

            async def on_publication(self, ctx: Any) -> None:
                outer.received.append((ctx.channel, ctx.pub.data))

        self.client = centrifuge.Client(
            f"ws://{self.node.client}/connection/websocket", events=Events(), min_reconnect_delay=0.1, **self.arguments)
        await self.client.connect()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.client.disconnect()

    async def until(self, condition: Any, what: str, seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.happened} {self.received}"
            await asyncio.sleep(0.02)

    def subscribe(self, channel: str, **arguments: Any) -> Any:
        outer = self

        class Events(centrifuge.SubscriptionEventHandler):
            async def on_subscribed(self, ctx: Any) -> None:
                outer.happened.append(f"subscribed {channel}")

            async def on_unsubscribed(self, ctx: Any) -> None:
                outer.happened.append(f"unsubscribed {channel} {ctx.code}")

            async def on_publication(self, ctx: Any) -> None:
                outer.received.append((channel, ctx.pub.data))

        return self.client.new_subscription(channel, events=Events(), **arguments)


def test_centrifuge_connection_tokens(start_node: Any) -> None:
    node = start(start_node, required=True)

    async def run() -> None:
        claims = {"sub": "ann", "channels": ["granted:news"], "grants": [{"match": "granted:*", "allow": ["publish"]}]}
        async with Centrifuge(node, token=token(**claims)) as ann:
            await ann.until(lambda: "connected" in ann.happened, "connects")
            # Given by the token, not asked for; and the user's own channel.
            node.api.publish("granted:news", data={"n": 1})
            await ann.until(lambda: ("granted:news", {"n": 1}) in ann.received, "it arrives")
            users = ann.subscribe("users:a")
            await users.subscribe()
            await ann.until(lambda: "subscribed users:a" in ann.happened, "a user may")
        async with Centrifuge(node) as visitor:
            await visitor.until(lambda: "disconnected 3500" in visitor.happened, "a visitor is sent away for good")
        async with Centrifuge(node, token=token("c" * 40, sub="ann")) as forger:
            await forger.until(lambda: "disconnected 3500" in forger.happened, "a forger is sent away for good")

    asyncio.run(run())


def test_centrifuge_refreshes_an_expiring_token(start_node: Any) -> None:
    node = start(start_node, required=True, leeway="0s", refresh_grace="1s")
    asked: list[float] = []

    async def fresh(_: Any = None) -> str:
        asked.append(time.monotonic())
        return token(sub="ann", seconds=3)

    async def run() -> None:
        async with Centrifuge(node, token=token(sub="ann", seconds=-60), get_token=fresh) as ann:
            # The first token has expired: error 109, and the library brings a new one.
            await ann.until(lambda: "connected" in ann.happened, "connects with a new token")
            await ann.until(lambda: len(asked) >= 3, "refreshes while connected", 15)
            assert ann.happened.count("connected") == 1
            connection = node.api.connections()[0]
            assert connection["user"] == "ann" and connection["age_seconds"] >= 3

    asyncio.run(run())


def test_centrifuge_an_expired_session_is_closed(start_node: Any) -> None:
    node = start(start_node, leeway="0s", refresh_grace="1s")
    socket = connect(node, "/connection/websocket")
    socket.send(json.dumps({"id": 1, "connect": {"token": token(sub="ann", seconds=1)}}))
    reply = json.loads(socket.recv(timeout=5))
    assert reply["connect"]["expires"] is True and reply["connect"]["ttl"] == 1
    with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
        socket.recv(timeout=8)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 3005


def test_centrifuge_commands_that_come_with_the_connect(start_node: Any) -> None:
    """SDKs send their subscriptions together with `connect`; nothing is answered before that is decided."""
    node = start(start_node)
    socket = connect(node, "/connection/websocket")
    commands = [
        {"id": 1, "connect": {"token": token(sub="ann", channels=["granted:a"])}},
        {"id": 2, "subscribe": {"channel": "users:a"}},
        {"id": 3, "publish": {"channel": "users:a", "data": 1}},
    ]
    socket.send("\n".join(json.dumps(command) for command in commands))
    replies: list[dict[str, Any]] = []
    while len(replies) < 4:
        replies += [json.loads(line) for line in str(socket.recv(timeout=5)).split("\n")]
    assert replies[0]["id"] == 1 and replies[0]["connect"]["subs"] == {"granted:a": {}}
    assert {reply.get("id") for reply in replies[1:]} == {2, 3, None}
    # The user's own channel is none that clients know: it is a message.
    assert node.api.post_publication({"user": "ann", "data": {"n": 2}}).status_code == 200
    assert json.loads(socket.recv(timeout=5)) == {"push": {"message": {"data": {"n": 2}}}}
    socket.close()


def test_subscription_tokens(start_node: Any) -> None:
    # A subscription ends only if its new token is late by the grace: a busy machine does not need that long.
    node = start(start_node, leeway="0s", refresh_grace="10s")
    asked: list[str] = []

    def maker(name: str, **claims: Any) -> Any:
        async def make(_: Any = None) -> str:
            asked.append(name)
            return token(**{"sub": "ann", "channel": name, "seconds": 2, **claims})

        return make

    async def run() -> None:
        async with Centrifuge(node, token=token(sub="ann")) as ann:
            mine = ann.subscribe("granted:mine", get_token=maker("granted:mine"))
            await mine.subscribe()
            await ann.until(lambda: "subscribed granted:mine" in ann.happened, "subscribes with its token")
            await ann.until(lambda: asked.count("granted:mine") >= 3, "refreshes the subscription", 12)
            assert ann.happened.count("subscribed granted:mine") == 1, "it was refreshed, not made anew"
            node.api.publish("granted:mine", data="still here")
            await ann.until(lambda: ("granted:mine", "still here") in ann.received, "still subscribed")
            for channel, claims in (
                ("granted:a", {"channel": "granted:b"}), ("granted:c", {"sub": "bob"}), ("granted:d", {"client": "nobody"}),
            ):
                other = ann.subscribe(channel, get_token=maker(channel, **claims))
                await other.subscribe()
                await ann.until(lambda: f"unsubscribed {channel} 103" in ann.happened, f"{channel}: refused with 103")
            plain = ann.subscribe("granted:none")
            await plain.subscribe()
            await ann.until(lambda: "unsubscribed granted:none 103" in ann.happened, "without a token: refused")

    asyncio.run(run())


def test_a_user_has_a_personal_channel(start_node: Any) -> None:
    node = start_node(
        auth={"keys": [{"secret": SECRET}], "personal_channel": "#"},
        channels=[{"match": "#*", "subscribe": "granted"}, {"match": "*", "subscribe": "anyone"}])
    ann, tab, bob = CentrifugeWire(node, token(sub="ann")), CentrifugeWire(node, token(sub="ann")), CentrifugeWire(node, token(sub="bob"))
    visitor, strange = CentrifugeWire(node), CentrifugeWire(node, token(sub="a name with spaces"))
    for one in (ann, tab):
        assert list(one.connected["subs"]) == ["#ann"]
    assert list(bob.connected["subs"]) == ["#bob"]
    assert not visitor.connected.get("subs") and not strange.connected.get("subs")
    assert bob.command("subscribe", channel="#ann")["error"]["code"] == 103
    node.api.publish("#ann", data="only hers")
    until(lambda: all([data for _, data in one.publications] == ["only hers"] for one in (ann, tab)), "both tabs get it")
    # Raw sessions and event streams log in with the request.
    with connect(node, f"/raw?channel=news&token={token(sub='ann')}") as socket:
        node.api.publish("#ann", text="to raw")
        assert socket.recv(timeout=5) == "to raw"
    assert not bob.publications
    for one in (ann, tab, bob, visitor, strange):
        one.close()


# -- users


def test_a_user_is_reached_and_closed_on_every_node(tmp_path: Path) -> None:
    with Cluster(tmp_path, auth={"keys": [{"secret": SECRET}]}, channels=CHANNELS) as started:
        cluster = started.start()
        sockets = [connect(node, f"/raw?channel=users:a&token={token(sub='ann lee')}") for node in cluster.nodes]
        others = [connect(node, f"/raw?channel=users:a&token={token(sub='bob')}") for node in cluster.nodes]
        answer = cluster.nodes[0].api.post_publication({"user": "ann lee", "text": "for ann"})
        assert answer.status_code == 200, answer.text
        assert [socket.recv(timeout=5) for socket in sockets] == ["for ann"] * 3
        assert len(cluster.nodes[1].api.connections(user="ann lee")) == 3
        result = cluster.nodes[2].command("close", "--user", "ann lee")
        assert result.returncode == 0 and result.stdout.startswith("3 closed; 3 of 3 nodes"), result
        for socket in sockets:
            with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
                socket.recv(timeout=5)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 4000
        cluster.nodes[0].api.publish("users:a", text="for bob")
        assert [socket.recv(timeout=5) for socket in others] == ["for bob"] * 3


def test_sessions_of_a_user_are_bounded(start_node: Any) -> None:
    node = start_node(auth={"keys": [{"secret": SECRET}]}, channels=CHANNELS, limits={"sessions_per_user": 2})
    held = [connect(node, f"/raw?channel=users:a&token={token(sub='ann')}") for _ in range(2)]
    assert refusal(node, f"/raw?channel=users:a&token={token(sub='ann')}") == (429, "too_many_sessions")
    connect(node, f"/raw?channel=users:a&token={token(sub='bob')}").close()
    held[0].close()
    until(lambda: len(node.api.connections(user="ann")) == 1, "one has left")
    connect(node, f"/raw?channel=users:a&token={token(sub='ann')}").close()


# -- the application's hook


@pytest.fixture
def application() -> Iterator[Application]:
    server = Application()
    yield server
    server.stop()


def test_the_application_is_asked(start_node: Any, application: Application) -> None:
    node = start_node(auth={"required": True, "connect_hook": {"url": application.url, "timeout": "1s"}}, channels=CHANNELS)
    application.answer = 200, '{"sub": "ann", "channels": ["granted:a"]}'
    with connect(node, "/raw?channel=users:a&x=1", additional_headers={"Cookie": "id=7", "X-Other": "no"}) as socket:
        node.api.publish("granted:a", text="granted")
        assert socket.recv(timeout=5) == "granted"
    asked = application.asked[0]
    assert asked["dialect"] == "raw" and asked["target"] == "/raw?channel=users:a&x=1" and asked["remote"] == "127.0.0.1"
    assert asked["headers"]["cookie"] == "id=7" and "x-other" not in asked["headers"]

    application.answer = 403, '{"reason": "not today"}'
    with pytest.raises(websockets.exceptions.InvalidStatus) as raised:
        connect(node, "/raw?channel=open:a")
    assert raised.value.response.status_code == 403 and b"not today" in raised.value.response.body

    for answer in ((500, ""), (200, "not json"), (200, '{"sub": 1}'), (200, '{"channels": ["a b"]}')):
        application.answer = answer
        assert refusal(node, "/raw?channel=open:a") == (503, "temporarily_unavailable"), answer
    application.answer = 200, "{}"
    application.waits.clear()
    started = time.monotonic()
    assert refusal(node, "/raw?channel=open:a") == (503, "temporarily_unavailable")
    assert time.monotonic() - started < 3


def test_the_application_is_asked_at_connect(start_node: Any, application: Application) -> None:
    node = start_node(auth={"required": True, "connect_hook": {"url": application.url}}, channels=CHANNELS)
    application.answer = 200, '{"sub": "ann"}'
    socket = connect(node, "/connection/websocket?from=page", additional_headers={"Cookie": "id=7"})
    application.waits.clear()
    socket.send('{"id":1,"connect":{"data":{"n":12345678901234567890}}}\n{"id":2,"subscribe":{"channel":"users:a"}}')
    until(lambda: application.asked, "the application is asked")
    assert application.asked[0]["data"] == {"n": 12345678901234567890}
    assert application.asked[0]["target"] == "/connection/websocket?from=page"
    assert application.asked[0]["headers"]["cookie"] == "id=7"
    application.waits.set()
    replies: list[dict[str, Any]] = []
    while len(replies) < 2:
        replies += [json.loads(line) for line in str(socket.recv(timeout=5)).split("\n")]
    assert [reply["id"] for reply in replies] == [1, 2] and "subscribe" in replies[1]
    socket.close()


# -- the command


def test_the_program_makes_and_explains_tokens(start_node: Any, tmp_path: Path) -> None:
    node = start(start_node)
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    made = carillon("token", "make", "--secret", str(secret), "--user", "ann", "--grant", "granted:*=subscribe", "--expires", "10m")
    assert made.returncode == 0, made.stderr
    text = made.stdout.strip()
    assert jwt.decode(text, SECRET, algorithms=["HS256"])["sub"] == "ann"
    connect(node, f"/raw?channel=granted:z&token={text}").close()
    explained = carillon("token", "explain", "--config", str(node.file), text)
    assert explained.returncode == 0 and "ann" in explained.stdout, explained
    assert carillon("token", "make", "--user", "ann").returncode == 64
