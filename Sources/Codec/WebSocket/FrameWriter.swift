/// Writes WebSocket frames (RFC 6455 5.2): always one frame a message.
package enum FrameWriter {
    /// How long the header of an unmasked frame is.
    package static func headerBytes(payloadBytes: Int) -> Int {
        payloadBytes <= 125 ? 2 : payloadBytes <= 0xFFFF ? 4 : 10
    }

    /// The header of an unmasked frame; the payload is to follow.
    @inline(__always)
    package static func writeHeader(
        _ opcode: Opcode, payloadBytes: Int, isCompressed: Bool = false, to writer: ByteWriter
    ) {
        writeHeader(0x80 | (isCompressed ? 0x40 : 0) | opcode.rawValue, payloadBytes: payloadBytes, mask: 0, to: writer)
    }

    @inline(__always)
    private static func writeHeader(_ first: UInt8, payloadBytes: Int, mask: UInt8, to writer: ByteWriter) {
        writer.append(first)
        if payloadBytes <= 125 {
            writer.append(mask | UInt8(payloadBytes))
        } else if payloadBytes <= 0xFFFF {
            writer.append(mask | 126)
            writer.append(bigEndian: UInt16(payloadBytes))
        } else {
            writer.append(mask | 127)
            writer.append(bigEndian: UInt64(payloadBytes))
        }
    }

    /// A frame from a server.
    @inline(__always)
    package static func write(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer, to writer: ByteWriter) {
        writeHeader(opcode, payloadBytes: payload.count, to: writer)
        writer.append(payload)
    }

    /// A frame from a client; the key should be random (RFC 6455 5.3).
    package static func writeMasked(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, key: UInt32, to writer: ByteWriter
    ) {
        writeHeader(0x80 | opcode.rawValue, payloadBytes: payload.count, mask: 0x80, to: writer)
        writer.append(bigEndian: key.byteSwapped)
        let start = writer.count
        writer.append(payload)
        Masking.apply(
            key, to: UnsafeMutableRawBufferPointer(start: writer.base + start, count: payload.count), offset: 0)
    }

    /// The most bytes a reason can have: 125 less the code.
    package static let maximumReasonBytes = 123

    /// A close frame from a server.
    package static func writeClose(_ code: CloseCode, reason: String, to writer: ByteWriter) {
        closePayload(code, reason: reason).withUnsafeBytes { write(.close, $0, to: writer) }
    }

    /// What a close frame says. A longer reason is cut between two characters; a code that must not be sent makes an
    /// empty one.
    package static func closePayload(_ code: CloseCode, reason: String) -> [UInt8] {
        guard code.isValidOnTheWire else { return [] }
        var payload = [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xFF)]
        for character in reason.unicodeScalars {
            guard payload.count - 2 + UTF8.width(character) <= maximumReasonBytes else { break }
            payload.append(contentsOf: String(character).utf8)
        }
        return payload
    }
}

extension ByteWriter {
    /// Turns what was written since `start` into an unmasked frame: its first `reserved` bytes were left for the header.
    package func closeFrame(_ opcode: Opcode, at start: Int, reserved: Int) {
        let payload = count - start - reserved
        let header = FrameWriter.headerBytes(payloadBytes: payload)
        precondition(payload >= 0 && header <= reserved, "too little was left for the header")
        (base + start + header).copyMemory(from: base + start + reserved, byteCount: payload)
        removeLast(count - start)
        FrameWriter.writeHeader(opcode, payloadBytes: payload, to: self)
        advance(payload)
    }
}
