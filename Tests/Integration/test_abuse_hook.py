"""Clients and pages that try to speak through the connect hook in somebody else's name."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from rig.application import Application
from rig.node import Node, carillon
from rig.wire import Wire, frame, upgrade

#: What a client may write itself and an application would believe.
CLAIMS = {
    "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Client-IP": "127.0.0.1",
    "X-Forwarded-Proto": "https", "True-Client-IP": "127.0.0.1", "X-Remote-User": "root",
}  # fmt: skip
SECRET = "a secret of more than thirty-two bytes, for tests"


@pytest.fixture
def application() -> Iterator[Application]:
    server = Application()
    yield server
    server.stop()


def start(start_node: Any, application: Application, **hook: Any) -> Node:
    return start_node(auth={"required": True, "connect_hook": {"url": application.url, **hook}})


def ask(node: Node, lines: list[str], target: str = "/raw?channel=a") -> bytes:
    """A handshake with these lines in it; the head of the answer."""
    request = upgrade(target).removesuffix(b"\r\n") + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
    with Wire(node.client_port, seconds=10) as wire:
        return wire.send(request).read_head()


def accepted(node: Node, lines: list[str], target: str = "/raw?channel=a") -> None:
    head = ask(node, lines, target)
    assert head.startswith(b"HTTP/1.1 101 "), head


# -- pages


@pytest.mark.parametrize("hook", [{}, {"forward": ["cookie"]}, {"forward": ["Authorization", "origin"]}])
def test_any_page_and_a_hook_that_is_sent_cookies_is_refused(tmp_path: Path, hook: dict[str, Any]) -> None:
    file = tmp_path / "node.yaml"
    configuration = {
        "client": {"listen": "127.0.0.1:0", "origins": ["*"]},
        "admin": {"listen": "127.0.0.1:0"},
        "auth": {"connect_hook": {"url": "http://127.0.0.1:1/connect", **hook}},
    }
    file.write_text(yaml.safe_dump(configuration))
    for command in (["check", str(file)], ["serve", "--config", str(file)]):
        result = carillon(*command, seconds=20)
        said = result.stdout + result.stderr
        assert result.returncode == 1, said
        assert "client.origins" in said and "auth.connect_hook.forward" in said, said


def test_any_page_may_ask_without_cookies(start_node: Any, application: Application) -> None:
    node = start_node(
        client={"origins": ["*"]}, auth={"connect_hook": {"url": application.url, "forward": ["origin", "user-agent"]}})
    accepted(node, ["Origin: https://evil.example", "Cookie: session=victim", "Authorization: Basic dmljdGltOng="])
    assert application.last()["headers"] == {"origin": "https://evil.example"}


# -- headers


def test_several_lines_of_a_header_are_one(start_node: Any, application: Application) -> None:
    node = start(start_node, application)
    accepted(node, ["Cookie: a=1", "cookie: b=2; c=\"3\"", "X-Request-Id: x", "COOKIE: d=4", "X-Request-Id: y\tz\\"])
    assert application.last()["headers"] == {"cookie": 'a=1; b=2; c="3"; d=4', "x-request-id": "x, y\tz\\"}
    # In the centrifuge dialect, too, where the question comes later.
    with Wire(node.client_port) as wire:
        wire.send(upgrade("/connection/websocket").removesuffix(b"\r\n") + b"Cookie: a=1\r\nCookie: b=2\r\n\r\n")
        assert wire.read_head().startswith(b"HTTP/1.1 101 ")
        wire.send(frame(b'{"id":1,"connect":{"data":{"client":"root"}}}'))
        assert b'"connect"' in wire.read_frame()[1]
    asked = application.last()
    assert asked["headers"] == {"cookie": "a=1; b=2"} and asked["data"] == {"client": "root"} and asked["client"] != "root"
    # Two of a header that is no list could be read in two ways.
    assert ask(node, ["Authorization: Bearer a", "Authorization: Bearer b"]).startswith(b"HTTP/1.1 400 ")
    assert ask(node, ["Origin: https://a", "Origin: https://b"]).startswith(b"HTTP/1.1 403 ")


def test_what_a_client_says_of_its_address_is_not_passed_on(start_node: Any, application: Application) -> None:
    every = [name.lower() for name in CLAIMS]
    node = start(start_node, application, forward=[*every, "user-agent"])
    lines = [f"{name}: {value}" for name, value in CLAIMS.items()]
    accepted(node, [*lines, "X_Forwarded_For: 127.0.0.1", "User-Agent: me"])
    asked = application.last()
    assert asked["headers"] == {"user-agent": "me"} and asked["remote"] == "127.0.0.1"


def test_what_a_client_says_of_its_address_is_not_passed_on_by_default(start_node: Any, application: Application) -> None:
    accepted(start(start_node, application), ["X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1"])
    assert application.last()["headers"] == {}


def test_a_proxy_that_is_trusted_may_say_it(start_node: Any, application: Application) -> None:
    node = start(start_node, application, proxies=["127.0.0.0/8", "::1"])
    accepted(node, ["X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 10.0.0.1", "X-Real-IP: 192.0.2.7"])
    assert application.last()["headers"] == {"x-forwarded-for": "192.0.2.7, 10.0.0.1", "x-real-ip": "192.0.2.7"}


def test_a_token_is_not_in_the_target(start_node: Any, application: Application) -> None:
    node = start(start_node, application)
    accepted(node, [], "/raw?token=s3cret&channel=a&%74oken=another")
    asked = application.last()
    assert asked["target"] == "/raw?channel=a" and asked["token"] == "s3cret"
    assert application.bodies[-1].count(b"s3cret") == 1


# -- tokens in cookies


def test_a_token_is_found_in_any_cookie_line(start_node: Any) -> None:
    origin = "https://app.example.com"
    node = start_node(
        auth={"required": True, "cookie": "session", "keys": [{"secret": SECRET}]}, client={"origins": [origin]})
    token = jwt.encode({"sub": "ann", "exp": int(time.time()) + 60}, SECRET, algorithm="HS256")
    accepted(node, [f"Origin: {origin}", "Cookie: theme=dark", f"Cookie: other=1; session={token}"])
    assert ask(node, [f"Origin: {origin}", "Cookie: theme=dark", "Cookie: sessions=x"]).startswith(b"HTTP/1.1 401 ")
    bad = json.dumps({"sub": "ann"})
    assert ask(node, [f"Origin: {origin}", "Cookie: a=1", f"Cookie: session={bad}"]).startswith(b"HTTP/1.1 401 ")
