"""The admin listener of a node, over HTTP."""

import base64
from typing import Any

import requests


class API:
    """What a node tells operators; any node answers for the whole cluster."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self.url = f"http://{address}"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        headers = {**self._headers, **arguments.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=15, **arguments)

    def get(self, path: str, **query: Any) -> Any:
        response = self.request("GET", path, params={k: v for k, v in query.items() if v is not None})
        assert response.status_code == 200, f"GET {path}: {response.status_code} {response.text}"
        return response.json()

    def is_ready(self) -> bool:
        return self.readiness() == 200

    def readiness(self) -> int:
        return self.request("GET", "/health/ready").status_code

    def cluster(self) -> dict[str, Any]:
        return self.get("/api/v1/cluster")

    def node_names(self) -> set[str]:
        """The nodes that this one knows and has heard lately."""
        return {node["name"] for node in self.cluster()["cluster"] if node["is_fresh"]}

    def sessions_by_node(self) -> dict[str, int]:
        """Open sessions of every node, exactly, by the node's id."""
        counts: dict[str, int] = {}
        for connection in self.connections():
            counts[connection["node"]] = counts.get(connection["node"], 0) + 1
        return counts

    def connections(self, page: int = 100, **query: Any) -> list[dict[str, Any]]:
        """All connections of the cluster, read page by page."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            answer = self.get("/api/v1/connections", limit=page, cursor=cursor, **query)
            found += answer["connections"]
            cursor = answer.get("cursor")
            if not cursor:
                return found

    def subscribers(self, channel: str) -> int:
        return self.get(f"/api/v1/channels/{requests.utils.quote(channel, safe='')}")["subscribers"]

    def post_publication(self, body: dict[str, Any]) -> requests.Response:
        return self.request("POST", "/api/v1/publish", json=body)

    def publish(self, channel: str, *, text: str | None = None, binary: bytes | None = None, data: Any = None) -> None:
        """Publishes one of the three kinds of payload; returns once the backplane has it."""
        body: dict[str, Any] = {"channel": channel}
        if text is not None:
            body["text"] = text
        elif binary is not None:
            body["base64"] = base64.b64encode(binary).decode()
        else:
            body["data"] = data
        response = self.post_publication(body)
        assert response.status_code == 200, f"publish: {response.status_code} {response.text}"

    def metrics(self) -> str:
        return self.request("GET", "/metrics").text

    def metric(self, name: str) -> float:
        """One of them, all its labels together; `name` without its prefix."""
        lines = [line for line in self.metrics().splitlines() if line.split(" ")[0].split("{")[0] == f"carillon_{name}"]
        assert lines, f"there is no metric carillon_{name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
