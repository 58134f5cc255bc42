#!/usr/bin/env python3
"""Makes the fixtures of these tests: fixed keys, their JWK set, and tokens by another implementation.

    python3 make.py [DIRECTORY]        # joserfc and cryptography; writes fixtures.json and jwks.json

Run again only to change what is in them: RSA and Ed25519 signatures come out the same, ECDSA and PSS ones do not.
The keys are for tests alone: everybody can read them.
"""

import base64
import json
import pathlib
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

SECRET = "carillon-test-secret-0123456789-0123456789-0123456789-0123456789"
FAR = 4102444800  # 2100-01-01
CLAIMS = {
    "sub": "ada",
    "exp": FAR,
    "iat": 1700000000,
    "nbf": 1700000000,
    "jti": "token-1",
    "iss": "https://issuer.example",
    "aud": ["carillon", "other"],
    "info": {"name": "Ada L\u00f6velace", "level": 1.50},
    "channels": ["news", "user:ada"],
    "grants": [{"match": ["chat:*", "room:?"], "allow": ["subscribe", "publish"]}],
}
SUBSCRIPTION = {"sub": "ada", "channel": "chat:1", "exp": FAR, "expire_at": 0}


def number(value: int) -> str:
    size = (value.bit_length() + 7) // 8
    return base64.urlsafe_b64encode(value.to_bytes(size, "big")).rstrip(b"=").decode()


def load(name: str, make):
    """The private key of the fixture that is there, or a new one."""
    if name in KEYS:
        return serialization.load_pem_private_key(KEYS[name]["private"].encode(), None)
    return make()


HERE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
OLD = HERE / "fixtures.json"
KEYS = json.loads(OLD.read_text())["keys"] if OLD.exists() else {}

private = {
    "rsa": load("rsa", lambda: rsa.generate_private_key(65537, 2048)),
    "rsa1024": load("rsa1024", lambda: rsa.generate_private_key(65537, 1024)),
    "p256": load("p256", lambda: ec.generate_private_key(ec.SECP256R1())),
    "p384": load("p384", lambda: ec.generate_private_key(ec.SECP384R1())),
    "p521": load("p521", lambda: ec.generate_private_key(ec.SECP521R1())),
    "ed25519": load("ed25519", ed25519.Ed25519PrivateKey.generate),
}
keys = {}
for name, key in private.items():
    traditional = name not in ("ed25519",)
    keys[name] = {
        "private": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "public": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    }
    if traditional:
        keys[name]["traditional"] = key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        ).decode()
keys["rsa"]["pkcs1"] = private["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()

signers = {"HS": OctKey.import_key(SECRET)}
for family, name in (("RS", "rsa"), ("PS", "rsa")):
    signers[family] = RSAKey.import_key(keys[name]["private"])
signers["ES256"] = ECKey.import_key(keys["p256"]["private"])
signers["ES384"] = ECKey.import_key(keys["p384"]["private"])
signers["ES512"] = ECKey.import_key(keys["p521"]["private"])
signers["EdDSA"] = OKPKey.import_key(keys["ed25519"]["private"])
signers["Ed25519"] = signers["EdDSA"]

NAMES = [f + s for f in ("HS", "RS", "PS", "ES") for s in ("256", "384", "512")] + ["EdDSA", "Ed25519"]


def token(algorithm: str, claims: dict) -> str:
    signer = signers.get(algorithm) or signers[algorithm[:2]]
    header = {"alg": algorithm, "typ": "JWT", "kid": algorithm.lower()}
    return jws.serialize_compact(header, json.dumps(claims).encode(), signer, algorithms=NAMES)


tokens = {name: {"connection": token(name, CLAIMS), "subscription": token(name, SUBSCRIPTION)} for name in NAMES}


def public_jwk(name: str, **more) -> dict:
    kind = {"rsa": RSAKey, "ed25519": OKPKey}.get(name, ECKey)
    return dict(kind.import_key(keys[name]["public"]).as_dict(), **more)


good = [
    public_jwk("rsa", kid="rs256", alg="RS256", use="sig"),
    public_jwk("p256", kid="es256", key_ops=["verify"]),
    public_jwk("p384", kid="es384", alg="ES384"),
    public_jwk("p521", kid="es512"),
    public_jwk("ed25519", kid="eddsa", alg="EdDSA"),
    {"kty": "oct", "kid": "hs256", "alg": "HS256", "k": base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"=").decode()},
]
small = private["rsa1024"].public_key().public_numbers()
rsa_jwk = public_jwk("rsa")
bad = [
    7,
    {},
    {"kty": "RSA", "kid": "no-modulus", "alg": "RS256", "e": "AQAB"},
    {"kty": "RSA", "kid": "small", "alg": "RS256", "n": number(small.n), "e": number(small.e)},
    dict(rsa_jwk, kid="no-algorithm"),
    dict(rsa_jwk, kid="encryption", use="enc", alg="RSA-OAEP"),
    dict(rsa_jwk, kid="other-operations", alg="RS256", key_ops=["encrypt"]),
    dict(rsa_jwk, kid="wrong-family", alg="ES256"),
    dict(rsa_jwk, kid="none", alg="none"),
    dict(rsa_jwk, kid="long-exponent", alg="RS256", e=number((1 << 72) + 1)),
    dict(RSAKey.import_key(keys["rsa"]["private"]).as_dict(private=True), kid="private", alg="RS256"),
    dict(public_jwk("p256"), kid="other-curve", crv="P-384"),
    dict(public_jwk("p256"), kid="off-curve", y=public_jwk("p256")["x"]),
    dict(public_jwk("p256"), kid="padded", x=public_jwk("p256")["x"] + "="),
    {"kty": "EC", "kid": "secp256k1", "crv": "secp256k1", "x": "AA", "y": "AA"},
    {"kty": "OKP", "kid": "x25519", "crv": "X25519", "x": public_jwk("ed25519")["x"]},
    {"kty": "oct", "kid": "short", "alg": "HS256", "k": "c2hvcnQ"},
    {"kty": "AKP", "kid": "future", "alg": "ML-DSA-44", "pub": "AA"},
]

HERE.mkdir(parents=True, exist_ok=True)
fixtures = {"secret": SECRET, "keys": keys, "tokens": tokens}
(HERE / "fixtures.json").write_text(json.dumps(fixtures, indent=1) + "\n")
(HERE / "jwks.json").write_text(json.dumps({"keys": good}, indent=1) + "\n")
(HERE / "jwks-bad.json").write_text(json.dumps({"keys": bad + good}, indent=1) + "\n")
