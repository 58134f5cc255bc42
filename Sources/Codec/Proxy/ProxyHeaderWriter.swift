/// Writes PROXY headers as a balancer does (proxy-protocol.txt 2): for clients of our own that stand behind none.
package enum ProxyHeaderWriter {
    /// Something a header of version 2 says beside the addresses (2.2).
    package struct Vector: Equatable, Sendable {
        package let type: UInt8
        package let value: [UInt8]

        package init(type: UInt8, value: [UInt8]) {
            self.type = type
            self.value = value
        }
    }

    /// Writes the header in its version, each as its section of the text says.
    package static func write(_ header: ProxyHeader, to writer: ByteWriter) {
        switch header.version {
        case .v1: writeLine(header.origin, to: writer)
        case .v2: writeBlock(header.origin, to: writer)
        }
    }

    /// Version 1 (2.1). What has no name there, unix sockets and two families in one connection, is UNKNOWN.
    package static func writeLine(_ origin: ProxyHeader.Origin, to writer: ByteWriter) {
        writer.append(ProxyLine.start)
        guard case .relayed(.ip(let source, let sourcePort), .ip(let destination, let destinationPort)) = origin,
            let name = lineName(source, destination)
        else { return writer.append("UNKNOWN\r\n") }
        writer.append(text: "\(name) \(source) \(destination) \(sourcePort) \(destinationPort)\r\n")
    }

    private static func lineName(_ source: IPAddress, _ destination: IPAddress) -> String? {
        switch (source, destination) {
        case (.v4, .v4): "TCP4"
        case (.v6, .v6): "TCP6"
        default: nil
        }
    }

    /// Version 2 (2.2): LOCAL for the peer's own connection, otherwise PROXY. `hasChecksum` adds a CRC32C as the last TLV
    /// (2.2.3). The whole has to stay within 65,551 bytes; readers take 536.
    package static func writeBlock(
        _ origin: ProxyHeader.Origin, vectors: [Vector] = [], hasChecksum: Bool = false, to writer: ByteWriter
    ) {
        let start = writer.count
        writer.append(ProxyBlock.signature)
        let (family, addresses) = block(origin)
        writer.append(UInt8(origin == .peer ? 0x20 : 0x21))
        let transport: ProxyBlock.Transport = family == .unspecified ? .unspecified : .stream
        writer.append(family.rawValue << 4 | transport.rawValue)
        let vectorBytes = vectors.reduce(hasChecksum ? 7 : 0) { $0 + 3 + $1.value.count }
        writer.append(bigEndian: UInt16(addresses.count + vectorBytes))
        writer.append(addresses)
        for vector in vectors {
            writer.append(vector.type)
            writer.append(bigEndian: UInt16(vector.value.count))
            writer.append(vector.value)
        }
        guard hasChecksum else { return }
        writer.append(ProxyBlock.checksumType)
        writer.append(bigEndian: UInt16(4))
        writer.append(bigEndian: UInt32(0))
        let checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: writer.bytes[start...]))
        withUnsafeBytes(of: checksum.bigEndian) { writer.overwrite(at: writer.count - 4, with: $0) }
    }

    private static func block(_ origin: ProxyHeader.Origin) -> (ProxyBlock.Family, [UInt8]) {
        guard case .relayed(let source, let destination) = origin else { return (.unspecified, []) }
        switch (source, destination) {
        case (.ip(let from, let fromPort), .ip(let to, let toPort)) where from.bytes.count == to.bytes.count:
            let ports = [fromPort, toPort].flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
            return (from.bytes.count == 4 ? .ipv4 : .ipv6, from.bytes + to.bytes + ports)
        case (.unix(let from), .unix(let to)):
            return (.unix, padded(from) + padded(to))
        default:
            return (.unspecified, [])
        }
    }

    private static func padded(_ path: [UInt8]) -> [UInt8] {
        let path = path.prefix(108)
        return path + Array(repeating: 0, count: 108 - path.count)
    }
}
