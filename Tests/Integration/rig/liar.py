"""A server that says it is Redis: it passes everything on to a real one, and lies when it is told to."""

import re
import select
import socket
import threading
import time
from collections.abc import Callable


#: What comes before the hash of a script, and the hash.
_CALL = b"$7\r\nEVALSHA\r\n$40\r\n"
_CALLED = re.compile(re.escape(_CALL) + rb"([0-9a-f]{40})")


class Liar:
    """Connections that begin while there are lies left get one instead of an answer to their first command."""

    def __init__(self, port: int) -> None:
        self._real = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lies: list[bytes] = []
        #: Changes what the server says, piece by piece as it comes.
        self.change: Callable[[bytes], bytes] = bytes
        #: Sent again and again behind a lie, for as long as it is taken.
        self.endless: bytes = b""
        #: How long each lie was listened to, in seconds, and how many bytes were taken.
        self.heard: list[tuple[float, int]] = []
        #: Scripts are unknown, however often they are loaded: the server is asked for others.
        self.forgets = False
        #: What is said instead of something the server says in one piece.
        self.distortions: dict[bytes, bytes] = {}
        self._streams: set[socket.socket] = set()
        self._ended = threading.Event()
        threading.Thread(target=self._accept, name="liar", daemon=True).start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            lie = self.lies.pop(0) if self.lies else None
            target, arguments = (self._pass, (client,)) if lie is None else (self._lie, (client, lie))
            threading.Thread(target=target, args=arguments, name="liar", daemon=True).start()

    def _lie(self, client: socket.socket, lie: bytes) -> None:
        client.settimeout(20)
        sent = 0
        started = time.monotonic()
        try:
            client.recv(4096)
            started = time.monotonic()
            client.sendall(lie)
            sent = len(lie)
            while self.endless:
                sent += client.send(self.endless)
            while client.recv(4096):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            started = float("-inf")
        self.heard.append((time.monotonic() - started, sent))
        client.close()

    def _pass(self, client: socket.socket) -> None:
        """Between the node and the real server, until one of them leaves."""
        try:
            server = socket.create_connection(("127.0.0.1", self._real))
        except ConnectionError:
            return client.close()
        self._streams.add(client)
        others = {client: server, server: client}
        held = b""
        try:
            while not self._ended.is_set():
                for one in select.select(list(others), [], [], 0.2)[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    if one is client:
                        data, held = self._forget(held + data)
                    else:
                        data = self.change(data)
                        for real, lie in self.distortions.items():
                            data = data.replace(real, lie)
                    others[one].sendall(data)
        except OSError:
            pass
        finally:
            self._streams.discard(client)
            client.close()
            server.close()

    def _forget(self, data: bytes) -> tuple[bytes, bytes]:
        """What goes to the server, and the beginning of a call that has not come as a whole."""
        if not self.forgets:
            return data, b""
        # A call at the end that is cut, or what might become one.
        cut = len(data)
        last = data.rfind(_CALL)
        if last >= 0 and len(data) < last + len(_CALL) + 40:
            cut = last
        else:
            cut -= next((size for size in range(len(_CALL) - 1, 0, -1) if data.endswith(_CALL[:size])), 0)
        return _CALLED.sub(_CALL + b"0" * 40, data[:cut]), data[cut:]

    def inject(self, lie: bytes) -> int:
        """Says something in the middle of every connection; how many there were."""
        streams = list(self._streams)
        for stream in streams:
            stream.sendall(lie)
        return len(streams)

    def cut(self) -> None:
        """Ends every connection."""
        for stream in list(self._streams):
            stream.shutdown(socket.SHUT_RDWR)

    @property
    def connections(self) -> int:
        return len(self._streams)

    def stop(self) -> None:
        self._ended.set()
        self._listener.close()
