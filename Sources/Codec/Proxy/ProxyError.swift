/// Why a connection does not begin as one of a balancer has to (proxy-protocol.txt 2: such a connection is dropped).
package enum ProxyError: Error, Hashable, Sendable {
    /// What came instead of a header, as far as its first bytes tell.
    package enum Arrival: Hashable, Sendable {
        case http
        case tls
        /// Anything else, and its first byte that no header has there.
        case other(UInt8, offset: Int)
    }
    package enum End: String, Sendable {
        case source, destination
    }

    /// Neither version begins like this.
    case noHeader(Arrival)

    /// Version 1: no CR LF in the first 107 bytes.
    case lineTooLong
    /// Version 1: a CR without an LF, or an LF without a CR.
    case lineEnd
    /// Version 1: neither TCP4, TCP6 nor UNKNOWN.
    case protocolName
    /// Version 1: not two addresses and two ports with one space before each. How many fields came, the protocol's
    /// name not counted.
    case fields(Int)
    /// Version 1: not an address of the family, in its canonical form.
    case address(End)
    /// Version 1: not a number from 0 to 65535 without leading zeros.
    case port(End)

    /// Version 2: another version behind the signature.
    case version(UInt8)
    /// Version 2: neither LOCAL nor PROXY.
    case command(UInt8)
    /// Version 2: an address family nobody defined.
    case family(UInt8)
    /// Version 2: a transport protocol nobody defined.
    case transport(UInt8)
    /// Version 2: datagrams, which do not arrive here.
    case datagram
    /// Version 2: more bytes are announced than are read.
    case headerTooLong(announced: Int)
    /// Version 2: fewer bytes are announced than the family's addresses have.
    case addressesTooShort(announced: Int, needed: Int)
    /// Version 2: a TLV that goes on behind the end of the header.
    case vectorTooLong
    /// Version 2: a checksum that is not of four bytes, or a second one.
    case checksumVector
    /// Version 2: the checksum is another one.
    case checksum
}

extension ProxyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noHeader(.http): "looks like an HTTP request: the balancer does not send PROXY protocol"
        case .noHeader(.tls): "looks like TLS: the balancer does not send PROXY protocol"
        case .noHeader(.other(let byte, let offset)):
            "byte \(offset + 1) is 0x\(Self.hexadecimal(byte)), which no PROXY header has there: the balancer does not send "
                + "PROXY protocol"
        case .lineTooLong:
            "PROXY version 1: the line does not end within \(ProxyHeaderParser.maximumLineBytes) bytes"
        case .lineEnd: "PROXY version 1: the line does not end with CR LF"
        case .protocolName: "PROXY version 1: the protocol is not TCP4, TCP6 or UNKNOWN"
        case .fields(let count):
            "PROXY version 1: \(things(count, "field")) after the protocol; right would be source, destination, source port, "
                + "destination port, with one space before each"
        case .address(let end): "PROXY version 1: the \(end.rawValue) is not an address of the protocol's family"
        case .port(let end):
            "PROXY version 1: the \(end.rawValue) port is not a number from 0 to 65535 without leading zeros"
        case .version(let version): "PROXY version 2: version \(version) is announced; right would be 2"
        case .command(let command):
            "PROXY version 2: command \(command) is unknown; right would be 0 (LOCAL) or 1 (PROXY)"
        case .family(let family): "PROXY version 2: address family \(family) is unknown; right would be 0 to 3"
        case .transport(let transport): "PROXY version 2: transport \(transport) is unknown; right would be 0 or 1"
        case .datagram: "PROXY version 2: the connection is said to be one of datagrams; right would be a stream"
        case .headerTooLong(let announced):
            "PROXY version 2: \(things(announced, "byte is", "bytes are")) announced; a header has at most "
                + "\(ProxyHeaderParser.maximumHeaderBytes), of which 16 come before these"
        case .addressesTooShort(let announced, let needed):
            "PROXY version 2: \(things(announced, "byte is", "bytes are")) announced; the addresses alone are \(needed)"
        case .vectorTooLong: "PROXY version 2: a TLV is longer than the header"
        case .checksumVector: "PROXY version 2: there is more than one checksum, or one that is not of 4 bytes"
        case .checksum: "PROXY version 2: the checksum is not that of the header: bytes were changed on the way"
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
