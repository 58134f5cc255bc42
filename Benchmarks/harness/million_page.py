"""What `Benchmarks/million.py` says of its result: budgets, the tables of docs/million.md, the picture."""

from __future__ import annotations

import statistics
from typing import Any

from . import curve
from .report import BEGIN, END, figure

TO_LAST, PRIVATE = 1.15, 512
#: The floor's turns.
FLOOR = ("floor", "floor_again")


def budgets(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What is asked, what was measured, and whether it is met."""
    found: list[dict[str, Any]] = []
    sessions, ours = document["sessions"], document["carillon"]
    floor = [time for key in FLOOR if key in document for time in document[key]["to_last_ms"]]

    def add(what: str, budget: str, measured: str, met: bool) -> None:
        found.append({"what": what, "budget": budget, "measured": measured, "met": met})

    counts = ours["counts"]
    add(f"{len(ours['to_last_ms'])} messages, each to {sessions:,} sessions", "all delivered, none twice, nobody lost",
        f"{counts['deliveries']:,} of {ours['expected_deliveries']:,} deliveries, {counts['duplicates']:,} twice, {counts['lost']:,} lost",
        is_whole(counts, ours["expected_deliveries"]))
    if floor:
        ratio = ours["to_last_median_ms"] / statistics.median(floor)
        turns = [ours["to_last_median_ms"] / document[key]["to_last_median_ms"] for key in FLOOR if key in document]
        each = " (" + ", ".join(f"{turn:.2f} × its turn {when}" for turn, when in zip(turns, ("before", "after"))) + ")"
        add("time to the last session, median", f"≤ {TO_LAST} × the floor's, both turns together", f"{ratio:.2f} × the floor's{each}", ratio <= TO_LAST)
    add("private memory of the nodes for each session", f"≤ {PRIVATE} B", f"{ours['private_per_session']:.0f} B", ours["private_per_session"] <= PRIVATE)
    kill = ours["history"]
    add("with history, Redis killed and brought back", "nothing accepted is lost, nobody disconnected",
        f"{kill['counts']['deliveries']:,} of {kill['expected_deliveries']:,} deliveries, {kill['counts']['lost']:,} disconnected",
        is_whole(kill["counts"], kill["expected_deliveries"]) and kill["counts"]["returned"] == kill["counts"]["away"] == 0)
    drain = ours["drain"]
    add("one node drained", "its sessions are back on others, and the next message is at all",
        f"{drain['counts']['returned']:,} of {drain['sessions_before']:,} back, {drain['counts']['deliveries']:,} of {drain['expected_deliveries']:,} deliveries",
        is_whole(drain["counts"], drain["expected_deliveries"]) and drain["counts"]["away"] == 0 and drain["sessions_after"] == 0)
    return found


def is_whole(counts: dict[str, Any], expected: int) -> bool:
    return counts["deliveries"] == expected and counts["missing"] == counts["duplicates"] == counts["reordered"] == counts["lost"] == 0


def table(rows: list[dict[str, Any]]) -> str:
    """Columns for a terminal."""
    cells = [("what", "budget", "measured", "")] + [(row["what"], row["budget"], row["measured"], verdict(row)) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]])


def verdict(row: dict[str, Any]) -> str:
    return "met" if row["met"] else "MISSED"


def figures(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """What was measured, of ours and of the floor before and after."""
    ours = document["carillon"]
    floors = [document.get(key) or {} for key in FLOOR]
    kill, drain = ours["history"], ours["drain"]

    def both(what: str, key: str, scale: float = 1.0) -> tuple[str, ...]:
        return what, *(figure(each[key] * scale) if key in each else "–" for each in (ours, *floors))

    def spread(each: dict[str, Any]) -> str:
        return f"{min(each['to_last_ms']) / 1000:.2f} to {max(each['to_last_ms']) / 1000:.2f}" if each else "–"

    def of_ours(what: str, value: str) -> tuple[str, ...]:
        return what, value, "–", "–"

    return [
        both("sessions connected per second", "per_second"),
        both("time to the last session, median of ten messages (s)", "to_last_median_ms", 0.001),
        ("the same, shortest and longest (s)", spread(ours), *map(spread, floors)),
        both("CPU of the servers per delivery (µs)", "cpu_us_per_delivery"),
        of_ours("CPU of Redis while a message is delivered (ms)", figure(ours["redis_cpu_ms_per_broadcast"])),
        of_ours("private memory of the nodes for each session (B)", figure(ours["private_per_session"])),
        of_ours("the same with what nodes need without sessions (B)", figure(ours["private_per_session_with_base"])),
        of_ours("private memory of a node without sessions (MB)", figure(ours["node_base"] / 1e6)),
        both("memory of the kernel for each session, both ends (B)", "kernel_per_session"),
        of_ours("Redis was away (s)", figure(kill["away_seconds"])),
        of_ours("the first publication after that is accepted, after Redis is back (s)", figure(kill["accepted_after_seconds"])),
        of_ours("and is at the last session, after it is accepted (s)", figure(kill["to_last_after_accepted_ms"] / 1000)),
        of_ours("sessions of the drained node", f"{drain['sessions_before']:,}"),
        of_ours("all of them are back on other nodes, after the command (s)", figure(drain["back_seconds"])),
        of_ours("sessions of the fullest node then", f"{drain['fullest_node_after']:,}"),
    ]


def markdown(document: dict[str, Any]) -> str:
    machine = "; ".join(f"{name} {value}" for name, value in document["machine"].items() if value)
    lines = [BEGIN, "", f"Measured {document['date']} with `{document['command']}`, in {document['seconds']:,} s, on: {machine}.", "",
             "| what | budget | measured | |", "|---|---|---|---|"]
    lines += [f"| {row['what']} | {row['budget']} | {row['measured']} | {verdict(row)} |" for row in document["budgets"]]
    lines += ["", "| | Carillon | C floor, before | and after |", "|---|---:|---:|---:|"]
    lines += ["| " + " | ".join(cells) + " |" for cells in figures(document)]
    return "\n".join([*lines, "", END, ""])


def picture(document: dict[str, Any]) -> str:
    curves = {}
    turns = [document[key] for key in FLOOR if key in document]
    # Of the floor's two turns the quicker one.
    turns = sorted(turns, key=lambda each: float(each["to_last_median_ms"]))[:1]
    for kind, label, each in [("floor", "C floor: one send for each client", each) for each in turns] + [("ours", "Carillon", document["carillon"])]:
        if each:
            points = curve.cumulative(each["curve"]["samples"], each["curve"]["published"], document["sessions"])
            curves[kind] = (f"{label}, {each['to_last_median_ms'] / 1000:.2f} s", points)
    about = f"{document['nodes']:,} nodes · {document['machine']['processor']} for nodes and clients · {document['date']} · the median of ten messages"
    return curve.draw(curves, document["sessions"], about)
