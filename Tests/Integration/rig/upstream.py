"""An application that answers calls of clients, as functions behind Azure SignalR Service do."""

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    path: str
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, key: str) -> bool:
        """As Azure's documentation has it: over the id of the connection."""
        code = hmac.new(key.encode(), self.headers["x-asrs-connection-id"].encode(), hashlib.sha256).hexdigest()
        return f"sha256={code}" in self.headers["x-asrs-signature"].split(",")


#: A status and a body.
Answer = tuple[int, bytes]


@dataclass
class Upstream:
    """Answers as `answer` says; requests of which it says nothing get 200 without a body."""

    answer: Callable[[Request], Answer | None] = lambda request: None
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                upstream.requests.append(request)
                status, answer = upstream.answer(request) or (200, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="upstream", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def of(self, event: str) -> list[Request]:
        """What came about an event."""
        return [request for request in self.requests if request.headers.get("x-asrs-event") == event]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
