"""The page of the admin listener, in a browser: what it serves, the token, and each of its views."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
import yaml

from rig import forgery
from rig.node import merged
from rig.page import AdminPage, policy
from rig.process import REPOSITORY
from rig.stage import HOSTILE, Stage, quoted
from rig.waiting import until
from rig.wire import TEXT, frame

TOKEN = "a-token-for-tests"
FILES = REPOSITORY / "Sources/Node/Admin/Page"


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Any]:
    started: list[AdminPage] = []

    def visit(node: Any, end: str = "") -> AdminPage:
        started.append(AdminPage(tmp_path / f"browser-{len(started)}", node, end))
        return started[-1]

    yield visit
    for page in started:
        page.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster for tests that leave it as it is."""
    stage = Stage(tmp_path_factory.mktemp("stage"))
    try:
        yield stage.start().populate().play()
    finally:
        stage.stop()


@pytest.fixture(scope="module")
def shared_page(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminPage]:
    page = AdminPage(tmp_path_factory.mktemp("page"), stage.first)
    yield page
    page.stop()


@pytest.fixture
def page(shared_page: AdminPage) -> AdminPage:
    """One browser for all of them, at the overview, in a large window."""
    shared_page.browser.show_as(1280, 900)
    shared_page.go("#/overview", "The last ten minutes")
    return shared_page


# What is served


def test_each_file_has_its_type_and_is_asked_for_again_only_when_it_changed(start_node: Any) -> None:
    node = start_node()
    types = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".html": "text/html; charset=utf-8"}
    names = [path.name for path in FILES.iterdir()]
    assert len(names) > 10
    for name in names:
        address = f"http://{node.admin}/" + ("" if name == "index.html" else f"page/{name}")
        reply = requests.get(address, timeout=5)
        assert (reply.status_code, reply.content) == (200, (FILES / name).read_bytes()), name
        assert reply.headers["Content-Type"] == types[Path(name).suffix]
        assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["Cache-Control"] == "no-cache"
        tag = reply.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}'):
            again = requests.get(address, headers={"If-None-Match": known}, timeout=5)
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert requests.get(address, headers={"If-None-Match": '"other"'}, timeout=5).status_code == 200
        head = requests.head(address, timeout=5)
        assert head.status_code == 200 and int(head.headers["Content-Length"]) == len(reply.content)
    for name in ("index.html", "nothing.js", "..%2f..%2fetc%2fpasswd", "main.js%00", "MAIN.JS"):
        assert requests.get(f"http://{node.admin}/page/{name}", timeout=5).status_code == 404, name


def test_the_policy_lets_nothing_in(start_node: Any) -> None:
    header = requests.get(f"http://{start_node().admin}/", timeout=5).headers["Content-Security-Policy"]
    allowed = policy(header)
    assert allowed["default-src"] == ["'none'"] and allowed["frame-ancestors"] == ["'none'"] and allowed["base-uri"] == ["'none'"]
    assert allowed["require-trusted-types-for"] == ["'script'"] and allowed["trusted-types"] == ["'none'"]
    for name in ("script-src", "style-src", "connect-src", "img-src"):
        assert allowed[name] == ["'self'"]
    assert "unsafe" not in header and "*" not in header and "http" not in header


def test_the_files_name_no_other_host() -> None:
    for path in FILES.iterdir():
        addresses = set(re.findall(r"https?://[^\s'\"`)]+", path.read_text()))
        # The name of SVG, which nobody asks for.
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name


# Whether it tells the truth about the node, and the token


def test_a_node_that_does_not_answer_is_not_shown_as_good(start_node: Any, visit: Any) -> None:
    node = start_node()
    page = visit(node)
    colour = "getComputedStyle(document.getElementById('summary')).color"
    good = "rgb(23, 105, 47)"
    page.waits(lambda: "1 of 1 node heard" in page.summary and page.run(colour) == good, "shows the node")
    node.pause()
    page.waits(lambda: "does not answer since" in page.summary, "says so", 20)
    assert page.run(colour) != good
    node.resume()
    page.waits(lambda: "1 of 1 node heard" in page.summary and page.run(colour) == good, "shows that it is back", 20)
    node.kill()
    page.waits(lambda: "does not answer since" in page.summary, "says so again", 20)
    assert page.run(colour) != good


def test_the_page_asks_for_the_token(start_node: Any, visit: Any) -> None:
    node = start_node("bell-tower", admin={"token": TOKEN})
    document = requests.get(f"http://{node.admin}/", timeout=5)
    assert document.status_code == 200 and TOKEN not in document.text and node.name not in document.text
    assert requests.get(f"http://{node.admin}/page/main.js", timeout=5).status_code == 200
    for path in ("/api/v1/cluster", "/metrics", "/api/v1/config"):
        assert requests.get(f"http://{node.admin}{path}", timeout=5).status_code == 401
    page = visit(node)
    page.waits(lambda: "wants a token" in page.summary, "asks")
    assert page.run("!document.getElementById('login').hidden && document.getElementById('view').hidden")

    def give(token: str) -> None:
        page.run("document.getElementById('token').focus()")
        page.browser.type(token)
        page.browser.press("Enter")

    give("wrong")
    page.waits(lambda: "not right" in page.summary, "refuses a wrong token")
    give(TOKEN)
    page.waits(lambda: "1 of 1 node heard" in page.summary, "shows the node")
    assert page.run("document.getElementById('login').hidden && !document.getElementById('view').hidden")
    # For this tab: a reload keeps it, and it is in no address.
    page.run("location.reload()")
    page.waits(lambda: "1 of 1 node heard" in page.summary, "still knows it")
    assert page.run("location.href") == f"http://{node.admin}/"
    assert page.run("localStorage.length + document.cookie.length") == 0
    # Event streams are read with it too, which EventSource could not.
    page.go("#/config", "limits.message_bytes")


