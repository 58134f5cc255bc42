"""Bytes on a socket: for handshakes and frames that no well-behaved client sends."""

import os
import socket
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(payload: bytes, opcode: int = TEXT, *, mask: bool = True, first: int | None = None, length: bytes | None = None) -> bytes:
    """A client's frame (RFC 6455 5.2); `first` and `length` replace what would be right."""
    head = bytes([first if first is not None else 0x80 | opcode])
    bit = 0x80 if mask else 0
    if length is not None:
        head += bytes([length[0] | bit]) + length[1:]
    elif len(payload) < 126:
        head += bytes([len(payload) | bit])
    elif len(payload) < 65536:
        head += bytes([126 | bit]) + struct.pack(">H", len(payload))
    else:
        head += bytes([127 | bit]) + struct.pack(">Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")
    return head + key + masked


def upgrade(path: str, **headers: str) -> bytes:
    """A handshake (RFC 6455 4.1); a header given as "" is left out."""
    fields = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
    return "\r\n".join(lines).encode()


class Wire:
    """A connection that sends what it is told to."""

    def __init__(self, port: int, *, receive_buffer: int | None = None, seconds: float = 10, source: str | None = None) -> None:
        """`source`: the address that it comes from, one of 127.0.0.0/8."""
        self.socket = socket.socket()
        if source:
            self.socket.bind((source, 0))
        if receive_buffer:
            # Before connecting, because it decides the window.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(seconds)
        self.socket.connect(("127.0.0.1", port))
        self._rest = b""

    def send(self, data: bytes) -> "Wire":
        self.socket.sendall(data)
        return self

    def open(self, path: str) -> "Wire":
        """Sends a correct handshake and reads the reply."""
        head = self.send(upgrade(path)).read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        return self

    def _read(self, count: int) -> bytes:
        while len(self._rest) < count:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(f"closed; {len(self._rest)} bytes were left: {self._rest[:100]!r}")
            self._rest += piece
        result, self._rest = self._rest[:count], self._rest[count:]
        return result

    def read_head(self) -> bytes:
        """The head of the reply, its last empty line included."""
        while b"\r\n\r\n" not in self._rest:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(f"closed; {self._rest!r}")
            self._rest += piece
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        return head + b"\r\n\r\n"

    def read_frame(self) -> tuple[int, bytes]:
        """The next frame of the node: opcode and payload."""
        first, second = self._read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._read(8))
        return first & 0x0F, self._read(length)

    def read_close(self) -> tuple[int, str]:
        """Code and reason of the node's close frame; frames before it are passed over."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                return (struct.unpack(">H", payload[:2])[0] if payload else 1005), payload[2:].decode()

    def read_to_end(self, seconds: float = 10) -> bytes:
        """Everything until the node closes."""
        deadline = time.monotonic() + seconds
        data, self._rest = self._rest, b""
        while time.monotonic() < deadline:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                return data
            if not piece:
                return data
            data += piece
        raise TimeoutError(f"not closed within {seconds:g} s; so far {data[:200]!r}")

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
