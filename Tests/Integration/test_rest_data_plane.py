"""The REST data plane of hubs, called as applications of the Azure SignalR Service call it: any node, any client."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import websockets.sync.client

from rig.node import Node
from rig.one_or_two import one_or_two
from rig.receivers import WebsocketsClient
from rig.serverless import hostile
from rig.serverless import sign as signed
from rig.waiting import until

KEY, OLD_KEY = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
SECRET = "s" * 40
TOKEN = "operator-token"
SETTINGS: dict[str, Any] = {
    "admin": {"token": TOKEN},
    "auth": {"keys": [{"secret": SECRET}]},
    "hubs": [
        {"path": "/chat", "prefix": "chat:", "keys": [KEY, OLD_KEY], "methods": {"join": "Join"}},
        {"path": "/other", "prefix": "other:", "keys": ["another-key-of-32-bytes-or-more-00"]},
    ],
    "channels": [{"match": "chat:closed*", "subscribe": "nobody"}, {"match": "*", "subscribe": "anyone", "publish": "client"}],
}
END = "\x1e"
VERSION = "api-version=2022-06-01"


@pytest.fixture(params=["memory", "redis"])
def nodes(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[list[Node]]:
    """One node by itself, or two with Redis: clients are on the last, applications talk to the first."""
    with one_or_two(request.param, start_node, tmp_path, **SETTINGS) as started:
        yield started


class Client:
    """A client of the hub, by the published protocol: negotiated at the first node, connected to the last."""

    def __init__(self, nodes: list[Node], user: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {jwt.encode({'sub': user, 'exp': int(time.time()) + 300}, SECRET, algorithm='HS256')}"} if user else {}
        answer = requests.post(f"http://{nodes[0].client}/chat/negotiate?negotiateVersion=1", headers=headers, timeout=5).json()
        self.id = answer["connectionId"]
        self._stack = contextlib.ExitStack()
        self._socket = self._stack.enter_context(websockets.sync.client.connect(
            f"ws://{nodes[-1].client}/chat?id={answer['connectionToken']}", additional_headers=headers))
        self._socket.send('{"protocol":"json","version":1}' + END)
        assert self._socket.recv(5) == "{}" + END
        self.calls: list[tuple[str, list[Any]]] = []

    def until(self, target: str) -> list[tuple[str, list[Any]]]:
        """The calls until one with this target; each is returned once."""
        self.calls = []
        deadline = time.monotonic() + 5
        while not self.calls or self.calls[-1][0] != target:
            for text in filter(None, self._socket.recv(max(0.0, deadline - time.monotonic())).split(END)):
                message = json.loads(text)
                if message["type"] == 1:
                    self.calls.append((message["target"], message["arguments"]))
        return self.calls

    def has_ended(self) -> bool:
        with contextlib.suppress(TimeoutError):
            try:
                while True:
                    self._socket.recv(0.1)
            except websockets.exceptions.ConnectionClosed:
                return True
        return False

    def close(self) -> None:
        self._stack.close()


def sign(claims: Any, key: str = KEY) -> str:
    return signed(claims, key)


def audience(path: str) -> str:
    return f"https://hub.example.com{path.split('?')[0]}"


def call(node: Node, method: str, path: str, body: Any = None, key: str = KEY, token: str | None = None) -> requests.Response:
    presented = sign({"aud": audience(path), "exp": int(time.time()) + 60}, key) if token is None else token
    return requests.request(
        method, f"http://{node.admin}{path}", json=body, headers={"Authorization": f"Bearer {presented}"} if presented else {}, timeout=10)


def said(*arguments: Any, target: str = "said") -> dict[str, Any]:
    return {"target": target, "arguments": list(arguments)}


@pytest.mark.parametrize(("base", "send"), [("/api/hubs/chat", "/:send"), ("/api/v1/hubs/chat", "")])
def test_sending(nodes: list[Node], base: str, send: str) -> None:
    first, second, visitor = Client(nodes, "ann"), Client(nodes, "ann"), Client(nodes)
    raw = WebsocketsClient(nodes[-1].client, "chat:all")

    def done(path: str, body: Any) -> None:
        answer = call(nodes[0], "POST", f"{base}{path}{send}?{VERSION}", body)
        assert answer.status_code == 202, (path, answer.text)

    done("", said("ann", [1], {"a": None}))
    done("/users/ann", said())
    done(f"/connections/{first.id}", said("one"))
    assert call(nodes[0], "PUT", f"{base}/groups/g%201".replace("%20", "-") + f"/connections/{second.id}").status_code == 200
    done("/groups/g-1", said(["list"]))
    # Nobody misses what comes later, and nobody gets what was not for it.
    excluded = f"{base}{send}?{VERSION}&excluded={second.id}&excluded={'0' * 32}"
    assert call(nodes[0], "POST", excluded, said("not second")).status_code == 202
    done("", said(target="end"))
    everybody, end = ("said", ["ann", [1], {"a": None}]), ("end", [])
    assert first.until("end") == [everybody, ("said", []), ("said", ["one"]), ("said", ["not second"]), end]
    assert second.until("end") == [everybody, ("said", []), ("said", [["list"]]), end]
    assert visitor.until("end") == [everybody, ("said", ["not second"]), end]
    until(lambda: raw.count() == 3, "clients of other dialects get what is for all")
    assert json.loads(raw.received[0]) == ["ann", [1], {"a": None}] and json.loads(raw.received[1]) == "not second"


def test_groups_and_existence(nodes: list[Node]) -> None:
    first, second = Client(nodes, "ann"), Client(nodes, "bob")
    base = "/api/hubs/CHAT"

    def status(method: str, path: str, body: Any = None) -> int:
        return call(nodes[0], method, base + path, body).status_code

    assert status("HEAD", f"/connections/{first.id}") == 200 and status("HEAD", f"/connections/{'1' * 32}") == 404
    assert status("HEAD", "/users/ann") == 200 and status("HEAD", "/users/nobody") == 404 and status("HEAD", "/groups/g") == 404
    assert status("PUT", f"/groups/g/connections/{first.id}") == 200
    assert status("HEAD", "/groups/g") == 200 and status("HEAD", "/users/ann/groups/g") == 200 and status("HEAD", "/users/bob/groups/g") == 404
    assert status("PUT", "/users/bob/groups/g?ttl=3600") == 200 and status("HEAD", "/users/bob/groups/g") == 200
    assert call(nodes[0], "PUT", "/api/v1/hubs/chat/groups/old/users/bob").status_code == 202
    assert status("POST", "/groups/g/:send", said(1)) == 202 and status("POST", "/groups/old/:send", said(2)) == 202
    assert status("DELETE", f"/groups/g/connections/{first.id}") == 200 and status("DELETE", "/users/bob/groups/g") == 204
    assert status("POST", "/groups/g/:send", said(3)) == 202
    assert status("POST", "/:send", said(target="end")) == 202
    assert first.until("end") == [("said", [1]), ("end", [])]
    assert second.until("end") == [("said", [1]), ("said", [2]), ("end", [])]
    assert status("PUT", f"/groups/closed/connections/{first.id}") == 400
    assert status("PUT", f"/groups/g/connections/{'1' * 32}") == 404
    assert status("PUT", "/users/nobody/groups/g?ttl=0") == 200


def test_closing(nodes: list[Node]) -> None:
    first, second, third = (Client(nodes, "ann") for _ in range(3))
    assert call(nodes[0], "DELETE", f"/api/hubs/chat/connections/{first.id}?reason=enough").status_code == 200
    until(first.has_ended, "it is closed")
    until(lambda: call(nodes[0], "HEAD", f"/api/hubs/chat/connections/{first.id}").status_code == 404, "it is gone")
    assert call(nodes[0], "DELETE", f"/api/hubs/chat/connections/{first.id}").status_code == 404
    assert call(nodes[0], "POST", f"/api/hubs/chat/users/ann/:closeConnections?excluded={third.id}").status_code == 204
    until(second.has_ended, "it is closed")
    assert not third.has_ended()


def hostile_tokens() -> dict[str, str]:
    """Tokens that open nothing, each for `/api/hubs/chat/:send`."""
    right = {"aud": audience("/api/hubs/chat/:send"), "exp": int(time.time()) + 60}
    keys = {"another signature": "x" * 32, "the key of another hub": "another-key-of-32-bytes-or-more-00", "a secret of auth.keys": SECRET}
    return hostile(right, KEY, keys) | {
        "none": "", "the admin token": TOKEN, "another path": sign({**right, "aud": audience("/api/hubs/chat/groups/a/:send")}),
        "the beginning": sign({**right, "aud": audience("/api/hubs/chat")}), "another hub": sign({**right, "aud": audience("/api/hubs/other/:send")}),
        "only the path": sign({**right, "aud": "/api/hubs/chat/:send"}), "the client's": sign({**right, "aud": "https://hub.example.com/client/?hub=chat"}),
        "another spelling": sign({**right, "aud": audience("/api/hubs/cha\u212at/:send")}),
    }  # fmt: skip


def test_hostile_tokens_open_nothing(nodes: list[Node]) -> None:
    witness = Client(nodes)
    path = "/api/hubs/chat/:send"
    for name, token in hostile_tokens().items():
        answer = call(nodes[0], "POST", path, said(name), token=token)
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "unauthorized", (name, answer.status_code, answer.text)
    # A token of this API opens nothing else.
    for other in ("/api/v1/publish", "/api/v1/config", "/api/publish", "/api//hubs/chat/:send"):
        answer = call(nodes[0], "POST", other, {"channel": "chat:all", "data": 1}, token=sign({"aud": audience(other), "exp": int(time.time()) + 60}))
        assert answer.status_code in (401, 404, 405), (other, answer.text)
    assert call(nodes[0], "POST", "/api/hubs/nothing/:send", said()).status_code == 401
    # Several audiences, the key of before, a slash and a query too much are all right.
    right = {"aud": ["https://x/", audience(path)], "exp": int(time.time()) + 60}
    assert call(nodes[0], "POST", path, said("one"), token=sign(right)).status_code == 202
    assert call(nodes[0], "POST", f"{path}?{VERSION}", said("two"), key=OLD_KEY).status_code == 202
    slashed = sign({"aud": audience(path) + "/?x=1", "exp": int(time.time()) + 60})
    assert call(nodes[0], "POST", path, said(target="end"), token=slashed).status_code == 202
    assert witness.until("end") == [("said", ["one"]), ("said", ["two"]), ("end", [])]


def test_what_is_refused(nodes: list[Node]) -> None:
    base = "/api/hubs/chat"
    for body in ({}, {"target": ""}, {"target": 1}, {"arguments": []}, {"target": "a\n"}, {"target": "a", "arguments": {}}, {"target": "a", "rawBytes": "eA=="}, []):
        assert call(nodes[0], "POST", f"{base}/:send", body).status_code == 400, body
    for method, path, expected in [
        ("POST", "/:execute", 501), ("POST", f"/connections/{'1' * 32}/:invoke", 501), ("POST", f"/connections/{'1' * 32}/streams/s/:send", 501), ("POST", "/:send?filter=x", 501),
        ("POST", "/:generateToken?minutesToExpire=0", 400), ("POST", "/:generateToken?userId=a%0Ab", 400), ("POST", "/:send?application=nothing", 401),
        ("POST", "/:sends", 404), ("GET", "/:send", 405), ("PUT", "/users/ann", 405), ("POST", "/groups/a%20b/:send", 400), ("POST", f"/connections/{'1' * 32}/:send", 202),
        ("PUT", "/users/ann/groups/g?ttl=-1", 400), ("GET", "/a/b/c/d/e/f/g", 404), ("GET", f"/groups/{'x' * 1025}", 404), ("POST", "/users/a%0Ab/:send", 400),
    ]:  # fmt: skip
        answer = call(nodes[0], method, base + path, said() if method == "POST" else None)
        assert answer.status_code == expected, (method, path, answer.status_code, answer.text)
    assert requests.head(f"http://{nodes[0].admin}/api/health", timeout=5).status_code == 200
