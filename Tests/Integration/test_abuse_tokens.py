"""What test_auth.py and test_proxy.py leave of V20 and V21: headers by the drop, more kinds of tokens, and what one costs."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
from test_auth import CHANNELS, SECRET, part, token

from rig.control import undisturbed
from rig.crowd import Crowd
from rig.footprint import Footprint, counter
from rig.node import Node
from rig.wire import Wire, upgrade

# -- V20: a PROXY header that comes byte by byte and is never whole


def test_v20_dripped_headers_end_at_their_deadline(start_node: Any) -> None:
    node = start_node(client={"proxy_protocol": {"mode": "required", "trusted": ["127.0.0.1"], "timeout": "1s"}})
    drops = {"v1": b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80", "v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x50" + b"\0" * 80}
    with Crowd() as crowd:
        members = {crowd.add(node.client_port, data[:1]): data for data in drops.values() for _ in range(100)}
        next_drop, place = time.monotonic() + 0.05, 1
        while crowd.alive and time.monotonic() - min(member.started for member in members) < 5:
            crowd.turn(0.01)
            if time.monotonic() < next_drop:
                continue
            next_drop += 0.05
            for member, data in members.items():
                try:
                    if not member.ended and place < len(data):
                        member.socket.send(data[place : place + 1])
                except OSError:
                    crowd.end(member)
            place += 1
        lasted = [member.ended - member.started for member in members]
        assert all(member.ended and not member.head for member in members)
    print(f"V20: {len(lasted)} headers by the drop ended after {min(lasted):.2f} to {max(lasted):.2f} s (deadline 1 s), 0 sessions")
    assert 0.9 < min(lasted) and max(lasted) <= 5
    assert counter(node, "sessions_opened_total") == 0 and counter(node, "proxy_errors_total") == 200


# -- V21: tokens


def signed(head: str, claims: Any = None, secret: str = SECRET) -> str:
    """A token with the right signature for a head that is written as it is."""
    text = base64.urlsafe_b64encode(head.encode()).rstrip(b"=").decode() + "." + part(claims or {"sub": "root", "exp": 9999999999})
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def tokens() -> dict[str, str]:
    mine = {"kty": "oct", "k": base64.urlsafe_b64encode(b"b" * 40).decode()}
    return {
        "NONE": f"{part({'alg': 'NONE'})}.{part({'sub': 'root', 'exp': 9999999999})}.",
        "nOnE": signed('{"alg":"nOnE"}'),
        "two algorithms": signed('{"alg":"none","alg":"HS256"}'),
        "two algorithms, the other way": signed('{"alg":"HS256","alg":"none"}'),
        "no algorithm": signed('{"typ":"JWT"}'),
        "an algorithm that is a list": signed('{"alg":["HS256","none"]}'),
        "an algorithm that is null": signed('{"alg":null}'),
        "lower case": signed('{"alg":"hs256"}'),
        "a key of its own": signed(json.dumps({"alg": "HS256", "jwk": mine}), secret="b" * 40),
        "a key from elsewhere": signed('{"alg":"HS256","jku":"http://127.0.0.1:1/keys"}', secret="b" * 40),
        "another audience": token(sub="ann", aud="other"),
        "no audience": token(sub="ann"),
        "another issuer": token(sub="ann", aud="carillon", iss="other"),
        "a key that is a path": jwt.encode({"sub": "a", "aud": "carillon", "exp": 9999999999}, SECRET, headers={"kid": "../../dev/null"}),
        "an empty signature key": jwt.encode({"sub": "a", "aud": "carillon", "exp": 9999999999}, "\0" * 32),
        "an expiry that is text": signed('{"alg":"HS256"}', {"sub": "a", "aud": "carillon", "iss": "me", "exp": "9999999999"}),
        "an expiry beyond all": signed('{"alg":"HS256"}', {"sub": "a", "aud": "carillon", "iss": "me", "exp": -1}),
    }


def test_v21_more_bad_tokens_and_what_one_costs(start_node: Any) -> None:
    node: Node = start_node(
        auth={"keys": [{"secret": SECRET, "id": "one"}], "audiences": ["carillon"], "issuers": ["me"]},
        channels=[{"match": "control", "subscribe": "anyone", "publish": "client"}, *CHANNELS])
    bad = tokens()

    def show(text: str) -> int:
        with Wire(node.client_port) as wire:
            return int(wire.send(upgrade("/raw?channel=open:a", Authorization=f"Bearer {text}")).read_head()[9:12])

    good = token(sub="ann", aud="carillon", iss="me", headers={"kid": "one"})
    assert show(good) == 101
    with undisturbed(node):
        footprint = Footprint(node)
        for _ in range(20):
            for name, text in bad.items():
                assert show(text) == 401, name
        each = footprint.cpu_seconds / 20 / len(bad)
    print(f"V21: {len(bad)} of {len(bad)} refused, {each * 1e3:.2f} ms of CPU each, connection and control client included")
    assert each <= 0.001
    assert counter(node, "unauthorized_total") == 20 * len(bad)
