/// Messages in bytes that a server has framed (RFC 6455 5.2): each is one frame that is not masked.
package enum FrameWalk {
    /// How many messages there are in whole frames; control frames are none.
    package static func messages(in frames: UnsafeRawBufferPointer) -> Int {
        var count = 0
        var offset = 0
        while let frame = frame(in: frames, at: offset) {
            if frame.isMessage { count += 1 }
            offset = frame.end
        }
        return count
    }

    /// Where the first messages end: how many bytes they and the control frames between them take.
    package static func end(of messages: Int, in frames: UnsafeRawBufferPointer) -> Int {
        var left = messages
        var offset = 0
        while left > 0, let frame = frame(in: frames, at: offset) {
            if frame.isMessage { left -= 1 }
            offset = frame.end
        }
        return offset
    }

    /// - Returns: Nil where no whole frame follows.
    private static func frame(in frames: UnsafeRawBufferPointer, at start: Int) -> (isMessage: Bool, end: Int)? {
        guard frames.count - start >= 2 else { return nil }
        let opcode = frames[start] & 0x0F
        let short = frames[start + 1] & 0x7F
        var head = 2
        var length = UInt64(short)  // trap-ok: a byte becomes wider
        if short == 126 {
            head = 4
            guard frames.count - start >= head else { return nil }
            length = UInt64(UInt16(bigEndian: frames.loadUnaligned(fromByteOffset: start + 2, as: UInt16.self)))
        } else if short == 127 {
            head = 10
            guard frames.count - start >= head else { return nil }
            length = UInt64(bigEndian: frames.loadUnaligned(fromByteOffset: start + 2, as: UInt64.self))
        }
        let rest = frames.count - start - head
        guard let bytes = Int(exactly: length), bytes <= rest else { return nil }
        return (opcode == Opcode.text.rawValue || opcode == Opcode.binary.rawValue, start + head + bytes)
    }
}
