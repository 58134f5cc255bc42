"""Who publishes: through the API, one after the other, and noting what became of each."""

import itertools
import random
import threading
import time

import requests

from .log import Log, Publish, checksum

#: A publisher that is told nothing gives up after this, in seconds.
PATIENCE = 30.0


class Publisher:
    """Publishes to its channels in turn, at a rate, through any of the nodes; each publication has a key, and is tried
    again under it when nobody knows what became of it."""

    def __init__(self, name: str, log: Log, addresses: list[str], channels: list[str], rate: float, seed: int, *, retries: bool = True) -> None:
        self.name = name
        self.slowest = 0.0
        self._log = log
        self._addresses = addresses
        self._channels = channels
        self._pause = 1 / rate
        self._random = random.Random(f"{seed} {name}")
        self._retries = retries
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    _ids = itertools.count(1)

    def start(self) -> "Publisher":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE + 10)

    def _run(self) -> None:
        session = requests.Session()
        # It stays with one node as long as that answers.
        address = self._random.choice(self._addresses)
        sequences = dict.fromkeys(self._channels, 0)
        for channel in itertools.cycle(self._channels):
            if self._stopping.wait(self._random.uniform(0.5, 1.5) * self._pause):
                return
            sequences[channel] += 1
            publish = Publish(next(self._ids), channel, self.name, sequences[channel], self._log.now())
            address = self._publish(session, address, publish)
            publish.ended = self._log.now()
            self.slowest = max(self.slowest, publish.ended - publish.begun)
            self._log.published(publish)

    def _publish(self, session: requests.Session, address: str, publish: Publish) -> str:
        body = {
            "channel": publish.channel,
            "idempotency_key": f"{self.name}-{publish.id}",
            "data": {
                "id": publish.id, "publisher": self.name, "sequence": publish.sequence,
                "crc": checksum(publish.id, publish.channel, publish.sequence),
            },
        }  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = session.post(f"http://{address}/api/v1/publish", json=body, timeout=10)
            except requests.RequestException as error:
                publish.why = type(error).__name__
                address = self._random.choice(self._addresses)
            else:
                if answer.status_code == 200:
                    epoch, offset = answer.json()["positions"][publish.channel].split(":")
                    publish.outcome, publish.epoch, publish.offset = "ok", epoch, int(offset)
                    return address
                publish.why = answer.json()["error"]["message"]
                # Once something was sent whose end nobody knows, a refusal later does not mean that it did not happen.
                if publish.tries == 1 and "may or may not" not in publish.why:
                    publish.outcome = "error"
                    return address
            if not self._retries or time.monotonic() > deadline or self._stopping.is_set():
                return address
            publish.tries += 1
            time.sleep(self._random.uniform(0.02, 0.1))
