"""What deploy/prometheus and deploy/grafana say fits together, and to docs/operations.md."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from test_docs import anchors, metrics

REPOSITORY = Path(__file__).resolve().parents[2]
PROMETHEUS = REPOSITORY / "deploy/prometheus"
GRAFANA = REPOSITORY / "deploy/grafana"
OPERATIONS = REPOSITORY / "docs/operations.md"


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GRAFANA / "carillon.json").read_text())
    return loaded


def test_every_metric_they_name_is_documented() -> None:
    for file in [*PROMETHEUS.glob("*.yaml"), GRAFANA / "carillon.json"]:
        named = set(re.findall(r"(?<![\w:])carillon_\w+", file.read_text()))
        assert named <= metrics(), file


def test_every_alert_says_what_to_do_and_is_tested() -> None:
    alerts = rules("carillon.alerts.yaml")
    tested = (PROMETHEUS / "carillon.tests.yaml").read_text()
    page = OPERATIONS.read_text()
    assert len(alerts) > 15
    for alert in alerts:
        name = alert["alert"]
        assert alert["labels"]["severity"] in ("critical", "warning"), name
        notes = alert["annotations"]
        assert set(notes) == {"summary", "action", "runbook"} and len(notes["action"].split()) > 5, name
        path, _, anchor = notes["runbook"].partition("#")
        assert path == "docs/operations.md" and anchor in anchors(page), (name, notes["runbook"])
        # It fires in one place at least, and is silent in another.
        parts = re.findall(rf'alertname="{name}",alertstate="firing"}}\'\n +eval_time: \w+\n +exp_samples: (.*)', tested)
        assert "[]" in parts and any(part != "[]" for part in parts), name
        assert f"`{name}`" in page, f"{name} is not in docs/operations.md"
    assert set(re.findall(r"^\| `(Carillon\w+)` \|", page, re.MULTILINE)) == {alert["alert"] for alert in alerts}


def test_every_recorded_rule_is_tested() -> None:
    tested = re.findall(r"expr: '(\w+:\w+:\w+)'", (PROMETHEUS / "carillon.tests.yaml").read_text())
    assert sorted(tested) == sorted(rule["record"] for rule in rules("carillon.rules.yaml"))


def cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    place = panel["gridPos"]
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_the_dashboard_is_laid_out() -> None:
    board = dashboard()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 30
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        for cell in cells(panel):
            assert 0 <= cell[0] < 24 and cell not in taken, (panel["title"], taken.get(cell))
            taken[cell] = panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["title"] and panel["description"] and panel["targets"], panel
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
        # Several lines with one name could not be told apart.
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert panel["type"] == "table" or len(set(legends)) == len(legends), panel["title"]
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - {"__rate_interval", "__all"}
    assert used == variables


def test_grafana_finds_the_dashboard() -> None:
    provided = yaml.safe_load((GRAFANA / "provisioning/dashboards/carillon.yaml").read_text())
    [provider] = provided["providers"]
    assert provided["apiVersion"] == 1 and provider["type"] == "file" and provider["options"]["path"] in OPERATIONS.read_text()
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/carillon.yaml").read_text())
    [source] = sources["datasources"]
    interval = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())["global"]["scrape_interval"]
    assert sources["apiVersion"] == 1 and source["type"] == "prometheus" and source["jsonData"]["timeInterval"] == interval
