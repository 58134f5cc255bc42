/// Subscribers of one variant get identical bytes: a dialect in one encoding over one transport, in one compression.
package struct Variant: Hashable, Sendable {
    /// How a dialect writes its messages.
    package enum Encoding: UInt8, Sendable, CaseIterable {
        /// As every dialect can.
        case standard
        case protobuf
        case messagePack
        /// The client has not said it yet. What is written until then is in the standard one.
        case undecided
    }

    package enum Compression: UInt8, Sendable, CaseIterable {
        case none
        case full
        /// For clients that keep a window of less than 32 KiB.
        case small
    }

    package let dialect: Dialect
    /// Encoding, transport and compression, in two bits each, and the direction: every session keeps its variant in its slot.
    private let bits: UInt8

    package var encoding: Encoding { Encoding(rawValue: bits & 3) ?? .standard }
    package var transport: Transport { Transport(rawValue: bits >> 2 & 3) ?? .webSocket }
    package var compression: Compression { Compression(rawValue: bits >> 4 & 3) ?? .none }
    /// Whether what is not a frame, and so of no kind of its own, is text.
    package var isText: Bool { encoding == .standard }
    /// What the client says after its first message means nothing: it has no commands, and gets no replies.
    package var isUnidirectional: Bool { bits >> 6 & 1 == 1 }

    package init(
        _ dialect: Dialect, in encoding: Encoding = .standard, over transport: Transport,
        _ compression: Compression = .none, isUnidirectional: Bool = false
    ) {
        self.dialect = dialect
        bits =
            encoding.rawValue | transport.rawValue << 2 | compression.rawValue << 4 | (isUnidirectional ? 1 << 6 : 0)
    }

    /// The same in another encoding.
    package func speaking(_ encoding: Encoding) -> Variant {
        Variant(dialect, in: encoding, over: transport, compression, isUnidirectional: isUnidirectional)
    }

    /// The same with what was agreed upon about compression.
    package func packed(by agreement: DeflateAgreement?) -> Variant {
        guard let agreement else { return self }
        let isSmall = agreement.serverWindowBits == DeflateAgreement.smallWindow
        return Variant(
            dialect, in: encoding, over: transport, isSmall ? .small : .full, isUnidirectional: isUnidirectional)
    }
}
