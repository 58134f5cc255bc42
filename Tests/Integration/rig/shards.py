"""Several Redis that know nothing of each other, among which the nodes divide their channels."""

from pathlib import Path
from typing import Any

import redis

from .redis_keys import PARTITIONS
from .redis_server import SHARD_RULES, RedisServer


class Shards:
    def __init__(self, directory: Path, count: int = 3) -> None:
        self.servers: list[RedisServer] = []
        for number in range(count):
            home = directory / f"shard-{number}"
            home.mkdir(parents=True, exist_ok=True)
            self.servers.append(RedisServer(home, rules=SHARD_RULES))
        self.names = [f"shard-{number}" for number in range(count)]

    def start(self) -> "Shards":
        for server in self.servers:
            server.start()
        return self

    @property
    def urls(self) -> list[str]:
        return [f"{server.url}#{name}" for server, name in zip(self.servers, self.names, strict=True)]

    def settings(self, *, only: list[int] | None = None, **more: Any) -> dict[str, Any]:
        """The node's `backplane`. `only`: the numbers of the servers that it lists."""
        urls = [url for number, url in enumerate(self.urls) if only is None or number in only]
        return {"kind": "redis", "redis": {"shards": urls, **more}}

    def clients(self) -> list[redis.Redis]:
        return [server.client() for server in self.servers]

    def of(self, key: bytes) -> list[int]:
        """The numbers of the servers that have a key."""
        return [number for number, client in enumerate(self.clients()) if client.exists(key)]

    def denied(self) -> list[dict]:
        return [entry for server in self.servers if server.is_running for entry in server.denied()]

    @property
    def is_running(self) -> bool:
        return any(server.is_running for server in self.servers)

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


def owners(names: list[str]) -> list[int]:
    """For each partition the number of its server, computed apart from the node (`Rendezvous`)."""
    mask = (1 << 64) - 1

    def seed(name: str) -> int:
        value = 0xCBF29CE484222325
        for byte in name.encode():
            value = (value ^ byte) * 0x100000001B3 & mask
        return value

    def weight(start: int, number: int) -> int:
        word = (start + (number + 1) * 0x9E3779B97F4A7C15) & mask
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & mask
        word = (word ^ word >> 27) * 0x94D049BB133111EB & mask
        return word ^ word >> 31

    seeds = [seed(name) for name in names]
    return [max(range(len(names)), key=lambda index: weight(seeds[index], partition)) for partition in range(PARTITIONS)]
