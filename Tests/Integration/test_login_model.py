"""Who is not accepted can do nothing: random commands against random verdicts, and a model of what may come of them.

Clients send `connect` and everything else in any order and in any frames, and do not wait for answers. The application, or
the token, accepts them, refuses them, refuses them for now, or takes its time. What each client is answered, what
reaches a subscriber of all channels, and what the application is asked has to be what the model says, and nothing else.
"""

import asyncio
import json
import random
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
import websockets.asyncio.client
import websockets.exceptions

from rig.certificates import Authority
from rig.node import Node
from rig.verdicts import Verdicts
from rig.wire import frame, upgrade

SECRET = "a secret of more than thirty-two bytes, for tests"
CHANNELS = [f"m{number}" for number in range(6)]
#: Clients at the same time.
CROWD = 24


def token(seconds: float, key: str = SECRET, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, key, algorithm="HS256")


@dataclass
class Expected:
    """What may come of one client's script."""

    #: By the command's number: the method, or the code of an error.
    replies: dict[int, Any] = field(default_factory=dict)
    #: Replies that are on their way when the session is closed may be lost.
    optional: set[int] = field(default_factory=set)
    #: A `subscribe` that is taken back before it is confirmed is answered with error 100.
    taken_back: set[int] = field(default_factory=set)
    published: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    #: The code with which the node closes; None when it does not.
    closed: int | None = None


class Script:
    """The commands of one client, and what the model makes of them."""

    def __init__(self, numbers: random.Random, name: str) -> None:
        self.name = name
        self.frames: list[str] = []
        self.expected = Expected()
        self._state = "new"
        self._subscribed: set[str] = set()
        #: The commands that subscribed.
        self._asked: dict[str, int] = {}
        self._id = 0
        #: No more than limits.login_burst.
        self._logins = 0
        for _ in range(numbers.randint(1, 6)):
            self.frames.append("\n".join(self._command(numbers) for _ in range(numbers.randint(1, 4))))

    def _command(self, numbers: random.Random) -> str:
        self._id += 1
        # Half of the time what is right, so that scripts come far.
        is_connect = numbers.random() < (0.65 if self._state == "new" else 0.04)
        if is_connect and self._logins < 9:
            self._logins += 1
            how = numbers.choices(
                ["accept", "slow", "good", "fail", "silent", "expired", "refuse", "forged"], [4, 4, 4, 4, 1, 3, 1, 1])[0]
            return self._connect(how)
        method = numbers.choice(
            ["subscribe"] * 3 + ["publish"] * 4 + ["unsubscribe", "history", "presence", "presence_stats", "rpc", "send", "refresh", "sub_refresh", "bad"])
        return self._other(method, numbers.choice(CHANNELS))

    def _connect(self, how: str) -> str:
        request: dict[str, Any] = {}
        if how == "good":
            request["token"] = token(60, sub=self.name)
        elif how == "expired":
            request["token"] = token(-3600, sub=self.name)
        elif how == "forged":
            request["token"] = token(60, key=SECRET + "x", sub=self.name)
        else:
            request["data"] = {"verdict": f"{how}.{self.name}"}
        if self._state == "new":
            if "data" in request:
                self.expected.asked.append(how)
            if how in ("accept", "slow", "good"):
                self._state = "connected"
                self.expected.replies[self._id] = "connect"
            elif how in ("fail", "silent"):
                self.expected.replies[self._id] = 100
            elif how == "expired":
                self.expected.replies[self._id] = 109
            else:
                self._close(3503 if how == "refuse" else 3500)
        else:
            self._close(3501)
        return json.dumps({"id": self._id, "connect": request})

    def _close(self, code: int) -> None:
        if self._state != "closed":
            self._state = "closed"
            self.expected.closed = code
            self.expected.optional = {number for number, reply in self.expected.replies.items() if reply in ("publish", "subscribe", 108)}

    def _other(self, method: str, channel: str) -> str:
        request: dict[str, Any] = {"channel": channel}
        payload = f"{self.name}/{self._id}"
        if method == "bad":
            self._close(3501)
            return "{"
        if method == "publish":
            request["data"] = payload
        elif method == "send":
            request = {"data": 1}
        elif method == "rpc":
            request = {"method": "x"}
        elif method == "refresh":
            request = {"token": token(60, sub=self.name)}
        elif method == "sub_refresh":
            request["token"] = token(60, sub=self.name, channel=channel)
        if self._state != "connected":
            self._close(3501)
        else:
            self._answer(method, channel, payload)
        return json.dumps({"id": self._id, method: request})

    def _answer(self, method: str, channel: str, payload: str) -> None:
        reply: Any = method
        if method == "subscribe":
            reply = 105 if channel in self._subscribed else method
            self._subscribed.add(channel)
            if reply == method:
                self._asked[channel] = self._id
        elif method == "unsubscribe":
            if channel in self._subscribed:
                self.expected.taken_back.add(self._asked[channel])
            self._subscribed.discard(channel)
        elif method == "publish":
            self.expected.published.append(payload)
        elif method in ("history", "presence", "presence_stats"):
            reply = 108 if channel in self._subscribed else 103
        elif method == "rpc":
            reply = 108
        elif method == "send":
            # It has no answer that could say that nobody takes it.
            return self._close(3508)
        elif method == "sub_refresh" and channel not in self._subscribed:
            reply = 107
        self.expected.replies[self._id] = reply


