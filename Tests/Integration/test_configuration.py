"""What is wrong with a configuration is said with its place and what would be right, and the node does not start."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import yaml

from rig.certificates import Authority
from rig.node import Node, carillon
from rig.process import free_port
from rig.waiting import until
from rig.wire import Wire

#: File → what the message has to hold: line and column, and a hint.
WRONG = {
    "unknown key": ("client:\n  lisen: 0.0.0.0:80\n", ["2:3:", "unknown key 'client.lisen'", "'client.listen'"]),
    "unknown section": ("backplne: {}\n", ["1:1:", "unknown key 'backplne'", "'backplane'"]),
    "wrong type": ("limits:\n  fragments: many\n", ["2:14:", "limits.fragments", "'many' is not a whole number"]),
    "list for a value": ("admin:\n  listen: [127.0.0.1:1]\n", ["2:11:", "admin.listen"]),
    "value for a section": ("client: 8000\n", ["1:9:", "'client' has to be a mapping"]),
    "bad address": ("client:\n  listen: localhost:8000\n", ["2:11:", "client.listen"]),
    "port out of range": ("client:\n  listen: 0.0.0.0:70000\n", ["2:11:", "client.listen"]),
    "bad choice": ("backplane:\n  kind: reddis\n", ["2:9:", "memory or redis", "did you mean 'redis'?"]),
    "bad size": ("limits:\n  message_bytes: 64 apples\n", ["2:18:", "64KiB"]),
    "bad duration": ("liveness:\n  ping_interval: soon\n", ["2:18:", "10s"]),
    "out of range": ("limits:\n  fragments: 0\n", ["2:14:", "1 to 1000000"]),
    "no value": ("node:\n  name:\n", ["node.name", "has no value"]),
    "bad rule": ('channels:\n  - { match: "a", publsh: client }\n', ["2:19:", "publsh", "publish"]),
    "bad URL": ("backplane:\n  redis:\n    url: http://x\n", ["3:10:", "redis://127.0.0.1:6379"]),
    "not YAML": ("client: [\n", ["not YAML"]),
    "twice": ("node: {name: a}\nnode: {name: b}\n", ["duplicate key", "'node'", "twice"]),
    "open admin without token": ("admin:\n  listen: 0.0.0.0:8001\n", ["admin.token"]),
    "unset variable": ("admin:\n  token: ${NOT_SET_ANYWHERE}\n", ["2:10:", "NOT_SET_ANYWHERE"]),
    "every error at once": ("nod: 1\nclint: 2\n", ["1:1:", "2:1:"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_check_says_what_is_wrong_and_serve_refuses(case: str, tmp_path: Path) -> None:
    text, expected = WRONG[case]
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    for command in (["check", str(file)], ["serve", "--config", str(file)]):
        result = carillon(*command, seconds=20)
        assert result.returncode == 1, result
        for piece in expected:
            assert piece in result.stderr, f"{piece!r} is not in:\n{result.stderr}"
        assert "wrong.yaml" in result.stderr
        assert "Fatal error" not in result.stderr


def test_check_of_a_right_file(tmp_path: Path) -> None:
    file = tmp_path / "right.yaml"
    file.write_text("client: { listen: 127.0.0.1:0 }\n")
    assert carillon("check", str(file)).returncode == 0


def test_no_such_file() -> None:
    result = carillon("check", "/nowhere/carillon.yaml")
    assert result.returncode == 1
    assert "/nowhere/carillon.yaml" in result.stderr and "No such file" in result.stderr


def test_the_printed_defaults_are_right(tmp_path: Path) -> None:
    printed = carillon("config", "--defaults")
    assert printed.returncode == 0
    file = tmp_path / "defaults.yaml"
    file.write_text(printed.stdout)
    result = carillon("check", str(file))
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load(printed.stdout)["client"]["listen"] == "0.0.0.0:8000"


def test_an_environment_variable_overrides_the_file(start_node: Any, tmp_path: Path) -> None:
    node = Node("overridden", tmp_path)
    try:
        node.start(CARILLON_NODE_NAME="from-the-environment")
        assert node.api.node_names() == {"from-the-environment"}
    finally:
        node.stop()


def test_an_unknown_variable_is_an_error(tmp_path: Path) -> None:
    result = carillon("serve", seconds=20, environment={"CARILLON_CLIENT_LISTN": "127.0.0.1:0"})
    assert result.returncode == 1
    assert "CARILLON_CLIENT_LISTN" in result.stderr and "CARILLON_CLIENT_LISTEN" in result.stderr


@pytest.mark.parametrize("which", ["client", "admin"])
def test_a_port_in_use(which: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        file = tmp_path / "carillon.yaml"
        other = "admin" if which == "client" else "client"
        file.write_text(f"{which}: {{ listen: {address} }}\n{other}: {{ listen: 127.0.0.1:0 }}\n")
        result = carillon("serve", "--config", str(file), seconds=30)
    assert result.returncode == 1
    said = result.stderr + result.stdout
    assert address in said and "address already in use" in said.lower(), said


def test_a_port_of_another_node(node: Node, tmp_path: Path) -> None:
    """Nodes share their port among their own threads; a second node must not slip in beside them."""
    file = tmp_path / "second.yaml"
    file.write_text(f"client: {{ listen: {node.client} }}\nadmin: {{ listen: 127.0.0.1:0 }}\n")
    result = carillon("serve", "--config", str(file), seconds=20)
    assert result.returncode == 1
    assert node.client in result.stderr and "address already in use" in result.stderr.lower(), result.stderr


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text("client: { listen: 203.0.113.1:8000 }\n")
    result = carillon("serve", "--config", str(file), seconds=20)
    assert result.returncode == 1
    assert "203.0.113.1:8000" in result.stderr and "EADDRNOTAVAIL" in result.stderr


def test_secrets_are_not_shown(start_node: Any) -> None:
    node = start_node(admin={"token": "a-secret-token"})
    assert node.api.get("/api/v1/config")["admin.token"] == "(secret)"
    assert "a-secret-token" not in node.output()
    for path in ("/metrics", "/api/v1/cluster", "/api/v1/config"):
        assert node.api.request("GET", path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    # Who watches over processes has no token.
    assert node.api.request("GET", "/health/ready", headers={"Authorization": ""}).status_code == 200


def test_a_wrong_command_line() -> None:
    for arguments in (["nonsense"], ["serve", "--nonsense"], ["publish"], ["close"]):
        result = carillon(*arguments)
        assert result.returncode == 64, result
        assert "Usage" in result.stderr


def test_no_node_answers() -> None:
    result = carillon("cluster", "--admin", "http://127.0.0.1:1")
    assert result.returncode == 1
    assert "no node answers at http://127.0.0.1:1" in result.stderr


#: File → what is said of it; `check` took each of these for right.
MEANT_OTHERWISE = {
    "Redis without its kind": ("backplane:\n  redis:\n    url: redis://127.0.0.1:1\n", ["3:5:", "kind: redis"]),
    "a rule nobody reaches": ('channels:\n  - { match: "*" }\n  - { match: "chat:*", publish: client }\n', ["3:5:", "never used"]),
    "a rule for no name": ('channels:\n  - { match: "chat: *" }\n', ["2:5:", "never used"]),
    "nothing could grant it": ("channels:\n  - { match: a, subscribe: granted }\n", ["2:5:", "grant"]),
    "a user that cannot be decoded": ("backplane: { kind: redis, redis: { url: 'redis://a%zz:p@127.0.0.1' } }\n", ["the user in the URL"]),
    "an empty password": ("backplane: { kind: redis, redis: { url: 'redis://a:@127.0.0.1' } }\n", ["password in the URL is empty"]),
    "a user without a password": ("backplane: { kind: redis, redis: { user: ann } }\n", ["has no password"]),
    "dotted beside nested": ("client: { listen: 127.0.0.1:1 }\nclient.listen: 127.0.0.1:2\n", ["2:1:", "set twice"]),
    "a hook without its URL": ("auth: { connect_hook: { timeout: 1s } }\n", ["auth.connect_hook.url"]),
    "audiences that nobody checks": ("auth: { audiences: [a] }\n", ["auth.keys"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MEANT_OTHERWISE)
def test_check_refuses_what_no_file_can_mean(case: str, tmp_path: Path) -> None:
    text, expected = MEANT_OTHERWISE[case]
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    for command in (["check", str(file)], ["serve", "--config", str(file)]):
        result = carillon(*command, seconds=20)
        assert result.returncode == 1, result
        assert all(piece in result.stderr for piece in expected), result.stderr


def test_what_a_file_may_mean_is_a_warning(start_node: Any, tmp_path: Path) -> None:
    file = tmp_path / "doubtful.yaml"
    file.write_text("backplane:\n  kind: memory\n  redis: { prefix: live }\nlimits: { publish_rate: 0, publish_burst: 7 }\n")
    result = carillon("check", str(file))
    assert result.returncode == 0 and "valid, with 2 warnings" in result.stdout, result
    assert "2:3: backplane.kind is memory" in result.stderr and "limits.publish_burst has no effect" in result.stderr
    node = start_node(limits={"publish_rate": 0, "publish_burst": 7})
    assert "limits.publish_burst has no effect" in node.output()


def test_an_admin_certificate_that_is_no_good(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("admin")
    _, other = authority.issue("other")
    expired, expired_key = authority.issue("expired", days=-1)
    for pair, said in (((certificate, other), "does not belong"), ((expired, expired_key), "has expired")):
        file = tmp_path / "carillon.yaml"
        file.write_text(yaml.safe_dump({"admin": {"listen": "127.0.0.1:0", "tls": {"certificate": str(pair[0]), "key": str(pair[1])}},
                                        "client": {"listen": "127.0.0.1:0"}}))  # fmt: skip
        for command in (["check", str(file)], ["serve", "--config", str(file)]):
            result = carillon(*command, seconds=20)
            assert result.returncode == 1 and said in result.stderr, result


def test_all_files_that_are_no_good_are_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text(yaml.safe_dump({
        "client": {"tls": {"certificate": "/nowhere/c.pem", "key": "/nowhere/k.pem"}},
        "admin": {"tls": {"certificate": "/nowhere/a.pem", "key": "/nowhere/k.pem"}},
        "auth": {"keys": [{"secret": "short", "id": "1"}, {"file": "/nowhere/key.pem"}, {"secret_file": "/nowhere/secret"}]},
    }))  # fmt: skip
    result = carillon("check", str(file))
    assert result.returncode == 1
    for said in ("/nowhere/c.pem", "/nowhere/a.pem", "5 bytes", "/nowhere/key.pem", "/nowhere/secret"):
        assert said in result.stderr, result.stderr
    assert "NSCocoaErrorDomain" not in result.stderr and result.stderr.count("No such file") + result.stderr.count("no such file") >= 4


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_in_a_file_is_the_same_for_the_node_and_the_command_line(start_node: Any, tmp_path: Path, end: str) -> None:
    secret = tmp_path / "secret"
    # Any bytes may be a secret.
    secret.write_bytes(b"\xff" + b"s" * 40 + end.encode())
    node = start_node(auth={"keys": [{"secret_file": str(secret)}], "required": True})
    made = carillon("token", "make", "--secret", str(secret), "--user", "ann")
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    # Neither is more than one line break part of the format.
    expected = b"\xff" + b"s" * 40 + (b"\n" if end == "\n\n" else b"")
    assert jwt.decode(token, expected, algorithms=["HS256"])["sub"] == "ann"
    with Wire(node.client_port) as wire:
        wire.open(f"/raw?channel=a&token={token}")
    explained = carillon("token", "explain", "--config", str(node.file), token)
    assert explained.returncode == 0 and "accepted" in explained.stdout


def test_variables_of_others_do_not_stop_a_node(tmp_path: Path) -> None:
    """Those of the command line, of README, of HAProxy's files, and those Kubernetes sets for a Service."""
    node = Node("node", tmp_path)
    names = ["ADMIN", "CA", "TOKEN_SECRET", "JWT_SECRET", "BIND", "STATS", "NODE_1", "NODE_1_TLS", "PORT", "SERVICE_HOST", "ADMIN_PORT_8001_TCP", "REDIS_PASSWORD"]
    try:
        node.start(**{f"CARILLON_{name}": "x" for name in names})
        assert "'CARILLON_REDIS_PASSWORD' sets no key; did you mean 'CARILLON_BACKPLANE_REDIS_PASSWORD'?" in node.output()
    finally:
        node.stop()


