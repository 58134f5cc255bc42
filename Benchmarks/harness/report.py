"""What came out: a table for the terminal, Markdown for the documentation, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

from .rows import Row, comparison

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def verdict(row: Row) -> str:
    if row.value is None:
        return "NOT MEASURED"
    if row.met is None:
        return "–"
    return "met" if row.met else "MISSED"


def table(rows: list[Row]) -> str:
    """Columns for a terminal."""
    cells = [("what", "budget", "measured", "")]
    cells += [(row.what, row.budget, row.measured, verdict(row)) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells]
    lines.insert(1, "  ".join("─" * width for width in widths))
    notes = [f"{row.what}: {row.note}" for row in rows if row.note]
    return "\n".join(lines + ([""] + notes if notes else []))


def changes(rows: list[Row]) -> str:
    """Both builds beside each other; nothing where only one was measured."""
    cells = [("what", "before", "now", "now / before")]
    cells += [(what, figure(before), figure(now), f"{change:.2f} ×") for what, before, now, change in comparison(rows)]
    if len(cells) == 1:
        return ""
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n" + "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells)


def figure(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(rows: list[Row], machine: dict[str, str], labels: dict[str, str], date: str) -> str:
    lines = [BEGIN, "", f"Measured {date} with `make bench` on: "
             + "; ".join(f"{name} {value}" for name, value in machine.items() if value) + ".", ""]
    lines += ["| what | budget | measured | |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.budget} | {row.measured} | {verdict(row)} |" for row in rows]
    shown = [key for key in labels if any(key in row.figures for row in rows)]
    lines += ["", "The figures behind the ratios, medians:", "",
              "| | " + " | ".join(labels[key] for key in shown) + " |", "|---|" + "---:|" * len(shown)]
    for row in rows:
        if row.figures:
            unit = f" ({row.unit})" if row.unit else ""
            lines.append(f"| {row.what}{unit} | " + " | ".join(figure(row.figures.get(key)) for key in shown) + " |")
    notes = [f"- {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join(lines + ([""] + notes if notes else []) + ["", END, ""])


def write(directory: Path, document: dict, text: str, chart: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "latest.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    (directory / "latest.md").write_text(text)
    (directory / "latest.svg").write_text(chart)


def write_documentation(docs: Path, text: str, chart: str) -> str:
    """Puts the chart beside docs/performance.md and the tables between its two marks."""
    docs.mkdir(exist_ok=True)
    (docs / "performance.svg").write_text(chart)
    page = docs / "performance.md"
    old = page.read_text() if page.exists() else ""
    if BEGIN not in old or END not in old:
        return f"{page} has no place for the tables: put the lines {BEGIN} and {END} where they belong"
    before, rest = old.split(BEGIN, 1)
    page.write_text(before + text.rstrip() + rest.split(END, 1)[1])
    return f"{page} and performance.svg are up to date"
