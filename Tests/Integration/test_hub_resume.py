"""Clients of hubs whose connection is cut and who go on with their session: none of their messages is lost, none comes twice."""

import json
import random
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from rig.cluster import Cluster
from rig.node import Node
from rig.waiting import until
from rig.wire import BINARY, CLOSE, TEXT, Wire, frame, upgrade

END = "\x1e"
HUB = {"path": "/chat", "prefix": "chat:", "keys": ["0123456789abcdef0123456789abcdef"], "methods": {"join": "Join", "send_to_group": "Send"}}
CONFIGURATION: dict[str, Any] = {
    "hubs": [HUB],
    "channels": [{"match": "*", "subscribe": "anyone", "publish": "client"}],
    "limits": {"publish_rate": 0},
}
#: Publications a second, and the seeds of what is random.
RATE = 10_000
SEEDS = 20


class Client:
    """Speaks the hub protocol in JSON, counts messages as the protocol says, and acknowledges when it is told to."""

    def __init__(self, node: Node, negotiator: Node | None = None) -> None:
        answer = requests.post(
            f"http://{(negotiator or node).client}/chat/negotiate?negotiateVersion=1&useStatefulReconnect=true", timeout=5).json()
        assert answer["useStatefulReconnect"] is True
        self.token = answer["connectionToken"]
        self.id = answer["connectionId"]
        #: The number of the next message, and of the latest that was taken.
        self.next, self.latest = 1, 0
        self.repeated = 0
        self.sent: list[dict[str, Any]] = []
        self.acknowledged = 0
        self.calls: list[list[Any]] = []
        self.first_arguments: set[Any] = set()
        self.completed: list[str] = []
        self.closed: dict[str, Any] | None = None
        assert self._connect(node)
        self._frame({"protocol": "json", "version": 2})
        opcode, payload = self._read_frame()
        assert (opcode, payload) == (TEXT, b"{}\x1e"), payload

    def _connect(self, node: Node) -> bool:
        self.wire = Wire(node.client_port)
        self.wire.socket.setsockopt(6, 1, 1)
        head = self.wire.send(upgrade(f"/chat?id={self.token}")).read_head()
        self._buffer, self._start = bytearray(self.wire._rest), 0
        assert head.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 404 ")), head
        return b" 101 " in head.split(b"\r\n")[0]

    def cut(self, *, reset: bool = False) -> None:
        """Ends the connection without a goodbye."""
        if reset:
            self.wire.socket.setsockopt(1, 13, struct.pack("ii", 1, 0))
        self.wire.close()

    def resume(self, node: Node) -> bool:
        """Comes back, at any node, and sends what was not acknowledged once more.

        Returns whether the node goes on with the session.
        """
        if not self._connect(node):
            return False
        self._frame({"type": 9, "sequenceId": self.acknowledged + 1}, *self.sent)
        answer = self._message()
        assert answer["type"] == 9, answer
        assert answer["sequenceId"] <= self.latest + 1, f"messages are missing: {answer}, {self.latest}"
        self.next = answer["sequenceId"]
        return True

    def is_refused(self, node: Node) -> bool:
        """Comes back, and says whether that is refused: by the request, or by a close message that follows at once."""
        if not self.resume(node):
            return True
        message = self._message()
        if message["type"] == 7:
            self.closed = message
            return True
        self._take(message)
        return False

    def call(self, method: str, *arguments: Any, id: str | None = None) -> None:
        message: dict[str, Any] = {"type": 1, "target": method, "arguments": list(arguments)}
        if id is not None:
            message["invocationId"] = id
        self.sent.append(message)
        self._frame(message)

    def acknowledge(self) -> None:
        self._frame({"type": 8, "sequenceId": self.latest})

    def _frame(self, *messages: dict[str, Any]) -> None:
        self.wire.send(frame("".join(json.dumps(message) + END for message in messages).encode()))

    def _more(self) -> None:
        piece = self.wire.socket.recv(1 << 18)
        if not piece:
            raise EOFError("closed")
        if self._start > 1 << 20:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += piece

    def _read_frame(self) -> tuple[int, bytes]:
        while True:
            have = len(self._buffer) - self._start
            if have >= 2:
                length, head = self._buffer[self._start + 1] & 0x7F, 2
                if length == 126 and have >= 4:
                    length, head = struct.unpack_from(">H", self._buffer, self._start + 2)[0], 4
                elif length == 127 and have >= 10:
                    length, head = struct.unpack_from(">Q", self._buffer, self._start + 2)[0], 10
                elif length > 125:
                    length = 1 << 60
                if have >= head + length:
                    begin = self._start + head
                    opcode = self._buffer[self._start] & 0x0F
                    self._start = begin + length
                    return opcode, bytes(self._buffer[begin : begin + length])
            self._more()

    def _message(self) -> dict[str, Any]:
        while True:
            opcode, payload = self._read_frame()
            if opcode == CLOSE:
                raise EOFError(f"close frame {payload!r}")
            assert opcode == TEXT and payload.endswith(b"\x1e"), (opcode, payload)
            message = json.loads(payload[:-1])
            if message["type"] == 8:
                done = message["sequenceId"] - self.acknowledged
                assert 0 <= done <= len(self.sent), message
                self.acknowledged += done
                del self.sent[:done]
            elif message["type"] != 6:
                return message

    def _take(self, message: dict[str, Any]) -> bool:
        """Counts a message. Returns whether it is new."""
        if message["type"] == 7:
            self.closed = message
            raise EOFError(f"the node said goodbye: {message}")
        number = self.next
        self.next += 1
        if number <= self.latest:
            self.repeated += 1
            return False
        assert number == self.latest + 1
        self.latest = number
        if message["type"] == 1:
            self.calls.append(message["arguments"])
            self.first_arguments.add(message["arguments"][0])
        elif message["type"] == 3:
            assert message.get("error") is None, message
            self.completed.append(message["invocationId"])
        return True

    def hear(self) -> bool:
        return self._take(self._message())

    def hear_until(self, condition: Any) -> None:
        while not condition():
            self.hear()

    def join(self, group: str) -> None:
        self.call("Join", group, id=f"join {group}")
        self.hear_until(lambda: f"join {group}" in self.completed)


