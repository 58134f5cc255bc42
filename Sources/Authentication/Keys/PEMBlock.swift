internal import Crypto
internal import CryptoExtras
internal import Foundation

/// One PEM block (RFC 7468) and the key in it.
struct PEMBlock {
    /// What stands after BEGIN: "PUBLIC KEY".
    let label: String
    private let text: String
    private let der: [UInt8]
    private let place: String

    /// SubjectPublicKeyInfo and PKCS #8 of Ed25519 up to the 32 bytes of the key (RFC 8410 4 and 7).
    private static let ed25519Public: [UInt8] = [
        0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]
    private static let ed25519Private: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    init(_ source: String, place: String) throws(KeyError) {
        let lines = source.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        let dashes = "-----"
        // What stands before the block is commentary (RFC 7468 2); `openssl ecparam -genkey` writes a block of
        // parameters first.
        let begins = lines.indices.filter {
            lines[$0].hasPrefix("-----BEGIN ") && lines[$0].hasSuffix(dashes)
                && lines[$0] != "-----BEGIN EC PARAMETERS-----"
        }
        guard begins.count == 1, let begin = begins.first else { throw KeyError(place, .notPEM) }
        let label = String(lines[begin].dropFirst(11).dropLast(5))
        guard let end = lines[begin...].firstIndex(of: "-----END \(label)-----"),
            let der = Data(base64Encoded: lines[(begin + 1)..<end].joined())
        else { throw KeyError(place, .notPEM) }
        self.label = label
        self.der = Array(der)
        self.place = place
        text = lines[begin...end].joined(separator: "\n")
    }

    private var isPrivate: Bool { label.hasSuffix("PRIVATE KEY") }

    func publicKey() throws(KeyError) -> VerificationKey.Material {
        if isPrivate { throw KeyError(place, .privateKeyForVerifying) }
        if label == "CERTIFICATE" { throw KeyError(place, .certificate) }
        guard label == "PUBLIC KEY" || label == "RSA PUBLIC KEY" else { throw KeyError(place, .unsupportedKey) }
        if der.count == Self.ed25519Public.count + 32, der.starts(with: Self.ed25519Public),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: der.suffix(32))
        {
            return .ed25519(key)
        }
        if let key = try? P256.Signing.PublicKey(pemRepresentation: text) { return .p256(key) }
        if let key = try? P384.Signing.PublicKey(pemRepresentation: text) { return .p384(key) }
        if let key = try? P521.Signing.PublicKey(pemRepresentation: text) { return .p521(key) }
        // The lower limit of this library call is below ours, so that the error can tell the size.
        if let key = try? _RSA.Signing.PublicKey(unsafePEMRepresentation: text) { return .rsa(key) }
        throw KeyError(place, .unsupportedKey)
    }

    func privateKey() throws(KeyError) -> SigningKey.Material {
        guard isPrivate else {
            throw KeyError(place, label.hasSuffix("PUBLIC KEY") ? .publicKeyForSigning : .unsupportedKey)
        }
        if der.count == Self.ed25519Private.count + 32, der.starts(with: Self.ed25519Private),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: der.suffix(32))
        {
            return .ed25519(key)
        }
        if let key = try? P256.Signing.PrivateKey(pemRepresentation: text) { return .p256(key) }
        if let key = try? P384.Signing.PrivateKey(pemRepresentation: text) { return .p384(key) }
        if let key = try? P521.Signing.PrivateKey(pemRepresentation: text) { return .p521(key) }
        if let key = try? _RSA.Signing.PrivateKey(unsafePEMRepresentation: text) { return .rsa(key) }
        throw KeyError(place, .unsupportedKey)
    }
}
