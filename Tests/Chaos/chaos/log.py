"""What happened, as everybody saw it: the only thing the oracle knows. Times are of one monotonic clock, in seconds."""

import json
import threading
import time
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


def checksum(publication: int, channel: str, sequence: int) -> int:
    return zlib.crc32(f"{publication} {channel} {sequence}".encode())


@dataclass
class Publish:
    """One publication, tried until somebody knew what became of it."""

    id: int
    channel: str
    publisher: str
    sequence: int
    begun: float
    ended: float = 0.0
    #: ok | error | unknown
    outcome: str = "unknown"
    epoch: str = ""
    offset: int = 0
    tries: int = 1
    why: str = ""


@dataclass
class Event:
    """Something a client saw of a channel: `subscribed`, `unsubscribed`, `publication`, `announced` or `closed`."""

    at: float
    client: str
    channel: str
    kind: str
    epoch: str = ""
    offset: int = 0
    #: Of a publication: its id, publisher and sequence.
    id: int = 0
    publisher: str = ""
    sequence: int = 0
    #: Of `subscribed`: whether the client asked to go on, and whether it could.
    was_recovering: bool = False
    recovered: bool = False
    why: str = ""


@dataclass
class Fault:
    name: str
    begun: float
    ended: float = 0.0


@dataclass
class Log:
    """Written from many threads."""

    started: float = field(default_factory=time.monotonic)
    publishes: list[Publish] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    #: Of each channel: what is kept in the end, oldest first, as (epoch, offset, id).
    final: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    #: How many publications a channel keeps.
    kept: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> float:
        return time.monotonic() - self.started

    def saw(self, event: Event) -> None:
        with self._lock:
            self.events.append(event)

    def published(self, publish: Publish) -> None:
        with self._lock:
            self.publishes.append(publish)

    def fault(self, name: str) -> "FaultSpan":
        return FaultSpan(self, name)

    def write(self, file: Path, **about: Any) -> None:
        """Everything as JSON, for whoever wants to look closer."""
        file.write_text(
            json.dumps({
                **about, "publishes": [asdict(one) for one in self.publishes], "events": [asdict(one) for one in self.events],
                "faults": [asdict(one) for one in self.faults], "final": self.final,
            }))  # fmt: skip


class FaultSpan:
    """`with log.fault("redis killed"):` as long as it lasts."""

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self.fault = Fault(name, 0)

    def __enter__(self) -> Fault:
        self.fault.begun = self._log.now()
        self._log.faults.append(self.fault)
        return self.fault

    def __exit__(self, *_: object) -> None:
        self.fault.ended = self._log.now()
