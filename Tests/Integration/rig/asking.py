"""Two clients that ask who is present, as a program: `asking.py PORT CHANNEL RATE WINDOW`.

Each subscribes to the channel, asks for the list as fast as its bucket lets it (256 at once, then RATE a second) and with at
most WINDOW questions not answered, three times of four, and for the counts the fourth time; and reads the answers. It says `ready` before it begins, goes on until its standard input ends, and prints what came as one line of
JSON: how many answers of each kind. It needs the standard library only.
"""

import collections
import json
import select
import socket
import sys
import time


#: What an answer has near its beginning, and what it is called in the report.
KINDS = {
    b'"code":106': "too many", b'"code":111': "too fast", b'"error"': "error", b'"presence_stats"': "counts",
    b'"presence":{"presence"': "list",
}  # fmt: skip


def masked(payload: bytes) -> bytes:
    """A client's frame with a key of zeros."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0xFE]) + len(payload).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + payload


class Asker:
    """One connection."""

    def __init__(self, port: int, channel: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.sendall(
            b"GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        self._rest = bytearray()
        while b"\r\n\r\n" not in self._rest:
            self._rest += self.socket.recv(4096)
        del self._rest[: self._rest.index(b"\r\n\r\n") + 4]
        self.asked = 0
        self.answers: collections.Counter[str] = collections.Counter()
        self.socket.sendall(masked(b'{"id":1,"connect":{}}') + masked(json.dumps({"id": 2, "subscribe": {"channel": channel}}).encode()))
        self._question = channel
        while self.answers["other"] < 2:
            self.read()

    def ask(self, count: int) -> None:
        lines = []
        for _ in range(count):
            self.asked += 1
            kind = "presence" if self.asked % 4 else "presence_stats"
            lines.append(masked(json.dumps({"id": self.asked + 2, kind: {"channel": self._question}}).encode()))
        self.socket.sendall(b"".join(lines))

    def read(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError(f"closed after {self.answers}: {bytes(self._rest[-200:])!r}")
        self._rest += data
        while len(self._rest) >= 2:
            length, start = self._rest[1], 2
            if length == 126:
                length, start = int.from_bytes(self._rest[2:4], "big"), 4
            elif length == 127:
                length, start = int.from_bytes(self._rest[2:10], "big"), 10
            if len(self._rest) < start + length:
                return
            head = bytes(self._rest[start : start + min(length, 120)])
            del self._rest[: start + length]
            self.answers[next((kind for mark, kind in KINDS.items() if mark in head), "other")] += 1


def main() -> None:
    port, channel, rate, window = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    askers = [Asker(port, channel) for _ in range(2)]
    print("ready", flush=True)
    began = time.monotonic()
    ended = 0.0
    while not ended or time.monotonic() < ended + 5 and any(sum(one.answers.values()) < one.asked + 2 for one in askers):
        readable = [one.socket for one in askers] + ([] if ended else [sys.stdin])
        ready, _, _ = select.select(readable, [], [], 0.01)
        for one in askers:
            if one.socket in ready:
                one.read()
            due = min(240 + int((time.monotonic() - began) * rate), sum(one.answers.values()) - 2 + window)
            if not ended and one.asked < due:
                one.ask(due - one.asked)
        if sys.stdin in ready:
            ended = time.monotonic()
    answers = sum((one.answers for one in askers), collections.Counter())
    print(json.dumps({"asked": sum(one.asked for one in askers), "seconds": ended - began, "answers": answers}), flush=True)


main()
