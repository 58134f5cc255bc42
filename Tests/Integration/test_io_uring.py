"""How a node sends: in batches through io_uring where it may, and one by one where it may not. Clients get the same."""

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import yaml

from rig import forbid
from rig.node import CARILLON, Node
from rig.receivers import WebsocketsClient
from rig.waiting import until

#: More than one batch.
CLIENTS = 150
SINGLE_ISSUER, DEFER_TASKRUN = 1 << 12, 1 << 13


@pytest.fixture(autouse=True)
def nobody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests also run with this variable set."""
    monkeypatch.delenv("CARILLON_NODE_IO_URING", raising=False)


def is_allowed() -> bool:
    """Whether this machine has an io_uring that does what a node needs."""
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = (ctypes.c_uint32 * 30)()
    parameters[2] = SINGLE_ISSUER | DEFER_TASKRUN
    ring = libc.syscall(ctypes.c_long(forbid.IO_URING["io_uring_setup"]), ctypes.c_uint(8), parameters)
    if ring < 0:
        return False
    os.close(ring)
    return True


def rings(node: Node) -> int:
    links = (os.readlink(link) for link in Path(f"/proc/{node.pid}/fd").iterdir())
    return sum(link == "anon_inode:[io_uring]" for link in links)


def deliver(node: Node, count: int = CLIENTS) -> list[WebsocketsClient]:
    """Publications of several sizes reach all clients, each once and in order."""
    clients = [WebsocketsClient(node.client, "news") for _ in range(count)]
    until(lambda: node.api.subscribers("news") == count, "all are subscribed", 30)
    texts = [f"{number} " + "x" * (number * 700 % 30_000) for number in range(50)]
    for text in texts:
        node.api.publish("news", text=text)
    until(lambda: all(len(client.received) == len(texts) for client in clients), "all have everything", 60)
    assert all(client.received == texts for client in clients)
    return clients


def check_one_by_one(node: Node, reason: str) -> None:
    assert node.api.metric("io_uring_reactors") == 0
    assert rings(node) == 0
    clients = deliver(node)
    assert node.api.metric("batched_sends_total") == 0 == node.api.metric("send_batches_total")
    assert node.api.metric("sends_total") >= CLIENTS
    line = f"sends to clients: one by one{reason}"
    assert node.output().count("sends to clients: ") == 1 and line in node.output()
    until(lambda: node.api.get("/api/v1/nodes/node")["summary"] is not None, "it has said how it is")
    assert node.api.get("/api/v1/nodes/node")["summary"]["sends"].startswith(f"one by one{reason}")
    for client in clients:
        client.close()


@pytest.mark.skipif(not is_allowed(), reason="this machine has no io_uring for us")
def test_a_slice_of_a_fan_out_is_one_system_call(start_node: Any) -> None:
    node = start_node(node={"reactors": 2})
    assert node.api.metric("io_uring_reactors") == 2 == rings(node)
    clients = deliver(node)
    sends, batches = node.api.metric("batched_sends_total"), node.api.metric("send_batches_total")
    assert batches > 0 and sends / batches > 10, (sends, batches)
    assert node.api.metric("sends_total") >= sends
    assert node.api.metric("batched_sends_left_out_total") == 0
    assert node.output().count("sends to clients: ") == 1
    assert "sends to clients: in batches, through io_uring" in node.output()
    until(lambda: node.api.get("/api/v1/nodes/node")["summary"] is not None, "it has said how it is")
    assert node.api.get("/api/v1/nodes/node")["summary"]["sends"] == "in batches, through io_uring"
    for client in clients:
        client.close()


def test_it_can_be_switched_off(start_node: Any) -> None:
    check_one_by_one(start_node(node={"io_uring": "off"}), ", because node.io_uring is off")


#: What is forbidden, how it is answered, and what the node says.
FORBIDDEN = {
    "everything, as Docker does": (list(forbid.IO_URING), errno.EPERM, ". io_uring_setup: operation not permitted (EPERM). A seccomp profile or"),
    "everything, hidden": (list(forbid.IO_URING), errno.ENOSYS, ". io_uring_setup: function not implemented (errno 38). This kernel has no io_uring,"),
    "only its use": (["io_uring_enter"], errno.EPERM, ". io_uring_enter: operation not permitted (EPERM). A seccomp profile or"),
    "only its questions": (["io_uring_register"], errno.EACCES, ". io_uring_register: permission denied (EACCES). A seccomp profile or"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(FORBIDDEN))
def test_where_a_container_forbids_it_the_node_says_so_and_delivers(tmp_path: Path, what: str) -> None:
    if not is_allowed() and "only" in what:
        pytest.skip("this machine has no io_uring for us")
    calls, code, reason = FORBIDDEN[what]
    numbers = ",".join(str(forbid.IO_URING[call]) for call in calls)
    launcher = tmp_path / "launcher"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{forbid.__file__}" {code} {numbers} "{CARILLON}" "$@"\n')
    launcher.chmod(0o755)
    node = Node("node", tmp_path)
    node.program = launcher
    try:
        node.start()
        check_one_by_one(node, reason)
    finally:
        node.stop()


def test_another_value_needs_a_restart(start_node: Any) -> None:
    node = start_node(node={"io_uring": "off"})
    node.configuration["node"]["io_uring"] = "auto"
    node.file.write_text(yaml.safe_dump(node.configuration))
    answer = node.api.request("POST", "/api/v1/config/reload").json()
    assert [(change["key"], change["effect"]) for change in answer["changed"]] == [("node.io_uring", "restart")]


def test_what_is_neither_is_a_mistake(tmp_path: Path) -> None:
    node = Node("node", tmp_path, node={"io_uring": "on"})
    node.launch_node()
    until(lambda: not node.is_running, "it ends", 30)
    assert "node.io_uring" in node.output() and "auto" in node.output()
