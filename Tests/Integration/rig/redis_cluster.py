"""A Redis Cluster: masters, and replicas that take over when a master dies."""

import subprocess
from pathlib import Path
from typing import Any

import redis

from .certificates import Authority
from .process import free_port
from .redis_server import CLUSTER_RULES, RedisServer
from .waiting import until

#: After so many milliseconds of silence a master counts as dead.
NODE_TIMEOUT = 1000
SLOTS = 16_384


class ClusterServer(RedisServer):
    """`authority`: signs for everybody; then all of them speak TLS only, among themselves too."""

    def __init__(self, directory: Path, number: int, authority: Authority | None = None, **more: Any) -> None:
        home = directory / f"redis-{number}"
        home.mkdir(parents=True, exist_ok=True)
        arguments = [
            "--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT), "--cluster-config-file", "nodes.conf",
            # A replica that was cut off from its master for long is as good as any here.
            "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0",
        ]  # fmt: skip
        if authority:
            more |= {"identity": authority.issue(f"redis-{number}"), "clients": authority}
            arguments += ["--tls-cluster", "yes"]
        super().__init__(home, arguments=arguments + more.pop("arguments", []), **{"rules": CLUSTER_RULES, **more})
        self.name = f"redis-{number}"
        self._bus = 0

    def start(self) -> "ClusterServer":
        """The port of the cluster bus is chosen late, and again if somebody else was faster; then it stays."""
        plain = self.arguments
        for attempt in range(5):
            port = self._bus or free_port()
            self.arguments = [*plain, "--cluster-port", str(port)]
            try:
                super().start()
            except AssertionError:
                if self._bus or attempt == 4 or "Address already in use" not in self.output():
                    raise
            else:
                self._bus = port
                break
            finally:
                self.arguments = plain
        return self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ports(self) -> list[int]:
        """For clients and for the other servers."""
        return [self.port, self._bus]

    def cluster(self, *command: Any) -> Any:
        return self.client().execute_command("CLUSTER", *command)

    @property
    def id(self) -> str:
        return self.cluster("MYID").decode()

    def role(self) -> str:
        return self.client().role()[0].decode()


class RedisCluster:
    """- `masters`, `replicas`: how many, and how many each of them has."""

    def __init__(self, directory: Path, masters: int = 3, replicas: int = 0, **more: Any) -> None:
        self.directory = directory
        self.replicas = replicas
        self.more = more
        self.servers = [ClusterServer(directory, number, **more) for number in range(masters * (1 + replicas))]

    def start(self) -> "RedisCluster":
        for server in self.servers:
            server.start()
        self.command("create", *[server.address for server in self.servers], "--cluster-replicas", str(self.replicas), "--cluster-yes")
        self.wait_until_whole()
        return self

    def wait_until_whole(self, seconds: float = 30) -> None:
        """All servers agree that all slots have a master."""

        def whole() -> bool:
            running = [server for server in self.servers if server.is_running]
            views = [server.cluster("SLOTS") for server in running]
            owners = [sorted((part[0], part[1], part[2][1]) for part in view) for view in views]
            return all(self.is_ok(server) for server in running) and all(view == owners[0] for view in owners)

        until(whole, "the Redis Cluster is whole", seconds)
        if self.replicas:
            until(lambda: all(self.follows(server) for server in self.running if server.role() == "slave"), "the replicas follow", seconds)

    @staticmethod
    def is_ok(server: ClusterServer) -> bool:
        info = server.cluster("INFO")
        return info["cluster_state"] == "ok" if isinstance(info, dict) else b"cluster_state:ok" in bytes(info)

    @staticmethod
    def follows(server: ClusterServer) -> bool:
        return server.client().info("replication").get("master_link_status") == "up"

    @property
    def running(self) -> list[ClusterServer]:
        return [server for server in self.servers if server.is_running]

    def command(self, verb: str, *arguments: str, seconds: float = 60) -> str:
        """`redis-cli --cluster VERB …`."""
        secure: list[str] = []
        if authority := self.more.get("authority"):
            certificate, key = self.servers[0].identity or authority.issue("cli")
            secure = ["--tls", "--cacert", str(authority.file), "--cert", str(certificate), "--key", str(key)]
        done = subprocess.run(["redis-cli", *secure, "--cluster", verb, *arguments], capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def master_of(self, slot: int) -> ClusterServer:
        for first, last, master, *_ in self.running[0].cluster("SLOTS"):
            if first <= slot <= last:
                return next(server for server in self.servers if server.port == master[1])
        raise AssertionError(f"nobody has slot {slot}")

    def slot(self, key: bytes) -> int:
        return self.running[0].cluster("KEYSLOT", key)

    def client_of(self, key: bytes) -> redis.Redis:
        return self.master_of(self.slot(key)).client()

    def move(self, slots: int, source: ClusterServer, target: ClusterServer) -> None:
        self.command(
            "reshard", self.running[0].address, "--cluster-from", source.id, "--cluster-to", target.id,
            "--cluster-slots", str(slots), "--cluster-yes", seconds=120,
        )  # fmt: skip

    def add(self) -> ClusterServer:
        server = ClusterServer(self.directory, len(self.servers), **self.more)
        server.start()
        self.command("add-node", server.address, self.running[0].address)
        self.servers.append(server)
        until(lambda: len(server.cluster("NODES")) and self.is_ok(server), "it knows the cluster", 20)
        self.wait_until_whole()
        return server

    def settings(self, count: int | None = None, **more: Any) -> dict[str, Any]:
        """The node's `backplane`. `count`: how many addresses it is told."""
        addresses = [server.address for server in self.servers][:count]
        return {"kind": "redis", "redis": {"cluster": addresses, "user": "carillon", "password": self.servers[0].password, **more}}

    def denied(self) -> list[dict]:
        return [entry for server in self.running for entry in server.denied()]

    @property
    def is_running(self) -> bool:
        return bool(self.running)

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
