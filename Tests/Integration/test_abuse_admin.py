"""The admin listener and the log against those who should have neither (V22, V23)."""

import http.client
import json
import os
import re
import socket
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from rig.control import undisturbed
from rig.footprint import counter
from rig.node import Node, carillon
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire, upgrade

TOKEN = "0123456789abcdef0123456789abcdef"

# -- V22: who may reach it

UNSAFE: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "everywhere": ({"admin": {"listen": "0.0.0.0:0"}}, {}),
    "everywhere, IPv6": ({"admin": {"listen": "[::]:0"}}, {}),
    "an address of the network": ({"admin": {"listen": "192.0.2.1:8001"}}, {}),
    "IPv4 as IPv6": ({"admin": {"listen": "[::ffff:0.0.0.0]:0"}}, {}),
    "by a variable": ({"admin": {"listen": "127.0.0.1:0"}}, {"CARILLON_ADMIN_LISTEN": "0.0.0.0:0"}),
    "an empty token": ({"admin": {"listen": "0.0.0.0:0", "token": ""}}, {}),
    "a short token": ({"admin": {"listen": "0.0.0.0:0", "token": "1234567"}}, {}),
    "a token of blanks": ({"admin": {"listen": "0.0.0.0:0", "token": " " * 20}}, {}),
    "an unset variable": ({"admin": {"listen": "0.0.0.0:0", "token": "${NOT_SET_ANYWHERE}"}}, {}),
}


