import Testing

@testable import Codec

/// What depends on agreements the reader does not make yet; everything else is seen through the reader.
@Suite struct FrameHeaderTests {
    private func parse(_ bytes: [UInt8], _ context: FrameHeader.Context) -> FrameHeader.Parsed {
        bytes.withUnsafeBytes { FrameHeader.parse($0, context) }
    }

    private func header(_ bytes: [UInt8], isInMessage: Bool = false) -> FrameHeader? {
        let context = FrameHeader.Context(
            isMasked: false, isInMessage: isInMessage, bytesLeft: 1000, allowsCompression: true)
        if case .header(let header) = parse(bytes, context) { return header }
        return nil
    }

    /// RFC 7692 6: RSV1 stands in the first frame of a message, and RSV2 and RSV3 nowhere.
    @Test func readsCompressionWhereItIsAllowed() {
        #expect(header([0xC1, 0])?.isCompressed == true)
        #expect(header([0x42, 0])?.isCompressed == true)
        #expect(header([0x81, 0])?.isCompressed == false)
        #expect(header([0xC0, 0], isInMessage: true) == nil)
        #expect(header([0xC9, 0]) == nil)
        #expect(header([0xC8, 0]) == nil)
        #expect(header([0xE1, 0]) == nil)
        #expect(header([0xD1, 0]) == nil)
    }

    @Test func saysHowLongItIs() {
        let lengths: [([UInt8], payload: Int)] = [
            ([0x82, 0], 0), ([0x82, 125], 125), ([0x82, 126, 0, 126], 126), ([0x82, 126, 0xFF, 0xFF], 65535),
            ([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65536),
        ]
        for (bytes, payload) in lengths {
            for isMasked in [false, true] {
                var bytes = bytes
                if isMasked {
                    bytes[1] |= 0x80
                    bytes += [4, 3, 2, 1]
                }
                let context = FrameHeader.Context(isMasked: isMasked, isInMessage: false, bytesLeft: 65536)
                guard case .header(let header) = parse(bytes + [9, 9], context) else {
                    Issue.record("not a header: \(bytes)")
                    continue
                }
                #expect(header.bytes == bytes.count)
                #expect(header.payloadBytes == payload)
                #expect(header.key == (isMasked ? 0x0102_0304 : 0))
                for end in 0..<bytes.count {
                    guard case .incomplete = parse(Array(bytes[..<end]), context) else {
                        Issue.record("\(end) bytes of \(bytes) are not incomplete")
                        continue
                    }
                }
            }
        }
    }
}
