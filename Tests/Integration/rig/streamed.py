"""The centrifuge dialect over plain HTTP: a response that does not end, and requests with commands beside it."""

import json
import urllib.parse
from typing import Any

from centrifuge.protocol import client_pb2 as schema

from .centrifuge_protobuf import command, delimited
from .wire import Wire

EMULATION = "/emulation"


def post(path: str, body: bytes, **headers: str) -> bytes:
    """A request with a body; a header given as "" is left out."""
    fields = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
    return "\r\n".join(lines).encode() + body


def get(path: str, **headers: str) -> bytes:
    fields = {"Host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return "\r\n".join([f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]).encode()


def port_of(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def ask(address: str, request: bytes) -> tuple[int, str]:
    """The status and the body of an answer that ends."""
    with Wire(port_of(address)) as wire:
        text = wire.send(request).read_to_end().decode()
    head, _, body = text.partition("\r\n\r\n")
    return int(head.split()[1]), body


class Stream:
    """A response that does not end, message by message."""

    def __init__(self, address: str, request: bytes, kind: str = "lines", seconds: float = 10) -> None:
        self.kind = kind
        self.wire = Wire(port_of(address), seconds=seconds).send(request)
        self.head = self.wire.read_head().decode()
        self.status = int(self.head.split()[1])
        self._rest, self.wire._rest = self.wire._rest, b""
        self._is_chunked = "transfer-encoding: chunked" in self.head.lower()
        self._raw = b""
        if self._is_chunked:
            self._raw, self._rest = self._rest, b""
            self._take_chunks()

    def _take_chunks(self) -> None:
        """A balancer may divide the stream (RFC 9112 7.1)."""
        while b"\r\n" in self._raw:
            size, _, rest = self._raw.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            self._rest += rest[:length]
            self._raw = rest[length + 2 :]

    def _more(self) -> None:
        piece = self.wire.socket.recv(65536)
        if not piece:
            raise EOFError(f"the stream ended: {self._rest[:200]!r}")
        if self._is_chunked:
            self._raw += piece
            self._take_chunks()
        else:
            self._rest += piece

    def message(self) -> Any:
        """The next message: JSON, or a Reply."""
        while True:
            if self.kind == "protobuf":
                if (found := self._delimited()) is not None:
                    return schema.Reply.FromString(found)
            elif self.kind == "lines" and b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                return json.loads(line)
            elif self.kind == "events" and b"\n\n" in self._rest:
                event, _, self._rest = self._rest.partition(b"\n\n")
                data = [line.removeprefix("data: ") for line in event.decode().split("\n") if line.startswith("data: ")]
                if data:
                    return json.loads("\n".join(data))
                continue
            self._more()

    def _delimited(self) -> bytes | None:
        length = shift = 0
        for place, byte in enumerate(self._rest):
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                end = place + 1 + length
                if len(self._rest) < end:
                    return None
                found, self._rest = self._rest[place + 1 : end], self._rest[end:]
                return found
        return None

    def ended(self) -> bool:
        """Whether the node has closed it, messages that come before that left out."""
        try:
            while True:
                self._more()
        except (EOFError, ConnectionResetError):
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self.wire.close()


class Streamed:
    """A client with commands: `stream` is where its stream goes, `requests` where its commands go."""

    def __init__(
        self, stream: str, requests: str | None = None, transport: str = "http_stream", *, protobuf: bool = False,
        pongs: bool = True, headers: dict[str, str] | None = None, **connect: Any,
    ) -> None:  # fmt: skip
        self.requests = requests or stream
        self.is_protobuf = protobuf
        self.answers_pings = pongs
        self.pushes: list[Any] = []
        self.pings = 0
        self.number = 1
        first = self.encoded("connect", 1, **connect)
        path = f"/connection/{transport}"
        kind = {"http_stream": "protobuf" if protobuf else "lines", "sse": "events"}[transport]
        if transport == "sse":
            request = get(f"{path}?cf_connect={urllib.parse.quote(first.decode())}", **(headers or {}))
        else:
            request = post(path, first, **({"Content-Type": "application/octet-stream"} if protobuf else {}), **(headers or {}))
        self.stream = Stream(stream, request, kind)
        assert self.stream.status == 200, self.stream.head
        reply = self.reply(1)
        self.connected = reply.connect if protobuf else reply.get("connect", reply)
        if protobuf:
            self.id, self.session, self.node = self.connected.client, self.connected.session, self.connected.node
        else:
            self.id, self.session, self.node = (self.connected.get(name, "") for name in ("client", "session", "node"))

    def encoded(self, method: str, number: int, **request: Any) -> bytes:
        if self.is_protobuf:
            return command(number, method, **request)
        return json.dumps({"id": number, method: request}).encode()

    def emulation(self, data: bytes, session: str | None = None, node: str | None = None) -> bytes:
        """A request that brings commands."""
        fields = {"session": self.session if session is None else session, "node": self.node if node is None else node}
        if self.is_protobuf:
            body = schema.EmulationRequest(**fields, data=data).SerializeToString()
            return post(EMULATION, body, Content_Type="application/octet-stream")
        return post(EMULATION, json.dumps({**fields, "data": data.decode()}).encode())

    def send(self, data: bytes) -> tuple[int, str]:
        """Commands as they are: status and body of the answer."""
        return ask(self.requests, self.emulation(data))

    def receive(self) -> Any:
        """The next message that is no ping; pings are answered."""
        while True:
            message = self.stream.message()
            if message.ByteSize() if self.is_protobuf else message:
                return message
            self.pings += 1
            if self.answers_pings:
                assert self.send(delimited(b"") if self.is_protobuf else b"{}")[0] == 204

    def reply(self, number: int) -> Any:
        """The reply to a command; pushes before it are kept."""
        while True:
            message = self.receive()
            if (message.id if self.is_protobuf else message.get("id")) == number:
                return message
            self.pushes.append(message.push if self.is_protobuf else message["push"])

    def command(self, method: str, **request: Any) -> Any:
        """The result; or the error, as `{"error": {…}}`."""
        self.number += 1
        status, body = self.send(self.encoded(method, self.number, **request))
        assert status == 204, (status, body)
        reply = self.reply(self.number)
        if self.is_protobuf:
            return reply
        return reply if "error" in reply else reply[method]

    def push(self) -> Any:
        """The next push."""
        while not self.pushes:
            message = self.receive()
            self.pushes.append(message.push if self.is_protobuf else message["push"])
        return self.pushes.pop(0)

    def close(self) -> None:
        self.stream.close()
