"""Who published, and when: live, in history and when recovering, on every node, and not to be forged."""

import asyncio
import json
import time
from typing import Any

import centrifuge
import jwt
import pytest

from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire, frame

SECRET = "a secret of more than thirty-two bytes, for tests"
CHANNELS = [
    {"match": "kept", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "5m"}},
    {"match": "*", "subscribe": "anyone", "publish": "client"},
]


def token(**claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + 600), **claims}, SECRET, algorithm="HS256")


class Recorder(CentrifugeWire):
    """Keeps whole publications."""

    def _take(self, message: dict[str, Any]) -> None:
        if "pub" in message.get("push", {}):
            self.whole.append(message["push"]["pub"])
        super()._take(message)

    def __init__(self, node: Node, token: str | None = None, **connect: Any) -> None:
        self.whole: list[dict[str, Any]] = []
        super().__init__(node, token, **connect)


@pytest.mark.parametrize("backplane", ["memory", "redis"])
def test_a_publication_says_who_and_when(start_node: Any, redis_server: RedisServer, backplane: str) -> None:
    redis = {"redis_url": redis_server.url} if backplane == "redis" else {}
    auth = {"keys": [{"secret": SECRET}]}
    one: Node = start_node("one", **redis, auth=auth, channels=CHANNELS)
    two: Node = start_node("two", **redis, auth=auth, channels=CHANNELS) if redis else one
    info = {"name": "Ann é", "roles": ["a", "b"]}
    ann = CentrifugeWire(one, token(sub="ann", info=info))
    visitor = CentrifugeWire(one)
    for name in ("kept", "plain"):
        reader = Recorder(two)
        reader.subscribe(name)
        begin = int(time.time() * 1000)
        # What a client says about itself counts for nothing.
        forged = {"user": "root", "client": "x", "conn_info": {"name": "root"}}
        assert ann.command("publish", channel=name, data={"n": 1}, info=forged, time=1) == {}
        assert visitor.command("publish", channel=name, data=2) == {}
        one.api.publish(name, data=3)
        with Wire(one.client_port).open(f"/raw?channel={name}") as raw:
            raw.send(frame(b"4"))
            until(lambda: len(reader.whole) == 4, "all arrive")
        end = int(time.time() * 1000)
        by_ann, by_visitor, by_api, by_raw = reader.whole
        assert by_ann["info"] == {"user": "ann", "client": ann.id, "conn_info": info} and by_ann["data"] == {"n": 1}
        assert by_visitor["info"] == {"client": visitor.id}
        assert "info" not in by_api and "info" not in by_raw
        assert all(begin - 1 <= one["time"] <= end + 1 for one in reader.whole), (begin, reader.whole, end)
        if name == "kept":
            history = reader.command("history", channel="kept", limit=10)
            # A push says the epoch where that is news; pages say it once.
            assert {one.pop("epoch", history["epoch"]) for one in reader.whole} == {history["epoch"]}
            assert history["publications"] == reader.whole
            recovered = CentrifugeWire(one).subscribe("kept", recover=True, epoch=history["epoch"], offset=0)
            assert recovered["recovered"] and recovered["publications"] == reader.whole
            pages = one.api.get("/api/v1/channels/kept/history", limit=10)["publications"]
            assert [page["time"] for page in pages] == [one["time"] for one in reader.whole]
            assert pages[0]["publisher"]["user"] == "ann" and pages[0]["publisher"]["client"] == ann.id
            assert json.loads(pages[0]["publisher"]["info"]) == info and "publisher" not in pages[2]
        reader.close()
    ann.close()
    visitor.close()


def test_a_new_token_says_who_from_then_on(start_node: Any) -> None:
    node: Node = start_node(auth={"keys": [{"secret": SECRET}]}, channels=CHANNELS)
    ann = Recorder(node, token(sub="ann", info={"v": 1}))
    ann.subscribe("plain")
    ann.command("publish", channel="plain", data=1)
    ann.command("refresh", token=token(sub="ann", info={"v": 2}))
    ann.command("publish", channel="plain", data=2)
    until(lambda: len(ann.whole) == 2, "both arrive")
    assert [one["info"]["conn_info"] for one in ann.whole] == [{"v": 1}, {"v": 2}]
    ann.close()


def test_the_sdk_sees_who_published(start_node: Any) -> None:
    """PyPI centrifuge-python."""
    node: Node = start_node(auth={"keys": [{"secret": SECRET}]}, channels=CHANNELS)

    async def run() -> Any:
        heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        class Events(centrifuge.SubscriptionEventHandler):
            async def on_publication(self, context: centrifuge.PublicationContext) -> None:
                if not heard.done():
                    heard.set_result(context.pub)

        async def fresh(*_: Any) -> str:
            return token(sub="ann", info={"name": "Ann"})

        client = centrifuge.Client(f"ws://{node.client}/connection/websocket", token=await fresh(), get_token=fresh)
        subscription = client.new_subscription("kept", events=Events())
        await client.connect()
        await subscription.subscribe()
        await subscription.ready()
        await subscription.publish({"text": "hello"})
        publication = await asyncio.wait_for(heard, 10)
        past = await subscription.history(limit=10)
        await client.disconnect()
        return publication, past.publications[0]

    for publication in asyncio.run(run()):
        assert publication.data == {"text": "hello"}
        assert publication.info.user == "ann" and publication.info.client and publication.info.conn_info == {"name": "Ann"}


def test_a_batch_of_subscriptions_with_tokens_fits(start_node: Any) -> None:
    """The SDKs send all subscriptions in one message when they connect."""
    node: Node = start_node(auth={"keys": [{"secret": SECRET}]}, channels=[{"match": "*", "subscribe": "granted"}])
    padding = "x" * 600
    commands = [{"id": 1, "connect": {"token": token(sub="ann")}}]
    commands += [
        {"id": number + 2, "subscribe": {"channel": f"room:{number}", "token": token(sub="ann", channel=f"room:{number}", meta=padding)}}
        for number in range(128)
    ]
    message = "\n".join(json.dumps(command) for command in commands).encode()
    assert 64 << 10 < len(message) < 256 << 10
    with Wire(node.client_port).open("/connection/websocket") as wire:
        wire.send(frame(message))
        heard: dict[int, dict[str, Any]] = {}
        while len(heard) < 129:
            opcode, payload = wire.read_frame()
            assert opcode == 1, payload
            for line in payload.decode().split("\n"):
                reply = json.loads(line)
                heard[reply["id"]] = reply
        assert all("error" not in reply for reply in heard.values())
        # Each command has the limit of a message, and all together have one too.
        wire.send(frame(json.dumps({"id": 200, "publish": {"channel": "a", "data": "x" * (64 << 10)}}).encode()))
        assert wire.read_close()[0] == 3501
    with Wire(node.client_port).open("/connection/websocket") as wire:
        wire.send(frame(b" " * ((256 << 10) + 1)))
        assert wire.read_close()[0] == 1009
    assert node.api.metric("messages_oversized_total") == 2
