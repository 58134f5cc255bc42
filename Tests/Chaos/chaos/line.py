"""The line between a node and Redis, which can be cut without either of them hearing of it."""

import select
import socket
import threading


class Line:
    """Forwards both ways until it is told to swallow: `blind` what comes from Redis, `mute` what the node says."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.is_blind = False
        self.is_mute = False
        #: Connections that were made through it.
        self.connections = 0
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._ended = True
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                node, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._pass, args=(node,), daemon=True).start()

    def _pass(self, node: socket.socket) -> None:
        try:
            redis = socket.create_connection(("127.0.0.1", self._port))
        except OSError:
            return node.close()
        # Bytes that were swallowed are missing in the stream: that direction of the connection can never go on.
        swallowed: set[socket.socket] = set()
        try:
            while not self._ended:
                for one in select.select([node, redis], [], [], 0.1)[0]:
                    data = one.recv(65_536)
                    if not data:
                        return
                    if self.is_mute if one is node else self.is_blind:
                        swallowed.add(one)
                    if one not in swallowed:
                        (redis if one is node else node).sendall(data)
        except OSError:
            pass
        finally:
            node.close()
            redis.close()
