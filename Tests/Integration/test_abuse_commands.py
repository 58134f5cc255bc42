"""One attack for each command: hostile clients send it as fast as the node takes it, and a quiet one notices nothing.

Every command has a cost and a bucket (docs/operations.md, "What commands cost"). The quiet client's 99th percentile has to
stay below 20 ms (`--everything`; five times that in `make test`), or twice what it was before, whichever is more.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rig.control import undisturbed
from rig.flood import Opening, flooded
from rig.node import Node
from rig.wire import Wire, frame

KEY = rsa.generate_private_key(public_exponent=65537, key_size=4096)
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
#: Hostile clients, and for how long.
CROWD, SECONDS = 2, 3.0
#: Commands in one message.
EACH = 10
#: The quiet client's 99th percentile, in seconds, and how many times that it may be where the machine has other work too.
LIMIT, LENIENCE = 0.020, 5
CHANNELS = [
    {"match": "h:*", "subscribe": "anyone", "publish": "client", "history": {"size": 1000, "ttl": "5m"}, "presence": True},
    {"match": "*", "subscribe": "anyone", "publish": "client"},
]
#: Of publications that the hostile clients ask for.
PAYLOAD = "\u0001x" * 2000


def token(seconds: float = 600, **claims: Any) -> str:
    # The signature that takes longest to check.
    return jwt.encode({"exp": int(time.time() + seconds), **claims}, KEY, algorithm="PS512", headers={"kid": "1"})


Commands = Callable[[int], dict[str, Any]]

#: What is sent, by the number of the command.
ATTACKS: dict[str, Commands] = {
    "connect": lambda n: {"connect": {"token": token(-600, sub="eve")}},
    "refresh": lambda n: {"refresh": {"token": token(sub="eve")}},
    "sub_refresh": lambda n: {"sub_refresh": {"channel": "h:1", "token": token(sub="eve", channel="h:1")}},
    "subscribe": lambda n: {"subscribe": {"channel": f"a{n}"}},
    "subscribe_with_token": lambda n: {"subscribe": {"channel": f"a{n % 4}", "token": token(sub="eve", channel=f"a{n % 4}")}},
    "subscribe_and_recover": lambda n: {"subscribe": {"channel": f"h:{n}", "recover": True, "epoch": "0123", "offset": n}},
    "subscribe_and_unsubscribe": lambda n: {("subscribe", "unsubscribe")[n % 2]: {"channel": "h:2"}},
    "unsubscribe": lambda n: {"unsubscribe": {"channel": "a"}},
    "publish": lambda n: {"publish": {"channel": "b", "data": n}},
    "publish_with_history": lambda n: {"publish": {"channel": "h:3", "data": n}},
    "history": lambda n: {"history": {"channel": "h:1", "limit": 300}},
    "history_since": lambda n: {"history": {"channel": "h:1", "limit": 300, "since": {"epoch": "0123", "offset": n}}},
    "presence": lambda n: {"presence": {"channel": "h:1"}},
    "presence_stats": lambda n: {"presence_stats": {"channel": "h:1"}},
    "rpc": lambda n: {"rpc": {"method": "x", "data": {}}},
    "send": lambda n: {"send": {"data": {"x": n}}},
    "no_such_channel": lambda n: {"subscribe": {"channel": "\n"}},
}


def messages(attack: str) -> list[bytes]:
    """Frames of some commands each, made before anything is measured; tokens are made once."""
    made = [ATTACKS[attack](n) for n in range(40)]
    lines = [json.dumps({"id": n + 10, **(made[n % 40] if "token" in json.dumps(made[0]) else ATTACKS[attack](n))}) for n in range(2000)]
    return [frame("\n".join(lines[n : n + EACH]).encode()) for n in range(0, 2000, EACH)]


def opening(node: Node, attack: str, login: str) -> Opening:
    """What a hostile client does before it attacks."""

    def come() -> Wire:
        wire = Wire(node.client_port)
        try:
            wire.open("/connection/websocket")
        except BaseException:
            wire.close()
            raise
        if attack != "connect":
            hello = [{"id": 1, "connect": {"token": login}}, {"id": 2, "subscribe": {"channel": "h:1"}}]
            wire.send(frame("\n".join(json.dumps(line) for line in hello).encode()))
        return wire

    return come


@pytest.mark.parametrize("attack", list(ATTACKS))
@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_one_command_does_not_keep_others_waiting(
    start_node: Any, redis_server: Any, tmp_path: Path, request: pytest.FixtureRequest, kind: str, attack: str
) -> None:
    if kind == "redis" and attack in ("connect", "refresh", "sub_refresh", "rpc", "send", "unsubscribe", "no_such_channel"):
        pytest.skip("has nothing to do with Redis")
    key = tmp_path / "key.pem"
    key.write_text(PUBLIC)
    node = start_node(
        redis_url=redis_server.url if kind == "redis" else None, channels=CHANNELS,
        auth={"keys": [{"file": str(key), "id": "1", "algorithm": "PS512"}]}, 
        # Without it a client that comes again has its buckets full again.
        limits={"publish_rate": 1000, "connects_per_address_per_second": 1, "connects_per_address_burst": 8})
    for number in range(300):
        node.api.publish("h:1", text=f"{number} {PAYLOAD}")
    floor = LIMIT if request.config.getoption("--everything") else LIMIT * LENIENCE
    with undisturbed(node, floor=floor) as control, flooded(opening(node, attack, token(sub="eve")), messages(attack), crowd=CROWD) as done:
        time.sleep(SECONDS)
    sent = done.messages * EACH
    print(f"{attack} ({kind}): {sent / SECONDS:,.0f} commands a second sent, {done.ended} connections ended, quiet client: {control.figures}")
    assert sent > 100 and node.api.metric("faults_total") == 0
