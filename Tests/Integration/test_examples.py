"""The pages of examples/, each in two browsers that a balancer gave different nodes."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from rig.balancers import HAProxy
from rig.cluster import Cluster
from rig.node import carillon
from rig.process import REPOSITORY
from rig.tour import CONFIGURATION, EXAMPLES, Examples, Tour, configuration
from rig.waiting import until


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    directory = tmp_path_factory.mktemp("tour")
    examples = Examples()
    client = {"listen": "127.0.0.1:0", "origins": examples.origins}
    with Cluster(directory, balanced=True, client=client, **configuration()) as cluster:
        cluster.start()
        examples.carillon = cluster.balance(HAProxy).client
        examples.use(f"http://{cluster.nodes[0].admin}")
        made = Tour(examples.start(), cluster, directory)
        try:
            yield made.start()
        finally:
            made.stop()
            examples.stop()
        cluster.check_permissions()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example(tour: Tour, name: str) -> None:
    print(f"{name}: {getattr(tour, name)()}")


@pytest.mark.long
def test_a_conference_with_a_full_table(tour: Tour) -> None:
    """Six cameras and thirty streams take both cores of a small machine for more than a minute."""
    print(tour.full_table())


def test_a_viewer_that_reads_slowly_delays_nobody(tour: Tour) -> None:
    """One that takes a tenth of what comes; the others see every picture, and see it soon."""
    path = "/broadcast/?rate=15&codecs=no#slow"
    with tour.visit((0, path), (1, path)) as (camera, viewer):
        camera.until("window.broadcast?.link.socket?.readyState == 1", "the camera's page is connected")
        host, port = tour.cluster.nodes[0].client.split(":")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            slow.connect((host, int(port)))
            # As a balancer would say it, without the balancer's own buffers.
            slow.sendall(
                b"PROXY TCP4 127.0.0.1 127.0.0.1 1000 1001\r\n"
                b"GET /raw?channel=camera:slow HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            until(lambda: tour.cluster.nodes[0].api.subscribers("camera:slow") == 3, "all are subscribed")
            camera.evaluate("document.getElementById('live').click()")
            viewer.until("broadcast.view.shown > 10", "pictures come", 60)
            before = viewer.evaluate("({came: broadcast.view.came, missed: broadcast.view.missed})")
            # It reads a little now and then, as long as it takes until the node has left out pictures for it.
            replaced = "slow_replaced_publications_total"

            def left_out() -> bool:
                slow.recv(1024)
                return sum(node.api.metric(replaced) for node in tour.cluster.nodes) > 20

            until(left_out, "the node leaves out pictures for the slow one", 60)
            after = viewer.evaluate("({came: broadcast.view.came, missed: broadcast.view.missed, delay: broadcast.view.delay})")
            assert after["came"] > before["came"] + 20 and after["missed"] == before["missed"]
            assert after["delay"]["p50"] < 1000, after
            camera.evaluate("document.getElementById('live').click()")


def test_the_pages_are_served_with_care(tour: Tour) -> None:
    for name in ["", *(f"{name}/" for name in EXAMPLES)]:
        answer = requests.get(f"{tour.examples.origin}/{name}", timeout=5)
        assert answer.status_code == 200 and "default-src 'self'" in answer.headers["Content-Security-Policy"]
        # Nothing of another host, no script and no style in the page.
        assert not re.search(r"(src|href)=.?(https?:)?//", answer.text) and " style=" not in answer.text and "<script>" not in answer.text
    for path in ("/../Makefile", "/%2e%2e/Makefile", "//etc/passwd", "/shared/../../Makefile"):
        assert "PYTHON" not in requests.get(tour.examples.origin + path, timeout=5).text
    for query in ("", "?id=ann", "?name=Ann", "?id=a%20b&name=Ann", f"?id={'x' * 41}&name=Ann"):
        assert requests.get(f"{tour.examples.origin}/token{query}", timeout=5).status_code == 400


def test_each_has_a_page_to_read() -> None:
    for name in EXAMPLES:
        text = (REPOSITORY / "examples" / name / "README.md").read_text()
        assert text.startswith("# ") and 10 <= len(text.splitlines()) <= 50, f"{name}: one screen"


def test_the_configuration_is_valid_and_has_the_key_of_the_server() -> None:
    done = carillon("check", str(CONFIGURATION))
    assert done.returncode == 0, done.stdout + done.stderr
    from serve import SECRET
    assert yaml.safe_load(CONFIGURATION.read_text())["auth"]["keys"] == [{"secret": SECRET}]


def test_the_server_needs_nothing_but_python(tmp_path: Path) -> None:
    """As the README says it: the pages are there, and say where to look."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(REPOSITORY / "examples/serve.py"), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True,
        cwd=tmp_path)  # fmt: skip
    try:
        assert process.stdout
        address = process.stdout.readline().split()[-1]
        assert requests.get(f"{address}config.json", timeout=5).json()["address"] == "127.0.0.1:8000"
    finally:
        process.terminate()
        process.wait(10)
