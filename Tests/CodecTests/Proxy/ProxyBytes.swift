import Testing

@testable import Codec

/// Headers as bytes, and what the parser makes of them.
enum ProxyBytes {
    static let signature: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8)
    static let ipv4: [UInt8] = [192, 168, 0, 1, 192, 168, 0, 11, 0xDC, 0x04, 0x01, 0xBB]

    static func parse(_ bytes: [UInt8]) -> ProxyHeaderParser.Parsed {
        bytes.withUnsafeBytes { ProxyHeaderParser.parse($0) }
    }

    static func parse(_ text: String) -> ProxyHeaderParser.Parsed { parse(Array(text.utf8)) }

    /// A header of version 2; `length` replaces what would be right.
    static func block(_ command: UInt8, _ family: UInt8, _ body: [UInt8] = [], length: Int? = nil) -> [UInt8] {
        let length = length ?? body.count
        return signature + [command, family, UInt8(length >> 8), UInt8(length & 0xFF)] + body
    }

    static func vector(_ type: UInt8, _ value: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? value.count
        return [type, UInt8(length >> 8), UInt8(length & 0xFF)] + value
    }

    static func relayed(
        _ version: ProxyHeader.Version, _ source: String, _ sourcePort: UInt16, _ destination: String,
        _ destinationPort: UInt16
    ) throws -> ProxyHeader {
        ProxyHeader(
            version: version,
            origin: .relayed(
                source: .ip(try #require(IPAddress(parsing: source.utf8)), port: sourcePort),
                destination: .ip(try #require(IPAddress(parsing: destination.utf8)), port: destinationPort)))
    }

    /// The verdict, and after how many bytes it came, when they come one by one.
    static func verdict(_ bytes: [UInt8]) -> (ProxyHeaderParser.Parsed, after: Int)? {
        for count in 0...bytes.count {
            let parsed = parse(Array(bytes[..<count]))
            if parsed != .incomplete { return (parsed, count) }
        }
        return nil
    }

    /// Headers that are right, one of each kind.
    static let valid: [[UInt8]] = [
        Array("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".utf8),
        Array("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.7 0 65535\r\n".utf8),
        Array("PROXY UNKNOWN\r\n".utf8),
        Array("PROXY UNKNOWN whatever  this is\r\n".utf8),
        block(0x20, 0x00),
        block(0x20, 0x11, ipv4),
        block(0x21, 0x00, [1, 2, 3]),
        block(0x21, 0x11, ipv4),
        block(0x21, 0x11, ipv4 + vector(0x02, Array("example.com".utf8)) + vector(0x04, [])),
        block(0x21, 0x21, Array(0..<36)),
        block(0x21, 0x31, Array(repeating: 0x2F, count: 216)),
        Written.bytes {
            ProxyHeaderWriter.writeBlock(
                .relayed(source: .ip(.v4(1), port: 2), destination: .ip(.v4(3), port: 4)), hasChecksum: true, to: $0)
        },
    ]
}
