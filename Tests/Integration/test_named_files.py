"""Files that a configuration names, and the configuration itself: nothing but a regular file is taken, and nothing is waited for."""

import os
import pty
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.certificates import Authority
from rig.node import CARILLON, DEFAULTS, Node, carillon, merged
from rig.waiting import until

SECRET = "a secret of more than thirty-two bytes, for tests"

#: Far above what any of the commands needs, and far below what a test may take: a node that waits for a file is found.
SECONDS = 20


def pipe(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def large(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate((4 << 20) + 1)


def gone(path: Path) -> None:
    assert not path.exists()


#: What is there instead of a file, and what is said of it.
KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (pipe, "it is a pipe, not a regular file"),
    "directory": (directory, "it is a directory, not a regular file"),
    "device": (device, "it is a character device, not a regular file"),
    "circle": (circle, "oo many levels of symbolic links"),
    "large": (large, "bytes"),
    "gone": (gone, "o such file or directory"),
}


@contextmanager
def bound(path: Path) -> Iterator[None]:
    """A socket that listens there, through a link: the names of sockets are short."""
    name = Path(f"/tmp/carillon-test-{os.getpid()}.socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(name))
        try:
            path.symlink_to(name)
            yield
        finally:
            name.unlink()


def tls(section: str, key: str) -> Callable[[str, Authority], dict[str, Any]]:
    """A configuration where one file of a listener's, or of the link's, is another."""
    def made(path: str, authority: Authority) -> dict[str, Any]:
        certificate, private = authority.issue("localhost")
        files = {"certificate": str(certificate), "key": str(private)}
        if section == "redis":
            return {"backplane": {"kind": "redis", "redis": {"url": "rediss://127.0.0.1:1", "tls": {"authorities": str(authority.file), **files, key: path}}}}
        if key == "authorities":
            files["client_certificates"] = "required"
        return {section: {"tls": {**files, key: path}}}

    return made


def token_key(key: str) -> Callable[[str, Authority], dict[str, Any]]:
    return lambda path, _: {"auth": {"keys": [{key: path}]}}


#: Every key that names a file.
NAMES = {
    **{f"auth.keys {key}": token_key(key) for key in ("secret_file", "file", "jwks_file")},
    **{f"client.tls.{key}": tls("client", key) for key in ("certificate", "key", "authorities")},
    **{f"admin.tls.{key}": tls("admin", key) for key in ("certificate", "key")},
    **{f"backplane.redis.tls.{key}": tls("redis", key) for key in ("certificate", "key", "authorities")},
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def refused(*command: str, environment: dict[str, str] | None = None) -> str:
    done = carillon(*command, seconds=SECONDS, environment=environment)
    assert done.returncode == 1 and "Fatal error" not in done.stderr, done
    return done.stderr


def configured(tmp_path: Path, changes: dict[str, Any]) -> Path:
    file = tmp_path / "node.yaml"
    file.write_text(yaml.safe_dump(merged(DEFAULTS, changes)))
    return file


def test_every_key_that_names_a_file_is_here() -> None:
    table = carillon("config", "--table").stdout
    files = {line.split("`")[1] for line in table.splitlines() if "| file |" in line}
    assert files == {name for name in NAMES if " " not in name}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["pipe", "directory", "large"])
def test_check_and_the_start_say_which_file_it_is(name: str, kind: str, authority: Authority, tmp_path: Path) -> None:
    make, said = KINDS[kind]
    path = tmp_path / "named"
    make(path)
    file = configured(tmp_path, NAMES[name](str(path), authority))
    for command in (["check", str(file)], ["serve", "--config", str(file)]):
        errors = refused(*command)
        assert str(path) in errors and said in errors, errors


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_of_any_other_kind(kind: str, tmp_path: Path) -> None:
    make, said = KINDS[kind]
    path = tmp_path / "named"
    make(path)
    errors = refused("check", str(configured(tmp_path, {"auth": {"keys": [{"secret_file": str(path)}]}})))
    assert f"secret file {path}: " in errors and said in errors


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "gone"])
def test_a_configuration_of_any_other_kind(kind: str, tmp_path: Path) -> None:
    make, said = KINDS[kind]
    path = tmp_path / "node.yaml"
    make(path)
    for command in (["check", str(path)], ["serve", "--config", str(path)], ["health", "--config", str(path)]):
        errors = refused(*command)
        assert f"{path}: the file" in errors and said in errors, errors


def test_a_socket_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "named"
    with bound(path):
        for file in (path, configured(tmp_path, {"auth": {"keys": [{"file": str(path)}]}})):
            assert f"{path}: " in (errors := refused("check", str(file))) and "it is a socket, not a regular file" in errors


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is not there")
def test_a_file_that_nobody_may_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    file = configured(tmp_path, {"auth": {"keys": [{"secret_file": str(secret)}]}})
    assert carillon("check", str(file)).returncode == 0
    # Root reads everything, unless it is not allowed to.
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    for path, said in ((secret, f"secret file {secret}: cannot be read: Permission denied"), (file, f"{file}: the file cannot be read: Permission denied")):
        path.chmod(0)
        for command in (["check", str(file)], ["serve", "--config", str(file)]):
            done = subprocess.run([*bound, str(CARILLON), *command], capture_output=True, text=True, timeout=SECONDS, check=False)
            assert done.returncode == 1 and said in done.stderr, done
        path.chmod(0o600)
        path.unlink()


