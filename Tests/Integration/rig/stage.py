"""A cluster in which something of everything is going on, for whoever looks at the admin page."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import jwt

from .centrifuge_wire import CentrifugeWire
from .cluster import Cluster
from .wire import Wire

SECRET = "a secret of more than thirty-two bytes, for tests"
CHANNELS = [
    {"match": "chat:*", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "10m"}, "presence": True},
    {"match": "video:*", "subscribe": "anyone", "publish": "client", "slow": "latest"},
    {"match": "*", "subscribe": "anyone", "publish": "client"},
]
USERS = ["ann", "bob", "cleo", "dan", "eve", "finn", "gus", "hana"]
#: Texts that would do something if they were not shown as text.
HOSTILE = [
    '<img/src=x/onerror="document.title=1">', "<script>hacked=1</script>", "\u202egnp.exe", "a\u200bb\u2066c",
    "&lt;b&gt;&amp;", "\"'`${1}", "../../../etc", "?x=1#/nodes", "%2e%2e%2f", "ü" * 127, "x" * 255, "👩‍👩‍👧‍👦",
]  # fmt: skip


def token(user: str, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + 3600, **claims}, SECRET, algorithm="HS256")


class Stage:
    """Three nodes with Redis; users of different dialects, channels with history and presence, and somebody who publishes."""

    def __init__(self, directory: Path, size: int = 3, **changes: Any) -> None:
        self.cluster = Cluster(
            directory, size, auth={"keys": [{"secret": SECRET}]}, channels=CHANNELS,
            # Clients that only read what they are told to answer no ping.
            liveness={"ping_interval": "10m"}, **changes)
        self.wires: list[Wire] = []
        self.clients: list[CentrifugeWire] = []
        self._ended = threading.Event()
        self._publisher = threading.Thread(target=self._publish, name="stage", daemon=True)
        self._count = 0

    @property
    def nodes(self) -> list[Any]:
        return self.cluster.nodes

    @property
    def first(self) -> Any:
        return self.cluster.nodes[0]

    def start(self) -> "Stage":
        self.cluster.start()
        return self

    def raw(self, channels: list[str], node: int = 0, user: str | None = None, **options: Any) -> Wire:
        """A client of the raw dialect."""
        query = "&".join(f"channel={quoted(name)}" for name in channels) + (f"&token={token(user)}" if user else "")
        wire = Wire(self.nodes[node % len(self.nodes)].client_port, **options).open(f"/raw?{query}")
        self.wires.append(wire)
        return wire

    def member(self, user: str, channels: list[str], node: int = 0, **claims: Any) -> CentrifugeWire:
        """A client of the centrifuge dialect."""
        client = CentrifugeWire(self.nodes[node % len(self.nodes)], token(user, **claims))
        for channel in channels:
            client.command("subscribe", channel=channel)
        self.clients.append(client)
        return client

    def populate(self) -> "Stage":
        """People in rooms, readers of news, and some publications."""
        for number, user in enumerate(USERS):
            self.member(user, ["chat:lobby", f"chat:room-{number % 3}"], number, info={"name": user.title()})
        for number in range(12):
            self.raw(["news", f"scores:{number % 5}"], number)
        api = self.first.api
        for number in range(24):
            api.publish("chat:lobby", data={"from": USERS[number % len(USERS)], "text": f"Message {number}", "price": 1.5, "tags": ["a", "b"]})
        api.publish("chat:lobby", text="Plain words are fine too.")
        api.publish("chat:lobby", binary=bytes(range(96)))
        api.publish("chat:lobby", text="A long text. " * 400)
        return self

    def play(self) -> "Stage":
        """Publications go on until the stage is stopped."""
        self._publisher.start()
        return self

    def _publish(self) -> None:
        while not self._ended.wait(0.05):
            self._count += 1
            n = self._count
            try:
                self.first.api.publish("news", data={"n": n})
                if n % 5 == 0:
                    self.nodes[-1].api.publish(f"scores:{n % 5}", data={"home": n % 7, "away": n % 3})
                if n % 20 == 0:
                    self.first.api.publish("chat:lobby", data={"from": USERS[n % len(USERS)], "text": f"Still here, {n}."})
            except Exception:  # noqa: BLE001 - the test may have stopped what it publishes to
                continue

    def stop(self) -> None:
        self._ended.set()
        if self._publisher.ident:
            self._publisher.join(20)
        for client in self.clients:
            client.close()
        for wire in self.wires:
            wire.close()
        self.cluster.stop()


def quoted(name: str) -> str:
    """A name as it stands in a query."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02x}" for byte in name.encode())


def javascript(value: Any) -> str:
    """A value as an expression."""
    return json.dumps(value)
