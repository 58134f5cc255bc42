"""One node held to one core and, where the system lets us, to little memory; its clients have another core."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from .processes import NotStarted, Process, free_ports, run_bounded, wait_for_port
from .subjects import Carillon, certificate

#: Memory cgroups, version 1.
GROUPS = Path("/sys/fs/cgroup/memory")
NODE_CORE, CLIENT_CORE = 0, 1


def can_hold_memory() -> bool:
    return os.access(GROUPS, os.W_OK) and (GROUPS / "memory.limit_in_bytes").exists()


def on_core(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core % (os.cpu_count() or 1)), *command]


class Group:
    """A memory cgroup; counts what its processes take of memory, and what the kernel takes for them and knows of."""

    number = 0

    def __init__(self, limit: int | None = None):
        Group.number += 1
        self.path = GROUPS / f"carillon-{os.getpid()}-{Group.number}"
        self.path.mkdir()
        if limit:
            (self.path / "memory.limit_in_bytes").write_text(str(limit))

    def enter(self, command: list[str]) -> list[str]:
        """The command, beginning in the group."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs; exec "$@"', "sh", *command]

    def kernel(self) -> int:
        return int((self.path / "memory.kmem.usage_in_bytes").read_text())

    def used(self) -> int:
        """Without the content of files, which gives way to everything else."""
        stat = dict(line.split() for line in (self.path / "memory.stat").read_text().splitlines())
        return int(stat["rss"]) + self.kernel()

    def remove(self) -> None:
        deadline = time.monotonic() + 5
        while True:
            try:
                return self.path.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    return
                time.sleep(0.05)


class HeldNode:
    """`with HeldNode(...) as node`."""

    def __init__(self, carillon: Path, directory: Path, limit: int | None = None, redis: int | None = None, tls: bool = False,
                 ping: str = "1h", pong: str = "8s", name: str = "held"):
        self.directory = directory
        self.port, self.admin = free_ports(2)
        self.scheme = "wss" if tls else "ws"
        self.group = Group(limit) if can_hold_memory() else None
        backplane = f"{{ kind: redis, redis: {{ url: 'redis://127.0.0.1:{redis}', prefix: held }} }}" if redis else "{ kind: memory }"
        encryption = ", tls: {{ certificate: '{}', key: '{}' }}".format(*certificate(directory)) if tls else ""
        file = directory / f"{name}.yaml"
        file.write_text(
            f"node: {{ name: {name}, reactors: 1 }}\nclient: {{ listen: '127.0.0.1:{self.port}'{encryption} }}\n"
            f"admin: {{ listen: '127.0.0.1:{self.admin}' }}\nbackplane: {backplane}\nliveness: {{ ping_interval: {ping}, pong_timeout: {pong} }}\n"
            "limits: { publish_rate: 0, connects_per_second: 0 }\ndrain: { wait: 0s, window: 0s }\nlog: { level: warning }\n"
            "channels:\n  - { match: 'bench-history*', publish: client, history: { size: 100, ttl: 10m } }\n"
            "  - { match: '*', subscribe: anyone, publish: client }\n")
        command = on_core(NODE_CORE, [str(carillon), "serve", "--config", str(file)])
        self.process = Process(name, self.group.enter(command) if self.group else command, directory)

    def __enter__(self) -> "HeldNode":
        try:
            wait_for_port(self.port, self.process)
            Carillon.wait_until_ready(self.admin, self.process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        if self.group:
            self.group.remove()

    @property
    def pid(self) -> int:
        """The group's shell and `taskset` have become the node."""
        return self.process.popen.pid

    def url(self, path: str = "/raw?channel=bench") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def files(self) -> int:
        """What it has open; 0 when it is gone."""
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return 0


def bench(carillon: Path, scenario: str, urls: list[str], progress: Callable[[str], None], **options: Any) -> dict[str, Any]:
    """`carillon bench` on the clients' core; the metrics, with problems under "problems"."""
    command = on_core(CLIENT_CORE, [str(carillon), "bench", scenario, "--json"])
    for url in urls:
        command += ["--url", url]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        command += [option] if value is True else [option, str(value)]
    status, out, err = run_bounded(command, 120, progress)
    try:
        answer = json.loads(out)
    except ValueError:
        raise NotStarted(f"bench {scenario}: status {status}: {err.strip()[-300:]}") from None
    return {**answer["metrics"], "problems": answer["problems"]}


class Held:
    """Sessions that stay: `with Held(...)`. `change` is what stays of a figure when they are there."""

    def __init__(self, carillon: Path, url: str, sessions: int, *options: str):
        self.popen = subprocess.Popen(
            on_core(CLIENT_CORE, [str(carillon), "bench", "hold", "--quiet", "--json", "--url", url, "--sessions", str(sessions), *options]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self) -> "Held":
        line = self.popen.stdout.readline()
        if "open" not in line:
            self.__exit__()
            raise NotStarted(f"sessions could not be opened: {line.strip()}")
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.stdin.close()
        try:
            self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()
