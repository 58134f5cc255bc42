"""A liar between one node and its clients: drops, doubles, swaps or renames publications, so that it can be seen that the
oracle sees it."""

import re
import socket
import struct
import threading


class Tamper:
    """`fault`: drop | duplicate | swap | reuse. One publication in `every` is hit."""

    def __init__(self, target: str, fault: str, every: int = 50) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._fault = fault
        self._every = every
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        #: How many publications were hit.
        self.hits = 0
        self._seen = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            threading.Thread(target=self._lie, args=(server, client), daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for one in (source, sink):
                one.close()

    def _lie(self, server: socket.socket, client: socket.socket) -> None:
        reader = server.makefile("rb")
        kept: bytes | None = None
        try:
            while (line := reader.readline()) != b"\r\n":
                client.sendall(line)
            client.sendall(b"\r\n")
            while True:
                frame, payload = self._frame(reader)
                if b'"pub":' not in payload or not self._is_hit():
                    client.sendall(frame)
                    if kept is not None and b'"pub":' in payload:
                        client.sendall(kept)
                        kept = None
                elif self._fault == "drop":
                    pass
                elif self._fault == "duplicate":
                    client.sendall(frame * 2)
                elif self._fault == "swap":
                    kept = frame
                else:
                    # The offset of the one before, with this one's payload.
                    lied = re.sub(rb'"offset":(\d+)', lambda found: b'"offset":%d' % (int(found[1]) - 1), payload)
                    client.sendall(b"\x81" + self._length(len(lied)) + lied)
        except (OSError, EOFError, struct.error):
            pass
        finally:
            for one in (server, client):
                one.close()

    def _is_hit(self) -> bool:
        self._seen += 1
        if self._seen % self._every:
            return False
        self.hits += 1
        return True

    @staticmethod
    def _length(count: int) -> bytes:
        return bytes([count]) if count < 126 else b"\x7e" + struct.pack(">H", count)

    @staticmethod
    def _frame(reader) -> tuple[bytes, bytes]:  # noqa: ANN001 - a socket's file
        """A frame of a server (RFC 6455 5.2): as it came, and its payload."""
        head = reader.read(2)
        if len(head) < 2:
            raise EOFError
        length, extension = head[1] & 0x7F, b""
        if length == 126:
            extension = reader.read(2)
            (length,) = struct.unpack(">H", extension)
        elif length == 127:
            extension = reader.read(8)
            (length,) = struct.unpack(">Q", extension)
        payload = reader.read(length)
        return head + extension + payload, payload
