"""Proxies that understand HTTP, which deploy/ has none of: to find out whether they and a node mean the same."""

import os
from pathlib import Path

from .process import Process, accepts, free_port


class Gateway(Process):
    """Sends everything to one node, except that `/health` is forbidden to everybody."""

    def __init__(self, name: str, directory: Path, node: str) -> None:
        super().__init__(name, directory)
        self.node = node
        self.port = free_port()

    def configuration(self) -> str:
        raise NotImplementedError

    def command(self, file: Path) -> list[str]:
        raise NotImplementedError

    def start(self) -> "Gateway":
        file = self.directory / f"{self.name}-http.conf"
        file.write_text(self.configuration())
        self.launch(self.command(file))
        self.wait_until(lambda: accepts(self.port), "listens")
        return self


class HAProxyGateway(Gateway):
    def __init__(self, directory: Path, node: str) -> None:
        super().__init__("haproxy", directory, node)

    def configuration(self) -> str:
        return f"""
defaults
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server 10s
    timeout tunnel 1h
frontend clients
    bind 127.0.0.1:{self.port}
    http-request deny if {{ path_beg /health /admin }}
    default_backend node
backend node
    # The one who wants to be fooled: connections to the node are used again.
    http-reuse always
    server node {self.node}
"""

    def command(self, file: Path) -> list[str]:
        return ["haproxy", "-db", "-f", str(file)]


class NginxGateway(Gateway):
    def __init__(self, directory: Path, node: str) -> None:
        super().__init__("nginx", directory, node)

    def configuration(self) -> str:
        return f"""
pid {self.directory}/nginx.pid;
error_log stderr warn;
daemon off;
worker_processes 1;
{"user root;" if os.getuid() == 0 else ""}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {self.directory}/body;
    proxy_temp_path {self.directory}/proxy;
    fastcgi_temp_path {self.directory}/fastcgi;
    uwsgi_temp_path {self.directory}/uwsgi;
    scgi_temp_path {self.directory}/scgi;
    # The one who wants to be fooled: connections to the node are used again.
    upstream node {{ server {self.node}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{self.port};
        location /health {{ return 403; }}
        location /admin {{ return 403; }}
        location / {{
            proxy_pass http://node;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
        }}
    }}
}}
"""

    def command(self, file: Path) -> list[str]:
        return ["nginx", "-e", "stderr", "-p", str(self.directory), "-c", str(file)]
