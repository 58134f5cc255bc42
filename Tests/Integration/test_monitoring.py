"""What Prometheus and Grafana are given, against real nodes and a real Prometheus."""

import re
import subprocess
from pathlib import Path
from typing import Any

import requests
import yaml

from rig.cluster import Cluster
from rig.node import Node
from rig.prometheus import FILES, RULES, Prometheus, expressions
from rig.receivers import WebsocketsClient
from rig.waiting import until


def promtool(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], input=text, cwd=FILES, capture_output=True, text=True, timeout=60, check=False)


def page(node: Node) -> str:
    return node.api.request("GET", "/metrics").text


def names(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def test_the_rules_do_what_their_tests_say() -> None:
    for arguments in (("check", "config", "prometheus.yaml"), ("check", "rules", *RULES), ("test", "rules", "carillon.tests.yaml")):
        result = promtool(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "FAILED" not in result.stdout + result.stderr


def test_a_rule_that_says_something_else_fails_its_test(tmp_path: Path) -> None:
    for file in FILES.glob("carillon.*.yaml"):
        (tmp_path / file.name).write_text(file.read_text().replace("carillon_link_up == 0", "carillon_link_up == 2"))
    result = subprocess.run(["promtool", "test", "rules", "carillon.tests.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1 and "CarillonIsolated" in result.stdout + result.stderr


def test_promtool_has_nothing_to_say_about_the_metrics(cluster: Cluster, node: Node) -> None:
    # With Redis and without, after the first beat, of which two metrics tell; and with a reason in carillon_refusals_total.
    assert requests.get(f"http://{cluster.nodes[0].client}/nothing", timeout=5).status_code == 404
    for one in (cluster.nodes[0], node):
        until(lambda: "carillon_link_round_trip_seconds" in page(one), "a beat has come back")
        result = promtool("check", "metrics", text=page(one))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    # Which server is linked is told where there is one.
    servers = {"carillon_link_server_up", "carillon_link_server_partitions"}
    assert names(page(cluster.nodes[0])) == names(page(node)) | servers
    spoiled = page(node).replace("carillon_deliveries_total", "carillon_deliveries")
    assert promtool("check", "metrics", text=spoiled).returncode != 0


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"(?<![:\w])carillon_\w+", expression))


def test_rules_and_dashboard_ask_for_metrics_that_nodes_have(node: Node) -> None:
    until(lambda: "carillon_link_round_trip_seconds" in page(node), "a beat has come back")
    rules = [rule for name in RULES for group in yaml.safe_load((FILES / name).read_text())["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    asked = {**expressions(), **{rule.get("record") or rule["alert"]: rule["expr"] for rule in rules}}
    assert len(asked) > 100
    there = names(page(node))
    for place, expression in asked.items():
        assert metrics_in(expression) <= there, place
        assert set(re.findall(r"\b(?:job|instance):\w+:\w+", expression)) <= recorded, place


#: What is empty while all is well: it says when something began that should not be.
EMPTY = {"annotation Starts", "annotation Drains", "annotation Isolated"}


def test_a_prometheus_shows_all_that_the_dashboard_asks_for(cluster: Cluster, tmp_path: Path) -> None:
    prometheus = Prometheus(tmp_path / "prometheus", [node.admin for node in cluster.nodes])
    receivers = [WebsocketsClient(node.client, "news") for node in cluster.nodes]
    try:
        prometheus.start()
        assert requests.get(f"http://{cluster.nodes[0].client}/nothing", timeout=5).status_code == 404
        published = 0

        def shows(expression: str) -> list[dict[str, Any]]:
            # A rate needs two samples, and a ratio of rates something that happens.
            nonlocal published
            cluster.nodes[published % 3].api.post_publication({"channel": "news", "text": str(published)})
            published += 1
            return prometheus.query(expression)

        for place, expression in expressions().items():
            if place in EMPTY:
                prometheus.query(expression)
            else:
                until(lambda: shows(expression), f"{place} shows something: {expression}", 30)
        groups = yaml.safe_load((FILES / "carillon.rules.yaml").read_text())["groups"]
        for rule in (rule for group in groups for rule in group["rules"]):
            until(lambda: shows(rule["record"]), f"{rule['record']} is recorded", 30)
        [answered] = prometheus.query('count(up{job="carillon"} == 1)')
        assert answered["value"][1] == "3"
        until(lambda: [s["value"][1] for s in prometheus.query('job:carillon_sessions:sum{job="carillon"}')] == ["3"], "three sessions are counted")
        assert prometheus.firing() == set()
        # A node that is drained shows on the time axis, and one that is gone among those that do not answer.
        cluster.nodes[1].api.request("POST", f"/api/v1/nodes/{cluster.nodes[1].id}/drain")
        until(lambda: prometheus.query(expressions()["annotation Drains"]), "the drain is seen", 30)
        cluster.nodes[2].kill()
        gone = expressions()["Nodes that do not answer A"]
        until(lambda: [s["value"][1] for s in prometheus.query(gone)] == ["1"], "the node is missed", 30)
        until(lambda: prometheus.query('ALERTS{alertname="CarillonNodeDown",alertstate="pending"}'), "an alert is about to fire", 30)
    finally:
        for receiver in receivers:
            receiver.close()
        prometheus.stop()
