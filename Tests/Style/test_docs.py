"""What README.md and docs/ name is there: links, metrics, routes, keys, what the log says, what Redis holds and may do."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "Sources"
OPERATIONS = REPOSITORY / "docs/operations.md"
SECURITY = REPOSITORY / "docs/security.md"
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


# Markdown


def outside_of_blocks(text: str) -> str:
    """The page without fenced blocks, line by line."""
    lines, is_inside = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            is_inside = not is_inside
            line = ""
        lines.append("" if is_inside else line)
    assert not is_inside, "a block that is not closed"
    return "\n".join(lines)


def spans(text: str) -> list[str]:
    """What stands between backticks, over line ends too; blocks are left out."""
    return [" ".join(span.split()).replace("\\|", "|") for span in re.findall(r"`([^`]+)`", outside_of_blocks(text))]


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    found: dict[str, int] = {}
    result = set()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", outside_of_blocks(text), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = found.get(anchor, 0)
        found[anchor] = count + 1
        result.add(f"{anchor}-{count}" if count else anchor)
    return result


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", outside_of_blocks(text)))


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose first line begins with this."""
    start = text.index(head)
    lines = text[start:].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines[2:]]


def relative(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    broken = []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and (target.suffix != ".md" or anchor not in anchors(target.read_text()))):
            broken.append(link)
    assert broken == []


def test_links_are_found() -> None:
    """The test above looks at something."""
    assert len(links(OPERATIONS.read_text())) > 20
    assert {"limits", "history", "when-everybody-comes-back-at-once"} <= anchors(OPERATIONS.read_text())
    assert links("see `[a](b)` and [x](y.md#z)\n```\n[c](d)\n```") == ["y.md#z"]


# Metrics


@cache
def metrics() -> frozenset[str]:
    text = "\n".join(path.read_text() for path in sorted((SOURCES / "Node/Metrics").glob("*.swift")))
    described = (SOURCES / "Node/Metrics/ShardMetrics.swift").read_text()
    names = set(re.findall(r'(?:gauge|information|counter)\(\s*"([a-z_]+)"', text))
    names |= {f"{name}_total" for name in re.findall(r'\(\s*"([a-z_]+)",', described)}
    assert len(names) > 80
    return frozenset(f"carillon_{name}" for name in names)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_metrics_exist(page: Path) -> None:
    named = set(re.findall(r"\bcarillon_[a-z_]+[a-z]", page.read_text()))
    assert named - metrics() == set()


def test_every_metric_is_in_operations() -> None:
    listed = {name for name in re.findall(r"^\| `(carillon_[a-z_]+)` \|", OPERATIONS.read_text(), re.MULTILINE)}
    assert listed == metrics()


# Routes


@cache
def routes() -> list[tuple[str, str]]:
    text = (SOURCES / "Node/Admin/Routes.swift").read_text()
    [publish] = re.findall(r'static let publishPath = "([^"]+)"', text)
    listed = text[text.index("static let all") :].split("\n    ]\n", 1)[0].replace("publishPath", f'"{publish}"')
    found = re.findall(r'\("(GET|POST|PUT|DELETE)", "([^"]+)"\)', listed)
    assert len(found) > 10
    dialects = [
        (method, path) for file in sorted((SOURCES / "Codec/Dialects").rglob("*Dialect.swift"))
        for path, rest in re.findall(r'DialectRoute\(\s*(?:commandsOf: |publicationsOf: )?\.\w+, "(/[^"]+)"([^)]*)\)', file.read_text())
        for method in re.findall(r'"(\w+)"', rest) or ["POST"]
    ]
    assert len(dialects) > 2
    plain = {path for _, path in dialects if not path.endswith(("/raw", "websocket"))}
    return [*found, *dialects, ("GET", "/health"), *(("OPTIONS", path) for path in sorted(plain))]


def is_route(method: str, path: str) -> bool:
    given = path.split("?")[0].split("[")[0].split("/")
    for known, pattern in routes():
        parts = pattern.split("/")
        if method in ("", known, "HEAD" if known == "GET" else known) and len(parts) == len(given):
            if all(part == own or (part.startswith("{") and own and (own.startswith("{")) == (own.endswith("}"))) for part, own in zip(parts, given)):
                return True
    # A group of them: `/health/…`
    return path.endswith("/…") and any(pattern.startswith(path[:-1]) for _, pattern in routes())


