"""Openings that mean harm (V2, V3, V4, V17, V18, V19, V24): bounded in size and time, and nobody gets past a proxy."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from rig.control import percentile, undisturbed
from rig.crowd import Crowd, Member
from rig.footprint import NOISE, Footprint, counter
from rig.gateways import Gateway, HAProxyGateway, NginxGateway
from rig.node import Node
from rig.waiting import until
from rig.wire import BINARY, Wire, frame, upgrade

RAW = upgrade("/raw?channel=abuse")
LINE = "GET /raw?channel=abuse HTTP/1.1\r\nHost: localhost\r\n"


# -- V2: heads are bounded

HEADS = {
    "2000 fields": LINE + "".join(f"X-{number}: a\r\n" for number in range(2000)) + "\r\n",
    "one field of 1 MiB": LINE + "X: " + "a" * (1 << 20) + "\r\n\r\n",
    "1 MiB of fields": LINE + "".join(f"X-{number}: " + "a" * 8000 + "\r\n" for number in range(131)) + "\r\n",
    "1 MiB without an end": LINE + "X: " + "a" * (1 << 20),
    "1 MiB of protocols": LINE + "Sec-WebSocket-Protocol: " + "a, " * (350_000) + "a\r\n\r\n",
    "1 MiB of target": "GET /raw?channel=" + "a" * (1 << 20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "line breaks only": "\r\n" * (1 << 19),
}


def refused(node: Node, request: bytes) -> tuple[int, float]:
    """The status, and the seconds until the node had closed."""
    with Wire(node.client_port) as wire:
        started = time.monotonic()
        try:
            wire.send(request)
        except ConnectionError:
            pass
        reply = wire.read_to_end(5)
        taken = time.monotonic() - started
    assert reply.count(b"HTTP/1.1 ") == 1, reply[:300]
    return int(reply.split(b" ", 2)[1]), taken


def test_v2_heads_end_at_their_limits(node: Node) -> None:
    requests_ = [text.encode() for text in HEADS.values()]
    for request in requests_:
        refused(node, request)
    with undisturbed(node):
        footprint = Footprint(node)
        answers = [refused(node, request) for _ in range(10) for request in requests_]
        slowest = max(taken for _, taken in answers)
        print(f"V2: {len(answers)} heads of up to 1 MiB refused with {sorted({status for status, _ in answers})}, "
              f"the slowest closed after {slowest * 1e3:.0f} ms, memory +{footprint.peak >> 10} KiB")  # fmt: skip
        assert {status for status, _ in answers} <= {400, 414, 431}
        assert slowest <= 1.0
        assert footprint.peak < NOISE
    assert counter(node, "sessions_opened_total") == 2, "the control client's"


def test_v2_what_a_connection_may_hold(node: Node) -> None:
    """All that fits into a head that is never finished, on many connections at once."""
    count = 500
    almost = (LINE + "".join(f"X-{number}: " + "a" * 7800 + "\r\n" for number in range(2))).encode()
    assert 15_000 < len(almost) < 16_384
    with undisturbed(node), Crowd() as crowd:
        footprint = Footprint(node)
        members = [crowd.add(node.client_port, almost) for _ in range(count)]
        assert crowd.run(lambda: counter(node, "received_bytes_total") >= count * len(almost), 10)
        each = footprint.peak / count
        print(f"V2: {each / 1024:.1f} KiB for each of {count} heads of 15 KiB that do not end")
        assert each <= (64 << 10) + NOISE / count
        assert not any(member.ended for member in members)


def test_v2_a_list_of_protocols_takes_no_time(node: Node) -> None:
    """As many names as fit: whoever reads them again and again is busy (CVE-2021-32640)."""
    fields = {name: upgrade("/raw?channel=abuse", Sec_WebSocket_Protocol=value) for name, value in {
        "names": ",".join("a" for _ in range(4000)), "blanks": "a" + " " * 7000 + "b", "commas": "," * 7000,
        "tabs and commas": "a,\t" * 2600 + "a"}.items()}  # fmt: skip
    with undisturbed(node):
        footprint = Footprint(node)
        for _ in range(50):
            for request in fields.values():
                with Wire(node.client_port) as wire:
                    assert wire.send(request).read_head()[:12] in (b"HTTP/1.1 101", b"HTTP/1.1 400")
        each = footprint.cpu_seconds / 50 / len(fields)
        print(f"V2: {each * 1e3:.2f} ms of CPU for a list of 7 KiB (the control client's service included)")
        assert each <= 0.010


# -- V3: requests that do not come to an end

class Drip:
    """Slow clients: each begins a request and adds a field to it now and then."""

    def __init__(self, crowd: Crowd, interval: float) -> None:
        self.crowd = crowd
        self.interval = interval
        self.members: list[Member] = []
        self._next = time.monotonic() + interval

    def add(self, count: int, port: int, **options: Any) -> None:
        for _ in range(count):
            self.members.append(self.crowd.add(port, LINE.encode(), **options))
            if len(self.members) % 100 == 0:
                self.turn()

    def turn(self) -> None:
        self.crowd.turn(0.002)
        if time.monotonic() < self._next:
            return
        self._next += self.interval
        for member in self.members:
            if member.ended:
                continue
            try:
                member.socket.send(b"X-a: b\r\n")
            except BlockingIOError:
                pass
            except OSError:
                self.crowd.end(member)


def slowloris(node: Node, deadline: float, interval: float, slow: int, honest: int, batch: int = 25) -> None:
    """So many slow ones, and so many honest clients that come meanwhile, each with a publication."""
    with undisturbed(node), Crowd() as crowd, Crowd() as visitors:
        drip = Drip(crowd, interval)
        drip.add(slow, node.client_port)
        taken: list[float] = []
        for _ in range(0, honest, batch):
            for member in visitors.open(batch, node.client_port, RAW):
                assert member.status == 101, member.head
                taken.append(member.opened - member.started)
            drip.turn()
        assert sum(not member.ended for member in drip.members) > slow / 2, "they were there meanwhile"
        until_all = time.monotonic() + deadline + 5
        while not all(member.ended for member in drip.members) and time.monotonic() < until_all:
            drip.turn()
        lasted = [member.ended - member.started for member in drip.members]
        print(f"V3: {slow} slow ones closed after {min(lasted):.2f} to {max(lasted):.2f} s (deadline {deadline:g} s); "
              f"{len(taken)} of {honest} honest ones in, p99 {percentile(taken, 0.99) * 1e3:.1f} ms")  # fmt: skip
        assert all(member.ended for member in drip.members)
        assert min(lasted) > deadline * 0.9 and max(lasted) <= deadline + 1
        assert len(taken) == honest and percentile(taken, 0.99) <= 0.500
        assert not any(member.ended for member in visitors.members)
    assert counter(node, "handshake_timeouts_total") == slow


def test_v3_slow_requests_end_and_keep_nobody_out(start_node: Any) -> None:
    slowloris(start_node(limits={"handshake_timeout": "4s"}), 4, 0.5, 2000, 1000)


@pytest.mark.long
def test_v3_slow_requests_with_the_default_deadline(node: Node) -> None:
    slowloris(node, 10, 5, 2000, 1000)


def test_v3_unfinished_requests_of_an_address_are_capped(start_node: Any) -> None:
    """The attacker's address has its cap, so that the node's own is never reached and others come in."""
    node = start_node(limits={"handshake_timeout": "30s", "handshakes_per_address": 50, "handshakes": 200})
    with undisturbed(node), Crowd() as crowd, Crowd() as visitors:
        drip = Drip(crowd, 60)
        drip.add(500, node.client_port, source="127.0.0.2")
        assert crowd.run(lambda: len(crowd.alive) == 50, 5), len(crowd.alive)
        for _ in range(20):
            # Not so many at once that they are too many themselves.
            assert {member.status for member in visitors.open(10, node.client_port, RAW)} == {101}
        assert len(crowd.alive) == 50
        assert counter(node, "address_limit_hits_total") == 450
        # And all addresses together have one too.
        for source in range(3, 8):
            drip.add(50, node.client_port, source=f"127.0.0.{source}")
        assert crowd.run(lambda: len(crowd.alive) == 200, 5), len(crowd.alive)
        assert counter(node, "handshake_limit_hits_total") == 100
        print("V3: 50 of 500 unfinished requests of one address, 200 of 300 of six")


# -- V4: upgraded and silent


def silent(node: Node, deadline: float, count: int = 5000) -> None:
    fresh = node.resident_bytes()
    with Crowd() as crowd:
        # Tables and arenas have grown to their size: what a node needs for so many sessions is no leak.
        crowd.open(count, node.client_port, upgrade("/connection/websocket"))
    until(lambda: counter(node, "sessions") == 0, "they have left", 20)
    with undisturbed(node):
        footprint = Footprint(node)
        with Crowd() as crowd:
            members = crowd.open(count, node.client_port, upgrade("/connection/websocket"))
            assert {member.status for member in members} == {101}
            assert crowd.run(lambda: all(member.ended for member in members), deadline + 10)
            lasted = [member.ended - member.started for member in members]
            codes = {member.close_code for member in members}
            grown = footprint.growth
        print(f"V4: {count} closed with {codes} after {min(lasted):.2f} to {max(lasted):.2f} s (deadline {deadline:g} s), "
              f"memory {fresh >> 20} MiB at first, {footprint.memory_before >> 20} MiB after as many before, then "
              f"{grown / footprint.memory_before:+.1%}")  # fmt: skip
        assert max(lasted) <= deadline + 1 and min(lasted) > deadline * 0.9
        assert len(codes) == 1 and codes != {None}
        assert grown <= 0.05 * footprint.memory_before
    until(lambda: footprint.files <= 0, "their files are given back")


def test_v4_silent_sessions_end(start_node: Any) -> None:
    silent(start_node(limits={"connect_timeout": "2s"}), 2)


@pytest.mark.long
def test_v4_silent_sessions_with_the_default_deadline(node: Node) -> None:
    silent(node, 10)


# -- V17: pages from elsewhere

GOOD = "good.example"
HOSTILE_ORIGINS = {
    "null": "null",
    "another host": "https://evil.example",
    "the host in front": f"https://{GOOD}.evil.com",
    "the host at the end": f"https://evil{GOOD}",
    "a host below": f"https://evil.{GOOD}",
    "another port": f"https://{GOOD}:8443",
    "a user": f"https://{GOOD}@evil.example",
    "a path": f"https://{GOOD}/.evil.example",
    "another scheme": f"ftp://{GOOD}",
    "no scheme": GOOD,
    "two in one": f"https://{GOOD} https://evil.example",
    "two fields": f"https://{GOOD}\r\nOrigin: https://evil.example",
    "twice the same": f"https://{GOOD}\r\nOrigin: https://{GOOD}",
    "a star": "*",
    "a dot at the end": f"https://{GOOD}.",
    "a blank": " ",
}
GOOD_ORIGINS = {"none": "", "the same": f"https://{GOOD}", "in capitals": f"HTTPS://{GOOD.upper()}"}
PATHS = ["/raw?channel=abuse", "/sse?channel=abuse", "/connection/websocket"]


@pytest.mark.parametrize("origins", [None, [f"https://{GOOD}"]], ids=["same host", "listed"])
def test_v17_pages_from_elsewhere_stay_outside(start_node: Any, origins: list[str] | None) -> None:
    node = start_node(client={"origins": origins} if origins else {})
    hostile = dict(HOSTILE_ORIGINS)
    if origins:
        hostile["http instead of https"] = f"http://{GOOD}"
    with undisturbed(node):
        for path in PATHS:
            for name, origin in hostile.items():
                with Wire(node.client_port) as wire:
                    head = wire.send(upgrade(path, Host=GOOD, Origin=origin)).read_head()
                    assert head.startswith(b"HTTP/1.1 403 "), (name, path, head)
    assert counter(node, "sessions_opened_total") == 2, "the control client's"
    opened = 0
    for path in PATHS:
        for name, origin in GOOD_ORIGINS.items():
            with Wire(node.client_port) as wire:
                head = wire.send(upgrade(path, Host=GOOD, Origin=origin)).read_head()
                assert head.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 200 ")), (name, path, head)
                opened += 1
    assert counter(node, "sessions_opened_total") == 2 + opened
    print(f"V17: 403 for {len(hostile)} origins on {len(PATHS)} paths, 0 upgrades; {len(GOOD_ORIGINS)} allowed ones in")


# -- V18: upgrades that are none

#: What a proxy is to take for an upgrade, or for the end of a request, and the node for something else.
def smuggling(host: str = "localhost") -> dict[str, bytes]:
    good = {"Host": host}
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    line = f"GET /raw?channel=abuse HTTP/1.1\r\nHost: {host}\r\n"
    both = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    return {
        "version 777": upgrade("/raw?channel=abuse", **good, Sec_WebSocket_Version="777"),
        "POST": upgrade("/raw?channel=abuse", **good).replace(b"GET ", b"POST "),
        "POST with a length": upgrade("/raw?channel=abuse", **good, Content_Length="0").replace(b"GET ", b"POST "),
        "HTTP/1.0": upgrade("/raw?channel=abuse", **good).replace(b"HTTP/1.1", b"HTTP/1.0"),
        "length and chunks": upgrade("/raw?channel=abuse", **good, Content_Length="5", Transfer_Encoding="chunked"),
        "chunked, identity": upgrade("/raw?channel=abuse", **good, Transfer_Encoding="chunked, identity"),
        "xchunked": upgrade("/raw?channel=abuse", **good, Transfer_Encoding="xchunked"),
        "a length": upgrade("/raw?channel=abuse", **good, Content_Length="40"),
        "two lengths": f"{line}{both}{key}Content-Length: 0\r\nContent-Length: 40\r\n\r\n".encode(),
        "folded": f"{line}{both}{key}X: a\r\n b\r\n\r\n".encode(),
        "folded encoding": f"{line}{both}{key}Transfer-Encoding:\r\n chunked\r\n\r\n".encode(),
        "two hosts": f"{line}Host: other.example\r\n{both}{key}\r\n".encode(),
        "no key": upgrade("/raw?channel=abuse", **good, Sec_WebSocket_Key=""),
        "a short key": upgrade("/raw?channel=abuse", **good, Sec_WebSocket_Key="AAAA"),
        "no token in Connection": upgrade("/raw?channel=abuse", **good, Connection="keep-alive"),
        "h2c": upgrade("/raw?channel=abuse", **good, Upgrade="h2c", Connection="Upgrade, HTTP2-Settings",
                       HTTP2_Settings="AAMAAABkAAQAAP__"),
        "another upgrade": upgrade("/raw?channel=abuse", **good, Upgrade="something"),
        "unknown path": upgrade("/nothing", **good),
        "forbidden page": upgrade("/raw?channel=abuse", **good, Origin="https://evil.example"),
        "bare LF": f"{line}{both}{key}X: a\nTransfer-Encoding: chunked\r\n\r\n".encode(),
        "space before the colon": f"{line}{both}{key}Transfer-Encoding : chunked\r\n\r\n".encode(),
    }  # fmt: skip


#: What has to be out of reach: on the client port there is `/health`, and whoever deploys a proxy may well forbid it there.
HIDDEN = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWERED = b"ready"


def test_v18_after_a_refused_upgrade_nothing_is_answered(node: Node) -> None:
    with Wire(node.client_port) as wire:
        assert ANSWERED in wire.send(HIDDEN).read_to_end(5), "this is what must not be seen"
    slowest: dict[str, float] = {}
    with undisturbed(node):
        for name, request in smuggling().items():
            times = []
            for _ in range(5):
                with Wire(node.client_port) as wire:
                    started = time.monotonic()
                    reply = wire.send(request + HIDDEN).read_to_end(5)
                    times.append(time.monotonic() - started)
                assert reply.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505 ")) and reply.count(b"\r\n\r\n") == 1, (name, reply)
                assert b"\r\nConnection: close\r\n" in reply and ANSWERED not in reply, (name, reply)
                if reply.startswith(b"HTTP/1.1 426 "):
                    assert b"\r\nSec-WebSocket-Version: 13\r\n" in reply, (name, reply)
            # One of several, because the machine has other things to do too.
            slowest[name] = min(times)
    assert counter(node, "sessions_opened_total") == 2, "the control client's"
    print(f"V18: {len(slowest)} fake upgrades with requests behind them: 0 answers to those, "
          f"closed after {max(slowest.values()) * 1e3:.1f} ms at most")  # fmt: skip
    assert max(slowest.values()) <= 0.100


@pytest.fixture(params=[HAProxyGateway, NginxGateway], ids=["haproxy", "nginx"])
def gateway(request: pytest.FixtureRequest, node: Node, tmp_path: Path) -> Iterator[Gateway]:
    started = request.param(tmp_path, node.client).start()
    yield started
    started.stop()


def heard(port: int, request: bytes) -> bytes:
    """Everything that comes back, until nothing more does."""
    with Wire(port, seconds=0.25) as wire:
        reply = b""
        try:
            wire.send(request)
            while piece := wire.socket.recv(65536):
                reply += piece
        except (TimeoutError, ConnectionError):
            pass
        return reply


def test_v18_behind_a_proxy_that_understands_http(node: Node, gateway: Gateway) -> None:
    """`/health` is forbidden at the proxy, and no upgrade that is none makes it a tunnel there."""
    assert requests.get(f"http://{node.client}/health", timeout=5).text == "ready\n"
    assert requests.get(f"http://127.0.0.1:{gateway.port}/health", timeout=5).status_code == 403
    # It does work.
    with Wire(gateway.port) as wire:
        wire.open("/raw?channel=through").send(frame(b"hello", BINARY))
        assert wire.read_frame() == (BINARY, b"hello")
    opened: set[str] = set()
    with undisturbed(node):
        for name, request in smuggling().items():
            for hidden in (HIDDEN, b"0\r\n\r\n" + HIDDEN, b"5\r\nhello\r\n0\r\n\r\n" + HIDDEN):
                reply = heard(gateway.port, request + hidden)
                # Neither /health nor, which the node would say about /admin, that there is no such path.
                assert ANSWERED not in reply and reply.count(b"unknown_path") <= (name == "unknown path"), (name, reply)
                if b"HTTP/1.1 101 " in reply:
                    opened.add(name)
    print(f"V18: {3 * len(smuggling())} attempts through {type(gateway).__name__}: 0 answers of /health and /admin; "
          f"opened, because the proxy had put them right: {sorted(opened)}")  # fmt: skip
    # What a proxy repairs before it sends it on is right for the node; what comes behind are frames then, and bad ones.
    assert opened <= {"folded", "bare LF", "space before the colon", "two hosts", "POST with a length", "HTTP/1.0"}
    until(lambda: counter(node, "sessions") == 0, "nobody is left", 15)


# -- V19: what comes back is made by the node

#: Every field a node may answer with, on either port.
FIELDS = {
    "connection", "content-length", "content-type", "cache-control", "upgrade", "sec-websocket-accept", "sec-websocket-version",
    "sec-websocket-protocol", "sec-websocket-extensions", "access-control-allow-origin", "vary", "allow", "x-accel-buffering",
    "date", "server", "www-authenticate", "x-content-type-options", "transfer-encoding", "access-control-allow-credentials",
    "retry-after", "referrer-policy", "x-frame-options", "content-security-policy", "access-control-expose-headers",
    "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age", "accept-encoding",
}  # fmt: skip
#: None of these belongs into a line (RFC 9110 5.5; what is above 0x7F is a part of UTF-8).
CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
BREAKS = ["%0d%0aX-Injected:%201", "%0aX-Injected:%201", "%E5%98%8A%E5%98%8DX-Injected:%201", "\rX-Injected: 1", "\nX-Injected: 1",
          "\0", "\x0b\x0c", "\x85", "\u2028", "%00", "\\r\\nX-Injected: 1"]  # fmt: skip


def test_v19_no_header_is_injected(start_node: Any) -> None:
    node = start_node(client={"origins": ["*"]})
    places = {
        "path": lambda text: upgrade(f"/raw{text}?channel=a"),
        "channel": lambda text: upgrade(f"/raw?channel=a{text}"),
        "sse": lambda text: upgrade(f"/sse?channel=a{text}"),
        "protocol": lambda text: upgrade("/connection/websocket", Sec_WebSocket_Protocol=f"a{text}, centrifuge-json{text}"),
        "protocols": lambda text: upgrade("/connection/websocket", Sec_WebSocket_Protocol=f"centrifuge-json,{text}"),
        "extensions": lambda text: upgrade("/raw?channel=a", Sec_WebSocket_Extensions=f"permessage-deflate; {text}"),
        "origin": lambda text: upgrade("/sse?channel=a", Origin=f"https://a{text}"),
        "preflight": lambda text: (
            f"OPTIONS /sse HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a\r\nAccess-Control-Request-Method: GET\r\n"
            f"Access-Control-Request-Headers: a{text}\r\n\r\n"
        ).encode(),
        "key": lambda text: upgrade("/raw?channel=a", Sec_WebSocket_Key=f"dGhlIHNhbXBsZSBub25jZQ=={text}"),
        "host": lambda text: upgrade("/raw?channel=a", Host=f"a{text}"),
        "token": lambda text: upgrade(f"/raw?channel=a&token={text}", Authorization=f"Bearer {text}"),
        "admin": lambda text: f"GET /api/v1/channels/a{text} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode(),
        "admin cursor": lambda text: (
            f"GET /api/v1/connections?cursor={text} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {text}\r\nConnection: close\r\n\r\n"
        ).encode(),
    }  # fmt: skip
    seen: set[str] = set()
    count = 0
    with undisturbed(node):
        for place, make in places.items():
            port = node.admin_port if place.startswith("admin") else node.client_port
            for text in BREAKS:
                with Wire(port, seconds=5) as wire:
                    head = wire.send(make(text)).read_head()
                count += 1
                lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")[1:]
                names = {line.split(":")[0].lower() for line in lines}
                assert all(":" in line and not CONTROLS.search(line) for line in lines), (place, text, head)
                assert "x-injected" not in names and names <= FIELDS, (place, text, head)
                if "sec-websocket-protocol" in names:
                    assert "\r\nSec-WebSocket-Protocol: centrifuge-json\r\n" in head.decode("latin-1"), (place, text, head)
                seen |= names
    print(f"V19: {count} requests in {len(places)} places, 0 fields injected; seen: {', '.join(sorted(seen))}")


# -- V24: everybody comes at once


def test_v24_a_storm_of_connections(node: Node) -> None:
    """Everybody is cut off and is back at once, without any patience, three times."""
    count = 4000
    taken: list[float] = []
    with undisturbed(node):
        for _ in range(3):
            with Crowd() as crowd:
                members = crowd.open(count, node.client_port, RAW)
                assert {member.status for member in members} == {101}
                taken += [member.opened - member.started for member in members]
                assert counter(node, "sessions") == count + 2
            until(lambda: counter(node, "sessions") == 2, "the storm is over")
    print(f"V24: 3 x {count} connections, opened within {percentile(taken, 0.5) * 1e3:.0f} ms, "
          f"p99 {percentile(taken, 0.99) * 1e3:.0f} ms")  # fmt: skip
    assert percentile(taken, 0.99) <= 2.0


def test_v24_a_storm_ends_at_the_cap(start_node: Any) -> None:
    """More than the node takes: the others wait, and those inside notice nothing."""
    node = start_node(node={"reactors": 2}, limits={"sessions": 1000})
    most = 1000
    with undisturbed(node), Crowd() as crowd:
        for _ in range(3000):
            crowd.add(node.client_port, RAW)
        assert crowd.run(lambda: counter(node, "sessions") >= 1000, 10)
        # A second of waiting outside lets nobody in.
        assert not crowd.run(lambda: counter(node, "sessions") > most, 1)
        inside = [member for member in crowd.members if member.opened and not member.ended]
        over = counter(node, "sessions") - 1000
        assert len(inside) == 998 + over and {member.status for member in inside} == {101}
        # Whoever leaves makes room for somebody.
        for member in inside[:100]:
            crowd.end(member)
        assert crowd.run(lambda: sum(bool(member.opened) for member in crowd.members) >= 1098, 10)
        assert counter(node, "sessions") <= most
        print(f"V24: {len(inside)} of 3000 inside ({over} over the cap), the others wait and follow when there is room")


def test_v24_one_address_has_its_share(start_node: Any) -> None:
    node = start_node(limits={"sessions_per_address": 100})
    with undisturbed(node), Crowd() as crowd, socket.socket() as other:
        members = crowd.open(2000, node.client_port, RAW, source="127.0.0.2")
        assert sum(member.status == 101 for member in members) == 100
        assert crowd.run(lambda: len(crowd.alive) == 100, 5)
        assert counter(node, "address_limit_hits_total") == 1900
        other.bind(("127.0.0.3", 0))
        other.connect(("127.0.0.1", node.client_port))
        other.sendall(RAW)
        assert other.recv(4096).startswith(b"HTTP/1.1 101 ")
        print("V24: 100 of 2000 of one address, another one comes in")