def test_an_unknown_variable_names_the_nearest_only() -> None:
    result = carillon("serve", seconds=20, environment={"CARILLON_LIMITS_SESION": "1"})
    assert result.returncode == 1 and result.stderr.count("CARILLON_") <= 4, result.stderr


def test_lists_can_be_set_by_variables(tmp_path: Path) -> None:
    node = Node("node", tmp_path)
    try:
        node.start(
            CARILLON_CLIENT_LISTEN="127.0.0.1:0, 127.0.0.2:0", CARILLON_CLIENT_ORIGINS="https://a.example, https://b.example",
            CARILLON_CHANNELS="[{match: 'mine:*', publish: client}, {match: '*', subscribe: nobody}]")  # fmt: skip
        shown = node.api.get("/api/v1/config")
        assert shown["client.origins"] == "https://a.example https://b.example"
        assert "mine:*" in shown["channels"] and "listen:*" not in shown["channels"]
    finally:
        node.stop()


def test_a_url_of_the_environment_leaves_nothing_of_the_files(redis_server: Any, tmp_path: Path) -> None:
    node = Node("node", tmp_path, backplane={"kind": "redis", "redis": {"url": "redis://nobody:wrong@127.0.0.1:1/9"}})
    try:
        node.start(CARILLON_BACKPLANE_REDIS_URL=redis_server.url)
        assert node.api.is_ready()
    finally:
        node.stop()


