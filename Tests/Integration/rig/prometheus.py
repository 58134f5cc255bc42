"""A Prometheus of our own, with the very files of deploy/prometheus."""

import json
import re
from pathlib import Path
from typing import Any

import requests

from .process import REPOSITORY, Process, free_port

FILES = REPOSITORY / "deploy/prometheus"
DASHBOARD = REPOSITORY / "deploy/grafana/carillon.json"
RULES = ("carillon.rules.yaml", "carillon.alerts.yaml")


def expressions() -> dict[str, str]:
    """Every expression of the dashboard with what Grafana would put in: where it is (panel and letter) → PromQL."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = {f"annotation {entry['name']}": entry["expr"] for entry in dashboard["annotations"]["list"] if "expr" in entry}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    values = {"$job": "carillon", "$instance": ".*", "$__rate_interval": "1m"}
    return {place: re.sub(r"\$\w+", lambda match: values[match[0]], expression) for place, expression in found.items()}


class Prometheus(Process):
    """Scrapes nodes and evaluates the rules every second."""

    def __init__(self, directory: Path, targets: list[str]) -> None:
        super().__init__("prometheus", directory)
        text = (FILES / "prometheus.yaml").read_text()
        # The three things that differ from what an operator starts with.
        text, intervals = re.subn(r"^(  \w+_interval): 15s$", r"\1: 1s", text, flags=re.MULTILINE)
        text, lists = re.subn(r'^(      - targets: )\["127\.0\.0\.1:8001".*\]$', lambda match: match[1] + json.dumps(targets), text, flags=re.MULTILINE)
        assert (intervals, lists) == (2, 1), text
        self._file = directory / "prometheus.yaml"
        self._file.write_text(text)
        for name in RULES:
            (directory / name).write_text((FILES / name).read_text())
        self.port = free_port()

    def start(self) -> "Prometheus":
        self.launch([
            "prometheus", f"--config.file={self._file}", f"--storage.tsdb.path={self.directory / 'series'}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn",
        ])  # fmt: skip
        self.wait_until(self.is_ready, "is ready", 30)
        return self

    def is_ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression is now: a list of samples, each with its labels."""
        response = requests.get(f"http://127.0.0.1:{self.port}/api/v1/query", params={"query": expression}, timeout=10)
        assert response.status_code == 200, f"{expression}: {response.text}"
        result: list[dict[str, Any]] = response.json()["data"]["result"]
        return result

    def firing(self) -> set[str]:
        return {sample["metric"]["alertname"] for sample in self.query('ALERTS{alertstate="firing"}')}
