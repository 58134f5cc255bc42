"""The configuration is read again while clients are connected: by SIGHUP and by the API."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import websockets.exceptions
import websockets.sync.client
import yaml

from rig.application import Application
from rig.bench import open_files_limit
from rig.centrifuge_wire import CentrifugeWire
from rig.crowd import Crowd
from rig.node import CARILLON, Node, carillon, merged
from rig.receivers import WebsocketsClient
from rig.redis_server import RedisServer
from rig.waiting import until
from rig.wire import Wire, upgrade

SECRET = "a secret of more than thirty-two bytes, for tests"
OTHER = "another secret of more than thirty-two bytes, too"

OPEN = [{"match": "*", "subscribe": "anyone", "publish": "client"}]


def token(secret: str, **claims: Any) -> str:
    return jwt.encode({"exp": int(time.time() + 60), **claims}, secret, algorithm="HS256")


def rewrite(node: Node, /, **changes: Any) -> None:
    """Changes the file. The new one takes the place of the old one at once, so it is never half there."""
    node.configuration = merged(node.configuration, changes)
    write(node, yaml.safe_dump(node.configuration, sort_keys=False))


def write(node: Node, text: str | bytes) -> None:
    fresh = node.file.with_suffix(".new")
    fresh.write_bytes(text.encode() if isinstance(text, str) else text)
    os.replace(fresh, node.file)


def post(node: Node) -> requests.Response:
    return node.api.request("POST", "/api/v1/config/reload")


def reload(node: Node, /, **changes: Any) -> dict[str, Any]:
    """Changes the file, has it read again, and returns what the node says."""
    rewrite(node, **changes)
    response = post(node)
    assert response.status_code == 200, response.text
    return response.json()


def effects(answer: dict[str, Any]) -> dict[str, str]:
    return {change["key"]: change["effect"] for change in answer["changed"]}


def connect(node: Node, path: str, **arguments: Any) -> websockets.sync.client.ClientConnection:
    return websockets.sync.client.connect(f"ws://{node.client}{path}", compression=None, legacy=True, **arguments)


def refusal(node: Node, path: str, **arguments: Any) -> int:
    with pytest.raises(websockets.exceptions.InvalidStatus) as raised:
        connect(node, path, **arguments)
    return raised.value.response.status_code


# -- what is applied


def test_an_unchanged_file_changes_nothing(node: Node) -> None:
    answer = post(node).json()
    assert answer == {"changed": [], "warnings": [], "subscriptions_ended": 0, "sessions_closed": 0}
    assert node.api.metric("reloads_total") == 1 and node.api.metric("reload_failures_total") == 0


def test_channel_rules_for_open_and_new_sessions(start_node: Any) -> None:
    node = start_node(channels=OPEN)
    leaves, stays, client = Wire(node.client_port).open("/raw?channel=gone"), connect(node, "/raw?channel=kept"), CentrifugeWire(node)
    assert "error" not in client.subscribe("gone") and "error" not in client.subscribe("kept")
    stream = requests.get(f"http://{node.client}/sse?channel=gone", stream=True, timeout=10)
    answer = reload(node, channels=[{"match": "gone", "subscribe": "nobody"}, {"match": "*", "publish": "server"}])
    assert effects(answer) == {"channels": "now"}
    assert (answer["subscriptions_ended"], answer["sessions_closed"]) == (1, 2)
    # Each is told in the words of its dialect.
    assert leaves.read_close() == (1008, "subscribing to channel 'gone' is not permitted any more")
    until(lambda: client.unsubscribed == [("gone", 2000)], "the centrifuge client is unsubscribed")
    assert b"event: " not in b"".join(stream.iter_content(None)) and client.closed is None
    # Nobody else notices.
    node.api.publish("kept", text='"still here"')
    assert stays.recv(timeout=5) == '"still here"'
    until(lambda: [data for _, data in client.publications] == ["still here"], "the other subscription goes on")
    # The same for what comes now: clients may not publish any more, nor come back.
    assert client.command("publish", channel="kept", data=1)["error"]["code"] == 103
    assert client.subscribe("gone")["error"]["code"] == 103
    assert refusal(node, "/raw?channel=gone") == 403
    stays.close()


def test_subscriptions_that_are_granted_stay(start_node: Any) -> None:
    node = start_node(auth={"keys": [{"secret": SECRET}]}, channels=OPEN)
    ann = CentrifugeWire(node, token(SECRET, sub="ann", channels=["given"], grants=[{"match": "granted", "allow": ["subscribe"]}]))
    visitor = CentrifugeWire(node)
    for client in (ann, visitor):
        assert "error" not in client.subscribe("granted") and "error" not in client.subscribe("users")
    assert "error" not in ann.subscribe("own", token=token(SECRET, sub="ann", channel="own"))
    answer = reload(node, channels=[
        {"match": "users", "subscribe": "user"}, {"match": "*", "subscribe": "granted", "publish": "granted"}])
    assert answer["subscriptions_ended"] == 2 and answer["sessions_closed"] == 0
    until(lambda: {name for name, _ in visitor.unsubscribed} == {"granted", "users"}, "the visitor has none of them")
    for channel in ("granted", "users", "given", "own"):
        node.api.publish(channel, data=channel)
    until(lambda: [data for _, data in ann.publications] == ["granted", "users", "given", "own"], "ann has all of them")
    assert ann.unsubscribed == [] and visitor.publications == [] and visitor.closed is None


@pytest.mark.parametrize("backplane", ["memory", "redis"])
def test_history_begins_and_ends_under_subscribers(start_node: Any, redis_server: RedisServer, backplane: str) -> None:
    node = start_node(redis_url=redis_server.url if backplane == "redis" else None, channels=OPEN)
    raw, client = connect(node, "/raw?channel=a"), CentrifugeWire(node)
    client.subscribe("a")
    assert node.api.request("GET", "/api/v1/channels/a/history").status_code == 404
    reload(node, channels=[{"match": "*", "publish": "client", "history": {"size": 10, "ttl": "1h"}}])
    for number in range(3):
        node.api.publish("a", data=number)
    assert [raw.recv(timeout=5) for _ in range(3)] == ["0", "1", "2"]
    stored = node.api.get("/api/v1/channels/a/history")["publications"]
    assert [publication["text"] for publication in stored] == ["0", "1", "2"]
    # Whoever subscribes now is told where it is, and can come back.
    late = CentrifugeWire(node)
    beginning = late.subscribe("a")
    assert beginning["recoverable"] and beginning["positioned"]
    late.drop()
    node.api.publish("a", data=3)
    back = CentrifugeWire(node)
    recovered = back.subscribe("a", recover=True, offset=beginning["offset"], epoch=beginning["epoch"])
    assert recovered["recovered"] and [one["data"] for one in recovered["publications"]] == [3]
    # Without history, what comes is delivered as before, in its order.
    reload(node, channels=OPEN)
    for number in range(4, 7):
        node.api.publish("a", data=number)
    assert [raw.recv(timeout=5) for _ in range(4)] == ["3", "4", "5", "6"]
    until(lambda: [data for _, data in back.publications] == [4, 5, 6], "the centrifuge client goes on")
    assert node.api.request("GET", "/api/v1/channels/a/history").status_code == 404
    assert client.unsubscribed == back.unsubscribed == []
    raw.close()


@pytest.mark.parametrize("backplane", ["memory", "redis"])
def test_presence_begins_and_ends_without_an_announcement(start_node: Any, redis_server: RedisServer, backplane: str) -> None:
    node = start_node(redis_url=redis_server.url if backplane == "redis" else None, channels=OPEN)
    first, second = CentrifugeWire(node), CentrifugeWire(node)
    for client in (first, second):
        client.subscribe("room", join_leave=True)
    assert first.command("presence", channel="room")["error"]["code"] == 108
    reload(node, channels=[{"match": "*", "publish": "client", "presence": {"join_leave": True, "grace": "0s"}}])
    until(lambda: set(first.command("presence", channel="room")["presence"]) == {first.id, second.id}, "both are present")
    # Those who come and go by themselves are announced.
    third = CentrifugeWire(node)
    third.subscribe("room")
    until(lambda: ("join", third.id) in first.changes, "a new one is announced")
    third.close()
    until(lambda: ("leave", third.id) in first.changes, "its leave, too")
    reload(node, channels=OPEN)
    assert first.command("presence", channel="room")["error"]["code"] == 108
    # Back again: nobody was left over.
    second.command("unsubscribe", channel="room")
    reload(node, channels=[{"match": "*", "publish": "client", "presence": {"join_leave": True, "grace": "0s"}}])
    until(lambda: set(first.command("presence", channel="room")["presence"]) == {first.id}, "one is present")
    assert set(first.changes) == {("join", third.id), ("leave", third.id)}


def test_limits_and_rates_for_open_sessions(start_node: Any) -> None:
    node = start_node(channels=OPEN)
    raw, client = Wire(node.client_port).open("/raw?channel=a"), CentrifugeWire(node)
    client.subscribe("a")
    answer = reload(node, limits={"message_bytes": 200, "batch_bytes": 200, "channels_per_session": 1, "publish_rate": 1, "publish_burst": 1})
    assert set(effects(answer).values()) == {"now"} and "limits.message_bytes" in effects(answer)
    assert client.subscribe("b")["error"]["code"] == 106
    answers = [client.command("publish", channel="a", data=1) for _ in range(3)]
    assert any("error" in one and one["error"]["code"] == 111 for one in answers)
    raw.send(b"\x81\xfe\x01\x2c\0\0\0\0" + b"x" * 300)
    assert raw.read_close()[0] == 1009
    too_large = node.api.post_publication({"channel": "a", "text": "x" * 300})
    assert too_large.status_code == 413 or too_large.status_code == 400
    # And back.
    reload(node, limits={"message_bytes": "64KiB", "batch_bytes": "256KiB", "channels_per_session": 10, "publish_rate": 0})
    assert "error" not in client.subscribe("b")
    node.api.publish("a", text="x" * 300)


def test_limits_of_the_node(start_node: Any) -> None:
    node = start_node(limits={"sessions": 2})
    first, second = (Wire(node.client_port).open("/raw?channel=a") for _ in range(2))
    # A listener that was full takes clients again.
    waiting = Wire(node.client_port).send(upgrade("/raw?channel=a"))
    assert effects(reload(node, limits={"sessions": 3})) == {"limits.sessions": "now"}
    assert waiting.read_head().startswith(b"HTTP/1.1 101 ")
    # Fewer than there are: nobody has to leave.
    reload(node, limits={"sessions": 1})
    node.api.publish("a", text="all")
    for wire in (first, second, waiting):
        assert wire.read_frame() == (1, b"all")
    reload(node, limits={"sessions": 100, "connects_per_second": 1, "connects_burst": 1})
    heads = [Wire(node.client_port).send(upgrade("/raw?channel=a")).read_head() for _ in range(3)]
    assert sum(head.startswith(b"HTTP/1.1 503 ") for head in heads) >= 1
    # What is counted from the start only is named, and stays as it is.
    answer = reload(node, limits={"connects_per_second": 0, "sessions_per_address": 1})
    assert effects(answer) == {"limits.connects_per_second": "now", "limits.sessions_per_address": "restart"} | (
        {"limits.connects_burst": "now"} if "limits.connects_burst" in effects(answer) else {})
    for _ in range(5):
        Wire(node.client_port).open("/raw?channel=a")


def test_origins_for_new_sessions(start_node: Any) -> None:
    node = start_node(client={"origins": ["https://one.example"]})
    one, two = {"Origin": "https://one.example"}, {"Origin": "https://two.example"}
    open_one = connect(node, "/raw?channel=a", additional_headers=one)
    assert refusal(node, "/raw?channel=a", additional_headers=two) == 403
    assert effects(reload(node, client={"origins": ["https://two.example"]})) == {"client.origins": "new sessions"}
    connect(node, "/raw?channel=a", additional_headers=two).close()
    assert refusal(node, "/raw?channel=a", additional_headers=one) == 403
    node.api.publish("a", text="still here")
    assert open_one.recv(timeout=5) == "still here"
    open_one.close()


def test_keys_of_tokens(start_node: Any, tmp_path: Path) -> None:
    file = tmp_path / "secret.txt"
    file.write_text(SECRET)
    node = start_node(auth={"keys": [{"secret_file": str(file)}], "required": True})
    ann = connect(node, f"/raw?channel=a&token={token(SECRET, sub='ann')}")
    # Another secret in the same file, and not a word of the configuration has changed.
    file.write_text(OTHER)
    assert post(node).json()["changed"] == []
    assert refusal(node, f"/raw?channel=a&token={token(SECRET, sub='ann')}") == 401
    connect(node, f"/raw?channel=a&token={token(OTHER, sub='ann')}").close()
    # Both, while the issuer changes over.
    answer = reload(node, auth={"keys": [{"secret_file": str(file), "id": "new"}, {"secret": SECRET, "id": "old"}]})
    assert effects(answer) == {"auth.keys": "new sessions"} and SECRET not in json.dumps(answer)
    named = jwt.encode({"exp": int(time.time() + 60)}, SECRET, algorithm="HS256", headers={"kid": "old"})
    connect(node, f"/raw?channel=a&token={named}").close()
    # Who was let in stays, whatever became of its key.
    node.api.publish("a", text="still here")
    assert ann.recv(timeout=5) == "still here"
    reload(node, auth={"required": False})
    connect(node, "/raw?channel=a").close()
    ann.close()


def test_the_connect_hook(start_node: Any) -> None:
    first, second = Application(), Application()
    try:
        node = start_node(auth={"connect_hook": {"url": first.url}, "required": True}, client={"origins": ["https://a.example"]})
        first.answer, second.answer = (200, '{"sub":"ann"}'), (200, '{"sub":"bob"}')
        connect(node, "/raw?channel=a").close()
        assert effects(reload(node, auth={"connect_hook": {"url": second.url}})) == {"auth.connect_hook.url": "new sessions"}
        connect(node, "/raw?channel=a").close()
        assert len(first.bodies) == len(second.bodies) == 1
    finally:
        first.stop()
        second.stop()


def test_the_admin_token_and_the_audit_log(start_node: Any) -> None:
    node = start_node(admin={"token": "token-number-one", "api_key": "key-number-one"}, log={"format": "json"})
    old = node.api
    response = None
    rewrite(node, admin={"token": "token-number-two", "api_key": "key-number-two"})
    response = old.request("POST", "/api/v1/config/reload")
    assert response.status_code == 200 and effects(response.json()) == {"admin.token": "now", "admin.api_key": "now"}
    assert "number" not in response.text
    assert old.request("GET", "/api/v1/cluster").status_code == 401 and node.api.cluster()
    for key, status in (("key-number-one", 401), ("key-number-two", 200)):
        assert requests.post(f"http://{node.admin}/api/info", headers={"X-API-Key": key}, json={}, timeout=5).status_code == status
    reload(node, log={"audit": "off"})
    post(node)
    lines = [json.loads(line) for line in node.output().splitlines()]
    audited = [line for line in lines if line["message"] == "audit: POST /api/v1/config/reload"]
    # The last two came when nothing is recorded any more.
    assert [(line["status"], line["applied"]) for line in audited] == [("200", "admin.token admin.api_key")]


def test_the_log(start_node: Any) -> None:
    node = start_node(log={"level": "error"})
    assert "serves clients" not in node.output()
    answer = reload(node, log={"level": "info", "format": "json"})
    assert effects(answer) == {"log.format": "now", "log.level": "now"}
    # It is the first line that the node logs, so the thread that writes it may just be starting.
    [line] = until(lambda: [line for line in node.output().splitlines() if "in force are new values of" in line], "it is logged")
    assert json.loads(line)["message"] == "POST /api/v1/config/reload: in force are new values of log.format, log.level"


def test_a_drain_takes_the_new_times(start_node: Any) -> None:
    node = start_node(drain={"wait": "10m", "window": "10m", "timeout": "1h"})
    client = connect(node, "/raw?channel=a")
    reload(node, drain={"wait": "0s", "window": "0s", "timeout": "10s"})
    assert node.command("drain", "node", "--no-wait").returncode == 0
    with pytest.raises(websockets.exceptions.ConnectionClosed):
        client.recv(timeout=10)


# -- what needs a restart


def test_what_needs_a_restart_is_named_and_keeps_its_value(start_node: Any) -> None:
    node = start_node()
    answer = reload(
        node, node={"name": "other", "reactors": 3}, client={"listen": "127.0.0.1:1"}, liveness={"ping_interval": "30s"},
        limits={"publish_rate": 7, "sessions": 2_000_000}, backplane={"kind": "redis", "redis": {"url": "redis://127.0.0.1:1", "prefix": "x"}})
    found = effects(answer)
    assert found.pop("limits.publish_rate") == "now"
    assert set(found) == {
        "node.name", "node.reactors", "client.listen", "liveness.ping_interval", "limits.sessions", "backplane.kind",
        "backplane.redis.url", "backplane.redis.prefix"}
    assert set(found.values()) == {"restart"}
    assert "a restart is needed for new values of node.name, node.reactors, client.listen" in node.output()
    in_force = node.api.get("/api/v1/config")
    assert in_force["node.name"] == "node" and in_force["backplane.kind"] == "memory" and in_force["limits.publish_rate"] == "7"
    # It is said again as long as it waits.
    assert set(effects(post(node).json())) == set(found)
    connect(node, "/raw?channel=a").close()


def test_tls_is_not_turned_on_by_half(start_node: Any, believed: Any) -> None:
    _, certificate, key = believed
    node = start_node()
    answer = reload(node, client={"tls": {"certificate": str(certificate), "key": str(key)}})
    assert effects(answer) == {"client.tls.certificate": "restart", "client.tls.key": "restart"}
    connect(node, "/raw?channel=a").close()


def test_a_change_of_which_half_would_be_wrong_is_refused(start_node: Any) -> None:
    node = start_node(admin={"listen": "0.0.0.0:0", "token": "token-number-one"})
    before = node.api
    del node.configuration["admin"]["token"]
    rewrite(node, admin={"listen": "127.0.0.1:0"})
    response = before.request("POST", "/api/v1/config/reload")
    assert response.status_code == 422, response.text
    message = response.json()["error"]["message"]
    assert "admin.listen need a restart" in message and "admin.token is not set" in message
    # The API is not open to everybody now.
    assert requests.get(f"http://127.0.0.1:{node.admin_port}/api/v1/cluster", timeout=5).status_code == 401


# -- what is refused


def directory(node: Node) -> None:
    node.file.unlink()
    node.file.mkdir()


def loop(node: Node) -> None:
    node.file.unlink()
    node.file.symlink_to(node.file)


def pipe(node: Node) -> None:
    node.file.unlink()
    os.mkfifo(node.file)


def appended(text: str) -> Callable[[Node], None]:
    return lambda node: write(node, node.file.read_text() + text)


def key_file_gone(node: Node) -> None:
    rewrite(node, auth={"keys": [{"secret_file": "/nowhere/secret"}]})


#: What happens to the file, and what is said: with `{line}` for the last line of the file.
BROKEN: dict[str, tuple[Callable[[Node], None], str]] = {
    "no YAML": (appended("limits: [\n"), "this is not YAML"),
    "an unknown key": (appended("limit: { publish_rate: 5 }\n"), ":{line}:1: unknown key 'limit'; did you mean 'limits'?"),
    "a wrong value": (appended("log: { level: loud }\n"), ":{line}:15: 'log.level': 'loud' is not possible here; right would be debug or info or warning or error"),
    "a rule that is never used": (appended("auth: { required: true }\n"), ":{line}:9: auth.required is set, but no client can be authenticated"),
    "two keys": (appended("log: { level: info }\nlog: { level: info }\n"), "duplicate key"),
    "a directory": (directory, ": the file cannot be read: it is a directory, not a regular file"),
    "unreadable": (loop, ": the file cannot be read: Too many levels of symbolic links"),
    "gone": (lambda node: node.file.unlink(), ": the file cannot be read: No such file or directory"),
    "a pipe": (pipe, ": the file cannot be read: it is a pipe, not a regular file"),
    "not UTF-8": (lambda node: write(node, b"node: { name: \xff }\n"), ": this is not UTF-8 text"),
    "too large": (lambda node: write(node, b"#" * (1 << 20) + b"\n"), ": the file has more than 1048576 bytes"),
    "a list": (lambda node: write(node, "- a\n"), ":1:1: the file has to be a mapping of keys to values, not a list"),
    "a variable that is not set": (appended("log: { level: '${NOWHERE_SET}' }\n"), ":{line}:15: the environment variable NOWHERE_SET is not set"),
    "a key file that is gone": (key_file_gone, "secret file /nowhere/secret"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("way", ["POST", "SIGHUP"])
def test_a_broken_file_changes_nothing(start_node: Any, kind: str, way: str) -> None:
    spoil, said = BROKEN[kind]
    node = start_node(channels=OPEN)
    client = connect(node, "/raw?channel=a")
    before = node.api.get("/api/v1/config")
    # Something that would be applied, if it were not for the mistake.
    rewrite(node, channels=[{"match": "*", "subscribe": "nobody"}])
    spoil(node)
    lines = node.file.read_bytes().count(b"\n") if node.file.is_file() else 0
    expected = f"{node.file}{said.format(line=lines)}" if said.startswith(":") else said
    if way == "POST":
        response = post(node)
        assert response.status_code == 422, response.text
        error = response.json()["error"]
        assert error["code"] == "invalid_configuration" and expected in error["message"], error
        assert error["message"].startswith("nothing has changed: ")
        [problem] = error["problems"]
        assert problem["source"] == str(node.file) and problem["message"] in expected + error["message"]
        if "{line}" in said:
            assert problem["line"] == lines
    else:
        node.send(signal.SIGHUP)
    until(lambda: node.api.metric("reload_failures_total") == 1, "it is counted")
    [line] = [line for line in node.output().splitlines() if "the configuration stays as it was" in line]
    assert " error " in line and expected in line
    assert node.api.get("/api/v1/config") == before and node.api.metric("reloads_total") == 0
    node.api.publish("a", text="still here")
    assert client.recv(timeout=5) == "still here"
    client.close()
    # A file that is right again is taken.
    if node.file.is_dir():
        node.file.rmdir()
    node.configuration.pop("auth", None)
    answer = reload(node)
    assert effects(answer) == {"channels": "now"} and refusal(node, "/raw?channel=a") == 403


def test_every_mistake_is_told_at_once(node: Node) -> None:
    appended("log: { level: loud }\nauth: { leeway: soon }\nnonsense: 1\n")(node)
    response = post(node)
    lines = node.file.read_text().count("\n")
    assert [problem["line"] for problem in response.json()["error"]["problems"]] == [lines - 2, lines - 1, lines]


# -- how it is asked for


def test_a_signal_and_the_api_do_the_same(start_node: Any) -> None:
    node = start_node(channels=OPEN)
    rewrite(node, channels=[{"match": "*", "subscribe": "nobody"}])
    node.send(signal.SIGHUP)
    until(lambda: node.api.metric("reloads_total") == 1, "it is carried out")
    until(lambda: "SIGHUP: in force are new values of channels" in node.output(), "it says so")
    until(lambda: "audit: SIGHUP applied=channels status=200" in node.output(), "it is recorded")
    assert refusal(node, "/raw?channel=a") == 403
    assert any("SIGHUP: in force are new values of channels" in event["message"] for event in node.api.cluster()["events"])


def test_the_environment_still_counts_for_more(start_node: Any, tmp_path: Path) -> None:
    node = Node("node", tmp_path, limits={"publish_rate": 5})
    try:
        node.start(CARILLON_LIMITS_PUBLISH_RATE="9")
        assert effects(reload(node, limits={"publish_rate": 6, "publish_burst": 77})) == {"limits.publish_burst": "now"}
        assert node.api.get("/api/v1/config")["limits.publish_rate"] == "9"
    finally:
        node.stop()


def test_a_node_without_a_file(tmp_path: Path) -> None:
    node = Node("node", tmp_path)
    try:
        node.launch(
            [str(node.program), "serve", "--announce", str(node.announcement)],
            {"CARILLON_CLIENT_LISTEN": "127.0.0.1:0", "CARILLON_ADMIN_LISTEN": "127.0.0.1:0"})
        node.wait_until_ready()
        assert post(node).json()["changed"] == []
        node.send(signal.SIGHUP)
        until(lambda: node.api.metric("reloads_total") == 2, "both are carried out")
    finally:
        node.stop()


def test_many_at_the_same_time_are_one_after_the_other(start_node: Any) -> None:
    """Each reads the file when its turn comes, so the last one leaves what the file says."""
    node = start_node(channels=OPEN)
    client = connect(node, "/raw?channel=kept")
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            statuses.append(post(node).status_code)

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for number in range(30):
        rewrite(node, channels=[{"match": f"gone-{number}", "subscribe": "nobody"}, {"match": "*", "subscribe": "anyone"}])
        node.send(signal.SIGHUP)
    over.set()
    for asker in askers:
        asker.join()
    assert set(statuses) == {200} and post(node).status_code == 200
    assert refusal(node, "/raw?channel=gone-29") == 403
    connect(node, "/raw?channel=gone-28").close()
    node.api.publish("kept", text="still here")
    assert client.recv(timeout=5) == "still here" and node.api.metric("faults_total") == 0
    client.close()


def test_nodes_that_differ_are_seen_in_the_cluster(start_node: Any, redis_server: RedisServer) -> None:
    one, two = (start_node(name, redis_url=redis_server.url, channels=OPEN) for name in ("one", "two"))

    def digests() -> set[str]:
        return {node["summary"]["configuration"] for node in one.api.cluster()["cluster"]}

    until(lambda: len(one.api.cluster()["cluster"]) == 2 and len(digests()) == 1, "they are the same")
    rules = [{"match": "*", "subscribe": "nobody"}]
    reload(two, channels=rules)
    until(lambda: len(digests()) == 2, "they differ")
    assert f'carillon_configuration_info{{digest="{(digests()).pop()}"}} 1' in one.api.metrics() + two.api.metrics()
    reload(one, channels=rules)
    until(lambda: len(digests()) == 1, "they are the same again")


def test_which_keys_differ_is_told(start_node: Any, redis_server: RedisServer) -> None:
    """By any node, for all of them, in the API, on the command line and among the problems. Secrets are not compared."""
    settings = {"redis_url": redis_server.url, "channels": OPEN, "admin": {"token": "token-number-one"}}
    one, two, three = (start_node(name, **settings, auth={"keys": [{"secret": SECRET + name}]}) for name in ("one", "two", "three"))

    def differences(node: Node) -> list[dict[str, Any]]:
        report = node.api.get("/api/v1/config/differences")
        assert report["nodes"] == {"asked": 3, "answered": 3}
        return report["keys"]

    until(lambda: len(one.api.cluster()["cluster"]) == 3 and one.api.get("/api/v1/problems")["ok"], "they know each other")
    until(lambda: differences(one) == [], "nothing differs")
    assert "configuration" not in one.command("cluster").stdout
    reload(two, limits={"publish_rate": 7}, channels=[{"match": "*", "subscribe": "nobody"}], log={"level": "debug"})
    until(lambda: len(differences(three)) == 2, "two keys differ")
    for node in (one, two, three):
        rules, rate = differences(node)
        assert (rules["key"], rate["key"]) == ("channels", "limits.publish_rate")
        assert rate["values"] == [{"value": "0", "nodes": ["one", "three"]}, {"value": "7", "nodes": ["two"]}]
        assert "nobody" in rules["values"][1]["value"] and rules["values"][1]["nodes"] == ["two"]
    said = "node two has another configuration than the other nodes"
    until(lambda: [problem["text"] for problem in one.api.get("/api/v1/problems")["problems"]] == [said], "it is among the problems")
    assert one.api.get("/api/v1/problems")["ok"], "it is meant to be so for a while"
    printed = three.command("cluster").stdout
    assert f"\n{said}:\n  channels: " in printed and "\n  limits.publish_rate: 0 (one, three); 7 (two)\n" in printed
    assert SECRET not in printed and "token-number" not in printed
    reload(one, limits={"publish_rate": 7})
    until(lambda: len(differences(one)[1]["values"][0]["nodes"]) == 2, "most of them have the other value now")
    # A node that does not answer is not waited for long, and is not taken for one that differs.
    three.pause()
    report = one.api.get("/api/v1/config/differences")
    assert report["nodes"] == {"asked": 3, "answered": 2} and [key["key"] for key in report["keys"]] == ["channels"]
    three.resume()


# -- carillon check --against


def against(node: Node, file: Path, *options: str, token: str | None = None) -> Any:
    # By an option: the variable for it would set admin.token of the file, too.
    login = ["--token", token] if token else []
    return carillon("check", str(file), "--against", f"http://{node.admin}", *login, *options)


def test_check_says_what_a_reload_would_change(start_node: Any, tmp_path: Path) -> None:
    node = start_node(admin={"token": "token-number-one"}, auth={"keys": [{"secret": SECRET}]}, limits={"publish_rate": 5})
    same = against(node, node.file, token="token-number-one")
    assert same.returncode == 0 and same.stdout == f"{node.file}: valid\nnode node: a reload changes nothing\n"
    changed = merged(node.configuration, {
        "admin": {"token": "token-number-two"}, "auth": {"keys": [{"secret": OTHER}]},
        "limits": {"publish_rate": 6}, "node": {"reactors": 4}, "client": {"origins": ["*"]}})
    file = tmp_path / "next.yaml"
    file.write_text(yaml.safe_dump(changed))
    told = against(node, file, token="token-number-one")
    assert told.returncode == 0, told.stderr
    assert "node node: 5 keys differ; a reload leaves out 1 that needs a restart" in told.stdout
    for expected in (
        "limits.publish_rate (now)\n    in force: 5\n    in " + str(file) + ": 6\n", "node.reactors (needs a restart)",
        "client.origins (new sessions)", "auth.keys (new sessions)\n    in force: secret\n    in " + str(file) + ": (a different secret)\n",
        "admin.token (now)",
    ):
        assert expected in told.stdout, told.stdout
    for secret in ("token-number", SECRET, OTHER):
        assert secret not in told.stdout + told.stderr
    # What it says is what a reload does.
    machine = json.loads(against(node, file, "--json", token="token-number-one").stdout)
    assert machine["node"] == "node" and node.api.get("/api/v1/config")["limits.publish_rate"] == "5"
    before = node.api
    write(node, file.read_text())
    node.configuration = changed
    assert before.request("POST", "/api/v1/config/reload").json()["changed"] == machine["changed"]


def test_check_against_a_node_that_does_not_answer(start_node: Any, tmp_path: Path) -> None:
    node = start_node(admin={"token": "token-number-one"})
    wrong = against(node, node.file, token="a-wrong-token")
    assert wrong.returncode == 1 and "401" in wrong.stderr
    nobody = carillon("check", str(node.file), "--against", "http://127.0.0.1:1")
    assert nobody.returncode == 1 and "no node answers at http://127.0.0.1:1" in nobody.stderr
    # A file with a mistake is said before anybody is asked.
    file = tmp_path / "wrong.yaml"
    file.write_text("log: { level: loud }\n")
    assert "did you mean" not in against(node, file).stdout and against(node, file).returncode == 1
    assert carillon("check", str(node.file), "--json").returncode == 64


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"nonce":"short","entries":[]}', b"\xff", b'{"nonce":"' + b"a" * 40 + b'","entries":[{"key":1}]}'])
def test_a_comparison_that_is_none_is_refused(node: Node, body: bytes) -> None:
    response = node.api.request("POST", "/api/v1/config/compare", data=body)
    assert response.status_code == 400 and response.json()["error"]["code"] == "invalid_comparison"


def test_secrets_are_not_in_what_a_node_answers(start_node: Any) -> None:
    """Neither the secret nor a digest of it: what could be tried against it stays with the node."""
    node = start_node(admin={"token": "token-number-one"})
    nonce = "0123456789abcdef" * 2
    entries = [{"key": "admin.token", "shown": "(secret)", "match": "0" * 64}]
    response = node.api.request("POST", "/api/v1/config/compare", json={"nonce": nonce, "entries": entries})
    assert response.json()["changed"] == [
        {"key": "admin.token", "from": "(secret)", "to": "(a different secret)", "effect": "now"}]
    assert not re.search(r"[0-9a-f]{32}", response.text)


# -- under load


@pytest.mark.skipif(open_files_limit() < 11_000, reason="needs 11000 open files; see: ulimit -Hn")
def test_under_ten_thousand_clients(start_node: Any) -> None:
    """Nobody is disconnected who still may be there, and the new rules are in force within a second."""
    node = start_node(channels=OPEN)
    with Crowd() as crowd:
        staying = crowd.open(8000, node.client_port, upgrade("/raw?channel=kept"), seconds=60)
        leaving = crowd.open(2000, node.client_port, upgrade("/raw?channel=gone"), seconds=60)
        assert {member.status for member in staying + leaving} == {101}
        answers: list[Any] = []
        rewrite(node, channels=[
            {"match": "gone", "subscribe": "nobody"},
            {"match": "*", "subscribe": "anyone", "publish": "server", "slow": "latest", "history": {"size": 5, "ttl": "1h"},
             "presence": {"join_leave": True}}])
        begin = time.monotonic()
        asker = threading.Thread(target=lambda: answers.append(post(node)))
        asker.start()
        # Asked and told on one core together with these ten thousand clients.
        assert crowd.run(lambda: all(member.ended for member in leaving), 10)
        took = max(member.ended for member in leaving) - begin
        asker.join()
        assert answers[0].status_code == 200 and answers[0].json()["sessions_closed"] == 2000
        # The answer comes when everything that is open is as the rules say; that the last goodbye was read here comes after it.
        applied = answers[0].elapsed.total_seconds()
        print(f"rules in force for 10,000 clients after {applied * 1000:.0f} ms, the last goodbye read after {took * 1000:.0f} ms")
        # A build without optimization is ten times as slow.
        assert applied < (10.0 if "/debug/" in str(CARILLON) else 1.0)
        assert {member.close_code for member in leaving} == {1008}
        assert not any(member.ended for member in staying)
        # Nobody was told of eight thousand members, and everybody gets what is published.
        heard = [member.bytes for member in staying]
        node.api.publish("kept", text="to all")
        assert crowd.run(lambda: all(member.tail.endswith(b"to all") for member in staying), 20)
        assert all(member.bytes == before + len("to all") + 2 for member, before in zip(staying, heard))
        assert node.api.get("/api/v1/channels/kept/presence", view="count")["clients"] == 8000
        # Again and again, with rules that change back and forth.
        for number in range(6):
            rules = [{"match": "*", "subscribe": "anyone", "slow": ("disconnect", "latest")[number % 2], "presence": number % 2 == 0}]
            assert reload(node, channels=rules)["sessions_closed"] == 0
        crowd.turn(0)
        assert not any(member.ended for member in staying) and node.api.metric("faults_total") == 0


def test_a_reload_waits_for_nobody_who_publishes(start_node: Any) -> None:
    """Publications go on without a gap while the rules change back and forth."""
    node = start_node(channels=OPEN)
    receiver = WebsocketsClient(node.client, "a")
    over = threading.Event()
    sent = 0

    def change() -> None:
        number = 0
        while not over.is_set():
            number += 1
            history = {"history": {"size": 50, "ttl": "1h"}} if number % 2 else {}
            reload(node, channels=[{"match": "*", "publish": "client", **history}])

    changer = threading.Thread(target=change)
    changer.start()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        node.api.publish("a", text=str(sent))
        sent += 1
    over.set()
    changer.join()
    until(lambda: receiver.count() == sent, "all of them came", 10)
    assert receiver.received == [str(number) for number in range(sent)] and node.api.metric("reloads_total") > 3
    receiver.close()
