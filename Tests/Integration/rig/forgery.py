"""What nodes say to each other (docs/architecture.md, Envelope), made by somebody who may publish at Redis, and numbers that
nobody sends by accident."""

import json
import struct
from typing import Any

BEAT, FAREWELL, QUESTION, ANSWER = 2, 3, 4, 5

#: As they are written in JSON and RESP.
EXTREMES = [
    "0", "-1", "2147483647", "2147483648", "4294967295", "4294967296", "-2147483648", "-2147483649", "9007199254740991",
    "9007199254740992", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "1e18", "1e19", "1e308", "-1e308", "1e999", "0.5", "1e-320", "9" * 400,
]  # fmt: skip
#: No numbers, although some readers take them for some.
SPELLED = ["NaN", "Infinity", "-Infinity", "0x7fffffff", "01", "+1", "1_000", '"9"', "true", "null"]
#: The largest count there is.
LARGEST = 2**53 - 1


def head(kind: int, node: int, detail: int = 0) -> bytes:
    return bytes([0xCA, 1, kind, detail]) + struct.pack(">Q", node)


def beat(node: int, summary: bytes, name: str = "forged", sequence: int = 1, layout: int = 2) -> bytes:
    """`layout`: how the node names keys in Redis; 0 from a node of version 0.2."""
    encoded = name.encode()
    return head(BEAT, node, layout) + struct.pack(">QH", sequence, len(encoded)) + encoded + summary


def question(identity: int, node: int, body: Any) -> bytes:
    return head(QUESTION, node) + struct.pack(">Q", identity) + encoded(body)


def answer(identity: int, node: int, body: Any) -> bytes:
    return head(ANSWER, node) + struct.pack(">Q", identity) + encoded(body)


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def read_question(message: bytes) -> tuple[int, int, dict[str, Any]] | None:
    """Number, sender and body, if it is a question."""
    if message[2] != QUESTION:
        return None
    node, identity = struct.unpack(">QQ", message[4:20])
    return identity, node, json.loads(message[20:])


def summary(number: str) -> bytes:
    """What a node says of itself, with one number everywhere."""
    text = """{"admin":"a","backlog_bytes":N,"channels":N,"client":"c","cpu_percent":N,"id":"i","link":{"bad_messages":N,
        "beat_age_ms":N,"kind":"redis","phase":"linked","reconnects":N,"resubscribed":N,"round_trip_us":N,"since":N,
        "waiting_publishes":N},"memory_bytes":N,"name":"forged","rates":{"bytes_out":N,"deliveries":N,"messages_in":N,
        "publications":N},"sessions":N,"started_at":N,"version":"9"}"""
    return text.replace(":N", f":{number}").encode()


def nested(opening: str, depth_bytes: int, closing: str = "") -> bytes:
    """JSON as deep as fits into so many bytes."""
    count = depth_bytes // (len(opening) + len(closing))
    return (opening * count + "1" + closing * count).encode()
