"""What a scenario measures: some figures are told, others have a most they may be."""

import os
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Figure:
    name: str
    #: As it is shown.
    text: str
    value: float | None = None
    #: The most it may be, if there is one, as the scenario asks it.
    most: float | None = None
    #: How long something takes depends on the machine; how often it happens does not.
    is_time: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" + (f" (at most {self.most:g})" if self.most is not None else "")

    @property
    def is_exceeded(self) -> bool:
        return self.most is not None and self.value is not None and self.value > self.most * (leniency() if self.is_time else 1)

    def json(self) -> dict[str, Any]:
        return asdict(self)


def leniency() -> float:
    """`make test` has to pass on a machine that is slow or does something else beside it, and times may be up to three
    times as long; `--everything` holds them to what is asked. Counts and violations are what they are everywhere."""
    return 1.0 if os.environ.get("CHAOS_STRICT") else 3.0
