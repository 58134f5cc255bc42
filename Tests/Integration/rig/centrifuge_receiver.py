"""PyPI centrifuge-python, the official client, in the centrifuge dialect."""

import asyncio
import threading
from typing import Any

import centrifuge


class _Loop:
    """One event loop on a thread for all clients of this kind."""

    _shared: "_Loop | None" = None

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="centrifuge-python", daemon=True).start()

    @classmethod
    def shared(cls) -> "_Loop":
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def run(self, work: Any, seconds: float = 15) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)


class CentrifugeClient:
    """One connection with one subscription; reconnects by itself, as the library does."""

    kind = "centrifuge-python"
    dialect = "centrifuge"

    def __init__(self, address: str, channel: str) -> None:
        self.received: list[Any] = []
        self.closed: str | None = None
        #: Everything that happened to the connection and the subscription, in order.
        self.happened: list[str] = []
        self.client_id = ""
        self._loop = _Loop.shared()
        self._loop.run(self._open(f"ws://{address}/connection/websocket", channel))

    async def _open(self, url: str, channel: str) -> None:
        receiver = self

        class ClientEvents(centrifuge.ClientEventHandler):
            async def on_connected(self, ctx: centrifuge.ConnectedContext) -> None:
                receiver.client_id = ctx.client
                receiver.closed = None
                receiver.happened.append("connected")

            async def on_connecting(self, ctx: centrifuge.ConnectingContext) -> None:
                if receiver.client_id:
                    receiver.closed = f"{ctx.code} {ctx.reason}"
                    receiver.happened.append(f"connecting {ctx.code} {ctx.reason}")

            async def on_disconnected(self, ctx: centrifuge.DisconnectedContext) -> None:
                receiver.closed = f"{ctx.code} {ctx.reason}"
                receiver.happened.append(f"disconnected {ctx.code} {ctx.reason}")

        class SubscriptionEvents(centrifuge.SubscriptionEventHandler):
            async def on_publication(self, ctx: centrifuge.PublicationContext) -> None:
                receiver.received.append(ctx.pub.data)

            async def on_subscribed(self, ctx: centrifuge.SubscribedContext) -> None:
                receiver.happened.append("subscribed")

        self._client = centrifuge.Client(url, events=ClientEvents(), min_reconnect_delay=0.1, max_reconnect_delay=1.0)
        self._subscription = self._client.new_subscription(channel, events=SubscriptionEvents())
        await self._client.connect()
        await self._subscription.subscribe()
        await self._client.ready(10)
        await self._subscription.ready(10)

    def count(self) -> int:
        return len(self.received)

    def publish(self, data: Any) -> None:
        """Returns when the node has answered."""
        self._loop.run(self._subscription.publish(data))

    def close(self) -> None:
        self._loop.run(self._client.disconnect())
