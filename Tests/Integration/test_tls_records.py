"""Records of TLS 1.3 after the handshake, with clients of several makers, and from hostile ones."""

import contextlib
import os
import select
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.certificates import Authority
from rig.footprint import counter
from rig.node import CARILLON, Node
from rig.waiting import until
from rig.wire import BINARY, CLOSE, frame, upgrade

BOTH = pytest.mark.parametrize("records", ["own", "openssl"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def identity(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("server")


@pytest.fixture
def start(start_node: Any, identity: tuple[Path, Path]) -> Any:
    def start(records: str = "own") -> Node:
        return start_node(
            client={"tls": {"certificate": str(identity[0]), "key": str(identity[1]), "records": records}}, limits={"message_bytes": "1MiB"})

    return start


def trusting(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class OpenSSLClient:
    """`openssl s_client`, told to change its keys by the letters k and K. What it decrypts comes on its standard output."""

    def __init__(self, node: Node, authority: Authority, *options: str) -> None:
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{node.client_port}", "-servername", "localhost",
             "-CAfile", str(authority.file), "-verify_return_error", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        self.heard = b""
        # A command is one only where a read of its own begins with it.
        self.until(b"Verify return code: 0 (ok)")
        self.send(upgrade("/raw?channel=a"))
        self.until(b"HTTP/1.1 101 ")
        self.until(b"\r\n\r\n")

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def until(self, wanted: bytes, seconds: float = 10) -> None:
        """Reads up to the end of what is wanted."""
        assert self.process.stdout
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + seconds
        while wanted not in self.heard:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([descriptor], [], [], left)[0], (wanted[:100], self.heard[-500:])
            piece = os.read(descriptor, 65536)
            assert piece, (wanted[:100], self.heard[-500:], self.process.stderr and self.process.stderr.read())
            self.heard += piece
        self.heard = self.heard[self.heard.index(wanted) + len(wanted):]

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)


@BOTH
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_keys_change_in_the_middle_of_traffic(start: Any, authority: Authority, records: str, suite: str) -> None:
    node = start(records)
    with contextlib.closing(OpenSSLClient(node, authority, "-ciphersuites", suite)) as client:
        for number, command in enumerate(["k\n", "K\n", "K\n", "k\n"] * 3):
            sent = f"from the client, {number}".encode()
            client.send(frame(sent))
            client.until(frame(sent, mask=False))
            client.send(command.encode())
            node.api.publish("a", text=f"from the server, {number}")
            client.until(frame(f"from the server, {number}".encode(), mask=False))
            # More than a record, with the new keys.
            node.api.publish("a", text=f"{number}" * 40_000)
            client.until(frame(f"{number}".encode() * 40_000, mask=False))
    until(lambda: counter(node, "sessions") == 0, "the session ends")


@BOTH
def test_sessions_are_resumed(start: Any, authority: Authority, records: str) -> None:
    node = start(records)
    context = trusting(authority)
    ticket = None
    for reused in (False, True, True):
        plain = socket.create_connection(("127.0.0.1", node.client_port))
        with context.wrap_socket(plain, server_hostname="localhost", session=ticket) as secure:
            secure.settimeout(10)
            assert secure.session_reused is reused
            secure.sendall(upgrade("/raw?channel=a"))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += secure.recv(1)
            secure.sendall(frame(b"hello"))
            assert secure.recv(100) == frame(b"hello", mask=False)
            ticket = secure.session


@BOTH
def test_other_makers_clients(start: Any, authority: Authority, records: str) -> None:
    node = start(records)
    address = f"https://localhost:{node.client_port}/sse?channel=a"
    programs = {
        "curl": ["curl", "-sN", "--max-time", "20", "--cacert", str(authority.file), "--tlsv1.3", address],
        "node": ["node", "-e", f"require('https').get('{address}', r => r.pipe(process.stdout))"],
    }
    found = {name: command for name, command in programs.items() if shutil.which(name)}
    assert "curl" in found
    for command in found.values():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority.file)})
        try:
            assert process.stdout
            # The beginning of the stream says that it is subscribed.
            heard = os.read(process.stdout.fileno(), 65536)
            assert heard.startswith(b"retry:"), heard
            text = "much " * 10_000
            node.api.publish("a", text=text)
            while text.encode() not in heard:
                piece = os.read(process.stdout.fileno(), 65536)
                assert piece, heard
                heard += piece
        finally:
            process.terminate()
            process.wait(timeout=10)
        until(lambda: counter(node, "sessions") == 0, f"{command[0]} is gone")


