/// Version 2 of the PROXY header: 16 bytes, then addresses, then TLVs (proxy-protocol.txt 2.2).
enum ProxyBlock {
    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    /// Signature, version and command, family and transport, length.
    static let fixedBytes = 16

    enum Family: UInt8 {
        case unspecified, ipv4, ipv6, unix

        /// Both addresses and both ports.
        var addressBytes: Int {
            switch self {
            case .unspecified: 0
            case .ipv4: 2 * 4 + 2 * 2
            case .ipv6: 2 * 16 + 2 * 2
            case .unix: 2 * 108
            }
        }
    }

    enum Transport: UInt8 {
        case unspecified, stream, datagram
    }

    /// PP2_TYPE_CRC32C (2.2.3), the only TLV that decides anything here.
    static let checksumType: UInt8 = 0x03

    static func parse(_ bytes: UnsafeRawBufferPointer) throws(ProxyError) -> ProxyHeaderParser.Parsed {
        for index in 0..<min(signature.count, bytes.count) where bytes[index] != signature[index] {
            throw ProxyHeaderParser.noHeader(bytes[index], at: index)
        }
        guard bytes.count > 12 else { return .incomplete }
        guard bytes[12] >> 4 == 2 else { throw .version(bytes[12] >> 4) }
        let command = bytes[12] & 0x0F
        guard command <= 1 else { throw .command(command) }
        let isLocal = command == 0

        guard bytes.count > 13 else { return .incomplete }
        // Of the balancer's own connection neither family nor addresses matter (2.2).
        let family = isLocal ? .unspecified : try family(bytes[13])

        guard bytes.count >= fixedBytes else { return .incomplete }
        let announced = Int(bytes[14]) << 8 | Int(bytes[15])
        let end = fixedBytes + announced
        guard end <= ProxyHeaderParser.maximumHeaderBytes else { throw .headerTooLong(announced: announced) }
        guard announced >= family.addressBytes else {
            throw .addressesTooShort(announced: announced, needed: family.addressBytes)
        }
        guard bytes.count >= end else { return .incomplete }
        let whole = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        // Where the addresses of an unspecified family end, and whether there are TLVs behind them, nobody says.
        if family != .unspecified { try checkVectors(whole, from: fixedBytes + family.addressBytes) }
        return .header(ProxyHeader(version: .v2, origin: origin(whole, family)), consumed: end)
    }

    /// The family whose addresses count: an unspecified transport leaves those of the socket in place as well.
    private static func family(_ byte: UInt8) throws(ProxyError) -> Family {
        guard let family = Family(rawValue: byte >> 4) else { throw .family(byte >> 4) }
        switch Transport(rawValue: byte & 0x0F) {
        case .stream: return family
        case .unspecified: return .unspecified
        case .datagram: throw .datagram
        case nil: throw .transport(byte & 0x0F)
        }
    }

    /// Both addresses come before both ports (2.2).
    private static func origin(_ whole: UnsafeRawBufferPointer, _ family: Family) -> ProxyHeader.Origin {
        let block = UnsafeRawBufferPointer(rebasing: whole[fixedBytes..<(fixedBytes + family.addressBytes)])
        func word<Word: FixedWidthInteger>(_ offset: Int, as type: Word.Type) -> Word {
            Word(bigEndian: block.loadUnaligned(fromByteOffset: offset, as: type))
        }
        func ipv6(_ offset: Int) -> IPAddress {
            .v6(word(offset, as: UInt64.self), word(offset + 8, as: UInt64.self))
        }
        switch family {
        case .unspecified: return .peer
        case .ipv4:
            return .relayed(
                source: .ip(.v4(word(0, as: UInt32.self)), port: word(8, as: UInt16.self)),
                destination: .ip(.v4(word(4, as: UInt32.self)), port: word(10, as: UInt16.self)))
        case .ipv6:
            return .relayed(
                source: .ip(ipv6(0), port: word(32, as: UInt16.self)),
                destination: .ip(ipv6(16), port: word(34, as: UInt16.self)))
        case .unix:
            return .relayed(
                source: .unix(Array(block[..<108].prefix { $0 != 0 })),
                destination: .unix(Array(block[108...].prefix { $0 != 0 })))
        }
    }

    /// Walks the TLVs: type, length in 2 bytes, value. Each has to end within the header. Those to be skipped by their
    /// definition (2.2.4), and those that say what is not used here, are skipped.
    private static func checkVectors(_ whole: UnsafeRawBufferPointer, from start: Int) throws(ProxyError) {
        var checksum: Range<Int>?
        var offset = start
        while offset < whole.count {
            guard whole.count - offset >= 3 else { throw .vectorTooLong }
            let value = offset + 3
            let length = Int(whole[offset + 1]) << 8 | Int(whole[offset + 2])
            guard length <= whole.count - value else { throw .vectorTooLong }
            if whole[offset] == checksumType {
                guard length == 4, checksum == nil else { throw .checksumVector }
                checksum = value..<(value + 4)
            }
            offset = value + length
        }
        guard let checksum else { return }
        let stated = UInt32(bigEndian: whole.loadUnaligned(fromByteOffset: checksum.lowerBound, as: UInt32.self))
        guard CRC32C.checksum(whole, zeroed: checksum) == stated else { throw .checksum }
    }
}