def test_authorities_of_the_environment(tmp_path: Path) -> None:
    """What the system trusts can be named by a variable of the TLS library."""
    path = tmp_path / "named"
    pipe(path)
    file = configured(tmp_path, {"backplane": {"kind": "redis", "redis": {"url": "rediss://127.0.0.1:1"}}})
    errors = refused("check", str(file), environment={"SSL_CERT_FILE": str(path)})
    assert f"cannot read {path}: it is a pipe, not a regular file" in errors


@pytest.mark.parametrize("kind", KINDS)
def test_authorities_of_a_command(kind: str, tmp_path: Path) -> None:
    make, said = KINDS[kind]
    path = tmp_path / "named"
    make(path)
    errors = refused("cluster", "--admin", "https://127.0.0.1:1", environment={"CARILLON_CA": str(path)})
    assert f"cannot read {path}: " in errors and said in errors


# -- a configuration that is handed over open


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "CARILLON": str(CARILLON), **environment})  # fmt: skip


@pytest.mark.parametrize("script", [
    'cat "$FILE" | "$CARILLON" check -',
    'cat "$FILE" | "$CARILLON" check /dev/stdin',
    '"$CARILLON" check - < "$FILE"',
    '"$CARILLON" check /dev/stdin < "$FILE"',
    # A part of it comes later.
    '"$CARILLON" check <(head -c 9 "$FILE"; sleep 0.2; tail -c +10 "$FILE")',
])  # fmt: skip
def test_a_shell_hands_it_over(script: str, tmp_path: Path) -> None:
    good = configured(tmp_path, {})
    done = shell(script, FILE=str(good))
    assert done.returncode == 0 and "valid" in done.stdout, done
    bad = tmp_path / "bad.yaml"
    bad.write_text("limits: { fragments: 0 }\n")
    done = shell(script, FILE=str(bad))
    assert done.returncode == 1 and ":1:22: " in done.stderr, done


def test_a_terminal_is_read_to_its_end(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    try:
        os.write(controller, b"limits: { fragments: 0 }\n\x04")
        done = subprocess.run([str(CARILLON), "check", "-"], stdin=terminal, capture_output=True, text=True, timeout=SECONDS, check=False)
    finally:
        os.close(controller)
        os.close(terminal)
    assert done.returncode == 1 and "-:1:22: " in done.stderr, done


# -- reload


def write(node: Node, configuration: dict[str, Any]) -> None:
    fresh = node.file.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(configuration))
    os.replace(fresh, node.file)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["pipe", "directory", "large"])
def test_a_reload_refuses_it_and_the_node_serves_on(name: str, kind: str, authority: Authority, start_node: Any, tmp_path: Path) -> None:
    make, said = KINDS[kind]
    path = tmp_path / "named"
    make(path)
    node = start_node()
    write(node, merged(node.configuration, NAMES[name](str(path), authority)))
    response = node.api.request("POST", "/api/v1/config/reload")
    assert response.status_code == 422, response.text
    message = response.json()["error"]["message"]
    assert message.startswith("nothing has changed: ") and str(path) in message and said in message
    node.send(signal.SIGHUP)
    until(lambda: node.api.metric("reload_failures_total") == 2, "the signal is answered too")
    # And one that is right is taken.
    write(node, merged(node.configuration, {"log": {"level": "debug"}}))
    assert node.api.request("POST", "/api/v1/config/reload").json()["changed"][0]["key"] == "log.level"


def test_a_key_file_that_becomes_a_pipe(start_node: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    node = start_node(auth={"keys": [{"secret_file": str(secret)}]})
    secret.unlink()
    pipe(secret)
    response = node.api.request("POST", "/api/v1/config/reload")
    assert response.status_code == 422 and f"secret file {secret}: cannot be read: it is a pipe" in response.text


def test_a_configuration_on_standard_input_is_read_again_where_that_can_be(tmp_path: Path) -> None:
    """A file is read from its beginning each time. A pipe has given what it had, and a reload says so."""
    for name, is_pipe in (("file", False), ("pipe", True)):
        node = Node(name, tmp_path)
        text = yaml.safe_dump(merged(node.configuration, {"log": {"level": "debug"}}))
        node.file.write_text(text)
        given = f'<(cat "{node.file}")' if is_pipe else f'- < "{node.file}"'
        script = f'exec "{CARILLON}" serve --announce "{node.announcement}" --config {given}'
        try:
            node.launch(["bash", "-c", script], {})
            node.wait_until_ready()
            assert node.api.get("/api/v1/config")["log.level"] == "debug"
            node.file.write_text(text.replace("debug", "warning"))
            response = node.api.request("POST", "/api/v1/config/reload")
            if is_pipe:
                assert response.status_code == 422 and "it is a pipe, not a regular file" in response.text
            else:
                assert response.status_code == 200, response.text
            assert node.api.get("/api/v1/config")["log.level"] == ("debug" if is_pipe else "warning")
        finally:
            node.stop()
