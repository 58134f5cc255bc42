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

    package var variant: Variant {
        switch self {
        case .raw: .raw
        case .sse: .sse
        case .centrifuge: .centrifugeJSON
        }
    }

    /// The subprotocol to agree to: the only one the dialect has, if the client offers it.
    package func subprotocol(among offered: [String]) -> String? {
        let own = self == .centrifuge ? "centrifuge-json" : "carillon-raw"
        return offered.contains(own) ? own : nil
    }
}

/// Subscribers of one variant get identical bytes: a dialect in one encoding. Dense, because it is an index.
package enum Variant: UInt8, CaseIterable, Sendable {
    case raw = 0
    case sse = 1
    case centrifugeJSON = 2
}

/// Publications as the bytes a variant's subscribers get, framing included.
package enum PublicationEncoder {
    @inline(__always)
    package static func write(_ publication: Publication, as variant: Variant, to writer: ByteWriter) {
        switch variant {
        case .raw: RawEncoder.write(publication, to: writer)
        case .sse: SSEEncoder.write(publication, to: writer)
        case .centrifugeJSON: CentrifugeEncoder.write(publication, to: writer)
        }
    }
}
