"""What Redis is told, command by command (MONITOR)."""

import re
import socket
import time

from .redis_server import RedisServer

#: How MONITOR writes bytes that are not printable.
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b'"': b'"', b"\\": b"\\"}
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')


def _unescaped(match: re.Match[bytes]) -> bytes:
    text = match.group(1)
    return bytes([int(text[1:], 16)]) if len(text) == 3 else _ESCAPES[text]


class Monitor:
    """Every command of every client since this began."""

    def __init__(self, redis_server: RedisServer) -> None:
        self._server = redis_server
        self._socket = socket.create_connection(("127.0.0.1", redis_server.port), timeout=10)
        self._socket.sendall(b"*1\r\n$7\r\nMONITOR\r\n")
        assert self._socket.recv(5) == b"+OK\r\n"
        self._data = b""

    def read_until(self, mark: bytes) -> list[list[bytes]]:
        """Says something of its own at last, and returns the words of all commands before that."""
        self._server.client().echo(mark)
        deadline = time.monotonic() + 60
        pieces = []
        while not pieces or mark not in pieces[-1][-1000:]:
            pieces.append(self._socket.recv(1 << 20))
            if len(pieces) > 1:
                pieces[-2:] = [pieces[-2] + pieces[-1]] if len(pieces[-1]) < 1000 else pieces[-2:]
            assert pieces[-1] and time.monotonic() < deadline
        commands = []
        for line in b"".join(pieces).split(b"\r\n"):
            words = [_ESCAPE.sub(_unescaped, word) for word in _WORD.findall(line)]
            if not words or words[0].lower() in (b"echo", b"client", b"info", b"hello", b"acl"):
                continue
            commands.append(words)
        return commands

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
