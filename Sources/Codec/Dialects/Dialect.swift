/// The protocol spoken with a client.
package enum Dialect: UInt8, Sendable, CaseIterable {
    case raw = 0
    case sse = 1
    case centrifuge = 2

    package var name: String {
        switch self {
        case .raw: "raw"
        case .sse: "sse"
        case .centrifuge: "centrifuge"
        }
    }

    /// The dialect spoken at a path.
    package init?(path: String) {
        switch path {
        case "/raw": self = .raw
        case "/sse": self = .sse
        case "/connection/websocket": self = .centrifuge
        default: return nil
        }
    }

    /// - Parameter deflate: What was agreed upon about compression; event streams have none.
    package func variant(_ deflate: DeflateAgreement?) -> Variant {
        let isSmall = deflate?.serverWindowBits == DeflateAgreement.smallWindow
        switch self {
        case .raw: return deflate == nil ? .raw : isSmall ? .rawSmall : .rawDeflate
        case .sse: return .sse
        case .centrifuge:
            return deflate == nil ? .centrifugeJSON : isSmall ? .centrifugeJSONSmall : .centrifugeJSONDeflate
        }
    }

    /// The subprotocol to agree to: the only one the dialect has, if the client offers it.
    package func subprotocol(among offered: [String]) -> String? {
        let own = self == .centrifuge ? "centrifuge-json" : "carillon-raw"
        return offered.contains(own) ? own : nil
    }
}

/// Subscribers of one variant get identical bytes: a dialect in one encoding and one compression. Dense, because it is an
/// index.
package enum Variant: UInt8, CaseIterable, Sendable {
    case raw = 0
    case sse = 1
    case centrifugeJSON = 2
    case rawDeflate = 3
    /// For clients that keep a window of less than 32 KiB.
    case rawSmall = 4
    case centrifugeJSONDeflate = 5
    case centrifugeJSONSmall = 6

    enum Compression {
        case none, full, small
    }

    var packing: Compression {
        switch self {
        case .raw, .sse, .centrifugeJSON: .none
        case .rawDeflate, .centrifugeJSONDeflate: .full
        case .rawSmall, .centrifugeJSONSmall: .small
        }
    }
}

/// Publications as the bytes a variant's subscribers get, framing included.
package enum PublicationEncoder {
    @inline(__always)
    package static func write(
        _ publication: Publication, as variant: Variant, packing: Packing, to writer: ByteWriter
    ) {
        if let change = publication.extras?.change {
            return writeChange(change.0, change.1, in: publication.channel, as: variant, packing: packing, to: writer)
        }
        let start = writer.count
        switch variant {
        case .raw, .rawDeflate, .rawSmall: RawEncoder.write(publication, to: writer)
        case .sse: SSEEncoder.write(publication, to: writer)
        case .centrifugeJSON, .centrifugeJSONDeflate, .centrifugeJSONSmall:
            CentrifugeEncoder.write(publication, to: writer)
        }
        if variant.packing != .none { packing.pack(variant, from: start, in: writer) }
    }

    /// The raw dialect has no words for it.
    private static func writeChange(
        _ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName, as variant: Variant,
        packing: Packing, to writer: ByteWriter
    ) {
        let start = writer.count
        switch variant {
        case .raw, .rawDeflate, .rawSmall: return
        case .sse: SSEEncoder.write(change, member, in: channel, to: writer)
        case .centrifugeJSON, .centrifugeJSONDeflate, .centrifugeJSONSmall:
            CentrifugeEncoder.write(change, member, in: channel, to: writer)
        }
        if variant.packing != .none { packing.pack(variant, from: start, in: writer) }
    }
}
