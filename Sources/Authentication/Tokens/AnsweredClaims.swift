extension ConnectionClaims {
    /// Claims that came without a token from somebody who is believed, as a JSON object: the application's own answer.
    package init(answered json: [UInt8]) throws(TokenError) {
        let object: JSONObject
        do {
            object = try JSONObject(json)
        } catch {
            throw .malformed(error == .memberTwice ? .memberTwice : .payload)
        }
        try self.init(ClaimReader(object))
    }

    /// One text of such an answer, empty when it is not there.
    package static func text(_ name: String, answered json: [UInt8]) -> String {
        (try? JSONObject(json))?.string(name) ?? ""
    }
}
