"""A SignalR client over long polling, after TransportProtocols.md of dotnet/aspnetcore: it polls again and again, and sends each message
in a request of its own. Every request may go to another node."""

import http.client
import itertools
import json
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgpack

from .hub_clients import JSON, CallFailed

END = b"\x1e"
#: Of an answer, in seconds.
PATIENCE = 30


def packed(message: Any) -> bytes:
    """A message of the hub protocol in MessagePack, behind its length."""
    body = msgpack.packb(message)
    length, size = b"", len(body)
    while True:
        length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            return length + body


def unpacked(body: bytes) -> list[Any]:
    messages = []
    while body:
        size = place = 0
        while True:
            size |= (body[place] & 0x7F) << (7 * place)
            place += 1
            if body[place - 1] < 0x80:
                break
        assert len(body) >= place + size, "an answer ends with a whole message"
        messages.append(msgpack.unpackb(body[place : place + size]))
        body = body[place + size :]
    return messages


class Requests:
    """Requests of one client, each on a connection of its own, to one address after the other."""

    def __init__(self, addresses: Sequence[str], token: str | None = None, path: str = "/chat") -> None:
        self._next = itertools.cycle(addresses)
        self._lock = threading.Lock()
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.path = path

    def open(self, method: str, target: str, body: bytes | None = None, address: str | None = None) -> http.client.HTTPConnection:
        with self._lock:
            host = address or next(self._next)
        connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        connection.request(method, target, body, self.headers)
        return connection

    def ask(self, method: str, target: str, body: bytes | None = None, address: str | None = None) -> tuple[int, bytes]:
        connection = self.open(method, target, body, address)
        try:
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def negotiate(self, address: str | None = None) -> dict[str, Any]:
        status, body = self.ask("POST", f"{self.path}/negotiate?negotiateVersion=1", b"", address)
        assert status == 200, (status, body)
        return json.loads(body)


class Poller:
    """A client whose polls are made by hand."""

    def __init__(
        self, addresses: Sequence[str], protocol: str = JSON, token: str | None = None, *, at: str | None = None, greets: bool = True
    ) -> None:
        self.requests = Requests(addresses, token)
        self.protocol = protocol
        self.messages: list[Any] = []
        self.statuses: list[int] = []
        self.largest = 0
        negotiated = self.requests.negotiate()
        assert {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]} in negotiated["availableTransports"]
        self.id = negotiated["connectionId"]
        self.target = f"{self.requests.path}?id={negotiated['connectionToken']}"
        if greets:
            assert self.requests.ask("GET", self.target, address=at) == (200, b""), "the first poll is answered at once"
            self.greet()

    def greet(self) -> None:
        greeting = json.dumps({"protocol": self.protocol, "version": 1}).encode() + END
        assert self.post(greeting) == 200
        status, body = self.requests.ask("GET", self.target)
        assert (status, body) == (200, b"{}" + END), (status, body)

    def post(self, body: bytes, address: str | None = None) -> int:
        return self.requests.ask("POST", self.target, body, address)[0]

    def message(self, method: str, *arguments: Any, id: str | None = None) -> bytes:
        if self.protocol == JSON:
            call = {"type": 1, "target": method, "arguments": arguments} | ({"invocationId": id} if id else {})
            return json.dumps(call).encode() + END
        return packed([1, {}, id, method, list(arguments), []])

    def call(self, method: str, *arguments: Any, id: str | None = None, address: str | None = None) -> None:
        assert self.post(self.message(method, *arguments, id=id), address) == 200

    def begin(self, address: str | None = None) -> http.client.HTTPConnection:
        """A poll of which the answer is not read yet."""
        return self.requests.open("GET", self.target, address=address)

    def end(self, poll: http.client.HTTPConnection) -> int:
        """Reads the answer to a poll."""
        try:
            response = poll.getresponse()
            body = response.read()
        finally:
            poll.close()
        self.statuses.append(response.status)
        if response.status == 200 and body:
            self.largest = max(self.largest, len(body))
            self.take(body)
        return response.status

    def poll(self, address: str | None = None) -> int:
        return self.end(self.begin(address))

    def take(self, body: bytes) -> None:
        if self.protocol == JSON:
            assert body.endswith(END), "an answer ends with a whole message"
            self.messages += [json.loads(part) for part in body.split(END)[:-1]]
        else:
            self.messages += [self._plain(message) for message in unpacked(body)]

    @staticmethod
    def _plain(message: list[Any]) -> dict[str, Any]:
        """As it would be in JSON."""
        match message:
            case [1, _, _, target, arguments, *_]:
                return {"type": 1, "target": target, "arguments": arguments}
            case [3, _, id, 1, error]:
                return {"type": 3, "invocationId": id, "error": error}
            case [3, _, id, *_]:
                return {"type": 3, "invocationId": id, "result": None}
            case [7, error, *reconnect]:
                return {"type": 7} | ({"error": error} if error else {}) | ({"allowReconnect": True} if reconnect == [True] else {})
        return {"type": message[0]}

    def poll_until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            status = self.poll()
            assert status == 200, status

    def invoke(self, method: str, *arguments: Any) -> None:
        number = f"i{len(self.statuses)}"
        self.call(method, *arguments, id=number)

        def answers() -> list[dict[str, Any]]:
            return [message for message in self.messages if message.get("invocationId") == number]

        self.poll_until(answers)
        if "error" in answers()[0]:
            raise CallFailed(answers()[0]["error"])

    def heard(self, target: str) -> list[list[Any]]:
        return [message["arguments"] for message in self.messages if message.get("target") == target]

    def leave(self, address: str | None = None) -> int:
        return self.requests.ask("DELETE", self.target, address=address)[0]


class LongPollingClient(Poller):
    """The same with a thread that polls until it is told to stop."""

    def __init__(self, addresses: Sequence[str], protocol: str = JSON, token: str | None = None) -> None:
        super().__init__(addresses, protocol, token)
        self.ended: queue.Queue[int | BaseException] = queue.Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="long polling", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                status = self.poll()
                if status != 200:
                    return self.ended.put(status)
        except (OSError, http.client.HTTPException) as error:
            if not self._stopping.is_set():
                self.ended.put(error)

    def close(self) -> None:
        self._stopping.set()
        self.leave()
        self._thread.join(PATIENCE)
