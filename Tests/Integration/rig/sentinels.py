"""A master, its replicas and the sentinels that watch over them."""

from collections.abc import Callable
from pathlib import Path

import redis

from .certificates import Authority
from .process import Process, free_port
from .redis_server import RedisServer
from .waiting import until

#: After so many milliseconds of silence a sentinel takes the master for dead.
DOWN_AFTER = 1000
NAME = "mymaster"


class Sentinel(Process):
    def __init__(
        self, directory: Path, number: int, master: int, quorum: int, password: str | None = None, authority: Authority | None = None
    ) -> None:
        super().__init__(f"sentinel-{number}", directory / f"sentinel-{number}")
        self.port = free_port()
        self.password = password
        self.authority = authority
        self._configuration = self.directory / "sentinel.conf"
        lines = [
            f"port {0 if authority else self.port}", "bind 127.0.0.1", f"dir {self.directory}", f"sentinel monitor {NAME} 127.0.0.1 {master} {quorum}",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}", f"sentinel failover-timeout {NAME} 4000",
            f"sentinel parallel-syncs {NAME} 2",
        ]  # fmt: skip
        if authority:
            certificate, key = authority.issue(self.name)
            lines += [
                f"tls-port {self.port}", f"tls-cert-file {certificate}", f"tls-key-file {key}", f"tls-ca-cert-file {authority.file}",
                "tls-auth-clients no", "tls-replication yes",
            ]  # fmt: skip
        if password:
            # What a node needs there: to log in and to ask for the master.
            lines += ["user default on nopass ~* &* +@all", f"user carillon on >{password} -@all +sentinel|master +sentinel|get-master-addr-by-name"]
        self._configuration.write_text("\n".join(lines) + "\n")

    def start(self, **environment: str) -> "Sentinel":
        self.launch(["redis-server", str(self._configuration), "--sentinel"], environment)
        self.wait_until(lambda: self.client().ping(), "answers PING")
        return self

    def client(self) -> redis.Redis:
        secure = {"ssl": True, "ssl_ca_certs": str(self.authority.file)} if self.authority else {}
        return redis.Redis(port=self.port, socket_timeout=2, decode_responses=True, **secure)

    def master(self) -> int:
        """The master's port, as this one sees it."""
        return int(self.client().sentinel_get_master_addr_by_name(NAME)[1])


class Sentinels:
    """What a `RedisServer` is to tests, but of several: `url`, `client`, `kill` are the master's of the moment. `authority`:
    signs for everybody; then all of them speak TLS only."""

    def __init__(
        self, directory: Path, *, replicas: int = 2, sentinels: int = 3, password: str | None = None, authority: Authority | None = None
    ) -> None:
        self.directory = directory
        self.authority = authority
        self.servers = [self._server(0, [])]
        for number in range(1, replicas + 1):
            master = ["--replicaof", "127.0.0.1", str(self.servers[0].port)]
            # Empty replicas fetch everything at once instead of waiting for others.
            self.servers.append(self._server(number, [*master, "--repl-diskless-sync-delay", "0"]))
        self.password = password
        self._count = sentinels
        #: What each sentinel is started with.
        self.environment: Callable[[int], dict[str, str]] = lambda _: {}
        self.sentinels: list[Sentinel] = []

    def _server(self, number: int, arguments: list[str]) -> RedisServer:
        name = f"redis-{number}"
        if self.authority is None:
            return RedisServer(self.directory / name, arguments=arguments)
        secure = ["--tls-replication", "yes", "--tls-ca-cert-file", str(self.authority.file)]
        return RedisServer(self.directory / name, identity=self.authority.issue(name), arguments=[*arguments, *secure])

    def start(self) -> "Sentinels":
        for server in self.servers:
            server.start()
        for server in self.servers[1:]:
            until(lambda server=server: server.client().info("replication")["master_link_status"] == "up", "the replica is linked", 20)
        for number in range(self._count):
            sentinel = Sentinel(self.directory, number, self.servers[0].port, self._count // 2 + 1, self.password, self.authority)
            self.sentinels.append(sentinel.start(**self.environment(number)))
        for sentinel in self.sentinels:
            until(lambda sentinel=sentinel: self._knows_all(sentinel), "the sentinels know each other", 30)
        return self

    def _knows_all(self, sentinel: Sentinel) -> bool:
        state = sentinel.client().sentinel_master(NAME)
        return state["num-other-sentinels"] == self._count - 1 and state["num-slaves"] == len(self.servers) - 1

    @property
    def settings(self) -> dict:
        """What a node is told of them."""
        found: dict = {
            "url": f"redis{'s' if self.authority else ''}://ignored.invalid", "user": "carillon", "password": self.servers[0].password,
            "sentinels": [f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels], "master": NAME,
        }  # fmt: skip
        if self.authority:
            found["tls"] = {"authorities": str(self.authority.file)}
        if self.password:
            found |= {"sentinel_user": "carillon", "sentinel_password": self.password}
        return {"kind": "redis", "redis": found}

    @property
    def master(self) -> RedisServer:
        """As most of the sentinels that run see it."""
        ports = [sentinel.master() for sentinel in self.sentinels if sentinel.is_running]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def client(self) -> redis.Redis:
        return self.master.client()

    def denied(self) -> list[dict]:
        return [entry for server in self.servers if server.is_running for entry in server.denied()]

    @property
    def is_running(self) -> bool:
        return True

    @property
    def name(self) -> str:
        return "redis and sentinels"

    def stop(self) -> None:
        for process in [*self.sentinels, *self.servers]:
            process.stop()
