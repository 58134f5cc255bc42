package import Codec

/// What a token to be made shall say.
package struct TokenContents: Sendable {
    /// "sub"
    package var user: String?
    /// Seconds since 1970, as are the other times.
    package var issuedAt: Int64?
    /// "exp"; nil makes a token that never expires, which a node accepts only if it is configured to.
    package var expiresAt: Int64?
    package var notBefore: Int64?
    /// "expire_at": when what the token opened ends; 0 is never. Nil for together with the token.
    package var sessionExpiresAt: Int64?
    /// "jti"
    package var id: String?
    package var issuer: String?
    package var audiences: [String] = []
    /// JSON, passed on as it is.
    package var info: [UInt8]?
    /// JSON, passed on as it is.
    package var meta: [UInt8]?
    package var channels: [ChannelName] = []
    package var grants: [Grant] = []
    /// Makes it a token for a subscription to this channel; then channels and grants have to be empty.
    package var channel: ChannelName?
    /// Binds a subscription token to one connection.
    package var client: SessionID?

    package init(user: String? = nil, expiresAt: Int64? = nil) {
        self.user = user
        self.expiresAt = expiresAt
    }

    /// The claims as one JSON object.
    func json() throws(TokenMakerError) -> [UInt8] {
        if channel != nil {
            guard channels.isEmpty, grants.isEmpty else { throw .both }
        } else if client != nil {
            throw .clientWithoutChannel
        }
        let object = ObjectWriter()
        object.text("iss", issuer)
        object.text("sub", user)
        if audiences.count == 1 {
            object.text("aud", audiences.first)
        } else if !audiences.isEmpty {
            object.texts("aud", audiences)
        }
        object.number("exp", expiresAt)
        object.number("nbf", notBefore)
        object.number("iat", issuedAt)
        object.number("expire_at", sessionExpiresAt)
        object.text("jti", id)
        object.text("channel", channel.map { "\($0)" })
        object.text("client", client.map { "\($0)" })
        if !channels.isEmpty { object.texts("channels", channels.map { "\($0)" }) }
        if !grants.isEmpty { object.raw("grants", Self.json(grants)) }
        for (name, value) in [("info", info), ("meta", meta)] {
            guard let value else { continue }
            guard value.withUnsafeBytes({ UTF8Validator.isValid($0) && JSONScanner.isValid($0) })
            else { throw .notJSON(name) }
            object.raw(name, value)
        }
        return object.bytes
    }

    private static func json(_ grants: [Grant]) -> [UInt8] {
        let objects = grants.map { grant in
            let object = ObjectWriter()
            object.texts("match", grant.match.map { "\($0)" })
            object.texts("allow", Grant.Permissions.names.filter { grant.allow.contains($0.value) }.map(\.name))
            return object.bytes
        }
        return Array("[".utf8) + objects.joined(separator: ",".utf8) + Array("]".utf8)
    }
}

/// Writes one JSON object, member by member.
final class ObjectWriter {
    private let writer = ByteWriter(capacity: 256)
    private var isEmpty = true

    private func name(_ name: String) {
        writer.append(isEmpty ? "{" : ",")
        isEmpty = false
        JSONWriter.writeString(name, to: writer)
        writer.append(":")
    }

    func text(_ name: String, _ value: String?) {
        guard let value else { return }
        self.name(name)
        JSONWriter.writeString(value, to: writer)
    }

    func number(_ name: String, _ value: Int64?) {
        guard let value else { return }
        raw(name, Array("\(value)".utf8))
    }

    func texts(_ name: String, _ values: [String]) {
        self.name(name)
        writer.append("[")
        for (index, value) in values.enumerated() {
            if index > 0 { writer.append(",") }
            JSONWriter.writeString(value, to: writer)
        }
        writer.append("]")
    }

    func raw(_ name: String, _ value: [UInt8]) {
        self.name(name)
        value.withUnsafeBytes { writer.append($0) }
    }

    /// The whole object.
    var bytes: [UInt8] { isEmpty ? Array("{}".utf8) : Array(writer.bytes) + Array("}".utf8) }
}
