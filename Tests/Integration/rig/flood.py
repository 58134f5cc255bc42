"""Hostile clients that send as fast as the node takes it, in a process of their own."""

import multiprocessing
import os
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .wire import Wire

#: Opens a session; raises when the node does not want it now.
Opening = Callable[[], Wire]


@dataclass
class Flooded:
    """What was done, once it is over."""

    messages: int = 0
    #: Sessions that the node has ended.
    ended: int = 0


class _Attacker:
    """Writes whatever the socket takes and reads whatever comes; comes again when it is sent away."""

    def __init__(self, opening: Opening, messages: list[bytes], reads: bool, selector: selectors.BaseSelector) -> None:
        self._opening, self._messages, self._reads, self._selector = opening, messages, reads, selector
        self.sent = self.ended = 0
        self._open()

    def _open(self) -> None:
        """Connects; as often as it takes, for those who come too often are told to wait."""
        while True:
            try:
                self._wire = self._opening()
                break
            except (AssertionError, OSError, EOFError):
                time.sleep(0.1)
        self._next, self._rest = 0, b""
        self._wire.socket.setblocking(False)
        events = selectors.EVENT_WRITE | (selectors.EVENT_READ if self._reads else 0)
        self._selector.register(self._wire.socket, events, self)

    def step(self, mask: int) -> None:
        try:
            if mask & selectors.EVENT_READ and not self._wire.socket.recv(1 << 18):
                raise ConnectionError
            if mask & selectors.EVENT_WRITE:
                if not self._rest:
                    self._rest = self._messages[self._next % len(self._messages)]
                    self._next += 1
                    self.sent += 1
                self._rest = self._rest[self._wire.socket.send(self._rest) :]
        except BlockingIOError:
            pass
        except OSError:
            self._selector.unregister(self._wire.socket)
            self._wire.close()
            self.ended += 1
            self._open()


def _run(opening: Opening, messages: list[bytes], crowd: int, reads: bool, report: Any) -> None:
    # A hostile client has a machine of its own; here it may only use what nobody else wants.
    os.nice(19)
    selector = selectors.DefaultSelector()
    attackers = [_Attacker(opening, messages, reads, selector) for _ in range(crowd)]
    report.send("ready")
    while not report.poll():
        for key, mask in selector.select(0.05):
            key.data.step(mask)
    report.send(Flooded(sum(attacker.sent for attacker in attackers), sum(attacker.ended for attacker in attackers)))


@contextmanager
def flooded(opening: Opening, messages: list[bytes], *, crowd: int = 2, reads: bool = True) -> Iterator[Flooded]:
    """Until the block ends, clients send these bytes, again and again from the first; each entry is whole frames."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(opening, messages, crowd, reads, theirs), daemon=True)
    process.start()
    done = Flooded()
    try:
        assert ours.poll(30) and ours.recv() == "ready"
        yield done
        ours.send("stop")
        assert ours.poll(30)
        found = ours.recv()
        done.messages, done.ended = found.messages, found.ended
    finally:
        process.kill()
        process.join()
