#!/usr/bin/env python3
"""Writes what docs/sizing.md takes from the program: the examples, and the constants of Sources/Sizing/MeasuredCosts.swift.

    make docs       after a constant has changed; the tests compare the page with the program
"""

import os
import re
import shlex
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CARILLON = Path(os.environ.get("CARILLON", REPOSITORY / ".build/release/carillon"))
PAGE = REPOSITORY / "docs/sizing.md"
CONSTANTS = REPOSITORY / "Sources/Sizing/MeasuredCosts.swift"
EXAMPLE = re.compile(r"<!-- example: (?P<command>.*?) -->\n(?:\n```\n.*?\n```\n)?", re.DOTALL)
BEGIN, END = "<!-- constants: begin -->", "<!-- constants: end -->"

#: What each constant is, its unit, and how it is measured.
MEANINGS = {
    "base": ("a node without sessions", "B", "all that is in its memory (`Rss`)"),
    "baseCharged": ("what a container is charged of it", "B", "the memory cgroup, without content of files"),
    "session": ("a session, in the process", "B", "`make bench BENCH='--rows memory'`: private memory of the node before and after 17,100 sessions, behind the first 1,900"),
    "sessionOverTLS": ("more over TLS", "B", "the same over TLS, less the above"),
    "sessionCompressed": ("more with compression", "B", "`make bench BENCH='--rows tls-deflate-memory'`"),
    "connection": ("its connection, in the kernel", "B", "half of what `make million` measures for both ends"),
    "connectionCharged": ("what a container is charged of it", "B", "the memory cgroup"),
    "subscription": ("each further subscription", "B", "sessions with two channels, less those with one"),
    "channel": ("a channel with subscribers", "B", "sessions with a channel each, less those with one channel for all"),
    "queued": ("a publication that is under way to a session, beyond its bytes, in the kernel", "B", "clients that are stopped while one is published"),
    "connect": ("a session that opens", "µs", "`bench connect`, 17,100 sessions"),
    "connectOverTLS": ("the same over TLS", "µs", "`bench connect`, 4,000 sessions"),
    "ping": ("a ping and its answer", "µs", "10,000 sessions that are pinged every 2 s"),
    "send": ("a send to one session", "µs", "`bench fanout`, 10,000 sessions, one publication at a time"),
    "sendToMany": ("the same where so many connections are on the machine that none is in its caches", "µs", "`make million`, CPU of the servers per delivery"),
    "sendOverTLS": ("more over TLS", "µs", "the same over TLS"),
    "message": ("a publication in a send", "µs", "the same with 256 outstanding, and `carillon_sends_total`"),
    "byte": ("a byte of it", "µs", "the same with publications of 1,024 bytes"),
    "byteOverTLS": ("the same over TLS", "µs", "from the same runs"),
    "publish": ("a publication by a client of the node", "µs", "`bench publish`, 64 outstanding"),
    "publishWithHistory": ("the same with history", "µs", "`bench publish`"),
    "receive": ("a publication that comes from Redis", "µs", "`bench publish`: a node with one subscriber"),
    "compressedByte": ("compressing a byte, once for a node", "µs", "`bench fanout`, two sessions, JSON of 768 bytes, with and without `--permessage-deflate`"),
    "redisPublish": ("Redis: a publication", "µs", "CPU of `redis-server` during `bench publish`"),
    "redisPublishWithHistory": ("Redis: a publication with history", "µs", "the same"),
    "redisHandOver": ("Redis: handing it to one node", "µs", "the same with three nodes that have a subscriber"),
    "redisKept": ("Redis: a publication that is kept, beyond its bytes", "B", "`MEMORY USAGE` of a history"),
    "batchBytes": ("what one send carries at most in the model", "B", "the size of the batches of which `message` and `byte` are measured. Larger ones save sends, and cost more for each byte"),
    "compressionRatio": ("what compression leaves of JSON", "", "from the same runs"),
}


def constants() -> dict[str, str]:
    """By name, as they are written."""
    return dict(re.findall(r"^ {8}(\w+): ([\d_.]+),?", CONSTANTS.read_text(), re.MULTILINE))


def table() -> str:
    values = constants()
    assert list(values) == list(MEANINGS), "MEANINGS and MeasuredCosts.swift name different constants"
    rows = [f"| `{name}` | {meaning} | {values[name].replace('_', ',')} {unit} | {how} |" for name, (meaning, unit, how) in MEANINGS.items()]
    return "\n".join(["| constant | what | value | how it is measured |", "|---|---|---:|---|", *rows]).replace("  |", " |")


def example(command: str) -> str:
    done = subprocess.run([CARILLON, *shlex.split(command)], check=True, capture_output=True, text=True)
    lines = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return f"<!-- example: {command} -->\n\n```\n$ carillon {command}\n{lines}\n```\n"


def filled(page: str) -> str:
    page = EXAMPLE.sub(lambda found: example(found["command"]), page)
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END, 1)[1]}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
