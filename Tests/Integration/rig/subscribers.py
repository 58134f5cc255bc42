"""Many subscribers of a channel as a program that can be stopped: `subscribers.py PORT CHANNEL COUNT RECEIVE-BUFFER`.

It says `ready`, reads what comes on all its connections, and prints a line of JSON whenever it is sent a line, and at the
end: for each connection how many messages came, whether their numbers (the first word) followed each other, and how it
was closed. With a receive buffer of 0 the kernel chooses. It needs the standard library only.
"""

import json
import resource
import select
import socket
import struct
import sys


class Subscription:
    """One connection and what came on it."""

    def __init__(self, port: int, channel: str, receive_buffer: int) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(
            f"GET /raw?channel={channel} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        self._rest = bytearray()
        while b"\r\n\r\n" not in self._rest:
            piece = self.socket.recv(4096)
            if not piece:
                raise ConnectionError(f"no handshake: {self._rest!r}")
            self._rest += piece
        head, _, rest = bytes(self._rest).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"no handshake: {head!r}")
        self._rest = bytearray(rest)
        self.count = 0
        self.first = self.last = -1
        self.is_whole = True
        self.code: int | None = None
        self.is_closed = False

    def read(self) -> None:
        try:
            data = self.socket.recv(262_144)
        except ConnectionError:
            data = b""
        if not data:
            self.is_closed = True
            return
        self._rest += data
        start = 0
        while len(self._rest) - start >= 2:
            opcode, length, body = self._rest[start] & 0x0F, self._rest[start + 1], start + 2
            if length == 126:
                if len(self._rest) < start + 4:
                    break
                (length,), body = struct.unpack_from(">H", self._rest, start + 2), start + 4
            elif length == 127:
                raise ValueError("messages are smaller than that")
            if len(self._rest) < body + length:
                break
            self._handle(opcode, bytes(self._rest[body : body + length]))
            start = body + length
        del self._rest[:start]

    def _handle(self, opcode: int, payload: bytes) -> None:
        if opcode in (1, 2):
            number = int(payload.split(b" ", 1)[0])
            if self.first < 0:
                self.first = number
            elif number != self.last + 1:
                self.is_whole = False
            self.last = number
            self.count += 1
        elif opcode == 8:
            self.code = struct.unpack(">H", payload[:2])[0] if payload else 1005
        elif opcode == 9:
            self.socket.sendall(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)

    def report(self) -> dict[str, object]:
        return {"count": self.count, "first": self.first, "last": self.last, "is_whole": self.is_whole, "code": self.code,
                "is_closed": self.is_closed}  # fmt: skip


def main() -> None:
    port, channel, count, receive_buffer = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    all_of_them = [Subscription(port, channel, receive_buffer) for _ in range(count)]
    print("ready", flush=True)
    by_descriptor = {one.socket.fileno(): one for one in all_of_them}
    epoll = select.epoll()
    for descriptor in by_descriptor:
        epoll.register(descriptor, select.EPOLLIN)
    epoll.register(sys.stdin.fileno(), select.EPOLLIN)
    while True:
        for descriptor, _ in epoll.poll():
            if descriptor == sys.stdin.fileno():
                line = sys.stdin.readline()
                print(json.dumps([one.report() for one in all_of_them]), flush=True)
                if not line:
                    return
                continue
            one = by_descriptor[descriptor]
            one.read()
            if one.is_closed:
                epoll.unregister(descriptor)
                one.socket.close()


main()
