internal import Codec

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
        parsing bytes: [UInt8], origin: String, algorithm: SignatureAlgorithm? = nil, acceptsSecrets: Bool
    ) throws(KeyError) {
        guard bytes.count <= Self.maximumBytes else { throw KeyError(origin, .fileTooLarge) }
        guard let list = (try? JSONObject(bytes))?["keys"], list.first == UInt8(ascii: "[") else {
            throw KeyError(origin, .notJWKS)
        }
        guard let entries = JSONObject.values(list, limit: Self.maximumKeys) else {
            throw KeyError(origin, .tooManyKeys(Self.maximumKeys + 1))
        }
        var keys: [VerificationKey] = []
        var problems: [KeyError] = []
        for (index, entry) in entries.enumerated() {
            do {
                let reader = try JWKReader(entry, origin: "\(origin), key \(index + 1)")
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
    let origin: String

    init(_ bytes: [UInt8], origin: String) throws(KeyError) {
        guard let members = try? JSONObject(bytes) else { throw KeyError(origin, .notAnObject) }
        self.members = members
        self.origin = origin
    }

    func key(algorithm: SignatureAlgorithm?, acceptsSecrets: Bool) throws(KeyError) -> VerificationKey {
        try checkUse()
        var id: String?
        if members["kid"] != nil { id = try text("kid") }
        let material = try material(acceptsSecrets: acceptsSecrets)
        var own: SignatureAlgorithm?
        if members["alg"] != nil {
            guard let known = SignatureAlgorithm(name: try text("alg")) else {
                throw KeyError(origin, .algorithmUnknown)
            }
            own = known
        }
        // The source's algorithm is for keys that leave it open, not for those whose curve decides.
        return try VerificationKey(
            id: id, algorithm: own ?? material.family.onlyAlgorithm ?? algorithm, origin: origin, material: material)
    }

    private func checkUse() throws(KeyError) {
        if members["use"] != nil {
            guard try text("use") == "sig" else { throw KeyError(origin, .notForSignatures) }
        }
        if let operations = members["key_ops"] {
            guard let names = JSONObject.strings(operations), names.contains("verify")
            else { throw KeyError(origin, .notForSignatures) }
        }
    }

    private func material(acceptsSecrets: Bool) throws(KeyError) -> KeyMaterial {
        let type = try text("kty")
        guard members["d"] == nil else { throw KeyError(origin, .privateMember) }
        switch type {
        case "oct":
            guard acceptsSecrets else { throw KeyError(origin, .secretFromNetwork) }
            return .secret(Secret(try bytes("k")))
        case "RSA":
            let modulus = try bytes("n")
            let exponent = try bytes("e")
            do {
                return .rsa(try RSAKey(modulus: modulus, exponent: exponent))
            } catch {
                throw KeyError(origin, error)
            }
        case "EC": return try ellipticMaterial()
        case "OKP":
            guard try text("crv") == "Ed25519", let key = Ed25519Key(public: try bytes("x"))
            else { throw KeyError(origin, .unsupportedKey) }
            return .ed25519(key)
        default: throw KeyError(origin, .unsupportedKey)
        }
    }

    private func ellipticMaterial() throws(KeyError) -> KeyMaterial {
        let curve = try text("crv")
        let x = try bytes("x")
        let y = try bytes("y")
        guard let curve = EllipticCurve(name: curve), let key = EllipticKey(curve, x: x, y: y)
        else { throw KeyError(origin, .unsupportedKey) }
        return .elliptic(key)
    }

    private func text(_ name: String) throws(KeyError) -> String {
        guard let text = members.string(name) else { throw KeyError(origin, .member(name)) }
        return text
    }

    private func bytes(_ name: String) throws(KeyError) -> [UInt8] {
        guard let bytes = Base64URL.decode(try text(name).utf8), !bytes.isEmpty
        else { throw KeyError(origin, .member(name)) }
        return bytes
    }
}
