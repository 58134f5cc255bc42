import Codec
import Testing

@Suite struct ByteWriterTests {
    @Test func writesNumbers() {
        #expect(Written.text { $0.append(decimal: 0) } == "0")
        #expect(Written.text { $0.append(decimal: 10) } == "10")
        #expect(Written.text { $0.append(decimal: .max) } == "18446744073709551615")
        #expect(Written.bytes { $0.append(bigEndian: UInt32(0x0102_0304)) } == [1, 2, 3, 4])
        #expect(Written.bytes { $0.append(bigEndian: UInt16(0xFFFE)) } == [0xFF, 0xFE])
    }

    @Test func growsAndKeepsWhatWasWritten() {
        let writer = ByteWriter(capacity: 1)
        var expected: [UInt8] = []
        for index in 0..<1000 {
            writer.append(UInt8(truncatingIfNeeded: index))
            writer.append([UInt8](repeating: 7, count: index % 5))
            expected.append(UInt8(truncatingIfNeeded: index))
            expected.append(contentsOf: [UInt8](repeating: 7, count: index % 5))
        }
        #expect(Array(writer.bytes) == expected)
    }

    @Test func givesMemoryBackBeyondWhatItKeeps() {
        let writer = ByteWriter(capacity: 64)
        writer.append([UInt8](repeating: 1, count: 10_000))
        writer.removeAll(keeping: 128)
        #expect(writer.count == 0)
        #expect(writer.capacity == 128)
    }

    /// Into memory of somebody else, and what does not fit there into its own.
    @Test func writesWhereItIsTold() {
        let writer = ByteWriter(capacity: 64)
        writer.append("before")
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 10, alignment: 1)
        defer { room.deallocate() }
        let written = writer.write(into: room) { $0.append("0123456789") }
        #expect(written == 10 && room.elementsEqual("0123456789".utf8) && writer.count == 0)
        writer.append("own")
        #expect(writer.bytes.elementsEqual("own".utf8))
        let long = [UInt8](repeating: 7, count: 5000)
        let outgrown = writer.write(into: room) { writer in
            writer.append("01234")
            writer.append(long)
        }
        #expect(outgrown == nil && Array(writer.bytes) == Array("01234".utf8) + long)
        #expect(room.prefix(5).elementsEqual("01234".utf8))
        let nowhere = writer.write(into: UnsafeMutableRawBufferPointer(start: nil, count: 0)) { $0.append("a") }
        #expect(nowhere == nil && writer.bytes.elementsEqual("a".utf8))
    }

    @Test func overwritesAndTakesBack() {
        let bytes = Written.bytes { writer in
            writer.append("abcdef")
            [UInt8(ascii: "X"), UInt8(ascii: "Y")].withUnsafeBytes { writer.overwrite(at: 1, with: $0) }
            writer.removeLast(1)
        }
        #expect(bytes == Array("aXYde".utf8))
    }
}
