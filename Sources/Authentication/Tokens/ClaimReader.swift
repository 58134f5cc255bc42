internal import Codec

/// Reads claims strictly: what is there has to be right, whether it is needed or not.
struct ClaimReader {
    /// The longest user id, in bytes: a user is also a channel.
    static let maximumUserBytes = ChannelName.maximumUserBytes
    /// The most channels, grants, patterns of a grant, and audiences.
    static let maximumListed = 128
    /// The latest time in seconds since 1970 that is taken for one; the sums stay far from overflowing.
    static let latestTime: Int64 = 1 << 53

    let object: JSONObject

    init(_ object: JSONObject) { self.object = object }

    func has(_ name: String) -> Bool { object[name] != nil }

    /// A value that is passed on as it is.
    func raw(_ name: String) -> [UInt8]? { object[name] }

    func text(_ name: String, limit: Int) throws(TokenError) -> String? {
        guard let value = object[name] else { return nil }
        guard let text = JSONObject.string(value) else { throw .invalidClaim(name, .notText) }
        guard text.utf8.count <= limit else { throw .invalidClaim(name, .tooLong(limit: limit)) }
        return text
    }

    /// A name that appears in logs and pages: no control characters. Empty counts as absent.
    func identifier(_ name: String) throws(TokenError) -> String? {
        guard let text = try text(name, limit: Self.maximumUserBytes), !text.isEmpty else { return nil }
        guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else { throw .invalidClaim(name, .controlCharacter) }
        return text
    }

    /// Seconds since 1970 (RFC 7519 2, NumericDate): any JSON number from 0 to `latestTime`, such as `1680000000.5` or
    /// `1.68e9`. Fractions of a second are dropped.
    func time(_ name: String) throws(TokenError) -> Int64? {
        guard let value = object[name] else { return nil }
        guard let time = DecimalNumber(value)?.wholePart(atMost: Self.latestTime)
        else { throw .invalidClaim(name, .notTime) }
        return time
    }

    /// A text or a list of them (RFC 7519 4.1.3).
    func textOrTexts(_ name: String) throws(TokenError) -> [String]? {
        guard let value = object[name] else { return nil }
        if let text = JSONObject.string(value) { return [text] }
        guard let texts = JSONObject.strings(value) else { throw .invalidClaim(name, .notList) }
        return texts
    }

    // MARK: Channels

    func channel(_ name: String) throws(TokenError) -> ChannelName? {
        guard let value = object[name] else { return nil }
        guard let text = JSONObject.string(value) else { throw .invalidClaim(name, .notText) }
        return try Self.channel(text, claim: name)
    }

    /// "channels", a list of names, and "subs", an object whose members are names, in this order and each once.
    func channels() throws(TokenError) -> [ChannelName] {
        var names: [(String, claim: String)] = []
        if let value = object["channels"] {
            guard let texts = JSONObject.strings(value) else { throw .invalidClaim("channels", .notList) }
            names += texts.map { ($0, "channels") }
        }
        if let value = object["subs"] {
            guard let members = try? JSONObject(value).members else { throw .invalidClaim("subs", .notList) }
            names += members.keys.sorted().map { ($0.text, "subs") }
        }
        guard names.count <= Self.maximumListed
        else { throw .invalidClaim("channels", .tooMany(limit: Self.maximumListed)) }
        var channels: [ChannelName] = []
        for (name, claim) in names {
            let channel = try Self.channel(name, claim: claim)
            if !channels.contains(channel) { channels.append(channel) }
        }
        return channels
    }

    private static func channel(_ text: String, claim: String) throws(TokenError) -> ChannelName {
        do {
            return try ChannelName(validating: Array(text.utf8))
        } catch {
            throw .invalidClaim(claim, .channel(error))
        }
    }

    // MARK: Grants

    func grants() throws(TokenError) -> [Grant] {
        guard let value = object["grants"] else { return [] }
        guard let values = JSONObject.values(value, limit: Self.maximumListed)
        else { throw .invalidClaim("grants", .notList) }
        var grants: [Grant] = []
        for value in values { grants.append(try Self.grant(value)) }
        return grants
    }

    /// Anything unknown in a grant is refused: who wrote "except" there would not want it ignored.
    private static func grant(_ value: [UInt8]) throws(TokenError) -> Grant {
        guard let object = try? JSONObject(value), Set(object.members.keys) == ["match", "allow"],
            let match = object["match"], let allow = object["allow"]
        else { throw .invalidClaim("grants", .grant) }
        guard let patterns = JSONObject.string(match).map({ [$0] }) ?? JSONObject.strings(match)
        else { throw .invalidClaim("grants", .grant) }
        guard patterns.count <= maximumListed
        else { throw .invalidClaim("grants", .tooMany(limit: maximumListed)) }
        let matches = patterns.compactMap(GrantPattern.init)
        guard matches.count == patterns.count, !matches.isEmpty else { throw .invalidClaim("grants", .pattern) }
        guard let names = JSONObject.strings(allow) else { throw .invalidClaim("grants", .grant) }
        var permissions = Grant.Permissions()
        for name in names {
            guard let permission = Grant.Permissions(name: name) else { throw .invalidClaim("grants", .permission) }
            permissions.formUnion(permission)
        }
        return Grant(match: matches, allow: permissions)
    }
}
