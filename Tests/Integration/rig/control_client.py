"""A well-behaved subscriber and its publisher, as a program: `control_client.py CHANNEL SUBSCRIBER-PORT PUBLISHER-PORT`.

It runs in a process of its own, so that an attacker in Python does not hold its interpreter lock, and needs nothing but
the standard library, so that it is there at once. It says `ready`, publishes 100 messages a second, each with its
number and the moment it was sent (CLOCK_MONOTONIC, which is the same for every process of a machine), and when its
standard input ends it prints what came as one line of JSON.
"""

import json
import select
import socket
import struct
import sys
import time

#: Nanoseconds between two messages.
INTERVAL = 10_000_000
#: How long to wait for what is still on its way, in seconds.
PATIENCE = 10.0


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame of less than 126 bytes; a key of zeros is a key (RFC 6455 5.3) and leaves the payload as it is."""
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


def connect(port: int, channel: str) -> tuple[socket.socket, bytes]:
    """An open session, and what came behind the reply."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(
        f"GET /raw?channel={channel} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    reply = b""
    while b"\r\n\r\n" not in reply:
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError(f"no handshake: {reply!r}")
        reply += piece
    head, rest = reply.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(f"no handshake: {head!r}")
    return connection, rest


class Subscriber:
    """Reads frames and notes when what came was sent and how long it took."""

    def __init__(self, port: int, channel: str) -> None:
        self.socket, self._rest = connect(port, channel)
        #: (number, sent, nanoseconds under way)
        self.arrived: list[tuple[int, int, int]] = []
        self.closed = ""

    def read(self) -> None:
        data = self.socket.recv(65536)
        now = time.monotonic_ns()
        if not data:
            self.closed = self.closed or "the connection ended"
            return
        self._rest += data
        while len(self._rest) >= 2:
            opcode, length, start = self._rest[0] & 0x0F, self._rest[1] & 0x7F, 2
            if length == 126:
                if len(self._rest) < 4:
                    return
                (length,), start = struct.unpack(">H", self._rest[2:4]), 4
            if len(self._rest) < start + length:
                return
            payload, self._rest = self._rest[start : start + length], self._rest[start + length :]
            if opcode == 1:
                number, sent = payload.split()
                self.arrived.append((int(number), int(sent), now - int(sent)))
            elif opcode == 8:
                self.closed = f"close frame {payload!r}"
            elif opcode == 9:
                self.socket.sendall(masked(0x8A, payload))


def main() -> None:
    channel, subscriber_port, publisher_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    subscriber = Subscriber(subscriber_port, channel)
    publisher, _ = connect(publisher_port, channel)
    print("ready", flush=True)
    sent = 0
    next_time = time.monotonic_ns()
    stopped_at: float | None = None
    readable = [subscriber.socket, publisher, sys.stdin]
    problem = ""
    while not subscriber.closed and not problem:
        if stopped_at is not None and (len(subscriber.arrived) >= sent or time.monotonic() - stopped_at > PATIENCE):
            break
        wait = 0.05 if stopped_at is not None else max(0, next_time - time.monotonic_ns()) / 1e9
        ready, _, _ = select.select(readable, [], [], wait)
        if subscriber.socket in ready:
            subscriber.read()
        if publisher in ready and not publisher.recv(65536):
            problem = "the publisher's connection ended"
        if sys.stdin in ready and stopped_at is None:
            stopped_at = time.monotonic()
            readable.remove(sys.stdin)
        if stopped_at is None and time.monotonic_ns() >= next_time:
            # The moment of sending and not the one it was planned for: what this process waited for its turn on a busy
            # machine is not the node's doing.
            publisher.sendall(masked(0x81, f"{sent} {time.monotonic_ns()}".encode()))
            sent += 1
            next_time += INTERVAL
    print(json.dumps({"sent": sent, "arrived": subscriber.arrived, "closed": subscriber.closed or problem}), flush=True)


main()
