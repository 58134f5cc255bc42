"""Who is present, when nodes die and lines break (reference: failures F18)."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt

from chaos.line import Line
from chaos.stage import Stage
from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until

#: A node's lease, in seconds.
LEASE = 10
SECRET = "s" * 40
SETTINGS: dict[str, Any] = {
    "auth": {"keys": [{"secret": SECRET}]},
    "channels": [
        {"match": "room", "publish": "client", "presence": {"join_leave": True, "grace": "2s"}},
        {"match": "*", "publish": "client", "history": {"size": 20_000, "ttl": "1h"}},
    ],
}


def member(node: Node, user: str) -> CentrifugeWire:
    opened = CentrifugeWire(node, jwt.encode({"sub": user, "exp": int(time.time()) + 600}, SECRET, algorithm="HS256"))
    opened.subscribe("room")
    return opened


def present(node: Node) -> int:
    return node.api.get("/api/v1/channels/room/presence", view="count")["users"]


def test_f18_presence_is_right_within_the_lease(stage: Callable[..., Stage], tmp_path: Path) -> None:
    """One node cannot hear Redis, then another is killed; meanwhile those of the third reconnect, within the grace."""
    server = RedisServer(tmp_path).start()
    line = Line(server.port)
    with stage() as scene:
        scene.start(server, [server.url.replace(f":{server.port}", f":{line.port}"), server.url, server.url], **SETTINGS)
        scene.listen(address=scene.nodes[2].client)
        scene.publish(60, nodes=scene.nodes[1:])
        watcher = member(scene.nodes[2], "watcher")
        users = {index: [f"user-{index}-{number}" for number in range(10)] for index in range(3)}
        members = {index: [member(scene.nodes[index], user) for user in users[index]] for index in range(3)}
        everybody = [31, 31, 31]
        until(lambda: [present(node) for node in scene.nodes] == everybody, "all are present everywhere", 20)
        with scene.log.fault("a node does not hear Redis") as fault:
            line.is_blind = True
            for old, user in zip(members[2], users[2], strict=True):
                old.close()
                member(scene.nodes[2], user)
            until(lambda: leaves(watcher) >= 10, "its members count as gone", LEASE + 10)
            gone = scene.log.now() - fault.begun
            assert present(scene.nodes[1]) == 21
            line.is_blind = False
        until(lambda: [present(node) for node in scene.nodes if node.api.is_ready()] == everybody, "they are back", 20)
        back = scene.log.now() - fault.ended
        with scene.log.fault("a node is killed") as killed:
            scene.nodes[1].kill()
            until(lambda: present(scene.nodes[2]) == 21 and leaves(watcher) >= 20, "its members are gone", LEASE + 10)
        # A node that does not hear itself gives up after 5 s; until then it renews its lease.
        scene.bounded("gone when out of touch after", gone, LEASE + 8)
        scene.bounded("gone after the kill", killed.ended - killed.begun, LEASE + 2)
        scene.figure("back after", f"{back:.2f} s")
        told = Counter(watcher.changes)
        assert {user: told["leave", user] for user in users[2]} == dict.fromkeys(users[2], 0), "nobody leaves who is there"
        assert {user: told["leave", user] for user in users[0] + users[1]} == dict.fromkeys(users[0] + users[1], 1), "each leaves once"
        assert {user: told["join", user] for user in users[0]} == dict.fromkeys(users[0], 2), "and is back"
        scene.verdict()
    line.stop()


def leaves(watcher: CentrifugeWire) -> int:
    return sum(kind == "leave" for kind, _ in watcher.changes)
