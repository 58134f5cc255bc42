"""What the system does to nodes: clocks that are wrong and jump, calls that fail (reference: failures F12, F16)."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from chaos.clocks import Clocks
from chaos.stage import Stage
from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.redis_server import RedisServer
from rig.waiting import until

FIU = [Path("/usr/lib/fiu/fiu_run_preload.so"), Path("/usr/lib/fiu/fiu_posix_preload.so")]
SECRET = "s" * 40


def test_f12_clocks_are_wrong_and_jump(stage: Callable[..., Stage], tmp_path: Path) -> None:
    clocks = Clocks(tmp_path)
    rule = {"match": "*", "publish": "client", "history": {"size": 20_000, "ttl": "1h"}, "presence": {"join_leave": True}}
    with stage() as scene:
        scene.redis = RedisServer(tmp_path).start()
        settings = {"channels": [rule], "auth": {"keys": [{"secret": SECRET}], "leeway": "30s"}, "limits": {"publish_rate": 0}}
        for number, offset in enumerate((0, 3600, -3600), 1):
            node = Node(f"node-{number}", tmp_path, scene.redis.url, **settings)
            clocks.set(node.name, offset)
            scene.nodes.append(node.launch_node(**clocks.environment(node.name)))
        for node in scene.nodes:
            node.wait_until_ready()
        for node in scene.nodes:
            until(lambda node=node: "summary" in node.api.get(f"/api/v1/nodes/{node.name}"), "it knows itself")
        started = [node.api.get(f"/api/v1/nodes/{node.name}")["summary"]["started_at"] for node in scene.nodes]
        apart = [round((started[index] - started[0]) / 3_600_000) for index in range(3)]
        assert apart == [0, 1, -1], "the clocks are as they were set"
        scene.listen()
        scene.publish(100)
        scene.flows(500)
        with scene.log.fault("clocks jump by 10 s"):
            for jump in (3610, 3590, 3610):
                clocks.set(scene.nodes[1].name, jump)
                clocks.set(scene.nodes[2].name, -jump)
                scene.flows(500)
        # Presence goes by leases, which Redis keeps and each node measures by the clock that only goes forward.
        counts = [node.api.get("/api/v1/channels/chaos:0/presence", view="count") for node in scene.nodes]
        assert counts[0] == counts[1] == counts[2] and counts[0]["clients"] == 12 + 2
        assert all(len(node.api.node_names()) == 3 for node in scene.nodes)
        # A token that has ten minutes left is over where it is an hour later, and good where it is not.
        token = jwt.encode({"sub": "ann", "exp": int(time.time()) + 600}, SECRET, algorithm="HS256")
        CentrifugeWire(scene.nodes[0], token).close()
        CentrifugeWire(scene.nodes[2], token).close()
        with pytest.raises(KeyError):
            CentrifugeWire(scene.nodes[1], token)
        verdict = scene.verdict()
        assert verdict.announcements == 0 and scene.crowd.closes == 0


@pytest.mark.skipif(not all(one.exists() for one in FIU), reason="libfiu is not installed here")
@pytest.mark.parametrize("calls", ["posix/io/net", pytest.param("posix/io/rw", marks=pytest.mark.long)])
def test_f16_calls_fail_at_random(stage: Callable[..., Stage], tmp_path: Path, calls: str) -> None:
    """One in five hundred calls of one node fails: connections may go, the node may not, and nothing is lost in silence."""
    with stage() as scene:
        scene.redis = RedisServer(tmp_path).start()
        rule = {"match": "*", "publish": "client", "history": {"size": 20_000, "ttl": "1h"}}
        for number in (1, 2, 3):
            scene.nodes.append(Node(f"node-{number}", tmp_path, scene.redis.url, channels=[rule], limits={"publish_rate": 0}))
        broken = {
            "LD_PRELOAD": ":".join(str(one) for one in FIU),
            # Told what is to fail when the node runs: a program whose own arguments cannot be read is no node.
            "FIU_CTRL_FIFO": str(tmp_path / "fiu"),
        }
        scene.nodes[0].launch_node(**broken)
        for node in scene.nodes[1:]:
            node.launch_node()
        for node in scene.nodes:
            node.wait_until_ready()
        scene.listen()
        scene.publish(100, nodes=scene.nodes[1:])
        with scene.log.fault(f"1 in 500 of {calls} fails on one node"):
            order = f"enable_random name={calls}/*,probability=0.002"
            subprocess.run(["fiu-ctrl", "-f", str(tmp_path / "fiu"), "-c", order, str(scene.nodes[0].pid)], check=True, timeout=10)
            scene.flows(8000, 60)
            assert scene.nodes[0].is_running
        reconnects = scene.metric("link_reconnects_total")
        scene.figure("connections to Redis lost", f"{reconnects:.0f}")
        scene.figure("connections of clients lost", str(scene.crowd.closes))
        # It goes on failing: what counts is that everybody is told, or gets it.
        scene.verdict()
        until(lambda: scene.nodes[0].is_running, "it runs")
