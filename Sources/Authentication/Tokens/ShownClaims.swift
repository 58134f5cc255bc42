internal import Codec

/// The claims of a token that applications get to see: those of the user, as texts.
package enum ShownClaims {
    /// Claims about the token itself, and not about the user.
    private static let system = [
        "aud", "exp", "iat", "nbf", "iss", "actort", "acr", "azp", "c_hash", "jti", "nonce",
    ].map { ForeignText($0) }
    /// What the service alone reads, and what stands in front of a user's claim that has the name of one about the token.
    private static let systemPrefix = "asrs.s."
    private static let userPrefix = "asrs.u."

    /// - Parameter token: One that has been verified.
    /// - Returns: In the order of their names; a list is several claims. Nothing for what is no token.
    package static func of(_ token: String) -> [(name: String, value: String)] {
        guard let signed = try? SignedToken(token), let object = try? JSONObject(signed.payload) else { return [] }
        var shown: [(name: String, value: String)] = []
        for name in object.members.keys.sorted() {
            guard let value = object.members[name], !system.contains(name), !name.utf8.starts(with: systemPrefix.utf8)
            else { continue }
            let isPrefixed = name.utf8.starts(with: userPrefix.utf8)
            let text =
                isPrefixed ? String(decoding: name.utf8.dropFirst(userPrefix.utf8.count), as: UTF8.self) : name.text
            if let values = JSONObject.values(value, limit: ClaimReader.maximumListed) {
                for element in values { shown.append((text, Self.text(element))) }
            } else {
                shown.append((text, Self.text(value)))
            }
        }
        return shown
    }

    private static func text(_ value: [UInt8]) -> String {
        JSONObject.string(value) ?? String(decoding: value, as: UTF8.self)
    }
}
