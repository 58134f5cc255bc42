"""TCP load balancers, configured by the very files of deploy/."""

import os
from pathlib import Path

import requests

from .process import REPOSITORY, Process, accepts, free_port

NGINX_MODULES = Path("/usr/lib/nginx/modules")


class Balancer(Process):
    """What both have in common: a port for clients, and nodes behind it."""

    def __init__(self, name: str, directory: Path, nodes: list[str]) -> None:
        super().__init__(name, directory)
        assert len(nodes) == 3, "the files of deploy/ are for three nodes"
        self.nodes = nodes
        self.port = free_port()

    @property
    def client(self) -> str:
        return f"127.0.0.1:{self.port}"


class HAProxy(Balancer):
    def __init__(
        self, directory: Path, nodes: list[str], secure: list[str] | None = None, admin: list[str] | None = None
    ) -> None:
        """`secure`: the nodes' ports for TLS, if they have them. `admin`: their admin ports, for one address of hubs."""
        super().__init__("haproxy", directory, nodes)
        self._admin_nodes = admin or []
        self.hubs = f"127.0.0.1:{free_port()}"
        self.statistics_port = free_port()
        #: The process whose connections to come this one is to take; those that it has it keeps.
        self.takes_over: int | None = None
        self._secure_nodes = secure or []
        self._secure_port = free_port() if secure else None

    @property
    def secure(self) -> str | None:
        """Where clients connect with TLS."""
        return f"wss://127.0.0.1:{self._secure_port}" if self._secure_port else None

    def start(self, ready: int = 3) -> "HAProxy":
        environment = {f"CARILLON_NODE_{index}": address for index, address in enumerate(self.nodes, 1)}
        environment["CARILLON_BIND"] = self.client
        environment["CARILLON_STATS"] = f"127.0.0.1:{self.statistics_port}"
        files = [REPOSITORY / "deploy/haproxy/haproxy.cfg"]
        if self._secure_port:
            files.append(REPOSITORY / "deploy/haproxy/wss.cfg")
            environment["CARILLON_BIND_TLS"] = f"127.0.0.1:{self._secure_port}"
            environment |= {f"CARILLON_NODE_{index}_TLS": address for index, address in enumerate(self._secure_nodes, 1)}
        if self._admin_nodes:
            files.append(REPOSITORY / "deploy/haproxy/hubs.cfg")
            environment["CARILLON_BIND_HUBS"] = self.hubs
            environment |= {f"CARILLON_NODE_{index}_ADMIN": address for index, address in enumerate(self._admin_nodes, 1)}
        # -db: in the foreground, so that the process we know is the one that serves.
        handover = ["-sf", str(self.takes_over)] if self.takes_over else []
        self.launch(["haproxy", "-db", *(part for file in files for part in ("-f", str(file))), *handover], environment)
        self.wait_until(lambda: self.healthy() == ready, f"finds {ready} nodes ready", 30)
        return self

    def healthy(self) -> int:
        """How many nodes its health checks find ready."""
        page = requests.get(f"http://127.0.0.1:{self.statistics_port}/;csv", timeout=5).text
        rows = [line.split(",") for line in page.splitlines() if line.startswith("ready,node-")]
        return sum(row[17].startswith("UP") for row in rows)


class Nginx(Balancer):
    def __init__(self, directory: Path, nodes: list[str]) -> None:
        super().__init__("nginx", directory, nodes)

    def start(self) -> "Nginx":
        text = (REPOSITORY / "deploy/nginx/nginx-stream.conf").read_text()
        # The four texts that the file says are to be changed.
        replacements = {"0.0.0.0:80": self.client}
        replacements |= {f"10.0.0.1{index}:8000": address for index, address in enumerate(self.nodes, 1)}
        for old, new in replacements.items():
            lines = [line.replace(old, new) if not line.startswith("#") else line for line in text.splitlines()]
            assert lines != text.splitlines(), f"deploy/nginx/nginx-stream.conf no longer has {old}"
            text = "\n".join(lines)
        stream = self.directory / "nginx-stream.conf"
        stream.write_text(text)
        main = self.directory / "nginx.conf"
        main.write_text(
            f"load_module {NGINX_MODULES}/ngx_stream_module.so;\n"
            f"pid {self.directory}/nginx.pid;\n"
            "error_log stderr warn;\ndaemon off;\nworker_processes 2;\n"
            + ("user root;\n" if os.getuid() == 0 else "")
            + "events { worker_connections 4096; }\n"
            f"include {stream};\n"
        )
        self.launch(["nginx", "-e", "stderr", "-p", str(self.directory), "-c", str(main)])
        self.wait_until(lambda: accepts(self.port), "listens")
        return self
