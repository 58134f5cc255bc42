"""What the command line does with options that contradict each other, with files, pipes and exit statuses."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rig.certificates import Authority
from rig.cluster import Cluster
from rig.node import CARILLON, Node, carillon
from rig.process import REPOSITORY, Process, accepts, free_port
from rig.receivers import WebsocketsClient
from rig.waiting import until

SECRET = "a-secret-for-tests-of-more-than-32-bytes"


def fed(data: bytes, *arguments: str, node: Node) -> subprocess.CompletedProcess[bytes]:
    """A command that reads from a pipe."""
    return subprocess.run(
        [str(CARILLON), *arguments, "--admin", f"http://{node.admin}"], input=data, capture_output=True, timeout=30, check=False)


#: Commands whose options exclude each other, or that lack something, and what has to be said of them.
CONTRADICTIONS = [
    (["publish", "--all", "--user", "x", "hello"], "--all and --user exclude each other"),
    (["publish", "--user", "x", "--connection", "y", "hello"], "--user and --connection exclude each other"),
    (["publish", "--all", "news", "hello"], "--all says whom it is for"),
    (["publish", "news", "hello", "--file", "x"], "--file is the payload already"),
    (["publish", "news"], "say what to publish"),
    (["publish", "news", "a", "b"], "one payload only"),
    (["close", "id", "--user", "x"], "exclude each other"),
    (["close"], "say which connection"),
    (["channels", "a", "--prefix", "b"], "excludes --prefix"),
    (["presence", "a", "--users", "--count"], "exclude each other"),
    (["presence", "a", "--cursor", "x", "--count"], "excludes --cursor"),
    (["config", "--defaults", "--table"], "exclude each other"),
    (["token", "make", "--secret", "a", "--key", "b"], "exclude each other"),
    (["token", "make", "--user", "a"], "say what to sign with"),
    (["token", "make", "--for", "a", "--grant", "b=subscribe"], "excludes --channel and --grant"),
    (["health", "--admin", "a", "--config", "b"], "exclude each other"),
    (["subscribe", "a", "--count", "0"], "at least 1"),
    (["bench", "fanout", "--dialect", "x"], "not a dialect"),
    (["size", "--sessions", "0"], "--sessions 0: it has to be 1 to"),
    (["size", "--sessions=-1"], "--sessions -1: it has to be 1 to"),
    (["size", "--sessions", "10", "--nodes", "2"], "exclude each other"),
    (["size", "--sessions", "10", "--rate", "5"], "--rate needs --payload"),
    (["size", "--memory", "4"], "--memory '4' is not a size"),
    (["size", "--cores", "0"], "--cores has to be more than 0"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), CONTRADICTIONS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_contradictions_are_refused_with_the_usage_of_the_command(arguments: list[str], said: str) -> None:
    result = carillon(*arguments, "--secret", "/dev/null") if arguments[:2] == ["token", "make"] and "--for" in arguments else carillon(*arguments)
    assert result.returncode == 64, result
    assert said in result.stderr
    words = 2 if arguments[0] in ("token", "bench") else 1
    assert f"Usage: carillon {' '.join(arguments[:words])}" in result.stderr, result.stderr


def test_contradictions_publish_nothing(node: Node) -> None:
    receiver = WebsocketsClient(node.client, "news")
    assert node.command("publish", "--all", "--user", "x", "to one user").returncode == 64
    assert node.command("publish", "news", "the end").returncode == 0
    until(lambda: receiver.received, "the end")
    assert receiver.received == ["the end"]
    receiver.close()


def test_payloads_from_files_and_pipes(node: Node, tmp_path: Path) -> None:
    receiver = WebsocketsClient(node.client, "news")
    file = tmp_path / "payload"
    file.write_bytes(b'{"n": 1}\n')
    assert fed(b'{"n": 2.50}\n', "publish", "news", "-", node=node).returncode == 0
    assert fed(b"from a pipe\n", "publish", "news", "-", node=node).returncode == 0
    assert fed(b"[1]", "publish", "news", "-", "--text", node=node).returncode == 0
    assert fed(b"a text", "publish", "news", "--file", "-", "--text", node=node).returncode == 0
    assert fed(b"\xff\x00", "publish", "news", "--file", "-", node=node).returncode == 0
    assert node.command("publish", "news", "--file", str(file)).returncode == 0
    assert node.command("publish", "news", "--file", str(file), "--text").returncode == 0
    until(lambda: len(receiver.received) == 7, "all of them")
    assert receiver.received == ['{"n": 2.50}', "from a pipe", "[1]", "a text", b"\xff\x00", b'{"n": 1}\n', '{"n": 1}\n']
    receiver.close()
    refused = fed(b"\xff", "publish", "news", "--file", "-", "--text", node=node)
    assert refused.returncode == 1 and b"not UTF-8" in refused.stderr


@pytest.mark.parametrize("arguments", [
    ["publish", "a", "--file", "/nowhere/x"], ["token", "make", "--secret", "/nowhere/x"], ["token", "make", "--key", "/nowhere/x"],
    ["check", "/nowhere/x"], ["serve", "--config", "/nowhere/x"], ["cluster", "--admin", "https://127.0.0.1:1", "--ca", "/nowhere/x"],
], ids=" ".join)  # fmt: skip
def test_a_missing_file_is_said_in_plain_words(arguments: list[str]) -> None:
    result = carillon(*arguments, seconds=20)
    assert result.returncode == 1
    assert re.search(r"/nowhere/x: (the file cannot be read: )?No such file or directory", result.stderr), result.stderr
    assert "NSCocoa" not in result.stderr


def test_what_cannot_be_written_is_a_failure(node: Node) -> None:
    for arguments in (["config", "--defaults"], ["cluster"], ["cluster", "--json"], ["--help"], ["--version"]):
        with open("/dev/full", "wb") as full:
            admin = ["--admin", f"http://{node.admin}"] if arguments[0] == "cluster" else []
            result = subprocess.run([str(CARILLON), *arguments, *admin], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
        assert result.returncode == 1 and "No space left on device" in result.stderr, (arguments, result)


def test_a_reader_that_has_enough_is_no_complaint() -> None:
    result = subprocess.run(f"'{CARILLON}' config --table | head -n 1", shell=True, capture_output=True, text=True, timeout=30, check=False)
    assert result.stdout.startswith("| key |") and result.stderr == ""


def test_sessions_that_stay_are_spread_over_channels(node: Node) -> None:
    command = [str(CARILLON), "bench", "hold", "--url", f"ws://{node.client}/raw?channel=held-{{}}", "--sessions", "25", "--channels", "10", "--first", "8", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "25 sessions are open\n"
        channels = {row["name"]: row["subscribers"] for row in node.api.get("/api/v1/channels", prefix="held-")["channels"]}
        # From 8 to 9, around twice, and on to 2.
        assert channels == {f"held-{number}": 3 if number in (8, 9, 0, 1, 2) else 2 for number in range(10)}
        process.stdin.close()
        assert json.loads(process.stdout.read())["metrics"]["sessions"] == 25 and process.wait(20) == 0
    until(lambda: node.api.cluster()["sessions"] == 0, "they have left")
    refused = carillon("bench", "hold", "--url", f"ws://{node.client}/raw?channel=held", "--channels", "10", "--sessions", "1")
    assert refused.returncode == 1 and "{} in the URL" in refused.stderr


def test_a_refused_token_is_told_by_the_exit_status(start_node: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    node = start_node(auth={"keys": [{"secret_file": str(secret)}]})
    other = tmp_path / "other"
    other.write_text(SECRET[::-1])

    def explained(*arguments: str) -> int:
        return carillon("token", "explain", *arguments).returncode

    def make(file: Path, *arguments: str) -> str:
        return carillon("token", "make", "--secret", str(file), "--user", "ann", *arguments).stdout.strip()

    assert explained("--config", str(node.file), make(secret)) == 0
    assert explained("--config", str(node.file), make(other)) == 1
    assert explained(make(other)) == 0, "without keys nothing is known against it"
    assert explained("nonsense") == 1


def test_an_admin_listener_with_a_certificate_of_ones_own(start_node: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("node")
    files = {"certificate": str(certificate), "key": str(key)}
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    node = start_node(
        ready=False, admin={"tls": files, "token": "a-token-for-tests"}, client={"tls": files},
        auth={"required": True, "keys": [{"secret_file": str(secret)}]})  # fmt: skip
    login = ["--admin", f"https://{node.admin}", "--token", "a-token-for-tests"]
    assert carillon("cluster", *login).returncode == 1
    assert carillon("cluster", *login, "--ca", str(authority.file)).returncode == 0
    assert carillon("cluster", *login, environment={"CARILLON_CA": str(authority.file)}).returncode == 0
    token = carillon("token", "make", "--secret", str(secret), "--user", "ann").stdout.strip()
    client = subprocess.Popen(
        [str(CARILLON), "subscribe", "news", "--server", f"wss://{node.client}", "--ca", str(authority.file), "--token", token, "--count", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert client.stderr is not None and client.stderr.readline().startswith("subscribed")
    assert carillon("publish", "news", "hello", *login, "--ca", str(authority.file)).returncode == 0
    assert client.communicate(timeout=20)[0] == "hello\n" and client.returncode == 0
    # Its own health check needs neither the token nor the authority.
    announced = node.configuration | {"admin": node.configuration["admin"] | {"listen": node.admin}}
    node.file.write_text(json.dumps(announced))
    assert carillon("health", "--config", str(node.file)).stdout == "ready\n"


def test_tables_fit_and_show_names_beside_ids(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    channel = "chat:" + "x" * 200
    clients = [WebsocketsClient(each.client, channel) for each in cluster.nodes]
    until(lambda: node.api.subscribers(channel) == 3, "all subscribe")
    shown = {}
    for arguments in (["cluster"], ["channels"], ["channels", channel], ["connections"], ["connections", "--sort", "backlog"]):
        result = node.command(*arguments)
        assert result.returncode == 0, result.stderr
        assert max(len(line) for line in result.stdout.splitlines()) <= 100, result.stdout
        shown[arguments[0], len(arguments)] = result.stdout
    for each in cluster.nodes:
        for key in (("cluster", 1), ("channels", 2)):
            line = next(line for line in shown[key].splitlines() if each.id in line)
            assert each.name in line, line
        assert any(line.split()[1:] == [each.name] and line.startswith(each.id) for line in shown["connections", 1].splitlines())
    for client in clients:
        client.close()


def test_history_is_shown(start_node: Any) -> None:
    node = start_node(channels=[{"match": "*", "publish": "client", "history": {"size": 10, "ttl": "1m"}}])
    for number in range(4):
        node.api.publish("news", text=f"line {number}\nmore")
    node.api.post_publication({"channel": "news", "base64": "/w=="})
    whole = node.command("history", "news")
    assert whole.returncode == 0, whole.stderr
    lines = whole.stdout.splitlines()
    assert lines[0].split() == ["POSITION", "KIND", "PAYLOAD"]
    assert [line.split(maxsplit=2)[2] for line in lines[1:6]] == [f"line {n}\\nmore" for n in range(4)] + ["base64:/w=="]
    newest = node.command("history", "news", "--reverse", "--limit", "1").stdout.splitlines()
    assert newest[1].split()[2] == "base64:/w==" and newest[-1].startswith("more: --since ")
    after = lines[4].split()[0]
    assert len([line for line in node.command("history", "news", "--since", after).stdout.splitlines() if after[:16] in line]) == 2
    assert json.loads(node.command("history", "news", "--json").stdout)["publications"][0]["text"] == "line 0\nmore"
    unknown = node.command("history", "bad name")
    assert unknown.returncode == 1 and "invalid_channel" in unknown.stderr


def test_health_says_what_is(start_node: Any, tmp_path: Path) -> None:
    node = start_node(redis_url="redis://127.0.0.1:1", ready=False)
    ask = ["--admin", f"http://{node.admin}"]
    unready = carillon("health", *ask)
    assert unready.returncode == 1 and "not ready" in unready.stderr
    assert carillon("health", "--live", *ask).stdout == "live\n"
    gone = carillon("health", "--live", "--admin", "http://127.0.0.1:1")
    assert gone.returncode == 1 and "no node answers" in gone.stderr
    # As in a container: the environment says where the node listens.
    port = node.admin.rsplit(":", 1)[1]
    environment = {"CARILLON_ADMIN_LISTEN": f"0.0.0.0:{port}", "CARILLON_ADMIN_TOKEN": "a-token-for-tests"}
    assert carillon("health", "--live", environment=environment).stdout == "live\n"
    # A node that does not turn does not keep the check waiting.
    os.kill(node.pid, 19)
    try:
        assert carillon("health", "--live", "--timeout", "0.5", *ask, seconds=10).returncode == 1
    finally:
        os.kill(node.pid, 18)


def test_the_version_names_the_commit() -> None:
    number, commit = carillon("--version").stdout.split()
    assert number.count(".") == 2 and commit.startswith("(") and commit.endswith(")")


def test_make_run_starts_at_once_when_there_is_nothing_to_build(tmp_path: Path) -> None:
    built = REPOSITORY / ".build/release/carillon"
    if CARILLON.resolve() != built.resolve() or subprocess.run(["make", "-q", "build"], cwd=REPOSITORY, capture_output=True, check=False).returncode:
        pytest.skip("the program under test is older than its sources, or another one")
    client, admin = free_port(), free_port()
    environment = {"CARILLON_CLIENT_LISTEN": f"127.0.0.1:{client}", "CARILLON_ADMIN_LISTEN": f"127.0.0.1:{admin}"}
    make = Process("make", tmp_path)
    began = time.monotonic()
    make.launch(["make", "-C", str(REPOSITORY), "run"], environment)
    try:
        make.wait_until(lambda: accepts(client), "it listens", 10)
        assert time.monotonic() - began < 1
    finally:
        os.killpg(make.pid, signal.SIGTERM)
        make.wait()
