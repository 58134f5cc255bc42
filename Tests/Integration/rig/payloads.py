"""What is published in the tests, and what each dialect makes of it."""

import base64
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Payload:
    """Text or binary, as published."""

    value: str | bytes

    def expected(self, dialect: str) -> Any:
        """What a receiver of a dialect gets (docs/dialects)."""
        if dialect == "raw":
            return self.value
        if isinstance(self.value, bytes):
            return base64.b64encode(self.value).decode()
        if dialect == "centrifuge":
            try:
                return json.loads(self.value)
            except ValueError:
                return self.value
        return self.value


def texts(way: str) -> list[Payload]:
    """Texts of every sort, each different from those of another way."""
    samples = [
        "plain words",
        "ümläute, 日本語, 🔔",
        'quotes " and \\ and / and \u2028 and <b>',
        "two\nlines and a\ttab",
        "long " * 4000,
    ]
    numbered = [Payload(f"{way} {number}: {sample}") for number, sample in enumerate(samples)]
    # Text that is JSON is JSON to those who want JSON, and stays byte for byte what it was to the others.
    return [*numbered, Payload(json.dumps({"way": way, "list": [1, 2.5, None, True], "text": "é\"\\"}))]


def binaries(way: str) -> list[Payload]:
    """Every byte value, in frames of each of the three length encodings (RFC 6455 5.2), one of them short."""
    mark = way.encode()
    return [Payload(mark + b"\x00"), Payload(mark + bytes(range(256))), Payload(mark + bytes(range(255, -1, -1)) * 200)]


def values(way: str) -> list[Any]:
    """JSON values, for the centrifuge dialect."""
    return [
        {"way": way, "n": 1, "text": "ümläute 🔔", "nested": {"list": [1, 2.5, None, True, ""]}},
        [way, 2, 3],
        f"{way}: just a string",
    ]
