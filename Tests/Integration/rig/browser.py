"""Headless Chromium with its own WebSocket and EventSource, driven over its DevTools protocol."""

import base64
import http.server
import json
import os
import threading
from collections.abc import Sequence
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
    """One browser with one page, and tabs (`rig.tabs`)."""

    def __init__(self, directory: Path, trusted: str | None = None, flags: Sequence[str] = ()) -> None:
        """`trusted`: whose key it takes in a certificate although nobody it knows signed it (`rig.certificates.key_pin`)."""
        super().__init__("chromium", directory)
        self._trusted = trusted
        self._flags = flags
        #: Where its DevTools listen.
        self.devtools_port = ""
        self._commands = 0
        self._lock = threading.Lock()
        #: What the browser told of by itself, in its order, once a domain of the protocol was enabled.
        self.events: list[dict[str, Any]] = []

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
        self.launch([*command, *self._flags, url], {"HOME": str(self.directory)})
        port_file = profile / "DevToolsActivePort"
        self.devtools_port = self.wait_until(lambda: port_file.read_text().split()[0], "opens its DevTools port", 60)
        page = self.wait_until(lambda: self._page(self.devtools_port, url), "opens the page", 30)
        self._devtools = websockets.sync.client.connect(page, max_size=64 << 20, legacy=True, ping_interval=None)
        self.wait_until(lambda: self.evaluate(loaded), "has loaded the page", 30)
        return self

    @staticmethod
    def _page(port: str, url: str) -> str | None:
        targets = requests.get(f"http://127.0.0.1:{port}/json/list", timeout=5).json()
        return next((t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page" and t["url"].startswith(url)), None)

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Has the browser do something (chromedevtools.github.io/devtools-protocol), and returns its answer."""
        with self._lock:
            self._commands += 1
            number = self._commands
            self._devtools.send(json.dumps({"id": number, "method": method, "params": parameters}))
            while True:
                answer = json.loads(self._devtools.recv(timeout=30))
                if answer.get("id") == number:
                    break
                self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is awaited."""
        result = self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def show_as(self, width: int, height: int, *, dark: bool = False) -> None:
        """The size of the window, and which colours the system prefers."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media="screen", features=[scheme])

    def press(self, *keys: str) -> None:
        """Keys of the keyboard, one after the other, by their names or characters."""
        for key in keys:
            known = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "ArrowLeft": (37, ""), "ArrowRight": (39, "")}
            code, text = known.get(key, (ord(key[0].upper()), key))
            self.command("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
            self.command("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self.command("Input.insertText", text=text)

    def picture(self, width: int, height: int) -> bytes:
        """What is shown, as PNG, from the top."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.command("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"])


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