def test_the_token_may_come_with_the_address(start_node: Any, visit: Any) -> None:
    node = start_node(admin={"token": TOKEN})
    page = visit(node, f"#token={TOKEN}")
    page.waits(lambda: "1 of 1 node heard" in page.summary, "shows the node")
    assert TOKEN not in page.run("location.href")


# The views


def test_the_overview_shows_lines_of_each_node_and_of_all(stage: Stage, page: AdminPage) -> None:
    page.shows("3 of 3 nodes heard", "#summary")
    assert page.run("document.getElementById('summary').dataset.state") == "good"
    measures = page.run("[...document.querySelectorAll('[data-metric]')].map(row => row.querySelector('h3').textContent)")
    assert measures == ["Sessions", "Publications/s", "Deliveries/s", "Backlog", "Round trip"]
    sessions = str(sum(stage.first.api.sessions_by_node().values()))
    page.waits(lambda: page.text("[data-metric=sessions] .metric-now") == sessions, f"shows {sessions} sessions")
    page.waits(lambda: float(page.text("[data-metric=publications] .metric-now")) > 5, "shows what is published")

    def drawn() -> bool:
        return page.run("[...document.querySelectorAll('[data-metric]')].every(row => row.querySelectorAll('path.node').length === 3 && row.querySelector('path.all').getAttribute('d').length > 20)")

    page.waits(drawn, "draws a line for each node, and one for all, in each row")
    names = page.run("[...document.querySelectorAll('.legend li')].map(entry => entry.textContent)")
    assert names == ["all nodes", "node-1", "node-2", "node-3"]
    # Without lines of nodes, and the other way round; the address says so.
    page.go("#/overview?lines=sum")
    page.waits(lambda: page.count("path.node") == 0 and page.count("path.all") == 5, "shows the sum only")
    page.go("#/overview?lines=nodes")
    page.waits(lambda: page.count("path.node") == 15 and page.count("path.all") == 0, "shows the nodes only")
    # Values of another time.
    page.go("#/overview")
    page.run("document.querySelector('.charts').focus()")
    page.browser.press("ArrowLeft")
    page.waits(lambda: page.text("[data-metric=sessions] .metric-per").startswith("at "), "shows another second")
    page.browser.press("Escape")
    page.waits(lambda: page.text("[data-metric=sessions] .metric-per") == "", "shows now again")
    assert page.column("Nodes", "Node") == ["node-1", "node-2", "node-3"]
    # What happened, newest first, and on the axis of time.
    assert any("has joined" in line for line in page.run("[...document.querySelectorAll('#events li')].map(line => line.textContent)"))
    times = page.run("[...document.querySelectorAll('#events time')].map(time => time.dateTime)")
    assert times == sorted(times, reverse=True)
    assert page.count(".lane path.event") > 0


def test_the_lines_are_there_when_the_page_is_opened(stage: Stage, visit: Any) -> None:
    """The nodes keep the last ten minutes; the page did not have to be open."""
    samples = len(until(lambda: [n for n in stage.first.api.get("/api/v1/series")["nodes"] if len(n["sessions"]) > 5], "some seconds")[0]["sessions"])
    page = visit(stage.first)
    length = "document.querySelector('[data-metric=sessions] path.all').getAttribute('d').match(/[ML]/g).length"
    page.waits(lambda: page.run(length) >= samples, f"draws {samples} seconds at once", 3)


def test_what_happens_is_on_the_overview(tmp_path: Path, visit: Any) -> None:
    stage = Stage(tmp_path, 2)
    try:
        stage.start()
        page = visit(stage.first)
        page.shows("2 of 2 nodes heard", "#summary")
        stage.cluster.redis.pause()
        page.waits(lambda: "isolated" in page.summary and page.run("document.getElementById('summary').dataset.state") == "bad", "says it", 20)
        page.shows("isolated", "#events")
        page.waits(lambda: page.count(".lane path.event.error") > 0 and page.count("[data-metric=sessions] line.event-line.error") > 0, "marks when it was")
        page.go("#/links")
        page.waits(lambda: any(state == "isolated" for state in page.column("Links to", "State")), "shows the link")
        stage.cluster.redis.resume()
        page.waits(lambda: page.column("Links to", "State") == ["linked", "linked"], "shows that it is back", 20)
        stage.nodes[1].kill()
        page.waits(lambda: "not heard" in page.summary, "shows that a node is away", 20)
        page.go("#/nodes")
        page.waits(lambda: len(page.cells("All nodes")) == 1, "forgets it", 30)
    finally:
        stage.stop()


