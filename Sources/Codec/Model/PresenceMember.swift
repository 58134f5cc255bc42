/// A session that is present in a channel: what the others may know of it.
package struct PresenceMember: Hashable, Sendable {
    package let session: SessionID
    /// Nil for a visitor without a name.
    package let user: [UInt8]?
    /// JSON about the user that others may see.
    package let info: [UInt8]?

    package init(session: SessionID, user: [UInt8]?, info: [UInt8]?) {
        self.session = session
        // A name that is empty, or too long for the two bytes its length has, is none.
        self.user = user.flatMap { (1...Int(UInt16.max)).contains($0.count) ? $0 : nil }
        self.info = info
    }

    /// What several sessions of one user have in common: `u` and the user, or `s` and the session where there is none.
    package var key: [UInt8] {
        if let user { return [UInt8(ascii: "u")] + user }
        return [UInt8(ascii: "s")] + Self.start(of: session)
    }

    /// The user a key is about, if it is about one.
    package static func user(ofKey key: [UInt8]) -> [UInt8]? {
        key.first == UInt8(ascii: "u") ? Array(key.dropFirst()) : nil
    }

    /// The session a key is about, if it is about one.
    package static func session(ofKey key: [UInt8]) -> SessionID? {
        guard key.first == UInt8(ascii: "s"), key.count == SessionID.byteCount + 1 else { return nil }
        return key.withUnsafeBytes { SessionID(bytes: $0, at: 1) }
    }

    // MARK: As bytes

    /// Session (node, locator and secret: 32 bytes, big-endian) · length of the user (2) · user · JSON. So members sort by
    /// node, and by their place there.
    package var packed: [UInt8] {
        let writer = ByteWriter(capacity: 34 + (user?.count ?? 0) + (info?.count ?? 0))
        writer.append(bytesOf: session)
        appendDetails(to: writer)
        return Array(writer.bytes)
    }

    /// What is behind the session.
    func appendDetails(to writer: ByteWriter) {
        writer.append(bigEndian: UInt16(user?.count ?? 0))
        if let user { writer.append(user) }
        if let info { writer.append(info) }
    }

    /// - Returns: Nil for bytes that are no member; they came from Redis, so from anybody.
    package init?(packed bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= SessionID.byteCount + 2 else { return nil }
        self.init(
            SessionID(bytes: bytes), details: UnsafeRawBufferPointer(rebasing: bytes[SessionID.byteCount...]))
    }

    /// - Returns: Nil for bytes that are not what is behind a session.
    init?(_ session: SessionID, details bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 2 else { return nil }
        let length = Int(UInt16(bigEndian: bytes.loadUnaligned(as: UInt16.self)))
        guard length <= bytes.count - 2 else { return nil }
        let user = UnsafeRawBufferPointer(rebasing: bytes[2..<(2 + length)])
        let info = UnsafeRawBufferPointer(rebasing: bytes[(2 + length)...])
        guard UTF8Validator.isValid(user), info.isEmpty || UTF8Validator.isValid(info) && JSONScanner.isValid(info)
        else { return nil }
        self.init(session: session, user: Array(user), info: info.isEmpty ? nil : Array(info))
    }

    /// The bytes in front of every member of that session.
    package static func start(of session: SessionID) -> [UInt8] {
        let writer = ByteWriter(capacity: SessionID.byteCount)
        writer.append(bytesOf: session)
        return Array(writer.bytes)
    }
}

/// Somebody came, or is gone: what a publication is instead of a message, with the member as its payload.
package enum PresenceChange: UInt8, Sendable {
    case join = 1
    case leave = 2
}

/// What a channel's rule says about presence.
package struct PresenceSettings: Hashable, Sendable {
    /// Whether subscribers are told who comes and goes.
    package var announces: Bool
    /// Whether they are told of each session; otherwise of each user, when its first session comes and its last has gone.
    package var isPerSession: Bool
    /// How long a member whose connection ended may take to come back before it is gone, in milliseconds.
    package var grace: Int64

    package init(announces: Bool, isPerSession: Bool = false, grace: Int64) {
        self.announces = announces
        self.isPerSession = isPerSession
        self.grace = grace
    }
}

extension PresenceMember {
    /// How many bytes it has when it is packed.
    package var packedBytes: Int { SessionID.byteCount + 2 + (user?.count ?? 0) + (info?.count ?? 0) }
}

/// Sessions sort as their bytes do: by node, by place there, by secret.
extension SessionID: Comparable {
    package static func < (left: SessionID, right: SessionID) -> Bool {
        (left.node.value, left.locator, left.secret.high, left.secret.low)
            < (right.node.value, right.locator, right.secret.high, right.secret.low)
    }
}

extension PresenceMember {
    /// How many bytes user and info take in JSON, quotes included.
    var detailBytes: Int { (user.map { JSONWriter.stringBytes($0) } ?? 0) + (info?.count ?? 0) }
}
