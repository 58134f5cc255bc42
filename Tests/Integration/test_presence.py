"""Who is present: lists, counts, who comes and goes, and what is left of a node that died."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import websockets.sync.client

from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until

SECRET = "s" * 40
GRACE = 0.4
#: A node's lease, in seconds: what it leaves is known to be dead then.
LEASE = 10
RULES = [
    {"match": "quiet:*", "subscribe": "anyone", "publish": "client", "presence": True},
    {"match": "none:*", "subscribe": "anyone"},
    {"match": "each:*", "subscribe": "anyone", "publish": "client", "presence": {"join_leave": "sessions", "grace": f"{int(GRACE * 1000)}ms"}},
    {"match": "*", "subscribe": "anyone", "publish": "client", "presence": {"join_leave": True, "grace": f"{int(GRACE * 1000)}ms"}},
]
SETTINGS: dict[str, Any] = {"channels": RULES, "auth": {"keys": [{"secret": SECRET}]}}


def token(user: str, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + 300, **claims}, SECRET, algorithm="HS256")


def client(node: Node, user: str | None = None, *channels: str, **claims: Any) -> CentrifugeWire:
    opened = CentrifugeWire(node, token(user, **claims) if user else None)
    for channel in channels:
        opened.subscribe(channel)
    return opened


def present(node: Node, channel: str, **query: Any) -> dict[str, Any]:
    return node.api.get(f"/api/v1/channels/{channel}/presence", **query)


def users(node: Node, channel: str) -> list[str]:
    return [entry["user"] for entry in present(node, channel, view="users")["members"]]


@pytest.fixture(params=["memory", "redis"])
def node(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[Node]:
    if request.param == "memory":
        yield start_node(**SETTINGS)
        return
    server = RedisServer(tmp_path).start()
    yield start_node(redis_url=server.url, **SETTINGS)
    assert not server.denied(), server.denied()
    server.stop()


@pytest.fixture
def nodes(start_node: Any, redis_server: RedisServer) -> list[Node]:
    started = [start_node(name, redis_url=redis_server.url, **SETTINGS) for name in "abc"]
    for node in started:
        until(lambda node=node: len(node.api.cluster()["cluster"]) == 3, "the nodes know each other")
    return started


def test_lists_and_counts(node: Node) -> None:
    ann = client(node, "ann", "room", info={"colour": "blue"})
    bob = client(node, "bob", "room")
    again = client(node, "bob", "room")
    visitor = client(node, None, "room")
    report = present(node, "room")
    assert (report["clients"], report["users"]) == (4, 3)
    known = {entry["client"]: entry for entry in report["members"]}
    assert set(known) == {ann.id, bob.id, again.id, visitor.id}
    assert known[ann.id]["user"] == "ann" and json.loads(known[ann.id]["info"]) == {"colour": "blue"}
    assert "user" not in known[visitor.id]
    assert present(node, "room", view="count") == {"clients": 4, "users": 3}
    shown = node.command("presence", "room")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].split() == ["USER", "CONNECTION", "INFO"] and shown.stdout.count("bob") == 2
    assert "3 users, 4 connections" in shown.stdout and '{"colour":"blue"}' in shown.stdout.replace(" ", "")
    assert node.command("presence", "room", "--count").stdout == "3 users, 4 connections\n"
    assert node.command("presence", "room", "--users").stdout.count("bob") == 1
    refused = node.command("presence", "none:1")
    assert refused.returncode == 1 and "add presence: true to its rule" in refused.stderr
    folded = present(node, "room", view="users")["members"]
    assert folded == [{"client": visitor.id}, {"user": "ann"}, {"user": "bob"}]
    listed = ann.command("presence", channel="room")["presence"]
    assert set(listed) == set(known)
    assert listed[ann.id] == {"user": "ann", "client": ann.id, "conn_info": {"colour": "blue"}}
    assert ann.command("presence_stats", channel="room") == {"num_clients": 4, "num_users": 3}
    for one in (ann, bob, again, visitor):
        one.close()
    until(lambda: present(node, "room", view="count") == {"clients": 0, "users": 0}, "everybody is gone")


def test_pages(node: Node) -> None:
    crowd = [client(node, f"user{number}", "room") for number in range(7)]
    for view, key in (("clients", "client"), ("users", "user")):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = present(node, "room", view=view, limit=3, **cursor)
            assert page["clients"] == 7 and len(page["members"]) <= 3
            found += [entry[key] for entry in page["members"]]
            if "cursor" not in page:
                break
            cursor = {"cursor": page["cursor"]}
        assert sorted(found) == sorted(one.id if key == "client" else f"user{number}" for number, one in enumerate(crowd))
    for one in crowd:
        one.close()


def test_who_comes_and_goes_is_told_once_for_each_user(node: Node) -> None:
    watcher = client(node, None, "room")
    until(lambda: watcher.changes == [("join", watcher.id)], "its own arrival")
    stream = requests.get(f"http://{node.client}/sse?channel=room", stream=True, timeout=5)
    until(lambda: len(watcher.changes) == 2, "the stream's arrival")
    ann = client(node, "ann", "room")
    tab = client(node, "ann", "room")
    watcher.command("publish", channel="room", data="in between")
    until(lambda: ("join", "ann") in watcher.changes and watcher.changes.count(("join", "ann")) == 1, "ann came")
    ann.close()
    watcher.command("publish", channel="room", data="later")
    assert ("leave", "ann") not in watcher.changes
    tab.command("unsubscribe", channel="room")
    until(lambda: watcher.changes[2:] == [("join", "ann"), ("leave", "ann")], "ann left, at once, for she said so")
    assert present(node, "room", view="count")["clients"] == 2
    events = []
    for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("event: "):
            events.append(line[7:])
        if len(events) == 3:
            break
    assert events == ["join", "join", "leave"], "its own, ann's, and that she left"
    watcher.close()
    tab.close()


def test_each_session_is_told_of_where_the_rule_says_so(node: Node) -> None:
    watcher = client(node, "ann", "each:room")
    until(lambda: watcher.changes == [("join", "ann")], "its own arrival")
    tab = client(node, "ann", "each:room")
    phone = client(node, "ann", "each:room")
    until(lambda: watcher.changes == [("join", "ann")] * 3, "ann came three times")
    assert present(node, "each:room", view="count") == {"clients": 3, "users": 1}
    tab.command("unsubscribe", channel="each:room")
    until(lambda: watcher.changes[3:] == [("leave", "ann")], "one of them said that it goes")
    phone.drop()
    until(lambda: watcher.changes[3:] == [("leave", "ann")] * 2, "one was lost, and its grace is over")
    assert present(node, "each:room", view="count") == {"clients": 1, "users": 1}
    watcher.close()
    tab.close()


def test_each_session_of_a_node_that_died_is_told_of_once(nodes: list[Node]) -> None:
    watcher = client(nodes[0], "ann", "each:room")
    others = [client(nodes[2], "ann", "each:room") for _ in range(3)] + [client(nodes[2], "bob", "each:room")]
    until(lambda: len(watcher.changes) == 5, "all came")
    nodes[2].kill()
    expected = [("leave", "ann")] * 3 + [("leave", "bob")]
    until(lambda: sorted(watcher.changes[5:]) == expected, "each is gone", LEASE + 10)
    assert present(nodes[0], "each:room", view="count") == {"clients": 1, "users": 1}
    watcher.close()
    for one in others:
        one.drop()


def test_whoever_is_back_soon_never_left(node: Node) -> None:
    watcher = client(node, "watcher", "room")
    ann = client(node, "ann", "room")
    until(lambda: ("join", "ann") in watcher.changes, "ann came")
    for _ in range(3):
        ann.drop()
        ann = client(node, "ann", "room")
    assert users(node, "room") == ["ann", "watcher"]
    dropped = time.monotonic()
    ann.drop()
    until(lambda: ("leave", "ann") in watcher.changes, "ann left")
    assert time.monotonic() - dropped >= GRACE * 0.9
    assert watcher.changes == [("join", "watcher"), ("join", "ann"), ("leave", "ann")]
    assert present(node, "room", view="count")["clients"] == 1
    watcher.close()


def test_who_may_ask(node: Node) -> None:
    stranger = client(node)
    assert stranger.command("presence", channel="room")["error"]["code"] == 103
    assert stranger.command("presence_stats", channel="room")["error"]["code"] == 103
    allowed = client(node, "ann", grants=[{"match": "room", "allow": ["presence"]}])
    assert allowed.command("presence", channel="room") == {"presence": {}}
    stranger.subscribe("none:a")
    assert stranger.command("presence", channel="none:a")["error"]["code"] == 108
    stranger.subscribe("quiet:a")
    assert set(stranger.command("presence", channel="quiet:a")["presence"]) == {stranger.id}
    assert node.api.request("GET", "/api/v1/channels/none:a/presence").status_code == 404
    assert node.api.request("GET", "/api/v1/channels/room/presence?view=nobody").status_code == 400
    assert node.api.request("GET", "/api/v1/channels/room/presence?cursor=nonsense").status_code == 400
    assert stranger.changes == []
    stranger.close()
    allowed.close()


def test_raw_and_event_streams_are_present_too(node: Node) -> None:
    raw = websockets.sync.client.connect(f"ws://{node.client}/raw?channel=room&token={token('ann')}", ping_interval=None)
    stream = requests.get(f"http://{node.client}/sse?channel=room&token={token('bob')}", stream=True, timeout=5)
    until(lambda: users(node, "room") == ["ann", "bob"], "both are present")
    node.api.publish(channel="room", text="one")
    assert raw.recv(timeout=5) == "one", "nothing else came: a change is no message"
    raw.close()
    stream.close()
    until(lambda: users(node, "room") == [], "both are gone")


def test_over_all_nodes(nodes: list[Node]) -> None:
    watcher = client(nodes[0], "watcher", "room")
    ann = [client(node, "ann", "room") for node in nodes]
    until(lambda: ("join", "ann") in watcher.changes, "ann came")
    for node in nodes:
        assert present(node, "room", view="count") == {"clients": 4, "users": 2}
        assert users(node, "room") == ["ann", "watcher"]
        assert {entry["client"] for entry in present(node, "room")["members"]} == {watcher.id, *(one.id for one in ann)}
    ann[0].command("unsubscribe", channel="room")
    ann[1].command("unsubscribe", channel="room")
    until(lambda: present(nodes[2], "room", view="count") == {"clients": 2, "users": 2}, "one of ann is left")
    # She moves to another node, as after a restart of the first.
    ann[2].drop()
    again = client(nodes[1], "ann", "room")
    until(lambda: present(nodes[0], "room", view="count")["clients"] == 2, "the grace is over")
    assert watcher.changes == [("join", "watcher"), ("join", "ann")]
    again.command("unsubscribe", channel="room")
    until(lambda: watcher.changes[2:] == [("leave", "ann")], "now she left")
    for one in (watcher, again, *ann[:2]):
        one.close()


def test_who_was_on_a_node_that_died_is_gone_within_its_lease_and_that_is_told_once(nodes: list[Node]) -> None:
    watchers = [client(node, f"watcher{number}", "room") for number, node in enumerate(nodes[:2])]
    both = [client(nodes[0], "both", "room"), client(nodes[2], "both", "room")]
    lost = [client(nodes[2], f"lost{number}", "room") for number in range(30)]
    tabs = [client(nodes[2], "lost0", "room") for _ in range(3)]
    until(lambda: present(nodes[0], "room", view="count") == {"clients": 37, "users": 33}, "all are present")
    killed = time.monotonic()
    nodes[2].kill()
    until(lambda: present(nodes[0], "room", view="count") == {"clients": 3, "users": 3}, "the dead are gone", 30)
    took = time.monotonic() - killed
    print(f"gone after {took:.1f} s")
    assert took < LEASE + 4
    expected = {("leave", f"lost{number}") for number in range(30)}
    for watcher in watchers:
        until(lambda watcher=watcher: len([one for one in watcher.changes if one[0] == "leave"]) >= 30, "all leaves")
        leaves = [one for one in watcher.changes if one[0] == "leave"]
        assert len(leaves) == 30 and set(leaves) == expected, "each once, and not the user who is still elsewhere"
    until(lambda: sum(node.api.metric("presence_reaped_total") for node in nodes[:2]) == 30, "counted")
    for one in (*watchers, both[0]):
        one.close()
    for one in (both[1], *lost, *tabs):
        one.drop()


def test_redis_forgets_everything_and_nobody_notices(nodes: list[Node], redis_server: RedisServer) -> None:
    watcher = client(nodes[0], "watcher", "room")
    ann = client(nodes[1], "ann", "room")
    until(lambda: ("join", "ann") in watcher.changes, "ann came")
    redis_server.kill()
    leaving = client(nodes[2])
    leaving.close()
    redis_server.start()
    until(lambda: all(node.api.is_ready() for node in nodes), "linked again", 20)
    until(lambda: users(nodes[2], "room") == ["ann", "watcher"], "told anew", 10)
    assert watcher.changes == [("join", "watcher"), ("join", "ann")]
    # Who left while nobody could be told is told of afterwards.
    redis_server.kill()
    until(lambda: not nodes[1].api.is_ready(), "isolated")
    ann.command("unsubscribe", channel="room")
    # Changes are told to the nodes that are linked: the one that has something to tell comes last.
    nodes[1].pause()
    redis_server.start()
    until(nodes[0].api.is_ready, "linked again", 20)
    nodes[1].resume()
    until(lambda: watcher.changes[2:] == [("leave", "ann")], "ann left", 20)
    until(nodes[2].api.is_ready, "the third node is linked again", 20)
    assert users(nodes[2], "room") == ["watcher"]
    watcher.close()
    ann.close()


def test_a_node_that_was_taken_for_dead_comes_back(nodes: list[Node]) -> None:
    watcher = client(nodes[0], "watcher", "room")
    ann = client(nodes[1], "ann", "room")
    until(lambda: ("join", "ann") in watcher.changes, "ann came")
    nodes[1].pause()
    until(lambda: ("leave", "ann") in watcher.changes, "its lease is over", 30)
    nodes[1].resume()
    until(lambda: watcher.changes[3:] == [("join", "ann")], "and it is back", 20)
    assert users(nodes[0], "room") == ["ann", "watcher"]
    watcher.close()
    ann.close()


def test_nothing_is_left_behind_in_redis(start_node: Any, redis_server: RedisServer) -> None:
    one = start_node("one", redis_url=redis_server.url, **SETTINGS)
    members = [client(one, f"user{number}", "room", "other") for number in range(5)]
    until(lambda: present(one, "other", view="count")["clients"] == 5, "all are present")
    for member in members:
        member.close()
    redis = redis_server.client()

    def left(*patterns: str) -> list[bytes]:
        """What there is of channels and nodes, but for the marks of the nodes themselves."""
        return [key for pattern in patterns for key in redis.keys(pattern) if b"}:p::" not in key]

    until(lambda: not left("carillon:{*}:p[:uc]*", "carillon:{*}:pl:*"), "all marks are gone")
    last = client(one, "last", "room")
    one.kill()
    two = start_node("two", redis_url=redis_server.url, **SETTINGS)
    until(lambda: users(two, "room") == [], "nobody is here any more", 15)
    until(lambda: not left("carillon:{*}:p[:unlc]*"), "what the dead node left is cleared away", 30)
    last.drop()


def test_presence_comes_back_at_once_after_flushdb(start_node: Any, redis_server: RedisServer) -> None:
    node, other = (start_node(name, redis_url=redis_server.url, **SETTINGS) for name in ("one", "two"))
    watcher = client(other, "watcher", "room")
    sockets = [websockets.sync.client.connect(f"ws://{node.client}/raw?channel=quiet:crowd&channel=room") for _ in range(150)]
    until(lambda: present(other, "room")["clients"] == 151 and present(other, "quiet:crowd")["clients"] == 150, "all are present")
    until(lambda: len(watcher.changes) == 151, "all have come")
    for _ in range(2):
        redis_server.client().flushdb()
        flushed = time.monotonic()
        # Somebody comes meanwhile, which says nothing about the others.
        sockets.append(websockets.sync.client.connect(f"ws://{node.client}/raw?channel=quiet:crowd&channel=room"))
        until(lambda: present(other, "room")["clients"] == len(sockets) + 1, "all are present again", 15)
        until(lambda: present(other, "quiet:crowd")["clients"] == len(sockets), "in each channel", 15)
        assert time.monotonic() - flushed < 9, "in bulk, and not one a second"
        # Nobody is said to have come or gone who has not.
        until(lambda: len(watcher.changes) == len(sockets) + 1, "one has come")
    time.sleep(1)
    assert len(watcher.changes) == len(sockets) + 1 and all(kind == "join" for kind, _ in watcher.changes)
    sockets[0].close()
    until(lambda: len(watcher.changes) == len(sockets) + 2, "and one has gone")
    assert watcher.changes[-1][0] == "leave"
    for socket in sockets[1:]:
        socket.close()


def test_a_node_whose_lease_was_deleted_is_alive_as_long_as_it_beats(nodes: list[Node], redis_server: RedisServer) -> None:
    watcher = client(nodes[0], "watcher", "room")
    crowd = [client(node, f"{node.name}{number}", "room") for node in nodes for number in range(10)]
    until(lambda: len(watcher.changes) == 31, "all have come")
    direct = redis_server.client()
    end = time.monotonic() + 6
    while time.monotonic() < end:
        leases = list(direct.scan_iter("carillon:lease:*"))
        if leases:
            direct.delete(*leases)
        time.sleep(0.01)
    time.sleep(1.5)
    assert len(watcher.changes) == 31 and {kind for kind, _ in watcher.changes} == {"join"}, watcher.changes[31:]
    assert present(nodes[1], "room")["clients"] == 31
    # A node that dies is still found out.
    nodes[2].kill()
    until(lambda: present(nodes[1], "room")["clients"] == 21, "its members are gone", LEASE + 8)
    until(lambda: len(watcher.changes) == 41, "and that is said, once")
    assert {kind for kind, _ in watcher.changes[31:]} == {"leave"}
    for one in [watcher, *crowd[:20]]:
        one.close()
