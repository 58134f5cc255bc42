"""PyPI centrifuge-python as a user with a token, and all that a server does to it."""

from typing import Any

import centrifuge

from .centrifuge_receiver import _Loop


class NamedClient:
    """One connection of a user. What the node subscribes it to, and what it subscribes to itself."""

    def __init__(self, address: str, token: str = "", **options: Any) -> None:
        #: Everything that happened, in order: what, the channel, and what else there is to say.
        self.events: list[tuple[Any, ...]] = []
        self.id = ""
        self._loop = _Loop.shared()
        self._loop.run(self._open(f"ws://{address}/connection/websocket", token, options))

    async def _open(self, url: str, token: str, options: dict[str, Any]) -> None:
        receiver = self

        class Events(centrifuge.ClientEventHandler):
            async def on_connected(self, ctx: centrifuge.ConnectedContext) -> None:
                receiver.id = ctx.client
                receiver.events.append(("connected",))

            async def on_connecting(self, ctx: centrifuge.ConnectingContext) -> None:
                receiver.events.append(("connecting", ctx.code))

            async def on_disconnected(self, ctx: centrifuge.DisconnectedContext) -> None:
                receiver.events.append(("disconnected", ctx.code, ctx.reason))

            async def on_subscribed(self, ctx: Any) -> None:
                position = ctx.stream_position
                receiver.events.append(
                    ("subscribed", ctx.channel, ctx.data, (position.offset, position.epoch) if position else None))

            async def on_unsubscribed(self, ctx: Any) -> None:
                receiver.events.append(("unsubscribed", ctx.channel))

            async def on_publication(self, ctx: Any) -> None:
                receiver.events.append(("publication", ctx.channel, ctx.pub.data, ctx.pub.offset))

            async def on_join(self, ctx: Any) -> None:
                receiver.events.append(("join", ctx.channel, ctx.info.user))

            async def on_leave(self, ctx: Any) -> None:
                receiver.events.append(("leave", ctx.channel, ctx.info.user))

        self._client = centrifuge.Client(
            url, events=Events(), token=token, min_reconnect_delay=0.1, max_reconnect_delay=1.0, **options)
        await self._client.connect()
        await self._client.ready(10)

    def subscribe(self, channel: str, token: str = "") -> None:
        self._loop.run(self._subscribe(channel, token))

    async def _subscribe(self, channel: str, token: str) -> None:
        receiver = self

        class Events(centrifuge.SubscriptionEventHandler):
            async def on_subscribed(self, ctx: centrifuge.SubscribedContext) -> None:
                receiver.events.append(("own subscribed", channel))

            async def on_unsubscribed(self, ctx: centrifuge.UnsubscribedContext) -> None:
                receiver.events.append(("own unsubscribed", channel, ctx.code))

            async def on_publication(self, ctx: centrifuge.PublicationContext) -> None:
                receiver.events.append(("publication", channel, ctx.pub.data, ctx.pub.offset))

        subscription = self._client.new_subscription(channel, events=Events(), token=token)
        await subscription.subscribe()
        await subscription.ready(10)

    def named(self, kind: str) -> list[tuple[Any, ...]]:
        return [event for event in self.events if event[0] == kind]

    def payloads(self) -> list[Any]:
        return [event[2] for event in self.named("publication")]

    def close(self) -> None:
        self._loop.run(self._client.disconnect())
