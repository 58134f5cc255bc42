"""Nothing in the code that handles foreign values may trap without a reason why it cannot."""

import pytest

import traps

DECODING = "Sources/Codec/Any.swift"
SESSIONS = "Sources/Node/Sessions/Any.swift"
LINK = "Sources/Backplane/Redis/Any.swift"

#: In strict modules each of these is found, under this name.
FOUND = {
    "let name = names[0]!": "forced unwrapping",
    "records[own]!.summary = summary": "forced unwrapping",
    "var commands: RedisConnection!": "forced unwrapping",
    "let text = try! decode(bytes)": "try!",
    "let node = value as! Node": "as!",
    'precondition(count > 0, "empty")': "precondition",
    'guard count > 0 else { fatalError("empty") }': "precondition",
    "unowned let owner: Watch": "unowned",
    "Dictionary(uniqueKeysWithValues: pairs)": "duplicate keys",
    "let sum = Int(offset)": "conversion",
    "writer.append(decimal: UInt64(clients))": "conversion",
    "let port = UInt16(number)": "conversion",
    "let decoder = JSONDecoder()": "decoding of any depth",
    "pthread_create(&thread, nil, body, context)": "thread without a stack size",
}
#: None of these can trap.
PASSED = [
    "guard left != right else { return !isOpen }",
    "let number = Int(clamping: offset)",
    "let number = UInt32(exactly: offset)",
    "guard let number = Int(text) else { return nil }",
    "guard text.count < 6, let port = UInt16(text.dropFirst(max(1, 2))), port > 0 else { return nil }",
    "let size = UInt64(bytes.count)",
    "let length = Int(UInt16(bigEndian: raw))",
    "let first = Int(bytes[14])",
    'log("it cannot be! Int(offset)")',
    "// records[own]! would trap",
    "precondition(count > 0)  // trap-ok: our own call, from one place",
    "// trap-ok: our own call, from one place\nprecondition(count > 0)",
]


@pytest.mark.parametrize(("code", "kind"), FOUND.items())
def test_the_checker_finds(code: str, kind: str) -> None:
    assert [finding.kind for finding in traps.findings(DECODING, code)] == [kind]


@pytest.mark.parametrize("code", PASSED)
def test_the_checker_lets_pass(code: str) -> None:
    assert list(traps.findings(DECODING, code)) == []


def test_a_reason_is_for_one_line_only() -> None:
    code = "let first = names[0]!  // trap-ok: never empty\nlet second = names[1]!"
    assert [finding.line for finding in traps.findings(DECODING, code)] == [2]


def test_a_reason_has_to_be_given() -> None:
    assert len(list(traps.findings(DECODING, "let first = names[0]!  // trap-ok:"))) == 1


def test_modules_that_decode_nothing_are_looked_at_for_what_may_be_too_small() -> None:
    assert list(traps.findings(SESSIONS, "let index = Int(slot)")) == []
    assert [finding.kind for finding in traps.findings(SESSIONS, "let index = UInt8(slot)")] == ["narrowing conversion"]


@pytest.mark.parametrize("code", ["let next = position.offset + 1", "stream.offset += 1", "if offset - 1 > 0 {"])
def test_numbers_of_messages_are_not_reckoned_with(code: str) -> None:
    assert [finding.kind for finding in traps.findings(LINK, code)] == ["arithmetic"]
    assert list(traps.findings(LINK, code.replace("+", "&+").replace("-", "&-"))) == []


def test_everything_that_can_trap_has_a_reason() -> None:
    unexplained = traps.unexplained()
    assert not unexplained, "\n".join(
        ["give a reason (// trap-ok: … or Tests/Style/traps.txt), or use what cannot trap:", *map(str, unexplained)])


def test_no_reason_is_left_of_code_that_is_gone() -> None:
    assert traps.outdated() == []


def test_enough_is_looked_at() -> None:
    """The patterns still match: a renamed folder or a broken pattern would find nothing."""
    files = {finding.file for finding in traps.all_findings()}
    assert len(files) > 30 and len(traps.all_findings()) > 100
