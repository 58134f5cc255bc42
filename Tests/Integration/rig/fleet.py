"""Every kind of client on every node, every way of publishing, and the proof that each got each once and in order."""

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .browser import BrowserReceiver, Chromium
from .centrifuge_receiver import CentrifugeClient
from .node import Node
from .payloads import Payload, binaries, texts, values
from .receivers import HttpxSSEClient, Receiver, SSEClientPyClient, WebsocketClientClient, WebsocketsClient
from .waiting import Expired, until

#: Rounds of connecting, with one client of each kind a round.
FEWEST_ROUNDS = 2
MOST_ROUNDS = 5


@dataclass
class Check:
    """One thing that was to be shown."""

    name: str
    problem: str | None = None


def shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


class Fleet:
    """Clients at one address, which is a balancer's, and the nodes behind it."""

    def __init__(
        self, address: str, nodes: list[Node], browser: Chromium, channel: str = "fleet", *, secure: str | None = None,
        authorities: Path | None = None,
    ) -> None:  # fmt: skip
        """`secure`: the same for TLS, `wss://HOST:PORT`; `authorities`: who signed its certificate."""
        self.address = address
        self.secure = secure
        self.authorities = authorities
        self.nodes = nodes
        self.browser = browser
        self.channel = channel
        self.receivers: list[Receiver] = []
        self._published: list[tuple[str, list[Payload]]] = []

    # Connecting

    def connect(self) -> Check:
        """Connects through the balancer until every node holds some clients."""
        held: dict[str, int] = {}
        for round_number in range(1, MOST_ROUNDS + 1):
            self._connect_one_of_each()
            held = self.nodes[0].api.sessions_by_node()
            if round_number >= FEWEST_ROUNDS and len(held) == len(self.nodes):
                break
        counts = ", ".join(str(count) for count in sorted(held.values()))
        name = f"{len(self.receivers)} clients of {len({receiver.kind for receiver in self.receivers})} kinds through the balancer, by node: {counts}"
        missing = len(self.nodes) - len(held)
        return Check(name, f"{missing} of {len(self.nodes)} nodes hold none" if missing else None)

    def _connect_one_of_each(self) -> None:
        for kind in (WebsocketsClient, WebsocketClientClient, CentrifugeClient, HttpxSSEClient, SSEClientPyClient):
            self.receivers.append(kind(self.address, self.channel))
        for dialect in ("raw", "sse"):
            self.receivers.append(BrowserReceiver(self.browser, self.address, self.channel, dialect))
        if self.secure:
            context = ssl.create_default_context(cafile=str(self.authorities))
            self.receivers.append(WebsocketsClient(self.secure, self.channel, ssl=context))
            for dialect in ("raw", "sse"):
                self.receivers.append(BrowserReceiver(self.browser, self.secure, self.channel, dialect))

    def of_kind(self, kind: type) -> Any:
        return next(receiver for receiver in self.receivers if isinstance(receiver, kind))

    def close(self) -> None:
        for receiver in self.receivers:
            receiver.close()
        self.receivers = []

    # Publishing

    def ways(self) -> dict[str, Callable[[str], list[Payload]]]:
        """Name → publishes in this way and returns what."""
        return {
            "raw frame": self._by_raw_frame,
            "frame of a browser": self._by_browser,
            "centrifuge publish": self._by_centrifuge,
            "HTTP API": self._by_api,
            "CLI": self._by_command,
        }

    def _by_raw_frame(self, way: str) -> list[Payload]:
        payloads = texts(way) + binaries(way)
        for payload in payloads:
            self.of_kind(WebsocketsClient).send(payload.value)
        return payloads

    def _by_browser(self, way: str) -> list[Payload]:
        browser = next(r for r in self.receivers if isinstance(r, BrowserReceiver) and r.dialect == "raw")
        payloads = texts(way)
        for payload in payloads:
            browser.send(payload.value)
        return payloads

    def _by_centrifuge(self, way: str) -> list[Payload]:
        client = self.of_kind(CentrifugeClient)
        for value in values(way):
            client.publish(value)
        # The library writes each command with json.dumps, and its `data` is passed on byte for byte.
        return [Payload(json.dumps(value)) for value in values(way)]

    def _by_api(self, way: str) -> list[Payload]:
        payloads = texts(way) + binaries(way)
        for index, payload in enumerate(payloads):
            # Whichever node is asked.
            api = self.nodes[index % len(self.nodes)].api
            if isinstance(payload.value, bytes):
                api.publish(self.channel, binary=payload.value)
            else:
                api.publish(self.channel, text=payload.value)
        spelled = '{"spaces" : [ 1.0, 2e3 ],  "kept":"\\u00e9" }'
        body = f'{{"channel": "{self.channel}", "data": {spelled}}}'
        response = self.nodes[0].api.request(
            "POST", "/api/v1/publish", data=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 200, response.text
        return [*payloads, Payload(spelled)]

    def _by_command(self, way: str) -> list[Payload]:
        payloads = texts(way) + binaries(way)
        for index, payload in enumerate(payloads):
            node = self.nodes[index % len(self.nodes)]
            if isinstance(payload.value, bytes):
                file = node.directory / "payload.bin"
                file.write_bytes(payload.value)
                result = node.command("publish", self.channel, "--file", str(file))
            else:
                result = node.command("publish", self.channel, payload.value)
            assert result.returncode == 0, f"carillon publish: {result.stderr}{result.stdout}"
        return payloads

    def publish(self, way: str) -> None:
        """Publishes in one way and waits until everybody has as many as there are."""
        self._published.append((way, self.ways()[way](way)))
        self._wait_for_all()

    def publish_end(self) -> None:
        """One last publication: what is to come twice would have come before or beside it."""
        self.nodes[-1].api.publish(self.channel, text="the end")
        self._published.append(("end", [Payload("the end")]))
        self._wait_for_all()

    def _wait_for_all(self) -> None:
        total = sum(len(payloads) for _, payloads in self._published)
        for receiver in self.receivers:
            try:
                until(lambda: receiver.count() >= total, f"{receiver.kind} has {total} publications", 15)
            except Expired:
                # The checks say what is missing.
                pass

    # Checking

    def checks(self) -> list[Check]:
        """For each kind of client and each way: each publication once, in order, unchanged."""
        received = [(receiver, receiver.received, receiver.closed) for receiver in self.receivers]
        kinds = list(dict.fromkeys(receiver.kind for receiver in self.receivers))
        found: list[Check] = []
        start = 0
        for way, payloads in self._published:
            if way != "end":
                for kind in kinds:
                    problems = [
                        problem
                        for receiver, items, _ in received
                        if receiver.kind == kind and (problem := self._problem(receiver, items, start, payloads))
                    ]
                    name = f"{way} → {kind}: {len(payloads)} publications, each once, in order, unchanged"
                    found.append(Check(name, problems[0] if problems else None))
            start += len(payloads)
        for kind in kinds:
            surplus = [len(items) - start for receiver, items, _ in received if receiver.kind == kind]
            lost = [closed for receiver, _, closed in received if receiver.kind == kind and closed]
            problem = f"surplus {surplus}" if any(surplus) else f"lost its connection: {lost[0]}" if lost else None
            found.append(Check(f"{kind}: nothing more than was published, still connected", problem))
        return found

    @staticmethod
    def _problem(receiver: Receiver, items: list[Any], start: int, payloads: list[Payload]) -> str | None:
        for index, payload in enumerate(payloads):
            expected = payload.expected(receiver.dialect)
            if start + index >= len(items):
                return f"number {index} is missing: {shortened(expected)}"
            got = items[start + index]
            if got != expected or type(got) is not type(expected):
                return f"number {index} is {shortened(got)} and should be {shortened(expected)}"
        return None

    def run(self, tell: Callable[[Check], None] = lambda check: None) -> list[Check]:
        """Everything: connects, publishes in each way, checks."""
        results = [self.connect()]
        tell(results[0])
        for way in self.ways():
            self.publish(way)
        self.publish_end()
        for check in self.checks():
            results.append(check)
            tell(check)
        return results
