import Codec
import Testing

@Suite struct RawEncoderTests {
    static let headers: [(Int, [UInt8])] = [
        (0, [0]), (1, [1]), (125, [125]), (126, [126, 0, 126]), (65_535, [126, 0xFF, 0xFF]),
        (65_536, [127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ]

    @Test(arguments: headers)
    func aFrameIsThePayload(_ count: Int, _ length: [UInt8]) {
        let payload = [UInt8](repeating: UInt8(ascii: "x"), count: count)
        for (kind, first) in [(PayloadKind.text, UInt8(0x81)), (.json, 0x81), (.binary, 0x82)] {
            let publication = Publication(
                channel: .all, kind: kind, payload: payload, origin: NodeID(1), position: Position(epoch: 1, offset: 2),
                extras: .init(event: [0x65]))
            let written = Written.bytes {
                PublicationEncoder.write(publication, as: .raw, packing: Packing(.init()), to: $0)
            }
            #expect(written == [first] + length + payload)
        }
    }
}