class Publisher(threading.Thread):
    """Publishes numbers to groups in turn, at a rate, until it is stopped."""

    def __init__(self, node: Node, groups: list[str], rate: int = RATE) -> None:
        super().__init__(daemon=True)
        self._wires = [Wire(node.client_port).open(f"/raw?channel=chat:{group}") for group in groups]
        self._rate = rate
        self._ended = threading.Event()
        self.published = 0
        for wire in self._wires:
            threading.Thread(target=self._drain, args=(wire,), daemon=True).start()
        self.start()

    @staticmethod
    def _drain(wire: Wire) -> None:
        try:
            while wire.socket.recv(1 << 18):
                pass
        except OSError:
            pass

    def run(self) -> None:
        begin = time.monotonic()
        while not self._ended.is_set():
            due = int((time.monotonic() - begin) * self._rate) // len(self._wires) * len(self._wires)
            for place, wire in enumerate(self._wires):
                numbers = range(self.published + place, due, len(self._wires))
                wire.send(b"".join(frame(b"%d" % number) for number in numbers))
            self.published = max(due, self.published)
            self._ended.wait(0.005)

    def stop(self) -> int:
        """Returns how many it has published."""
        self._ended.set()
        self.join()
        return self.published

    def close(self) -> None:
        for wire in self._wires:
            wire.close()


def check_order(client: Client, groups: int, published: int) -> None:
    """All that was published since the client was there, in the order of each group, each once."""
    numbers = [arguments[0] for arguments in client.calls]
    for place in range(groups):
        own = [number for number in numbers if number % groups == place]
        assert own, "nothing of this group"
        assert own == list(range(own[0], published, groups)), f"group {place}: {len(own)} of {published // groups}"


def one_cut(nodes: list[Node], seed: int, seconds: float = 0.5) -> Client:
    """A client whose connection is cut twice while publications come, and who comes back each time, at any of the nodes."""
    numbers = random.Random(seed)
    groups = [f"s{seed}-{place}" for place in range(2)]
    here = numbers.choice(nodes)
    client = Client(here, numbers.choice(nodes))
    for group in groups:
        client.join(group)
    publisher = Publisher(numbers.choice(nodes), groups)
    try:
        for cut in range(2):
            end = time.monotonic() + numbers.uniform(0.05, seconds / 2)
            while time.monotonic() < end:
                client.hear()
                if numbers.random() < 0.002:
                    client.acknowledge()
            client.call("Join", f"{groups[0]}-more{cut}", id=f"more {cut}")
            client.cut(reset=numbers.random() < 0.5)
            time.sleep(numbers.uniform(0, 0.2))
            others = [node for node in nodes if node is not here] or nodes
            here = numbers.choice(others)
            assert client.resume(here), client.closed
        published = publisher.stop()
        client.hear_until(lambda: {published - 1, published - 2} <= client.first_arguments)
        client.hear_until(lambda: {"more 0", "more 1"} <= set(client.completed))
        assert len(client.completed) == len(set(client.completed)), client.completed
        check_order(client, len(groups), published)
        client.acknowledge()
        return client
    finally:
        publisher.close()


def test_none_is_lost_on_one_node(start_node: Any) -> None:
    """Its reactors are two, so a client comes back to another one half of the time."""
    node: Node = start_node(**CONFIGURATION, node={"reactors": 2})
    for seed in range(SEEDS):
        one_cut([node], seed).cut()
    assert node.api.metric("sessions_resumed_total") == 2 * SEEDS
    assert node.api.metric("resumes_refused_total") == node.api.metric("faults_total") == 0
    until(lambda: node.api.metric("sessions_waiting") == SEEDS, "all are cut")