def test_several_addresses_for_clients(tmp_path: Path) -> None:
    """IPv4 and IPv6 on one port; addresses with colons have brackets wherever they are written."""
    port = free_port()
    node = Node("node", tmp_path, client={"listen": [f"0.0.0.0:{port}", f"[::]:{port}"]}, admin={"listen": "[::1]:0"})
    try:
        node.start()
        announced = json.loads(node.announcement.read_text())
        assert announced["clients"] == [f"0.0.0.0:{port}", f"[::]:{port}"]
        assert re.fullmatch(r"\[::1\]:\d+", announced["admin"]), announced
        assert f"serves clients on 0.0.0.0:{port}, [::]:{port}, the API on [::1]:" in node.output()
        for host in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{host}:{port}/health", timeout=5).text == "ready\n"
        until(lambda: node.api.cluster()["cluster"][0].get("summary"), "its numbers")
        assert node.api.cluster()["cluster"][0]["summary"]["client"] == f"0.0.0.0:{port}, [::]:{port}"
        assert carillon("cluster", "--admin", f"http://{announced['admin']}").returncode == 0
        printed = carillon("subscribe", "a", "--server", f"ws://[::1]:{port}", "--count", "0")
        assert printed.returncode == 64
    finally:
        node.stop()


def test_an_address_that_is_taken_among_several(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "second.yaml"
    file.write_text(yaml.safe_dump({"client": {"listen": ["127.0.0.1:0", node.client]}, "admin": {"listen": "127.0.0.1:0"}}))
    result = carillon("serve", "--config", str(file), seconds=20)
    assert result.returncode == 1
    assert node.client in result.stderr and "address already in use" in result.stderr.lower(), result.stderr
