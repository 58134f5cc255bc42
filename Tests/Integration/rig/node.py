"""One Carillon node."""

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from .api import API
from .process import REPOSITORY, Process
from .waiting import until

#: The program under test.
CARILLON = Path(os.environ.get("CARILLON", REPOSITORY / ".build/release/carillon"))


def carillon(*arguments: str, seconds: float = 60, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command of the program to its end."""
    return subprocess.run(
        [str(CARILLON), *arguments], capture_output=True, text=True, timeout=seconds, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
    )  # fmt: skip


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A configuration with some of its keys changed, section by section."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        is_section = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if is_section else value
    return result


#: Both ports chosen by the system, everybody may speak, at any rate, so that tests need no more than they are about.
DEFAULTS: dict[str, Any] = {
    "client": {"listen": "127.0.0.1:0"},
    "admin": {"listen": "127.0.0.1:0"},
    "limits": {"publish_rate": 0},
    "drain": {"wait": "0s", "window": "0s"},
    "channels": [
        {"match": "listen:*", "subscribe": "anyone", "publish": "server"},
        {"match": "closed:*", "subscribe": "nobody", "publish": "server"},
        {"match": "*", "subscribe": "anyone", "publish": "client"},
    ],
}


class Node(Process):
    """A node with a configuration file and ports of its own."""

    def __init__(self, name: str, directory: Path, redis_url: str | None = None, **changes: Any) -> None:
        super().__init__(name, directory)
        configuration = merged(DEFAULTS, {"node": {"name": name}})
        if redis_url:
            configuration["backplane"] = {"kind": "redis", "redis": {"url": redis_url}}
        self.configuration = merged(configuration, changes)
        self.file = directory / f"{name}.yaml"
        self.announcement = directory / f"{name}.json"
        #: Another version of it may run beside the others.
        self.program = CARILLON
        self.client = ""
        #: The port for TLS, if it has one of its own.
        self.secure = ""
        self.admin = ""
        self.id = ""

    @property
    def token(self) -> str | None:
        return self.configuration.get("admin", {}).get("token")

    @property
    def api(self) -> API:
        return API(self.admin, self.token)

    @property
    def client_port(self) -> int:
        return int(self.client.rsplit(":", 1)[1])

    @property
    def admin_port(self) -> int:
        return int(self.admin.rsplit(":", 1)[1])

    def launch_node(self, **environment: str) -> "Node":
        """Starts the process and does not wait for anything."""
        self.announcement.unlink(missing_ok=True)
        self.file.write_text(yaml.safe_dump(self.configuration, sort_keys=False))
        self.launch(
            [str(self.program), "serve", "--config", str(self.file), "--announce", str(self.announcement)], environment)
        return self

    def start(self, ready: bool = True, **environment: str) -> "Node":
        """Starts it and waits until it listens and, if wanted, is ready."""
        return self.launch_node(**environment).wait_until_ready(ready)

    def wait_until_ready(self, ready: bool = True) -> "Node":
        """It was launched: waits until it listens and, if wanted, is ready."""
        announced = self.wait_until(lambda: json.loads(self.announcement.read_text()), "announces its addresses", 30)
        self.client, self.admin, self.id = announced["client"], announced["admin"], announced["node"]
        self.secure = announced.get("client_tls", "")
        if ready:
            self.wait_until(self.api.is_ready, "is ready", 30)
        return self

    def command(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """A command of the program that asks this node."""
        login = {"CARILLON_ADMIN_TOKEN": self.token} if self.token else {}
        return carillon(*arguments, "--admin", f"http://{self.admin}", seconds=seconds, environment=login)

    def output(self) -> str:
        """Its log, with everything that was logged until now: a thread writes it, which sleeps when nothing is left."""
        if self.is_running:
            until(lambda: self.threads().get("log", "S") in "ST", f"{self.name} has written its log")
        return super().output()

    def threads(self) -> dict[str, str]:
        """The states of its threads (proc(5)) by their names."""
        found = {}
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                name, _, rest = (task / "stat").read_text().partition(" (")[2].rpartition(") ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[name] = rest[0]
        return found

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))
