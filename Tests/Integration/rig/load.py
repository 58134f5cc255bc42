"""Publishers and subscribers that count, for tests in which something fails meanwhile."""

import itertools
import threading
import time
from dataclasses import dataclass

import requests

from .node import Node
from .receivers import WebsocketsClient


@dataclass(frozen=True)
class Attempt:
    """One try to publish."""

    text: str
    node: str
    started: float
    ended: float
    #: Of the answer; None when there was none.
    status: int | None


class Publisher:
    """Publishes numbered texts through a node's API, one after the other, until it is stopped."""

    def __init__(self, node: Node, channel: str, interval: float = 0.01) -> None:
        self.node = node
        self.attempts: list[Attempt] = []
        self._channel = channel
        self._interval = interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"publisher {node.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with requests.Session() as session:
            for number in itertools.count():
                if self._stopping.is_set():
                    return
                text = f"{self.node.name} {number}"
                started = time.monotonic()
                status: int | None = None
                try:
                    body = {"channel": self._channel, "text": text}
                    status = session.post(f"http://{self.node.admin}/api/v1/publish", json=body, timeout=15).status_code
                except requests.RequestException:
                    pass
                self.attempts.append(Attempt(text, self.node.name, started, time.monotonic(), status))
                self._stopping.wait(self._interval)

    def stop(self) -> list[Attempt]:
        self._stopping.set()
        self._thread.join(30)
        return self.attempts


def wait_for(receivers: list[WebsocketsClient], texts: set[str], seconds: float = 15) -> None:
    """Waits until every receiver has all of these."""
    deadline = time.monotonic() + seconds
    for receiver in receivers:
        while missing := texts - set(receiver.received):
            assert time.monotonic() < deadline, f"{len(missing)} of {len(texts)} are missing, as {sorted(missing)[:3]}"
            time.sleep(0.05)


def check_order(received: list[str]) -> None:
    """Of each publisher: nothing twice, nothing out of its order."""
    assert len(received) == len(set(received)), "something came twice"
    last: dict[str, int] = {}
    for text in received:
        publisher, number = text.rsplit(" ", 1)
        assert int(number) > last.get(publisher, -1), f"{text} came after number {last[publisher]}"
        last[publisher] = int(number)
