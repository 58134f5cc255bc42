@testable import Codec
import Testing

@Suite struct ProtobufReaderTests {
    private static func reading<Result>(_ bytes: [UInt8], _ body: (inout ProtobufReader) -> Result) -> Result {
        bytes.withUnsafeBytes {
            var reader = ProtobufReader($0)
            return body(&reader)
        }
    }

    private static func varint(_ bytes: [UInt8]) -> UInt64? { reading(bytes) { $0.varint() } }

    /// Whether it is a message of which every field is stepped over.
    private static func skips(_ bytes: [UInt8]) -> Bool {
        reading(bytes) { $0.fields { field, reader in reader.skip(field) } && $0.isAtEnd }
    }

    @Test func numbersOfEveryLength() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, UInt64(UInt32.max), 1 << 35, 1 << 62, 1 << 63, .max] {
            #expect(Self.varint(Proto.varint(value)) == value)
            #expect(Self.varint(Proto.varint(value).dropLast()) == nil)
            #expect(Written.bytes { $0.append(varint: value) } == Proto.varint(value))
            #expect(ProtobufCounter.bytes(value) == Proto.varint(value).count)
        }
        // Longer than it has to be, but not too long.
        #expect(Self.varint([0x81, 0x80, 0x00]) == 1)
        #expect(Self.varint([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]) == 0)
        #expect(Self.varint([UInt8](repeating: 0x80, count: 10) + [0]) == nil)
        #expect(Self.varint([UInt8](repeating: 0xFF, count: 9) + [0x02]) == nil)
        #expect(Self.varint([UInt8](repeating: 0xFF, count: 20)) == nil)
    }

    @Test func numbersOfEveryType() {
        func value<Value>(_ raw: UInt64, _ read: (inout ProtobufReader, ProtobufReader.Field) -> Value?) -> Value? {
            Self.reading(Proto.varint(raw)) { read(&$0, .init(number: 1, type: .varint)) }
        }
        #expect(value(UInt64(UInt32.max)) { $0.unsigned32($1) } == .max)
        #expect(value(1 << 32) { $0.unsigned32($1) } == nil)
        #expect(value(UInt64(bitPattern: -1)) { $0.signed32($1) } == -1)
        #expect(value(UInt64(bitPattern: Int64(Int32.min))) { $0.signed32($1) } == .min)
        #expect(value(1 << 31) { $0.signed32($1) } == nil)
        #expect(value(UInt64(bitPattern: .min)) { $0.signed($1) } == .min)
        #expect(
            [0, 1, 2, 3, .max - 1, .max].map { raw in value(raw) { $0.zigzag($1) } } == [0, -1, 1, -2, .max, .min])
        #expect([0, 1, 2, 1 << 40].map { raw in value(raw) { $0.boolean($1) } } == [false, true, true, true])
    }

    @Test func valuesOfAnotherTypeAreRefused() {
        for type: ProtobufReader.WireType in [.fixed64, .bytes, .groupStart, .groupEnd, .fixed32] {
            #expect(Self.reading([1, 1, 1]) { $0.unsigned(.init(number: 1, type: type)) } == nil)
        }
        #expect(Self.reading([1, 1]) { $0.bytes(.init(number: 1, type: .varint)).map { Array($0) } } == nil)
        #expect(Self.reading([1, 0xC3]) { $0.text(.init(number: 1, type: .bytes)).map { Array($0) } } == nil)
        #expect(
            Self.reading([2, 0xC3, 0xA9]) { $0.text(.init(number: 1, type: .bytes)).map { Array($0) } } == [0xC3, 0xA9])
    }

    @Test func lengthsAreWithinTheMessage() {
        func delimited(_ bytes: [UInt8]) -> [UInt8]? { Self.reading(bytes) { $0.delimited().map { Array($0) } } }
        #expect(delimited([0]) == [])
        #expect(delimited([2, 1, 2, 3]) == [1, 2])
        #expect(delimited([]) == nil)
        #expect(delimited([1]) == nil)
        #expect(delimited(Proto.varint(UInt64(Int.max)) + [1]) == nil)
        #expect(delimited(Proto.varint(.max) + [1]) == nil)
    }

    @Test func whatNobodyKnowsIsSteppedOver() {
        #expect(Self.skips([]))
        #expect(
            Self.skips(
                Proto.number(7, .max) + Proto.text(8, "text") + [0x4D, 1, 2, 3, 4, 0x51, 1, 2, 3, 4, 5, 6, 7, 8]))
        #expect(Self.skips(Proto.number((1 << 29) - 1, 1)))
        #expect(!Self.skips(Proto.number(1 << 29, 1)))
        #expect(!Self.skips(Proto.number(0, 1)))
        for bytes: [UInt8] in [
            [0x4D, 1, 2, 3], [0x51, 1, 2, 3, 4, 5, 6, 7], [0x0A, 1], [0x08], [0x0E, 0], [0x0F, 0], [0x80],
        ] {
            #expect(!Self.skips(bytes), "\(bytes)")
        }
    }

    @Test func groupsAreSteppedOverToALimit() {
        func nested(_ depth: Int) -> [UInt8] {
            [UInt8](repeating: 0x0B, count: depth) + [0x10, 5] + [UInt8](repeating: 0x0C, count: depth)
        }
        #expect(Self.skips([0x0B, 0x0C]))
        #expect(Self.skips(nested(ProtobufReader.maximumGroupDepth) + [0x08, 1]))
        #expect(!Self.skips(nested(ProtobufReader.maximumGroupDepth + 1)))
        #expect(!Self.skips(nested(100_000)))
        // Not closed, closed by another number, closed without being open.
        #expect(!Self.skips([0x0B, 0x10, 5]))
        #expect(!Self.skips([0x0B, 0x14]))
        #expect(!Self.skips([0x0C]))
    }

    @Test func nothingThatComesInCanStopIt() {
        var numbers = SeededNumbers(state: 18)
        for _ in 0..<20_000 {
            let bytes = numbers.bytes(Int.random(in: 0...24, using: &numbers))
            _ = Self.skips(bytes)
            _ = Self.reading(bytes) { reader in
                reader.fields { field, reader in
                    (reader.text(field) != nil || reader.zigzag(field) != nil) && reader.rest.count < bytes.count
                }
            }
        }
    }
}
