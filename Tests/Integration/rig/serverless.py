"""An application in the serverless mode of the Azure SignalR Service, which knows a connection string and nothing else: it sends its clients to
the service with a token, and calls the REST data plane, both as the service's libraries do (Azure/azure-signalr: `ServiceEndpoint`,
`DefaultServiceEndpointGenerator`, `RestApiProvider`)."""

import base64
import hmac
import http.server
import json
import threading
import time
from typing import Any
from urllib.parse import quote, urlsplit

import jwt
import requests


def encode(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: Any, key: str, header: Any = None, digest: str = "sha256") -> str:
    """A token by hand, so that it can be wrong in every way."""
    signed = f"{encode({'alg': 'HS256', 'typ': 'JWT', 'kid': '-1234'} if header is None else header)}.{encode(claims)}"
    return f"{signed}.{encode(hmac.new(key.encode(), signed.encode(), digest).digest())}"


def hostile(right: dict[str, Any], key: str, others: dict[str, str]) -> dict[str, str]:
    """Tokens that open nothing, by what is wrong with them. `right` has what opens something when `key` signs it; `others` are wrong keys."""
    now = int(time.time())
    good = sign(right, key)
    head, claims, signature = good.split(".")
    twice = b"{" + json.dumps(right).encode()[1:-1] + b"," + json.dumps(right).encode()[1:]
    deep = b'{"x":' + b"[" * 2000 + b"]" * 2000 + b"," + json.dumps(right).encode()[1:]
    return {
        "no token": "x", "two parts": f"{head}.{claims}", "four parts": f"{good}.x", "no signature": f"{head}.{claims}.",
        "changed claims": f"{head}.{encode({**right, 'exp': now + 61})}.{signature}", "alg none": f"{encode({'alg': 'none'})}.{claims}.",
        "alg none, signed": sign(right, key, header={"alg": "none"}), "alg NONE": sign(right, key, header={"alg": "NONE"}),
        "no alg": sign(right, key, header={"typ": "JWT"}), "HS512 by name": sign(right, key, header={"alg": "HS512"}),
        "HS512": sign(right, key, header={"alg": "HS512"}, digest="sha512"), "RS256": sign(right, key, header={"alg": "RS256"}),
        "hs256": sign(right, key, header={"alg": "hs256"}), "crit": sign(right, key, header={"alg": "HS256", "crit": ["x"]}),
        "alg twice": sign(right, key, header=b'{"alg":"none","\\u0061lg":"HS256"}'), "zip": sign(right, key, header={"alg": "HS256", "zip": "DEF"}),
        "its own key": sign(right, "y" * 32, header={"alg": "HS256", "jwk": {"kty": "oct", "k": encode(b"y" * 32)}}),
        "another type": sign(right, key, header={"alg": "HS256", "typ": "logout+jwt"}), "padding": good + "=", "more behind it": good + "AA",
        "no exp": sign({name: value for name, value in right.items() if name != "exp"}, key), "expired": sign({**right, "exp": now - 60}, key),
        "exp a text": sign({**right, "exp": str(now + 60)}, key), "exp beyond numbers": sign({**right, "exp": 10**400}, key),
        "not yet": sign({**right, "nbf": now + 600}, key), "no aud": sign({name: value for name, value in right.items() if name != "aud"}, key),
        "an empty aud": sign({**right, "aud": ""}, key), "no audiences": sign({**right, "aud": []}, key), "aud an object": sign({**right, "aud": {"a": right["aud"]}}, key),
        "only the host": sign({**right, "aud": "https://hub.example.com"}, key), "claims twice": sign(twice, key), "deep": sign(deep, key),
        "not an object": sign([right], key), "no JSON": sign(b"{", key), "no UTF-8": sign(b'{"a":"\xff"}', key), "large": sign({**right, "x": "x" * 9000}, key),
        "an empty key": sign(right, ""), "a key with a zero byte behind it": sign(right, key + "\x01"),
        **{name: sign(right, other) for name, other in others.items()},
    }  # fmt: skip


class ServerlessApplication:
    """`user_of` says who asks for a token, by the query of the request."""

    def __init__(self, connection_string: str, hub: str = "Chat", application: str = "", **claims: Any) -> None:
        parts = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        self.endpoint = parts["Endpoint"].rstrip("/")
        self.key = parts["AccessKey"]
        self.server = parts.get("ServerEndpoint", self.endpoint).rstrip("/")
        self.client = parts.get("ClientEndpoint", self.endpoint).rstrip("/")
        #: Without the port, as the libraries have it.
        self.audience = f"{urlsplit(self.endpoint).scheme}://{urlsplit(self.endpoint).hostname}"
        self.hub, self.application, self.claims = hub.lower(), application.lower(), claims
        application_itself = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                user = dict(pair.split("=", 1) for pair in urlsplit(self.path).query.split("&") if "=" in pair).get("user")
                body = json.dumps(application_itself.negotiate(user)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="application", daemon=True).start()

    @property
    def url(self) -> str:
        """What its clients are told is the hub."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hub"

    @property
    def full_name(self) -> str:
        return f"{self.application}_{self.hub}" if self.application else self.hub

    def client_token(self, user: str | None = None, seconds: float = 3600, **claims: Any) -> str:
        known = {"asrs.s.uid": user} if user else {}
        return jwt.encode(
            {"aud": f"{self.audience}/client/?hub={self.full_name}", "exp": int(time.time() + seconds), **known, **self.claims, **claims},
            self.key, algorithm="HS256", headers={"kid": "-1640571498"})  # fmt: skip

    def negotiate(self, user: str | None = None) -> dict[str, str]:
        return {"url": f"{self.client}/client/?hub={self.full_name}", "accessToken": self.client_token(user)}

    def call(
        self, method: str, path: str, body: Any = None, query: str = "", version: str = "2022-06-01", token: str | None = None
    ) -> requests.Response:
        """`path` is behind the hub, with names as they are between slashes."""
        behind = "/".join(quote(part, safe=":") for part in path.split("/"))
        named = f"application={self.application}&" if self.application else ""
        target = f"/api/hubs/{quote(self.hub)}{behind}?{named}api-version={version}"
        presented = token or jwt.encode({"aud": self.audience + target, "exp": int(time.time()) + 300}, self.key, algorithm="HS256")
        return requests.request(
            method, f"{self.server}{target}{'&' + query if query else ''}", json=body, headers={"Authorization": f"Bearer {presented}"}, timeout=10)

    def send(self, path: str, target: str, *arguments: Any, query: str = "") -> int:
        return self.call("POST", f"{path}/:send", {"target": target, "arguments": list(arguments)}, query).status_code

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
