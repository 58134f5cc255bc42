/// Tokens that are not accepted any more although they have not expired: all of a user, one by its id, or all there are, as far as they
/// were issued until a moment.
///
/// Revocations of one subject add up to the later of each of their times, in whatever order they come. So nodes and Redis can tell each
/// other what they have, and all end with the same.
package struct Revocation: Hashable, Sendable {
    /// Whose tokens.
    package enum Subject: Hashable, Sendable {
        /// Those with this user id ("sub").
        case user(ForeignText)
        /// The one with this id ("jti").
        case token(ForeignText)
        case everybody
    }

    package let subject: Subject
    /// Tokens that were issued ("iat") in this second or before are revoked, and those that do not say when. Seconds since 1970, 0 to
    /// `latestTime`. Without meaning for a single token.
    package var issuedUntil: Int64
    /// From this second on the revocation need not be known: the tokens have expired by themselves. Seconds since 1970, 0 to `latestTime`.
    package var expiresAt: Int64

    /// The latest time that is taken for one.
    package static let latestTime: Int64 = 1 << 53
    /// Bytes of the id of a user or a token.
    package static let maximumIDBytes = ChannelName.maximumUserBytes

    /// - Returns: Nil for an id that no token can have, and for times that are none.
    package init?(_ subject: Subject, issuedUntil: Int64, expiresAt: Int64) {
        guard (0...Self.latestTime).contains(issuedUntil), (0...Self.latestTime).contains(expiresAt) else { return nil }
        switch subject {
        case .user(let id), .token(let id): guard Self.isID(id) else { return nil }
        case .everybody: break
        }
        self.subject = subject
        self.issuedUntil = issuedUntil
        self.expiresAt = expiresAt
    }

    /// Whether a text can be the id of a user or a token: 1 to 249 bytes without control characters.
    private static func isID(_ id: ForeignText) -> Bool {
        (1...maximumIDBytes).contains(id.utf8.count)
            && id.text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }

    /// This and another one of the same subject.
    package func adding(issuedUntil: Int64, expiresAt: Int64) -> Revocation {
        var sum = self
        sum.issuedUntil = max(sum.issuedUntil, issuedUntil)
        sum.expiresAt = max(sum.expiresAt, expiresAt)
        return sum
    }
}

// MARK: - As Redis keeps it

extension Revocation {
    private static let timeDigits = 16

    /// `u`, `t` or `a`, the id, and a zero byte, which is in no id: the beginning of every entry of this subject.
    package var head: [UInt8] {
        switch subject {
        case .user(let id): [UInt8(ascii: "u")] + Array(id.utf8) + [0]
        case .token(let id): [UInt8(ascii: "t")] + Array(id.utf8) + [0]
        case .everybody: [UInt8(ascii: "a"), 0]
        }
    }

    /// The head, and both times with 16 digits.
    package var packed: [UInt8] { head + Self.digits(issuedUntil) + Self.digits(expiresAt) }

    /// A time with as many digits as every time has, so that times can be told apart by their place.
    package static func digits(_ time: Int64) -> [UInt8] {
        let digits = Array(String(max(0, time)).utf8)
        return Array(repeating: UInt8(ascii: "0"), count: max(0, timeDigits - digits.count)) + digits
    }

    /// - Returns: Nil for what no node wrote.
    package init?(packed bytes: [UInt8]) {
        guard bytes.count >= 2 + 2 * Self.timeDigits else { return nil }
        let times = bytes.suffix(2 * Self.timeDigits)
        let head = bytes.dropLast(2 * Self.timeDigits)
        guard head.last == 0, times.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let issuedUntil = Int64(String(decoding: times.prefix(Self.timeDigits), as: UTF8.self)),
            let expiresAt = Int64(String(decoding: times.suffix(Self.timeDigits), as: UTF8.self)),
            let id = String(validating: head.dropFirst().dropLast(), as: UTF8.self)
        else { return nil }
        let subject: Subject
        switch head.first {
        case UInt8(ascii: "u"): subject = .user(ForeignText(id))
        case UInt8(ascii: "t"): subject = .token(ForeignText(id))
        case UInt8(ascii: "a") where id.isEmpty: subject = .everybody
        default: return nil
        }
        self.init(subject, issuedUntil: issuedUntil, expiresAt: expiresAt)
    }
}
