"""What applications are told by webhooks: with a node that runs alone, and in a cluster whose Redis keeps what waits."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from rig.centrifuge_wire import CentrifugeWire
from rig.cluster import Cluster
from rig.node import Node, carillon
from rig.process import REPOSITORY, free_port
from rig.redis_server import RedisServer
from rig.waiting import holds, until
from rig.webhook_receiver import SECRET, WebhookReceiver
from rig.wire import Wire, frame

RULES = [{"match": "*", "subscribe": "anyone", "publish": "client", "presence": {"grace": "0s"}, "occupancy": True}]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    started = WebhookReceiver()
    yield started
    started.stop()


@pytest.fixture
def unlimited() -> dict[str, Any]:
    return {"channels": RULES, "limits": {"publish_rate": 0}}


@pytest.fixture(params=["memory", "redis"])
def redis_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    if request.param == "memory":
        yield None
        return
    server = RedisServer(tmp_path).start()
    yield server.url
    assert not server.denied(), server.denied()
    server.stop()


def raw(node: Node, channel: str) -> Wire:
    return Wire(node.client_port).open(f"/raw?channel={channel}")


def publish(wire: Wire, numbers: range) -> None:
    for number in numbers:
        wire.send(frame(b"%d" % number))


def numbers(receiver: WebhookReceiver, channel: str) -> list[int]:
    """What was published, in the order in which it came first."""
    return [int(event["data"]["text"]) for event in receiver.of("published", channel=channel)]


def states(node: Node) -> list[dict[str, Any]]:
    return node.api.get("/api/v1/webhooks")["webhooks"]


def test_everything_about_a_session(start_node: Any, redis_url: str | None, receiver: WebhookReceiver) -> None:
    node = start_node(redis_url=redis_url, channels=RULES, webhooks=[receiver.entry(vacated_grace="0s")])
    client = CentrifugeWire(node)
    client.subscribe("room")
    client.command("publish", channel="room", data={"n": 1})
    until(lambda: receiver.of("channel_occupied") and receiver.of("member_joined"), "the coming is told")
    client.close()
    until(lambda: receiver.of("channel_vacated") and receiver.of("member_left"), "the going is told")
    until(lambda: receiver.of("session_closed"), "the end is told")
    own = [kind for kind in receiver.kinds(session=client.id, channel="room") if not kind.startswith("member")]
    assert own == ["subscribed", "published", "unsubscribed"]
    for event in receiver.events:
        assert event["specversion"] == "1.0" and event["source"] == f"/nodes/{node.id}"
        assert event["datacontenttype"] == "application/json"
        assert event["subject"] == event["data"].get("channel", event["data"].get("session"))
        assert abs(datetime.fromisoformat(event["time"]).timestamp() - datetime.now(UTC).timestamp()) < 60
    [published] = receiver.of("published")
    assert published["data"]["data"] == {"n": 1} and published["subject"] == "room"
    assert len({event["id"] for event in receiver.events}) == len(receiver.taken)
    assert receiver.headers[0]["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    until(lambda: node.api.metric("webhook_events_delivered_total") == len(receiver.events), "all are acknowledged")
    assert node.api.metric("webhook_events_total") == len(receiver.events)
    assert node.api.metric("webhook_events_dropped_total") == 0


def test_what_a_webhook_does_not_want_it_does_not_get(start_node: Any, receiver: WebhookReceiver) -> None:
    wanted = {"events": ["published", "channel_vacated"], "channels": ["a:*"], "vacated_grace": "0s"}
    node = start_node(channels=RULES, webhooks=[receiver.entry(**wanted)])
    for channel in ("b:1", "a:1"):
        wire = raw(node, channel)
        publish(wire, range(1))
        wire.read_frame()
        wire.close()
    until(lambda: receiver.of("channel_vacated"), "the channel is vacated")
    assert [(event["data"]["kind"], event["subject"]) for event in receiver.events] == [
        ("published", "a:1"), ("channel_vacated", "a:1")]  # fmt: skip


def test_a_slow_consumer_is_told(start_node: Any, receiver: WebhookReceiver) -> None:
    node = start_node(
        channels=RULES, webhooks=[receiver.entry(events=["slow_consumer"])], limits={"outbound_bytes": "64KiB", "publish_rate": 0})
    slow = Wire(node.client_port, receive_buffer=4096).open("/raw?channel=news")
    publisher = raw(node, "news")

    def told() -> bool:
        publisher.send(frame(b"x" * 32_000))
        publisher.read_frame()
        return bool(receiver.of("slow_consumer"))

    until(told, "the slow one is told", 30)
    assert [event["data"]["kind"] for event in receiver.events] == ["slow_consumer"]
    slow.close()


def test_the_same_order_and_ids_after_failures(start_node: Any, redis_url: str | None, receiver: WebhookReceiver, unlimited: Any) -> None:
    """It answers 500, hangs up, is slow: everything comes, in the order of each channel."""
    entry = receiver.entry(events=["published"], timeout="500ms")
    node = start_node(redis_url=redis_url, webhooks=[entry], **unlimited)
    wires = {channel: raw(node, channel) for channel in ("a", "b", "c")}
    receiver.status = 500
    for turn, change in enumerate([{"status": 500}, {"status": 200, "hangs_up": True}, {"hangs_up": False, "delay": 1.0}, {"delay": 0.0}]):
        for name, value in change.items():
            setattr(receiver, name, value)
        for wire in wires.values():
            publish(wire, range(turn * 50, turn * 50 + 50))
        if turn < 3:
            before = receiver.requests
            until(lambda before=before: receiver.requests >= before + 2, "it was tried again", 20)
            until(lambda: states(node)[0].get("failing_since"), "it is known that it fails")
    for channel in wires:
        until(lambda channel=channel: len(numbers(receiver, channel)) == 200, f"all of {channel} came", 30)
        assert numbers(receiver, channel) == list(range(200))
    until(lambda: states(node)[0]["waiting"] == 0, "nothing waits any more")
    assert "failing_since" not in states(node)[0]
    assert node.api.metric("webhook_requests_failed_total") > 3


def test_dead_letters(start_node: Any, redis_url: str | None, receiver: WebhookReceiver, unlimited: Any) -> None:
    node = start_node(redis_url=redis_url, webhooks=[receiver.entry(events=["published"], retry_for="1s")], **unlimited)
    receiver.status = 503
    wire = raw(node, "news")
    publish(wire, range(10))
    [state] = until(lambda: [one for one in states(node) if one["dead_letters"] == 10 and not one["waiting"]], "they are given up", 20)
    assert state["url"] == receiver.url and "503" in node.output()
    assert node.api.metric("webhook_dead_letters_total") == 10
    shown = node.command("webhooks", "list")
    assert shown.returncode == 0 and state["id"] in shown.stdout and receiver.url in shown.stdout
    letters = node.command("webhooks", "letters", state["id"])
    lines = [json.loads(line) for line in letters.stdout.splitlines()[:-1]]
    assert [int(line["event"]["data"]["text"]) for line in lines] == list(range(10)) and "503" in lines[0]["reason"]
    receiver.status = 204
    resent = node.command("webhooks", "resend", state["id"])
    assert resent.returncode == 0 and resent.stdout == "10 dead letters resent\n"
    until(lambda: numbers(receiver, "news") == list(range(10)), "they came")
    assert [event["id"] for event in receiver.events] == [line["event"]["id"] for line in lines]
    receiver.status = 503
    publish(wire, range(3))
    until(lambda: states(node)[0]["dead_letters"] == 3, "more are given up", 20)
    assert node.command("webhooks", "purge", state["id"]).stdout == "3 dead letters purged\n"
    assert states(node)[0]["dead_letters"] == 0
    unknown = node.command("webhooks", "purge", "000000000000")
    assert unknown.returncode == 1 and state["id"] in unknown.stderr


def test_dead_letters_are_listed_in_pages(start_node: Any, redis_url: str | None, receiver: WebhookReceiver, unlimited: Any) -> None:
    """Each comes once and in order, however long a page is, also those of several queues."""
    node = start_node(redis_url=redis_url, webhooks=[receiver.entry(events=["published"], retry_for="1s")], **unlimited)
    receiver.status = 503
    wires = [raw(node, f"room-{number}") for number in range(12)]
    for wire in wires:
        publish(wire, range(7))
    [state] = until(lambda: [one for one in states(node) if one["dead_letters"] == 84], "they are given up", 20)
    path = f"/api/v1/webhooks/{state['id']}/letters"
    whole = node.api.get(path, limit=1000)
    assert len(whole["letters"]) == 84 and "cursor" not in whole
    assert [letter["given_up"] for letter in whole["letters"]] == sorted(letter["given_up"] for letter in whole["letters"])
    paged, cursor = [], {}
    while True:
        page = node.api.get(path, limit=10, **cursor)
        assert len(page["letters"]) <= 10
        paged += page["letters"]
        if "cursor" not in page:
            break
        cursor = {"cursor": page["cursor"]}
    assert paged == whole["letters"]
    # The command says how to go on, and goes on.
    first = node.command("webhooks", "letters", state["id"], "--limit", "50").stdout.splitlines()
    assert len(first) == 52 and first[50] == "50 dead letters" and first[51].startswith("more: --cursor ")
    second = node.command("webhooks", "letters", state["id"], "--limit", "50", "--cursor", first[51].split()[-1]).stdout.splitlines()
    assert [json.loads(line)["event"]["id"] for line in first[:50] + second[:-1]] == [letter["event"]["id"] for letter in paged]
    assert second[-1] == "34 dead letters"
    assert node.api.request("GET", f"{path}?cursor=abc").status_code == 400


def test_a_secret_follows_another(start_node: Any, receiver: WebhookReceiver) -> None:
    """The receiver goes from one to the other at any time while the node has both."""
    old, new = SECRET, "another secret of the webhook, also long enough"
    node = start_node(channels=RULES, webhooks=[receiver.entry(events=["subscribed"])])

    def use(*secrets: str) -> None:
        node.file.write_text(json.dumps({**node.configuration, "webhooks": [receiver.entry(events=["subscribed"], secret=list(secrets))]}))
        report = node.api.request("POST", "/api/v1/config/reload").json()
        assert [change["key"] for change in report["changed"]] == ["webhooks"]

    def arrives(channel: str) -> None:
        with raw(node, channel):
            until(lambda: receiver.of("subscribed", channel=channel), "it is told")

    arrives("a")
    assert len(receiver.headers[-1]["carillon-signature"].split()) == 1
    use(new, old)
    arrives("b")
    receiver.secret = new
    arrives("c")
    assert len(receiver.headers[-1]["carillon-signature"].split()) == 2
    use(new)
    arrives("d")
    assert node.api.metric("webhook_requests_failed_total") == 0
    receiver.secret = old
    with raw(node, "e"):
        until(lambda: node.api.metric("webhook_requests_failed_total") > 0, "the old one is not good any more")


def test_the_receiver_that_the_documentation_shows(start_node: Any) -> None:
    """Ten lines, run as they are: they take what a node signs, and nothing else."""
    text = (REPOSITORY / "docs/events.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    [entry] = re.findall(r"the webhook is `\{ url: \"(http://127.0.0.1:9000/)\", secret: \"\$\{WEBHOOK_SECRET\}\", allow_private: true \}`", text)
    port = free_port()
    receiver = subprocess.Popen(
        [sys.executable, "-c", code.replace("9000", str(port))], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "WEBHOOK_SECRET": SECRET})  # fmt: skip
    url = entry.replace("9000", str(port))
    try:
        node = start_node(channels=RULES, webhooks=[{"url": url, "secret": SECRET, "allow_private": True, "events": ["published"]}])
        with raw(node, "room") as wire:
            publish(wire, range(20))
            assert receiver.stdout
            events = [ast.literal_eval(receiver.stdout.readline()) for _ in range(20)]
        assert [event["data"]["text"] for event in events] == [str(number) for number in range(20)]
        until(lambda: node.api.metric("webhook_events_delivered_total") == 20, "it acknowledged them")
        forged = {"Carillon-Time": str(int(datetime.now(UTC).timestamp())), "Carillon-Signature": f"sha256={'0' * 64}"}
        assert requests.post(url, data="[]", headers=forged, timeout=5).status_code == 401
    finally:
        receiver.kill()
        receiver.communicate()


def test_bounds_drop_and_count(start_node: Any, receiver: WebhookReceiver, unlimited: Any) -> None:
    unlimited["limits"]["webhook_pending_bytes"] = "1MiB"
    node = start_node(webhooks=[receiver.entry(events=["published"])], **unlimited)
    receiver.status = 500
    wire = raw(node, "news")
    for _ in range(200):
        wire.send(frame(b"x" * 4000))
    until(lambda: node.api.metric("webhook_events_total") + node.api.metric("webhook_events_dropped_total") == 200, "each is stored or dropped")
    kept = node.api.metric("webhook_events_total")
    assert 20 < kept < 40
    assert "limits.webhook_pending_bytes" in node.output()
    assert states(node)[0]["waiting"] == kept


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://2130706433:9/", "http://[::1]:9/", "http://169.254.169.254/"])
def test_private_addresses_are_not_connected_to(start_node: Any, url: str) -> None:
    node = start_node(webhooks=[{"url": url, "secret": SECRET}])
    raw(node, "a")
    state = until(lambda: next(one for one in states(node) if one.get("failing_since")), "it fails")
    assert "is not public" in state["failure"] and "allow_private" in state["failure"]


def test_redirects_are_not_followed(start_node: Any, receiver: WebhookReceiver) -> None:
    other = WebhookReceiver()
    receiver.status, receiver.location = 307, other.url
    node = start_node(webhooks=[receiver.entry()])
    raw(node, "a")
    state = until(lambda: next(one for one in states(node) if one.get("failing_since")), "it fails")
    assert state["failure"] == "it answered 307; redirects are not followed"
    assert other.requests == 0
    other.stop()


def test_a_reload_changes_webhooks(start_node: Any, receiver: WebhookReceiver) -> None:
    node = start_node(channels=RULES)
    assert states(node) == [] and node.api.metric("event_listeners") == 0
    node.file.write_text(json.dumps({**node.configuration, "webhooks": [receiver.entry(events=["subscribed"])]}))
    report = node.api.request("POST", "/api/v1/config/reload").json()
    assert [change["key"] for change in report["changed"]] == ["webhooks"] and SECRET not in json.dumps(report)
    first = raw(node, "a")
    until(lambda: receiver.of("subscribed", channel="a"), "it is told")
    assert SECRET not in json.dumps(node.api.get("/api/v1/config"))
    node.file.write_text(json.dumps(node.configuration))
    node.api.request("POST", "/api/v1/config/reload")
    assert states(node) == []
    until(lambda: node.api.metric("event_listeners") == 0, "nobody listens")
    first.close()


def test_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text(
        "webhooks:\n"
        f"  - {{ url: 'ftp://a/', secret: '{SECRET}' }}\n"
        "  - { url: 'https://a.example/', secret: short }\n"
        f"  - {{ url: 'https://b.example/', secret: '{SECRET}', events: [subscribd], channels: ['a b'] }}\n"
        "  - { url: 'https://c.example/', retry: 5s }\n"
    )
    checked = carillon("check", str(file))
    assert checked.returncode == 1
    for part in ["'url': this is not possible", "at least 32 bytes", "subscribed", "no channel matches", "retry_for", "has no secret"]:
        assert part in checked.stdout + checked.stderr, (part, checked.stdout, checked.stderr)


# Several nodes


def test_one_node_takes_over_from_another(tmp_path: Path, receiver: WebhookReceiver, unlimited: Any) -> None:
    """The node that sends is killed while the receiver is away: the others deliver, in order."""
    entry = receiver.entry(events=["published"], timeout="1s")
    receiver.status = 500
    with Cluster(tmp_path, 2, webhooks=[entry], **unlimited) as cluster:
        cluster.start()
        survivor, dying = cluster.nodes
        channels = [f"room-{number}" for number in range(10)]
        wires = [raw(dying, channel) for channel in channels]
        for wire in wires:
            publish(wire, range(100))
        until(lambda: dying.api.metric("webhook_events_total") == 1000, "all are stored")
        until(lambda: dying.api.metric("webhook_requests_failed_total") > 0, "it sends")
        assert states(survivor)[0]["waiting"] == 1000
        dying.kill()
        receiver.status = 200
        until(lambda: len(receiver.of("published")) == 1000, "everything came", 30)
        for channel in channels:
            assert numbers(receiver, channel) == list(range(100))
        until(lambda: states(survivor)[0]["waiting"] == 0, "nothing waits any more")
        cluster.check_permissions()


def test_occupied_and_vacated_once_per_cluster(tmp_path: Path, receiver: WebhookReceiver) -> None:
    entry = receiver.entry(events=["channel_occupied", "channel_vacated"], vacated_grace="2s")
    with Cluster(tmp_path, 2, webhooks=[entry], channels=RULES) as cluster:
        cluster.start()
        first, second = (raw(node, "room") for node in cluster.nodes)
        until(lambda: receiver.kinds(channel="room") == ["channel_occupied"], "it is occupied")
        first.close()
        second.close()
        until(lambda: all(node.api.metric("occupancy_channels") == 0 for node in cluster.nodes), "nobody is subscribed")
        # Somebody is back within the grace.
        again = raw(cluster.nodes[1], "room")
        until(lambda: cluster.nodes[1].api.metric("occupancy_channels") == 1, "it is occupied again")
        holds(lambda: receiver.kinds(channel="room") == ["channel_occupied"], "nothing is told", 3)
        again.close()
        until(lambda: receiver.kinds(channel="room") == ["channel_occupied", "channel_vacated"], "and in the end it is", 15)
        cluster.check_permissions()


def test_redis_away(tmp_path: Path, receiver: WebhookReceiver, unlimited: Any) -> None:
    """Events wait in the node until Redis is back."""
    server = RedisServer(tmp_path).start()
    node = Node("node", tmp_path, server.url, webhooks=[receiver.entry(events=["subscribed"])], **unlimited).start()
    server.kill()
    until(lambda: not node.api.is_ready(), "the node notices")
    wires = [raw(node, f"room-{number}") for number in range(50)]
    server.start()
    until(lambda: len(receiver.of("subscribed")) == 50, "all are told", 30)
    assert node.api.metric("webhook_events_dropped_total") == 0
    for wire in wires:
        wire.close()
    node.stop()
    server.stop()


def test_a_redis_that_refuses(tmp_path: Path, receiver: WebhookReceiver, unlimited: Any) -> None:
    """The user lacks a permission: the log says so, and events wait."""
    server = RedisServer(tmp_path).start()
    node = Node("node", tmp_path, server.url, webhooks=[receiver.entry(events=["subscribed"])], **unlimited).start()
    server.client().execute_command("ACL", "SETUSER", "carillon", "-xadd")
    wire = raw(node, "room")
    until(lambda: "webhooks: the backplane refuses what their queues need" in node.output(), "it is said")
    assert node.api.metric("webhook_events_dropped_total") == 0
    server.client().execute_command("ACL", "SETUSER", "carillon", "+xadd")
    until(lambda: receiver.of("subscribed", channel="room"), "it is told")
    wire.close()
    node.stop()
    server.stop()
