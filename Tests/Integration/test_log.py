"""The log is for people, and nobody in the node waits for whoever reads it."""

import ctypes
import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from rig.node import CARILLON, Node, merged
from rig.waiting import until
from rig.wire import Wire

F_SETPIPE_SZ = 1031


class PipedNode(Node):
    """A node whose log goes to a pipe that is read when the test says so."""

    is_blocking = True

    def launch(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.reader, writer = os.pipe()
        fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, self.is_blocking)
        self._process = subprocess.Popen(
            command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, start_new_session=True,
            env={**os.environ, **(environment or {})})  # fmt: skip
        os.close(writer)
        os.set_blocking(self.reader, False)

    def output(self) -> str:
        return "(its log is a pipe)"

    def read_log(self) -> bytes:
        """What the pipe holds now; nothing when it is empty."""
        found = b""
        while True:
            try:
                part = os.read(self.reader, 1 << 16)
            except BlockingIOError:
                return found
            if not part:
                return found
            found += part


class NonblockingNode(PipedNode):
    is_blocking = False


@pytest.fixture(params=[PipedNode, NonblockingNode], ids=["blocking", "non-blocking"])
def piped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PipedNode]:
    node = request.param("node", tmp_path, log={"audit": "all", "level": "debug"})
    yield node.start()
    node.stop()
    os.close(node.reader)


def test_a_log_that_nobody_reads_stops_nothing(piped: PipedNode) -> None:
    sent = 3000
    subscriber = Wire(piped.client_port, seconds=10)
    subscriber.open("/raw?channel=news")
    with requests.Session() as session:
        for number in range(sent):
            answer = session.post(f"http://{piped.admin}/api/v1/publish", json={"channel": f"c{number}", "text": "x"}, timeout=5)
            assert answer.status_code == 200
    lost = int(piped.api.metric("log_lines_lost_total"))
    assert 0 < lost < sent
    # The node lives: its clients, its API, and the reactors.
    piped.api.publish("news", text="still here")
    assert subscriber.read_frame()[1] == b"still here"
    assert requests.get(f"http://{piped.admin}/health/live", timeout=5).text == "live\n"
    assert piped.api.is_ready()
    # What could be kept comes out whole, and how many could not is said.
    read = b""

    def told() -> bool:
        nonlocal read
        read += piped.read_log()
        return b"lost: the log was not read" in read

    until(told, "the loss is told", 10)
    lines = read.decode().splitlines()
    said = sum(int(found.group(1)) for line in lines if (found := re.search(r"(\d+) log lines? (?:was|were) lost", line)))
    audited = [line for line in lines if "audit: POST /api/v1/publish" in line]
    assert said == int(piped.api.metric("log_lines_lost_total")) and len(audited) + said == sent + 1
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in lines), "a line is broken"
    subscriber.close()


def test_it_ends_though_nobody_reads_its_log(piped: PipedNode) -> None:
    with requests.Session() as session:
        for _ in range(300):
            session.post(f"http://{piped.admin}/api/v1/publish", json={"channel": "a", "text": "x" * 100}, timeout=5)
    piped.send(15)
    assert piped.wait(15) == 0


def test_a_log_that_is_closed_stops_nothing(tmp_path: Path) -> None:
    node = PipedNode("node", tmp_path, log={"audit": "all"})
    node.start()
    os.close(node.reader)
    for _ in range(3):
        node.api.publish("news", text="hello")
    until(lambda: node.api.metric("log_lines_lost_total") >= 3, "lost lines are counted")
    assert node.api.is_ready()
    node.stop()
    assert node.exit_code == 0


def test_why_a_node_cannot_run_is_logged_before_it_ends(tmp_path: Path, node: Node) -> None:
    file = tmp_path / "second.yaml"
    file.write_text(yaml.safe_dump(merged(node.configuration, {"client": {"listen": node.client}})))
    done = subprocess.run([str(CARILLON), "serve", "--config", str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0 and "open files" in done.stderr and node.client in done.stderr


PTRACE_ATTACH_QUIETLY, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


@contextmanager
def stopped(node: Node, thread: str) -> Iterator[None]:
    """One thread of a node stands still, as if it waited for something that never comes (ptrace(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    (task,) = [int(each.name) for each in Path(f"/proc/{node.pid}/task").iterdir() if (each / "comm").read_text().strip() == thread]
    for request in (PTRACE_ATTACH_QUIETLY, PTRACE_INTERRUPT):
        if libc.ptrace(request, task, None, None) != 0:
            pytest.skip(f"ptrace is not allowed here: {os.strerror(ctypes.get_errno())}")
    os.waitpid(task, 0x40000000)
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, task, None, None)


@pytest.mark.parametrize("thread", ["reactor-0", "reactor-1"])
def test_liveness_sees_a_reactor_that_does_not_turn(start_node: Any, thread: str) -> None:
    node = start_node(node={"reactors": 2})
    get = lambda path: requests.get(f"http://{node.admin}{path}", timeout=5)  # noqa: E731
    assert get("/health/live").status_code == 200
    with stopped(node, thread):
        until(lambda: get("/health/live").status_code == 503, "it is not live", 20)
        assert get("/health/live").text.startswith(f"not live: {thread} has not turned for ")
        # Nobody waits for an answer that does not come.
        for path in ("/health/ready", "/metrics", "/api/v1/cluster"):
            answer = get(path)
            assert answer.status_code == 503 and thread in answer.text, (path, answer.text)
    until(lambda: get("/health/live").status_code == 200, "it is live again", 10)
    assert f"{thread} has not turned for" in node.output()
    until(lambda: "all reactors turn again" in node.output(), "that is said too")
    assert node.api.is_ready()
