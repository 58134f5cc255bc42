#!/usr/bin/env python3
"""Makes hostile.json: keys in PEM and signatures as an attacker or a careless tool would make them, and good ones beside them.

    python3 make_hostile.py [DIRECTORY]        # cryptography; reads fixtures.json, writes hostile.json

The structures are written here, byte by byte, because no library makes wrong ones. Every key says why it is refused
(`KeyError.Reason` in Swift), or nothing if it is accepted.
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, padding, utils, x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat

HERE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
KEYS = json.loads((HERE / "fixtures.json").read_text())["keys"]


def private(name: str):
    return serialization.load_pem_private_key(KEYS[name]["private"].encode(), None)


# DER (X.690)


def element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def sequence(*parts: bytes) -> bytes:
    return element(0x30, *parts)


def integer(number: int) -> bytes:
    return element(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def octets(content: bytes) -> bytes:
    return element(0x04, content)


def bits(content: bytes, unused: int = 0) -> bytes:
    return element(0x03, bytes([unused]), content)


NULL = element(0x05)
RSA = bytes.fromhex("06092a864886f70d010101")
PSS = bytes.fromhex("06092a864886f70d01010a")
EC = bytes.fromhex("06072a8648ce3d0201")
CURVE = {
    "p256": bytes.fromhex("06082a8648ce3d030107"),
    "p384": bytes.fromhex("06052b81040022"),
    "p521": bytes.fromhex("06052b81040023"),
    "secp256k1": bytes.fromhex("06052b8104000a"),
}
ED25519 = bytes.fromhex("06032b6570")


def pem(label: str, der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


# Public keys

UNSUPPORTED = "unsupportedKey"
rsa = private("rsa").private_numbers()
n, e = rsa.public_numbers.n, rsa.public_numbers.e


def pkcs1(modulus: int = n, exponent: int = e) -> bytes:
    return sequence(integer(modulus), integer(exponent))


def spki(algorithm: bytes, key: bytes) -> bytes:
    return sequence(algorithm, bits(key))


RSA_ALGORITHM = sequence(RSA, NULL)
point = {
    name: private(name).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    for name in ("p256", "p384", "p521")
}
compressed = private("p256").public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
hybrid = bytes([6 + point["p256"][-1] % 2]) + point["p256"][1:]
ed_point = private("ed25519").public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
good = spki(RSA_ALGORITHM, pkcs1())


def ec_spki(name: str, key: bytes) -> bytes:
    return spki(sequence(EC, CURVE[name]), key)


def modulus(size: int) -> int:
    """An odd number of this many bits. Which factors it has, nobody asks who only verifies."""
    return (1 << (size - 1)) | 1


# P-521 has 7 bits to spare in 66 bytes: a coordinate can be written a second time, greater by p.
P521 = (1 << 521) - 1
x521, y521 = (int.from_bytes(point["p521"][start : start + 66], "big") for start in (1, 67))
second = b"\4" + (x521 + P521).to_bytes(66, "big") + y521.to_bytes(66, "big")
# A curve written out as numbers (SEC 1 C.2): these are those of P-256, but they could be an attacker's.
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
B256 = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G256 = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
ORDER = {
    "p256": 2**256 - 2**224 + 2**192 - 0x4319055258E8617B0C46353D039CDAAF,
    "p384": 2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D,
    "p521": 2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
}
explicit = sequence(
    integer(1), sequence(bytes.fromhex("06072a8648ce3d0101"), integer(P256)),
    sequence(octets((P256 - 3).to_bytes(32, "big")), octets(B256.to_bytes(32, "big"))),
    octets(G256), integer(ORDER["p256"]), integer(1))

public = [
    ("SPKI, RSA", "PUBLIC KEY", good, None),
    ("SPKI, RSA for PSS", "PUBLIC KEY", spki(sequence(PSS), pkcs1()), None),
    ("SPKI, RSA for PSS with parameters", "PUBLIC KEY", spki(sequence(PSS, sequence()), pkcs1()), None),
    ("PKCS #1", "RSA PUBLIC KEY", pkcs1(), None),
    ("modulus of 8192 bits", "RSA PUBLIC KEY", pkcs1(modulus(8192)), None),
    ("exponent 3", "RSA PUBLIC KEY", pkcs1(exponent=3), None),
    ("exponent of 33 bits", "RSA PUBLIC KEY", pkcs1(exponent=(1 << 32) + 1), None),
    *((f"SPKI, {name}", "PUBLIC KEY", ec_spki(name, point[name]), None) for name in point),
    ("SPKI, Ed25519", "PUBLIC KEY", spki(sequence(ED25519), ed_point), None),
    # Structures
    ("nothing", "PUBLIC KEY", b"", UNSUPPORTED),
    ("an empty sequence", "PUBLIC KEY", sequence(), UNSUPPORTED),
    ("a byte behind", "PUBLIC KEY", good + b"\0", UNSUPPORTED),
    ("an element behind", "PUBLIC KEY", good + NULL, UNSUPPORTED),
    ("an element behind the bits", "PUBLIC KEY", sequence(RSA_ALGORITHM, bits(pkcs1()), NULL), UNSUPPORTED),
    ("an element behind the algorithm", "PUBLIC KEY", spki(sequence(RSA, NULL, NULL), pkcs1()), UNSUPPORTED),
    ("an element behind the numbers", "RSA PUBLIC KEY", sequence(integer(n), integer(e), NULL), UNSUPPORTED),
    ("a byte behind the numbers", "PUBLIC KEY", spki(RSA_ALGORITHM, pkcs1() + b"\0"), UNSUPPORTED),
    ("a byte is missing", "PUBLIC KEY", good[:-1], UNSUPPORTED),
    ("no NULL", "PUBLIC KEY", spki(sequence(RSA), pkcs1()), UNSUPPORTED),
    ("a NULL with content", "PUBLIC KEY", spki(sequence(RSA, b"\5\1\0"), pkcs1()), UNSUPPORTED),
    ("unused bits", "PUBLIC KEY", sequence(RSA_ALGORITHM, bits(pkcs1(), unused=1)), UNSUPPORTED),
    ("no length (BER)", "RSA PUBLIC KEY", b"\x30\x80" + integer(n) + integer(e) + b"\0\0", UNSUPPORTED),
    ("a length with a zero", "RSA PUBLIC KEY", b"\x30\x83\0" + pkcs1()[2:], UNSUPPORTED),
    ("a long form of a short length", "RSA PUBLIC KEY", sequence(integer(n), b"\2\x81\3\1\0\1"), UNSUPPORTED),
    ("a length of 2^56", "RSA PUBLIC KEY", b"\x30\x88\1\0\0\0\0\0\0\0" + integer(n), UNSUPPORTED),
    ("a length of 2^1000", "RSA PUBLIC KEY", b"\x30\xfe\1" + bytes(125), UNSUPPORTED),
    ("PKCS #1 labelled as SPKI", "PUBLIC KEY", pkcs1(), UNSUPPORTED),
    ("SPKI labelled as PKCS #1", "RSA PUBLIC KEY", good, UNSUPPORTED),
    # RSA
    ("1024 bits", "RSA PUBLIC KEY", pkcs1(modulus(1024)), "rsaSize 1024"),
    ("2047 bits", "RSA PUBLIC KEY", pkcs1(modulus(2047)), "rsaSize 2047"),
    ("8193 bits", "RSA PUBLIC KEY", pkcs1(modulus(8193)), "rsaSize 8193"),
    ("16385 bits", "PUBLIC KEY", spki(RSA_ALGORITHM, pkcs1(modulus(16385))), "rsaSize 16385"),
    ("100,000 bits", "RSA PUBLIC KEY", pkcs1(modulus(100_000)), "rsaSize 100000"),
    ("modulus 0", "RSA PUBLIC KEY", pkcs1(0), "rsaSize 0"),
    ("an even modulus", "RSA PUBLIC KEY", pkcs1(n + 1), UNSUPPORTED),
    ("a negative modulus", "RSA PUBLIC KEY", sequence(element(2, n.to_bytes(256, "big")), integer(e)), UNSUPPORTED),
    ("a modulus with two zeros", "RSA PUBLIC KEY", sequence(element(2, b"\0", n.to_bytes(257, "big")), integer(e)), UNSUPPORTED),
    ("a modulus without bytes", "RSA PUBLIC KEY", sequence(element(2), integer(e)), UNSUPPORTED),
    ("exponent 0", "RSA PUBLIC KEY", pkcs1(exponent=0), UNSUPPORTED),
    ("exponent 1", "RSA PUBLIC KEY", pkcs1(exponent=1), UNSUPPORTED),
    ("exponent 2", "RSA PUBLIC KEY", pkcs1(exponent=2), UNSUPPORTED),
    ("an even exponent", "RSA PUBLIC KEY", pkcs1(exponent=65538), UNSUPPORTED),
    ("exponent of 34 bits", "RSA PUBLIC KEY", pkcs1(exponent=(1 << 33) + 1), UNSUPPORTED),
    ("exponent as long as the modulus", "RSA PUBLIC KEY", pkcs1(exponent=n - 2), UNSUPPORTED),
    # EC
    ("infinity", "PUBLIC KEY", ec_spki("p256", b"\0"), UNSUPPORTED),
    ("infinity, as long as a point", "PUBLIC KEY", ec_spki("p256", bytes(65)), UNSUPPORTED),
    ("the origin", "PUBLIC KEY", ec_spki("p256", b"\4" + bytes(64)), UNSUPPORTED),
    ("off the curve", "PUBLIC KEY", ec_spki("p256", point["p256"][:-1] + bytes([point["p256"][-1] ^ 1])), UNSUPPORTED),
    ("coordinates above the field", "PUBLIC KEY", ec_spki("p256", b"\4" + b"\xff" * 64), UNSUPPORTED),
    ("a coordinate written a second time", "PUBLIC KEY", ec_spki("p521", second), UNSUPPORTED),
    ("compressed", "PUBLIC KEY", ec_spki("p256", compressed), UNSUPPORTED),
    ("hybrid", "PUBLIC KEY", ec_spki("p256", hybrid), UNSUPPORTED),
    ("a point of another curve", "PUBLIC KEY", ec_spki("p384", point["p256"]), UNSUPPORTED),
    ("a byte too few", "PUBLIC KEY", ec_spki("p256", point["p256"][:-1]), UNSUPPORTED),
    ("a byte too many", "PUBLIC KEY", ec_spki("p256", point["p256"] + b"\0"), UNSUPPORTED),
    ("secp256k1", "PUBLIC KEY", ec.generate_private_key(ec.SECP256K1()).public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo), UNSUPPORTED),
    ("a curve in numbers", "PUBLIC KEY", spki(sequence(EC, explicit), point["p256"]), UNSUPPORTED),
    ("no curve", "PUBLIC KEY", spki(sequence(EC), point["p256"]), UNSUPPORTED),
    ("a curve of its issuer", "PUBLIC KEY", spki(sequence(EC, NULL), point["p256"]), UNSUPPORTED),
    # Edwards
    ("Ed25519 with a NULL", "PUBLIC KEY", spki(sequence(ED25519, NULL), ed_point), UNSUPPORTED),
    ("Ed25519, 31 bytes", "PUBLIC KEY", spki(sequence(ED25519), ed_point[:-1]), UNSUPPORTED),
    ("Ed25519, 33 bytes", "PUBLIC KEY", spki(sequence(ED25519), ed_point + b"\0"), UNSUPPORTED),
    ("X25519", "PUBLIC KEY", x25519.X25519PrivateKey.generate().public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo), UNSUPPORTED),
    ("Ed448", "PUBLIC KEY", ed448.Ed448PrivateKey.generate().public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo), UNSUPPORTED),
    # Private ones
    *((f"a private key: {label}", label, b"\x30\0", "privateKeyForVerifying")
      for label in ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY")),
]

# Private keys

BITS = {"p256": 256, "p384": 384, "p521": 521}


def size(name: str) -> int:
    return (BITS[name] + 7) // 8


def scalar(name: str) -> bytes:
    return private(name).private_numbers().private_value.to_bytes(size(name), "big")


def sec1(key: bytes, curve: bytes | None, point: bytes | None = None, version: int = 1) -> bytes:
    return sequence(
        integer(version), octets(key), element(0xA0, curve) if curve else b"", element(0xA1, bits(point)) if point else b"")


def pkcs8(algorithm: bytes, key: bytes, *more: bytes, version: int = 0) -> bytes:
    return sequence(integer(version), algorithm, octets(key), *more)


RSA_NUMBERS = (n, e, rsa.d, rsa.p, rsa.q, rsa.dmp1, rsa.dmq1, rsa.iqmp)


def rsa_private(*numbers: int, version: int = 0) -> bytes:
    return sequence(integer(version), *map(integer, numbers or RSA_NUMBERS))


P256_ALGORITHM = sequence(EC, CURVE["p256"])
seed = private("ed25519").private_bytes(Encoding.Raw, PrivateFormat.Raw, serialization.NoEncryption())
other = (n, e, rsa.d - 2, rsa.p, rsa.q, rsa.dmp1 - 2, rsa.dmq1 - 2, rsa.iqmp)

secret = [
    ("PKCS #8, RSA", "PRIVATE KEY", pkcs8(RSA_ALGORITHM, rsa_private()), None),
    ("PKCS #8, RSA for PSS", "PRIVATE KEY", pkcs8(sequence(PSS), rsa_private()), None),
    ("PKCS #1", "RSA PRIVATE KEY", rsa_private(), None),
    ("PKCS #8 with attributes", "PRIVATE KEY", pkcs8(RSA_ALGORITHM, rsa_private(), element(0xA0, sequence())), None),
    *((f"SEC 1, {name}", "EC PRIVATE KEY", sec1(scalar(name), CURVE[name], point[name]), None) for name in point),
    *((f"SEC 1 without the public part, {name}", "EC PRIVATE KEY", sec1(scalar(name), CURVE[name]), None) for name in point),
    *((f"PKCS #8, {name}", "PRIVATE KEY", pkcs8(sequence(EC, CURVE[name]), sec1(scalar(name), None, point[name])), None)
      for name in point),
    ("PKCS #8, the curve twice", "PRIVATE KEY", pkcs8(P256_ALGORITHM, sec1(scalar("p256"), CURVE["p256"])), None),
    ("PKCS #8, Ed25519", "PRIVATE KEY", pkcs8(sequence(ED25519), octets(seed)), None),
    # Structures
    ("nothing", "PRIVATE KEY", b"", UNSUPPORTED),
    ("a byte behind", "PRIVATE KEY", pkcs8(RSA_ALGORITHM, rsa_private()) + b"\0", UNSUPPORTED),
    ("an element behind", "PRIVATE KEY", pkcs8(RSA_ALGORITHM, rsa_private(), NULL), UNSUPPORTED),
    ("an element behind the numbers", "RSA PRIVATE KEY", sequence(integer(0), *map(integer, RSA_NUMBERS), NULL), UNSUPPORTED),
    ("three primes", "RSA PRIVATE KEY", rsa_private(version=1), UNSUPPORTED),
    ("PKCS #8 of another version", "PRIVATE KEY", pkcs8(RSA_ALGORITHM, rsa_private(), version=1), UNSUPPORTED),
    ("SEC 1 of another version", "EC PRIVATE KEY", sec1(scalar("p256"), CURVE["p256"], version=2), UNSUPPORTED),
    ("PKCS #1 labelled as PKCS #8", "PRIVATE KEY", rsa_private(), UNSUPPORTED),
    # RSA
    ("an exponent of another key", "RSA PRIVATE KEY", rsa_private(*other), UNSUPPORTED),
    ("a number longer than the modulus", "RSA PRIVATE KEY", rsa_private(n, e, rsa.d << 8, *RSA_NUMBERS[3:]), UNSUPPORTED),
    ("primes that are even", "RSA PRIVATE KEY", rsa_private(n, e, rsa.d - 2, rsa.p + 1, rsa.q + 1, *RSA_NUMBERS[5:]), UNSUPPORTED),
    ("numbers that are 0", "RSA PRIVATE KEY", rsa_private(n, e, 0, 0, 0, 0, 0, 0), UNSUPPORTED),
    ("exponent 1", "RSA PRIVATE KEY", rsa_private(n, 1, 1, *RSA_NUMBERS[3:5], 1, 1, rsa.iqmp), UNSUPPORTED),
    ("8193 bits", "RSA PRIVATE KEY", rsa_private(modulus(8193), *RSA_NUMBERS[1:]), "rsaSize 8193"),
    # EC
    *((f"0, {name}", "EC PRIVATE KEY", sec1(bytes(size(name)), CURVE[name]), UNSUPPORTED) for name in point),
    *((f"n, {name}", "EC PRIVATE KEY", sec1(ORDER[name].to_bytes(size(name), "big"), CURVE[name]), UNSUPPORTED) for name in point),
    *((f"n + 1, {name}", "EC PRIVATE KEY", sec1((ORDER[name] + 1).to_bytes(size(name), "big"), CURVE[name]), UNSUPPORTED)
      for name in point),
    ("a byte too few", "EC PRIVATE KEY", sec1(scalar("p256")[1:], CURVE["p256"]), UNSUPPORTED),
    ("a byte too many", "EC PRIVATE KEY", sec1(b"\0" + scalar("p256"), CURVE["p256"]), UNSUPPORTED),
    ("another curve inside", "PRIVATE KEY", pkcs8(P256_ALGORITHM, sec1(scalar("p384"), CURVE["p384"])), UNSUPPORTED),
    ("a curve in numbers", "EC PRIVATE KEY", sec1(scalar("p256"), explicit), UNSUPPORTED),
    ("secp256k1", "EC PRIVATE KEY", sec1(scalar("p256"), CURVE["secp256k1"]), UNSUPPORTED),
    ("no curve", "EC PRIVATE KEY", sec1(scalar("p256"), None), UNSUPPORTED),
    # Edwards
    ("Ed25519, 31 bytes", "PRIVATE KEY", pkcs8(sequence(ED25519), octets(seed[1:])), UNSUPPORTED),
    ("Ed25519, 33 bytes", "PRIVATE KEY", pkcs8(sequence(ED25519), octets(seed + b"\0")), UNSUPPORTED),
    ("Ed25519, a byte behind", "PRIVATE KEY", pkcs8(sequence(ED25519), octets(seed) + b"\0"), UNSUPPORTED),
    ("X25519", "PRIVATE KEY", pkcs8(bytes.fromhex("300506032b656e"), octets(seed)), UNSUPPORTED),
    # Others
    ("a public key", "PUBLIC KEY", good, "publicKeyForSigning"),
    ("a public key of PKCS #1", "RSA PUBLIC KEY", pkcs1(), "publicKeyForSigning"),
    ("a certificate", "CERTIFICATE", b"\x30\0", UNSUPPORTED),
    ("a key of OpenSSH", "OPENSSH PRIVATE KEY", b"\x30\0", UNSUPPORTED),
]


def entries(keys: list) -> list[dict]:
    return [{"name": name, "pem": pem(label, der), "refused": reason} for name, label, der, reason in keys]


encrypted = [
    {"name": f"encrypted: {name}, {form}", "refused": "encrypted",
     "pem": private(name).private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"x")).decode()}
    for name in ("rsa", "p256") for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
]

# Signatures over one message, each with the fixture key of its algorithm

MESSAGE = b"header.claims"
DIGEST = hashlib.sha256(MESSAGE).digest()
SHA256 = bytes.fromhex("608648016503040201")
signatures: list[tuple[str, str, bytes, bool]] = []


def raw_rsa(block: bytes) -> bytes:
    """What the private key makes of a block, whatever it is."""
    return pow(int.from_bytes(block, "big"), rsa.d, n).to_bytes(256, "big")


def block1(content: bytes, after: bytes = b"", kind: int = 1, filling: int = 0xFF) -> bytes:
    """A block of PKCS #1 v1.5 (RFC 8017 9.2), with something behind it if that is asked for."""
    fill = 256 - 3 - len(content) - len(after)
    return bytes([0, kind]) + bytes([filling]) * fill + b"\0" + content + after


