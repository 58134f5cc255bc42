"""Redis, three nodes and a balancer."""

from pathlib import Path
from typing import Any

from .balancers import Balancer, HAProxy, Nginx
from .node import Node
from .redis_server import RedisServer
from .waiting import until

#: How long a killed node is remembered (DESIGN: its lease).
LEASE_SECONDS = 10.0


class Cluster:
    """Nodes that share one Redis; a balancer before them when asked for."""

    def __init__(self, directory: Path, size: int = 3, *, balanced: bool = False, **changes: Any) -> None:
        self.directory = directory
        if balanced:
            # The files of deploy/ send it, so that nodes know their clients' addresses.
            introduced = {"proxy_protocol": {"mode": "required", "trusted": ["127.0.0.1"]}}
            changes["client"] = {"listen": "127.0.0.1:0", **changes.get("client", {}), **introduced}
        self.redis = RedisServer(directory)
        self.nodes = [Node(f"node-{index}", directory, self.redis.url, **changes) for index in range(1, size + 1)]
        self.balancer: Balancer | None = None

    def start(self, progress=lambda text: None) -> "Cluster":
        progress("redis-server")
        self.redis.start()
        for node in self.nodes:
            progress(node.name)
            node.start()
        self.wait_until_whole()
        return self

    def wait_until_whole(self, seconds: float = 15.0) -> None:
        """Waits until every node knows every other one."""
        names = {node.name for node in self.running}
        for node in self.running:
            until(lambda: node.api.node_names() == names, f"{node.name} knows {sorted(names)}", seconds)

    @property
    def running(self) -> list[Node]:
        return [node for node in self.nodes if node.is_running]

    def check_permissions(self) -> None:
        """The nodes' user in Redis was allowed all that they did."""
        denied = self.redis.denied() if self.redis.is_running else []
        assert not denied, f"deploy/redis/carillon.acl does not allow all a node does: {denied}"

    def balance(self, kind: type[HAProxy] | type[Nginx]) -> Balancer:
        secure = [node.secure for node in self.nodes if node.secure]
        nodes = [node.client for node in self.nodes]
        self.balancer = HAProxy(self.directory, nodes, secure) if kind is HAProxy else kind(self.directory, nodes)
        return self.balancer.start()

    def stop(self, progress=lambda text: None) -> None:
        """In the order in which nobody complains: first those who would miss the others."""
        for process in [self.balancer, *self.nodes, self.redis]:
            if process is not None and process.is_running:
                progress(process.name)
                process.stop()

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
