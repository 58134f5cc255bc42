"""TLS between a node and Redis: who is believed, who is not, and how one finds out why."""

from pathlib import Path
from typing import Any

import pytest

from rig.certificates import Authority
from rig.node import Node, carillon
from rig.receivers import WebsocketsClient
from rig.redis_server import RedisServer
from rig.waiting import until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def start(start_node: Any, server: RedisServer, name: str = "node", ready: bool = True, **tls: Any) -> Node:
    settings = {key: str(value) for key, value in tls.items()}
    return start_node(name, redis_url=server.url, ready=ready, backplane={"redis": {"tls": settings}})


def works(one: Node, other: Node) -> None:
    """What is published on one node arrives on the other."""
    receiver = WebsocketsClient(other.client, "news")
    one.api.publish("news", text="x" * 50_000)
    until(lambda: receiver.received == ["x" * 50_000], "the publication")
    receiver.close()


def refused(node: Node) -> str:
    """Why there is no link, as the operator hears it."""
    until(lambda: node.api.cluster()["events"], "it says why")
    assert node.api.readiness() == 503
    told = node.api.cluster()["events"][-1]["message"]
    assert told in node.output()
    return told


def test_two_nodes_over_tls(start_node: Any, authority: Authority, tmp_path: Path) -> None:
    server = RedisServer(tmp_path, identity=authority.issue("redis")).start()
    try:
        one, two = (start(start_node, server, name, authorities=authority.file) for name in ("one", "two"))
        until(lambda: one.api.node_names() == {"one", "two"}, "they know each other")
        works(one, two)
        # A restart of Redis is an outage as any other.
        server.kill()
        until(lambda: one.api.readiness() == 503, "it is not ready")
        server.start()
        for node in (one, two):
            until(node.api.is_ready, "it is ready again", 15)
        works(two, one)
        assert server.denied() == []
    finally:
        server.stop()


def expired(authority: Authority, strange: Authority) -> tuple[Path, Path]:
    return authority.issue("redis", days=-1)


def self_signed(authority: Authority, strange: Authority) -> tuple[Path, Path]:
    return strange.file, strange.key


def of_another_authority(authority: Authority, strange: Authority) -> tuple[Path, Path]:
    return strange.issue("redis")


def for_another_host(authority: Authority, strange: Authority) -> tuple[Path, Path]:
    return authority.issue("redis", names="DNS:redis.example")


BAD = {
    "expired": (expired, "expired"),
    "self-signed": (self_signed, "self-signed"),
    "of another authority": (of_another_authority, "issuer"),
    "for another host": (for_another_host, "127.0.0.1"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_certificates_are_refused_unless_configured(start_node: Any, authority: Authority, tmp_path: Path, what: str) -> None:
    make, said = BAD[what]
    strange = Authority(tmp_path / "strange", "Strange CA")
    server = RedisServer(tmp_path, identity=make(authority, strange)).start()
    try:
        before = len(server.client().client_list())
        node = start(start_node, server, "careful", ready=False, authorities=authority.file)
        told = refused(node)
        assert said in told, told
        # Neither its password nor anything else was sent.
        assert len(server.client().client_list()) <= before + 2
        assert all(client["user"] != "carillon" for client in server.client().client_list())
        careless = start(start_node, server, "careless", verify="none")
        assert careless.api.is_ready()
        if what == "for another host":
            assert start(start_node, server, "ca", verify="ca", authorities=authority.file).api.is_ready()
            named = start(start_node, server, "named", authorities=authority.file, server_name="redis.example")
            works(careless, named)
    finally:
        server.stop()


def test_the_systems_authorities_are_trusted_by_default(start_node: Any, authority: Authority, tmp_path: Path) -> None:
    server = RedisServer(tmp_path, identity=authority.issue("redis")).start()
    try:
        node = start(start_node, server, ready=False)
        assert "issuer" in refused(node)
    finally:
        server.stop()


def test_redis_may_ask_for_a_certificate(start_node: Any, authority: Authority, tmp_path: Path) -> None:
    server = RedisServer(tmp_path, identity=authority.issue("redis"), clients=authority).start()
    try:
        nobody = start(start_node, server, "nobody", ready=False, authorities=authority.file)
        refused(nobody)
        certificate, key = authority.issue("node")
        known = start(start_node, server, "known", authorities=authority.file, certificate=certificate, key=key)
        works(known, known)
    finally:
        server.stop()


def test_no_tls_where_it_is_expected_and_the_other_way_round(start_node: Any, authority: Authority, tmp_path: Path) -> None:
    plain = RedisServer(tmp_path / "plain").start()
    secure = RedisServer(tmp_path / "secure", identity=authority.issue("redis")).start()
    try:
        one = start_node(
            "one", redis_url=plain.url.replace("redis://", "rediss://"), ready=False,
            backplane={"redis": {"connect_timeout": "500ms"}})
        refused(one)
        two = start_node(
            "two", redis_url=secure.url.replace("rediss://", "redis://"), ready=False,
            backplane={"redis": {"connect_timeout": "500ms"}})
        refused(two)
    finally:
        plain.stop()
        secure.stop()


def test_certificates_are_read_again(start_node: Any, tmp_path: Path) -> None:
    """Redis gets a certificate of another authority: the file is replaced, SIGHUP, and the next connection works."""
    import shutil
    import signal

    old, new = Authority(tmp_path / "old", "Old CA"), Authority(tmp_path / "new", "New CA")
    trusted = tmp_path / "trusted.pem"
    shutil.copy(old.file, trusted)
    server = RedisServer(tmp_path, identity=old.issue("redis")).start()
    try:
        node = start(start_node, server, authorities=trusted)
        server.stop()
        server.identity = new.issue("redis")
        shutil.copy(new.file, trusted)
        node.send(signal.SIGHUP)
        until(lambda: "SIGHUP: the next connection to Redis" in node.output(), "it says so")
        server.start()
        until(node.api.is_ready, "it links", 15)
        # What cannot be used changes nothing.
        trusted.write_text("nonsense")
        node.send(signal.SIGHUP)
        until(lambda: "the configuration stays as it was" in node.output(), "it says so")
        assert node.api.is_ready()
    finally:
        server.stop()


def test_check_finds_files_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(
        f"backplane: {{ kind: redis, redis: {{ url: 'rediss://h', tls: {{ authorities: '{tmp_path}/none.pem' }} }} }}\n")
    for command in (["check", str(file)], ["serve", "--config", str(file)]):
        done = carillon(*command)
        assert done.returncode != 0 and "none.pem" in done.stderr, done