async def play(node: Node, script: Script, numbers: random.Random, context: ssl.SSLContext) -> None:
    """Sends a script as fast as it likes, and holds what comes to what the model says."""
    expected = script.expected
    replies: dict[int, Any] = {}
    closed: int | None = None
    is_secure = numbers.random() < 0.5
    async with websockets.asyncio.client.connect(
        f"wss://{node.secure}/connection/websocket" if is_secure else f"ws://{node.client}/connection/websocket",
        ssl=context if is_secure else None, compression=numbers.choice([None, "deflate"]), ping_interval=None
    ) as socket:
        try:
            for text in script.frames:
                await socket.send(text)
                if numbers.random() < 0.3:
                    await asyncio.sleep(numbers.random() * 0.1)
        except websockets.exceptions.ConnectionClosed:
            pass
        wanted = set(expected.replies) - expected.optional
        deadline = time.monotonic() + 15
        try:
            # When the node is to close, until it does; else until everything is answered, and nothing more.
            while expected.closed is not None or not wanted <= set(replies):
                message = await asyncio.wait_for(socket.recv(), deadline - time.monotonic())
                for line in message.split("\n"):
                    take(json.loads(line), replies)
        except websockets.exceptions.ConnectionClosed as error:
            closed = error.rcvd.code if error.rcvd else 1006
    said = {number: reply for number, reply in expected.replies.items() if number in replies or number not in expected.optional}
    for number in expected.taken_back:
        if replies.get(number) == 100:
            said[number] = 100
    story = "\n".join(script.frames)
    assert replies == said, f"the client was answered {replies}, the model says {said}:\n{story}"
    assert closed == expected.closed, f"the client was closed with {closed}, the model says {expected.closed}:\n{story}"


def take(message: dict[str, Any], replies: dict[int, Any]) -> None:
    if "id" in message:
        assert message["id"] not in replies, f"a second answer: {message}"
        replies[message["id"]] = message["error"]["code"] if "error" in message else next(key for key in message if key != "id")
    else:
        assert not message or "push" in message, message