def test_nodes_and_one_of_them(stage: Stage, page: AdminPage) -> None:
    page.go("#/nodes", "node-3")
    rows = page.waits(lambda: [row for row in page.cells("All nodes") if row["State"] == "serving" and row["Round trip"] != "–"], "shows the nodes")
    assert [row["Node"] for row in rows] == ["node-1 (this one)", "node-2", "node-3"]
    assert all(re.fullmatch(r"\d+ (µs|ms)|[\d.]+ ms", row["Round trip"]) for row in rows)
    assert not page.count(".differs")
    second = stage.nodes[1]
    for address in (second.id, second.name):
        page.go(f"#/nodes/{address}", "The last ten minutes")
        facts = page.waits(lambda: page.facts() if page.facts().get("Id") == second.id else None, "shows the node")
        assert facts["State"] == "serving" and second.client in facts["Clients at"]
        assert facts["Sessions"] == str(stage.first.api.sessions_by_node()[second.id])
    link = page.facts(".link-facts dl")
    assert link["State"] == "linked" and link["Role"] == "master" and str(stage.cluster.redis.port) in link["Server"]
    assert {"Publications healed", "Losses told", "Connections lost"} <= link.keys()
    page.go("#/nodes/nobody", "No node of the cluster")


def test_a_version_that_differs_is_pointed_out(tmp_path: Path, visit: Any) -> None:
    stage = Stage(tmp_path, 2)
    try:
        stage.start()
        server = redis.Redis.from_url(stage.cluster.redis.url)
        page = visit(stage.first, "#/nodes")

        def beat() -> bool:
            server.publish("carillon:beat", forgery.beat(0x1234, forgery.summary("1"), "older"))
            return "The nodes are of 2 versions" in page.text() and page.text(".differs") == "9 – differs"

        page.waits(beat, "points it out")
        assert "versions" in page.summary
    finally:
        stage.stop()


def test_a_configuration_that_differs_is_pointed_out(tmp_path: Path, visit: Any) -> None:
    stage = Stage(tmp_path, 3)
    try:
        stage.start()
        page = visit(stage.first, "#/nodes")
        page.waits(lambda: len({row["Configuration"] for row in page.cells("All nodes")}) == 1 and len(page.cells("All nodes")) == 3, "shows that they are the same")
        assert "differ" not in page.text()
        second = stage.nodes[1]
        second.configuration = merged(second.configuration, {"limits": {"publish_rate": 4321}})
        second.file.write_text(yaml.safe_dump(second.configuration))
        assert second.api.request("POST", "/api/v1/config/reload").status_code == 200
        page.waits(lambda: [row["Configuration"].endswith("– differs") for row in page.cells("All nodes")] == [False, True, False], "points it out")
        rows = page.waits(lambda: page.cells("Keys that differ"), "names the keys")
        assert [(row["Key"], row["Value"], row["On"]) for row in rows] == [
            ("limits.publish_rate", "0", "node-1, node-3"), ("limits.publish_rate", "4321", "node-2")]
        assert "node-2 has another configuration" in page.summary
        page.go(f"#/nodes/{second.id}", "The last ten minutes")
        page.waits(lambda: page.facts().get("Configuration", "").endswith("– other nodes differ"), "says it of the node")
        # And nothing of it is left when it is over.
        page.go("#/nodes", "Configurations that differ")
        del second.configuration["limits"]["publish_rate"]
        second.configuration = merged(second.configuration, {"limits": {"publish_rate": 0}})
        second.file.write_text(yaml.safe_dump(second.configuration))
        assert second.api.request("POST", "/api/v1/config/reload").status_code == 200
        page.waits(lambda: "differ" not in page.text() and "All 3 nodes" in page.summary, "takes it away")
        assert page.barriers() == [] and page.complaints() == []
    finally:
        stage.stop()


def test_a_node_is_drained_and_put_back_after_a_question(tmp_path: Path, visit: Any) -> None:
    stage = Stage(tmp_path, 2, drain={"wait": "0s", "window": "0s"})
    try:
        stage.start()
        client = stage.raw(["news"], 1)
        page = visit(stage.first, f"#/nodes/{stage.nodes[1].id}")
        page.waits(lambda: page.facts().get("Sessions") == "1", "shows the session")
        page.press("Drain…", "#view")
        page.shows("Drain node node-2?", "dialog")
        question = page.text("dialog")
        assert "Its 1 session is told" in question and "stops accepting clients" in question and "1 other node that serves now has" in question and "audit log" in question
        # The first button is the one that does nothing.
        assert page.run("document.activeElement.textContent") == "Cancel"
        page.browser.press("Enter")
        page.waits(lambda: page.count("dialog") == 0, "takes the question away")
        assert page.run("document.activeElement.textContent") == "Drain…"
        assert stage.nodes[1].api.readiness() == 200
        page.press("Drain…", "#view")
        page.press("Drain it", "dialog")
        assert client.read_close()[0] == 1001
        page.waits(lambda: page.facts().get("State") == "drained" and stage.nodes[1].api.readiness() == 503, "shows that it is drained")
        page.press("Put it back", "#view")
        page.press("Put it back", "dialog")
        page.waits(lambda: page.facts().get("State") == "serving" and stage.nodes[1].api.readiness() == 200, "shows that it serves")
        # With the only other node drained, the question says what that means.
        stage.first.api.request("POST", f"/api/v1/nodes/{stage.nodes[1].id}/drain")
        page.go(f"#/nodes/{stage.first.id}", "Drain…")
        page.waits(lambda: "drained" in page.summary, "knows that the other one is drained")

        def warns() -> bool:
            """The question is about what the page knows when it is asked."""
            page.press("Drain…", "#view")
            if "clients will find no node at all" in page.text("dialog"):
                return True
            page.browser.press("Escape")
            page.waits(lambda: page.count("dialog") == 0, "takes the question away")
            return False

        page.waits(warns, "warns")
        page.browser.press("Escape")
        page.waits(lambda: page.count("dialog") == 0, "takes the question away")
        assert stage.first.api.readiness() == 200
    finally:
        stage.stop()


