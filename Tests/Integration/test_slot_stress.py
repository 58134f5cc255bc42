"""Each session gets its own and nothing else: clients that come, are judged at random, come again and go, while publications
to everybody go out, over TLS and without.

Sessions are slots that are used again, and sockets are numbers that are used again. Each client checks everything it
receives: what is for all, and what is for it alone. Run under AddressSanitizer it also finds memory that is used after it
was given back.
"""

import asyncio
import json
import random
import ssl
import struct
import time
import uuid
from typing import Any

import pytest

from rig.certificates import Authority
from rig.node import Node
from rig.verdicts import Verdicts
from rig.wire import CLOSE, PING, PONG, TEXT, frame, upgrade

#: Clients at the same time.
CROWD = 32
CHANNELS = [{"match": "h:*", "subscribe": "anyone", "publish": "server", "history": {"size": 20, "ttl": "1m"}, "presence": True}, {"match": "*", "subscribe": "anyone", "publish": "client"}]


class Connection:
    """A WebSocket of our own, because it has to be cut off, and end badly, in every way there is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.close_code: int | None = None

    @classmethod
    async def open(cls, node: Node, context: ssl.SSLContext, *, is_secure: bool) -> "Connection":
        port = int((node.secure if is_secure else node.client).rsplit(":", 1)[1])
        secured: dict[str, Any] = {"ssl": context, "server_hostname": "localhost"} if is_secure else {}
        return cls(*await asyncio.open_connection("127.0.0.1", port, **secured))

    async def head(self) -> bytes:
        return await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20)

    async def message(self) -> str | None:
        """The next text; None at the end."""
        while True:
            try:
                first, second = await self._reader.readexactly(2)
                assert not first & 0x70 and not second & 0x80, f"no frame of a node: {first:02x} {second:02x}"
                length = second
                if length == 126:
                    (length,) = struct.unpack(">H", await self._reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack(">Q", await self._reader.readexactly(8))
                assert length < 1 << 20, f"a frame of {length} bytes"
                payload = await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            opcode = first & 0x0F
            assert opcode in (TEXT, CLOSE, PING), f"opcode {opcode}: {payload!r}"
            if opcode == CLOSE:
                self.close_code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                return None
            if opcode == PING:
                self.writer.write(frame(payload, PONG))
                continue
            return payload.decode()

    def cut(self) -> None:
        self.writer.transport.abort()


class Client:
    """One life of one client."""

    def __init__(self, node: Node, context: ssl.SSLContext, numbers: random.Random) -> None:
        self._node = node
        self._context = context
        self._numbers = numbers
        self.name = uuid.uuid4().hex
        self.received = 0

    async def live(self) -> None:
        how = self._numbers.choices(["centrifuge", "raw", "sse"], [6, 2, 1])[0]
        connection = await Connection.open(self._node, self._context, is_secure=self._numbers.random() < 0.5)
        try:
            await getattr(self, how)(connection)
        except ConnectionError:
            pass
        finally:
            # At once, so that its number is used again; or in good order.
            connection.cut() if self._numbers.random() < 0.6 else connection.writer.close()

    def check(self, text: str) -> None:
        """What is for all, or for this client."""
        self.received += 1
        assert text.startswith("all ") or text == f"only {self.name}", f"{self.name} got {text!r}"

    async def raw(self, connection: Connection) -> None:
        verdict = self._numbers.choice(["accept", "slow", "fail", "refuse"])
        connection.writer.write(upgrade(f"/raw?channel=own:{self.name}&verdict={verdict}.{self.name}"))
        if self._numbers.random() < 0.2:
            return
        status = int((await connection.head()).split()[1])
        assert status == {"accept": 101, "slow": 101, "fail": 503, "refuse": 403}[verdict], status
        if status == 101:
            for _ in range(self._numbers.randint(0, 2)):
                connection.writer.write(frame(f"only {self.name}".encode()))
            await self.listen(connection, self.check)

    async def sse(self, connection: Connection) -> None:
        connection.writer.write(f"GET /sse?channel=own:{self.name}&verdict=accept.{self.name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b" 200 " in await connection.head()

    async def centrifuge(self, connection: Connection) -> None:
        connection.writer.write(upgrade("/connection/websocket"))
        assert b" 101 " in await connection.head()
        number, connects = 0, self._numbers.randint(1, 4)
        for place in range(connects):
            verdict = self._numbers.choice(["accept", "slow", "fail", "fail", "refuse"] if place == 0 else ["accept", "slow", "fail"])
            lines = [{"connect": {"data": {"verdict": f"{verdict}.{self.name}"}}}]
            if self._numbers.random() < 0.5:
                lines += [{"subscribe": {"channel": f"own:{self.name}"}}, {"publish": {"channel": f"own:{self.name}", "data": f"only {self.name}"}}]
            if self._numbers.random() < 0.3:
                lines += [{"subscribe": {"channel": "h:1"}}, {"history": {"channel": "h:1", "limit": 5}}, {"presence": {"channel": "h:1"}}]
            if self._numbers.random() < 0.3:
                lines += [{"unsubscribe": {"channel": f"own:{self.name}"}}]
            for line in lines:
                number += 1
                line["id"] = number
            connection.writer.write(frame("\n".join(json.dumps(line) for line in lines).encode()))
            if self._numbers.random() < 0.5:
                await asyncio.sleep(self._numbers.random() * 0.05)
        await self.listen(connection, self.check_commands)
        # Nobody here is slow, or spoke before it was asked to.
        assert connection.close_code in (None, 3501, 3503), connection.close_code

    def check_commands(self, text: str) -> None:
        message = json.loads(text)
        push = message.get("push", {})
        if "message" in push:
            self.check(push["message"]["data"])
        elif "pub" in push:
            assert push["channel"] in (f"own:{self.name}", "h:1"), f"{self.name} got {text}"
            if push["channel"] != "h:1":
                self.check(push["pub"]["data"])
        elif "connect" in message:
            assert list(message["connect"].get("subs", {})) == [], text

    async def listen(self, connection: Connection, check: Any) -> None:
        """For a while, or until the end."""
        end = time.monotonic() + self._numbers.random() * 0.6
        while (left := end - time.monotonic()) > 0:
            try:
                text = await asyncio.wait_for(connection.message(), left)
            except TimeoutError:
                return
            if text is None:
                return
            check(text)


async def publish(node: Node, stop: asyncio.Event) -> int:
    """To all, and to a channel with history, as fast as the API answers."""
    count = 0
    while not stop.is_set():
        for body in ({"all": True, "text": f"all {count}"}, {"channel": "h:1", "text": f"h {count}"}):
            response = await asyncio.to_thread(node.api.post_publication, body)
            assert response.status_code == 200, response.text
        count += 1
    return count


async def run(start_node: Any, directory: Any, seconds: float, seed: int) -> None:
    authority = Authority(directory)
    certificate, key = authority.issue("localhost")
    verdicts = await Verdicts(slow=0.03).start()
    node: Node = start_node(
        channels=CHANNELS,
        client={"tls": {"listen": "127.0.0.1:0", "certificate": str(certificate), "key": str(key)}},
        auth={"required": True, "connect_hook": {"url": verdicts.url, "timeout": "2s"}})
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    numbers = random.Random(seed)
    stop = asyncio.Event()
    publishing = asyncio.create_task(publish(node, stop))
    end = time.monotonic() + seconds
    lives = received = 0

    async def crowd() -> None:
        nonlocal lives, received
        while time.monotonic() < end and not publishing.done():
            client = Client(node, context, random.Random(numbers.random()))
            await client.live()
            lives += 1
            received += client.received

    await asyncio.gather(*(crowd() for _ in range(CROWD)))
    stop.set()
    published = await publishing
    await verdicts.stop()
    print(f"{lives} lives of {CROWD} clients in {seconds:g} s, {published} publications to all, {received} received and checked")
    assert node.is_running and lives > CROWD and received > 0
    assert node.api.metric("faults_total") == 0
    node.wait_until(lambda: node.api.metric("sessions") == 0, "all sessions are gone")
    assert node.api.metric("outbound_bytes") == 0


def test_every_session_gets_its_own_and_nothing_else(start_node: Any, tmp_path: Any, request: pytest.FixtureRequest) -> None:
    seconds = 600 if request.config.getoption("--everything") else 40
    asyncio.run(run(start_node, tmp_path, seconds, seed=1))
