import Codec
import Foundation
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
        #expect(SequencedPayload(bytes: 0, kind: .json).bytes == SequencedPayload.Kind.json.leastBytes)
    }

    private func text(_ payload: SequencedPayload, _ sequence: UInt32) -> [UInt8] {
        let writer = ByteWriter()
        payload.write(sequence, to: writer)
        return Array(writer.bytes)
    }

    @Test func theJSONIsJSONOfEverySize() throws {
        for bytes in Array(47...400) + [512, 768, 1024, 65536] {
            let payload = SequencedPayload(bytes: bytes, kind: .json)
            let text = text(payload, 0xBEEF)
            #expect(text.count == bytes)
            #expect(text.withUnsafeBytes { payload.sequence(of: $0.baseAddress!, bytes: bytes) } == 0xBEEF)
            let object = try #require(try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
            #expect((object["id"] as? String)?.hasSuffix("0000beef") == true)
            // A quote and a comma are 75 bytes.
            let quotes = try #require(object["quotes"] as? [[String: Any]])
            #expect(quotes.count == (bytes - 46) / 75 || bytes < 121)
            #expect(quotes.allSatisfy { ($0["bid"] as? Double ?? 0) < ($0["ask"] as? Double ?? 0) })
        }
    }

    @Test func theJSONIsCompressedAsJSONIs() {
        let payload = SequencedPayload(bytes: 768, kind: .json)
        for sequence: UInt32 in 0..<20 {
            #expect((768 / 3...768 * 2 / 3).contains(deflated(text(payload, sequence)).count))
        }
        #expect(text(payload, 1).suffix(700) != text(payload, 2).suffix(700))
        #expect(text(payload, 1) == text(payload, 1))
    }

    @Test(arguments: SequencedPayload.Kind.allCases)
    func everyByteIsVerified(kind: SequencedPayload.Kind) {
        let payload = SequencedPayload(bytes: 200, kind: kind)
        let scratch = ByteWriter()
        var bytes = text(payload, 9)
        func verified() -> UInt32? { bytes.withUnsafeBytes { payload.verifiedSequence(of: $0, scratch: scratch) } }
        #expect(verified() == 9)
        for place in bytes.indices {
            bytes[place] ^= 1
            // A changed digit of the sequence number is another publication's number, and then its filling is wrong;
            // a text's filling is the same for all.
            #expect(verified() != 9, "byte \(place)")
            if kind == .json { #expect(verified() == nil, "byte \(place)") }
            bytes[place] ^= 1
        }
        bytes.removeLast()
        #expect(verified() == nil)
    }
}
