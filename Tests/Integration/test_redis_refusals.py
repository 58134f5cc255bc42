"""A Redis that refuses some commands and carries out others: only what a command is needed for suffers."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from rig.centrifuge_wire import CentrifugeWire
from rig.node import Node
from rig.receivers import WebsocketsClient
from rig.redis_server import RedisServer
from rig.waiting import holds, until

RULES = [
    {"match": "kept:*", "subscribe": "anyone", "publish": "client", "history": {"size": 100, "ttl": "10m"}},
    {"match": "*", "subscribe": "anyone", "publish": "client"},
]
#: Longer than the seconds after which a node pings, and the link would be given up.
SECONDS = 5.0


class OpenServer(RedisServer):
    """Everybody may do everything that there is; perhaps there is no PING."""

    def __init__(self, directory: Path, *arguments: str, rules: str = "user default on nopass ~* &* +@all") -> None:
        everybody = directory / "everybody.acl"
        everybody.write_text(rules + "\n")
        super().__init__(directory, arguments=["--aclfile", str(everybody), *arguments])

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        client = super().client()
        client.ping = lambda: client.echo("here") == b"here"  # type: ignore[method-assign]
        return client


@pytest.fixture
def open_server(tmp_path: Path) -> Iterator[Callable[..., OpenServer]]:
    started: list[OpenServer] = []

    def start(*arguments: str, **more: Any) -> OpenServer:
        started.append(OpenServer(tmp_path, *arguments, **more))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()


def messages(node: Node) -> list[str]:
    return [event["message"] for event in node.api.cluster()["events"]]


def everything_arrives(node: Node, seconds: float = SECONDS) -> None:
    """Plain publications for a while, in order, without one that is missing, over one link."""
    receiver = WebsocketsClient(node.client, "news")
    lost = node.api.metric("link_reconnects_total")
    end = time.monotonic() + seconds
    sent = 0
    while time.monotonic() < end:
        node.api.publish("news", text=str(sent))
        sent += 1
        time.sleep(0.005)
    until(lambda: len(receiver.received) == sent, "all have arrived")
    assert receiver.received == [str(number) for number in range(sent)]
    assert node.api.metric("link_reconnects_total") == lost, messages(node)
    assert node.api.is_ready()
    receiver.close()


def test_plain_publications_arrive_while_redis_cannot_save(start_node: Any, open_server: Any, tmp_path: Path) -> None:
    """MISCONF: Redis refuses writes and PING, and takes PUBLISH and SUBSCRIBE."""
    gone = tmp_path / "gone"
    gone.mkdir()
    server = open_server("--dir", str(gone), "--save", "1 1")
    node = start_node(redis_url=server.url, channels=RULES)
    gone.rmdir()
    until(lambda: server.client().info("persistence")["rdb_last_bgsave_status"] == "err", "it cannot save", 15)
    with pytest.raises(redis.exceptions.ResponseError, match="MISCONF"):
        server.client().execute_command("PING")
    everything_arrives(node)
    # What needs a write is refused, and says why; the operator hears of it, and not each second.
    refused = node.api.post_publication({"channel": "kept:a", "data": 1})
    assert refused.status_code == 503 and "MISCONF" in refused.text
    told = [message for message in messages(node) if "MISCONF" in message]
    assert len(told) == 1 and "lease" in told[0] and "not linked" not in told[0], messages(node)


@pytest.mark.parametrize("command", ["CLIENT", "PING"])
def test_a_command_that_redis_does_not_have(start_node: Any, open_server: Any, command: str) -> None:
    server = open_server("--rename-command", command, "")
    with pytest.raises(redis.exceptions.ResponseError, match="unknown command"):
        server.client().execute_command(command, *(["SETNAME", "a"] if command == "CLIENT" else []))
    node = start_node(redis_url=server.url, channels=RULES)
    everything_arrives(node)
    node.api.publish("kept:a", data=1)
    assert not [message for message in messages(node) if "refused" in message], messages(node)


def test_a_refused_password_is_not_a_refused_subscription(start_node: Any, tmp_path: Path) -> None:
    server = RedisServer(tmp_path, password="right-password").start()
    node = start_node(redis_url=server.url.replace("right-password", "wrong-password"), ready=False)
    until(lambda: any("password" in message for message in messages(node)), "it says why")
    holds(lambda: not any("subscription" in message for message in messages(node)), "nothing else is said", 2)
    node.stop()
    server.stop()


def test_a_channel_that_redis_does_not_allow_costs_its_subscribers_and_nobody_else(start_node: Any, open_server: Any) -> None:
    rules = "user default on nopass ~* resetchannels &carillon:beat &carillon:node:* &carillon:{*}:c:$all &carillon:{*}:c:open:* +@all"
    server = open_server(rules=rules)
    node = start_node(redis_url=server.url, channels=RULES)
    receiver = WebsocketsClient(node.client, "open:a")
    client = CentrifugeWire(node)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(client.subscribe("secret")))
    asking.start()
    # With many others in one command.
    others = [f"open:{number}" for number in range(50)]
    for name in others:
        assert "error" not in client.subscribe(name), name
    asking.join(10)
    assert answers and answers[0]["error"]["code"] == 100
    for number in range(100):
        node.api.publish("open:a", text=str(number))
    until(lambda: len(receiver.received) == 100, "the others get everything")
    assert node.api.metric("link_reconnects_total") == 0, messages(node)
    assert node.api.metric("link_subscriptions_refused_total") >= 1
    assert any("'secret'" in message and "refused" in message for message in messages(node)), messages(node)
    # When it is allowed, it works, without a new link.
    again = WebsocketsClient(node.client, "open:b")
    server.client().execute_command("ACL", "SETUSER", "default", "allchannels")
    until(lambda: "error" not in client.subscribe("secret"), "it is allowed", 30)
    node.api.publish("secret", data=7)
    until(lambda: (0, 7) in client.publications, "it arrives")
    assert node.api.metric("link_reconnects_total") == 0
    again.close()
    receiver.close()
    client.close()
