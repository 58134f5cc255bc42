import Codec
import Testing

@testable import Client

struct SequencedPayloadTests {
    @Test(arguments: [0, 1, 9, 10, 255, 0xDEAD_BEEF, 0x7FFF_FFFF, UInt32.max])
    func aSequenceNumberSurvives(sequence: UInt32) {
        let payload = SequencedPayload(bytes: 128)
        let writer = ByteWriter()
        payload.write(sequence, to: writer)
        #expect(writer.count == 128)
        #expect(payload.sequence(of: writer.bytes.baseAddress!, bytes: writer.count) == sequence)
        let text = String(decoding: writer.bytes, as: UTF8.self)
        #expect(UInt32(text.prefix(8), radix: 16) == payload.run)
        #expect(UInt32(text.dropFirst(8).prefix(8), radix: 16) == sequence)
    }

    @Test func anotherRunIsForeign() {
        let writer = ByteWriter()
        SequencedPayload(bytes: 16, run: 1).write(7, to: writer)
        #expect(SequencedPayload(bytes: 16, run: 2).sequence(of: writer.bytes.baseAddress!, bytes: 16) == nil)
    }

    @Test func whatIsTooShortIsForeign() {
        let payload = SequencedPayload(bytes: 16)
        let writer = ByteWriter()
        payload.write(7, to: writer)
        #expect(payload.sequence(of: writer.bytes.baseAddress!, bytes: 15) == nil)
    }

    @Test func aPayloadIsNeverSmallerThanItsHead() {
        #expect(SequencedPayload(bytes: 0).bytes == SequencedPayload.headBytes)
    }
}
