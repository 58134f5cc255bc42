"""Finds where code outside a dialect's folder knows which dialect is spoken.

`Dialect.swift` knows all dialects and hands on to them; a dialect's folder knows its own. Everything else asks traits, so that a
new dialect is a folder and a few cases that the compiler asks for.

    python3 Tests/Style/dialects.py         prints what is found, and in how many files
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DIALECTS = "Codec/Dialects"
#: The one file that may know all of them.
FORWARDING = f"{DIALECTS}/Dialect.swift"
MODULES = ["Authentication", "Backplane", "Codec", "Node", "Reactor"]

STRING = re.compile(r'"(?:\\.|[^"\\])*"')
#: Types of the language and of the standard library that begin as a dialect's do.
FOREIGN = r"(?!RawRepresentable\b|RawValue\b)"
COMPARISONS = {
    "comparison of dialects": r"\b[dD]ialect\)?\s*[!=]=|[!=]=\s*(?:[\w.]+\.)?dialect\b(?!\.)",
    "switch on a dialect": r"\bswitch\s+(?:[\w.()]+\.)?dialect\s*\{",
}


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    code: str
    kind: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.code}"


def folders() -> list[str]:
    return sorted(path.name for path in (REPOSITORY / "Sources" / DIALECTS).iterdir() if path.is_dir())


def names(folder: str) -> dict[str, str]:
    """How code may name the dialect of a folder."""
    case = folder.lower()
    found = {
        f"type of {folder}": rf"\b{FOREIGN}{folder}[A-Z]\w*",
        f"case {case}": rf"(?<![\w)\]?])\.{case}\b(?!\()|\b(?:Dialect|DialectMachine)\.{case}\b",
    }
    # Short words are parts of others.
    if len(folder) > 3:
        found[f"name of {folder}"] = rf"(?i)\w{case}\b|\b{case}\w" if case != "raw" else r"\w(?<!Unsafe)(?<!UnsafeMutable)Raw\b"
    return found


def patterns(file: str) -> dict[str, str]:
    """What is looked for in a file, by what it is called."""
    if file == FORWARDING:
        return {}
    own = Path(file).relative_to(DIALECTS).parts[0] if file.startswith(f"{DIALECTS}/") else ""
    found = dict(COMPARISONS)
    for folder in folders():
        if folder != own:
            found |= names(folder)
    return found


def findings(file: str, text: str) -> Iterator[Finding]:
    looked_for = {kind: re.compile(pattern) for kind, pattern in patterns(file).items()}
    for number, line in enumerate(text.splitlines(), 1):
        code = re.sub(r"//.*", "", STRING.sub('""', line))
        for kind, pattern in looked_for.items():
            if pattern.search(code):
                yield Finding(file, number, line.strip(), kind)
                break


def files() -> list[str]:
    sources = REPOSITORY / "Sources"
    return [str(path.relative_to(sources)) for module in MODULES for path in sorted((sources / module).rglob("*.swift"))]


def all_findings() -> list[Finding]:
    return [finding for file in files() for finding in findings(file, (REPOSITORY / "Sources" / file).read_text())]


def misnamed() -> list[str]:
    """Files outside a dialect's folder that are named for one."""
    return [
        file for file in files() if not file.startswith(f"{DIALECTS}/")
        for folder in folders() if re.search(rf"{folder}(?![a-z])", Path(file).stem)
    ]


if __name__ == "__main__":
    found = all_findings()
    print("\n".join(map(str, found)))
    print(f"{len(found)} in {len({finding.file for finding in found})} files")
