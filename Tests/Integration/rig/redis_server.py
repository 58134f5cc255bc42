"""A redis-server of our own: no persistence, a free port, a directory of its own."""

from pathlib import Path

import redis

from .process import Process, free_port


class RedisServer(Process):
    def __init__(self, directory: Path, port: int | None = None, password: str | None = None) -> None:
        super().__init__("redis", directory)
        self.port = port or free_port()
        self.password = password

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    def start(self) -> "RedisServer":
        """Starts it; the same port again after it was killed."""
        command = [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory),
            "--save", "", "--appendonly", "no", "--daemonize", "no",
        ]  # fmt: skip
        if self.password:
            command += ["--requirepass", self.password]
        self.launch(command)
        self.wait_until(lambda: self.client().ping(), "answers PING")
        return self

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self.password, socket_timeout=2)
