/// How commands, replies and pushes of the centrifuge dialect are written.
package enum CentrifugeEncoding: UInt8, Sendable, CaseIterable {
    /// One command a line, in text frames.
    case json
    /// Each command behind its length, in binary frames.
    case protobuf

    init(_ encoding: Variant.Encoding) {
        switch encoding {
        case .protobuf: self = .protobuf
        case .standard, .messagePack, .undecided: self = .json
        }
    }
}