def named_routes(text: str) -> Iterator[tuple[str, str]]:
    for span in spans(text):
        if match := re.fullmatch(r"(GET|HEAD|POST|PUT|DELETE|OPTIONS) (/\S*)", span):
            yield match[1], match[2]
        elif re.match(r"/(api|health|metrics|raw|sse|connection)\b", span):
            yield "", span.split()[0]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_routes_exist(page: Path) -> None:
    assert [f"{method} {path}".strip() for method, path in named_routes(page.read_text()) if not is_route(method, path)] == []


def test_routes_are_told_apart() -> None:
    assert is_route("GET", "/api/v1/channels/{name}/history?since=") and is_route("", "/raw?channel=a[&channel=b]") and is_route("HEAD", "/metrics")
    assert not is_route("GET", "/api/v1/publish") and not is_route("", "/api/v1/channel") and not is_route("POST", "/api/v1/nodes/{id}")


def test_every_route_is_in_operations() -> None:
    named = {(method, path.split("?")[0].split("[")[0]) for method, path in named_routes(OPERATIONS.read_text())}
    assert [route for route in routes() if route[0] != "OPTIONS" and route not in named] == []


# Keys of the configuration


@cache
def keys() -> frozenset[str]:
    text = "\n".join(path.read_text() for path in sorted((SOURCES / "Node/Configuration/Keys").glob("*.swift")))
    found = set(re.findall(r'"((?:node|client|admin|backplane|auth|limits|liveness|drain|log)\.[a-z_.]+[a-z])",', text))
    lists = re.findall(r'case "([a-z_.]+)": readRules|case "([a-z_]+\.[a-z_.]+)":', (SOURCES / "Node/Configuration/ConfigurationLists.swift").read_text())
    found |= {first or second for first, second in lists} | {"auth.issuers"}
    assert len(found) > 80
    return frozenset(found)


def is_key(name: str) -> bool:
    return name in keys() or any(key.startswith(name + ".") for key in keys())


def named_keys(text: str) -> Iterator[str]:
    sections = "|".join({key.split(".")[0] for key in keys()} - {"channels"})
    for span in spans(text):
        if match := re.match(rf"((?:{sections})\.[a-z_]+(?:\.[a-z_]+)*)(?=$|[:\s,])", span):
            yield match[1]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_keys_exist(page: Path) -> None:
    assert [name for name in named_keys(page.read_text()) if not is_key(name)] == []


def test_keys_are_told_apart() -> None:
    assert is_key("limits.message_bytes") and is_key("client.tls") and is_key("client.origins")
    assert not is_key("limits.message_byte") and not is_key("limits.nothing") and not is_key("client.tl")
    assert list(named_keys("`client.origins: [\"*\"]`, `limits.nothing`, `log.swift_`x")) == ["client.origins", "limits.nothing", "log.swift_"]


# What the log says

#: Words of the system and of Redis in our messages.
FOREIGN = ("connection refused (ECONNREFUSED)", "address already in use (EADDRINUSE)", "NOPERM", "WRONGPASS")
WILD = "\0"


@cache
def texts() -> list[str]:
    """Every text in the sources; what is inserted into one is `WILD`."""
    found: list[str] = []
    for path in sorted(SOURCES.rglob("*.swift")):
        source = path.read_text()
        at = 0
        while (start := source.find('"', at)) >= 0:
            if source.rfind("//", source.rfind("\n", 0, start) + 1, start) >= 0 and source.count('"', source.rfind("\n", 0, start) + 1, start) % 2 == 0:
                at = source.find("\n", start) if source.find("\n", start) >= 0 else len(source)
                continue
            if source.startswith('"""', start):
                at = source.find('"""', start + 3) + 3
                continue
            text, at = literal(source, start)
            found.append(text)
    return found


