"""What README shows works as it is shown."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rig.browser import Chromium, PageServer
from rig.node import Node
from rig.process import REPOSITORY
from rig.waiting import until

README = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_snippet_for_pages_works_on_a_page(tmp_path: Path, page: PageServer, browser: Chromium) -> None:
    assert "CARILLON_CLIENT_ORIGINS=http://localhost:3000" in README
    node = Node("node", tmp_path)
    # As README says: the origin of the page, by the environment.
    node.start(CARILLON_CLIENT_ORIGINS=page.origin)
    try:
        (snippet,) = [block for block in blocks("js") if "new EventSource" in block]
        code = snippet.replace("localhost:8000", node.client).replace("const ", "window.readme_")
        browser.evaluate("window.readme_log = []; console.log = text => readme_log.push(text); 0")
        names = re.findall(r"window\.readme_(\w+) =", code)
        for name in names:
            code = re.sub(rf"^{name}\.", f"readme_{name}.", code, flags=re.MULTILINE)
        browser.evaluate(code + "; 0")
        until(lambda: node.api.subscribers("news") == 2, "both are subscribed")
        node.api.publish("news", text="good morning")
        until(lambda: browser.evaluate("readme_log") == ["good morning"] * 2, "both have it")
        browser.evaluate("readme_socket.close(); readme_events.close(); 0")
    finally:
        node.stop()


def test_the_configuration_is_right(tmp_path: Path, start_node: Any) -> None:
    node = start_node()
    (text,) = blocks("yaml")
    file = tmp_path / "readme.yaml"
    file.write_text(text)
    done = subprocess.run(
        [str(node.program), "check", str(file)], capture_output=True, text=True, timeout=30, check=False,
        env={"CARILLON_JWT_SECRET": "0123456789abcdef0123456789abcdef"})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_python_hears_what_python_publishes(node: Node) -> None:
    listening, publishing = blocks("python")
    listener = subprocess.Popen(
        [sys.executable, "-u", "-c", listening.replace("127.0.0.1:8000", node.client)], stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: node.api.subscribers("news") == 1, "it is subscribed")
        subprocess.run([sys.executable, "-c", publishing.replace("127.0.0.1:8001", node.admin)], check=True, timeout=30)
        assert json.loads(listener.stdout.readline()) == {"n": 1}
    finally:
        listener.kill()
        listener.communicate()


@pytest.mark.parametrize("command", re.findall(r"^    (?:\.build/release/carillon|CARILLON_\w+=\S+ \.build/release/carillon) ([a-z]+)", README, re.MULTILINE))
def test_commands_exist(node: Node, command: str) -> None:
    done = subprocess.run([str(node.program), command, "--help"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 and "USAGE" in done.stdout
