"""An application that is asked who a client is (the connect hook)."""

import http.server
import json
import threading
from typing import Any


class Application(http.server.ThreadingHTTPServer):
    """Answers every question alike, and remembers what it was asked, byte by byte."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.answer: tuple[int, str] = (200, "{}")
        #: Answers wait while this is not set.
        self.waits = threading.Event()
        self.waits.set()
        threading.Thread(target=self.serve_forever, name="application", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/connect"

    @property
    def asked(self) -> list[dict[str, Any]]:
        """All questions."""
        return [json.loads(body) for body in self.bodies]

    def last(self) -> dict[str, Any]:
        """The last question; an error when a key is there twice."""
        return json.loads(self.bodies[-1], object_pairs_hook=_unique)

    def stop(self) -> None:
        self.waits.set()
        self.shutdown()
        self.server_close()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a key is there twice: {names}"
    return dict(pairs)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Application

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.waits.wait(10)
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass
