"""Clients of hubs that count messages, and what they are sent."""

import json
import struct
import threading
import time
from typing import Any

import requests

from rig.node import Node
from rig.wire import CLOSE, TEXT, Wire, frame, upgrade

END = "\x1e"
#: Publications a second.
RATE = 10_000


class CountingClient:
    """Speaks the hub protocol in JSON, counts messages as the protocol says, and acknowledges when it is told to."""

    def __init__(self, node: Node, negotiator: Node | None = None, access_token: str = "") -> None:
        self.headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        answer = requests.post(
            f"http://{(negotiator or node).client}/chat/negotiate?negotiateVersion=1&useStatefulReconnect=true",
            headers=self.headers, timeout=5).json()  # fmt: skip
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
        head = self.wire.send(upgrade(f"/chat?id={self.token}", **self.headers)).read_head()
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


def check_order(client: CountingClient, groups: int, published: int) -> None:
    """All that was published since the client was there, in the order of each group, each once."""
    numbers = [arguments[0] for arguments in client.calls]
    for place in range(groups):
        own = [number for number in numbers if number % groups == place]
        assert own, "nothing of this group"
        assert own == list(range(own[0], published, groups)), f"group {place}: {len(own)} of {published // groups}"