def literal(source: str, start: int) -> tuple[str, int]:
    """A text that begins at a quote, and where it ends. Of `things`, the pages have the plural."""
    text, at = "", start + 1
    while at < len(source) and source[at] not in '"\n':
        if source.startswith("\\(", at):
            depth, at, inserted = 1, at + 2, at + 2
            words: list[str] = []
            while depth and at < len(source):
                if source[at] == '"':
                    word, at = literal(source, at)
                    words.append(word)
                    continue
                depth += {"(": 1, ")": -1}.get(source[at], 0)
                at += 1
            text += WILD
            if source.startswith("things(", inserted):
                text += " " + (words[1] if len(words) > 1 else f"{words[0]}s")
        elif source[at] == "\\":
            text, at = text + source[at + 1 : at + 2], at + 2
        else:
            text, at = text + source[at], at + 1
    return text, at + 1


def fits(text: str, message: str) -> bool:
    """Whether a message may come from a text. `WILD` of the text is anything; of the message it is something inserted, and at
    the end of the message it is all that follows."""

    @cache
    def rest_fits(i: int, j: int) -> bool:
        if j == len(message) or (j == len(message) - 1 and message[j] == WILD):
            return j < len(message) or not text[i:].strip(WILD)
        if i == len(text):
            return False
        if text[i] == WILD:
            # One word, unless it is the last.
            return (rest_fits(i, j + 1) if message[j] != " " or i == len(text) - 1 else False) or rest_fits(i + 1, j + 1) or rest_fits(i + 1, j)
        return text[i] == message[j] and rest_fits(i + 1, j + 1)

    return rest_fits(0, 0)


def is_said(message: str) -> bool:
    """Whether a message comes from the sources: from one text, or from one that ends in an inserted one, and so on."""
    message = message.replace("…", WILD)
    for foreign in FOREIGN:
        message = message.replace(foreign, WILD)
    # Fields behind the message: `status=…`
    message, *fields = re.split(r" (?=[a-z_]+=)", message)
    if any(f'"{field.split("=")[0]}"' not in all_sources() for field in fields):
        return False
    if not re.search(r"[a-z]", message):
        return bool(fields)
    return any(says(text, message) for text in texts())


def says(text: str, message: str) -> bool:
    if message.startswith(WILD) != text.startswith(WILD) or len(text.replace(WILD, "").strip()) < 4:
        return False
    head, message_head = text.strip(WILD).split(WILD)[0], message.strip(WILD).split(WILD)[0]
    if min(len(head), len(message_head)) < 3 or not (head.startswith(message_head) or message_head.startswith(head)):
        return False
    # A reason that another text goes on with is a text of its own: `the sentinels keep the master: …`
    if message.endswith(f": {WILD}") and text == message[: -len(WILD) - 2]:
        return True
    if not fits(text, message):
        return False
    # What is inserted at the end is a message of its own.
    fixed = text.rstrip(WILD)
    if not text.endswith(WILD) or WILD in fixed or not message.startswith(fixed):
        return True
    rest = message[len(fixed) :]
    return not re.search(r"[a-z]{3}", rest) or any(says(other, rest) for other in texts())


@cache
def all_sources() -> str:
    return "\n".join(path.read_text() for path in sorted(SOURCES.rglob("*.swift")))


def messages() -> list[str]:
    tables = (rows(OPERATIONS.read_text(), "| message | meaning"), rows(SECURITY.read_text(), "| message in the node's log |"))
    named = [message for table in tables for row in table for message in re.findall(r"`([^`]+)`", row[0])]
    # Messages that follow, in the other column.
    return named + [span for table in tables for row in table for span in re.findall(r"`([^`]+)`", row[1]) if len(span.split()) > 2]


def test_the_log_says_what_the_pages_say() -> None:
    assert len(messages()) > 40
    assert [message for message in messages() if not is_said(message)] == []


def test_messages_are_told_apart() -> None:
    for message in ("isolated: …", "not linked: Redis at … refused the password: …", "… has not turned for … s: restart this node", "… left_out=…"):
        assert is_said(message), message
    for message in ("isolation: …", "not linked: Redis at … lost the password: …", "… has not turned for … ms", "… left_it=…", "node … is gone: no sign for … s"):
        assert not is_said(message), message


# Names of the sources


#: Words that look like types: attributes of cookies, a feature of the compiler, a folder.
IGNORED = frozenset({"Secure", "HttpOnly", "MemberImportVisibility", "Hub"})


