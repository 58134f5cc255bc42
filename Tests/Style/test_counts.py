"""A count that may be one is followed by the right word: `1 session`, `2 sessions`."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

#: What messages count. Units and sizes have one form, or are far from one.
NOUNS = (
    "channels|clients|connections|deliveries|entries|events|fields|keys|lines|members|messages|minutes|nodes|pictures|problems|publications"
    "|reloads|requests|rows|sessions|subscribers|subscriptions|times|users|versions|viewers|warnings"
)
#: In front of a limit, which is a constant that is not one, or a number behind which the plural is always right.
LIMIT = r"(?:at most|more than|at least|\bto|last)\s*$"
SWIFT = re.compile(rf"\\\((?!things\()(?:[^()\"]|\((?:[^()]|\([^()]*\))*\))*\) (?:\w+ )?(?:{NOUNS})\b")
SCRIPT = re.compile(rf"\$\{{(?!things\()[^{{}}`]*\}} (?:\w+ )?(?:{NOUNS})\b")

#: Where the number is never one.
NEVER_ONE = {
    "${sorted.length} versions": "said of several versions",
    "${versions.size} versions": "said of several versions",
    r"\(nodes) nodes": "said of several nodes",
    r"\(count) keys": "more than JWKSet.maximumKeys",
}


def counted(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    for found in pattern.finditer(text):
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        if re.search(LIMIT, line) or line.lstrip().startswith(("//", "*")) or found.group(0) in NEVER_ONE:
            continue
        yield found.group(0)


@pytest.mark.parametrize(("folder", "suffix", "pattern"), [
    ("Sources", "*.swift", SWIFT), ("Benchmarks", "*.swift", SWIFT), ("Sources", "*.js", SCRIPT), ("examples", "*.js", SCRIPT),
])  # fmt: skip
def test_counts_have_the_right_word(folder: str, suffix: str, pattern: re.Pattern[str]) -> None:
    files = sorted((REPOSITORY / folder).rglob(suffix))
    found = [(str(file.relative_to(REPOSITORY)), text) for file in files for text in counted(file.read_text(), pattern)]
    assert len(files) > 10 and found == [], "say it with things(count, \"session\")"


def test_the_checker_finds() -> None:
    for text in (r'"\(left) sessions are left"', r'"\(max(0, left)) sessions"', r'"x: \(report.applied.count) keys have"', r'"\(missed) missed publications"'):
        assert len(list(counted(text, SWIFT))) == 1, text
    assert len(list(counted("`${count(n)} sessions`", SCRIPT))) == 1
    for text in (r'"at most \(limit) channels"', r'"\(things(left, "session")) left"', r'"1 to \(maximum) channels"', r'"\(size) bytes"'):
        assert not list(counted(text, SWIFT)), text
    assert not list(counted("`${things(n, 'session')} of the last ${most} messages`", SCRIPT))
