"""What is wrong with a configuration is said with its place and what would be right, and the node does not start."""

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.node import Node, carillon

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
    "twice": ("node: {name: a}\nnode: {name: b}\n", ["twice"]),
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
