"""Finds what may end the process in the code that handles foreign values.

A number, an index or a text from outside must not reach an operation that traps. The compiler does not see which values are
foreign, so every operation that can trap is listed here with the reason why it cannot, and a new one fails the suite until
somebody has given its reason: as a comment `// trap-ok: REASON` on its line or on the line before, or in traps.txt.

    python3 Tests/Style/traps.py            prints what has no reason yet, in the form of traps.txt
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("traps.txt")
COMMENT = re.compile(r"//\s*trap-ok:\s*\S+")

#: Where bytes of others become values: every conversion is looked at.
STRICT = ["Codec", "Backplane", "Node/Cluster", "Node/Admin", "Node/Auth", "Authentication"]
#: Where only values arrive that were judged before: conversions to a type that may be too small are looked at.
NARROWING = ["Node/Sessions", "Node/Channels", "Node/FanOut", "Node/Admittance", "Node/Hub", "Node/Listener"]
#: Everywhere else in the node, only what traps whatever the numbers are.
REST = ["Node", "Reactor", "Files"]

#: Always.
TRAPS = {
    "try!": r"\btry!",
    "as!": r"\bas!",
    "forced unwrapping": r"(?<=[\w)\]}\"])!(?![=\w])",
    "precondition": r"\b(?:precondition|preconditionFailure|fatalError|assertionFailure)\(",
    "unowned": r"\bunowned\b",
    "duplicate keys": r"\buniqueKeysWithValues:",
    "unchecked cast": r"\b(?:unsafelyUnwrapped|unsafeDowncast|unsafeBitCast)\b",
    "decoding of any depth": r"\b(?:JSONDecoder|JSONSerialization|PropertyListDecoder)\b",
    "thread without a stack size": r"\bpthread_create\(|\bThread\s*[({]",
}
#: The labels of initialisers that cannot trap, and arguments that always fit.
FITS = (
    r"(?!(?:clamping|truncatingIfNeeded|exactly|bitPattern|bigEndian|littleEndian|ascii):|\)|\"|\d+\)"
    # A length, a byte and a smaller integer fit into what is wider, a constant of the system into what it is made for.
    r"|[\w.?]*\bcount\)|(?:byte|digit)\)|(?:bytes|whole|raw)\[[^]]*\]\)|UInt(?:8|16|32)\(bigEndian:|[A-Z][A-Z0-9_]+\))"
)
CONVERSION = rf"\b(?:U?Int(?:8|16|32|64)?)\({FITS}"
NARROW = rf"\b(?:U?Int(?:8|16|32))\({FITS}"
#: Arithmetic on what messages of Redis and other nodes hold.
ARITHMETIC = r"\b(?:offset|epoch|sequence|expiresAt)\s*(?<!&)[-+*]=?\s*\w"
#: An initialiser that is bound with `let` in a condition is one that fails instead of trapping.
FAILABLE = re.compile(
    r"(?:\b(?:guard|if|while)\s+|,\s*|^\s*)(?:let|var)\s+\w+\s*=\s*U?Int(?:8|16|32|64)?\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*(?:,|else|\{)"
)

STRING = re.compile(r'"(?:\\.|[^"\\])*"')


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    code: str
    kind: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.code}"


def patterns(file: str) -> dict[str, str]:
    """What is looked for in a file, by what it is called."""
    def lies_in(places: list[str]) -> bool:
        return any(file.startswith(f"Sources/{place}/") for place in places)

    if lies_in(STRICT):
        found = {**TRAPS, "conversion": CONVERSION}
        return found if file.startswith("Sources/Codec/") else {**found, "arithmetic": ARITHMETIC}
    return {**TRAPS, "narrowing conversion": NARROW} if lies_in(NARROWING) else TRAPS


def code_of(line: str) -> str:
    """A line without its texts and comments."""
    return re.sub(r"//.*", "", STRING.sub('""', line))


def findings(file: str, text: str) -> Iterator[Finding]:
    """What may trap in a file and has no comment that gives the reason why it does not."""
    looked_for = {kind: re.compile(pattern) for kind, pattern in patterns(file).items()}
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if COMMENT.search(line) or (number > 1 and lines[number - 2].lstrip().startswith("//") and COMMENT.search(lines[number - 2])):
            continue
        code = code_of(line)
        if line.lstrip().startswith(("case ", "default:")) is False and FAILABLE.search(code):
            code = FAILABLE.sub("", code)
        for kind, pattern in looked_for.items():
            if pattern.search(code):
                yield Finding(file, number, line.strip(), kind)
                break


@cache
def all_findings() -> list[Finding]:
    return [
        finding
        for place in [*STRICT, *NARROWING, *REST]
        for path in sorted((REPOSITORY / "Sources" / place).rglob("*.swift"))
        if place not in REST or not any(path.is_relative_to(REPOSITORY / "Sources" / other) for other in STRICT + NARROWING)
        for finding in findings(str(path.relative_to(REPOSITORY)), path.read_text())
    ]


def reasons(text: str) -> dict[tuple[str, str], str]:
    """The table: `[FILE]`, then lines of code, each followed by `  # REASON`. A reason `"` is that of the line before."""
    found: dict[tuple[str, str], str] = {}
    file, last = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            file = line.strip()[1:-1]
            continue
        code, separator, reason = line.rpartition("  # ")
        if reason.strip() == '"':
            reason = last
        assert separator and file and len(reason) > 8, f"traps.txt:{number}: not 'CODE  # REASON'"
        assert (file, code.strip()) not in found, f"traps.txt:{number}: a second time"
        found[file, code.strip()] = last = reason
    return found


def unexplained() -> list[Finding]:
    explained = reasons(TABLE.read_text())
    return [finding for finding in all_findings() if (finding.file, finding.code) not in explained]


def outdated() -> list[tuple[str, str]]:
    """Lines of the table that no code has any more."""
    present = {(finding.file, finding.code) for finding in all_findings()}
    return [entry for entry in reasons(TABLE.read_text()) if entry not in present]


if __name__ == "__main__":
    file = ""
    for finding in unexplained():
        if finding.file != file:
            file = finding.file
            print(f"\n[{file}]")
        print(f"{finding.code}  # ({finding.kind})")
