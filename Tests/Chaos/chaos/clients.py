"""Who listens: centrifuge clients and event streams that come back as the libraries do, and note all that they are told."""

import asyncio
import json
import random
import threading
from collections.abc import Callable
from typing import Any

import websockets
import websockets.asyncio.client

from .log import Event, Log, checksum


class Crowd:
    """All clients, on one thread of their own."""

    def __init__(self, log: Log, seed: int) -> None:
        self.log = log
        self.clients: list[Client] = []
        self._random = random.Random(f"{seed} crowd")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="crowd", daemon=True)
        self._thread.start()

    def add(self, kind: type["Client"], address: str, channels: list[str], name: str) -> "Client":
        client = kind(self.log, address, channels, name, random.Random(self._random.random()))
        self.clients.append(client)
        asyncio.run_coroutine_threadsafe(client.run(), self._loop)
        return client

    @property
    def subscribed(self) -> int:
        """Subscriptions that are open now."""
        return sum(len(client.places) for client in self.clients)

    @property
    def closes(self) -> int:
        return sum(client.closes for client in self.clients)

    def lose_connections(self) -> None:
        """Everybody's connection breaks, without a word, and everybody comes back."""
        for client in self.clients:
            self._loop.call_soon_threadsafe(client.break_off)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _end(self) -> None:
        # More than once: `wait_for` swallows a cancellation that comes together with what it waits for (Python issue 86296).
        while pending := [client for client in self.clients if not client.over.is_set()]:
            for client in pending:
                client.stop()
            await asyncio.sleep(0.1)


class Client:
    """Reconnects after a jittered wait (full jitter, doubling from 50 ms to 2 s) until it is stopped."""

    def __init__(self, log: Log, address: str, channels: list[str], name: str, random: random.Random) -> None:
        self.log = log
        self.address = address
        self.channels = channels
        self.name = name
        self.random = random
        #: Channels that are subscribed now.
        self.places: set[str] = set()
        #: Where it is to go on: (epoch, offset).
        self.known: dict[str, tuple[str, int]] = {}
        self.closes = 0
        #: Breaks the connection that it has now.
        self.break_off: Callable[[], None] = lambda: None
        self.over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        #: How long it waits after a lost connection, in seconds: the first and the longest time.
        self.backoff = (0.05, 2.0)

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    async def run(self) -> None:
        self._task = asyncio.current_task()
        attempt = 0
        try:
            while True:
                try:
                    await self.session()
                except (OSError, websockets.WebSocketException, asyncio.TimeoutError, EOFError) as error:
                    why = str(error)[:120]
                else:
                    why = "ended"
                if self.places:
                    attempt = 0
                    self.closes += 1
                    for channel in self.places:
                        self.saw(channel, "closed", why=why)
                self.places.clear()
                attempt = min(attempt + 1, 8)
                await asyncio.sleep(self.random.uniform(0.02, min(self.backoff[1], self.backoff[0] * 2**attempt)))
        except asyncio.CancelledError:
            pass
        finally:
            self.over.set()

    async def session(self) -> None:
        raise NotImplementedError

    @staticmethod
    def offset(shown: int) -> int:
        """Without the tag of its epoch, which is for the node to understand."""
        return shown & (1 << 37) - 1

    # -- what is noted

    def saw(self, channel: str, kind: str, **what: Any) -> None:
        self.log.saw(Event(self.log.now(), self.name, channel, kind, **what))

    def took(self, channel: str, epoch: str, offset: int, data: dict[str, Any]) -> None:
        assert data["crc"] == checksum(data["id"], channel, data["sequence"]), f"damaged: {data}"
        self.saw(
            channel, "publication", epoch=epoch, offset=offset, id=data["id"], publisher=data["publisher"],
            sequence=data["sequence"])  # fmt: skip


