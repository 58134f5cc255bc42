/// Lets its holder send commands to a session in requests of their own. Others know the id of a session, so its key has a secret
/// of its own.
package struct CommandKey: Hashable, Sendable {
    package let node: NodeID
    /// Where the session is on its node; meaningful to that node only.
    package let locator: UInt64
    package let secret: SessionID.Secret

    package init(node: NodeID, locator: UInt64, secret: SessionID.Secret) {
        self.node = node
        self.locator = locator
        self.secret = secret
    }

    /// What of it is not the node: `locator-secret` in 16 and 32 lower-case hexadecimal digits.
    package var session: [UInt8] {
        let writer = ByteWriter(capacity: Self.sessionBytes)
        writer.append(hex: locator)
        writer.append(UInt8(ascii: "-"))
        writer.append(hex: secret.high)
        writer.append(hex: secret.low)
        return Array(writer.bytes)
    }

    private static var sessionBytes: Int { 49 }

    /// - Parameters:
    ///   - node: As `NodeID.description` writes it.
    ///   - session: As `session` writes it.
    package init?(node: some Collection<UInt8>, session: [UInt8]) {
        guard let node = Hex.value(node), session.count == Self.sessionBytes, session[16] == UInt8(ascii: "-"),
            let locator = Hex.value(session[..<16]), let high = Hex.value(session[17..<33]),
            let low = Hex.value(session[33...])
        else { return nil }
        self.init(node: NodeID(node), locator: locator, secret: .init(high: high, low: low))
    }
}

extension SessionID.Secret {
    /// The same for all secrets in the time it takes.
    package func isSame(as other: Self) -> Bool { (high ^ other.high) | (low ^ other.low) == 0 }
}

/// Commands of a session that came in a request of their own, at this node or another one.
package struct CommandRequest: Equatable, Sendable {
    package let key: CommandKey
    package let encoding: Variant.Encoding
    /// One message, as it would have come on a connection that carries commands.
    package let message: [UInt8]
    /// The key's secret is the id of the session, for dialects whose sessions are found by it; which node has it is not known.
    package let isByID: Bool

    package init(key: CommandKey, encoding: Variant.Encoding, message: [UInt8], isByID: Bool = false) {
        self.key = key
        self.encoding = encoding
        self.message = message
        self.isByID = isByID
    }

    /// For the session of an id, wherever it is.
    package init(id: SessionID.Secret, message: [UInt8]) {
        self.init(
            key: CommandKey(node: NodeID(0), locator: 0, secret: id), encoding: .standard, message: message,
            isByID: true)
    }

    /// The same, of a session that was found.
    package func found(on node: NodeID, at locator: UInt64) -> CommandRequest {
        CommandRequest(
            key: CommandKey(node: node, locator: locator, secret: key.secret), encoding: encoding, message: message,
            isByID: isByID)
    }

    /// What became of it.
    package enum Verdict: UInt8, Sendable {
        /// The session has it, behind what it sent before.
        case taken = 1
        /// There is no such session, or the key is not its own.
        case unknown = 2
        /// It is not in the encoding of the session.
        case wrongEncoding = 3
        /// Too much of the session waits to be carried out.
        case tooMuch = 4
        /// The node of the session could not be asked, or did not answer in time.
        case unreachable = 5
    }
}

// MARK: - From node to node

/// In a question of one node to another. Other questions are JSON, which begins with none of these bytes.
extension CommandRequest {
    private static var mark: UInt8 { 0x01 }
    private static var markOfID: UInt8 { 0x02 }
    /// Mark, encoding, locator and secret.
    package static var headBytes: Int { 2 + 24 }

    package static func isOne(_ question: [UInt8]) -> Bool { question.first == mark || question.first == markOfID }

    package var question: [UInt8] {
        let writer = ByteWriter(capacity: Self.headBytes + message.count)
        writer.append(isByID ? Self.markOfID : Self.mark)
        writer.append(encoding.rawValue)
        writer.append(bigEndian: key.locator)
        writer.append(bigEndian: key.secret.high)
        writer.append(bigEndian: key.secret.low)
        writer.append(message)
        return Array(writer.bytes)
    }

    /// - Parameter node: The node that is asked.
    package init?(question: [UInt8], to node: NodeID) {
        guard Self.isOne(question), question.count >= Self.headBytes,
            let encoding = Variant.Encoding(rawValue: question[1])
        else { return nil }
        let words = question.withUnsafeBytes { bytes in
            [2, 10, 18].map { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self)) }
        }
        let isByID = question.first == Self.markOfID
        let message = Array(question[Self.headBytes...])
        // What comes from a client's request was looked at; this comes from wherever one may publish. Whether a message by the id of a
        // session has to be text, only the session knows.
        guard isByID || encoding != .standard || message.withUnsafeBytes({ UTF8Validator.isValid($0) }) else {
            return nil
        }
        self.init(
            key: CommandKey(
                node: isByID ? NodeID(0) : node, locator: words[0], secret: .init(high: words[1], low: words[2])),
            encoding: encoding, message: message, isByID: isByID)
    }

    /// What a node says to such a question; nil for what is no answer to it.
    package static func verdict(in answer: [UInt8]) -> Verdict? {
        guard answer.count == 1, let byte = answer.first else { return nil }
        return Verdict(rawValue: byte)
    }
}
