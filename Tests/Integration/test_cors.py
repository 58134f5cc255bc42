"""Pages of other origins: what they may ask for and read (WHATWG Fetch, CORS), and which may at all."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from rig.browser import Chromium, PageServer
from rig.node import Node, carillon
from rig.waiting import until
from rig.wire import Wire, upgrade

SECRET = "a secret of more than thirty-two bytes, for tests"


def token(seconds: float = 600, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, SECRET, algorithm="HS256")


def answer(node: Node, request: bytes) -> tuple[int, dict[str, str], str]:
    with Wire(node.client_port) as wire:
        text = wire.send(request).read_to_end().decode()
    head, _, body = text.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body


def get(path: str, origin: str, method: str = "GET", *more: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: push.example.com", f"Origin: {origin}", *more, "", ""]).encode()


def test_a_page_of_another_origin_may_use_its_cookies(start_node: Any, browser: Chromium, page: PageServer) -> None:
    node: Node = start_node(
        client={"origins": [page.origin]}, auth={"required": True, "cookie": "session", "keys": [{"secret": SECRET}]})
    browser.evaluate(f"document.cookie = 'session={token(sub='ann')}; path=/'; 'ok'")
    try:
        browser.evaluate(
            f"window.heard = []; window.source = new EventSource('http://{node.client}/sse?channel=news', {{withCredentials: true}});"
            "window.source.onmessage = event => window.heard.push(event.data); 'ok'")
        until(lambda: node.api.subscribers("news") == 1, "it is let in")
        assert node.api.connections()[0]["user"] == "ann"
        node.api.publish("news", text="hello")
        until(lambda: browser.evaluate("window.heard.join()") == "hello", "the page may read it")
    finally:
        browser.evaluate("document.cookie = 'session=; path=/; max-age=0'; window.source.close(); 'ok'")


def test_a_page_may_send_headers_and_read_refusals(start_node: Any, browser: Chromium, page: PageServer) -> None:
    """With `fetch`, as the libraries do that replace `EventSource`: it asks with OPTIONS first."""
    node: Node = start_node(
        client={"origins": [page.origin]}, auth={"required": True, "keys": [{"secret": SECRET}]},
        channels=[{"match": "closed", "subscribe": "nobody"}, {"match": "*", "subscribe": "anyone"}])
    url = f"http://{node.client}/sse?channel="
    ask = (
        "(async (channel, token) => {{ const reply = await fetch('{url}' + channel, {{headers: "
        "{{'Authorization': 'Bearer ' + token, 'Last-Event-ID': 'a-1.2', 'X-Tenant': 'blue', 'Cache-Control': 'no-cache'}}}});"
        " if (reply.status != 200) return [reply.status, await reply.text()];"
        " const read = await reply.body.getReader().read(); return [reply.status, new TextDecoder().decode(read.value)] }})"
    ).format(url=url)
    status, text = browser.evaluate(f"{ask}('news', '{token(sub='ann')}')")
    assert status == 200 and text.startswith("retry: ")
    for channel, shown, expected, code in (
        ("news", token(-3600, sub="ann"), 401, "token_expired"), ("news", "nonsense", 401, "token_invalid"),
        ("closed", token(sub="ann"), 403, "not_permitted"), ("a%20b", token(sub="ann"), 400, "invalid_channel"),
    ):  # fmt: skip
        status, text = browser.evaluate(f"{ask}('{channel}', '{shown}')")
        assert (status, json.loads(text)["error"]["code"]) == (expected, code)


def test_preflights(start_node: Any) -> None:
    node: Node = start_node(client={"origins": ["https://app.example.com"]})
    asks = ["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,last-event-id"]
    status, headers, body = answer(node, get("/sse", "https://app.example.com", "OPTIONS", *asks))
    assert status == 200 and body == ""
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-allow-methods"] == "GET"
    assert headers["access-control-allow-headers"] == "authorization,last-event-id"
    assert headers["vary"] == "Origin"
    status, headers, _ = answer(node, get("/sse", "https://evil.example", "OPTIONS", *asks))
    assert status == 403 and not [name for name in headers if name.startswith("access-control")]
    # Without a page it is a question about the path.
    status, headers, _ = answer(node, b"OPTIONS /sse HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status == 200 and headers["allow"] == "GET, OPTIONS" and "access-control-allow-methods" not in headers
    assert answer(node, get("/raw?channel=a", "https://app.example.com", "OPTIONS", *asks))[0] == 405


def test_any_page_may_read_without_cookies(start_node: Any) -> None:
    node: Node = start_node(client={"origins": ["*"]}, channels=[{"match": "*", "subscribe": "nobody"}])
    status, headers, _ = answer(node, get("/sse?channel=a", "https://anybody.example"))
    assert status == 403 and headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers


def test_origins_of_apps_extensions_and_subdomains(start_node: Any) -> None:
    allowed = ["capacitor://localhost", "tauri://localhost", "chrome-extension://abcdefghijklmnopabcdefghijklmnop", "https://*.example.com"]
    node: Node = start_node(client={"origins": allowed})
    for origin, status in {
        "capacitor://localhost": 101, "tauri://localhost": 101, "chrome-extension://abcdefghijklmnopabcdefghijklmnop": 101,
        "chrome-extension://bbcdefghijklmnopabcdefghijklmnop": 403, "https://app.example.com": 101, "https://a.b.example.com": 101,
        "https://example.com": 403, "https://evilexample.com": 403, "https://app.example.com.evil.example": 403,
        "http://app.example.com": 403, "null": 403,
        # The host of the request is not among them unless it is listed.
        "https://push.other.example": 403,
    }.items():  # fmt: skip
        with Wire(node.client_port) as wire:
            head = wire.send(upgrade("/raw?channel=a", Host="push.other.example", Origin=origin)).read_head()
            assert head.startswith(f"HTTP/1.1 {status} ".encode()), (origin, head)


@pytest.mark.parametrize("origin, said", [
    ("https://app.example.com:443", "right would be https://app.example.com"), ("http://a.example:80", "right would be http://a.example"),
    ("https://app.example.com/", "right would be https://app.example.com"), ("https://*.com", "top-level domain"), ("https://*", "https://*.example.com"),
    ("https://app*.example.com", "wildcard"), ("app.example.com", "scheme"), ("null", "null"), ("wss://push.example.com", "https://push.example.com"),
    ("https://bücher.example", "xn--"), ("http://127.1", "IPv4"),
])  # fmt: skip
def test_what_no_browser_sends_is_refused_by_check(tmp_path: Path, origin: str, said: str) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text(f'client:\n  origins: ["https://good.example", "{origin}"]\n')
    done = carillon("check", str(file))
    assert done.returncode == 1 and said in done.stderr and ":2:" in done.stderr, done.stderr


def test_the_refusal_of_a_page_names_what_to_change(start_node: Any) -> None:
    listed: Node = start_node("listed", client={"origins": ["https://app.example.com"]})
    _, _, body = answer(listed, get("/sse?channel=a", "https://push.example.com"))
    assert "https://push.example.com" in body and "client.origins" in body
    own: Node = start_node("own")
    status, _, body = answer(own, get("/sse?channel=a", "https://elsewhere.example"))
    assert status == 403 and "client.origins" in body
