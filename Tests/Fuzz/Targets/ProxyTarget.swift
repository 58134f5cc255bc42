import Codec

/// PROXY headers, versions 1 and 2: a verdict does not change when more bytes come, and a header written again is read
/// as the same.
enum ProxyTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        var numbers = InputNumbers(input)
        let whole = ProxyHeaderParser.parse(input)
        for cut in input.cuts(&numbers) {
            let prefix = Array(input.prefix(cut))
            let part = prefix.withUnsafeBytes { ProxyHeaderParser.parse($0) }
            if part == .incomplete {
                if case .header(_, let consumed) = whole {
                    expect(cut < consumed, "a header that is here is waited for")
                }
                expect(cut < ProxyHeaderParser.maximumHeaderBytes, "more than the longest header is waited for")
            } else {
                expect(part == whole, "the first \(cut) bytes say \(part), all say \(whole)")
            }
        }
        if case .malformed(let error) = whole { _ = "\(error)" }
        guard case .header(let header, let consumed) = whole else { return }
        expect(consumed <= min(input.count, ProxyHeaderParser.maximumHeaderBytes), "\(consumed) bytes were taken")
        let writer = ByteWriter()
        ProxyHeaderWriter.write(header, to: writer)
        let again = ProxyHeaderParser.parse(writer.bytes)
        expect(again == .header(header, consumed: writer.count), "\(header) comes back as \(again)")

        let checked = ByteWriter()
        ProxyHeaderWriter.writeBlock(
            header.origin, vectors: [.init(type: 4, value: [1, 2])], hasChecksum: true, to: checked)
        let expected = ProxyHeader(version: .v2, origin: header.origin)
        let third = ProxyHeaderParser.parse(checked.bytes)
        expect(third == .header(expected, consumed: checked.count), "\(header) with a checksum comes back as \(third)")
    }
}
