"""The files of deploy/ are right, as far as one can tell without the machines they are for."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.node import CARILLON, carillon
from rig.process import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
SECRETS = {"CARILLON_ADMIN_TOKEN": "a-long-token", "CARILLON_BACKPLANE_REDIS_PASSWORD": "secret"}


def manifests() -> dict[str, dict[str, Any]]:
    """Kind (and name, where there are two) → manifest."""
    found: dict[str, dict[str, Any]] = {}
    for manifest in yaml.safe_load_all((DEPLOY / "kubernetes/carillon.yaml").read_text()):
        key = manifest["kind"]
        found[key if key not in found else f"{key} {manifest['metadata']['name']}"] = manifest
    return found


def check_configuration(text: str, tmp_path: Path, environment: dict[str, str]) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text(text)
    result = carillon("check", str(file), environment=environment)
    assert result.returncode == 0, result.stderr


def test_haproxy_accepts_its_files() -> None:
    result = subprocess.run(
        ["haproxy", "-c", "-f", str(DEPLOY / "haproxy/haproxy.cfg"), "-f", str(DEPLOY / "haproxy/wss.cfg")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr, result.stderr


def test_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd/carillon.service").read_text()
    assert "ExecStart=/usr/local/bin/carillon serve" in text
    unit = tmp_path / "carillon.service"
    unit.write_text(text.replace("/usr/local/bin/carillon", str(CARILLON)))
    try:
        result = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not there")
    about_it = [line for line in result.stderr.splitlines() if "carillon" in line]
    assert not about_it, "\n".join(about_it)
    check_configuration((DEPLOY / "systemd/carillon.yaml").read_text(), tmp_path, {})


def test_compose(tmp_path: Path) -> None:
    compose = yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text())
    nodes = {name: service for name, service in compose["services"].items() if name.startswith("node-")}
    assert len(nodes) == 3
    balancer = compose["services"]["balancer"]["environment"]
    for index, (name, service) in enumerate(sorted(nodes.items()), 1):
        assert balancer[f"CARILLON_NODE_{index}"] == f"{name}:8000"
        assert service["environment"]["CARILLON_NODE_NAME"] == name
        environment = {key: value for key, value in service["environment"].items() if key != "CARILLON_CONFIG"}
        check_configuration((DEPLOY / "docker/carillon.yaml").read_text(), tmp_path, environment)
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            assert (DEPLOY / "docker" / volume.split(":")[0]).is_file(), volume
    # What HAProxy is told are variables that its file knows.
    known = set(re.findall(r"\$\{(\w+)", (DEPLOY / "haproxy/haproxy.cfg").read_text()))
    assert set(balancer) <= known


def test_the_image_copies_what_is_there() -> None:
    for line in (DEPLOY / "docker/Dockerfile").read_text().splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            for source in words[1:-1]:
                assert source.endswith("*") or (REPOSITORY / source).exists(), source


def test_kubernetes_manifests_fit_together(tmp_path: Path) -> None:
    found = manifests()
    pod = found["Deployment"]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    labels = pod["metadata"]["labels"].items()
    for key in ("Deployment", "Service", "Service carillon-admin", "PodDisruptionBudget"):
        selector = found[key]["spec"]["selector"]
        assert selector.get("matchLabels", selector).items() <= labels, key
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for key in ("Service", "Service carillon-admin"):
        assert found[key]["spec"]["ports"][0]["targetPort"] in ports
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    secrets = found["Secret"]["stringData"]
    variables = {entry["name"]: entry["valueFrom"] for entry in container["env"]}
    for name, source in variables.items():
        if "secretKeyRef" in source:
            assert source["secretKeyRef"]["key"] in secrets, name
    # A Service named like the variables' prefix would otherwise add variables that a node refuses.
    assert pod["spec"]["enableServiceLinks"] is False
    text = found["ConfigMap"]["data"]["carillon.yaml"]
    check_configuration(text, tmp_path, SECRETS)
    configuration = yaml.safe_load(text)
    assert configuration["client"]["listen"].endswith(f":{ports['client']}")
    assert configuration["admin"]["listen"].endswith(f":{ports['admin']}")
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= set(variables)


def test_sysctl_lines_are_keys_with_values() -> None:
    for line in (DEPLOY / "sysctl/90-carillon.conf").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9_.-]+ = [0-9 ]+", line), line
