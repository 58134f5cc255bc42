/// The name of a channel: 1 to 255 bytes of UTF-8 without control characters or white space.
///
/// Names that begin with `$` are reserved: they are made by the node (`$all`, `$connection:…`, `$user:…`) and
/// refused from outside, so that "everyone", a user and a connection need no mechanism of their own.
package struct ChannelName: Hashable, Sendable, CustomStringConvertible {
    /// The longest name, in bytes.
    package static let maximumBytes = 255

    package let bytes: [UInt8]

    /// All bytes at once: an array would hash them one by one.
    package func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }

    /// A name that came from outside.
    package init(validating candidate: some Collection<UInt8>) throws(ChannelNameError) {
        if let reason = Self.objection(to: candidate) { throw reason }
        bytes = Array(candidate)
    }

    /// A name the node itself made, or one that another node has validated before.
    package init(trusted bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// What is wrong with a candidate, or nil when it is a name.
    package static func objection(to candidate: some Collection<UInt8>) -> ChannelNameError? {
        if candidate.isEmpty { return .empty }
        if candidate.count > maximumBytes { return .tooLong(bytes: candidate.count) }
        if candidate.first == UInt8(ascii: "$") { return .reserved }
        var offset = 0
        for byte in candidate {
            if byte <= 0x20 || byte == 0x7F { return .forbiddenByte(byte, offset: offset) }
            offset += 1
        }
        let isUTF8 =
            candidate.withContiguousStorageIfAvailable { UTF8Validator.isValid(UnsafeRawBufferPointer($0)) }
            ?? (String(validating: candidate, as: UTF8.self) != nil)
        return isUTF8 ? nil : .notUTF8
    }

    package var isReserved: Bool { bytes.first == UInt8(ascii: "$") }

    package var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension ChannelName {
    /// Every session of the cluster.
    package static let all = ChannelName(trusted: Array("$all".utf8))

    private static let connectionPrefix = Array("$connection:".utf8)
    private static let userPrefix = Array("$user:".utf8)

    /// The longest user id, in bytes: what is left of a name.
    package static let maximumUserBytes = maximumBytes - userPrefix.count

    /// One session, wherever it is.
    package static func connection(_ id: SessionID) -> ChannelName {
        ChannelName(trusted: connectionPrefix + Array(id.description.utf8))
    }

    /// All sessions of a user, wherever they are; nil when this cannot be a user's id.
    package static func user(_ id: String) -> ChannelName? {
        guard (1...maximumUserBytes).contains(id.utf8.count),
            id.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { return nil }
        return ChannelName(trusted: userPrefix + Array(id.utf8))
    }

    /// A channel that a client can be subscribed to, as another node has named it: anybody's, everybody's, or a user's.
    package init?(ofClient candidate: [UInt8]) {
        if candidate == ChannelName.all.bytes {
            self = .all
        } else if let user = candidate.withUnsafeBytes({ ChannelName(userChannel: $0) }) {
            self = user
        } else {
            guard let name = try? ChannelName(validating: candidate) else { return nil }
            self = name
        }
    }

    /// A user's channel, as another node has named it.
    init?(userChannel candidate: UnsafeRawBufferPointer) {
        guard candidate.starts(with: Self.userPrefix),
            let id = String(validating: candidate.dropFirst(Self.userPrefix.count), as: UTF8.self),
            let name = Self.user(id)
        else { return nil }
        self = name
    }

    /// Whether it is one session's; such a channel is nobody's interest, because its node is in its name.
    package var isConnection: Bool { bytes.starts(with: Self.connectionPrefix) }

    /// The user whose channel it is.
    package var user: String? {
        guard bytes.starts(with: Self.userPrefix) else { return nil }
        return String(decoding: bytes.dropFirst(Self.userPrefix.count), as: UTF8.self)
    }
}

/// Why a channel name was refused.
package enum ChannelNameError: Error, Equatable, Sendable, CustomStringConvertible {
    case empty
    case tooLong(bytes: Int)
    case reserved
    case forbiddenByte(UInt8, offset: Int)
    case notUTF8

    package var description: String {
        switch self {
        case .empty: "a channel name needs at least 1 byte"
        case .tooLong(let bytes): "a channel name has at most \(ChannelName.maximumBytes) bytes, this one has \(bytes)"
        case .reserved: "channel names that begin with '$' are reserved"
        case .forbiddenByte(let byte, let offset):
            "byte \(byte) at offset \(offset) is not allowed in a channel name (no white space, no control characters)"
        case .notUTF8: "a channel name has to be valid UTF-8"
        }
    }
}

extension SessionID {
    /// The session that a `$connection:` channel is for.
    package init?(connectionChannel: ChannelName) {
        let prefix = "$connection:"
        guard connectionChannel.bytes.starts(with: prefix.utf8) else { return nil }
        self.init(String(decoding: connectionChannel.bytes.dropFirst(prefix.utf8.count), as: UTF8.self))
    }
}
