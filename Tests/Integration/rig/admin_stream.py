"""An event stream of the admin listener, read by a thread."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .node import Node
from .waiting import until


class Refused(AssertionError):
    """The node did not open the stream."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body!r}")
        self.status = status
        self.error = json.loads(body)["error"]


class AdminStream:
    """Every event as its name and its data."""

    def __init__(self, node: Node, path: str) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.is_over = False
        self._connection = http.client.HTTPConnection(node.admin, timeout=60)
        headers = {"Authorization": f"Bearer {node.token}"} if node.token else {}
        self._connection.request("GET", path, headers=headers)
        self._socket = self._connection.sock
        self._response = self._connection.getresponse()
        if self._response.status != 200:
            raise Refused(self._response.status, self._response.read())
        assert self._response.getheader("content-type") == "text/event-stream"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _blocks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = ""
        while line := self._response.readline():
            self.text += line.decode()
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)

    def _read(self) -> None:
        try:
            for event in self._blocks():
                self.events.append(event)
        except (OSError, http.client.HTTPException):
            pass
        self.is_over = True

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [data for kind, data in list(self.events) if kind in kinds]

    def until(self, condition: Callable[["AdminStream"], object], what: str, seconds: float = 10) -> "AdminStream":
        until(lambda: condition(self), what, seconds)
        return self

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(10)
        self._connection.close()

    def __enter__(self) -> "AdminStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