def test_v22_unsafe_configurations_do_not_start(tmp_path: Path) -> None:
    for name, (changes, environment) in UNSAFE.items():
        file = tmp_path / "unsafe.yaml"
        file.write_text(yaml.safe_dump({"client": {"listen": "127.0.0.1:0"}, **changes}))
        result = carillon("serve", "--config", str(file), seconds=20, environment=environment)
        assert result.returncode == 1 and ("admin" in result.stderr or "NOT_SET_ANYWHERE" in result.stderr), (name, result)
    print(f"V22: start refused in {len(UNSAFE)} of {len(UNSAFE)} unsafe configurations")
    defaults = yaml.safe_load(carillon("config", "--defaults").stdout)
    assert defaults["admin"]["listen"] == "127.0.0.1:8001"


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses a process listens on, from what the kernel says."""
    sockets = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            sockets.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        except FileNotFoundError:
            continue
    found = set()
    for file, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{file}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] != "0A" or f"socket:[{fields[9]}]" not in sockets:
                continue
            address, port = fields[1].split(":")
            raw = b"".join(bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8))
            found.add((socket.inet_ntop(family, raw), int(port, 16)))
    return found


def test_v22_nothing_listens_but_what_is_configured(start_node: Any) -> None:
    node = start_node(client={"listen": "0.0.0.0:0"})
    found = listening(node.pid)
    assert found == {("0.0.0.0", node.client_port), ("127.0.0.1", node.admin_port)}
    # What is the admin listener's is not to be had from clients' port.
    for path in ("/metrics", "/api/v1/cluster", "/api/v1/config", "/admin", "/health/ready", "/", "/../metrics", "/%2e%2e/metrics"):
        with Wire(node.client_port) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert wire.read_to_end().startswith(b"HTTP/1.1 404 "), path
    print(f"V22: listens on {sorted(found)}")


CALLS = [
    ("GET", "/"), ("GET", "/metrics"), ("GET", "/api/v1/cluster"), ("GET", "/api/v1/config"), ("GET", "/api/v1/connections"),
    ("GET", "/api/v1/channels"), ("GET", "/api/v1/channels/a"), ("GET", "/api/v1/nodes/x"), ("POST", "/api/v1/publish"),
    ("POST", "/api/v1/connections/x/close"), ("POST", "/api/v1/users/x/close"), ("DELETE", "/api/v1/config"), ("GET", "/nothing"),
    ("OPTIONS", "/api/v1/config"), ("HEAD", "/metrics"), ("GET", "//metrics"), ("GET", "/health/../metrics"),
    ("GET", "/health/ready/../../metrics"), ("GET", "/%6detrics"),
]  # fmt: skip
WRONG: dict[str, dict[str, str]] = {
    "none": {}, "empty": {"Authorization": ""}, "no token": {"Authorization": "Bearer"}, "blank": {"Authorization": "Bearer  "},
    "its beginning": {"Authorization": f"Bearer {TOKEN[:-1]}"}, "more than it": {"Authorization": f"Bearer {TOKEN}0"},
    "another last letter": {"Authorization": f"Bearer {TOKEN[:-1]}0"}, "in capitals": {"Authorization": f"Bearer {TOKEN.upper()}"},
    "another scheme": {"Authorization": f"Basic {TOKEN}"}, "without a scheme": {"Authorization": TOKEN},
    "another field": {"X-Token": TOKEN}, "a cookie": {"Cookie": f"token={TOKEN}"}, "a list": {"Authorization": f"Bearer x, Bearer {TOKEN}"},
}  # fmt: skip
#: What may be said without a token: that it is there, the page without any data, and that there is nothing.
OPEN_PATHS = {"/"}


def exact(node: Node, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of a call whose path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", node.admin_port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        assert TOKEN.encode() not in body and b"carillon_sessions" not in body, (method, path)
        return response.status
    finally:
        connection.close()


def test_v22_nothing_without_the_token(start_node: Any) -> None:
    node = start_node(admin={"token": TOKEN})
    statuses: dict[int, int] = {}
    with undisturbed(node):
        for method, path in CALLS:
            for name, headers in WRONG.items():
                status = exact(node, method, path, headers)
                statuses[status] = statuses.get(status, 0) + 1
                is_fine = status == 401 or (path in OPEN_PATHS and status == 200) or status == 404
                assert is_fine, (method, path, name, status)
                if (method, path) in CALLS[1:12]:
                    assert status == 401, (method, path, name, status)
        assert requests.get(f"http://{node.admin}/metrics?token={TOKEN}", timeout=5).status_code == 401
    assert exact_good(node) == 200
    print(f"V22: {len(CALLS)} calls with {len(WRONG)} kinds of no token: {statuses}")


def exact_good(node: Node) -> int:
    return requests.get(f"http://{node.admin}/api/v1/config", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5).status_code


def skew(node: Node, one: str, other: str, rounds: int) -> float:
    """By how much the medians of two wrong tokens differ; asked in turn on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", node.admin_port, timeout=5)
    taken: tuple[list[int], list[int]] = ([], [])
    for number in range(2 * rounds):
        # Whichever comes second may find a warmer cache, so they change places.
        which = (number + number // 2) % 2
        started = time.perf_counter_ns()
        connection.request("GET", "/api/v1/config", headers={"Authorization": f"Bearer {(one, other)[which]}"})
        response = connection.getresponse()
        response.read()
        taken[which].append(time.perf_counter_ns() - started)
        assert response.status == 401
    connection.close()
    medians = [statistics.median(times[50:]) for times in taken]
    return abs(medians[0] - medians[1]) / min(medians)


def test_v22_the_time_tells_nothing_of_the_token(start_node: Any) -> None:
    node = start_node(admin={"token": TOKEN})
    pairs = {
        "first letter or last": ("x" + TOKEN[1:], TOKEN[:-1] + "x"), "half of it": ("x" * 32, TOKEN[:16] + "x" * 16),
        "length": ("x" * 31, "x" * 32),
    }  # fmt: skip
    seen: dict[str, float] = {}
    for name, pair in pairs.items():
        # A difference that is the node's is there every time; what a busy machine adds is not.
        for _ in range(6):
            seen[name] = min(seen.get(name, 1.0), skew(node, *pair, rounds=400))
            if seen[name] <= 0.05:
                break
    print("V22: medians of wrong tokens differ by " + ", ".join(f"{value:.1%} ({name})" for name, value in seen.items()))
    assert max(seen.values()) <= 0.05


# -- V23: what others write into the log

HOSTILE_TEXTS = {
    "line break": "a\nb", "both": "a\r\nb", "forged": 'a","level":"error","message":"forged"}\n{"time":"2026-01-01T00:00:00.000Z","level":"error","message":"x"}',
    "escape": "\x1b[2J\x1b[31mred", "NUL": "a\0b", "quote": 'a"b\\', "DEL": "\x7f\x80\x9b", "separators": "\u2028\u2029\x85",
    "direction": "\u202eabc\u2066", "far away": "😀\U0010ffff", "1 MiB": "x" * (1 << 20), "BOM": "\ufeff", "tab": "a\tb", "percent": "%0a%00%s%n",
}  # fmt: skip
INVALID = [b"a\xffb", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80\n", b"\n\xfe"]


def lines(node: Node) -> list[bytes]:
    """As `wc -l` counts them."""
    data = node.log.read_bytes()
    assert data.endswith(b"\n")
    return data[:-1].split(b"\n")


def parsed(node: Node) -> list[dict[str, str]]:
    """Every line is an object, and holds nothing that a terminal would obey."""
    found = []
    for line in lines(node):
        assert not re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]", line), line
        assert len(line) < 16_384, line[:300]
        found.append(json.loads(line.decode()))
    return found


def send_raw(node: Node, request: bytes) -> bytes:
    """Everything that comes back."""
    with Wire(node.admin_port) as wire:
        try:
            wire.send(request)
        except ConnectionError:
            pass
        return wire.read_to_end()


def is_call(reply: bytes) -> bool:
    """Whether it was answered as a call, and not refused as no HTTP before it was one."""
    return b"\r\nContent-Type: application/json" in reply


@pytest.mark.parametrize("form", ["json", "text"])
def test_v23_calls_are_a_line_each_whatever_they_say(start_node: Any, form: str) -> None:
    node = start_node(admin={"token": TOKEN}, log={"format": form, "audit": "all"}, limits={"message_bytes": "2MiB"})
    login = {"Authorization": f"Bearer {TOKEN}"}
    before = len(lines(node))
    sent = calls = 0
    with undisturbed(node):
        for text in [*HOSTILE_TEXTS.values(), *INVALID]:
            raw = text if isinstance(text, bytes) else text.encode()
            quoted = requests.utils.quote(raw, safe="")
            # As much of it as may be in a field at all.
            agent = bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F)[:8000]
            body = b'{"channel":"a","text":"x","key":' + json.dumps(raw.decode("latin-1")).encode() + b"}"
            channel = json.dumps({"channel": text if isinstance(text, str) else raw.decode("latin-1"), "text": "x"}).encode()
            for path, content in ((f"/api/v1/users/{quoted}/close", b""), ("/api/v1/publish", body), ("/api/v1/publish", channel),
                                  (f"/api/v1/connections/{quoted}/close", b"")):  # fmt: skip
                head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
                reply = send_raw(node, head.encode() + b"User-Agent: " + agent + b"\r\nX-Forwarded-For: " + agent
                                  + f"\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)  # fmt: skip
                sent += 1
                calls += is_call(reply)
            # And clients with the same as names, origins and tokens.
            for request in (upgrade(f"/raw?channel={quoted[:4000]}"), upgrade(f"/raw?channel=a&token={quoted[:4000]}"),
                            upgrade("/raw?channel=a").replace(b"Host: ", b"User-Agent: " + agent[:4000] + b"\r\nHost: ")):  # fmt: skip
                with Wire(node.client_port) as wire:
                    wire.send(request).read_head()
    after = lines(node)[before:]
    if form == "json":
        audited = [line for line in parsed(node)[before:] if line["message"].startswith("audit: ")]
        assert not [line for line in parsed(node) if line["message"] in ("forged", "x")]
        assert all(len(value) <= 2100 for line in audited for value in line.values())
    else:
        audited = [line for line in after if b"audit: " in line]
        for line in lines(node):
            assert re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|notice|warning|error) +[a-zA-Z]", line), line
            assert not re.search(rb"[\x00-\x1f\x7f]", line), line
    print(f"V23: {form}: {sent} requests with hostile texts, {calls} of them calls, {len(audited)} audit lines, {len(after)} lines in all")
    assert requests.get(f"http://{node.admin}/api/v1/config", headers=login, timeout=5).status_code == 200
    # Neither more nor less; what is refused as no HTTP is no event. A kind of refused client is a line a second.
    refused = [line for line in after if b"client refused: " in line]
    assert len(after) - len(refused) == len(audited) == calls and calls > sent // 2
    assert 0 < len(refused) <= int(node.api.metric("refusals_total"))


