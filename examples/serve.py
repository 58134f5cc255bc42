#!/usr/bin/env python3
"""The application's server of the examples: gives out the pages, and tokens that say who somebody is.

    python3 examples/serve.py --carillon 127.0.0.1:8000 --admin http://127.0.0.1:8001

It needs Python's standard library only. Whoever asks for a token gets one with the name that is asked for: a real application
knows from its own login who asks, and never gives its key to a page.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import random
import re
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent
#: The key that examples/carillon.yaml names. Everybody knows it: for trying things out only.
SECRET = "a key for the examples, which everybody knows"
TOKEN_SECONDS = 600
TICKER = "ticker"
#: Publications a second.
TICKER_RATE = 100


def token(secret: str, user: str, info: dict[str, Any]) -> str:
    """A JSON Web Token (RFC 7519) signed with HS256. `info` is what other clients may see of the user."""
    now = int(time.time())
    claims = {"sub": user, "info": info, "iat": now, "exp": now + TOKEN_SECONDS}
    parts = [_base64(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(secret.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, _base64(signature)]).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Ticker:
    """Publishes prices while somebody is subscribed, by the API of a node."""

    def __init__(self, admin: str, key: str | None = None) -> None:
        self._address = urllib.parse.urlsplit(admin).netloc
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_stopped = threading.Event()
        self._number = 0
        self._prices = {"BELL": 120.0, "CHIME": 48.5, "GONG": 310.0, "PEAL": 7.25, "TOLL": 86.0}

    def start(self) -> None:
        """Begins, unless it is running."""
        with self._lock:
            if self._thread is None and not self._is_stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        self._is_stopped.set()
        if self._thread:
            self._thread.join(5)

    def _run(self) -> None:
        node = http.client.HTTPConnection(self._address, timeout=5)
        due, quiet_since = time.monotonic(), None
        while not self._is_stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / TICKER_RATE, time.monotonic() - 0.1)
            try:
                self._publish(node)
                if self._number % (5 * TICKER_RATE) == 0:
                    # Nobody for 10 s: the next page starts it again.
                    quiet_since = None if self._is_watched(node) else quiet_since or time.monotonic()
                    if quiet_since and time.monotonic() - quiet_since >= 10:
                        break
            except (OSError, http.client.HTTPException):
                node.close()
                due = time.monotonic() + 1
        node.close()
        with self._lock:
            self._thread = None

    def _publish(self, node: http.client.HTTPConnection) -> None:
        for name, price in self._prices.items():
            self._prices[name] = round(max(1.0, price * random.gauss(1, 0.0004)), 4)
        self._number += 1
        body = {"channel": TICKER, "data": {"n": self._number, "prices": self._prices}}
        node.request("POST", "/api/v1/publish", json.dumps(body), self._headers)
        node.getresponse().read()

    def _is_watched(self, node: http.client.HTTPConnection) -> bool:
        node.request("GET", f"/api/v1/channels/{TICKER}", headers=self._headers)
        answer = node.getresponse()
        body = answer.read()
        # A channel without subscribers is unknown.
        return answer.status == 200 and json.loads(body)["subscribers"] > 0


class Examples(http.server.ThreadingHTTPServer):
    """The pages and the tokens, at one address."""

    daemon_threads = True

    def __init__(
        self, listen: tuple[str, int] = ("127.0.0.1", 0), *, carillon: str = "", admin: str = "", key: str | None = None,
        secret: str = SECRET, more: list[tuple[str, str]] | None = None, files: dict[str, Path] | None = None,
    ) -> None:  # fmt: skip
        """`carillon`: where clients connect, HOST:PORT. `admin`: the URL of an admin port, for the ticker; `key`: its token.

        `more`: links for the start page. `files`: pages beside those of the examples, by their path.
        """
        super().__init__(listen, _Handler)
        self.carillon = carillon
        self.secret = secret
        self.more = more or []
        self.files = files or {}
        self.ticker: Ticker | None = None
        if admin:
            self.use(admin, key)
        self._joined: dict[str, int] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def use(self, admin: str, key: str | None = None) -> None:
        """Publishes the ticker's prices by this node."""
        self.ticker = Ticker(admin, key)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def origins(self) -> list[str]:
        """What `client.origins` of the nodes has to have."""
        return [self.origin, f"http://localhost:{self.port}"]

    def start(self) -> "Examples":
        self._thread = threading.Thread(target=self.serve_forever, name="examples", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self.ticker:
            self.ticker.stop()
        if self._thread:
            self.shutdown()
        self.server_close()

    def joined(self, user: str) -> int:
        """When a user asked for the first time, in milliseconds since 1970: the order of a roster."""
        with self._lock:
            if len(self._joined) > 10_000:
                self._joined.clear()
            return self._joined.setdefault(user, int(time.time() * 1000))


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: Examples
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, directory=str(EXAMPLES), **options)

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/config.json":
            self._answer({"address": self.server.carillon, "ticker": TICKER, "more": self.server.more})
        elif path == "/time":
            self._answer(time.time() * 1000)
        elif path == "/token":
            self._token(dict(urllib.parse.parse_qsl(query)))
        elif path in self.server.files:
            self._send(self.server.files[path].read_bytes(), "text/html; charset=utf-8")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        # Nothing that is sent is read: the connection is not used again.
        self.close_connection = True
        if self.path != "/ticker/start":
            return self.send_error(404)
        if self.server.ticker:
            self.server.ticker.start()
        self._answer({"started": self.server.ticker is not None})

    def _token(self, asked: dict[str, str]) -> None:
        user, name = asked.get("id", ""), asked.get("name", "").strip()[:24]
        if not re.fullmatch(r"[a-z0-9-]{1,40}", user) or not name:
            return self.send_error(400, "id and name are needed")
        self._answer({"token": token(self.server.secret, user, {"name": name, "at": self.server.joined(user), "made": int(time.time() * 1000)})})

    def _answer(self, value: Any) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        if self.path.partition("?")[0] not in self.server.files:
            # Nothing from other hosts, and connections to Carillon alone.
            address = self.server.carillon
            host = f"*{address}" if address.startswith(":") else address
            self.send_header("Content-Security-Policy", f"default-src 'self'; connect-src 'self' ws://{host} wss://{host} http://{host} https://{host}")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="HOST:PORT", help="where the pages are")
    parser.add_argument("--carillon", default="127.0.0.1:8000", metavar="[HOST]:PORT", help="where clients connect; without HOST, the host of the page")
    parser.add_argument("--admin", default="http://127.0.0.1:8001", metavar="URL", help="a node's admin port, for the ticker")
    parser.add_argument("--secret", default=SECRET, help="the key that signs tokens, as in auth.keys of the nodes")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    server = Examples((host, int(port)), carillon=options.carillon, admin=options.admin, secret=options.secret)
    print(f"Open http://{'localhost' if host in ('127.0.0.1', '') else host}:{server.port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