class Tampering:
    """A client whose records may be changed on their way."""

    def __init__(self, node: Node, context: ssl.SSLContext) -> None:
        self.socket = socket.create_connection(("127.0.0.1", node.client_port), 10)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
                break
            self.socket.sendall(self.outgoing.read())
            self.incoming.write(self.socket.recv(65536))
        self.tls.write(upgrade("/raw?channel=a"))
        self.socket.sendall(self.outgoing.read())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read()

    def record(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def read(self) -> bytes:
        """What comes next; empty at the end."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                piece = self.socket.recv(65536)
                if piece:
                    self.incoming.write(piece)
                else:
                    self.incoming.write_eof()

    def alert(self) -> str:
        """Why the node ended it."""
        try:
            heard = self.read()
        except ssl.SSLError as error:
            return str(error)
        raise AssertionError(heard)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def tampering(authority: Authority) -> Iterator[Any]:
    context = trusting(authority)
    opened: list[Tampering] = []

    def tampering(node: Node) -> Tampering:
        opened.append(Tampering(node, context))
        return opened[-1]

    yield tampering
    for client in opened:
        client.close()


@BOTH
def test_no_changed_byte_is_read(start: Any, tampering: Any, records: str) -> None:
    node = start(records)
    witness = tampering(node)
    length = len(witness.record(frame(b"forged")))
    for index in range(length):
        client = tampering(node)
        changed = bytearray(client.record(frame(b"forged")))
        changed[index] ^= 1
        client.socket.sendall(changed)
        # A longer record is waited for, until there is no more.
        client.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            assert client.read() == b"", index
    until(lambda: counter(node, "sessions") == 1, "all of them are gone")
    assert counter(node, "publications_total") == 0


def test_what_may_not_come_ends_with_an_alert(start: Any, tampering: Any) -> None:
    node = start()
    raw = {
        "a change_cipher_spec": (bytes([20, 3, 3, 0, 1, 1]), "UNEXPECTED_MESSAGE"),
        "a plain alert": (bytes([21, 3, 3, 0, 2, 1, 0]), "UNEXPECTED_MESSAGE"),
        "a plain handshake": (bytes([22, 3, 3, 0, 5, 24, 0, 0, 1, 0]), "UNEXPECTED_MESSAGE"),
        "plain HTTP": (b"GET / HTTP/1.1\r\n\r\n", "UNEXPECTED_MESSAGE"),
        "a record that is too long": (bytes([23, 3, 3, 0x41, 1]), "RECORD_OVERFLOW"),
        "data nobody encrypted": (bytes([23, 3, 3, 0, 32]) + bytes(32), "BAD_RECORD_MAC"),
    }
    for what, (data, alert) in raw.items():
        client = tampering(node)
        client.socket.sendall(data)
        assert alert in client.alert(), what
    client = tampering(node)
    record = client.record(frame(b"once"))
    client.socket.sendall(record)
    assert client.read() == frame(b"once", mask=False)
    client.socket.sendall(record)
    assert "BAD_RECORD_MAC" in client.alert()
    client = tampering(node)
    first, second = client.record(frame(b"first")), client.record(frame(b"second"))
    client.socket.sendall(second + first)
    assert "BAD_RECORD_MAC" in client.alert()
    until(lambda: counter(node, "sessions") == 0, "all of them are gone")


@BOTH
def test_records_may_come_in_any_pieces(start: Any, tampering: Any, records: str) -> None:
    node = start(records)
    client = tampering(node)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    payloads = [os.urandom(size) for size in (0, 1, 100, 20_000)]
    stream = b"".join(client.record(frame(payload, BINARY)) for payload in payloads)
    for start_of_piece in range(0, len(stream), 701):
        client.socket.sendall(stream[start_of_piece:start_of_piece + 701])
    expected = b"".join(frame(payload, BINARY, mask=False) for payload in payloads)
    heard = b""
    while len(heard) < len(expected):
        piece = client.read()
        assert piece, "the session ended"
        heard += piece
    assert heard == expected


def test_the_end_is_said_and_heard(start: Any, tampering: Any) -> None:
    node = start()
    client = tampering(node)
    # A close frame is answered, and then comes a close_notify: a clean end, which an SSLEOFError would not be.
    client.socket.sendall(client.record(frame(b"\x03\xe8", CLOSE)))
    assert client.read().startswith(b"\x88")
    with contextlib.suppress(ssl.SSLZeroReturnError):
        assert client.read() == b""
    client.close()
    # One that ends without it is gone as well.
    other = tampering(node)
    other.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: counter(node, "sessions") == 0, "both are gone")


def test_each_thread_has_one_place_for_keys() -> None:
    """Where a connection's keys are taken out when it closes. Inlined into several object files, it would be several places."""
    done = subprocess.run(["nm", str(CARILLON)], capture_output=True, text=True, check=True)
    places = [line for line in done.stdout.splitlines() if "carillon_record_tools.tools" in line]
    assert len(places) == 1, places
