#!/usr/bin/env python3
"""Writes the tables of docs/operations.md that the program itself can tell: its keys and its metrics.

    make docs       after a key or a metric was added; the tests compare the page with the program
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CARILLON = REPOSITORY / ".build/release/carillon"
PAGE = REPOSITORY / "docs/operations.md"


def keys() -> str:
    return subprocess.run([CARILLON, "config", "--table"], check=True, capture_output=True, text=True).stdout.strip()


def metrics() -> str:
    """What a node says of itself when it is asked."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "carillon.yaml"
        configuration.write_text("client: { listen: '127.0.0.1:0' }\nadmin: { listen: '127.0.0.1:0' }\n")
        announcement = Path(folder) / "addresses"
        node = subprocess.Popen(
            [CARILLON, "serve", "--config", configuration, "--announce", announcement], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while not announcement.exists():
                if node.poll() is not None or time.monotonic() > deadline:
                    sys.exit("error: the node did not say where its admin listener is")
                time.sleep(0.05)
            admin = json.loads(announcement.read_text())["admin"]
            with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as response:
                text = response.read().decode()
        finally:
            node.terminate()
            node.wait()
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    rows = [f"| `{name}` | {kind} | {helps[name]} |" for name, kind in kinds]
    return "\n".join(["| metric | type | what |", "| --- | --- | --- |", *rows])


def replace(page: str, head: str, table: str) -> str:
    """The table that begins with this head, to the next empty line."""
    start = page.index(head)
    end = page.index("\n\n", start)
    return page[:start] + table + page[end:]


def main() -> None:
    page = PAGE.read_text()
    page = replace(page, "| key | takes |", keys())
    # Some are only there once a beat has come back.
    late = re.findall(r"^\| `carillon_link_(?:beat_age|round_trip)_seconds`.*$", page, re.MULTILINE)
    table = metrics()
    table += "".join(f"\n{row}" for row in dict.fromkeys(late) if row.split("`")[1] not in table)
    PAGE.write_text(replace(page, "| metric | type |", table))


if __name__ == "__main__":
    main()
