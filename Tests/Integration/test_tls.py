"""TLS on the client port and on the admin listener, checked by clients that know it well."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websockets.exceptions
import websockets.sync.client
import yaml

from rig.certificates import Authority
from rig.node import Node, carillon
from rig.secure_socket import secure_socket
from rig.waiting import until
from rig.wire import frame, upgrade


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def identity(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("server")


def start(start_node: Any, identity: tuple[Path, Path], **changes: Any) -> Node:
    return start_node(client={"tls": {"certificate": str(identity[0]), "key": str(identity[1]), **changes}})


def trusting(authority: Authority, *, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def connect(node: Node, context: ssl.SSLContext, path: str = "/raw?channel=a") -> websockets.sync.client.ClientConnection:
    return connect_to(f"wss://localhost:{node.client_port}", context, path)


def connect_to(address: str, context: ssl.SSLContext, path: str = "/raw?channel=a") -> websockets.sync.client.ClientConnection:
    host, port = address.removeprefix("wss://").rsplit(":", 1)
    return websockets.sync.client.connect(
        f"ws://{host}:{port}{path}", sock=secure_socket(host, int(port), context), compression=None, max_size=None, legacy=True,
        ping_interval=None)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_messages_of_all_sizes_both_ways(start_node: Any, authority: Authority, identity: tuple[Path, Path], version: ssl.TLSVersion) -> None:
    node = start_node(
        client={"tls": {"certificate": str(identity[0]), "key": str(identity[1])}}, limits={"message_bytes": "1MiB", "outbound_bytes": "8MiB"})
    with connect(node, trusting(authority, version=version)) as sender, connect(node, trusting(authority, version=version)) as other:
        for size in (0, 1, 125, 126, 16_383, 16_384, 16_385, 65_535, 65_536, 1 << 20):
            payload = os.urandom(size)
            sender.send(payload)
            assert other.recv(timeout=10) == payload and sender.recv(timeout=10) == payload


def test_other_clients(start_node: Any, authority: Authority, identity: tuple[Path, Path]) -> None:
    node = start(start_node, identity)
    stream = requests.get(
        f"https://localhost:{node.client_port}/sse?channel=a", stream=True, verify=str(authority.file), timeout=5)
    assert stream.status_code == 200
    node.api.publish("a", text="hello")
    lines = stream.iter_lines(chunk_size=1)
    until(lambda: next(lines) == b"data: hello", "the event")
    stream.close()
    shown = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{node.client_port}", "-CAfile", str(authority.file), "-servername", "localhost",
         "-verify_return_error", "-alpn", "h2,http/1.1"],
        input="", capture_output=True, text=True, timeout=10, check=False)  # fmt: skip
    assert "Verify return code: 0 (ok)" in shown.stdout and "ALPN protocol: http/1.1" in shown.stdout, shown


def test_plain_http_is_told_so(start_node: Any, identity: tuple[Path, Path]) -> None:
    node = start(start_node, identity)
    with socket.create_connection(("127.0.0.1", node.client_port)) as plain:
        plain.settimeout(5)
        plain.sendall(upgrade("/raw?channel=a"))
        assert plain.recv(1000).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(("127.0.0.1", node.client_port)) as noise:
        noise.settimeout(5)
        noise.sendall(os.urandom(200))
        with contextlib.suppress(ConnectionResetError):
            while noise.recv(1000):
                pass
    until(lambda: "carillon_tls_errors_total 2" in node.api.metrics(), "both are counted")


def test_client_certificates(start_node: Any, authority: Authority, identity: tuple[Path, Path], tmp_path: Path) -> None:
    node = start(start_node, identity, client_certificates="required", authorities=str(authority.file))
    mine = authority.issue("client")
    context = trusting(authority)
    context.load_cert_chain(mine[0], mine[1])
    with connect(node, context) as good:
        good.send("in")
        assert good.recv(timeout=5) == "in"
    strange = Authority(tmp_path / "strange", "Strange CA").issue("client")
    for bad in (None, strange):
        context = trusting(authority)
        if bad:
            context.load_cert_chain(bad[0], bad[1])
        # In TLS 1.3 the client may believe to be in until it reads.
        with pytest.raises((OSError, EOFError, websockets.exceptions.WebSocketException)):
            connect(node, context)


class Crowd:
    """Many sessions over TLS, each on a socket of its own."""

    def __init__(self, node: Node, context: ssl.SSLContext, count: int) -> None:
        self.sockets: list[ssl.SSLSocket] = []
        for _ in range(count):
            plain = socket.create_connection(("127.0.0.1", node.client_port))
            secured = context.wrap_socket(plain, server_hostname="localhost")
            secured.settimeout(20)
            secured.sendall(upgrade("/raw?channel=crowd"))
            self.sockets.append(secured)
        for secured in self.sockets:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += secured.recv(1)
            assert head.startswith(b"HTTP/1.1 101 ")

    def hears(self, payload: bytes) -> int:
        expected = frame(payload, mask=False)
        heard = 0
        for secured in self.sockets:
            got = b""
            while len(got) < len(expected):
                piece = secured.recv(len(expected) - len(got))
                assert piece, "a session was dropped"
                got += piece
            heard += got == expected
        return heard

    def close(self) -> None:
        for secured in self.sockets:
            secured.close()


@pytest.fixture
def crowd_of() -> Iterator[Any]:
    made: list[Crowd] = []

    def make(*arguments: Any) -> Crowd:
        made.append(Crowd(*arguments))
        return made[-1]

    yield make
    for crowd in made:
        crowd.close()


def test_certificates_are_replaced_under_a_thousand_clients(
    start_node: Any, authority: Authority, tmp_path: Path, crowd_of: Any
) -> None:
    first, second = authority.issue("first"), authority.issue("second")
    used = tmp_path / "used.pem", tmp_path / "used.key"
    for source, target in zip(first, used):
        shutil.copy(source, target)
    node = start(start_node, used)
    context = trusting(authority)

    def shown() -> str:
        with socket.create_connection(("127.0.0.1", node.client_port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as secured:
            return dict(pair[0] for pair in secured.getpeercert()["subject"])["commonName"]

    crowd = crowd_of(node, context, 1000)
    assert shown() == "first"
    # Half replaced: the key does not fit, and everything stays as it was.
    shutil.copy(second[0], used[0])
    node.send(signal.SIGHUP)
    until(lambda: "stays as it was" in node.output(), "the mistake is logged")
    assert shown() == "first"
    shutil.copy(second[1], used[1])
    node.send(signal.SIGHUP)
    until(lambda: shown() == "second", "new connections see the new certificate")
    node.api.publish("crowd", text="still here")
    assert crowd.hears(b"still here") == 1000
    assert "carillon_sessions_closed_total 0" in node.api.metrics()


def test_a_slow_reader_over_tls_loses_nothing_within_its_budget(start_node: Any, authority: Authority, identity: tuple[Path, Path]) -> None:
    node = start_node(client={"tls": {"certificate": str(identity[0]), "key": str(identity[1])}}, limits={"outbound_bytes": "32MiB"}, liveness={"ping_interval": "10m"})
    with connect(node, trusting(authority)) as reader:
        sent = [os.urandom(40_000) for _ in range(300)]
        for payload in sent:
            node.api.publish("a", binary=payload)
        assert [reader.recv(timeout=20) for _ in sent] == sent


BAD = {
    "no key": ({"certificate": "{certificate}"}, "belong together"),
    "no file": ({"certificate": "/nowhere.pem", "key": "{key}"}, "/nowhere.pem"),
    "swapped": ({"certificate": "{key}", "key": "{certificate}"}, "{key}"),
    "other key": ({"certificate": "{certificate}", "key": "{other}"}, "{other}"),
    "no authority": ({"certificate": "{certificate}", "key": "{key}", "client_certificates": "required"}, "the CA certificates that verify them"),
    "expired": ({"certificate": "{expired}", "key": "{expired_key}"}, "expired"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_do_not_fit_are_an_error_at_start(tmp_path: Path, authority: Authority, identity: tuple[Path, Path], name: str) -> None:
    other = authority.issue("other")
    expired = authority.issue("expired", days=-1)
    files = {
        "certificate": identity[0], "key": identity[1], "other": other[1], "expired": expired[0], "expired_key": expired[1],
    }  # fmt: skip
    section, message = BAD[name]
    tls = {key: value.format(**files) for key, value in section.items()}
    file = tmp_path / "node.yaml"
    file.write_text(yaml.safe_dump({"client": {"listen": "127.0.0.1:0", "tls": tls}, "admin": {"listen": "127.0.0.1:0"}}))
    result = carillon("serve", "--config", str(file), seconds=20)
    assert result.returncode != 0 and message.format(**files) in result.stderr, result.stderr


def test_the_admin_listener_over_tls(start_node: Any, authority: Authority, identity: tuple[Path, Path]) -> None:
    node = start_node(
        ready=False, admin={"token": "a-token-for-tests", "tls": {"certificate": str(identity[0]), "key": str(identity[1])}})
    url = f"https://localhost:{node.admin_port}"
    login = {"Authorization": "Bearer a-token-for-tests"}
    answer = requests.get(f"{url}/api/v1/cluster", headers=login, verify=str(authority.file), timeout=5)
    assert answer.status_code == 200 and answer.json()["nodes"]["answered"] == 1
    assert requests.get(f"{url}/api/v1/cluster", verify=str(authority.file), timeout=5).status_code == 401
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{url}/health/live", timeout=5)


def test_a_port_of_its_own_for_tls(start_node: Any, authority: Authority, identity: tuple[Path, Path]) -> None:
    node = start(start_node, identity, listen="127.0.0.1:0")
    assert node.secure and node.secure != node.client
    assert f"and, with TLS, on {node.secure}" in node.output()
    with connect_to(f"wss://localhost:{node.secure.rsplit(':', 1)[1]}", trusting(authority)) as secure:
        with websockets.sync.client.connect(f"ws://{node.client}/raw?channel=a", legacy=True) as plain:
            plain.send("to both")
            assert secure.recv(timeout=5) == "to both" and plain.recv(timeout=5) == "to both"
            secure.send("back")
            assert plain.recv(timeout=5) == "back"
    # TLS to the plain port is a bad request, and HTTP to the other one is told what is expected.
    with pytest.raises((OSError, EOFError)):
        connect_to(f"wss://localhost:{node.client_port}", trusting(authority))
    answer = requests.get(f"http://{node.secure}/health", timeout=5)
    assert answer.status_code == 400 and "https://" in answer.text


def test_the_port_for_tls_needs_a_certificate(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("client: { tls: { listen: '127.0.0.1:0' } }\n")
    done = carillon("check", str(file))
    assert done.returncode != 0 and "client.tls.listen needs client.tls.certificate" in done.stderr
