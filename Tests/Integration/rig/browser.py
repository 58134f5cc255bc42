"""Headless Chromium with its own WebSocket and EventSource, driven over its DevTools protocol."""

import base64
import http.server
import json
import os
import threading
from pathlib import Path
from typing import Any

import requests
import websockets.sync.client

from .process import REPOSITORY, Process

PAGE = REPOSITORY / "scripts/demo.html"


class PageServer:
    """Serves the demonstration's page: a page has an origin, and nodes admit origins."""

    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 - the library's name
                body = PAGE.read_bytes()
                self.send_response(200 if self.path.split("?")[0] == "/" else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="page server", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Chromium(Process):
    """One browser with one page."""

    def __init__(self, directory: Path, trusted: str | None = None) -> None:
        """`trusted`: whose key it takes in a certificate although nobody it knows signed it (`rig.certificates.key_pin`)."""
        super().__init__("chromium", directory)
        self._trusted = trusted
        self._commands = 0
        self._lock = threading.Lock()

    def start(self, url: str, loaded: str = "typeof openReceiver == 'function'") -> "Chromium":
        """Opens a page and waits until an expression in it is true."""
        profile = self.directory / "chromium-profile"
        command = ["chromium", "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}",
                   "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-sync",
                   "--disable-background-networking", "--no-first-run", "--no-proxy-server"]  # fmt: skip
        if self._trusted:
            command.append(f"--ignore-certificate-errors-spki-list={self._trusted}")
        if os.getuid() == 0:
            # Its sandbox refuses to work for root; the page is our own.
            command.append("--no-sandbox")
        # A proxy of the surroundings has no business with loopback addresses.
        self.launch([*command, url], {"HOME": str(self.directory)})
        port_file = profile / "DevToolsActivePort"
        port = self.wait_until(lambda: port_file.read_text().split()[0], "opens its DevTools port", 60)
        page = self.wait_until(lambda: self._page(port, url), "opens the page", 30)
        self._devtools = websockets.sync.client.connect(page, max_size=64 << 20, legacy=True)
        self.wait_until(lambda: self.evaluate(loaded), "has loaded the page", 30)
        return self

    @staticmethod
    def _page(port: str, url: str) -> str | None:
        targets = requests.get(f"http://127.0.0.1:{port}/json/list", timeout=5).json()
        return next((t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page" and t["url"].startswith(url)), None)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is awaited."""
        with self._lock:
            self._commands += 1
            number = self._commands
            parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True}
            self._devtools.send(json.dumps({"id": number, "method": "Runtime.evaluate", "params": parameters}))
            while True:
                answer = json.loads(self._devtools.recv(timeout=30))
                if answer.get("id") == number:
                    break
        result = answer["result"]
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")


class BrowserReceiver:
    """A WebSocket or an EventSource of the browser."""

    def __init__(self, browser: Chromium, address: str, channel: str, dialect: str) -> None:
        self.kind = f"chromium {'WebSocket' if dialect == 'raw' else 'EventSource'}"
        self.dialect = dialect
        if address.startswith("wss://"):
            self.kind += ", TLS"
        self._browser = browser
        self._number = browser.evaluate(f"openReceiver({dialect!r}, {address!r}, {channel!r})")

    def count(self) -> int:
        return self._browser.evaluate(f"receivers[{self._number}].received.length")

    @property
    def received(self) -> list[Any]:
        # Text and binary are told apart by the page, and binary crosses DevTools as base64.
        items = self._browser.evaluate(f"receivers[{self._number}].received")
        return [base64.b64decode(item["base64"]) if "base64" in item else item["text"] for item in items]

    @property
    def closed(self) -> str | None:
        return self._browser.evaluate(f"receivers[{self._number}].closed")

    def send(self, payload: str) -> None:
        self._browser.evaluate(f"receivers[{self._number}].send({json.dumps(payload)})")

    def close(self) -> None:
        self._browser.evaluate(f"receivers[{self._number}].close()")
