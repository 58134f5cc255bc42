"""The examples, driven: two browsers behind a balancer, on different nodes, and what one does the other one sees."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from .browser import Chromium
from .cluster import Cluster
from .fleet import Check
from .node import DEFAULTS
from .process import REPOSITORY
from .tabs import MEDIA_FLAGS, Tab
from .waiting import until

sys.path.insert(0, str(REPOSITORY / "examples"))
from serve import Examples  # noqa: E402 - it is found only now

__all__ = ["EXAMPLES", "Examples", "Tour", "configuration"]

#: Their names, which are those of their folders.
EXAMPLES = ["chat", "call", "broadcast", "conference", "ticker"]
CONFIGURATION = REPOSITORY / "examples/carillon.yaml"

#: Whether the picture of a canvas is more than one colour.
PAINTED = """(canvas => {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data, seen = new Set()
    for (let at = 0; at < pixels.length; at += 4 * 997) seen.add(pixels[at] << 16 | pixels[at + 1] << 8 | pixels[at + 2])
    return seen.size > 1 })"""


def configuration() -> dict[str, Any]:
    """What the examples need of a node besides its addresses and origins: that of examples/carillon.yaml."""
    wanted = yaml.safe_load(CONFIGURATION.read_text())
    return {"auth": wanted["auth"], "channels": wanted["channels"] + DEFAULTS["channels"], "limits": {"publish_rate": 1000}}


class Tour:
    """Two browsers, the server of the pages and the cluster."""

    def __init__(self, examples: Examples, cluster: Cluster, directory: Path) -> None:
        self.examples = examples
        self.cluster = cluster
        self.browsers = [Chromium(directory / f"browser-{name}", flags=MEDIA_FLAGS) for name in ("left", "right")]
        self._tabs: list[Tab] = []

    def start(self) -> "Tour":
        for browser in self.browsers:
            browser.start(self.examples.origin + "/", loaded="document.querySelectorAll('.cards a').length == 5")
        return self

    def stop(self) -> None:
        for browser in self.browsers:
            browser.stop()

    def run(self, tell: Callable[[Check], None]) -> None:
        """Each example, one after the other; the next one goes on when one fails."""
        for name in EXAMPLES:
            problem = None
            try:
                said = getattr(self, name)()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is told
                said, problem = "it works", f"{type(error).__name__}: {error}"
            tell(Check(f"{name}: {said}", problem))

    # Tabs

    @contextmanager
    def visit(self, *places: tuple[int, str]) -> Iterator[list[Tab]]:
        """Opens pages, each in the left browser (0) or the right one (1). When all is done, none has complained or asked elsewhere."""
        tabs = [self.open(browser, path) for browser, path in places]
        mine = list(tabs)
        self._tabs = mine
        try:
            yield tabs
            for tab in mine:
                tab.evaluate("1")
                assert tab.hosts <= {"127.0.0.1"}, f"{tab.url} asked {tab.hosts}"
                # Chromium reports what fails while there is no network.
                errors = [error for error in tab.errors if "ERR_INTERNET_DISCONNECTED" not in error]
                assert not errors, f"{tab.url}: {errors}"
        finally:
            for tab in mine:
                tab.close()
            self._tabs = []

    def open(self, browser: int, path: str) -> Tab:
        tab = Tab(self.browsers[browser], self.examples.origin + path)
        self._tabs.append(tab)
        return tab

    def leave(self, tab: Tab) -> None:
        """Closes a tab before the others."""
        self._tabs.remove(tab)
        tab.close()

    def connected(self, tab: Tab, name: str, others: list[str] | None = None) -> str:
        """The node of a page's client, which is none of the others: else it connects again, to where the balancer thinks best."""
        def look() -> str | None:
            node = tab.evaluate(f"window.{name}?.client.state == 'connected' && {name}.client.node")
            if node and node in (others or []):
                tab.evaluate(f"{name}.client.reconnect()")
                return None
            return node or None

        return until(look, f"{tab.url} is connected to another node than {others}", 30)

    def nodes_of(self, user: str, channel: str) -> set[str]:
        """Where a user has a connection of the raw dialect that is subscribed to a channel."""
        api = self.cluster.running[0].api
        return {one["node"] for one in api.connections(channel=channel) if one.get("user") == user and one["dialect"] == "raw"}

    # The examples

    def chat(self) -> str:
        room = f"tour-{uuid.uuid4().hex[:6]}"
        with self.visit((0, f"/chat/#{room}"), (1, f"/chat/#{room}")) as (ann, bob):
            first = self.connected(ann, "chat")
            self.connected(bob, "chat", [first])
            for tab, name in ((ann, "Ann <b>"), (bob, "Bob")):
                tab.evaluate(f"$name = document.getElementById('name'); $name.value = {json.dumps(name)}; $name.dispatchEvent(new Event('change'))")
                self.connected(tab, "chat", [first] if tab is bob else None)
            self.connected(bob, "chat", [self.connected(ann, "chat")])
            said = "[...document.querySelectorAll('#messages li:not(.waiting) p')].map(line => line.textContent)"
            people = "[...document.querySelectorAll('#people li span:last-child')].map(line => line.textContent.replace(' (you)', '')).sort().join()"

            def say(tab: Tab, text: str) -> None:
                tab.evaluate(f"document.getElementById('words').value = {json.dumps(text)}; document.getElementById('say').requestSubmit()")

            say(ann, "Hello, <i>Bob</i>")
            bob.until(f"{said}.join() == 'Hello, <i>Bob</i>'", "Bob reads what Ann wrote")
            assert bob.evaluate("document.querySelector('#messages b').textContent") == "Ann <b>"
            for tab in (ann, bob):
                tab.until(f"{people} == 'Ann <b>,Bob'", "both see who is here")
            bob.evaluate("document.getElementById('words').value = 'H'; document.getElementById('words').dispatchEvent(new Event('input'))")
            ann.until("document.getElementById('typing').textContent == 'Bob is typing …'", "Ann sees that Bob is typing")
            bob.go_offline(True)
            bob.until("chat.client.state == 'offline'", "Bob has no network")
            for number in range(5):
                say(ann, f"while you were away {number}")
            ann.until(f"{said}.length == 6", "Ann reads her own")
            say(bob, "written without a network")
            bob.go_offline(False)
            expected = ["Hello, <i>Bob</i>", *(f"while you were away {number}" for number in range(5)), "written without a network"]
            for tab in (ann, bob):
                tab.until(f"{said}.length == 7", "everything is there")
                assert tab.evaluate(said) == expected and not tab.evaluate("document.querySelector('.note')")
            late = self.open(0, f"/chat/#{room}")
            late.until(f"{said}.length == 7", "who comes later reads what was said")
            assert late.evaluate(said) == expected
        return "messages, names, typing and who is here on another node; history for who comes late; nothing is lost without a network"

    def call(self) -> str:
        room = f"tour-{uuid.uuid4().hex[:6]}"
        path = f"/call/?width=320#{room}"
        with self.visit((0, path), (1, path)) as (left, right):
            self.connected(right, "call", [self.connected(left, "call")])
            for tab in (left, right):
                self._sees(tab, "call", 1)
                tab.until("document.getElementById('other').videoWidth > 0", "the picture is shown")
            third = self.open(0, path)
            third.until("document.getElementById('hint').textContent.startsWith('Two are talking')", "a third one has to wait")
            self.leave(left)
            for tab in (third, right):
                self._sees(tab, "call", 1)
        return "pictures and sound between two browsers on different nodes; a third one waits, and is next"

    def _sees(self, tab: Tab, name: str, count: int, seconds: float = 60) -> None:
        """Decodes pictures of so many others, directly from them."""
        tab.until(
            f"Promise.all([...{name}.mesh.peers.values()].filter(({{peer}}) => peer.state == 'connected').map(({{peer}}) => peer.received()))"
            f".then(all => all.length == {count} && all.every(({{frames, bytes}}) => frames > 2 && bytes > 1000))",
            f"{tab.url} sees {count}", seconds)  # fmt: skip

    def broadcast(self) -> str:
        delays = []
        for codecs in ("yes", "no"):
            studio = f"tour-{uuid.uuid4().hex[:6]}"
            path = f"/broadcast/?rate=15&codecs={codecs}#{studio}"
            with self.visit((0, path), (1, path)) as (camera, viewer):
                camera.until("window.broadcast?.link.socket?.readyState == 1", "the camera's page is connected")
                self._apart(camera, viewer, f"camera:{studio}")
                camera.evaluate("document.getElementById('live').click()")
                viewer.until("broadcast.view.shown > 20", "pictures come", 60)
                assert viewer.evaluate(f"{PAINTED}(document.getElementById('view'))")
                assert camera.evaluate("broadcast.sending.frames.kind") == ("WebCodecs" if codecs == "yes" else "images")
                viewer.until("document.getElementById('rate').textContent > 0", "the rate is shown")
                delays.append(viewer.evaluate("broadcast.view.delay.p50"))
                viewer.until("document.getElementById('watching').textContent == '1'", "the audience is counted")
                camera.evaluate("document.getElementById('live').click()")
                late = self.open(0, path)
                late.until("window.broadcast?.view.shown == 1", "who comes late sees the last picture at once")
                assert late.evaluate(f"{PAINTED}(document.getElementById('view'))")
        return f"a camera's pictures on another node, by WebCodecs after {max(0, delays[0]):.0f} ms and as images after {max(0, delays[1]):.0f} ms; one at once for who comes late"

    def _apart(self, one: Tab, other: Tab, channel: str) -> None:
        users = [tab.until("window.broadcast?.me.id", "the page knows who it is") for tab in (one, other)]

        def look() -> bool:
            first, second = (self.nodes_of(user, channel) for user in users)
            if first and second and first == second:
                other.evaluate("broadcast.link.socket.close()")
            return bool(first and second and not first & second)

        until(look, "the balancer gave the two different nodes", 30)

    def conference(self) -> str:
        room = f"tour-{uuid.uuid4().hex[:6]}"
        path = f"/conference/?seats=2#{room}"
        with self.visit((0, path), (1, path)) as (left, right):
            self.connected(right, "conference", [self.connected(left, "conference")])
            for tab in (left, right):
                self._sees(tab, "conference", 1)
            third = self.open(0, path)
            third.until("window.conference?.watched.size == 2 && !conference.isSeated", "a third one watches")
            third.until("[...conference.watched.values()].every(({view}) => view.shown > 5)", "it sees both", 60)
            assert third.evaluate(f"[...document.querySelectorAll('.tile canvas')].filter({PAINTED}).length") == 2
            self.leave(left)
            third.until("conference.isSeated", "it sits down when somebody leaves")
            for tab in (third, right):
                self._sees(tab, "conference", 1)
        return "those at the table see each other; one more sees both as broadcasts, and sits down when somebody leaves"

    #: Six cameras, thirty streams and as many decoders share two cores with the cluster.
    FULL_TABLE_SECONDS = 180

    def full_table(self) -> str:
        """As many as the page takes, in both browsers: each sees the five others. The seventh watches, until somebody leaves."""
        path = f"/conference/?width=160#tour-{uuid.uuid4().hex[:6]}"
        with self.visit(*[(number % 2, path) for number in range(6)]) as tabs:
            for tab in tabs:
                tab.until("window.conference?.roster.members.size == 6 && conference.isSeated", "six sit at the table", self.FULL_TABLE_SECONDS)
            assert len({tab.evaluate("conference.client.node") for tab in tabs}) > 1, "the balancer spreads them over nodes"
            for tab in tabs:
                self._sees(tab, "conference", 5, self.FULL_TABLE_SECONDS)
                assert tab.evaluate("document.getElementById('who').textContent") == "6 at the table"
            assert not any(tab.evaluate("conference.watched.size") for tab in tabs), "nobody sends broadcasts that nobody watches"
            seventh = self.open(0, path)
            seventh.until("window.conference?.watched.size == 6 && !conference.isSeated", "the seventh one watches all six", 60)
            assert seventh.evaluate("conference.mesh.peers.size") == 0, "the mesh does not grow"
            seventh.until("[...conference.watched.values()].every(({view}) => view.shown > 3)", "it sees all six", self.FULL_TABLE_SECONDS)
            for tab in tabs:
                tab.until("document.getElementById('who').textContent == '6 at the table, 1 watching'", "those at the table know of it")
                assert tab.evaluate("conference.mesh.peers.size") == 5
            self.leave(tabs[0])
            seventh.until("conference.isSeated && conference.watched.size == 0", "it sits down when somebody leaves", 60)
            for tab in [seventh, *tabs[1:]]:
                self._sees(tab, "conference", 5, self.FULL_TABLE_SECONDS)
        return "six see each other, a seventh sees all six"

    def ticker(self) -> str:
        with self.visit((0, "/ticker/"), (1, "/ticker/")) as tabs:
            for tab in tabs:
                tab.until("window.ticker?.received > 200 && ticker.drawn > 20", "prices come")
                tab.until("document.querySelectorAll('#prices tr').length == 5 && Number(document.getElementById('received').textContent) > 30", "they are shown")
            rate = tabs[0].evaluate("document.getElementById('received').textContent")
        return f"{rate} publications a second, and the page draws the newest"
