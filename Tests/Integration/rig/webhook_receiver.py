"""An application that takes events (webhooks), well or badly."""

import hashlib
import hmac
import http.server
import json
import socket
import threading
import time
from typing import Any

SECRET = "a secret of the webhook, long enough to be one"


class WebhookReceiver(http.server.ThreadingHTTPServer):
    """Takes batches of CloudEvents, checks their signatures, and remembers them in the order in which they came."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.port = self.server_address[1]
        self.lock = threading.Lock()
        #: Every event of every request that was answered with 2xx, or may count as that for the node.
        self.taken: list[dict[str, Any]] = []
        self.requests = 0
        self.headers: list[dict[str, str]] = []
        self.secret = SECRET
        self.status = 200
        #: What a redirect names.
        self.location = ""
        #: Seconds before each answer.
        self.delay = 0.0
        #: Connections are closed without an answer.
        self.hangs_up = False
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def entry(self, **more: Any) -> dict[str, Any]:
        """What the configuration of a node has for it."""
        return {"url": self.url, "secret": SECRET, "allow_private": True, **more}

    @property
    def events(self) -> list[dict[str, Any]]:
        """Each event once, where it came first."""
        with self.lock:
            taken = list(self.taken)
        return list({event["id"]: event for event in reversed(taken)}.values())[::-1]

    def of(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            event for event in self.events
            if event["type"] == f"carillon.{kind}" and all(event["data"].get(key) == value for key, value in wanted.items())
        ]  # fmt: skip

    def kinds(self, **wanted: Any) -> list[str]:
        return [
            event["data"]["kind"] for event in self.events
            if all(event["data"].get(key) == value for key, value in wanted.items())
        ]  # fmt: skip

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no error here."""


def is_signed(headers: Any, body: bytes, secret: str) -> bool:
    sent = headers["Carillon-Time"]
    wanted = "sha256=" + hmac.new(secret.encode(), sent.encode() + b"." + body, hashlib.sha256).hexdigest()
    return wanted in headers["Carillon-Signature"].split(" ") and abs(time.time() - int(sent)) < 300


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WebhookReceiver

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with server.lock:
            server.requests += 1
            server.headers.append(dict(self.headers))
        time.sleep(server.delay)
        if server.hangs_up:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status = server.status if is_signed(self.headers, body, server.secret) else 401
        if status < 300:
            with server.lock:
                server.taken += json.loads(body)
        self.send_response(status)
        if server.location:
            self.send_header("Location", server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass
