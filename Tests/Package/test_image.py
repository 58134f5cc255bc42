"""The image of deploy/docker/Dockerfile: its file system is made as the file says, and run as an engine would run it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_root import is_possible
from dockerfile import Image, carry_out, instructions
from rig.process import REPOSITORY
from rig.waiting import until

DOCKERFILE = REPOSITORY / "deploy/docker/Dockerfile"
PROGRAM = Path(os.environ.get("CARILLON", REPOSITORY / ".build/release/carillon"))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if not is_possible():
        pytest.fail("this needs root and mmdebstrap: run it as root, after scripts/install.sh test-all")
    # What the first stage does behind the build, with the program of this machine.
    stripped = tmp_path_factory.mktemp("out") / "carillon"
    subprocess.run(["strip", "-o", str(stripped), str(PROGRAM)], check=True)
    made = carry_out(DOCKERFILE, {"/out/carillon": stripped})
    yield made
    assert made.root
    made.root.stop()


class Container:
    """The image's command in namespaces of its own: processes, network, mounts; the root cannot be written to."""

    def __init__(self, image: Image, **environment: str) -> None:
        assert image.root
        self._image = image
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **image.environment, **environment}
        self._variables = [f"{name}={value}" for name, value in variables.items()]
        script = (
            'ip link set lo up && mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && mount -t proc proc "$0/proc"'
            ' && exec chroot --userspec="$1:$1" "$0" env -i "${@:2}"')
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "bash", "-c", script, str(image.root.path), image.user,
             *self._variables, *image.entrypoint, *image.command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def _inner(self) -> str | None:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else None

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """As `docker exec` does it: in the same namespaces, with the same variables and user."""
        inner = self._inner()
        assert inner, "it has ended"
        return subprocess.run(
            ["nsenter", "--target", inner, "--mount", "--net", "--pid", f"--root=/proc/{inner}/root", "--wd=/", f"--setuid={self._image.user}",
             f"--setgid={self._image.user}", "env", "-i", *self._variables, *command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)  # fmt: skip

    def stop(self) -> tuple[int, str]:
        """Sends SIGTERM to the first process, as an engine does; its exit status and what it logged."""
        inner = self._inner()
        if inner:
            os.kill(int(inner), 15)
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


def test_the_image_runs(image: Image) -> None:
    assert image.user == "10001" and image.ports == [8000, 8001]
    container = Container(image)
    try:
        until(lambda: container.execute(*image.healthcheck).returncode == 0, "its health check passes", 30)
        assert container.execute("carillon", "health").returncode == 0
        published = container.execute("carillon", "publish", "news", "hello")
        assert published.returncode == 0, published.stderr
        assert container.execute("id", "-u").stdout.strip() == "10001"
        # The first process is the node itself, so that signals reach it.
        assert container.execute("cat", "/proc/1/comm").stdout.strip() == "carillon"
    finally:
        status, log = container.stop()
    assert status == 0, log
    assert "serves clients on 0.0.0.0:8000" in log and "has left" in log


def test_a_container_whose_node_is_gone_is_unhealthy(image: Image) -> None:
    container = Container(image, CARILLON_ADMIN_LISTEN="127.0.0.1:9001")
    try:
        until(lambda: container.execute(*image.healthcheck).returncode == 0, "its health check follows the variable", 30)
        elsewhere = container.execute("env", "CARILLON_ADMIN_LISTEN=127.0.0.1:9002", *image.healthcheck)
        assert elsewhere.returncode == 1
    finally:
        container.stop()


def test_the_program_finds_all_its_libraries_in_the_image(image: Image) -> None:
    assert image.root
    linked = image.root.chroot("ldd", "/usr/local/bin/carillon").stdout
    assert "not found" not in linked and "libswift" not in linked, linked
    # What the image installs for the program is what the program links, and certificates.
    [installed] = [rest for name, rest in instructions(DOCKERFILE.read_text()) if name == "RUN" and "libhiredis0.14" in rest]
    for package in ("libhiredis0.14", "libssl3", "zlib1g", "libstdc++6", "ca-certificates"):
        assert package in installed.split()
    for library in ("libhiredis.so.0.14", "libssl.so.3", "libz.so.1", "libstdc++.so.6"):
        assert library in linked
    assert (image.root.path / "etc/ssl/certs/ca-certificates.crt").stat().st_size > 100_000


def test_the_build_stage_makes_the_same_program() -> None:
    """It cannot run here; what it does is what the Makefile does, with the dependencies of scripts/install.sh."""
    text = DOCKERFILE.read_text()
    assert "swift build -c release --product carillon \\\n" in text
    assert "swift build -c release --product carillon\n" in (REPOSITORY / "Makefile").read_text()
    [build] = [rest for name, rest in instructions(text) if name == "RUN" and "libhiredis-dev" in rest]
    needed = (REPOSITORY / "scripts/install.sh").read_text().split('build="', 1)[1].split('"', 1)[0]
    for pair in needed.split():
        assert pair.split(":")[0] in build.split()
