/// Reads a PROXY header of version 1 or 2 strictly (proxy-protocol.txt 2).
///
/// Whether there has to be a header is configured and never guessed (2): who may send one may claim any address. A
/// verdict depends on the shortest prefix that decides it, so that it is the same however the bytes are cut.
package enum ProxyHeaderParser {
    package enum Parsed: Equatable {
        case incomplete
        /// A header, and how many bytes it took.
        case header(ProxyHeader, consumed: Int)
        case malformed(ProxyError)
    }

    /// A line of version 1 with its CR LF (2.1).
    package static let maximumLineBytes = 107
    /// A whole header of version 2: what fits the smallest segment every host takes (2).
    package static let maximumHeaderBytes = 536

    /// Reads what came so far, from the first byte on. What more bytes cannot mend is refused without waiting for them.
    package static func parse(_ bytes: UnsafeRawBufferPointer) -> Parsed {
        guard let first = bytes.first else { return .incomplete }
        do throws(ProxyError) {
            switch first {
            case UInt8(ascii: "P"): return try ProxyLine.parse(bytes)
            case 0x0D: return try ProxyBlock.parse(bytes)
            default: throw noHeader(first, at: 0)
            }
        } catch {
            return .malformed(error)
        }
    }

    /// What it looks like that has this byte where headers have another.
    static func noHeader(_ byte: UInt8, at offset: Int) -> ProxyError {
        // Methods are in upper case, and POST begins as PROXY does. A TLS record of a handshake is of type 22
        // (RFC 8446 5.1).
        if byte >= UInt8(ascii: "A"), byte <= UInt8(ascii: "Z") { return .noHeader(.http) }
        if offset == 0, byte == 0x16 { return .noHeader(.tls) }
        return .noHeader(.other(byte, offset: offset))
    }
}
