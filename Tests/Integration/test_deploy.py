"""The files of deploy/ are right, as far as one can tell without the machines they are for."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from rig.balancers import HAProxy
from rig.certificates import Authority
from rig.node import CARILLON, carillon
from rig.process import REPOSITORY, Process, free_port
from rig.receivers import WebsocketsClient
from rig.redis_server import RedisServer
from rig.waiting import until

DEPLOY = REPOSITORY / "deploy"


def check_configuration(text: str, tmp_path: Path, environment: dict[str, str]) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text(text)
    result = carillon("check", str(file), environment=environment)
    assert result.returncode == 0, result.stderr


def test_haproxy_accepts_its_files() -> None:
    result = subprocess.run(
        ["haproxy", "-c", *(part for name in ("haproxy", "wss", "hubs") for part in ("-f", str(DEPLOY / f"haproxy/{name}.cfg")))],
        capture_output=True, text=True, check=False)  # fmt: skip
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


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    result = subprocess.run([hadolint, str(DEPLOY / "docker/Dockerfile")], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr
    spoiled = (DEPLOY / "docker/Dockerfile").read_text().replace("debian:bookworm-slim", "debian:latest")
    result = subprocess.run([hadolint, "-"], input=spoiled, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "DL3007" in result.stdout


def test_the_image_copies_what_is_there() -> None:
    for line in (DEPLOY / "docker/Dockerfile").read_text().splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            for source in words[1:-1]:
                assert source.endswith("*") or (REPOSITORY / source).exists(), source


def test_sysctl_lines_are_keys_with_values() -> None:
    for line in (DEPLOY / "sysctl/90-carillon.conf").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9_.-]+ = [0-9 ]+", line), line


# MARK: executed


def installed(text: str) -> str:
    """A file of deploy/ with the program where it is here."""
    return text.replace("/usr/local/bin/carillon", str(CARILLON))


def healthcheck() -> list[str]:
    """The command of the image's HEALTHCHECK."""
    text = (DEPLOY / "docker/Dockerfile").read_text().replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.startswith("HEALTHCHECK"))
    command: list[str] = json.loads(line.split("CMD", 1)[1])
    assert command[0] == "carillon"
    return [str(CARILLON), *command[1:]]


def seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", duration).groups()  # type: ignore[union-attr]
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def drain_timeout(configuration: dict[str, Any]) -> float:
    default = yaml.safe_load(carillon("config", "--defaults").stdout)["drain"]["timeout"]
    return seconds(configuration.get("drain", {}).get("timeout", default))