async def play_raw(node: Node, numbers: random.Random, name: str, published: list[str]) -> None:
    """A raw client that publishes before it knows whether it is let in."""
    how = numbers.choice(["accept", "slow", "fail", "silent", "refuse", "good", "expired", "forged"])
    channel = numbers.choice(CHANNELS)
    tokens = {"good": (60, SECRET), "expired": (-3600, SECRET), "forged": (60, SECRET + "x")}
    query = f"token={token(tokens[how][0], tokens[how][1], sub=name)}" if how in tokens else f"verdict={how}.{name}"
    payloads = [f"{name}/{number}" for number in range(numbers.randint(1, 3))]
    reader, writer = await asyncio.open_connection("127.0.0.1", node.client_port)
    writer.write(upgrade(f"/raw?channel={channel}&{query}") + b"".join(frame(payload.encode()) for payload in payloads))
    await writer.drain()
    status = int((await asyncio.wait_for(reader.readline(), 15)).split()[1])
    wanted = {"accept": 101, "slow": 101, "good": 101, "fail": 503, "silent": 503, "refuse": 403, "expired": 401, "forged": 401}[how]
    assert status == wanted, f"{how}: {status}"
    if status == 101:
        published += payloads
        # Its own publications come back: then they are out.
        seen = b""
        while not all(payload.encode() in seen for payload in payloads):
            piece = await asyncio.wait_for(reader.read(65536), 15)
            assert piece, f"closed; {seen!r}"
            seen += piece
    writer.close()


class Observer:
    """Subscribed to everything, by a token."""

    def __init__(self, node: Node) -> None:
        query = "&".join(f"channel={channel}" for channel in CHANNELS)
        self.connection = websockets.asyncio.client.connect(
            f"ws://{node.client}/raw?{query}&token={token(3600, sub='observer')}", ping_interval=None, max_size=None)
        self.seen: list[str] = []

    async def watch(self, socket: websockets.asyncio.client.ClientConnection) -> None:
        async for message in socket:
            self.seen.append(str(message).strip('"'))


async def run(start_node: Any, directory: Path, seconds: float, seed: int) -> int:
    certificate, key = Authority(directory).issue("localhost")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    verdicts = await Verdicts(silent=3.0).start()
    node: Node = start_node(
        channels=[{"match": "*", "subscribe": "anyone", "publish": "client"}],
        client={"tls": {"listen": "127.0.0.1:0", "certificate": str(certificate), "key": str(key)}},
        auth={"required": True, "keys": [{"secret": SECRET}], "connect_hook": {"url": verdicts.url, "timeout": "1s"}})
    numbers = random.Random(seed)
    observer = Observer(node)
    sessions = 0
    async with observer.connection as watched:
        watching = asyncio.create_task(observer.watch(watched))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            names = [f"s{sessions + place}" for place in range(CROWD)]
            scripts = [Script(numbers, name) for name in names]
            published: list[str] = []
            before, asked_before = len(observer.seen), len(verdicts.asked)
            raw = [play_raw(node, random.Random(numbers.random()), f"{name}r", published) for name in names[: CROWD // 4]]
            await asyncio.gather(*(play(node, script, random.Random(numbers.random()), context) for script in scripts), *raw)
            expected = sorted(published + [payload for script in scripts for payload in script.expected.published])
            # What the model does not know of would be there by the time the last of it is.
            mark = f"mark {sessions}"
            await asyncio.to_thread(node.api.publish, CHANNELS[0], text=mark)
            deadline = time.monotonic() + 10
            while mark not in observer.seen[before:] or len(observer.seen) - before <= len(expected):
                assert time.monotonic() < deadline, f"lost: {set(expected) - set(observer.seen[before:])}"
                await asyncio.sleep(0.01)
            assert sorted(observer.seen[before:]) == sorted([*expected, mark]), "published by whom it was not, or twice"
            asked = sorted(verdict for verdict, user in verdicts.asked[asked_before:] if not user.endswith("r"))
            assert asked == sorted(verdict for script in scripts for verdict in script.expected.asked), "the application was asked otherwise"
            sessions += CROWD
        watching.cancel()
    await verdicts.stop()
    assert node.api.metric("faults_total") == 0
    node.wait_until(lambda: node.api.metric("sessions") == 0, "all sessions are gone")
    return sessions


@pytest.mark.parametrize("seed", [1])
def test_nothing_counts_before_a_session_is_authenticated(
    start_node: Any, tmp_path: Path, request: pytest.FixtureRequest, seed: int
) -> None:
    seconds = 600 if request.config.getoption("--everything") else 40
    sessions = asyncio.run(run(start_node, tmp_path, seconds, seed))
    print(f"{sessions} sessions in {seconds} s, each as the model says")
    assert sessions > 100