@cache
def words() -> frozenset[str]:
    files = [path for folder in ("Sources", "Tests") for path in (REPOSITORY / folder).rglob("*.swift")]
    return frozenset(re.findall(r"[A-Za-z_]\w+", all_sources())) | {path.stem for path in files} | {"Package", "swift"}


def named_types(text: str) -> Iterator[str]:
    """Types, and what they have: `Outbound.append`, `Shard.runPasses`, `HTTPLimits`."""
    for span in spans(text):
        if re.fullmatch(r"(?:[A-Z]\w*[a-z]\w*)(?:\.\w+)*(?:\([\w:]*\))?(?:, ?[\w.]+)*", span):
            yield span


@pytest.mark.parametrize("page", ["docs/security.md", "docs/architecture.md"])
def test_types_exist(page: str) -> None:
    named = list(named_types((REPOSITORY / page).read_text()))
    assert len(named) > 20
    missing = [span for span in named if not set(re.findall(r"[A-Za-z_]\w+", span)) - IGNORED <= words()]
    assert missing == []


# Redis


def test_the_keys_of_redis_are_those_of_the_program() -> None:
    names = (SOURCES / "Backplane/Redis/Layout/RedisNames.swift").read_text()
    kinds = {kind.split(":")[0] for kind in re.findall(r'Array\("([a-z]+:?[^"]*)"\.utf8\)', names)} - {""}
    presence = set(re.findall(r'names\.presence\("([a-z]+)"', "\n".join(path.read_text() for path in (SOURCES / "Backplane/Redis").rglob("*.swift"))))
    presence |= set(re.findall(r'names\.occupancy\("([a-z]+)"', "\n".join(path.read_text() for path in (SOURCES / "Backplane/Redis").rglob("*.swift"))))
    listed = {re.sub(r"`PREFIX:(?:\{N\}:)?([a-z]+).*", r"\1", row[0]) for row in rows(OPERATIONS.read_text(), "| key or channel |")}
    assert presence >= {"pu", "pl", "pc", "pn", "pr", "o", "oc", "on", "or", "om", "os"}
    outbox = (SOURCES / "Backplane/Redis/Outbox/RedisOutbox.swift").read_text()
    webhooks = {f"w{kind}" for kind in re.findall(r'"([a-z])"[,\]]', outbox)}
    assert webhooks >= {"ws", "wd", "wl"}
    assert listed == kinds | presence | webhooks | {"p"}


def test_the_user_of_redis_is_the_one_in_deploy() -> None:
    line = (REPOSITORY / "deploy/redis/carillon.acl").read_text().strip()
    page = SECURITY.read_text()
    assert f"    {line}\n" in page
    allowed = set(re.findall(r"(?<= )[~&+](?:\S+)", line)) - {"+@all"}
    explained = {part.replace("\\|", "|") for row in rows(page, "| part | for |") for part in re.findall(r"`([~&+][^`]+)`", row[0])}
    assert explained == allowed


# Modules


def declared_modules() -> dict[str, set[str]]:
    """What each module of ours depends on, by name, as Package.swift has it."""
    text = (REPOSITORY / "Package.swift").read_text()
    found = {}
    for match in re.finditer(r'name: "(\w+)",\s*dependencies: \[(.*?)\n? *\](?=,)', text, re.DOTALL):
        found[match[1]] = set(re.findall(r'(?<!name: )(?<!package: )"(\w+)"', match[2]))
    return found


def test_the_modules_are_those_of_the_package() -> None:
    declared = declared_modules()
    assert declared["carillon"] >= {"Node", "Client"} and declared["Node"] >= {"Codec"}
    ours = {path.name for path in SOURCES.iterdir()}
    table = rows((REPOSITORY / "docs/architecture.md").read_text(), "| module | purpose | may import |")
    described = {name: cells[2] for cells in table for name in re.findall(r"`(\w+)`", cells[0]) if name in ours}
    assert set(described) == ours
    for name, text in described.items():
        if name == "carillon":
            continue  # It may import everything.
        assert set(re.findall(r"`(\w+)`", text)) == (declared.get(name, set()) & ours), name


def test_no_file_has_marks_of_a_merge() -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout.split(b"\0")
    for file in filter(None, files):
        path = REPOSITORY / file.decode()
        if path.is_file():
            assert not re.search(rb"^(<{7} |>{7} )", path.read_bytes(), re.MULTILINE), path
