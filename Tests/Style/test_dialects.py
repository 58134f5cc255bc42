"""No code outside a dialect's folder knows which dialect is spoken."""

import pytest

import dialects

SHARD = "Node/Sessions/Any.swift"

#: What such code looked like.
PLANTED = [
    "if session.pointee.dialect == .centrifuge {",
    "guard session(slot).pointee.dialect != .sse else { return }",
    "if .raw == session.pointee.dialect { return }",
    "if Dialect(path: head.path) == .sse {",
    "switch session.pointee.dialect {",
    "switch session(slot).pointee.dialect {",
    "case .raw: publishRaw(slot)",
    "case .sse, .other:",
    "return Dialect.centrifuge",
    "func close(_ slot: UInt32, _ disconnect: CentrifugeDisconnect) {",
    "SSEEncoder.writeLost(channel.name, to: writer)",
    "RawEncoder.write(publication, to: writer)",
    "func confirmedCentrifuge(_ slot: UInt32) {",
    "var centrifugeError: Failure {",
    "variant = Variant(.raw, over: .webSocket)",
]
#: None of these knows a dialect.
HARMLESS = [
    "switch session.pointee.dialect.traits.login {",
    "if session.pointee.dialect.traits.loss == .isAnnounced {",
    "fields[name] = session.pointee.dialect.name",
    "let bytes = UnsafeRawBufferPointer(start: nil, count: 0)",
    "enum Level: RawRepresentable {",
    "info = claims.raw(name)",
    'log("a centrifuge client: dialect == .centrifuge")',
    "// the centrifuge dialect, CentrifugeEncoder",
    "guard left.rawValue == right.rawValue else { return }",
]


def kinds(file: str, code: str) -> list[str]:
    return [finding.kind for finding in dialects.findings(file, code)]


@pytest.mark.parametrize("code", PLANTED)
def test_the_checker_finds(code: str) -> None:
    assert len(kinds(SHARD, code)) == 1


@pytest.mark.parametrize("code", HARMLESS)
def test_the_checker_lets_pass(code: str) -> None:
    assert kinds(SHARD, code) == []


def test_a_dialect_knows_itself_and_no_other() -> None:
    assert kinds("Codec/Dialects/SSE/Any.swift", "SSEEncoder.write(outcome, to: writer)") == []
    assert kinds("Codec/Dialects/SSE/Any.swift", "CentrifugeEncoder.write(outcome, to: writer)") == ["type of Centrifuge"]
    assert kinds("Codec/Dialects/Any.swift", "SSEEncoder.write(outcome, to: writer)") == ["type of SSE"]


def test_nothing_outside_knows_which_dialect_is_spoken() -> None:
    found = dialects.all_findings()
    assert not found, "\n".join(["ask the traits of the dialect instead:", *map(str, found)])


def test_no_file_is_named_for_a_dialect() -> None:
    assert dialects.misnamed() == []


def test_every_dialect_has_a_folder() -> None:
    cases = [
        line.split()[1] for line in (dialects.REPOSITORY / "Sources" / dialects.FORWARDING).read_text().splitlines()
        if line.startswith("    case ") and "=" in line
    ]
    assert sorted(cases) == sorted(folder.lower() for folder in dialects.folders())
    assert len(dialects.files()) > 200