def test_what_is_kept_is_given_back(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION, resume={"time": "500ms"})
    client = Client(node)
    client.join("a")
    client.acknowledge()
    node.api.publish("chat:a", text="x")
    client.hear()
    until(lambda: node.api.metric("resume_bytes") > 0, "it is not acknowledged")
    client.acknowledge()
    until(lambda: node.api.metric("resume_bytes") == 0, "it is acknowledged")
    client.cut()
    until(lambda: node.api.metric("resume_timeouts_total") == 1, "nobody came back in time")
    assert node.api.metric("sessions_waiting") == 0 and node.api.connections() == []
    assert client.is_refused(node)


def test_publications_are_carried_out_once(start_node: Any) -> None:
    """What a client sent and does not know the outcome of is sent again, and the node knows it."""
    node: Node = start_node(**CONFIGURATION)
    listener = Client(node)
    listener.join("a")
    client = Client(node)
    for number in range(40):
        client.call("Send", "a", "said", number, id=f"call {number}")
        if number % 10 == 9:
            client.cut()
            assert client.resume(node)
    client.hear_until(lambda: len(client.completed) == 40)
    assert client.completed == [f"call {number}" for number in range(40)]
    listener.hear_until(lambda: len(listener.calls) == 40)
    assert listener.calls == [[number] for number in range(40)]


def test_a_resume_that_cannot_be_is_refused(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION, resume={"messages": 3}, node={"reactors": 1})
    client = Client(node)
    client.join("a")
    for number in range(4):
        node.api.publish("chat:a", text=str(number))
        client.hear()
    client.cut()
    assert node.api.metric("resume_limit_hits_total") == 1
    begin = time.monotonic()
    assert not client.resume(node), "it is refused by the request, which no client takes for anything else"
    assert time.monotonic() - begin < 1
    # As clients do then: from the beginning.
    again = Client(node)
    again.join("a")
    node.api.publish("chat:a", text="x")
    again.hear_until(lambda: again.calls == [["x"]])


def test_in_messagepack(start_node: Any) -> None:
    node: Node = start_node(**CONFIGURATION)
    token = requests.post(
        f"http://{node.client}/chat/negotiate?negotiateVersion=1&useStatefulReconnect=true", timeout=5).json()["connectionToken"]

    def packed(*bytes_: int) -> bytes:
        return frame(bytes([len(bytes_), *bytes_]), BINARY)

    with Wire(node.client_port).open(f"/chat?id={token}") as wire:
        wire.send(frame(json.dumps({"protocol": "messagepack", "version": 2}).encode() + b"\x1e", BINARY))
        assert wire.read_frame() == (BINARY, b"{}\x1e")
        node.api.publish("chat:all", text="x")
        first = wire.read_frame()
        node.api.publish("chat:all", text="y")
        second = wire.read_frame()
        wire.send(packed(0x92, 8, 1))
        until(lambda: node.api.metric("resume_bytes") < 40, "it is acknowledged")
    until(lambda: node.api.metric("sessions_waiting") == 1, "it is cut")
    with Wire(node.client_port).open(f"/chat?id={token}") as wire:
        wire.send(packed(0x92, 9, 1))
        assert wire.read_frame() == (BINARY, b"\x03\x92\x09\x02")
        assert wire.read_frame() == second != first


@pytest.fixture
def cluster(tmp_path: Path) -> Any:
    with Cluster(tmp_path, size=3, **CONFIGURATION) as started:
        yield started.start()
        started.check_permissions()


def test_none_is_lost_from_node_to_node(cluster: Cluster) -> None:
    """The client comes back to another node each time, which fetches what the node before it kept."""
    for seed in range(SEEDS):
        one_cut(cluster.nodes, seed).cut()
    metrics = {
        name: sum(node.api.metric(name) for node in cluster.nodes)
        for name in ("sessions_taken_over_total", "sessions_handed_over_total", "resumes_refused_total", "handovers_failed_total", "faults_total")
    }
    assert metrics == {
        "sessions_taken_over_total": 2 * SEEDS, "sessions_handed_over_total": 2 * SEEDS, "resumes_refused_total": 0,
        "handovers_failed_total": 0, "faults_total": 0,
    }  # fmt: skip


def test_a_dead_node_is_answered_for_at_once(cluster: Cluster) -> None:
    """The client is told within a second that its session is gone, and begins anew."""
    client = Client(cluster.nodes[0])
    client.join("a")
    cluster.nodes[0].kill()
    client.cut()
    begin = time.monotonic()
    assert client.is_refused(cluster.nodes[1])
    assert time.monotonic() - begin < 1 and client.closed == {"type": 7, "allowReconnect": True}
    again = Client(cluster.nodes[1], cluster.nodes[2])
    again.join("a")
    cluster.nodes[2].api.publish("chat:a", text="x")
    again.hear_until(lambda: again.calls == [["x"]])
