"""The plain manifests and the chart are valid, fit together, and their pods run."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import requests
import yaml

from rig.manifests import CHART, NEEDED, Manifests, helm
from rig.node import CARILLON, carillon, merged
from rig.process import REPOSITORY, Process, accepts, free_port
from rig.redis_server import RedisServer

OPERATIONS = REPOSITORY / "docs/operations.md"
#: From the oldest that the chart takes to the newest that is known.
VERSIONS = ["1.25", kubernetes_validate.latest_version()]
SECRETS = {"CARILLON_ADMIN_TOKEN": "a-long-token", "CARILLON_BACKPLANE_REDIS_PASSWORD": "secret"}

#: What somebody may ask of the chart.
ASKED: dict[str, dict[str, Any]] = {
    "defaults": {},
    "alone": {"replicas": 1, "redis": {"url": ""}, "podDisruptionBudget": {"enabled": False}, "service": {"type": "ClusterIP"}},
    "own secret": {"secret": {"adminToken": ""}, "existingSecret": "mine", "redis": {"user": "carillon", "url": "rediss://redis.example.com:6380"}},
    "everything": {
        "image": {"repository": "registry.example.com/carillon", "tag": "1", "pullSecrets": [{"name": "pull"}]},
        "secret": {"redisPassword": "secret"}, "autoscaling": {"enabled": True}, "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "config": {
            "client": {"origins": ["https://www.example.com"]}, "limits": {"sessions": 20000},
            "auth": {"keys": [{"secret": "${JWT_SECRET}"}]},
            "channels": [{"match": "*", "subscribe": "anyone", "publish": "user"}],
        },
        "env": [{"name": "JWT_SECRET", "valueFrom": {"secretKeyRef": {"name": "jwt", "key": "secret"}}}],
        "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}], "volumeMounts": [{"name": "tls", "mountPath": "/tls", "readOnly": True}],
        "service": {"annotations": {"a": "b"}, "loadBalancerSourceRanges": ["192.0.2.0/24"]}, "adminService": {"annotations": {"a": "b"}},
        "podAnnotations": {"a": "b"}, "podLabels": {"a": "b"}, "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "push", "operator": "Exists"}], "affinity": {"nodeAffinity": {}},
    },
}  # fmt: skip


def made(name: str) -> Manifests:
    return Manifests.plain() if name == "plain" else Manifests.rendered(merged(NEEDED, ASKED[name]))


@pytest.mark.parametrize("name", ["plain", *ASKED])
def test_manifests_are_valid(name: str) -> None:
    found = made(name)
    assert "Deployment" in found.kinds and "Service" in found.kinds
    for document in found.documents:
        # A kind that the Prometheus Operator defines; below.
        if document["kind"] == "PodMonitor":
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    spoiled = {**found.one("Deployment"), "sepc": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(spoiled, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name", ["plain", *ASKED])
def test_manifests_fit_together(name: str, tmp_path: Path) -> None:
    found = made(name)
    labels = found.pod["metadata"]["labels"].items()
    ports = {port["name"]: port["containerPort"] for port in found.container["ports"]}
    services = found.all("Service")
    assert len(services) == 2
    for service in services:
        assert service["spec"]["selector"].items() <= labels
        assert service["spec"]["ports"][0]["targetPort"] in ports
    for document in [found.one("Deployment"), *found.all("PodDisruptionBudget"), *found.all("PodMonitor")]:
        assert document["spec"]["selector"]["matchLabels"].items() <= labels
    for probe in ("livenessProbe", "readinessProbe"):
        assert found.container[probe]["httpGet"]["port"] in ports
    variables = {entry["name"]: entry["valueFrom"] for entry in found.container["env"]}
    secrets = {document["metadata"]["name"]: document["stringData"] for document in found.all("Secret")}
    for source in variables.values():
        key = source.get("secretKeyRef")
        if key and key["name"] in secrets:
            assert key["key"] in secrets[key["name"]]
    [volume] = [volume for volume in found.pod["spec"]["volumes"] if volume["name"] == "configuration"]
    assert volume["configMap"]["name"] == found.one("ConfigMap")["metadata"]["name"]
    assert found.pod["spec"]["enableServiceLinks"] is False
    # The configuration is one, with the variables that the pod has.
    environment = {name: "a-secret-for-tests-of-more-than-32-bytes" for name in variables}
    result = carillon("check", str(found.write_to(tmp_path)), environment=environment)
    assert result.returncode == 0, result.stderr
    configuration = yaml.safe_load(found.configuration)
    assert configuration["client"]["listen"].endswith(f":{ports['client']}")
    assert configuration["admin"]["listen"].endswith(f":{ports['admin']}")
    assert set(re.findall(r"\$\{(\w+)\}", found.configuration)) <= set(variables)
    for target in found.all("HorizontalPodAutoscaler"):
        assert target["spec"]["scaleTargetRef"]["name"] == found.one("Deployment")["metadata"]["name"]
        assert "replicas" not in found.one("Deployment")["spec"]
    for monitor in found.all("PodMonitor"):
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] == "admin" and endpoint["path"] == "/metrics"
        assert endpoint["authorization"]["credentials"] == variables["CARILLON_ADMIN_TOKEN"]["secretKeyRef"]


def test_what_values_say_arrives() -> None:
    found = made("everything")
    values = ASKED["everything"]
    assert yaml.safe_load(found.configuration)["limits"] == {"sessions": 20000}
    assert yaml.safe_load(found.configuration)["client"] == {"listen": "0.0.0.0:8000", "origins": ["https://www.example.com"]}
    assert found.container["image"] == "registry.example.com/carillon:1"
    assert values["env"][0] in found.container["env"] and values["volumeMounts"][0] in found.container["volumeMounts"]
    assert values["volumes"][0] in found.pod["spec"]["volumes"]
    for key in ("nodeSelector", "tolerations", "affinity"):
        assert found.pod["spec"][key] == values[key]
    assert found.pod["metadata"]["labels"]["a"] == found.pod["metadata"]["annotations"]["a"] == "b"
    other = Manifests.rendered(merged(NEEDED, {"config": {"log": {"level": "debug"}}}))
    sums = [one.pod["metadata"]["annotations"]["checksum/configuration"] for one in (other, made("defaults"))]
    assert sums[0] != sums[1]
    # Two releases beside each other share nothing.
    names = [{(d["kind"], d["metadata"]["name"]) for d in Manifests.rendered(NEEDED, release).documents} for release in ("one", "two")]
    assert not names[0] & names[1]


@pytest.mark.parametrize(("values", "what"), [
    ({"secret": {"adminToken": ""}}, "secret.adminToken"),
    ({"redis": {"url": ""}}, "several nodes need redis.url"),
    ({"redis": {"url": ""}, "replicas": 1, "autoscaling": {"enabled": True}}, "several nodes need redis.url"),
    ({"replica": 3}, "additional properties 'replica' not allowed"),
    ({"config": {"client": {"listen": "0.0.0.0:9000"}}}, "/config/client"),
    ({"service": {"type": "Balancer"}}, "/service/type"),
])  # fmt: skip
def test_values_that_cannot_be_meant_are_refused(values: dict[str, Any], what: str) -> None:
    with pytest.raises(helm.HelmError, match=re.escape(what)):
        Manifests.rendered(merged(NEEDED, values))


def leaves(values: Any, path: str = "") -> list[str]:
    if isinstance(values, dict) and values and path not in ("config", "resources"):
        return [leaf for key, value in values.items() for leaf in leaves(value, f"{path}.{key}".lstrip("."))]
    return [path]


def test_the_chart_is_in_order(tmp_path: Path) -> None:
    report = helm.lint(str(CHART))
    assert report["errors"] == [] and [m["error"] for m in report["messages"]] in ([], ["icon is recommended"]), report
    [version] = re.findall(r'number = "([^"]+)"', (REPOSITORY / "Sources/Node/Lifecycle/Version.swift").read_text())
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version
    listed = re.findall(r"^\| `([\w.]+)` \|", OPERATIONS.read_text().split("### Kubernetes", 1)[1].split("\n## ", 1)[0], re.MULTILINE)
    assert sorted(listed) == sorted(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))
    helm.package(str(CHART), destination=str(tmp_path))
    [archive] = tmp_path.iterdir()
    with helm.Chart.load(str(archive)) as chart:
        notes = chart.render(NEEDED, name="carillon", namespace="push")["carillon/templates/NOTES.txt"]
    assert "kubectl -n push exec deploy/carillon -- carillon cluster" in notes and "carillon-admin.push:8001" in notes


def test_the_chart_makes_what_the_plain_file_says() -> None:
    """Whoever changes one of the two is told about the other. Labels and names are the chart's own."""
    plain, rendered = Manifests.plain(), Manifests.rendered(merged(NEEDED, {"secret": {"redisPassword": "x"}, "image": {"tag": "latest"}}))
    assert plain.kinds == rendered.kinds

    def without(container: dict[str, Any]) -> dict[str, Any]:
        container = {key: value for key, value in container.items() if key != "imagePullPolicy"}
        for entry in container["env"]:
            entry.get("valueFrom", {}).get("secretKeyRef", {}).pop("optional", None)
        return container

    assert without(plain.container) == without(rendered.container)
    for key in ("securityContext", "terminationGracePeriodSeconds", "automountServiceAccountToken", "enableServiceLinks"):
        assert plain.pod["spec"][key] == rendered.pod["spec"][key]
    for key in ("replicas", "minReadySeconds", "strategy"):
        assert plain.one("Deployment")["spec"][key] == rendered.one("Deployment")["spec"][key]
    for one, other in zip(plain.all("Service"), rendered.all("Service"), strict=True):
        for key in ("type", "externalTrafficPolicy", "ports"):
            assert one["spec"].get(key) == other["spec"].get(key)
    here, there = (yaml.safe_load(one.configuration) for one in (plain, rendered))
    here["backplane"]["redis"].pop("password")
    assert here == there


