"""The centrifuge dialect in Protobuf: PyPI centrifuge-python with a record of what it was told, and frames of one's own.

The schema is the one that comes with the library.
"""

import threading
from collections.abc import Coroutine
from typing import Any

import centrifuge
import websockets.sync.client
from centrifuge.protocol import client_pb2 as schema
from google.protobuf.json_format import ParseDict

from .centrifuge_receiver import _Loop
from .node import Node

PATH = "/connection/websocket"
SUBPROTOCOL = "centrifuge-protobuf"


def varint(number: int) -> bytes:
    """An unsigned number (Protocol Buffers, "Encoding": base 128 varints)."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(digits) + bytes([number])


def delimited(message: bytes) -> bytes:
    return varint(len(message)) + message


def command(number: int, method: str, /, **request: Any) -> bytes:
    """A command behind its length; bytes are given as base64."""
    return delimited(ParseDict({"id": number, method: request}, schema.Command()).SerializeToString())


def replies(frame: bytes) -> list[Any]:
    """The replies in a frame; a ping is an empty one."""
    found = []
    while frame:
        length = shift = place = 0
        while True:
            byte = frame[place]
            length |= (byte & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if byte < 0x80:
                break
        assert len(frame) >= place + length, "the frame ends within a message"
        found.append(schema.Reply.FromString(frame[place : place + length]))
        frame = frame[place + length :]
    return found


class ProtobufWire:
    """A session in Protobuf, frame by frame."""

    def __init__(self, node: Node, query: str = "", compression: str | None = None, **connect: Any) -> None:
        self.socket = websockets.sync.client.connect(
            f"ws://{node.client}{PATH}{query}", subprotocols=None if query else [SUBPROTOCOL], compression=compression,
            legacy=True, max_size=None, ping_interval=None)  # fmt: skip
        self.pushes: list[Any] = []
        self._commands = 0
        self.connected = self.command("connect", **connect).connect

    def receive(self) -> list[Any]:
        """The messages of the next frame."""
        frame = self.socket.recv(timeout=10)
        assert isinstance(frame, bytes), "a text frame"
        return replies(frame)

    def command(self, method: str, /, **request: Any) -> Any:
        """The reply; pushes before it are kept, and pings are answered."""
        self._commands += 1
        self.socket.send(command(self._commands, method, **request))
        while True:
            for reply in self.receive():
                if reply.id == self._commands:
                    return reply
                self._take(reply)

    def push(self) -> Any:
        """The next push."""
        while not self.pushes:
            for reply in self.receive():
                self._take(reply)
        return self.pushes.pop(0)

    def _take(self, reply: Any) -> None:
        if reply.HasField("push"):
            self.pushes.append(reply.push)
        elif not reply.ByteSize():
            self.socket.send(b"\0")

    def close(self) -> None:
        self.socket.close()


class RecordingClient:
    """A client of the library, in either encoding, and everything that it was told, in order."""

    def __init__(self, node: Node, *, is_protobuf: bool = True, **options: Any) -> None:
        self._told: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()
        self._loop = _Loop.shared()
        self.subscriptions: dict[str, centrifuge.Subscription] = {}
        self._loop.run(self._open(f"ws://{node.client}{PATH}", is_protobuf, options))
        self.run(self.client.ready(10))

    async def _open(self, url: str, is_protobuf: bool, options: dict[str, Any]) -> None:
        receiver = self

        class Events(centrifuge.ClientEventHandler):
            async def on_connected(self, ctx: centrifuge.ConnectedContext) -> None:
                receiver.note("connected", ctx.client)

            async def on_disconnected(self, ctx: centrifuge.DisconnectedContext) -> None:
                receiver.note("disconnected", ctx.code)

            async def on_connecting(self, ctx: centrifuge.ConnectingContext) -> None:
                receiver.note("connecting", ctx.code)

            async def on_subscribed(self, ctx: centrifuge.ServerSubscribedContext) -> None:
                receiver.note("server subscribed", ctx.channel, ctx.recoverable)

            async def on_publication(self, ctx: centrifuge.ServerPublicationContext) -> None:
                receiver.note("server publication", ctx.channel, ctx.pub.data)

        self.client = centrifuge.Client(
            url, events=Events(), use_protobuf=is_protobuf, min_reconnect_delay=0.1, max_reconnect_delay=0.5, **options)
        await self.client.connect()

    def note(self, *what: Any) -> None:
        with self._lock:
            self._told.append(what)

    def told(self, kind: str) -> list[tuple[Any, ...]]:
        """What it was told of a kind, without the word for it."""
        with self._lock:
            return [each[1:] for each in self._told if each[0] == kind]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run(work)

    def subscribe(self, channel: str, *, wait: bool = True, **options: Any) -> centrifuge.Subscription:
        receiver = self

        class Events(centrifuge.SubscriptionEventHandler):
            async def on_subscribed(self, ctx: centrifuge.SubscribedContext) -> None:
                receiver.note("subscribed", channel, ctx.was_recovering, ctx.recovered)

            async def on_unsubscribed(self, ctx: centrifuge.UnsubscribedContext) -> None:
                receiver.note("unsubscribed", channel, ctx.code)

            async def on_error(self, ctx: centrifuge.SubscriptionErrorContext) -> None:
                receiver.note("error", channel, ctx.error)

            async def on_publication(self, ctx: centrifuge.PublicationContext) -> None:
                receiver.note("publication", channel, ctx.pub)

            async def on_join(self, ctx: centrifuge.JoinContext) -> None:
                receiver.note("join", channel, ctx.info)

            async def on_leave(self, ctx: centrifuge.LeaveContext) -> None:
                receiver.note("leave", channel, ctx.info)

        async def make() -> centrifuge.Subscription:
            return self.client.new_subscription(channel, events=Events(), **options)

        # The library makes futures of the loop that runs.
        subscription = self.run(make())
        self.subscriptions[channel] = subscription
        self.run(subscription.subscribe())
        if wait:
            self.run(subscription.ready(10))
        return subscription

    def publications(self, channel: str) -> list[Any]:
        return [publication for name, publication in self.told("publication") if name == channel]

    def data(self, channel: str) -> list[Any]:
        return [publication.data for publication in self.publications(channel)]

    def close(self) -> None:
        self.run(self.client.disconnect())


def code(work: Any) -> int:
    """Runs something that the node refuses: the error's code."""
    try:
        work()
    except centrifuge.ReplyError as error:
        return error.code
    raise AssertionError("it was not refused")
