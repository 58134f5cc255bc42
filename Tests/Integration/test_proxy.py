"""Where a client comes from is what a trusted balancer says, and nobody else is believed."""

import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from rig.balancers import Balancer, HAProxy, Nginx
from rig.cluster import Cluster
from rig.node import Node
from rig.process import closes
from rig.waiting import until
from rig.wire import Wire, upgrade

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
GET = upgrade("/raw?channel=a")


def start(start_node: Any, *trusted: str, **changes: Any) -> Node:
    return start_node(
        client={"proxy_protocol": {"mode": "required", "trusted": list(trusted or ["127.0.0.1"]), "timeout": "1s"}}, **changes)


def version_2(source: str, command: int = 1, family: int = 0x11, rest: bytes = b"") -> bytes:
    body = socket.inet_aton(source) + socket.inet_aton("10.0.0.1") + struct.pack(">HH", 4711, 80) + rest
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(body)) + body


def remote(node: Node) -> list[str]:
    return sorted(connection["remote"] for connection in node.api.connections())


@pytest.mark.parametrize("kind", [HAProxy, Nginx], ids=["haproxy-v2", "nginx-v1"])
def test_balancers_say_where_clients_come_from(balanced_cluster: Cluster, kind: type[Balancer]) -> None:
    balancer = balanced_cluster.balance(kind)
    wires = [Wire(balancer.port).open("/raw?channel=a") for _ in range(3)]
    ports = {f"127.0.0.1:{wire.socket.getsockname()[1]}" for wire in wires}
    until(lambda: set(remote(balanced_cluster.nodes[0])) == ports, "the clients' own ports are known")
    for wire in wires:
        wire.close()


def test_headers_of_both_versions_and_every_cut(start_node: Any) -> None:
    node = start(start_node)
    for header, expected in (
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n", "192.0.2.7:4711"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n", "[2001:db8::7]:4711"),
        (version_2("198.51.100.9"), "198.51.100.9:4711"),
        (version_2("198.51.100.9", rest=b"\x04\x00\x05hello"), "198.51.100.9:4711"),
    ):
        # In one piece, and byte by byte together with the request that follows.
        with Wire(node.client_port) as wire:
            assert wire.send(header + GET).read_head().startswith(b"HTTP/1.1 101 ")
            assert remote(node) == [expected]
        until(lambda: remote(node) == [], "it has left")
        with Wire(node.client_port) as wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header:
                wire.send(bytes([byte]))
            assert wire.send(GET).read_head().startswith(b"HTTP/1.1 101 ")
            assert remote(node) == [expected]
        until(lambda: remote(node) == [], "it has left")


def test_local_and_unknown_keep_the_balancers_address(start_node: Any) -> None:
    node = start(start_node)
    for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"):
        with Wire(node.client_port) as wire:
            assert wire.send(header + GET).read_head().startswith(b"HTTP/1.1 101 ")
            assert remote(node)[0].startswith("127.0.0.1:")
        until(lambda: remote(node) == [], "it has left")
    # A health check of a balancer.
    with Wire(node.client_port) as wire:
        wire.send(SIGNATURE + b"\x20\x00\x00\x00" + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.read_head().startswith(b"HTTP/1.1 200 ")


BAD = {
    "no header": GET,
    "nonsense": b"hello\r\n\r\n",
    "too long": b"PROXY TCP4 " + b"1" * 100 + b"\r\n",
    "bad address": b"PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
    "bad port": b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n",
    "version 3": SIGNATURE + b"\x31\x11\x00\x00",
    "length 0": SIGNATURE + b"\x21\x11\x00\x00",
    "length 65535": SIGNATURE + b"\x21\x11\xff\xff",
    "datagram": SIGNATURE + b"\x21\x12\x00\x00",
    "bad TLV": version_2("192.0.2.7", rest=b"\x04\xff\xff"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_header_ends_the_connection(start_node: Any, name: str) -> None:
    node = start(start_node)
    with Wire(node.client_port) as wire:
        wire.send(BAD[name] + GET)
        assert closes(wire.socket, 1)
    assert "carillon_proxy_errors_total 1" in node.api.metrics()


@pytest.mark.parametrize("piece", [b"", b"PROXY TCP4 ", SIGNATURE], ids=["nothing", "half a line", "half a block"])
def test_a_header_that_does_not_come_is_not_waited_for(start_node: Any, piece: bytes) -> None:
    node = start(start_node)
    started = time.monotonic()
    with Wire(node.client_port) as wire:
        wire.send(piece)
        assert closes(wire.socket, 5)
    assert 0.9 < time.monotonic() - started < 3


def test_who_is_not_trusted_is_not_heard(start_node: Any) -> None:
    """A spoofer on another address says it is somebody else, in a thousand ways; not one gets in."""
    node = start(start_node, "127.0.0.1", "10.0.0.0/8", limits={"sessions_per_address": 5})
    for number in range(1000):
        with socket.socket() as spoofer:
            spoofer.bind(("127.0.0.9", 0))
            spoofer.settimeout(5)
            try:
                spoofer.connect(("127.0.0.1", node.client_port))
                header = version_2("192.0.2.7") if number % 2 else b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n"
                spoofer.sendall(header + GET)
                answer = spoofer.recv(1)
            except (ConnectionResetError, BrokenPipeError):
                answer = b""
            assert answer == b""
    assert remote(node) == []
    metrics = node.api.metrics()
    assert "carillon_proxy_refused_total 1000" in metrics and "carillon_sessions_opened_total 0" in metrics


def test_limits_count_the_clients_address(start_node: Any) -> None:
    node = start(start_node, limits={"sessions_per_address": 2})
    held = []
    for source in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        wire = Wire(node.client_port).send(version_2(source) + GET)
        assert wire.read_head().startswith(b"HTTP/1.1 101 ")
        held.append(wire)
    with Wire(node.client_port) as third:
        third.send(version_2("192.0.2.1") + GET)
        assert closes(third.socket, 2)
    held[0].close()
    until(lambda: len(remote(node)) == 2, "one has left")
    with Wire(node.client_port) as again:
        assert again.send(version_2("192.0.2.1") + GET).read_head().startswith(b"HTTP/1.1 101 ")
    for wire in held[1:]:
        wire.close()


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ({"mode": "required"}, "name the balancers' addresses"),
        ({"trusted": ["127.0.0.1"]}, "no effect"),
        ({"mode": "required", "trusted": ["10.0.0.0/33"]}, "'client.proxy_protocol.trusted'"),
        ({"mode": "maybe"}, "off or required"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_an_error(tmp_path: Path, proxy: dict[str, Any], message: str) -> None:
    import yaml

    from rig.node import carillon

    file = tmp_path / "node.yaml"
    file.write_text(yaml.safe_dump({"client": {"proxy_protocol": proxy}}))
    result = carillon("check", str(file))
    assert result.returncode != 0 and message in result.stderr, result.stderr
