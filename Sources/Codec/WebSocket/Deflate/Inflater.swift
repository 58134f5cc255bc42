internal import CZlib

/// Unpacks compressed messages (RFC 7692 7.2.2). One serves all sessions of a reactor, because no window is kept from one
/// message to the next.
///
/// What comes out is bounded while it comes out: a message that would be too large costs at most its limit and one step.
package final class Inflater {
    package enum Outcome {
        /// Valid until the next call.
        case message(UnsafeRawBufferPointer)
        case tooLarge
        case malformed
    }

    /// Bytes unpacked between two looks at the limit.
    package static let stepBytes = 16 * 1024
    /// Memory kept for the next message.
    private static let keptBytes = 1 << 20

    private let stream: UnsafeMutablePointer<z_stream>
    private var output: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    /// Bytes that came out of the message of the last call, taken or not.
    private(set) var lastBytes = 0
    /// What a sender leaves away at the end of each message (RFC 7692 7.2.1).
    private let tail: UnsafeRawBufferPointer

    package init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Fails only without memory or with another zlib than the one compiled against.
        precondition(carillon_inflate_init(stream) == Z_OK, "zlib cannot inflate")
        capacity = Self.stepBytes
        output = .allocate(capacity: capacity)
        let tail = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
        tail.copyBytes(from: [0x00, 0x00, 0xFF, 0xFF])
        self.tail = UnsafeRawBufferPointer(tail)
    }

    deinit {
        tail.deallocate()
        inflateEnd(stream)
        stream.deallocate()
        output.deallocate()
    }

    /// - Parameters:
    ///   - compressed: The payload of a message, without the four bytes that its sender left away.
    ///   - limit: The largest message, in bytes.
    package func inflate(_ compressed: UnsafeRawBufferPointer, limit: Int) -> Outcome {
        shrink()
        lastBytes = 0
        // An empty message is one byte (RFC 7692 7.2.3.6); nobody means anything else by none.
        guard compressed.count > 0 else { return .message(UnsafeRawBufferPointer(start: output, count: 0)) }
        inflateReset(stream)
        var count = 0
        for input in [compressed, tail] where input.count > 0 {
            guard let base = input.bindMemory(to: UInt8.self).baseAddress else { continue }
            stream.pointee.next_in = UnsafeMutablePointer(mutating: base)
            stream.pointee.avail_in = UInt32(clamping: input.count)
            repeat {
                if capacity - count < Self.stepBytes { grow(count) }
                let room = min(capacity - count, Self.stepBytes)
                stream.pointee.next_out = output + count
                stream.pointee.avail_out = UInt32(room)
                let status = CZlib.inflate(stream, Z_NO_FLUSH)
                let made = room - Int(stream.pointee.avail_out)
                count += made
                lastBytes = count
                guard count <= limit else { return .tooLarge }
                switch status {
                case Z_OK: break
                // No progress: the input is used up.
                case Z_BUF_ERROR where stream.pointee.avail_in == 0: break
                case Z_STREAM_END:
                    // A sender may end a block for good and go on with another one (RFC 7692 7.2.3.5).
                    let left = stream.pointee.avail_in
                    let next = stream.pointee.next_in
                    inflateReset(stream)
                    stream.pointee.avail_in = left
                    stream.pointee.next_in = next
                default: return .malformed
                }
                // Output may wait inside even when all input is taken, as long as there was no room for it.
                if stream.pointee.avail_in == 0, stream.pointee.avail_out > 0 { break }
            } while true
        }
        // Not between two blocks: the message was cut off. (128: zlib.h, `data_type`.)
        guard stream.pointee.data_type & 128 != 0 else { return .malformed }
        return .message(UnsafeRawBufferPointer(start: output, count: count))
    }

    private func grow(_ count: Int) {
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
        larger.update(from: output, count: count)
        output.deallocate()
        output = larger
        capacity *= 2
    }

    private func shrink() {
        guard capacity > Self.keptBytes else { return }
        output.deallocate()
        capacity = Self.stepBytes
        output = .allocate(capacity: capacity)
    }
}
