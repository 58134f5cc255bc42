"""Thousands of connections on one thread that do what no well-behaved client does."""

import errno
import resource
import select
import socket
import struct
import time
from collections.abc import Callable

#: Connections that may be under way at the same time: fewer than a listener's queue takes.
CONCURRENCY = 256


class Member:
    """One connection. Times are those of the monotonic clock, in seconds; 0 is not yet."""

    __slots__ = ("bytes", "ended", "head", "opened", "port", "request", "socket", "started", "tail")

    def __init__(self, port: int, request: bytes) -> None:
        self.port = port
        self.request = request
        self.socket = socket.socket()
        self.started = time.monotonic()
        self.opened = 0.0
        self.ended = 0.0
        self.head = b""
        #: How many bytes came behind the head, and the last of them.
        self.bytes = 0
        self.tail = b""

    @property
    def status(self) -> int:
        """Of the reply; 0 when there was none."""
        return int(self.head.split(b" ", 2)[1]) if self.head.startswith(b"HTTP/1.1 ") else 0

    @property
    def close_code(self) -> int | None:
        """Of the close frame at the very end of what came."""
        for start in range(len(self.tail) - 2, max(-1, len(self.tail) - 128), -1):
            if self.tail[start] == 0x88 and self.tail[start + 1] == len(self.tail) - start - 2 >= 2:
                return struct.unpack(">H", self.tail[start + 2 : start + 4])[0]
        return None


class Crowd:
    """Connections without threads: each sends its request and notes what comes back."""

    def __init__(self) -> None:
        # As many files as this process may open, which is often more than it is given.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.members: list[Member] = []
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Member] = {}
        #: Called when a connection has ended.
        self.on_end: Callable[[Member], None] = lambda member: None

    def add(self, port: int, request: bytes, *, source: str | None = None, receive_buffer: int | None = None) -> Member:
        member = Member(port, request)
        member.socket.setblocking(False)
        # Ended with a reset, so that thousands of ports are not kept for a minute.
        member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if receive_buffer:
            member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            member.socket.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            member.socket.bind((source, 0))
        code = member.socket.connect_ex(("127.0.0.1", port))
        assert code in (0, errno.EINPROGRESS), errno.errorcode.get(code, code)
        self.members.append(member)
        self._by_descriptor[member.socket.fileno()] = member
        self._epoll.register(member.socket.fileno(), select.EPOLLOUT)
        return member

    def open(self, count: int, port: int, request: bytes, *, seconds: float = 30, **options: object) -> list[Member]:
        """Adds members and waits until each has its reply, or has ended."""
        added: list[Member] = []
        pending: set[Member] = set()
        deadline = time.monotonic() + seconds
        while len(added) < count or pending:
            while len(added) < count and len(pending) < CONCURRENCY:
                added.append(self.add(port, request, **options))
                pending.add(added[-1])
            self.turn(0.05)
            pending = {member for member in pending if not member.opened and not member.ended}
            assert time.monotonic() < deadline, f"{len(pending)} of {count} connections have no reply"
        return added

    def deafen(self, member: Member) -> None:
        """From now on nothing is read."""
        self._epoll.unregister(member.socket.fileno())

    def listen(self, member: Member) -> None:
        """From now on it is read again."""
        self._epoll.register(member.socket.fileno(), select.EPOLLIN)

    def turn(self, seconds: float) -> None:
        """Waits for something to happen, and handles it."""
        for descriptor, events in self._epoll.poll(seconds, 1024):
            member = self._by_descriptor.get(descriptor)
            if member is None:
                continue
            try:
                if events & select.EPOLLOUT:
                    member.socket.send(member.request)
                    self._epoll.modify(descriptor, select.EPOLLIN)
                else:
                    self._read(member)
            except BlockingIOError:
                continue
            except OSError:
                self.end(member)

    def run(self, done: Callable[[], bool], seconds: float) -> bool:
        """Goes on until something is true; whether it became true in time."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                return False
            self.turn(0.02)
        return True

    def _read(self, member: Member) -> None:
        data = member.socket.recv(262_144)
        if not data:
            return self.end(member)
        if not member.opened:
            member.head += data
            if b"\r\n\r\n" not in member.head:
                return None
            member.opened = time.monotonic()
            member.head, data = member.head.split(b"\r\n\r\n", 1)
        member.bytes += len(data)
        member.tail = (member.tail + data[-256:])[-256:]
        return None

    def end(self, member: Member) -> None:
        """Closes a connection, or notes that it was closed."""
        if member.ended:
            return
        member.ended = time.monotonic()
        self._by_descriptor.pop(member.socket.fileno(), None)
        member.socket.close()
        self.on_end(member)

    @property
    def alive(self) -> list[Member]:
        return [member for member in self.members if not member.ended]

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self.on_end = lambda member: None
        for member in self.alive:
            self.end(member)
        self._epoll.close()
