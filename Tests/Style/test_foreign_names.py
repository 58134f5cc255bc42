"""Names from outside are bytes: no dictionary or set compares them as Swift compares a `String`."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STRICT = ["Authentication", "Backplane", "Codec", "Node"]
PATTERN = re.compile(r"\[String: |Set<String>|Dictionary<String")

#: Where the keys are a `String`, and why nobody outside can choose two that Unicode has for equal.
ALLOWED = {
    "Codec/WebSocket/Deflate/DeflateAgreement.swift": "tokens of RFC 7230: ASCII",
    "Node/Admin/APIError.swift": "names of headers that we send",
    "Node/Admin/Query.swift": "names of parameters: anything but the known ones is refused before",
    "Node/Auth/HeaderForwarding.swift": "names of header fields: tokens of RFC 7230, ASCII",
    "Node/Configuration/Configuration.swift": "paths of our configuration keys",
    "Node/Configuration/ConfigurationSource.swift": "names of environment variables, the operator's own",
    "Node/Configuration/Keys/ConfigurationKey.swift": "paths of our configuration keys",
    "Node/Configuration/Keys/ListKeys.swift": "paths of our configuration keys",
    "Node/Configuration/ConfigurationLists.swift": "origins as the operator wrote them",
    "Node/Configuration/ConfigurationReader.swift": "names of environment variables and keys, the operator's own",
    "Node/Configuration/Misspelling.swift": "names of environment variables, the operator's own",
    "Node/Listener/OriginRule.swift": "origins as the operator wrote them; an Origin is compared only when it is ASCII",
    "Node/Hub/ShardInspection.swift": "reasons that we write ourselves",
    "Node/Metrics/MetricsPage.swift": "reasons that we write ourselves",
    "Node/Metrics/Prometheus.swift": "reasons that we write ourselves",
    "Node/Webhooks/WebhookBooks.swift": "ids of webhooks: hexadecimal digits that we write ourselves",
    "Node/Sessions/RefusalLog.swift": "reasons that we write ourselves",
    "Node/Log/LogGate.swift": "files and lines of our sources",
}


def uses() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for module in STRICT:
        for file in sorted((REPOSITORY / "Sources" / module).rglob("*.swift")):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                code = line.split("//")[0]
                if PATTERN.search(code):
                    found.setdefault(str(file.relative_to(REPOSITORY / "Sources")), []).append(f"{number}: {line.strip()}")
    return found


def test_names_from_outside_are_not_compared_as_strings() -> None:
    unknown = {file: lines for file, lines in uses().items() if file not in ALLOWED}
    assert not unknown, f"use ForeignText or bytes, or say in ALLOWED why it is safe: {unknown}"


def test_no_reason_outlives_its_code() -> None:
    assert not set(ALLOWED) - set(uses())


def test_the_checker_finds() -> None:
    for line in ("var users: [String: Int] = [:]", "let seen: Set<String> = []"):
        assert PATTERN.search(line)
    assert not PATTERN.search("let users: [ForeignText: Int] = [:]")
