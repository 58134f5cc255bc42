package import Codec

/// What a client's request to a session without a connection is for, and what nodes ask each other for it.
///
///     mark 0x04 · what (1) · id of the session (16) · user: 0 not known, 1 a visitor, 2 and its name to the end
///
/// Numbers are big-endian. Other questions of nodes begin with other bytes.
package struct PollRequest: Equatable, Sendable {
    package enum What: UInt8, Sendable {
        /// The client waits for messages.
        case poll = 1
        /// The client ends its session.
        case end
        /// The answer to this question is on its way to the client. There is no answer to that.
        case taken
        /// Nobody waits for the answer to this question any more, or it did not reach the client. There is no answer to that.
        case returned
        /// As `poll`, from a node that begins the session itself if nobody has it.
        case claim
    }

    /// Who asks.
    package enum User: Equatable, Sendable {
        /// Nobody has judged that: the application alone could.
        case unknown
        case visitor
        case name([UInt8])
    }

    package let id: SessionID.Secret
    package let what: What
    package let user: User

    /// The same for another purpose.
    package func turned(into what: What) -> PollRequest { PollRequest(what, id, user) }

    package init(_ what: What, _ id: SessionID.Secret, _ user: User = .unknown) {
        self.what = what
        self.id = id
        self.user = user
    }

    /// Whether it is answered.
    package var isWish: Bool { what == .poll || what == .claim || what == .end }

    private static var mark: UInt8 { 0x04 }

    package static func isOne(_ question: [UInt8]) -> Bool { question.first == mark }

    package var bytes: [UInt8] {
        let writer = ByteWriter(capacity: 64)
        writer.append(Self.mark)
        writer.append(what.rawValue)
        writer.append(bigEndian: id.high)
        writer.append(bigEndian: id.low)
        switch user {
        case .unknown: writer.append(0)
        case .visitor: writer.append(1)
        case .name(let name):
            writer.append(2)
            writer.append(name)
        }
        return Array(writer.bytes)
    }

    private static let headBytes = 19

    /// - Returns: Nil for what is none.
    package init?(_ bytes: [UInt8]) {
        guard Self.isOne(bytes), bytes.count >= Self.headBytes, let what = What(rawValue: bytes[1]) else { return nil }
        let words = bytes.withUnsafeBytes { bytes in
            [2, 10].map { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self)) }
        }
        let name = Array(bytes[Self.headBytes...])
        switch bytes[Self.headBytes - 1] {
        case 0 where name.isEmpty: user = .unknown
        case 1 where name.isEmpty: user = .visitor
        case 2: user = .name(name)
        default: return nil
        }
        self.what = what
        id = SessionID.Secret(high: words[0], low: words[1])
    }
}

/// What becomes of such a request. Between nodes: one byte, and the messages behind it.
package enum PollAnswer: Equatable, Sendable {
    /// There is no such session.
    case unknown
    /// There was one, and it has ended.
    case gone
    /// The session is just being opened, by another request.
    case busy
    /// The session is somebody else's.
    case otherUser
    /// The session has it, and will answer.
    case held
    /// What waited for the client, as it was written for it.
    case messages([UInt8])
    /// Nothing came in time: the client asks again.
    case nothing
    /// Another request is answered instead of this one, or the session has ended and everything of it was fetched.
    case over
    /// The client has ended its session.
    case ended
    /// The node of the session could not be asked.
    case unreachable

    /// Whether another answer follows.
    package var isLast: Bool { self != .held }

    private var code: UInt8 {
        switch self {
        case .unknown: 0
        case .gone: 1
        case .busy: 2
        case .otherUser: 3
        case .held: 4
        case .messages: 5
        case .nothing: 6
        case .over: 7
        case .ended: 8
        case .unreachable: 9
        }
    }

    package var bytes: [UInt8] {
        if case .messages(let messages) = self { return [code] + messages }
        return [code]
    }

    /// - Returns: Nil for what is none.
    package init?(_ bytes: [UInt8]) {
        guard let code = bytes.first else { return nil }
        guard code != 5 else {
            guard bytes.count > 1 else { return nil }
            self = .messages(Array(bytes[1...]))
            return
        }
        let plain: [PollAnswer] = [.unknown, .gone, .busy, .otherUser, .held, .nothing, .over, .ended, .unreachable]
        guard bytes.count == 1, let answer = plain.first(where: { $0.code == code }) else { return nil }
        self = answer
    }
}

/// Who has to hear what became of an answer with messages.
package enum PollSource: Equatable, Sendable {
    /// The session is on this node.
    case here
    /// It is on that one, which was asked this.
    case node(NodeID, question: UInt64)
}

/// The limits of sessions that are asked for what waits.
package struct PollLimits: Equatable, Sendable {
    /// How long a request waits for messages.
    package var timeout: Duration = .seconds(90)
    /// How long a session may go without a request that waits.
    package var gap: Duration = .seconds(15)
    /// Bytes of messages in one answer; a single message may be longer.
    package var bytes = 256 * 1024

    package init() {}
}
