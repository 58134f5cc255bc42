"""When everybody comes back at once: as many as may come in, the others are told when to try again, and do."""

import re
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rig.browser import Chromium, PageServer
from rig.certificates import Authority
from rig.footprint import counter
from rig.node import Node, carillon
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import Wire, upgrade

GET = upgrade("/raw?channel=storm")


def status(head: bytes) -> int:
    return int(head.split()[1])


def retry_after(head: bytes) -> int:
    found = re.search(rb"\r\nRetry-After: (\d+)\r\n", head)
    assert found, head
    return int(found[1])


class Storm:
    """Connections that all ask at once; each one's answer."""

    def __init__(self, port: int, count: int, request: bytes = GET) -> None:
        self.wires = [Wire(port) for _ in range(count)]
        begin = time.monotonic()
        for wire in self.wires:
            wire.send(request)
        with ThreadPoolExecutor(32) as pool:
            self.heads = list(pool.map(Wire.read_head, self.wires))
        #: How long it took.
        self.seconds = time.monotonic() - begin

    def count(self, wanted: int) -> int:
        return sum(status(head) == wanted for head in self.heads)

    def close(self) -> None:
        for wire in self.wires:
            wire.close()


@pytest.mark.parametrize("reactors", [1, 2])
def test_the_rest_is_refused(start_node: Any, reactors: int) -> None:
    node: Node = start_node(
        node={"name": "node", "reactors": reactors}, limits={"connects_per_second": 1, "connects_burst": 100})
    listener = WebsocketsClient(node.client, "storm")
    storm = Storm(node.client_port, 400)
    # One of the burst is the listener's.
    assert 99 <= storm.count(101) <= 100 + storm.seconds
    refused = [head for head in storm.heads if status(head) == 503]
    assert len(refused) == 400 - storm.count(101)
    assert all(b"\r\nConnection: close\r\n" in head for head in refused)
    waits = [retry_after(head) for head in refused]
    # Each has a turn of its own, a second behind the other, and a minute at the most, then jitter.
    assert all(2 <= wait <= 93 for wait in waits)
    assert len(set(waits)) > 40, "they would come back together"
    for wire, head in zip(storm.wires, storm.heads):
        if status(head) == 503:
            assert b'"code":"too_many_connects"' in wire.read_to_end()
    assert counter(node, "connect_rate_hits_total") == counter(node, "handshakes_refused_total") == len(refused)
    assert counter(node, "address_connect_rate_hits_total") == 0
    # Those who are there notice nothing, and balancers that look whether the node is well count for nothing.
    node.api.publish("storm", text="still here")
    until(lambda: listener.received == ["still here"], "who was there is served")
    for _ in range(5):
        with Wire(node.client_port) as probe:
            assert status(probe.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").read_head()) == 200
    assert counter(node, "connect_rate_hits_total") == len(refused)
    storm.close()
    listener.close()


def test_who_obeys_comes_in(start_node: Any) -> None:
    """A hundred clients, ten a second: whoever waits as told is in after one or two tries."""
    node: Node = start_node(limits={"connects_per_second": 10, "connects_burst": 20})
    begin = time.monotonic()
    tries: list[int] = []
    opened: list[Wire] = []
    lock = threading.Lock()

    def client() -> None:
        for attempt in range(1, 20):
            wire = Wire(node.client_port)
            head = wire.send(GET).read_head()
            if status(head) == 101:
                with lock:
                    tries.append(attempt)
                    opened.append(wire)
                return
            wire.close()
            time.sleep(retry_after(head))

    threads = [threading.Thread(target=client) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    seconds = time.monotonic() - begin
    print(f"100 clients in {seconds:.1f} s, {sum(tries)} tries, {max(tries)} at the most")
    assert len(opened) == 100 == node.api.subscribers("storm")
    assert seconds >= 7.9, "20 at once and 10 a second"
    assert max(tries) <= 6 and sum(tries) <= 300
    assert counter(node, "connect_rate_hits_total") == sum(tries) - 100
    for wire in opened:
        wire.close()


def test_an_address_is_not_the_others(start_node: Any) -> None:
    node: Node = start_node(
        client={"proxy_protocol": {"mode": "required", "trusted": ["127.0.0.1"]}},
        limits={"connects_per_address_per_second": 1, "connects_per_address_burst": 5})
    for address in ("192.0.2.1", "192.0.2.2"):
        storm = Storm(node.client_port, 50, f"PROXY TCP4 {address} 10.0.0.1 4711 80\r\n".encode() + GET)
        assert 5 <= storm.count(101) <= 6 + storm.seconds
        refused = [head for head in storm.heads if status(head) == 429]
        assert len(refused) == 50 - storm.count(101)
        assert all(1 <= retry_after(head) <= 5 for head in refused)
        storm.close()
    assert counter(node, "connect_rate_hits_total") == 0
    assert counter(node, "address_connect_rate_hits_total") == counter(node, "handshakes_refused_total") >= 86


def test_over_tls(start_node: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    certificate, key = authority.issue("server")
    node: Node = start_node(
        client={"tls": {"certificate": str(certificate), "key": str(key)}},
        limits={"connects_per_second": 1, "connects_burst": 2})
    context = ssl.create_default_context(cafile=str(authority.file))
    heads = []
    for _ in range(6):
        wire = Wire(node.client_port)
        wire.socket = context.wrap_socket(wire.socket, server_hostname="localhost")
        heads.append(wire.send(GET).read_head())
        wire.close()
    refused = [head for head in heads if status(head) == 503]
    assert [status(head) for head in heads[:2]] == [101, 101] and refused
    assert all(retry_after(head) >= 2 for head in refused)
    assert counter(node, "connect_rate_hits_total") == len(refused)


def test_without_a_limit(start_node: Any) -> None:
    node: Node = start_node(limits={"connects_per_second": 0, "connects_burst": 1})
    storm = Storm(node.client_port, 200)
    assert storm.count(101) == 200
    storm.close()


def test_an_event_stream_is_told_in_its_own_words(start_node: Any) -> None:
    """A status other than 200 would end an EventSource for good."""
    node: Node = start_node(limits={"connects_per_second": 1, "connects_burst": 1})
    with Wire(node.client_port) as first, Wire(node.client_port) as second, Wire(node.client_port) as third:
        request = b"GET /sse?channel=a HTTP/1.1\r\nHost: localhost\r\n"
        assert status(first.send(request + b"\r\n").read_head()) == 200
        assert status(second.send(request + b"\r\n").read_head()) == 200
        said = re.fullmatch(
            rb'retry: (\d+)\d{3}\n:\nevent: refused\ndata: {"code":"too_many_connects",.*}\n\n', second.read_to_end())
        assert said and 2 <= int(said[1]) <= 93
        # A page that may not connect gets no stream at all.
        assert status(third.send(request + b"Origin: https://elsewhere.example\r\n\r\n").read_head()) == 503
        assert counter(node, "connect_rate_hits_total") == 2
        assert node.api.subscribers("a") == 1


def test_a_browser_comes_back(start_node: Any, browser: Chromium, page: PageServer) -> None:
    node: Node = start_node(
        client={"origins": [page.origin]}, limits={"connects_per_second": 1, "connects_burst": 1})
    with Wire(node.client_port) as first:
        first.open("/raw?channel=other")
        browser.evaluate(
            f"window.storm = []; window.source = new EventSource('http://{node.client}/sse?channel=a');"
            "window.source.onmessage = (event) => window.storm.push(event.data); 'ok'")
        until(lambda: counter(node, "connect_rate_hits_total") > 0, "it is sent away")
        until(lambda: node.api.subscribers("a") == 1, "it is back", 20)
        node.api.publish("a", text="welcome")
        until(lambda: browser.evaluate("window.storm.join()") == "welcome", "it is served")
        browser.evaluate("window.source.close(); 'ok'")


@pytest.mark.parametrize("key", ["connects_per_second", "connects_per_address_per_second"])
def test_a_rate_has_to_be_a_number(tmp_path: Path, key: str) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text(f"limits:\n  {key}: plenty\n")
    result = carillon("check", str(file))
    assert result.returncode == 1 and f"limits.{key}" in result.stderr and ":2:" in result.stderr
