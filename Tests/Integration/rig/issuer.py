"""Whoever signs tokens, and publishes its keys as a JWK set (RFC 7517 5)."""

import http.server
import json
import threading
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Issuer(http.server.ThreadingHTTPServer):
    """Serves a JWK set that can change."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[dict[str, Any]] = []
        self.fetches = 0
        #: From the second time on, answers wait while this is not set.
        self.released = threading.Event()
        self.released.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/keys"

    def add(self, kid: str) -> Any:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
        self.keys.append({**jwk, "kid": kid, "alg": "RS256", "use": "sig"})
        return private

    def stop(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.fetches += 1
        if self.server.fetches > 1:
            self.server.released.wait(10)
        body = json.dumps({"keys": self.server.keys}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
