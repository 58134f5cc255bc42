/// Writes MessagePack (specification 2.0, msgpack.org), each value in its shortest form.
package enum MessagePackWriter {
    package static func writeNull(to writer: ByteWriter) { writer.append(0xC0) }

    package static func write(_ value: Bool, to writer: ByteWriter) { writer.append(value ? 0xC3 : 0xC2) }

    package static func write(_ value: UInt64, to writer: ByteWriter) {
        switch value {
        case 0...0x7F: writer.append(UInt8(truncatingIfNeeded: value))
        case 0...0xFF:
            writer.append(0xCC)
            writer.append(UInt8(truncatingIfNeeded: value))
        case 0...0xFFFF:
            writer.append(0xCD)
            writer.append(bigEndian: UInt16(truncatingIfNeeded: value))
        case 0...0xFFFF_FFFF:
            writer.append(0xCE)
            writer.append(bigEndian: UInt32(truncatingIfNeeded: value))
        default:
            writer.append(0xCF)
            writer.append(bigEndian: value)
        }
    }

    package static func write(_ value: Int64, to writer: ByteWriter) {
        switch value {
        case 0...Int64.max: write(UInt64(value), to: writer)
        case -32..<0: writer.append(UInt8(bitPattern: Int8(truncatingIfNeeded: value)))
        case Int64(Int8.min)..<0:
            writer.append(0xD0)
            writer.append(UInt8(bitPattern: Int8(truncatingIfNeeded: value)))
        case Int64(Int16.min)..<0:
            writer.append(0xD1)
            writer.append(bigEndian: Int16(truncatingIfNeeded: value))
        case Int64(Int32.min)..<0:
            writer.append(0xD2)
            writer.append(bigEndian: Int32(truncatingIfNeeded: value))
        default:
            writer.append(0xD3)
            writer.append(bigEndian: value)
        }
    }

    package static func write(_ value: Double, to writer: ByteWriter) {
        writer.append(0xCB)
        writer.append(bigEndian: value.bitPattern)
    }

    /// The bytes have to be UTF-8.
    package static func writeText(_ bytes: UnsafeRawBufferPointer, to writer: ByteWriter) {
        writeTextHead(bytes.count, to: writer)
        writer.append(bytes)
    }

    package static func writeText(_ bytes: [UInt8], to writer: ByteWriter) {
        bytes.withUnsafeBytes { writeText($0, to: writer) }
    }

    package static func writeText(_ text: StaticString, to writer: ByteWriter) {
        writeText(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), to: writer)
    }

    static func writeTextHead(_ count: Int, to writer: ByteWriter) {
        switch count {
        case 0...31: writer.append(0xA0 | UInt8(truncatingIfNeeded: count))
        case 0...0xFF:
            writer.append(0xD9)
            writer.append(UInt8(truncatingIfNeeded: count))
        case 0...0xFFFF:
            writer.append(0xDA)
            writer.append(bigEndian: UInt16(truncatingIfNeeded: count))
        default:
            writer.append(0xDB)
            writer.append(bigEndian: UInt32(clamping: count))
        }
    }

    package static func writeBinary(_ bytes: UnsafeRawBufferPointer, to writer: ByteWriter) {
        switch bytes.count {
        case 0...0xFF:
            writer.append(0xC4)
            writer.append(UInt8(truncatingIfNeeded: bytes.count))
        case 0...0xFFFF:
            writer.append(0xC5)
            writer.append(bigEndian: UInt16(truncatingIfNeeded: bytes.count))
        default:
            writer.append(0xC6)
            writer.append(bigEndian: UInt32(clamping: bytes.count))
        }
        writer.append(bytes)
    }

    /// So many values are to follow.
    package static func writeArrayHead(_ count: Int, to writer: ByteWriter) {
        writeHead(count, short: 0x90, long: 0xDC, to: writer)
    }

    /// So many pairs are to follow.
    package static func writeMapHead(_ count: Int, to writer: ByteWriter) {
        writeHead(count, short: 0x80, long: 0xDE, to: writer)
    }

    private static func writeHead(_ count: Int, short: UInt8, long: UInt8, to writer: ByteWriter) {
        switch count {
        case 0...15: writer.append(short | UInt8(truncatingIfNeeded: count))
        case 0...0xFFFF:
            writer.append(long)
            writer.append(bigEndian: UInt16(truncatingIfNeeded: count))
        default:
            writer.append(long + 1)
            writer.append(bigEndian: UInt32(clamping: count))
        }
    }
}

extension ByteWriter {
    /// Writes a container whose count is known only afterwards: the head for up to 15 values is there first, and what was written
    /// moves up if it has to be longer.
    ///
    /// - Parameter body: Writes the values, and returns how many; of a map, how many pairs.
    func container(isMap: Bool, _ body: () -> Int?) -> Bool {
        let start = count
        append(isMap ? 0x80 : 0x90)
        guard let values = body() else { return false }
        if values <= 15 {
            withUnsafeBytes(of: (isMap ? 0x80 : 0x90) | UInt8(truncatingIfNeeded: values)) {
                overwrite(at: start, with: $0)
            }
            return true
        }
        let head = ByteWriter(capacity: 64)
        if isMap {
            MessagePackWriter.writeMapHead(values, to: head)
        } else {
            MessagePackWriter.writeArrayHead(values, to: head)
        }
        insert(head.count - 1, at: start + 1)
        overwrite(at: start, with: head.bytes)
        return true
    }

    /// Makes room inside of what was written: what lies behind moves up. The room has to be overwritten.
    package func insert(_ room: Int, at offset: Int) {
        precondition(room >= 0 && offset >= 0 && offset <= count)
        reserve(room)
        let behind = count - offset
        (base + offset + room).copyMemory(from: base + offset, byteCount: behind)
        advance(room)
    }

    /// Takes bytes out of the middle of what was written.
    package func remove(_ removed: Int, at offset: Int) {
        precondition(removed >= 0 && offset >= 0 && offset + removed <= count)
        (base + offset).copyMemory(from: base + offset + removed, byteCount: count - offset - removed)
        removeLast(removed)
    }
}
