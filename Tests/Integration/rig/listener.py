"""The centrifuge dialect without commands: a client says what it wants to hear, and hears it."""

import json
import urllib.parse
from typing import Any

from .streamed import Stream, get, post
from .wire import CLOSE, PING, PONG, TEXT, Wire, frame

#: Transports of such clients.
KINDS = ["websocket", "http_stream", "sse"]


class Listener:
    """A client that only listens, over any of the transports."""

    def __init__(self, address: str, kind: str, *, by_query: bool = False, **connect: Any) -> None:
        self.kind = kind
        self.pings = 0
        text = json.dumps(connect)
        path = f"/connection/uni_{kind}"
        query = f"{path}?cf_connect={urllib.parse.quote(text)}"
        self.stream: Stream | None = None
        self.close_code = 0
        if kind == "websocket":
            self.wire = Wire(int(address.rsplit(":", 1)[1])).open(query if by_query else path)
            if not by_query:
                self.wire.send(frame(text.encode()))
        else:
            request = post(path, text.encode()) if kind == "http_stream" else get(query)
            self.stream = Stream(address, request, "lines" if kind == "http_stream" else "events")
            self.wire = self.stream.wire
        self.connected: dict[str, Any] = {}

    def message(self) -> dict[str, Any]:
        """The next push."""
        while True:
            if self.stream:
                found = self.stream.message()
            else:
                opcode, payload = self.wire.read_frame()
                if opcode == PING:
                    self.wire.send(frame(payload, PONG))
                    continue
                if opcode == CLOSE:
                    self.close_code = int.from_bytes(payload[:2], "big")
                    raise EOFError("closed")
                assert opcode == TEXT
                found = json.loads(payload)
            if found:
                return found
            self.pings += 1

    def connect(self) -> "Listener":
        self.connected = self.message()["connect"]
        return self

    def ended(self) -> bool:
        if self.stream:
            return self.stream.ended()
        try:
            self.message()
        except EOFError:
            return True
        return False

    def close(self) -> None:
        self.wire.close()
