/// Version 1 of the PROXY header: one line of text (proxy-protocol.txt 2.1).
enum ProxyLine {
    static let start: StaticString = "PROXY "

    private typealias Text = Slice<UnsafeRawBufferPointer>

    static func parse(_ bytes: UnsafeRawBufferPointer) throws(ProxyError) -> ProxyHeaderParser.Parsed {
        let start = UnsafeRawBufferPointer(start: start.utf8Start, count: start.utf8CodeUnitCount)
        for index in 0..<min(start.count, bytes.count) where bytes[index] != start[index] {
            throw ProxyHeaderParser.noHeader(bytes[index], at: index)
        }
        guard let end = try endOfLine(bytes, from: start.count) else { return .incomplete }
        let origin = try parse(line: bytes[start.count..<end])
        return .header(ProxyHeader(version: .v1, origin: origin), consumed: end + 2)
    }

    /// Where the CR of the first CR LF is, or nil while that has not come. One of the two alone is refused even in what is
    /// to be ignored: another program might end the line there.
    private static func endOfLine(_ bytes: UnsafeRawBufferPointer, from start: Int) throws(ProxyError) -> Int? {
        let seen = min(bytes.count, ProxyHeaderParser.maximumLineBytes)
        guard seen > start else { return nil }
        for index in start..<seen {
            let isAfterCR = bytes[index - 1] == 0x0D
            guard (bytes[index] == 0x0A) == isAfterCR else { throw .lineEnd }
            if isAfterCR { return index - 1 }
        }
        guard seen < ProxyHeaderParser.maximumLineBytes else { throw .lineTooLong }
        return nil
    }

    private static func parse(line: Text) throws(ProxyError) -> ProxyHeader.Origin {
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard let name = fields.first else { throw .protocolName }
        if name.elementsEqual("UNKNOWN".utf8) { return .peer }
        let isFour = name.elementsEqual("TCP4".utf8)
        guard isFour || name.elementsEqual("TCP6".utf8) else { throw .protocolName }
        guard fields.count == 5 else { throw .fields(fields.count - 1) }
        let source = try address(fields[1], isFour, .source)
        let destination = try address(fields[2], isFour, .destination)
        return .relayed(
            source: .ip(source, port: try port(fields[3], .source)),
            destination: .ip(destination, port: try port(fields[4], .destination)))
    }

    private static func address(
        _ text: Text, _ isFour: Bool, _ end: ProxyError.End
    ) throws(ProxyError) -> IPAddress {
        switch IPAddress(parsing: text) {
        case .v4(let address) where isFour: return .v4(address)
        case .v6(let high, let low) where !isFour: return .v6(high, low)
        default: throw .address(end)
        }
    }

    private static func port(_ text: Text, _ end: ProxyError.End) throws(ProxyError) -> UInt16 {
        guard let port = DecimalField.parse(text, atMost: 65535) else { throw .port(end) }
        return UInt16(port)
    }
}
