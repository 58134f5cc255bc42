"""One broadcast heard by all dialects at once, and what each of them makes of it (docs/dialects/signalr.md, "How publications become calls").

Whatever a sender of any dialect publishes on one node is heard by clients of all dialects on another one: event names, texts, JSON, bytes and
lists of arguments, pair by pair.
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests

from rig.centrifuge_protobuf import RecordingClient
from rig.hub_clients import JSON, KINDS, MESSAGEPACK
from rig.listener import KINDS as TRANSPORTS
from rig.listener import Listener
from rig.node import Node
from rig.receivers import HttpxSSEClient, WebsocketsClient
from rig.redis_server import RedisServer
from rig.waiting import until

CONFIGURATION: dict[str, Any] = {
    "hubs": [{
        "path": "/chat", "prefix": "chat:", "keys": ["0123456789abcdef0123456789abcdef"], "methods": {"join": "Join", "send_to_group": "Send"}}],
    "channels": [{"match": "*", "subscribe": "anyone", "publish": "client"}],
}  # fmt: skip
CHANNEL = "chat:a"
EVENT = "moved"
BYTES = bytes(range(0, 256, 5))
BASE64 = base64.b64encode(BYTES).decode()


@dataclass(frozen=True)
class Published:
    """A publication, as it is between the nodes."""

    #: `json`, `text` or `binary`.
    kind: str
    #: Of JSON the value.
    value: Any
    event: str | None = None

    def heard(self, listener: str) -> Any:
        """What a listener makes of it: the table of the documentation."""
        # A text that is one JSON value is JSON wherever that is known.
        kind, value = self.kind, self.value
        if kind == "text":
            try:
                kind, value = "json", json.loads(value)
            except ValueError:
                pass
        tags = {"event": self.event} if self.event else {}
        match listener.split():
            case ["raw"]:
                return value
            case ["sse"]:
                return self.event or "message", BASE64 if kind == "binary" else value
            case ["centrifuge", "protobuf"]:
                return tags, value
            case ["centrifuge", *_] | ["unidirectional", *_]:
                return tags, BASE64 if kind == "binary" else value
            case [_, protocol]:
                is_list = kind == "json" and isinstance(value, list) and self.event
                arguments = value if is_list else [BASE64 if kind == "binary" and protocol == JSON else value]
                return self.event or "message", arguments
        raise AssertionError(listener)


def value_of(text: str | bytes) -> Any:
    """JSON may be written in more than one way; what is none is itself."""
    try:
        return json.loads(text)
    except (ValueError, UnicodeDecodeError):
        try:
            return text.decode() if isinstance(text, bytes) else text
        except UnicodeDecodeError:
            return text


def tags_of(publication: Any) -> dict[str, str]:
    return dict(publication.tags or {})


class Audience:
    """A listener of each dialect, protocol and transport; each says what it has heard, in its order."""

    def __init__(self, node: Node) -> None:
        self.raw = WebsocketsClient(node.client, CHANNEL)
        self.sse = HttpxSSEClient(node.client, CHANNEL)
        self.json = RecordingClient(node, is_protobuf=False)
        self.protobuf = RecordingClient(node, is_protobuf=True)
        for client in (self.json, self.protobuf):
            client.subscribe(CHANNEL)
        self.unidirectional = {kind: Listener(node.client, kind, subs={CHANNEL: {}}).connect() for kind in TRANSPORTS}
        self._pushed: dict[str, list[Any]] = {kind: [] for kind in TRANSPORTS}
        self.hubs = {
            f"{kind.kind} {protocol}": kind(f"http://{node.client}/chat", ["message", EVENT], protocol) for kind in KINDS for protocol in (JSON, MESSAGEPACK)
        }
        for client in self.hubs.values():
            client.invoke("Join", "a")
        until(lambda: node.api.subscribers(CHANNEL) == 11, "all are there")
        self.listeners: dict[str, Callable[[], list[Any]]] = {
            "raw": lambda: [value_of(one) for one in self.raw.received],
            "sse": lambda: list(zip(self.sse.names, map(value_of, self.sse.received), strict=False)),
            "centrifuge json": lambda: [(tags_of(one), one.data) for one in self.json.publications(CHANNEL)],
            "centrifuge protobuf": lambda: [(tags_of(one), value_of(one.data)) for one in self.protobuf.publications(CHANNEL)],
            **{f"unidirectional {kind}": lambda kind=kind: self._pushed[kind] for kind in TRANSPORTS},
            **{name: lambda client=client: client.called for name, client in self.hubs.items()},
        }  # fmt: skip

    def check(self, number: int, published: Published, sender: str) -> None:
        """All of them heard it as their publication of that number, and nothing else."""
        for kind, client in self.unidirectional.items():
            push = client.message()["pub"]
            self._pushed[kind].append((push.get("tags") or {}, push.get("data")))
        for name, said in self.listeners.items():
            until(lambda: len(said()) > number, f"{name} hears {published} of {sender}")
            assert len(said()) == number + 1, (name, sender)
            assert said()[number] == published.heard(name), (name, sender, published, said()[number])

    def close(self) -> None:
        for client in (self.raw, self.sse, self.json, self.protobuf, *self.unidirectional.values(), *self.hubs.values()):
            client.close()


class Senders:
    """Who publishes, in every dialect: what is done, and what it is as a publication."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.raw = WebsocketsClient(node.client, CHANNEL)
        self.json = RecordingClient(node, is_protobuf=False)
        self.protobuf = RecordingClient(node, is_protobuf=True)
        self.hubs = {f"{kind.kind} {protocol}": kind(f"http://{node.client}/chat", [], protocol) for kind in KINDS for protocol in (JSON, MESSAGEPACK)}

    def close(self) -> None:
        for client in (self.raw, self.json, self.protobuf, *self.hubs.values()):
            client.close()

    def all(self) -> Iterator[tuple[str, Callable[[], Any], Published]]:
        yield from self._api()
        yield from self._raw()
        yield from self._centrifuge()
        for name, client in self.hubs.items():
            for arguments, published in self._calls(name):
                yield name, lambda client=client, arguments=arguments: client.invoke("Send", "a", EVENT, *arguments), published

    def _api(self) -> Iterator[tuple[str, Callable[[], Any], Published]]:
        def post(**body: Any) -> Callable[[], Any]:
            def send() -> None:
                answer = self.node.api.post_publication({"channel": CHANNEL, **body})
                assert answer.status_code == 200, answer.text

            return send

        for event in (None, EVENT):
            named = {"event": event} if event else {}
            for value in ({"n": 1}, [1, 2], [[1], 2.5, "é"], [], "x", "5", 7, -1.5, None, True, "ümläut\n🔔", {"a": {"b": [{}]}}):
                yield "api", post(data=value, **named), Published("json", value, event)
            for text in ("plain words", "two\nlines", "ümläut 🔔", "5", "[1, 2]", " "):
                yield "api", post(text=text, **named), Published("text", text, event)
            yield "api", post(base64=BASE64, **named), Published("binary", BYTES, event)

    def _raw(self) -> Iterator[tuple[str, Callable[[], Any], Published]]:
        for text in ("hello", '{"n":1}', "[1,2]", "5", "two\nlines"):
            yield "raw", lambda text=text: self.raw.send(text), Published("text", text)
        yield "raw", lambda: self.raw.send(BYTES), Published("binary", BYTES)

        def post(body: bytes, type_: str) -> Callable[[], Any]:
            def send() -> None:
                answer = requests.post(f"http://{self.node.client}/publish?channel={CHANNEL}", data=body, headers={"Content-Type": type_}, timeout=5)
                assert answer.status_code in (200, 204), answer.text

            return send

        yield "post", post(b'{"n": [1]}', "application/json"), Published("json", {"n": [1]})
        yield "post", post(b"hello", "text/plain"), Published("text", "hello")
        yield "post", post(BYTES, "application/octet-stream"), Published("binary", BYTES)

    def _centrifuge(self) -> Iterator[tuple[str, Callable[[], Any], Published]]:
        for value in ({"n": [1]}, "text", [1, "2"], 2.5, False, None):
            yield "centrifuge json", lambda value=value: self.json.run(self.json.client.publish(CHANNEL, value)), Published("json", value)
        for body, published in (
            (b'{"n":[1]}', Published("json", {"n": [1]})), (b"[1,2]", Published("json", [1, 2])), (BYTES, Published("binary", BYTES)),
        ):  # fmt: skip
            yield "centrifuge protobuf", lambda body=body: self.protobuf.run(self.protobuf.client.publish(CHANNEL, body)), published

    @staticmethod
    def _calls(name: str) -> Iterator[tuple[list[Any], Published]]:
        """One argument that is no list is itself; everything else is the list."""
        for value in ("hello", 7, -1, 2**40, None, True, 2.5, {"n": 1}, "5", "two\nlines"):
            yield [value], Published("json", value, EVENT)
        for arguments in ([], [[1, 2]], ["ann", {"n": 1, "x": [1.5, None, True]}], [[], []], ["ümläut 🔔", 1]):
            yield arguments, Published("json", arguments, EVENT)
        if name.endswith(MESSAGEPACK):
            # Bytes by themselves stay bytes; inside of others they are text.
            yield [BYTES], Published("binary", BYTES, EVENT)
            yield [BYTES, 1], Published("json", [BASE64, 1], EVENT)
            yield [[BYTES]], Published("json", [[BASE64]], EVENT)
            yield [{"b": BYTES}], Published("json", {"b": BASE64}, EVENT)


def test_one_broadcast_is_heard_by_all_dialects(start_node: Any, redis_server: RedisServer) -> None:
    here: Node = start_node("here", redis_url=redis_server.url, **CONFIGURATION)
    there: Node = start_node("there", redis_url=redis_server.url, **CONFIGURATION)
    until(lambda: here.api.node_names() == there.api.node_names() == {"here", "there"}, "they know each other")
    audience, senders = Audience(there), Senders(here)
    try:
        pairs = set()
        for number, (sender, send, published) in enumerate(senders.all()):
            send()
            audience.check(number, published, sender)
            pairs |= {(sender, listener, published.kind, published.event) for listener in audience.listeners}
        print(f"{number + 1} publications by {len({pair[0] for pair in pairs})} kinds of senders, {len(audience.listeners)} listeners")
        assert len({pair[0] for pair in pairs}) == 9 and len(audience.listeners) == 11
    finally:
        audience.close()
        senders.close()