info = sequence(sequence(element(6, SHA256), NULL), octets(DIGEST))
for name, block in [
    ("good", block1(info)),
    ("no NULL", block1(sequence(sequence(element(6, SHA256)), octets(DIGEST)))),
    ("the digest alone", block1(DIGEST)),
    ("bytes behind the digest", block1(info, after=bytes(100))),
    ("little filling", bytes([0, 1]) + b"\xff" * 8 + b"\0" + info + bytes(256 - 11 - len(info))),
    ("block type 2", block1(info, kind=2)),
    ("block type 0", block1(info, kind=0, filling=0)),
    ("another filling", block1(info, filling=0xFE)),
    ("a long form of a length", block1(sequence(sequence(element(6, SHA256), b"\5\x81\0"), octets(DIGEST)))),
    ("SHA-1", block1(sequence(sequence(bytes.fromhex("06052b0e03021a"), NULL), octets(hashlib.sha1(MESSAGE).digest())))),
    ("SHA-512", block1(sequence(sequence(bytes.fromhex("0609608648016503040203"), NULL), octets(hashlib.sha512(MESSAGE).digest())))),
    ("a digest that is cut", block1(sequence(sequence(element(6, SHA256), NULL), octets(DIGEST[:20])))),
]:
    signatures.append((f"PKCS #1 v1.5, {name}", "RS256", raw_rsa(block), name == "good"))
