"""Clients of SignalR hubs that other people wrote, each recording what it is called with.

Both have the same members, so that a test is written once: `invoke` waits for the completion, `send` wants none.
"""

import asyncio
import contextlib
import logging
import os
import queue
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from pysignalr.client import SignalRClient
from pysignalr.messages import CompletionMessage, InvocationMessage
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol
from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.protocol.json_hub_protocol import JsonHubProtocol
from signalrcore.protocol.messagepack_protocol import MessagePackHubProtocol
from signalrcore.types import HttpTransportType

from .waiting import until

#: Of a completion, in seconds.
PATIENCE = 10
JSON, MESSAGEPACK = "json", "messagepack"


class CallFailed(Exception):
    """The hub completed a call with an error."""


class HubClient(Protocol):
    kind: str
    #: What was called, in its order: the target and its arguments.
    called: list[tuple[str, list[Any]]]
    #: How often it was connected.
    opened: int

    def send(self, method: str, *arguments: Any) -> None: ...

    def invoke(self, method: str, *arguments: Any) -> Any: ...

    def close(self) -> None: ...

    def cut(self) -> None:
        """The connection breaks, as it would with the network."""


class PySignalR:
    """PyPI pysignalr: negotiates in version 0, and comes back with the id that it has."""

    kind = "pysignalr"

    def __init__(self, url: str, targets: list[str], protocol: str = JSON, token: str | None = None) -> None:
        self.called: list[tuple[str, list[Any]]] = []
        self.opened = 0
        self.failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = SignalRClient(
            url, protocol=JSONProtocol() if protocol == JSON else MessagepackProtocol(), headers=headers,
            retry_sleep=0.2, retry_count=100, connection_timeout=5)  # fmt: skip
        for target in targets:
            self.client.on(target, self._recording(target))
        self.client.on_open(self._has_opened)
        self._thread = threading.Thread(target=self._run, name=self.kind, daemon=True)
        self._thread.start()
        until(lambda: self.opened or self.failure, f"{self.kind} connects", 15)
        if self.failure:
            raise self.failure

    def _recording(self, target: str) -> Callable[[list[Any]], Any]:
        async def record(arguments: list[Any]) -> None:
            self.called.append((target, arguments))

        return record

    async def _has_opened(self) -> None:
        self.opened += 1

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self.client.run())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever ends it is what we want to know
            self.failure = error

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    def send(self, method: str, *arguments: Any) -> None:
        self._do(self.client.send(method, list(arguments)))

    def invoke(self, method: str, *arguments: Any) -> Any:
        results: queue.Queue[Any] = queue.Queue()

        async def done(message: Any) -> None:
            results.put(message)

        async def failed(message: CompletionMessage) -> None:
            results.put(message)

        self.client.on_error(failed)
        self._do(self.client.send(method, list(arguments), done))
        answer = results.get(timeout=PATIENCE)
        if isinstance(answer, CompletionMessage):
            if answer.error:
                raise CallFailed(answer.error)
            return answer.result
        return answer

    def send_message(self, message: InvocationMessage) -> None:
        self._do(self.client._transport.send(message))

    def cut(self) -> None:
        connection = self.client._transport._ws
        assert connection is not None
        self._loop.call_soon_threadsafe(connection.transport.abort)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(10)


class SignalRCore:
    """PyPI signalrcore: says version 0 in its handshake, leaves parts of messages out, and takes pings of WebSocket for messages."""

    kind = "signalrcore"

    def __init__(
        self, url: str, targets: list[str], protocol: str = JSON, token: str | None = None, transport: HttpTransportType | None = None
    ) -> None:
        self.called: list[tuple[str, list[Any]]] = []
        self.opened = 0
        self._results: queue.Queue[Any] = queue.Queue()
        logging.getLogger("SignalRCoreClient").setLevel(logging.CRITICAL)
        options: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}} if token else {}
        if transport:
            options["transport"] = transport
        # An interval of its own for pings, so that they are seen.
        self.client = (
            HubConnectionBuilder()
            .with_url(url, options=options)
            .with_hub_protocol(JsonHubProtocol() if protocol == JSON else MessagePackHubProtocol())
            .with_automatic_reconnect({"type": "raw", "keep_alive_interval": 5, "reconnect_interval": 1, "max_attempts": 50})
            .build()
        )
        for target in targets:
            self.client.on(target, lambda arguments, target=target: self.called.append((target, arguments)))
        self.client.on_open(self._has_opened)
        self.client.on_reconnect(self._has_opened)
        self.client.on_error(self._results.put)
        self.client.start()
        until(lambda: self.opened, f"{self.kind} connects", 15)

    def _has_opened(self) -> None:
        self.opened += 1

    def send(self, method: str, *arguments: Any) -> None:
        # It has no calls without an id.
        self.client.send(method, list(arguments), lambda _: None)

    def invoke(self, method: str, *arguments: Any) -> Any:
        number = str(uuid.uuid4())
        self.client.send(method, list(arguments), self._results.put, number)
        while True:
            answer = self._results.get(timeout=PATIENCE)
            # What it says of errors may be about an earlier call.
            if getattr(answer, "invocation_id", number) == number:
                break
        if getattr(answer, "error", None):
            raise CallFailed(answer.error)
        return getattr(answer, "result", None)

    def cut(self) -> None:
        self.client.transport._client.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        # The library closes its socket while a thread of its own still reads from there. Linux does not end that read, so the library
        # would wait for the next ping of the node. The connection is shut down through another descriptor.
        client = self.client.transport._client
        twin = None
        with contextlib.suppress(OSError, AttributeError):
            twin = socket.socket(fileno=os.dup(client.sock.fileno()))
        stopping = threading.Thread(target=self.client.stop, name=f"{self.kind} stops", daemon=True)
        stopping.start()
        if twin:
            until(lambda: not client.running or not stopping.is_alive(), f"{self.kind} stops")
            with contextlib.suppress(OSError):
                twin.shutdown(socket.SHUT_RDWR)
            twin.close()
        stopping.join(20)


KINDS: list[type[PySignalR] | type[SignalRCore]] = [PySignalR, SignalRCore]
