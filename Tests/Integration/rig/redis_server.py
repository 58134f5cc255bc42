"""A redis-server of our own: no persistence, a free port, a directory of its own.

Nodes log in as the user of deploy/redis/carillon.acl, so every test shows that its permissions are enough.
"""

import re
from pathlib import Path

import redis

from .certificates import Authority
from .process import REPOSITORY, Process, free_port

RULES = REPOSITORY / "deploy/redis/carillon.acl"
#: With what a Redis Cluster needs besides: sharded pub/sub, and who has which slots.
CLUSTER_RULES = REPOSITORY / "deploy/redis/carillon-cluster.acl"
#: With what several servers need besides, to copy channels from one to another.
SHARD_RULES = REPOSITORY / "deploy/redis/carillon-shards.acl"
PREFIX = "carillon"
#: Where scripts/install.sh puts it.
VALKEY = REPOSITORY / ".build/valkey/valkey-server"


def user(password: str, prefixes: list[str], rules: Path = RULES) -> str:
    """The user's line of the file, with another password, and for other prefixes than the file is for."""
    (line,) = [line for line in rules.read_text().splitlines() if line.startswith("user carillon ")]
    words = []
    for word in line.split():
        if word.startswith(">"):
            words.append(f">{password}")
        elif re.match(r"^(~|&|%R~|%W~|%RW~)", word):
            words += [word.replace(f"{PREFIX}:", f"{prefix}:") for prefix in prefixes]
        else:
            words.append(word)
    return " ".join(words)


class RedisServer(Process):
    """- `password`: of the nodes' user.
    - `prefixes`: what the nodes may be configured to put in front of keys and channels.
    - `program`: redis-server, or what is to be as good.
    - `arguments`: more options, which override ours.
    - `identity`: a certificate and its key; then it speaks TLS only. `clients`: who has to have signed the clients'.
    - `has_port`: whether it listens for more than the Unix socket."""

    def __init__(
        self, directory: Path, port: int | None = None, password: str = "let-carillon-in", *,
        prefixes: list[str] | None = None, identity: tuple[Path, Path] | None = None, clients: Authority | None = None,
        arguments: list[str] | None = None, program: str = "redis-server", has_port: bool = True, rules: Path = RULES,
    ) -> None:  # fmt: skip
        super().__init__("redis", directory)
        self.port = port or free_port()
        self.password = password
        self.prefixes = prefixes or [PREFIX]
        self.identity = identity
        self.clients = clients
        self.arguments = arguments or []
        self.program = program
        self.has_port = has_port
        self.rules = rules
        self.socket = directory / "redis.sock"

    @property
    def url(self) -> str:
        if not self.has_port:
            return f"unix://{self.socket}"
        return f"redis{'s' if self.identity else ''}://carillon:{self.password}@127.0.0.1:{self.port}"

    def start(self) -> "RedisServer":
        """Starts it; the same port again after it was killed."""
        rules = self.directory / "users.acl"
        rules.write_text(f"user default on nopass ~* &* +@all\n{user(self.password, self.prefixes, self.rules)}\n")
        command = [
            self.program, "--bind", "127.0.0.1", "--dir", str(self.directory), "--aclfile", str(rules),
            "--save", "", "--appendonly", "no", "--daemonize", "no", "--port", str(self.port) if self.has_port and not self.identity else "0",
        ]  # fmt: skip
        if self.identity:
            certificate, key = self.identity
            command += ["--tls-port", str(self.port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
            command += ["--tls-ca-cert-file", str(self.clients.file if self.clients else certificate)]
            command += ["--tls-auth-clients", "yes" if self.clients else "no"]
        if self.identity or not self.has_port:
            # For the tests' own client too, which has no certificate.
            command += ["--unixsocket", str(self.socket)]
        self.launch(command + self.arguments)
        self.wait_until(lambda: self.client().ping(), "answers PING")
        return self

    def client(self) -> redis.Redis:
        """As the default user, who may do anything."""
        if self.identity or not self.has_port:
            return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=2)
        return redis.Redis(port=self.port, socket_timeout=2)

    def denied(self) -> list[dict]:
        """What a user was not allowed to do."""
        return self.client().acl_log()