for name, number in [("0", 0), ("1", 1), ("n - 1", n - 1), ("n", n), ("2^2048 - 1", 2**2048 - 1)]:
    signatures += [(f"RSA, {name}", algorithm, number.to_bytes(256, "big"), False) for algorithm in ("RS256", "PS256")]

key = private("rsa")
h256, h384 = hashes.SHA256(), hashes.SHA384()
for salt in (0, 20, 31, 32, 33, 64, padding.PSS.MAX_LENGTH):
    made = key.sign(MESSAGE, padding.PSS(padding.MGF1(h256), salt), h256)
    signatures.append((f"PSS, a salt of {'all there is room for' if salt is padding.PSS.MAX_LENGTH else salt}", "PS256", made, salt == 32))
signatures += [
    ("PSS, MGF1 with SHA-384", "PS256", key.sign(MESSAGE, padding.PSS(padding.MGF1(h384), 32), h256), False),
    ("PSS, SHA-384", "PS256", key.sign(MESSAGE, padding.PSS(padding.MGF1(h384), 48), h384), False),
    ("PSS as PKCS #1 v1.5", "RS256", key.sign(MESSAGE, padding.PSS(padding.MGF1(h256), 32), h256), False),
    ("PKCS #1 v1.5 as PSS", "PS256", key.sign(MESSAGE, padding.PKCS1v15(), h256), False),
]

