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
        writer.append(bigEndian: UInt16(user?.count ?? 0))
        if let user { writer.append(user) }
        if let info { writer.append(info) }
        return Array(writer.bytes)
    }

    /// - Returns: Nil for bytes that are no member; they came from Redis, so from anybody.
    package init?(packed bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= SessionID.byteCount + 2 else { return nil }
        let length = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: SessionID.byteCount, as: UInt16.self)))
        let start = SessionID.byteCount + 2
        guard length <= bytes.count - start else { return nil }
        let user = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + length)])
        let info = UnsafeRawBufferPointer(rebasing: bytes[(start + length)...])
        guard UTF8Validator.isValid(user), info.isEmpty || JSONScanner.isValid(info) else { return nil }
        self.init(
            session: SessionID(bytes: bytes), user: Array(user), info: info.isEmpty ? nil : Array(info))
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
    /// How long a member whose connection ended may take to come back before it is gone, in milliseconds.
    package var grace: Int64

    package init(announces: Bool, grace: Int64) {
        self.announces = announces
        self.grace = grace
    }
}

/// What somebody wants to know about who is present.
package struct PresenceQuery: Sendable {
    package enum View: String, CaseIterable, Sendable {
        /// Numbers alone.
        case count
        /// Each session.
        case clients
        /// Each user once, and each session without a user.
        case users
    }

    package var channel: ChannelName
    package var view: View
    /// The bytes of the last entry of the page before: a session's 32, or a member's key.
    package var after: [UInt8]?
    package var limit: Int

    package init(channel: ChannelName, view: View, after: [UInt8]? = nil, limit: Int) {
        self.channel = channel
        self.view = view
        self.after = after
        self.limit = limit
    }
}

/// Who is present, or a part of that.
package struct PresencePage: Sendable {
    /// Sessions, on all nodes.
    package var clients: Int
    /// The same with those of one user counted once.
    package var users: Int
    /// With `view: clients`, in the order of their bytes.
    package var members: [PresenceMember] = []
    /// With `view: users`: the keys of members.
    package var keys: [[UInt8]] = []

    package init(clients: Int, users: Int, members: [PresenceMember] = [], keys: [[UInt8]] = []) {
        self.clients = clients
        self.users = users
        self.members = members
        self.keys = keys
    }
}
