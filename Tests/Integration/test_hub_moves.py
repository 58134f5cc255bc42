"""What applications see of a session of a hub that goes to another node: one session, under the ids that they know."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from rig.cluster import Cluster
from rig.counting_client import CountingClient as Client
from rig.events import Events
from rig.node import Node
from rig.upstream import Answer, Request, Upstream
from rig.waiting import until

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    started = Upstream()
    yield started
    started.stop()


@pytest.fixture
def cluster(tmp_path: Path, upstream: Upstream) -> Any:
    hub = {
        "path": "/chat", "prefix": "chat:", "keys": [KEY], "methods": {"join": "Join", "send_to_group": "Send"},
        "upstream": upstream.url + "/{hub}/{category}/{event}",
    }  # fmt: skip
    with Cluster(
        tmp_path, size=2, hubs=[hub], limits={"publish_rate": 0}, resume={"time": "2s"},
        channels=[
            {"match": "chat:asked*", "subscribe": "anyone", "publish": "client", "publish_hook": upstream.url + "/publish"},
            {"match": "*", "subscribe": "anyone", "publish": "client"},
        ],
    ) as started:  # fmt: skip
        yield started.start()
        started.check_permissions()


def rest(node: Node, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
    """A call of the data plane."""
    url = f"http://{node.admin}/api/hubs/chat/{path}"
    token = jwt.encode({"aud": url, "exp": int(time.time()) + 60}, KEY, algorithm="HS256")
    return requests.request(
        method, url + "?api-version=2022-06-01", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=5)


def listed(nodes: list[Node]) -> str:
    """The id of the only connection, as the API lists it."""
    [connection] = nodes[0].api.connections()
    return str(connection["id"])


def test_it_is_reached_by_all_of_its_ids(cluster: Cluster) -> None:
    first, second = cluster.nodes
    client = Client(first)
    client.join("a")
    old = listed(cluster.nodes)
    client.cut()
    assert client.resume(second)
    until(lambda: listed(cluster.nodes) != old, "it is listed at its new node")
    new = listed(cluster.nodes)
    assert new.endswith(client.id) and old.endswith(client.id)
    said = 0
    for node in cluster.nodes:
        for name in (client.id, old, new):
            answer = rest(node, "POST", f"connections/{name}/:send", {"target": "said", "arguments": [said]})
            assert answer.status_code == 202, answer.text
            client.hear_until(lambda: client.calls[-1:] == [[said]])
            said += 1
            node.api.post_publication({"connection": name, "data": said}).raise_for_status()
            client.hear_until(lambda: client.calls[-1:] == [[said]])
            said += 1
            for method, status in (("PUT", 200), ("DELETE", 200)):
                answer = rest(node, method, f"groups/g{said}/connections/{name}")
                assert answer.status_code == status, answer.text
            answer = node.api.request("POST", f"/api/v1/connections/{name}/subscribe", json={"channel": f"chat:m{said}"})
            assert answer.status_code == 200 and answer.json()["sessions"] == 1, answer.text
            assert node.api.get(f"/api/v1/connections/{name}")["id"] == new
    # Left out by any of them.
    for name in (client.id, old, new):
        url = f"http://{first.admin}/api/hubs/chat/:send"
        token = jwt.encode({"aud": url, "exp": int(time.time()) + 60}, KEY, algorithm="HS256")
        requests.post(
            f"{url}?api-version=2022-06-01&excluded={name}", json={"target": "not for it", "arguments": [1]},
            headers={"Authorization": f"Bearer {token}"}, timeout=5).raise_for_status()
    rest(first, "POST", ":send", {"target": "said", "arguments": ["end"]}).raise_for_status()
    client.hear_until(lambda: client.calls[-1:] == [["end"]])
    assert len(client.calls) == said + 1
    # Its old node need not be there any more.
    first.kill()
    until(lambda: len(second.api.cluster()["cluster"]) == 1, "the node is forgotten", 20)
    second.api.post_publication({"connection": old, "data": "last"}).raise_for_status()
    client.hear_until(lambda: client.calls[-1:] == [["last"]])
    rest(second, "POST", f"connections/{old}/:send", {"target": "said", "arguments": ["very last"]}).raise_for_status()
    client.hear_until(lambda: client.calls[-1:] == [["very last"]])


def test_its_opening_and_its_end_are_told_once(cluster: Cluster, upstream: Upstream) -> None:
    kinds = "session_opened,session_closed,subscribed,unsubscribed"
    with Events(cluster.nodes[0], kinds) as one, Events(cluster.nodes[1], kinds) as other:
        client = Client(cluster.nodes[0])
        client.join("a")
        first = listed(cluster.nodes)
        for node in (cluster.nodes[1], cluster.nodes[0], cluster.nodes[1]):
            client.cut()
            assert client.resume(node)
        client.join("b")
        client._frame({"type": 7})
        other.until(lambda events: events.of(kind="session_closed"), "its end is told")
        told = [(event["kind"], event.get("channel"), event["session"]) for event in one.events + other.events]
        assert sorted(told) == sorted([
            ("session_opened", None, first), ("subscribed", "chat:all", first), ("subscribed", "chat:a", first),
            ("subscribed", "chat:b", first), *(("unsubscribed", f"chat:{group}", first) for group in ("all", "a", "b")),
            ("session_closed", None, first),
        ])  # fmt: skip
        until(lambda: upstream.of("disconnected"), "the application is told")
        ids = [request.headers["x-asrs-connection-id"] for request in upstream.requests]
        # The application knows it by the id of the negotiation.
        assert len(ids) == 2 and set(ids) == {first.rpartition("-")[2]} and len(upstream.of("connected")) == 1


def test_its_end_is_told_once_where_nobody_comes_back(cluster: Cluster, upstream: Upstream) -> None:
    kinds = "session_opened,session_closed"
    with Events(cluster.nodes[0], kinds) as one, Events(cluster.nodes[1], kinds) as other:
        client = Client(cluster.nodes[0])
        client.join("a")
        client.cut()
        assert client.resume(cluster.nodes[1])
        client.cut()
        other.until(lambda events: events.of(kind="session_closed"), "nobody has come back")
        assert one.kinds() == ["session_opened"] and other.kinds() == ["session_closed"]
        until(lambda: len(upstream.requests) == 2, "the application is told")
        assert [len(upstream.of(event)) for event in ("connected", "disconnected")] == [1, 1]


def test_a_command_that_is_undecided_is_answered_on_the_next_connection(cluster: Cluster, upstream: Upstream) -> None:
    """The application is asked about it once, and what follows it waits for its answer."""
    asked: list[str] = []

    def slowly(request: Request) -> Answer | None:
        if request.path != "/publish":
            return None
        asked.append(request.body.decode())
        time.sleep(0.8)
        return 200, b'{"result": {}}'

    upstream.answer = slowly
    node = cluster.nodes[0]
    client = Client(node)
    for group in ("asked", "a"):
        client.join(group)
    client.call("Send", "asked", "said", 1, id="first")
    until(lambda: asked, "the application is asked")
    client.call("Send", "a", "said", 2, id="second")
    client.cut()
    assert client.resume(node)
    client.hear_until(lambda: {"first", "second"} <= set(client.completed) and len(client.calls) == 2)
    assert client.completed[-2:] == ["first", "second"] and client.calls == [[1], [2]]
    assert len(asked) == 1
