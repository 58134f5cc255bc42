"""Waiting for a condition, with a deadline and a reason."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Between two looks at a condition, in seconds.
INTERVAL = 0.02


class Expired(AssertionError):
    """What was waited for did not happen in time."""


def until(condition: Callable[[], T], what: str, seconds: float = 10.0) -> T:
    """Returns the condition's first true value.

    An exception inside the condition counts as "not yet" and is told when the time is over.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            last = condition()
            if last:
                return last  # type: ignore[return-value]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is only "not yet"
            last = error
        if time.monotonic() >= deadline:
            raise Expired(f"not within {seconds:g} s: {what} (last seen: {last!r})")
        time.sleep(INTERVAL)


def holds(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Checks that a condition stays true for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"no longer true: {what}"
        time.sleep(INTERVAL)