@pytest.mark.parametrize("name", ["plain", "defaults", "alone"])
def test_the_pod_runs_as_its_manifest_says(name: str, redis_server: RedisServer, tmp_path: Path) -> None:
    """The container's command with its configuration and variables, and the probes."""
    found = made(name)
    client, admin = free_port(), free_port()
    configuration = yaml.safe_load(found.configuration)
    drain = int(configuration["drain"]["timeout"].removesuffix("s"))
    assert found.pod["spec"]["terminationGracePeriodSeconds"] >= drain + 5
    configuration["client"]["listen"], configuration["admin"]["listen"] = f"127.0.0.1:{client}", f"127.0.0.1:{admin}"
    if "backplane" in configuration:
        configuration["backplane"]["redis"]["url"] = redis_server.url
        # The rig's Redis has another password than the manifest's.
        configuration["backplane"]["redis"].pop("password", None)
    file = tmp_path / "carillon.yaml"
    file.write_text(yaml.safe_dump(configuration))
    environment = {"CARILLON_NODE_NAME": "carillon-0", "CARILLON_ADMIN_TOKEN": found.one("Secret")["stringData"]["admin-token"]}
    # What Kubernetes adds for a Service of this name, where somebody leaves enableServiceLinks out.
    environment |= {"CARILLON_PORT": "tcp://10.0.0.1:80", "CARILLON_SERVICE_HOST": "10.0.0.1", "CARILLON_ADMIN_PORT": "tcp://10.0.0.1:8001"}
    arguments = [word.replace("/etc/carillon/carillon.yaml", str(file)) for word in found.container["args"]]
    node = Process("pod", tmp_path)
    node.launch([str(CARILLON), *arguments], environment)
    try:
        for probe in ("livenessProbe", "readinessProbe"):
            path = found.container[probe]["httpGet"]["path"]
            node.wait_until(lambda: accepts(admin) and requests.get(f"http://127.0.0.1:{admin}{path}", timeout=2).status_code == 200, probe)
        assert requests.get(f"http://127.0.0.1:{client}/health", timeout=5).status_code == 200
    finally:
        node.stop()