for algorithm, name, function in [("ES256", "p256", h256), ("ES384", "p384", h384), ("ES512", "p521", hashes.SHA512())]:
    width, order = size(name), ORDER[name]
    der = private(name).sign(MESSAGE, ec.ECDSA(function))
    r, s = utils.decode_dss_signature(der)

    def raw(r: int, s: int, width: int = width) -> bytes:
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")

    signatures += [(f"ECDSA, {what}", algorithm, made, is_good) for what, made, is_good in [
        ("good", raw(r, s), True),
        # A second signature, but not of a second message: tokens are not told apart by their signatures.
        ("n - s", raw(r, order - s), True),
        ("DER", der, False),
        ("DER, as long as r and s", (der + bytes(2 * width))[: 2 * width], False),
        ("r is 0", raw(0, s), False), ("s is 0", raw(r, 0), False), ("both are 0", raw(0, 0), False),
        ("both are 1", raw(1, 1), False),
        ("r is n", raw(order, s), False), ("s is n", raw(r, order), False), ("both are n", raw(order, order), False),
        ("r is n - 1", raw(order - 1, s), False),
        ("the greatest numbers", b"\xff" * (2 * width), False),
        ("s before r", raw(s, r), False),
        ("a byte too few", raw(r, s)[:-1], False), ("a byte too many", raw(r, s) + b"\0", False),
        ("a zero before both", b"\0" + r.to_bytes(width, "big") + b"\0" + s.to_bytes(width, "big"), False),
        ("no bytes", b"", False),
        ("another hash", raw(*utils.decode_dss_signature(private(name).sign(MESSAGE, ec.ECDSA(hashes.SHA224())))), False),
    ]]
    if name == "p521":
        signatures += [("ECDSA, r + n", algorithm, raw(r + order, s), False), ("ECDSA, s + n", algorithm, raw(r, s + order), False)]