def test_channels_are_searched_sorted_and_paged(tmp_path: Path, visit: Any) -> None:
    stage = Stage(tmp_path, 2)
    try:
        stage.start()
        names = [f"page:{number:03}" for number in range(120)]
        for start in range(0, 120, 40):
            stage.raw(names[start : start + 40], start // 40)
        stage.raw(["other", "page:077"], 1)
        stage.raw(["page:077", "page:078"], 1)
        stage.raw(["page:077"], 0)
        until(lambda: stage.first.api.subscribers("page:077") == 4, "everybody is subscribed")
        page = visit(stage.first, "#/channels?prefix=page%3A")
        page.waits(lambda: page.column("Channels", "Channel") == names[:50], "shows the first page")
        page.press("Next page")
        page.waits(lambda: page.column("Channels", "Channel") == names[50:100], "shows the second")
        shared = page.run("location.href")
        page.press("Next page")
        page.waits(lambda: page.column("Channels", "Channel") == names[100:], "shows the last")
        assert page.run("[...document.querySelectorAll('.pager button')].map(button => button.disabled)") == [False, False, True]
        page.press("Previous page")
        page.waits(lambda: page.column("Channels", "Channel") == names[50:100], "shows the second again")
        page.press("First page")
        page.waits(lambda: page.column("Channels", "Channel") == names[:50], "shows the first again")
        # The address is the place.
        other = visit(stage.first, shared.partition("/#")[2] and "#" + shared.partition("#")[2])
        other.waits(lambda: other.column("Channels", "Channel") == names[50:100], "shows what somebody else looked at")
        page.fill("Begins with", "oth")
        page.press("Search")
        page.waits(lambda: page.column("Channels", "Channel") == ["other"], "searches")
        assert page.run("location.hash") == "#/channels?prefix=oth"
        page.fill("Begins with", "nobody")
        page.press("Search")
        page.shows("No channel with subscribers has such a name.")
        # By subscribers, from the header of the column.
        page.go("#/channels?prefix=page%3A")
        page.press("Subscribers", "#view table")
        page.waits(lambda: page.column("Channels", "Channel")[:2] == ["page:077", "page:078"], "sorts")
        assert page.column("Channels", "Subscribers")[:3] == ["4", "2", "1"] and page.column("Channels", "Nodes")[0] == "2"
        assert page.run("document.querySelector('th[aria-sort]').textContent") == "Subscribers"
        # By publications.
        page.go("#/channels?sort=rate")

        def published() -> bool:
            for _ in range(5):
                stage.first.api.publish("page:100", data=1)
            return page.column("Channels", "Channel")[:1] == ["page:100"]

        page.waits(published, "sorts by publications", 30)
    finally:
        stage.stop()


def test_one_channel(stage: Stage, page: AdminPage) -> None:
    page.go("#/channels/chat%3Alobby", "Subscribers by node")
    page.waits(lambda: page.facts().get("Subscribers") == "8", "shows the subscribers")
    facts = page.facts()
    assert facts["Dialects"] == "centrifuge 8" and facts["Rule"] == "chat:*" and facts["Nodes heard"] == "3 of 3"
    assert facts["History"] == "100 publications for 10 min" and facts["Presence"] == "kept"
    rows = page.cells("Subscribers by node")
    assert sorted(row["Subscribers"] for row in rows) == ["2", "3", "3"] and all(row["Dialects"].startswith("centrifuge ") for row in rows)
    members = page.cells("Members")
    assert sorted(row["User"] for row in members) == ["ann", "bob", "cleo", "dan", "eve", "finn", "gus", "hana"]
    assert any('"Ann"' in row["Info"] for row in members)
    page.shows("8 sessions of 8 users.")
    # One without either.
    page.go("#/channels/news", "The channel has no history.")
    page.shows("The channel has no presence.")


def test_history_shows_payloads_as_what_they_are(stage: Stage, page: AdminPage) -> None:
    api = stage.first.api
    channel = "chat:payloads"
    assert api.post_publication({"channel": channel, "text": "not on the first page"}).status_code == 200
    for number in range(16):
        api.publish(channel, data={"n": number})
    api.request("POST", "/api/v1/publish", data=f'{{"channel":"{channel}","data":{{"price":1.50,"id":12345678901234567890,"list":[]}}}}', headers={"Content-Type": "application/json"})
    api.publish(channel, binary=bytes([0, 1, 0x41, 0x42, 0xFF]) + bytes(400))
    api.publish(channel, text="long " * 1000)
    api.publish(channel, text="<b>bold</b>\u202e")
    page.go(f"#/channels/{quoted(channel)}", "Older ones")
    texts = page.run("[...document.querySelectorAll('.publication pre')].map(pre => pre.textContent)")
    assert len(texts) == 20
    assert texts[0] == "<b>bold</b>⟨U+202E⟩" and page.count(".publication b") == 0
    assert texts[1] == ("long " * 1000)[:2000]
    assert re.match(r"0000  00 01 41 42 ff 00 .*  \.\.AB\.\.", texts[2]) and len(texts[2].splitlines()) == 16
    # As it was published, number for number.
    assert texts[3] == '{\n  "price": 1.50,\n  "id": 12345678901234567890,\n  "list": []\n}'
    page.press("Show all of it", ".publication:nth-child(2)")
    assert page.run("document.querySelector('.publication:nth-child(2) pre').textContent.length") == 5000
    page.press("Show all of it", ".publication:nth-child(3)")
    assert page.run("document.querySelector('.publication:nth-child(3) pre').textContent.split('\\n').length") == 26
    page.press("Older ones")
    page.waits(lambda: page.count(".publication") == 21, "reads what is older")
    assert page.run("document.querySelector('.publication:last-child pre').textContent") == "not on the first page"


def test_publishing_from_the_page(stage: Stage, page: AdminPage) -> None:
    wire = stage.raw(["typed"], 2)
    until(lambda: stage.first.api.subscribers("typed") == 1, "it is subscribed")
    page.go("#/channels/typed", "Publish")

    def publish(kind: str, text: str, says: str) -> None:
        page.fill("Kind", kind)
        page.fill("Payload", text)
        page.press("Publish")
        page.shows(says)

    publish("data", '{"price": 1.50}', "Published.")
    assert wire.read_frame() == (TEXT, b'{"price": 1.50}')
    publish("data", "{no json", "This is not JSON")
    publish("text", "words", "Published.")
    assert wire.read_frame() == (TEXT, b"words")
    publish("base64", base64.b64encode(b"\x00\xff").decode(), "Published.")
    assert wire.read_frame() == (2, b"\x00\xff")
    publish("base64", "no base64!", "'base64' has to be base64")
    page.go("#/channels/chat%3Atyped", "Publish")
    publish("text", "stored", "Published at ")
    assert stage.first.api.get("/api/v1/channels/chat:typed/history")["publications"][0]["text"] == "stored"


def test_a_channel_is_watched_live(stage: Stage, page: AdminPage) -> None:
    # On another node than the one that serves the page.
    api = stage.nodes[2].api
    page.go("#/channels/watched", "Live tail")
    tail = "#view section:nth-of-type(2)"
    page.press("Start", tail)
    page.shows("Listening", tail)
    seen: list[str] = []

    def comes() -> bool:
        # The tail may not be there yet when the first is published.
        if not seen:
            api.publish("watched", text="first")
        seen[:] = page.run("[...document.querySelectorAll('.flow li.publication pre')].map(pre => pre.textContent)")
        return bool(seen)

    page.waits(comes, "shows a publication")
    api.publish("watched", data={"n": 7})
    api.publish("watched", binary=b"\xfe\x00")
    page.waits(lambda: page.run("document.querySelector('.flow li.publication pre').textContent").startswith("0000  fe 00"), "shows the newest first")
    assert page.run("document.querySelectorAll('.flow li.publication pre')[1].textContent") == '{\n  "n": 7\n}'
    page.press("Stop", tail)
    page.shows("Stopped.", tail)
    # It is not subscribed any more: nobody pays for it.
    until(lambda: stage.first.api.subscribers("watched") == 0, "nobody is subscribed")


def test_connections_are_searched_and_sorted(stage: Stage, page: AdminPage) -> None:
    page.go("#/connections?user=ann", "ann")
    page.waits(lambda: page.column("Connections", "User") == ["ann"], "finds a user")
    assert page.cells("Connections")[0]["Dialect"] == "centrifuge" and page.cells("Connections")[0]["Node"] == "node-1"
    page.go("#/connections")
    page.fill("Channel", "scores:4")
    page.press("Search")
    page.waits(lambda: len(page.cells("Connections")) == 2 and all("scores:4" in row["Channels"] for row in page.cells("Connections")), "finds a channel's")
    assert page.run("location.hash") == "#/connections?channel=scores%3A4"
    page.go("#/connections")
    page.fill("Node", stage.nodes[1].id)
    page.waits(lambda: set(page.column("Connections", "Node")) == {"node-2"}, "finds a node's")
    page.go("#/connections")
    page.fill("Dialect", "raw")
    page.waits(lambda: set(page.column("Connections", "Dialect")) == {"raw"}, "finds a dialect's")
    page.go("#/connections?address=127.0.0.1")
    page.waits(lambda: len(page.cells("Connections")) >= 20, "finds an address")
    page.go("#/connections?address=192.0.2.1", "No connection is like this.")
    page.go("#/connections?sort=age")
    page.waits(lambda: page.run("document.querySelector('th[aria-sort]')?.textContent") == "Age" and page.cells("Connections"), "sorts by age")
    page.go("#/connections?sort=dropped")
    page.waits(lambda: page.run("document.querySelector('th[aria-sort]')?.textContent") == "Dropped" and page.cells("Connections"), "sorts by what was dropped")
    page.press("Backlog", "#view table")
    page.waits(lambda: page.run("location.hash") == "#/connections?sort=backlog", "sorts from the header")


def test_one_connection_is_shown_traced_and_closed(stage: Stage, page: AdminPage) -> None:
    # On another node than the one that serves the page.
    client = stage.member("zoe", ["chat:trace", "traced"], 1, info={"name": "Zoe"})
    wire = stage.raw(["traced"], 2)
    page.go(f"#/connections/{client.id}", "Subscriptions")
    page.waits(lambda: page.facts().get("User") == "zoe", "shows the connection")
    facts = page.facts()
    assert facts["Node"] == "node-2" and facts["Dialect"] == "centrifuge" and facts["Transport"] == "websocket" and "Zoe" in facts["Info"]
    assert page.column("Subscriptions", "Channel") == ["chat:trace", "traced"] and set(page.column("Subscriptions", "Confirmed")) == {"yes"}

    trace = "#view section:last-of-type"
    page.press("Start", trace)
    page.shows("Listening", trace)

    def spoken() -> bool:
        client.command("publish", channel="traced", data={"said": "by zoe"})
        wire.send(frame(b"for zoe"))
        lines = page.run("[...document.querySelectorAll('.flow li')].map(line => line.className + ' ' + line.textContent)")
        return any(line.startswith("in ") and "by zoe" in line for line in lines) and any(line.startswith("out ") and "for zoe" in line for line in lines)

    page.waits(spoken, "shows both directions")
    page.press("Stop", trace)

    # Another one of the same user; the first is closed alone.
    second = stage.member("zoe", [], 0)
    page.press("Close it…")
    page.shows("Close this connection?", "dialog")
    assert "4000" in page.text("dialog") and "node-2" in page.text("dialog")
    page.press("Cancel", "dialog")
    page.waits(lambda: page.count("dialog") == 0, "takes the question away")
    assert client.closed is None
    page.press("Close it…")
    page.press("Close it", "dialog")
    until(lambda: client.closed and "4000" in client.closed, "it is closed")
    page.shows("The connection is closed.")
    assert second.closed is None
    page.go(f"#/connections/{second.id}", "zoe")
    page.press("Close all of its user…")
    page.shows("Close all connections of zoe?", "dialog")
    page.press("Close all", "dialog")
    until(lambda: second.closed and "4000" in second.closed, "it is closed too")
    page.shows("1 connection closed.")
    page.go(f"#/connections/{'0' * 64}", "")
    assert "Close it" not in page.text()


def test_the_links_are_those_to_redis(stage: Stage, page: AdminPage) -> None:
    page.go("#/links", f"Redis at 127.0.0.1:{stage.cluster.redis.port}")
    page.shows("Role: master. 3 of 3 nodes linked.")
    rows = page.cells("Links to")
    assert [row["Node"] for row in rows] == ["node-1", "node-2", "node-3"] and {row["State"] for row in rows} == {"linked"}
    # A node that was busy may have read a publication again.
    assert all(row["Healed"].isdigit() for row in rows) and {row["Losses told"] for row in rows} == {"0"}


def test_limits_that_bite_and_slow_consumers(tmp_path: Path, visit: Any) -> None:
    stage = Stage(tmp_path, 2, limits={"message_bytes": 1_000_000, "outbound_bytes": 2_000_000, "publish_rate": 1, "publish_burst": 1})
    try:
        stage.start()
        page = visit(stage.first, "#/limits")
        page.shows("Every connection keeps up.")
        page.shows("No limit has bitten in the last minute.")
        slow = stage.raw(["video:1"], 1, receive_buffer=4096)
        eager = stage.raw(["typed"], 1)
        until(lambda: stage.first.api.subscribers("video:1") == 1, "it is subscribed")

        def bites() -> bool:
            stage.first.api.publish("video:1", text="x" * 500_000)
            eager.send(frame(b"again") * 20)
            return "limits.publish_rate" in page.text() and len(page.cells("Slow consumers")) == 1

        page.waits(bites, "shows both", 30)
        assert page.cells("Slow consumers")[0]["Node"] == "node-2" and page.cells("Slow consumers")[0]["Channels"] == "video:1"
        assert page.run("document.getElementById('summary').dataset.state") == "warn"
        # From a limit to its value.
        page.run("[...document.querySelectorAll('#view a')].find(link => link.textContent === 'limits.publish_rate').click()")
        page.waits(lambda: [row["Value"] for row in page.cells("Configuration") if row["Key"] == "limits.publish_rate"] == ["1"], "shows the key")
        slow.close()
    finally:
        stage.stop()


def test_the_configuration_says_where_its_values_are_from(start_node: Any, visit: Any, tmp_path: Path) -> None:
    node = start_node(admin={"token": TOKEN}, limits={"message_bytes": 12345})
    page = visit(node, f"#token={TOKEN}")
    page.go("#/config", "limits.message_bytes")
    rows = {row["Key"]: row for row in page.cells("Configuration")}
    assert len(rows) > 80 and rows["limits.message_bytes"]["Value"] == "12345"
    assert re.fullmatch(rf"file .*{node.file.name}:\d+", rows["limits.message_bytes"]["From"])
    assert rows["limits.batch_bytes"]["From"] == "default"
    assert TOKEN not in page.text()
    page.fill("Contains", "message_bytes")
    assert page.column("Configuration", "Key") == ["limits.message_bytes"]
    page.fill("Contains", "")
    page.run("document.getElementById('only-set').click()")
    assert "limits.message_bytes" in page.column("Configuration", "Key") and "limits.batch_bytes" not in page.column("Configuration", "Key")
    page.fill("Contains", "nothing like this")
    page.shows("No key is like this.")


def test_the_file_is_read_again_from_the_page(start_node: Any, visit: Any) -> None:
    node = start_node(limits={"message_bytes": 12345})
    page = visit(node, "#/config")
    node.file.write_text(node.file.read_text().replace("12345", "23456"))
    page.press("Read the file again…")
    page.shows("Read the configuration file of node again?", "dialog")
    page.press("Read it again", "dialog")
    page.waits(lambda: [(row["Key"], row["Was"], row["Is"]) for row in page.cells("What the reload changed")] == [("limits.message_bytes", "12345", "23456")], "says what changed")
    node.file.write_text(node.file.read_text().replace("message_bytes", "message_byte"))
    page.press("Read the file again…")
    page.press("Read it again", "dialog")
    page.shows("Nothing has changed.")
    assert "message_byte" in page.text() and node.file.name in page.text()


# Who else writes on the page


def test_hostile_names_are_shown_as_text(tmp_path: Path, visit: Any) -> None:
    stage = Stage(tmp_path, 2)
    try:
        stage.start()
        # Channels take no blanks and no control characters; users take any.
        channels = [f"chat:{text}" if len(f"chat:{text}".encode()) <= 255 else text for text in HOSTILE]
        # A user is also the channel `$user:ID`, so its id has 249 bytes at most.
        users = [text.encode()[:249].decode(errors="ignore") for text in HOSTILE]
        for number, (user, channel) in enumerate(zip(users, channels)):
            client = stage.member(user, [], number, info={"name": user})
            reply = client.command("subscribe", channel=channel)
            assert "error" not in reply, (channel, reply)
            if channel.startswith("chat:"):
                stage.first.api.publish(channel, text=user)
        page = visit(stage.first, "#/channels")
        title = page.run("document.title")
        page.waits(lambda: len(page.cells("Channels")) == len(set(channels)), "shows all channels")
        # Each name character for character, what cannot be seen as its number.
        seen = page.column("Channels", "Channel")
        unseen = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f]")
        written = {unseen.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", name) for name in channels}
        assert set(seen) == written
        assert not any(unseen.search(name) for name in seen)
        for place in ("#/overview", "#/connections", "#/nodes", "#/links", "#/limits"):
            page.go(place)
        page.go("#/connections", "👩")
        for user, channel in zip(users, channels):
            for place in (f"#/channels/{quoted(channel)}", f"#/connections?user={quoted(user)}"):
                page.go(place)
                if place.startswith("#/channels"):
                    page.waits(lambda: page.facts().get("Subscribers") == "1", f"shows {channel!r}")
                    page.waits(lambda: page.column("Members", "User") or "no presence" in page.text(), "shows the member")
                else:
                    page.waits(lambda: len(page.cells("Connections")) == 1, f"finds {user!r}")
                for width in (390, 1280):
                    page.browser.show_as(width, 900)
                    assert page.disorder() == []
        assert page.run("typeof hacked") == "undefined" and page.count("#view img, #view script, #view iframe, #view b") == 0
        assert title != 1 and page.complaints() == []
        assert page.run("[...document.querySelectorAll('.foreign')].every(name => getComputedStyle(name).unicodeBidi === 'isolate')")
        # The detail of a connection, from the list.
        page.run("document.querySelector('tbody a').click()")
        page.shows("Live trace")
        assert page.complaints() == [] and page.disorder() == []
    finally:
        stage.stop()


VIEWS = {
    "overview": ("#/overview", "The last ten minutes"),
    "nodes": ("#/nodes", "node-3"),
    "node": ("#/nodes/node-2", "Publications waiting"),
    "channels": ("#/channels", "scores:"),
    "channel": ("#/channels/chat%3Alobby", "Older ones"),
    "connections": ("#/connections", "hana"),
    "connection": (None, "Live trace"),
    "links": ("#/links", "Redis at"),
    "limits": ("#/limits", "Slow consumers"),
    "configuration": ("#/config", "limits.message_bytes"),
    "nowhere": ("#/nowhere", "There is no such view"),
}


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_in_order(stage: Stage, page: AdminPage, view: str) -> None:
    """In light and dark, on a phone and on a desk: readable, nothing cut, nothing on anything else; and only the node is asked."""
    place, text = VIEWS[view]
    page.go(place or f"#/connections/{stage.clients[0].id}", text)
    # What axe looks at is there before it looks.
    page.waits(lambda: page.run("document.querySelector('#view h1') != null && !document.body.classList.contains('stale')"), "is up to date")
    for dark in (False, True):
        for width in (1280, 390, 1023, 320):
            page.browser.show_as(width, 900, dark=dark)
            what = f"{view}, {width} pixels, {'dark' if dark else 'light'}"
            assert (what, page.disorder()) == (what, [])
            assert (what, page.unreadable()) == (what, [])
            if width in (1280, 390):
                assert (what, page.barriers()) == (what, [])
    assert page.run("document.querySelectorAll('h1').length - document.querySelectorAll('[hidden] h1').length") == 1
    assert page.run("document.title").endswith(" – Carillon")
    assert {address for address in page.requests() if not address.startswith(page.origin + "/")} == set()
    assert page.complaints() == []


def test_questions_and_help_are_in_order(stage: Stage, page: AdminPage) -> None:
    page.go(f"#/nodes/{stage.nodes[1].id}", "Drain…")
    for dark in (False, True):
        page.browser.show_as(390, 900, dark=dark)
        page.press("Drain…", "#view")
        assert page.barriers() == [] and page.unreadable() == []
        page.press("Cancel", "dialog")
        page.press("?")
        page.shows("Keyboard", "dialog")
        assert page.barriers() == [] and page.unreadable() == []
        page.press("Close", "dialog")


def test_everything_can_be_done_with_the_keyboard(stage: Stage, page: AdminPage) -> None:
    page.run("document.activeElement.blur()")
    for keys, place in (("gn", "#/nodes"), ("gc", "#/channels"), ("gk", "#/connections"), ("gl", "#/links"), ("gm", "#/limits"), ("gf", "#/config"), ("go", "#/overview")):
        page.browser.press(*keys)
        page.waits(lambda: page.run("location.hash") == place, f"goes to {place} with {keys}")
        # The view's heading has the focus, so that Tab goes on from there.
        page.waits(lambda: page.run("document.activeElement.tagName") == "H1", "goes on at the heading")
    page.browser.press("g", "k")
    page.shows("hana")
    page.browser.press("/")
    assert page.run("document.activeElement.name") == "user"
    # In a field, keys are text.
    page.browser.type("hana")
    page.browser.press("Enter")
    page.waits(lambda: page.run("location.hash") == "#/connections?user=hana" and page.column("Connections", "User") == ["hana"], "searches")
    page.browser.press("Escape", "?")
    page.shows("Keyboard", "dialog")
    # While a question is open, they do nothing else.
    page.browser.press("g", "n")
    assert page.run("location.hash") == "#/connections?user=hana"
    page.browser.press("Escape")
    page.waits(lambda: page.count("dialog") == 0, "takes the help away")
    # A link of a table, reached with Tab.
    for _ in range(40):
        if page.run("document.activeElement.closest('tbody th') != null"):
            break
        page.browser.press("Tab")
    page.browser.press("Enter")
    page.shows("Live trace")
    page.browser.press("?")
    page.run("document.getElementById('keys').click()")
    page.browser.press("Escape")
    page.waits(lambda: page.count("dialog") == 0, "takes the help away")
    page.browser.press("g", "n", "?")
    assert page.run("location.hash").startswith("#/connections/") and page.count("dialog") == 0
    page.run("sessionStorage.removeItem('keys'); location.reload()")
    page.shows("Live trace")


def test_colours_can_be_chosen(page: AdminPage) -> None:
    page.browser.show_as(1280, 900, dark=True)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.run(ground)
    for _ in range(3):
        if page.text("#theme") == "Light":
            break
        page.run("document.getElementById('theme').click()")
    assert page.run(ground) != dark and page.run("localStorage.getItem('theme')") == "light"
    page.run("document.getElementById('theme').click()")
    assert page.run(ground) == dark
    page.run("document.getElementById('theme').click()")
    assert page.text("#theme") == "Auto" and page.run("localStorage.length") == 0


def test_a_table_that_changes_keeps_the_focus(stage: Stage, page: AdminPage) -> None:
    page.go("#/nodes", "node-3")
    page.run("[...document.querySelectorAll('#nodes a')].at(-1).focus()")
    before = page.run("watchedTurn = performance.now()")
    page.waits(lambda: page.run("performance.now()") > before + 2500, "was brought up to date twice")
    assert page.run("document.activeElement.textContent") == "node-3"


@pytest.mark.parametrize("view", ["overview", "channels?sort=rate", "connections?address=127.0.0.1", "limits", "config"])
def test_a_node_of_an_earlier_version_is_told_apart(stage: Stage, page: AdminPage, view: str) -> None:
    """What it does not know takes one line, and no more than its own part of the page."""
    # As version 0.3 answers for paths and parameters that it does not know.
    page.run("""(() => {
      const ask = window.fetch
      window.fetch = (address, options) => {
        if (address.includes('origins=')) return ask(address.replace('origins=true', ''), options)
        const isNew = /api\\/v1\\/(series|recent|problems)|sort=rate|address=/.exec(address)
        if (!isNew) return ask(address, options)
        const error = isNew[0].startsWith('api') ? [404, 'unknown_path', 'unknown path'] : [400, 'unknown_parameter', 'unknown parameter']
        return Promise.resolve(new Response(JSON.stringify({ error: { code: error[1], message: error[2] } }), { status: error[0] }))
      }
      window.giveBack = () => { window.fetch = ask }
    })()""")
    try:
        page.go(f"#/{view}")
        if view == "overview":
            page.shows("3 of 3 nodes heard", "#summary")
            assert page.count("#events li") > 0
        else:
            page.waits(lambda: page.run("[...document.querySelectorAll('.note')].filter(note => note.checkVisibility() && note.textContent.includes('of a version')).length") == 1, "says so in one line")
        if view == "config":
            page.shows("limits.message_bytes")
        assert page.complaints() == [] and "undefined" not in page.text("body") and "NaN" not in page.text("body")
    finally:
        page.run("giveBack()")
        page.run("location.reload()")
        page.shows("3 of 3 nodes heard", "#summary")


def test_json_is_indented_and_nothing_else_changes(page: AdminPage) -> None:
    for text, expected in {
        '{"a":1.50,"b":[1,{"c":"x\\"{[,"}],"d":{}}': '{\n  "a": 1.50,\n  "b": [\n    1,\n    {\n      "c": "x\\"{[,"\n    }\n  ],\n  "d": {}\n}',
        "[]": "[]", " [ 1 ,2 ] ": "[\n  1,\n  2\n]", "12": None, "{": None, '"text"': None, "": None,
    }.items():  # fmt: skip
        assert page.run(f"import('./page/payload.js').then(module => module.indented({json.dumps(text)}))") == expected
