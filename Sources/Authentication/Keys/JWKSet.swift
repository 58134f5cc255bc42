internal import Codec
internal import Crypto
internal import CryptoExtras
internal import Foundation

/// A JWK set (RFC 7517): the keys that can be used, and why the others cannot.
package struct JWKSet: Sendable {
    /// The largest set, in bytes, from a file or over the network.
    package static let maximumBytes = 1 << 20
    package static let maximumKeys = 256

    package let keys: [VerificationKey]
    package let problems: [KeyError]

    /// - Parameters:
    ///   - algorithm: For keys that do not say theirs and fit several.
    ///   - acceptsSecrets: Whether `oct` keys are taken; what comes over the network has no business holding secrets.
    package init(
        parsing bytes: [UInt8], place: String, algorithm: SignatureAlgorithm? = nil, acceptsSecrets: Bool
    ) throws(KeyError) {
        guard bytes.count <= Self.maximumBytes else { throw KeyError(place, .fileTooLarge) }
        guard let list = (try? JSONObject(bytes))?["keys"], list.first == UInt8(ascii: "[") else {
            throw KeyError(place, .notJWKS)
        }
        guard let entries = JSONObject.values(list, limit: Self.maximumKeys) else {
            throw KeyError(place, .tooManyKeys(Self.maximumKeys + 1))
        }
        var keys: [VerificationKey] = []
        var problems: [KeyError] = []
        for (index, entry) in entries.enumerated() {
            do {
                let reader = try JWKReader(entry, place: "\(place), key \(index + 1)")
                keys.append(try reader.key(algorithm: algorithm, acceptsSecrets: acceptsSecrets))
            } catch {
                problems.append(error)
            }
        }
        self.keys = keys
        self.problems = problems
    }
}

/// Reads one JWK (RFC 7517 4, RFC 7518 6, RFC 8037 2).
private struct JWKReader {
    let members: JSONObject
    let place: String

    init(_ bytes: [UInt8], place: String) throws(KeyError) {
        guard let members = try? JSONObject(bytes) else { throw KeyError(place, .notAnObject) }
        self.members = members
        self.place = place
    }

    func key(algorithm: SignatureAlgorithm?, acceptsSecrets: Bool) throws(KeyError) -> VerificationKey {
        try checkUse()
        var id: String?
        if members["kid"] != nil { id = try text("kid") }
        let material = try material(acceptsSecrets: acceptsSecrets)
        var own: SignatureAlgorithm?
        if members["alg"] != nil {
            guard let known = SignatureAlgorithm(name: try text("alg")) else {
                throw KeyError(place, .algorithmUnknown)
            }
            own = known
        }
        // The source's algorithm is for keys that leave it open, not for those whose curve decides.
        return try VerificationKey(
            id: id, algorithm: own ?? material.family.onlyAlgorithm ?? algorithm, place: place, material: material)
    }

    private func checkUse() throws(KeyError) {
        if members["use"] != nil {
            guard try text("use") == "sig" else { throw KeyError(place, .notForSignatures) }
        }
        if let operations = members["key_ops"] {
            guard let names = JSONObject.strings(operations), names.contains("verify")
            else { throw KeyError(place, .notForSignatures) }
        }
    }

    private func material(acceptsSecrets: Bool) throws(KeyError) -> VerificationKey.Material {
        let type = try text("kty")
        guard members["d"] == nil else { throw KeyError(place, .privateMember) }
        switch type {
        case "oct":
            guard acceptsSecrets else { throw KeyError(place, .secretFromNetwork) }
            return .secret(SymmetricKey(data: try bytes("k")))
        case "RSA":
            let modulus = try bytes("n")
            let exponent = try bytes("e")
            // Looked at before anything is computed with them. An exponent above 2^64 only costs time.
            let bits = modulus.drop { $0 == 0 }.count * 8
            guard bits >= VerificationKey.rsaBits.lowerBound, bits <= VerificationKey.rsaBits.upperBound
            else { throw KeyError(place, .rsaSize(bits: bits)) }
            guard exponent.count <= 8, let key = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
            else { throw KeyError(place, .unsupportedKey) }
            return .rsa(key)
        case "EC": return try ellipticMaterial()
        case "OKP":
            guard try text("crv") == "Ed25519",
                let key = try? Curve25519.Signing.PublicKey(rawRepresentation: try bytes("x"))
            else { throw KeyError(place, .unsupportedKey) }
            return .ed25519(key)
        default: throw KeyError(place, .unsupportedKey)
        }
    }

    private func ellipticMaterial() throws(KeyError) -> VerificationKey.Material {
        let curve = try text("crv")
        let x = try bytes("x")
        let y = try bytes("y")
        // Both have the full size of the curve (RFC 7518 6.2.1.2): 10 and 54 bytes would also make 64.
        guard x.count == y.count else { throw KeyError(place, .unsupportedKey) }
        switch curve {
        case "P-256":
            if let key = try? P256.Signing.PublicKey(rawRepresentation: x + y) { return .p256(key) }
        case "P-384":
            if let key = try? P384.Signing.PublicKey(rawRepresentation: x + y) { return .p384(key) }
        case "P-521":
            if let key = try? P521.Signing.PublicKey(rawRepresentation: x + y) { return .p521(key) }
        default: break
        }
        throw KeyError(place, .unsupportedKey)
    }

    private func text(_ name: String) throws(KeyError) -> String {
        guard let text = members.string(name) else { throw KeyError(place, .member(name)) }
        return text
    }

    private func bytes(_ name: String) throws(KeyError) -> [UInt8] {
        guard let bytes = Base64URL.decode(try text(name).utf8), !bytes.isEmpty
        else { throw KeyError(place, .member(name)) }
        return bytes
    }
}