def test_compose_runs_and_its_healthcheck_passes(redis_server: RedisServer, tmp_path: Path) -> None:
    """Each node of the compose file with its own environment, behind HAProxy, and the image's HEALTHCHECK in it."""
    compose = yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text())
    services = {name: service for name, service in compose["services"].items() if name.startswith("node-")}
    nodes: list[Process] = []
    ports: list[int] = []
    environments: list[dict[str, str]] = []
    try:
        for name, service in sorted(services.items()):
            # Containers have addresses of their own; here each node has ports of its own.
            client, admin = free_port(), free_port()
            environment = {key: str(value) for key, value in service["environment"].items()} | {
                "CARILLON_BACKPLANE_REDIS_URL": redis_server.url, "CARILLON_CLIENT_LISTEN": f"127.0.0.1:{client}",
                "CARILLON_ADMIN_LISTEN": f"0.0.0.0:{admin}", "CARILLON_CONFIG": str(DEPLOY / "docker/carillon.yaml"),
            }  # fmt: skip
            file = tmp_path / f"{name}.yaml"
            file.write_text((DEPLOY / "docker/carillon.yaml").read_text().replace("[10.0.0.0/8", "[127.0.0.1, 10.0.0.0/8"))
            environment["CARILLON_CONFIG"] = str(file)
            node = Process(name, tmp_path)
            nodes.append(node)
            node.launch([str(CARILLON), "serve"], environment)
            ports.append(client)
            environments.append(environment)
        for environment in environments:
            def check() -> subprocess.CompletedProcess[str]:
                return subprocess.run(healthcheck(), env={**os.environ, **environment}, capture_output=True, text=True, timeout=10, check=False)

            until(lambda: check().returncode == 0, "the health check passes")
            until(lambda: carillon("health", environment=environment).returncode == 0, "it is ready")
        balancer = HAProxy(tmp_path, [f"127.0.0.1:{port}" for port in ports])
        nodes.append(balancer)
        balancer.start()
        receiver = WebsocketsClient(balancer.client, "news")
        published = carillon("publish", "news", "hello", environment={
            "CARILLON_ADMIN": f"http://127.0.0.1:{environments[0]['CARILLON_ADMIN_LISTEN'].rsplit(':', 1)[1]}",
            "CARILLON_ADMIN_TOKEN": environments[0]["CARILLON_ADMIN_TOKEN"]})  # fmt: skip
        assert published.returncode == 0, published.stderr
        until(lambda: receiver.received == ["hello"], "it is delivered")
        receiver.close()
        # A container whose node is gone fails its health check.
        nodes[0].kill()
        gone = subprocess.run(healthcheck(), env={**os.environ, **environments[0]}, capture_output=True, timeout=10, check=False)
        assert gone.returncode == 1
    finally:
        for node in reversed(nodes):
            node.stop()
    configuration = yaml.safe_load((DEPLOY / "docker/carillon.yaml").read_text())
    for service in services.values():
        assert seconds(service["stop_grace_period"]) >= drain_timeout(configuration) + 5


def unit_lines(key: str) -> list[str]:
    lines = installed((DEPLOY / "systemd/carillon.service").read_text()).splitlines()
    return [line.split("=", 1)[1] for line in lines if line.startswith(f"{key}=")]


