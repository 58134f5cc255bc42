"""The centrifuge dialect frame by frame, for what the libraries do not show."""

import json
import threading
from typing import Any

import websockets.exceptions
import websockets.sync.client

from .node import Node


def offset(shown: int) -> int:
    """Of an offset as the dialect shows it: without the tag of its epoch."""
    return shown & (1 << 37) - 1


class CentrifugeWire:
    """A client of the centrifuge dialect, frame by frame."""

    def __init__(self, node: Node, token: str | None = None, **connect: Any) -> None:
        self.socket = websockets.sync.client.connect(
            f"ws://{node.client}/connection/websocket", legacy=True, max_size=None, ping_interval=None)
        self.publications: list[tuple[int, Any]] = []
        self.unsubscribed: list[tuple[str, int]] = []
        #: `join` or `leave`, and who: the user, or the session where there is none.
        self.changes: list[tuple[str, str]] = []
        #: The offset of the last publication, as it was shown: what the client would come back with.
        self.last = 0
        self.replies: dict[int, dict[str, Any]] = {}
        self._commands = 0
        self._ours = False
        self.closed: str | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.connected = self.command("connect", **({"token": token} if token else {}), **connect)
        self.id = self.connected["client"]

    def _read(self) -> None:
        try:
            while True:
                for line in self.socket.recv().split("\n"):
                    self._take(json.loads(line))
        except websockets.exceptions.ConnectionClosed as closed:
            if not self._ours:
                self.closed = str(closed)

    def _take(self, message: dict[str, Any]) -> None:
        with self._changed:
            if not message:
                self.socket.send("{}")
            elif "push" in message:
                push = message["push"]
                if "pub" in push:
                    self.last = push["pub"].get("offset", 0)
                    self.publications.append((offset(self.last), push["pub"]["data"]))
                elif "join" in push or "leave" in push:
                    kind = "join" if "join" in push else "leave"
                    who = push[kind]["info"]
                    self.changes.append((kind, who.get("user", who["client"])))
                elif "unsubscribe" in push:
                    self.unsubscribed.append((push["channel"], push["unsubscribe"]["code"]))
            else:
                self.replies[message["id"]] = message
            self._changed.notify_all()

    def command(self, method: str, /, **request: Any) -> dict[str, Any]:
        """The result; or the error, as `{"error": {…}}`."""
        with self._changed:
            self._commands += 1
            number = self._commands
        self.socket.send(json.dumps({"id": number, method: request}))
        with self._changed:
            answered = self._changed.wait_for(lambda: number in self.replies, 10)
            assert answered, f"no reply to {method}" + (f", but {self.closed}" if self.closed else "")
            reply = self.replies.pop(number)
        return reply if "error" in reply else reply[method]

    def subscribe(self, channel: str, **recovery: Any) -> dict[str, Any]:
        return self.command("subscribe", channel=channel, **recovery)

    def drop(self) -> None:
        """Ends the connection without a word."""
        self._ours = True
        self.socket.close_socket()

    def close(self) -> None:
        self._ours = True
        self.socket.close()
