import Testing

@testable import Authentication

@Suite struct DERReaderTests {
    @Test func elements() {
        var reader = DERReader([0x30, 3, 0x02, 1, 7, 0x04, 2, 8, 9])
        #expect(reader.octets() == nil)
        var inner = reader.sequence()
        #expect(inner?.number() == [7])
        #expect(inner?.isAtEnd == true)
        #expect(!reader.isAtEnd)
        #expect(reader.number() == nil)
        #expect(reader.octets() == [8, 9])
        #expect(reader.isAtEnd)
        #expect(reader.octets() == nil)
    }

    @Test(arguments: [0, 1, 127, 128, 255, 256, 65535, 65536, 70000])
    func lengths(count: Int) {
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        var length = (0..<3).map { UInt8(truncatingIfNeeded: count >> (16 - 8 * $0)) }
        length.removeFirst(length.prefix { $0 == 0 }.count)
        let head: [UInt8] = count < 128 ? [UInt8(count)] : [0x80 | UInt8(length.count)] + length
        let whole = [0x04] + head + content
        var reader = DERReader(whole)
        #expect(reader.octets() == content)
        #expect(reader.isAtEnd)
        for end in [1, 2, whole.count - 1] where end < whole.count && end > 0 {
            var cut = DERReader(whole.prefix(end))
            #expect(cut.octets() == nil, "\(end)")
        }
    }

    @Test(
        arguments: [
            [], [0x04], [0x04, 0x80], [0x04, 0x80, 0, 0], [0x04, 0x81], [0x04, 0x81, 0], [0x04, 0x81, 1, 7],
            [0x04, 0x81, 0x7F] + [UInt8](repeating: 0, count: 127),
            [0x04, 0x82, 0, 0x80] + [UInt8](repeating: 0, count: 128),
            [0x04, 0x82, 1], [0x04, 0x83, 0xFF, 0xFF, 0xFF], [0x04, 0x84, 0, 0, 0, 1, 7],
            [0x04, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x04, 0x88, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x04, 0xFF] + [UInt8](repeating: 0xFF, count: 200),
            [0x04, 2, 7],
        ] as [[UInt8]])
    func damaged(bytes: [UInt8]) {
        var reader = DERReader(bytes)
        #expect(reader.octets() == nil)
        // Nothing was read.
        #expect(reader.isAtEnd == bytes.isEmpty)
    }

    @Test(
        arguments: [
            ([2, 1, 0], [0]), ([2, 1, 1], [1]), ([2, 1, 0x7F], [0x7F]), ([2, 2, 0, 0x80], [0x80]),
            ([2, 2, 1, 0], [1, 0]),
            ([2, 3, 0, 0xFF, 1], [0xFF, 1]),
        ] as [([UInt8], [UInt8])])
    func numbers(bytes: [UInt8], number: [UInt8]) {
        var reader = DERReader(bytes)
        #expect(reader.number() == number)
        #expect(reader.isAtEnd)
    }

    @Test(
        arguments: [
            [2, 0], [2, 1, 0x80], [2, 1, 0xFF], [2, 2, 0, 0], [2, 2, 0, 0x7F], [2, 3, 0, 0, 0x80], [2, 2, 0x80, 0],
        ] as [[UInt8]])
    func numbersThatAreNone(bytes: [UInt8]) {
        var reader = DERReader(bytes)
        #expect(reader.number() == nil)
    }

    @Test func bits() {
        var whole = DERReader([3, 3, 0, 5, 6])
        #expect(whole.bits() == [5, 6])
        var unused = DERReader([3, 2, 4, 0xF0])
        #expect(unused.bits() == nil)
        var none = DERReader([3, 0])
        #expect(none.bits() == nil)
    }
}

@Suite struct ECDSASignatureTests {
    @Test(arguments: EllipticCurve.allCases)
    func bothForms(curve: EllipticCurve) throws {
        let size = curve.byteCount
        var numbers: [[UInt8]] = [[], [1], [0x7F], [0x80], [0xFF], [1, 0]].map { $0 }
        numbers += [[UInt8](repeating: 0xFF, count: size), [0x80] + [UInt8](repeating: 0, count: size - 1)]
        numbers.append([0x7F] + [UInt8](repeating: 0xFF, count: size - 1))
        for r in numbers {
            for s in numbers {
                let raw = [r, s].flatMap { [UInt8](repeating: 0, count: size - $0.count) + $0 }
                let der = try #require(ECDSASignature.der(raw, curve))
                #expect(ECDSASignature.raw(der, curve) == raw)
                #expect(ECDSASignature.raw(der + [0], curve) == nil)
                #expect(ECDSASignature.raw(Array(der.dropLast()), curve) == nil)
            }
        }
        for count in [0, 1, size, 2 * size - 1, 2 * size + 1, 4 * size] {
            #expect(ECDSASignature.der([UInt8](repeating: 1, count: count), curve) == nil)
        }
    }

    @Test func numbersBeyondTheCurve() {
        let large = [0x02, 33] + [UInt8](repeating: 1, count: 33)
        #expect(ECDSASignature.raw([0x30, 38] + large + [0x02, 1, 1], .p256) == nil)
        #expect(ECDSASignature.raw([0x30, 3, 0x02, 1, 1], .p256) == nil)
        #expect(ECDSASignature.raw([0x30, 9, 0x02, 1, 1, 0x02, 1, 1, 0x02, 1, 1], .p256) == nil)
        #expect(ECDSASignature.raw([], .p256) == nil)
    }
}
