"""Tabs of a headless Chromium: a page each, with what went wrong in it and whom it asked for something."""

import json
import time
import urllib.parse
from typing import Any

import requests
import websockets.sync.client

from .browser import Chromium
from .waiting import until

#: A camera and a microphone that are none, addresses that are not hidden behind names, also those of this machine alone, and tabs that
#: nobody looks at go on.
MEDIA_FLAGS = [
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
    "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
]  # fmt: skip


class Tab:
    """One page of a browser, in a tab of its own."""

    def __init__(self, browser: Chromium, url: str, loaded: str = "document.readyState == 'complete'") -> None:
        """Opens it and waits until an expression in it is true."""
        self.browser = browser
        self.url = url
        #: What the page complains about: exceptions that nobody caught, refused loads, violations of its policy.
        self.errors: list[str] = []
        #: Hosts that it sent requests to, or opened WebSockets to.
        self.hosts: set[str] = set()
        self._commands = 0
        made = requests.put(f"http://127.0.0.1:{browser.devtools_port}/json/new?about:blank", timeout=15).json()
        self._id = made["id"]
        # Nobody reads between two commands, so a ping would be answered late.
        self._devtools = websockets.sync.client.connect(
            made["webSocketDebuggerUrl"], max_size=64 << 20, ping_interval=None, close_timeout=1, legacy=True)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Page.navigate", url=url)
        until(lambda: self.evaluate(f"location.href.startsWith('http') && ({loaded})"), f"{url} is loaded", 30)

    def send(self, method: str, seconds: float = 30, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools protocol, and its result."""
        self._commands += 1
        number = self._commands
        self._devtools.send(json.dumps({"id": number, "method": method, "params": parameters}))
        deadline = time.monotonic() + seconds
        while True:
            message = json.loads(self._devtools.recv(timeout=max(0.1, deadline - time.monotonic())))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self._asked(parameters["request"]["url"])
        elif method == "Network.webSocketCreated":
            self._asked(parameters["url"])

    def _asked(self, url: str) -> None:
        if host := urllib.parse.urlsplit(url).hostname:
            self.hosts.add(host)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is awaited. An error of a page that is just changing is false."""
        result = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if details := result.get("exceptionDetails"):
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def until(self, expression: str, what: str, seconds: float = 30) -> Any:
        """Waits until an expression is true, and returns its value."""
        try:
            return until(lambda: self.evaluate(expression), what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the page complains: {self.errors[-3:]}") from None

    def go_offline(self, is_offline: bool) -> None:
        self.send("Network.emulateNetworkConditions", offline=is_offline, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    def close(self) -> None:
        """As a user closes it: the page hears of it first."""
        requests.get(f"http://127.0.0.1:{self.browser.devtools_port}/json/close/{self._id}", timeout=15)
        self._devtools.close()
