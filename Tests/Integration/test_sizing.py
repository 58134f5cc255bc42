"""`carillon size`: what docs/sizing.md shows is what it prints, and its answers for programs say the same as those for people."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from rig.node import carillon
from rig.process import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))

import sizing_page  # noqa: E402 - it is found only now


def size(*arguments: str) -> Any:
    result = carillon("size", "--json", *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_page_shows_what_the_program_prints() -> None:
    page = sizing_page.PAGE.read_text()
    assert len(re.findall("<!-- example: ", page)) >= 5
    assert sizing_page.filled(page) == page, "make docs brings it up to date"


def test_both_answers_say_the_same() -> None:
    arguments = ["--sessions", "1000000", "--rate", "10", "--payload", "256"]
    found = size(*arguments)
    text = carillon("size", *arguments).stdout
    assert f"1,000,000 sessions on {found['nodes']:,} nodes, {found['sessions_per_node']:,} each" in text
    [first] = re.findall(r"^first limit: .*$", text, re.MULTILINE)
    names = {"cpu": "CPU of a node", "memory": "memory of a node", "files": "files of a node's process", "network": "network of a node", "redis_cpu": "CPU of a Redis server"}
    assert first.startswith(f"first limit: {names[found['first_limit']]}, ") and text.endswith(first + "\n")
    assert [use["limit"] for use in found["uses"]] == list(names) or sorted(names) == sorted(use["limit"] for use in found["uses"])
    assert found["deliveries_per_second"] == pytest.approx(1e7) and all(use["share"] <= 1 for use in found["uses"])


def test_what_is_computed_one_way_is_borne_the_other_way() -> None:
    held = size("--cores", "1", "--memory", "2GiB", "--rate", "1", "--payload", "100")
    again = size("--sessions", str(held["sessions"]), "--cores", "1", "--memory", "2GiB", "--rate", "1", "--payload", "100")
    more = size("--sessions", str(held["sessions"] + 1000), "--cores", "1", "--memory", "2GiB", "--rate", "1", "--payload", "100")
    assert again["nodes"] == 1 and more["nodes"] == 2


def test_each_limit_can_be_the_first() -> None:
    assert size("--cores", "16", "--memory", "1GiB")["first_limit"] == "memory"
    assert size("--memory", "64GiB", "--files", "20000")["first_limit"] == "files"
    assert size("--cores", "1", "--memory", "64GiB", "--rate", "1", "--payload", "16", "--network", "10Gbit")["first_limit"] == "cpu"
    assert size("--cores", "16", "--memory", "64GiB", "--rate", "1", "--payload", "2000", "--network", "100Mbit")["first_limit"] == "network"
    redis = size("--sessions", "1000", "--channels", "1000", "--rate", "500000", "--payload", "100", "--cores", "64", "--memory", "64GiB", "--network", "100Gbit")
    assert redis["redis_servers"] > 1 or redis["first_limit"] == "redis_cpu"


def test_a_closed_output_is_no_complaint() -> None:
    result = subprocess.run(f"'{sizing_page.CARILLON}' size | head -n 1", shell=True, capture_output=True, text=True, timeout=30, check=False)
    assert "sessions on 1 node" in result.stdout and result.stderr == ""