made = private("ed25519").sign(MESSAGE)
r, s = made[:32], int.from_bytes(made[32:], "little")
L = 2**252 + 27742317777372353535851937790883648493
signatures += [(f"Ed25519, {what}", "EdDSA", bytes_, is_good) for what, bytes_, is_good in [
    ("good", made, True),
    ("S + L", r + (s + L).to_bytes(32, "little"), False),
    ("S is 0", r + bytes(32), False), ("S is L", r + L.to_bytes(32, "little"), False),
    ("a high bit of S", made[:63] + bytes([made[63] | 0x80]), False),
    ("R is 0", bytes(32) + made[32:], False), ("R is no point", b"\xff" * 32 + made[32:], False),
    ("the sign of R", made[:31] + bytes([made[31] ^ 0x80]) + made[32:], False),
    ("both are 0", bytes(64), False), ("S before R", made[32:] + made[:32], False),
    ("a byte too few", made[:-1], False), ("a byte too many", made + b"\0", False), ("no bytes", b"", False),
]]

hostile = {
    "public": entries(public),
    "private": entries(secret) + encrypted,
    "message": MESSAGE.decode(),
    "signatures": [
        {"name": name, "algorithm": algorithm, "signature": base64.b64encode(signature).decode(), "good": is_good}
        for name, algorithm, signature, is_good in signatures
    ],
}
(HERE / "hostile.json").write_text(json.dumps(hostile, indent=1) + "\n")