class CentrifugeClient(Client):
    """The centrifuge dialect in JSON: recovers by epoch and offset, subscribes again after 2500."""

    async def session(self) -> None:
        async with websockets.asyncio.client.connect(
            f"ws://{self.address}/connection/websocket", compression=None, max_size=None, ping_interval=None, open_timeout=5,
        ) as socket:  # fmt: skip
            self.break_off = socket.transport.abort
            await socket.send('{"id":1,"connect":{}}')
            asked: dict[int, str] = {}
            number = 1
            while True:
                for line in (await asyncio.wait_for(socket.recv(), 60)).split("\n"):
                    message = json.loads(line)
                    if not message:
                        await socket.send("{}")
                    elif "connect" in message:
                        for channel in self.channels:
                            number += 1
                            asked[number] = channel
                            await socket.send(self._subscribe(number, channel))
                    elif "subscribe" in message:
                        self._subscribed(asked.pop(message["id"]), message["subscribe"])
                    elif "error" in message:
                        # Temporary: the library tries again after a while.
                        channel = asked.pop(message["id"])
                        await asyncio.sleep(self.random.uniform(0.05, 0.5))
                        number += 1
                        asked[number] = channel
                        await socket.send(self._subscribe(number, channel))
                    elif "push" in message:
                        channel = self._pushed(message["push"])
                        if channel:
                            number += 1
                            asked[number] = channel
                            await socket.send(self._subscribe(number, channel))

    def _subscribe(self, number: int, channel: str) -> str:
        request: dict[str, Any] = {"channel": channel}
        if channel in self.known:
            epoch, offset = self.known[channel]
            request |= {"recover": True, "epoch": epoch, "offset": offset}
        return json.dumps({"id": number, "subscribe": request})

    def _subscribed(self, channel: str, result: dict[str, Any]) -> None:
        epoch, offset = result.get("epoch", ""), result.get("offset", 0)
        was_recovering, recovered = result.get("was_recovering", False), result.get("recovered", False)
        if was_recovering and not recovered:
            self.saw(channel, "announced", why="not recovered")
        self.saw(
            channel, "subscribed", epoch=epoch, offset=self.offset(offset), was_recovering=was_recovering, recovered=recovered)
        self.known[channel] = (epoch, offset)
        for publication in result.get("publications", []):
            self._publication(channel, publication)
        self.places.add(channel)

    def _publication(self, channel: str, publication: dict[str, Any]) -> None:
        self.known[channel] = (self.known[channel][0], publication["offset"])
        # The client does not know the epoch of a push: it may have changed without a loss.
        self.took(channel, "", self.offset(publication["offset"]), publication["data"])

    def _pushed(self, push: dict[str, Any]) -> str | None:
        """The channel to subscribe to again, if there is one."""
        channel = push["channel"]
        if "pub" in push:
            self._publication(channel, push["pub"])
        elif "unsubscribe" in push:
            self.places.discard(channel)
            # No announcement yet: what an application is told of is whether it could go on where it was.
            self.saw(channel, "unsubscribed", why=str(push["unsubscribe"]["code"]))
            return channel
        return None


class StreamClient(Client):
    """An event stream of one channel: goes on with Last-Event-ID, and knows the epoch of everything."""

    async def session(self) -> None:
        (channel,) = self.channels
        host, port = self.address.rsplit(":", 1)
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 5)
        self.break_off = writer.transport.abort
        try:
            last = ""
            if channel in self.known:
                epoch, offset = self.known[channel]
                last = f"Last-Event-ID: {channel}-{epoch}.{offset}\r\n"
            writer.write(f"GET /sse?channel={channel} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise EOFError(head.split(b"\r\n")[0].decode())
            self.places.add(channel)
            event: dict[str, str] = {}
            while True:
                line = await asyncio.wait_for(reader.readline(), 60)
                if not line.endswith(b"\n"):
                    raise EOFError("the stream ended")
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                elif event:
                    self._event(channel, event)
                    event = {}
        finally:
            writer.close()

    def _event(self, channel: str, event: dict[str, str]) -> None:
        if event.get("event") == "lost":
            self.known.pop(channel, None)
            self.saw(channel, "announced", why="lost")
        elif "data" in event and "id" in event:
            epoch, _, offset = event["id"].removeprefix(f"{channel}-").partition(".")
            # As publishers are told it: 16 digits.
            self.known[channel] = (epoch, int(offset))
            self.took(channel, epoch.rjust(16, "0"), int(offset), json.loads(event["data"]))
