"""Clients that other people wrote, each recording what it gets.

A receiver keeps the payloads of one channel in the order of their arrival, as they came out of its library: `str` for
text, `bytes` for binary, and for the centrifuge dialect the value its JSON stood for.
"""

import socket
import threading
from typing import Any, Protocol

import httpx
import httpx_sse
import requests
import sseclient
import websocket
import websockets.exceptions
import websockets.sync.client

from .secure_socket import secure_socket
from .waiting import until

#: Of a payload, in bytes, with room for base64 and framing.
LARGEST = 1 << 20


class Receiver(Protocol):
    """What the fleet needs of a client."""

    kind: str
    dialect: str
    received: list[Any]

    def count(self) -> int:
        """How many payloads came."""

    @property
    def closed(self) -> str | None:
        """Why it is no longer connected, or None."""

    def close(self) -> None: ...


class _Threaded:
    """A client whose library blocks: it reads on a thread of its own."""

    kind = ""
    dialect = ""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.closed: str | None = None
        self._is_ours = False
        self._thread = threading.Thread(target=self._run, name=self.kind, daemon=True)

    def _run(self) -> None:
        try:
            self.read()
            reason = "the stream ended"
        except Exception as error:  # noqa: BLE001 - whatever ends it is what we want to know
            reason = f"{type(error).__name__}: {error}"
        self.closed = "closed by us" if self._is_ours else reason

    def count(self) -> int:
        return len(self.received)

    def read(self) -> None:
        raise NotImplementedError

    def shut(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._is_ours = True
        try:
            self.shut()
        except Exception:  # noqa: BLE001 - it may be gone already
            pass
        self._thread.join(5)


class WebsocketsClient(_Threaded):
    """PyPI websockets, raw dialect; with an address of `wss://…` and `ssl=`, over TLS."""

    kind = "websockets"
    dialect = "raw"

    def __init__(self, address: str, channel: str, **options: Any) -> None:
        super().__init__()
        target = address if "://" in address else f"ws://{address}"
        if context := options.pop("ssl", None):
            self.kind = "websockets, TLS"
            host, port = target.removeprefix("wss://").rsplit(":", 1)
            target = f"ws://{host}:{port}"
            options["sock"] = secure_socket(host, int(port), context)
        self.socket = websockets.sync.client.connect(
            f"{target}/raw?channel={channel}", max_size=LARGEST, legacy=True, **options)
        self._thread.start()

    def read(self) -> None:
        try:
            while True:
                self.received.append(self.socket.recv())
        except websockets.exceptions.ConnectionClosed as closed:
            self.close_frame = closed.rcvd
            raise

    def send(self, payload: str | bytes) -> None:
        self.socket.send(payload)

    def shut(self) -> None:
        self.socket.close()


class WebsocketClientClient(_Threaded):
    """PyPI websocket-client, raw dialect."""

    kind = "websocket-client"
    dialect = "raw"

    def __init__(self, address: str, channel: str) -> None:
        super().__init__()
        # It would name an origin as a browser does, though it is no page; the nodes admit the page's only.
        self.socket = websocket.create_connection(
            f"ws://{address}/raw?channel={channel}", timeout=15, suppress_origin=True)
        self.socket.settimeout(None)
        self._thread.start()

    def read(self) -> None:
        while True:
            opcode, payload = self.socket.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return
            self.received.append(payload.decode() if opcode == websocket.ABNF.OPCODE_TEXT else payload)

    def shut(self) -> None:
        # Its close() wants to read the answer, and the reading is our thread's.
        self.socket.send_close()
        self._thread.join(5)
        self.socket.shutdown()


class HttpxSSEClient(_Threaded):
    """PyPI httpx-sse, sse dialect."""

    kind = "httpx-sse"
    dialect = "sse"

    def __init__(self, address: str, channel: str) -> None:
        super().__init__()
        self._url = f"http://{address}/sse?channel={channel}"
        #: What the events were called.
        self.names: list[str] = []
        self._response: httpx.Response | None = None
        self._thread.start()
        until(lambda: self._response or self.closed, "httpx-sse connects")
        assert self._response is not None, self.closed

    def read(self) -> None:
        with httpx.Client(timeout=httpx.Timeout(15, read=None)) as client:
            with httpx_sse.connect_sse(client, "GET", self._url) as source:
                source.response.raise_for_status()
                self._response = source.response
                for event in source.iter_sse():
                    if self._is_ours:
                        return
                    # The library also reports a block that only says `retry`; to the standard that is no event.
                    if event.data:
                        self.names.append(event.event)
                        self.received.append(event.data)

    def shut(self) -> None:
        # A blocking read is ended from outside only by its socket.
        stream = self._response.extensions["network_stream"]
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class SSEClientPyClient(_Threaded):
    """PyPI sseclient-py over requests, sse dialect."""

    kind = "sseclient-py"
    dialect = "sse"

    def __init__(self, address: str, channel: str) -> None:
        super().__init__()
        self._response = requests.get(
            f"http://{address}/sse?channel={channel}", stream=True, timeout=(15, None),
            headers={"Accept": "text/event-stream"})  # fmt: skip
        self._response.raise_for_status()
        # A small piece size, or an event waits until the piece is full.
        self._events = sseclient.SSEClient(self._response.iter_content(1))
        self._thread.start()

    def read(self) -> None:
        for event in self._events.events():
            self.received.append(event.data)

    def shut(self) -> None:
        connection = self._response.raw.connection or self._response.raw._original_response.fp
        raw = getattr(connection, "sock", None)
        if raw is None:
            raw = self._response.raw._fp.fp.raw._sock
        raw.shutdown(socket.SHUT_RDWR)
