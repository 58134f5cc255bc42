@testable import Codec
import Testing

@Suite struct PublicationTagsTests {
    static func tags(_ pairs: KeyValuePairs<String, String>) throws -> PublicationTags {
        try PublicationTags(validating: pairs.map { (Array($0.key.utf8), Array($0.value.utf8)) })
    }

    private static func pairs(_ tags: PublicationTags) -> [String] {
        var pairs: [String] = []
        tags.forEach { pairs.append(String(decoding: $0, as: UTF8.self) + "=" + String(decoding: $1, as: UTF8.self)) }
        return pairs
    }

    private static func packed(_ bytes: [UInt8]) -> PublicationTags? {
        bytes.withUnsafeBytes { PublicationTags(packed: $0) }
    }

    @Test func areInTheOrderOfTheirKeysAndTheLastOneCounts() throws {
        let tags = try Self.tags(["b": "2", "é": "", "a": "1", "b": "3"])
        #expect(Self.pairs(tags) == ["a=1", "b=3", "é="])
        #expect(Self.packed(tags.packed) == tags)
        #expect(Self.pairs(try Self.tags([:])) == [])
    }

    @Test func haveLimits() throws {
        func failure(_ pairs: [(key: [UInt8], value: [UInt8])]) -> PublicationTagsError? {
            do {
                _ = try PublicationTags(validating: pairs)
                return nil
            } catch { return error }
        }
        let many = (0...32).map { (key: Array("\($0)".utf8), value: [UInt8]()) }
        #expect(failure(many) == .tooMany)
        #expect(failure(many.dropLast()) == nil)
        #expect(failure([([], [])]) == .badKey(bytes: 0))
        #expect(failure([(Array(repeating: 97, count: 256), [])]) == .badKey(bytes: 256))
        #expect(failure([(Array(repeating: 97, count: 255), [])]) == nil)
        #expect(failure([([97], Array(repeating: 97, count: 4092))]) == nil)
        #expect(failure([([97], Array(repeating: 97, count: 4093))]) == .tooLong)
        #expect(failure([([97], Array(repeating: 97, count: 100_000))]) == .tooLong)
        #expect(failure([([0xC3], [])]) == .notUTF8)
        #expect(failure([([97], [0xFF])]) == .notUTF8)
        for error: PublicationTagsError in [.badKey(bytes: 0), .notUTF8, .tooMany, .tooLong] {
            #expect(!"\(error)".isEmpty)
        }
    }

    @Test func bytesThatAreNoneAreRefused() throws {
        let tags = try Self.tags(["a": "1", "bc": "23"])
        for count in 1..<tags.packed.count {
            #expect((Self.packed(Array(tags.packed.prefix(count))) != nil) == (count == 5), "\(count)")
        }
        // No key, keys out of order, a key twice, a length beyond the end, no UTF-8.
        for bytes: [UInt8] in [
            [0, 0, 0], [1, 98, 0, 0, 1, 97, 0, 0], [1, 97, 0, 0, 1, 97, 0, 0], [1, 97, 0xFF, 0xFF], [1, 0xFF, 0, 0],
            [1, 97, 0, 1, 0xFF],
        ] { #expect(Self.packed(bytes) == nil, "\(bytes)") }
        let many: [UInt8] = (0..<33).flatMap { [1 as UInt8, UInt8(65 + $0), 0, 0] }
        #expect(Self.packed(many) == nil)
        #expect(Self.packed(Array(many.dropLast(4))) != nil)
        #expect(Self.packed([1, 97, 0x10, 0x00] + [UInt8](repeating: 97, count: 4096)) == nil)
    }

    @Test func travelBetweenNodes() throws {
        let publication = Publication(
            channel: ChannelName(trusted: Array("a".utf8)), kind: .json, payload: Array("1".utf8), origin: NodeID(1),
            extras: .init(tags: try Self.tags(["k": "v", "x": "y"])))
        let bytes = Written.bytes { EnvelopeCodec.write(publication, to: $0) }
        #expect(bytes.count <= EnvelopeCodec.maximumBytes(publication))
        let read = try bytes.withUnsafeBytes { try EnvelopeCodec.decode($0) }
        #expect(read.extras?.tags == publication.extras?.tags)
        #expect(read.weight == 1 + 10)
        // Tag 9, ten bytes. An earlier version steps over it, as this one does over tag 10.
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: [9, 0, 0, 0, 10]) })
        var other = bytes
        other[start] = 200
        #expect(try other.withUnsafeBytes { try EnvelopeCodec.decode($0) }.extras?.tags == nil)
        other = bytes
        other[start + 5] = 3
        #expect(throws: EnvelopeError.badField(9)) { try other.withUnsafeBytes { try EnvelopeCodec.decode($0) } }
        // No tags are none.
        #expect(Publication.Extras(tags: try Self.tags([:])).tags == nil)
    }
}
