internal import CZlib

/// Packs messages (RFC 7692 7.2.1), each by itself, so that one result serves every subscriber. One per reactor and
/// window.
package final class Deflater {
    private let stream: UnsafeMutablePointer<z_stream>
    private var output: UnsafeMutablePointer<UInt8>
    private var capacity = 16 * 1024

    /// Memory kept for the next message.
    private static let keptBytes = 1 << 20

    /// - Parameters:
    ///   - windowBits: 9 to 15.
    ///   - level: 1 (fast) to 9 (small).
    package init(windowBits: UInt8, level: Int) {
        precondition((9...15).contains(windowBits) && (1...9).contains(level))
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        precondition(carillon_deflate_init(stream, Int32(level), Int32(windowBits)) == Z_OK, "zlib cannot deflate")
        output = .allocate(capacity: capacity)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        output.deallocate()
    }

    /// The payload as it goes into a frame with RSV1, valid until the next call.
    package func deflate(_ payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        // An empty message is one empty block less its end (RFC 7692 7.2.3.6).
        guard let base = payload.bindMemory(to: UInt8.self).baseAddress, payload.count > 0 else {
            output[0] = 0
            return UnsafeRawBufferPointer(start: output, count: 1)
        }
        deflateReset(stream)
        // The bound is for a finished stream; a flushed one has an empty block more.
        reserve(Int(deflateBound(stream, UInt(payload.count))) + 16)
        stream.pointee.next_in = UnsafeMutablePointer(mutating: base)
        stream.pointee.avail_in = UInt32(clamping: payload.count)
        stream.pointee.next_out = output
        stream.pointee.avail_out = UInt32(clamping: capacity)
        let status = CZlib.deflate(stream, Z_SYNC_FLUSH)
        precondition(status == Z_OK && stream.pointee.avail_in == 0, "zlib's bound did not hold")
        let made = capacity - Int(stream.pointee.avail_out)
        // It ends with the empty block 00 00 FF FF, which is left away.
        return UnsafeRawBufferPointer(start: output, count: made - 4)
    }

    private func reserve(_ wanted: Int) {
        guard wanted > capacity || capacity > Self.keptBytes else { return }
        output.deallocate()
        capacity = max(wanted, 16 * 1024)
        output = .allocate(capacity: capacity)
    }
}

extension ByteWriter {
    /// Packs a text or binary frame of ours that was written from `start` to the end, when it is worth it.
    ///
    /// - Parameter minimumBytes: Shorter payloads stay as they are.
    package func compressFrame(at start: Int, with deflater: Deflater, minimumBytes: Int) {
        let frame = UnsafeRawBufferPointer(rebasing: bytes[start...])
        let short = frame[1] & 0x7F
        let header = short < 126 ? 2 : short == 126 ? 4 : 10
        let payload = UnsafeRawBufferPointer(rebasing: frame[header...])
        guard payload.count >= minimumBytes, let opcode = Opcode(rawValue: frame[0] & 0x0F) else { return }
        let packed = deflater.deflate(payload)
        // What cannot be made smaller goes as it is: RSV1 says which it is, message by message.
        guard packed.count < payload.count else { return }
        removeLast(count - start)
        FrameWriter.writeHeader(opcode, payloadBytes: packed.count, isCompressed: true, to: self)
        append(packed)
    }
}
