"""The Autobahn suite against a running node: 301 cases of RFC 6455 and, with `--everything`, 216 of RFC 7692.

The suite needs a server that sends back what it gets. Here that is a session which publishes to the channel it is
subscribed to: `/raw?channel=echo`. All cases share that channel, which is no matter, because they run one after the
other and each has left before the next one comes. The node has one reactor: what goes from one reactor to another takes
a hop, and cases that measure how soon something comes back would measure that hop.

Two runners know the cases (`runners.py`). `kosoku` comes from PyPI and is the gate of every run. The suite itself,
`autobahntestsuite`, runs on Python 2.7 only: with `--everything`, and when it is there (`autobahn.sh` installs it).
Which one judged is told in the output.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rig.node import Node
from rig.wire import Wire, upgrade
from runners import Autobahn, Kosoku, Report, Runner

#: Groups 12 and 13, permessage-deflate.
COMPRESSION = ["12.*", "13.*"]
#: How many cases there are, so that none is left out unseen.
WITHOUT_COMPRESSION, WITH_COMPRESSION = 301, 216
#: The most that `kosoku` 0.1.0 was seen to fail at by its own doing.
KOSOKU_CANNOT = 30

PATH = "/raw?channel=echo"

#: Messages of 16 MiB (9.1, 9.2), of 65,536 fragments (9.3, 9.4), 1000 of them at once (9.7, 9.8). `outbound_bytes` is for
#: the echo of one message and a part of the next.
LIMITS: dict[str, Any] = {
    "message_bytes": "16MiB", "fragments": 1_000_000, "outbound_bytes": "64MiB", "publish_rate": 0,
}  # fmt: skip

RUNNERS = [
    pytest.param(Kosoku(), id="kosoku"),
    pytest.param(Autobahn(), id="autobahn", marks=pytest.mark.long),
]


def echo(directory: Path, **limits: Any) -> Node:
    channels = [{"match": "echo", "subscribe": "anyone", "publish": "client"}]
    return Node("echo", directory, node={"name": "echo", "reactors": 1}, channels=channels, limits=limits)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One node for all cases, because it has to survive all of them."""
    started = echo(tmp_path_factory.mktemp("conformance"), **LIMITS).start()
    yield started
    assert started.is_running, started.output()[-3000:]
    started.stop()


def judge(
    runner: Runner, node: Node, directory: Path, capsys: pytest.CaptureFixture[str], *, include: list[str] | None = None,
    exclude: list[str] | None = None, seconds: float = 240,
) -> Report:  # fmt: skip
    """Lets a runner judge the node, and says loudly who it was."""
    if runner.program is None:
        # The gate may not be left out because nobody installed it.
        (pytest.skip if isinstance(runner, Autobahn) else pytest.fail)(runner.missing)
    report = runner.run(node.client + PATH, include or [], exclude or [], directory / "report", seconds)
    with capsys.disabled():
        print(f"\nCONFORMANCE JUDGED BY {report}", flush=True)
    return report


def assert_all_good(report: Report, count: int) -> None:
    failures = report.failures()
    told = "\n".join(f"{case}: {why}" for case, why in failures.items())
    assert not failures, f"{len(failures)} of {len(report.cases)} cases, by {report.runner}:\n{told}\n{report.directory}"
    assert len(report.cases) == count, f"{report.runner} ran {len(report.cases)} cases; right would be {count}"


def negotiates_deflate(node: Node) -> bool:
    """Whether the node answers an offer of permessage-deflate (RFC 7692 5)."""
    with Wire(node.client_port) as wire:
        head = wire.send(upgrade(PATH, Sec_WebSocket_Extensions="permessage-deflate")).read_head().lower()
    assert head.startswith(b"http/1.1 101 "), head
    return b"\r\nsec-websocket-extensions: permessage-deflate" in head


@pytest.mark.parametrize("runner", RUNNERS)
def test_every_case_without_compression(
    runner: Runner, node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = judge(runner, node, tmp_path, capsys, exclude=COMPRESSION)
    assert_all_good(report, WITHOUT_COMPRESSION)


@pytest.mark.long
@pytest.mark.timeout(1900)
@pytest.mark.parametrize("runner", RUNNERS)
def test_every_case_with_compression(
    runner: Runner, node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not negotiates_deflate(node):
        pytest.skip("the node does not answer Sec-WebSocket-Extensions: there is no permessage-deflate to judge")
    report = judge(runner, node, tmp_path, capsys, include=COMPRESSION, seconds=1800)
    unrun = report.drop_unrun(Kosoku.own_error) if isinstance(runner, Kosoku) else []
    if unrun:
        with capsys.disabled():
            print(f"{len(unrun)} CASES KOSOKU CANNOT RUN, so the suite itself has to: {', '.join(unrun)}", flush=True)
    assert len(unrun) <= KOSOKU_CANNOT
    assert_all_good(report, WITH_COMPRESSION - len(unrun))


def test_the_limits_are_low_when_nobody_raises_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the cases above are allowed, nobody else is; and a case that fails is seen to fail."""
    node = echo(tmp_path).start()
    try:
        report = judge(Kosoku(), node, tmp_path, capsys, include=["1.1.6", "9.1.6", "9.3.9"])
    finally:
        node.stop()
    # 65,535 bytes; 16 MiB in one frame; 4 MiB in fragments of 4 MiB.
    assert set(report.failures()) == {"9.1.6", "9.3.9"}, report.failures()
    assert {report.cases[case]["remoteCloseCode"] for case in report.failures()} == {1009}
