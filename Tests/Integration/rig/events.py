"""Events of a node, as operators read them."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from rig.node import Node
from rig.waiting import until


class Events:
    """An event stream that is read by a thread, from its first event on."""

    def __init__(self, node: Node, kinds: str | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.dropped = 0
        self.is_over = False
        self._connection = http.client.HTTPConnection(node.admin, timeout=60)
        self._connection.request("GET", "/api/v1/events" + (f"?kinds={kinds}" if kinds else ""))
        self._socket = self._connection.sock
        self._response = self._connection.getresponse()
        if self._response.status != 200:
            raise AssertionError(f"{self._response.status} {self._response.read()!r}")
        assert self._response.getheader("content-type") == "text/event-stream"
        kind, self.greeting = next(self._blocks())
        assert kind == "listening" and self.greeting["node"] == node.id
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _blocks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = ""
        while line := self._response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)

    def _read(self) -> None:
        try:
            for kind, event in self._blocks():
                if kind == "dropped":
                    self.dropped += event["events"]
                else:
                    assert event["kind"] == kind
                    self.events.append(event)
        except (OSError, http.client.HTTPException):
            pass
        self.is_over = True

    def of(self, **wanted: Any) -> list[dict[str, Any]]:
        return [event for event in list(self.events) if all(event.get(key) == value for key, value in wanted.items())]

    def kinds(self, **wanted: Any) -> list[str]:
        return [event["kind"] for event in self.of(**wanted)]

    def until(self, condition: Callable[["Events"], object], what: str, seconds: float = 10) -> None:
        until(lambda: condition(self), what, seconds)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(10)
        self._connection.close()

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
