"""`carillon top`, `tail` and `trace`."""

import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rig.cluster import Cluster
from rig.node import CARILLON, Node
from rig.waiting import until
from rig.wire import Wire, frame


@contextmanager
def running(node: Node, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [str(CARILLON), *arguments, "--admin", f"http://{node.admin}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_top_prints_one_snapshot(cluster: Cluster) -> None:
    node = cluster.nodes[1]
    wires = [Wire(cluster.nodes[0].client_port).open("/raw?channel=news") for _ in range(3)]
    until(lambda: node.api.cluster()["sessions"] == 3, "the sessions are seen")
    until(lambda: node.api.get("/api/v1/series")["nodes"][0]["sessions"], "there are samples")
    printed = node.command("top", "--once")
    assert printed.returncode == 0, printed.stderr
    lines = printed.stdout.splitlines()
    assert lines[0] == "All 3 nodes are linked, and no limit was reached in the last minute."
    assert any(line.startswith("sessions") and "3" in line for line in lines)
    for name in ("node-1", "node-2 *", "node-3", "news"):
        assert any(line.startswith(name) for line in lines), printed.stdout
    assert "\x1b" not in printed.stdout and max(map(len, lines)) <= 100
    narrow = subprocess.run(
        [str(CARILLON), "top", "--once", "--admin", f"http://{node.admin}"], capture_output=True, text=True,
        timeout=60, check=True, env={**os.environ, "COLUMNS": "60"})
    assert len(narrow.stdout.splitlines()[0]) <= 60
    for wire in wires:
        wire.close()


def test_top_refreshes_a_terminal(node: Node) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [str(CARILLON), "top", "--interval", "1", "--admin", f"http://{node.admin}"], stdin=follower, stdout=follower,
        stderr=follower)
    os.close(follower)
    seen = ""
    try:
        deadline = time.monotonic() + 20
        while seen.count("\x1b[H") < 2 and time.monotonic() < deadline:
            if select.select([leader], [], [], 0.5)[0]:
                seen += os.read(leader, 65536).decode()
        assert seen.count("\x1b[H") >= 2 and "sessions" in seen
        # Nothing has to be put back when it is interrupted: no other screen, no hidden cursor.
        assert "\x1b[?" not in seen
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def test_top_shows_limits_and_hostile_names(start_node: Any) -> None:
    node: Node = start_node(limits={"publish_rate": 1, "publish_burst": 1})
    with Wire(node.client_port).open("/raw?channel=a%c2%9b31m%e2%80%aered") as wire:
        until(lambda: node.api.get("/api/v1/series")["nodes"][0]["sessions"], "limits are watched")
        wire.send(frame(b"1") + frame(b"2") + frame(b"3"))
        until(lambda: node.api.get("/api/v1/problems")["limits"], "the limit bites")
        printed = node.command("top", "--once").stdout
        assert "limits.publish_rate" in printed and "\x9b" not in printed


def test_commands_say_what_is_wrong_with_their_arguments(node: Node) -> None:
    for arguments in (["top", "--interval", "0"], ["top", "--json"], ["tail", "a", "--count", "0"], ["trace", "a", "--seconds", "301"]):
        assert node.command(*arguments).returncode == 64, arguments
    refused = node.command("tail", "not a name")
    assert refused.returncode == 1 and "invalid_channel" in refused.stderr
    refused = node.command("trace", "nobody")
    assert refused.returncode == 1 and "invalid_connection" in refused.stderr
    nobody = subprocess.run(
        [str(CARILLON), "tail", "a", "--admin", "http://127.0.0.1:1"], capture_output=True, text=True, timeout=60, check=False)
    assert nobody.returncode == 1 and "no node answers" in nobody.stderr


def test_tail_prints_publications(node: Node) -> None:
    with running(node, "tail", "news", "--count", "3") as process:
        assert process.stderr and "reading along" in process.stderr.readline()
        node.api.publish("news", text="good\nmorning \x1b[2J")
        node.api.publish("news", binary=b"\x00\xff")
        node.api.publish("news", data={"n": 1})
        printed, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        lines = printed.splitlines()
        assert len(lines) == 3 and lines[0].endswith("good\\nmorning \\u001b[2J") and "\x1b" not in printed
        assert lines[1].endswith("base64:AP8=") and lines[2].endswith('{"n": 1}')


def test_tail_prints_json(node: Node) -> None:
    with running(node, "tail", "news", "--count", "1", "--json") as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        assert first == {"event": "listening", "node": node.id, "channel": "news"}
        node.api.publish("news", text="x")
        published = json.loads(process.stdout.readline())
        assert published["event"] == "publication" and published["data"] == "x" and published["bytes"] == 1
        assert process.wait(20) == 0


def test_trace_prints_messages_from_any_node(cluster: Cluster) -> None:
    with Wire(cluster.nodes[0].client_port).open("/raw?channel=a") as wire:
        [connection] = until(lambda: cluster.nodes[1].api.connections(), "the connection")
        with running(cluster.nodes[1], "trace", connection["id"], "--seconds", "20") as process:
            assert process.stderr and process.stdout and "tracing for 20 s" in process.stderr.readline()
            wire.send(frame(b"hello\x1b"))
            line = process.stdout.readline()
            assert " in " in line and " text " in line and line.endswith("hello\\u001b\n")
            assert " out " in process.stdout.readline()
            wire.close()
            assert "closed" in process.communicate(timeout=20)[1] and process.returncode == 0