def test_the_units_commands_work_and_it_tells_systemd(redis_server: RedisServer, tmp_path: Path) -> None:
    """ExecStartPre, ExecStart, ExecReload and the stop, as systemd would do them; the test is at the notify socket."""
    assert unit_lines("Type") == ["notify"]
    directory = tmp_path / "etc"
    directory.mkdir()
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("node")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    [loaded] = unit_lines("LoadCredential")
    name, source = loaded.split(":")
    assert source == "/etc/carillon/keys"
    secret = b"s" * 40
    for file, content in (("fullchain.pem", certificate.read_bytes()), ("privkey.pem", key.read_bytes()), ("jwt", secret)):
        # What systemd does with a folder (systemd.exec(5), LoadCredential=).
        (credentials / f"{name}_{file}").write_bytes(content)
    text = (DEPLOY / "systemd/carillon.yaml").read_text()
    settings = yaml.safe_load(text)
    # The comment of the unit says how keys are found.
    comment = (DEPLOY / "systemd/carillon.service").read_text()
    for line in re.findall(r"^#     ((?:client|auth): .*)$", comment, re.MULTILINE):
        [(section, value)] = yaml.safe_load(line).items()
        settings.setdefault(section, {}).update(value)
    settings["client"]["listen"] = settings["admin"]["listen"] = "127.0.0.1:0"
    settings["backplane"]["redis"]["url"] = redis_server.url
    file = directory / "carillon.yaml"
    file.write_text(yaml.safe_dump(settings))
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind("\0carillon-test-" + tmp_path.name)
    notices.settimeout(20)
    environment = {"CREDENTIALS_DIRECTORY": str(credentials), "NOTIFY_SOCKET": "@carillon-test-" + tmp_path.name}

    def command(key: str) -> list[str]:
        [line] = unit_lines(key)
        return line.replace("/etc/carillon/carillon.yaml", str(file)).split()

    checked = subprocess.run(command("ExecStartPre"), env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    announcement = tmp_path / "addresses"
    node = Process("unit", tmp_path)
    node.launch([*command("ExecStart"), "--announce", str(announcement)], environment)
    try:
        told = notices.recv(4096).decode()
        assert told.startswith("READY=1\nSTATUS=serving clients on 127.0.0.1:")
        # Ready means that it listens.
        client = told.split()[-1]
        assert requests.get(f"https://{client}/health", timeout=5, verify=str(authority.file)).status_code in (200, 503)
        renewed, renewed_key = authority.issue("renewed")
        (credentials / f"{name}_fullchain.pem").write_bytes(renewed.read_bytes())
        (credentials / f"{name}_privkey.pem").write_bytes(renewed_key.read_bytes())
        subprocess.run([word.replace("$MAINPID", str(node.pid)) for word in command("ExecReload")], check=True)
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+\n", notices.recv(4096).decode())
        assert notices.recv(4096).decode().startswith("READY=1\n")
        node.wait_until(lambda: "new connections get the certificate of CN=renewed" in node.output().replace(" = ", "="), "it is renewed")
        node.send(getattr(signal, unit_lines("KillSignal")[0]))
        assert notices.recv(4096).decode().startswith("STOPPING=1\n")
        assert node.wait() == 0
    finally:
        node.stop()
        notices.close()
    assert int(unit_lines("TimeoutStopSec")[0]) >= drain_timeout(settings) + 5
    # It does not stay dead after five failures, and is not told to wait for long either.
    assert unit_lines("StartLimitIntervalSec") == ["0"] and int(unit_lines("RestartSec")[0]) <= 5 and unit_lines("Restart") == ["always"]


def test_sysctl_keys_exist_and_take_their_values() -> None:
    """Nothing is changed: each key is looked for in /proc, and what it has has as many numbers."""
    for line in (DEPLOY / "sysctl/90-carillon.conf").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        key, value = line.split(" = ")
        path = Path("/proc/sys") / key.replace(".", "/")
        # A container may hide some.
        if path.exists():
            assert len(path.read_text().split()) == len(value.split()), line


def test_every_file_is_executed() -> None:
    """A file that is added to deploy/ gets a test that runs it."""
    compose, unit = "test_deploy.py test_compose_runs_and_its_healthcheck_passes", "test_deploy.py test_the_units_commands_work_and_it_tells_systemd"
    pod, package = "test_kubernetes.py test_the_pod_runs_as_its_manifest_says", "../Package/test_package.py test_the_package_is_installed_upgraded_and_removed"
    rules, image = "test_monitoring.py test_the_rules_do_what_their_tests_say", "../Package/test_image.py test_the_image_runs"
    executed = {
        "debian/*": package, "docker/Dockerfile": image, "docker/carillon.yaml": compose, "docker/compose.yaml": compose,
        "grafana/carillon.json": "test_monitoring.py test_a_prometheus_shows_all_that_the_dashboard_asks_for",
        "grafana/provisioning/*": "../Style/test_rules.py test_grafana_finds_the_dashboard",
        "haproxy/haproxy.cfg": "rig/balancers.py haproxy.cfg", "haproxy/wss.cfg": "rig/balancers.py wss.cfg",
        "haproxy/hubs.cfg": "rig/balancers.py hubs.cfg",
        "helm/carillon/*": pod, "kubernetes/carillon.yaml": pod, "nginx/nginx-stream.conf": "rig/balancers.py nginx-stream.conf",
        "prometheus/*": rules, "redis/carillon.acl": "rig/redis_server.py carillon.acl",
        "redis/carillon-cluster.acl": "rig/redis_server.py carillon-cluster.acl",
        "redis/carillon-shards.acl": "rig/redis_server.py carillon-shards.acl",
        "sysctl/90-carillon.conf": package, "systemd/carillon.service": unit, "systemd/carillon.yaml": unit,
    }  # fmt: skip
    found = [str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file()]
    for pattern, where in executed.items():
        name, word = where.split()
        assert any(fnmatch(file, pattern) for file in found), pattern
        assert word in (Path(__file__).parent / name).read_text(), pattern
    assert [file for file in found if not any(fnmatch(file, pattern) for pattern in executed)] == []