def test_v23_other_nodes_names_are_text(start_node: Any, redis_server: RedisServer) -> None:
    """Whoever may publish at Redis may call a node what it likes; that is written into the log of all others."""
    node = start_node("one", redis_url=redis_server.url, log={"format": "json"})
    other = start_node("a-name-to-be-forged", redis_url=redis_server.url)
    listener = redis_server.client().pubsub()
    listener.subscribe("carillon:beat")

    def beat() -> bytes | None:
        message = listener.get_message(timeout=0.1)
        return message["data"] if message and message["type"] == "message" and b"a-name-to-be-forged" in message["data"] else None

    genuine = until(beat, "a beat of it", 10)
    listener.close()
    origin = genuine[4:12]
    until(lambda: node.api.node_names() == {"one", other.name}, "they know each other")
    before = len(lines(node))
    texts = ["\n{\"forged\":true}\n--", "\x1b[2J\x1b[31m---------", "\0" * 19, "\"}\n{\"a\":\"b\"}", "\x9b31m", "\u2028" * 6 + "-", "\\" * 19, "\r\n" * 9 + "-"]
    publisher = redis_server.client()
    forged = 0
    for number, text in enumerate(texts, 1):
        # As long as the name it stands for, because its length is in the message too.
        raw = text.encode().ljust(19, b"-")
        assert len(raw) == 19, text
        identity = number.to_bytes(8, "big")
        publisher.publish("carillon:beat", genuine.replace(b"a-name-to-be-forged", raw, 1).replace(origin, identity, 1))
        forged += 1
    # Names that are legal and look like JSON or escapes are heard of, in one line each; the others are no names at all.
    legal = 2
    with undisturbed(node):
        until(lambda: counter(node, "link_bad_messages_total") >= forged - legal, "it has refused them")
        until(lambda: len(lines(node)) >= before + legal, "it has heard of the others")
    seen = parsed(node)[before:]
    print(f"V23: {forged} nodes with hostile names said to be there: {forged - legal} refused, {len(seen)} lines, each of them one")
    assert len(seen) == legal and all(set(line) >= {"time", "level", "message"} for line in seen)
    assert node.is_running
    # Neither can they break what the API answers, nor control the terminal of whoever asks.
    assert len(node.api.cluster()["cluster"]) <= 2 + legal
    shown = node.command("cluster").stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown), shown
