"""`make million` with few sessions: all that it says it does is done, and its check names what a machine lacks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rig.node import CARILLON
from rig.process import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "Benchmarks"))

from harness import curve, million_page, needs  # noqa: E402 - it is found only now

SESSIONS = 3000
PROGRAM = REPOSITORY / "Benchmarks/million.py"


def million(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), "--carillon", str(CARILLON), *arguments], capture_output=True, text=True, timeout=seconds, check=False)


def is_whole(counts: dict[str, Any], deliveries: int) -> bool:
    wrong = counts["missing"] + counts["duplicates"] + counts["reordered"] + counts["lost"] + counts["away"]
    return bool(counts["deliveries"] == deliveries and wrong == 0)


def test_a_small_million(tmp_path: Path) -> None:
    result = million("--sessions", str(SESSIONS), "--results", str(tmp_path))
    assert (tmp_path / "million.json").exists(), result.stderr
    document = json.loads((tmp_path / "million.json").read_text())
    assert document["sessions"] == SESSIONS and document["nodes"] == 3 and document["machine"]["processor"]
    ours = document["carillon"]
    for each in (ours, document["floor"], document["floor_again"]):
        assert each["open"] == SESSIONS and len(each["to_last_ms"]) == 10 and min(each["to_last_ms"]) > 0
        assert is_whole(each["counts"], 10 * SESSIONS)
        assert sum(count for _, count in each["curve"]["samples"]) == SESSIONS
        # The kernel's memory is that of the whole machine, where other tests run meanwhile.
        assert each["cpu_us_per_delivery"] > 0 and isinstance(each["kernel_per_session"], float)
    assert 100 < ours["private_per_session"] < 100_000 and ours["node_base"] > 1_000_000

    kill = ours["history"]
    assert kill["status_while_away"] == 503 and "not_published" in kill["said_while_away"] and kill["statuses_after"][-1] == 200
    assert kill["published"] == 4 and is_whole(kill["counts"], 4 * SESSIONS) and kill["counts"]["returned"] == 0
    assert kill["while_away"]["open"] == SESSIONS and kill["while_away"]["duplicates"] == 0

    drain = ours["drain"]
    assert drain["sessions_before"] >= SESSIONS // 3 and drain["sessions_after"] == 0
    assert SESSIONS // 3 <= drain["counts"]["returned"] <= drain["sessions_before"]
    assert is_whole(drain["counts"], SESSIONS)

    # Time and memory are not judged here: other tests run meanwhile, and so few sessions do not bear the base of a node.
    judged = {row["what"]: row["met"] for row in document["budgets"]}
    assert len(judged) == 5
    assert all(met for what, met in judged.items() if "time to the last" not in what and "private memory" not in what), judged
    assert result.returncode == (0 if all(judged.values()) else 1)
    assert "| what | budget | measured |" in (tmp_path / "million.md").read_text()
    picture = (tmp_path / "million.svg").read_text()
    assert picture.startswith("<svg") and picture.count("<polyline") == 2


def machine(**changes: Any) -> needs.Machine:
    enough: dict[str, Any] = {
        "memory": 24 << 30, "files": 20_000, "system_files": 2_400_000, "ports": 28_232, "orphans": 131_072, "tracked": None,
        "threads": 32_768, "tcp_pages": 1_000_000, "loopback": True, "programs": ["redis-server", "cc"]}
    return needs.Machine(**{**enough, **changes})


def test_a_machine_that_has_enough_lacks_nothing() -> None:
    assert needs.nodes_for(1_000_000, 20_000) == 53
    assert needs.shortages(machine(), 1_000_000, 53) == [] == needs.remarks(machine(), 1_000_000)


@pytest.mark.parametrize(("changes", "said"), [
    ({"memory": 6 << 30}, ["memory: 1,000,000 sessions need ", "6.0 GiB are free.", "SESSIONS="]),
    ({"files": 1024}, ["files per process: a node of 53 needs 19,731", "1,024 here", "ulimit -Hn"]),
    ({"system_files": 100_000}, ["files of the system", "100,000 can still be opened", "fs.file-max="]),
    ({"ports": 200}, ["ports: ", "the range has 200", "ip_local_port_range"]),
    ({"orphans": 4096}, ["a node of 18,868 sessions is drained", "4,096", "tcp_max_orphans"]),
    ({"tracked": 262_144}, ["connection tracking", "262,144", "nf_conntrack_max"]),
    ({"threads": 1000}, ["threads: 53 nodes and 56 client processes", "1,000", "kernel.threads-max"]),
    ({"loopback": False}, ["127.16.0.1"]),
    ({"programs": ["cc"]}, ["redis-server is not installed"]),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")  # fmt: skip
def test_what_is_missing_is_named(changes: dict[str, Any], said: list[str]) -> None:
    [line] = needs.shortages(machine(**changes), 1_000_000, 53)
    assert all(part in line for part in said), line


def test_as_many_sessions_as_are_said_to_fit_do() -> None:
    small = machine(memory=6 << 30)
    [line] = needs.shortages(small, 1_000_000, 53)
    fits = int(line.split("SESSIONS=")[1].split(" ")[0])
    assert 100_000 < fits < 1_000_000
    assert needs.shortages(small, fits, needs.nodes_for(fits, small.files)) == []


def test_more_than_the_machine_can_is_refused_before_anything_is_started() -> None:
    result = million("--sessions", "900000000")
    assert result.returncode == 2
    assert "missing: memory: 900,000,000 sessions need" in result.stderr and "missing: files of the system" in result.stderr
    result = million("--sessions", "10")
    assert result.returncode == 2 and "at least 100" in result.stderr
    result = million("--sessions", "3000", "--nodes", "1")
    assert result.returncode == 2 and "one of them is drained" in result.stderr


def test_a_curve_ends_with_the_last_delivery() -> None:
    points = curve.cumulative([[1_000_000_000, 10], [1_020_000_000, 30]], 990_000_000, 40)
    assert points == [(0.0, 0), (pytest.approx(0.02), 10), (pytest.approx(0.04), 40)]


def test_a_lost_delivery_misses_a_budget() -> None:
    good = {"deliveries": 30, "missing": 0, "duplicates": 0, "reordered": 0, "lost": 0}
    assert million_page.is_whole(good, 30)
    for name in good:
        assert not million_page.is_whole({**good, name: good[name] + 1}, 30)
