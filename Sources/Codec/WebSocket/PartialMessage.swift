/// What a reader remembers between two reads while a frame or a message is incomplete.
struct PartialMessage {
    enum Finished {
        /// More fragments follow.
        case fragment
        case message(Opcode)
        case control(Opcode)
        case failure(FrameError)
    }

    private var header: (UInt64, UInt64) = (0, 0)
    private(set) var headerBytes = 0
    private var frame: FrameHeader?
    /// Payload bytes of the current frame that are still to come.
    private(set) var payloadLeft = 0
    private var controlBytes = 0
    private var controlPayload: UnsafeMutableRawPointer?

    private var opcode: Opcode?
    private var buffer: UnsafeMutableRawPointer?
    private(set) var capacity = 0
    /// Payload bytes of the message so far.
    private(set) var count = 0
    private var fragments = 0
    private var validator = UTF8Validator()

    var isInPayload: Bool { frame != nil }
    var isInMessage: Bool { opcode != nil }
    var message: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: buffer, count: count) }
    var control: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: controlPayload, count: controlBytes) }

    /// Adds bytes to the header until it is whole.
    mutating func parseHeader(_ bytes: UnsafeRawBufferPointer, _ context: FrameHeader.Context) -> FrameHeader.Parsed {
        let taken = min(bytes.count, FrameHeader.maximumBytes - headerBytes)
        let before = headerBytes
        return withUnsafeMutableBytes(of: &header) { storage in
            storage.baseAddress!.advanced(by: before).copyMemory(from: bytes.baseAddress!, byteCount: taken)
            return FrameHeader.parse(UnsafeRawBufferPointer(rebasing: storage[..<(before + taken)]), context)
        }.remembering(&headerBytes, before + taken)
    }

    /// The header is whole.
    ///
    /// - Returns: What is wrong with it in this message.
    mutating func begin(_ header: FrameHeader, _ limits: FrameLimits) -> FrameError? {
        frame = header
        headerBytes = 0
        payloadLeft = header.payloadBytes
        if header.opcode.isControl {
            controlBytes = 0
            if controlPayload == nil { controlPayload = .allocate(byteCount: 128, alignment: 8) }
            return nil
        }
        if header.opcode != .continuation { opcode = header.opcode }
        fragments += 1
        guard fragments <= limits.fragments else {
            return FrameError(.tooBig, "the message has more fragments than the limit")
        }
        return nil
    }

    /// Takes a piece of the current frame's payload, unmasking it in place.
    ///
    /// - Returns: False when the text cannot be UTF-8 any more.
    mutating func append(_ piece: UnsafeMutableRawBufferPointer) -> Bool {
        guard let frame, let start = piece.baseAddress else { return true }
        Masking.apply(frame.key, to: piece, offset: frame.payloadBytes - payloadLeft)
        payloadLeft -= piece.count
        if frame.opcode.isControl {
            controlPayload!.advanced(by: controlBytes).copyMemory(from: start, byteCount: piece.count)
            controlBytes += piece.count
            return true
        }
        if capacity - count < piece.count { grow(piece.count) }
        buffer!.advanced(by: count).copyMemory(from: start, byteCount: piece.count)
        count += piece.count
        return opcode != .text || validator.accepts(UnsafeRawBufferPointer(piece))
    }

    private mutating func grow(_ more: Int) {
        capacity = max(512, capacity * 2, count + more)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        if let buffer {
            larger.copyMemory(from: buffer, byteCount: count)
            buffer.deallocate()
        }
        buffer = larger
    }

    /// The current frame's last byte has come.
    mutating func finishFrame() -> Finished {
        guard let frame else { return .fragment }
        self.frame = nil
        if frame.opcode.isControl { return .control(frame.opcode) }
        guard frame.isFinal else { return .fragment }
        guard let opcode else { return .fragment }
        guard opcode != .text || validator.isComplete else {
            return .failure(FrameError(.invalidPayload, "the text ends within a character"))
        }
        return .message(opcode)
    }

    func deallocate() {
        buffer?.deallocate()
        controlPayload?.deallocate()
    }
}

extension FrameHeader.Parsed {
    /// Notes how many header bytes are held when more are needed.
    fileprivate func remembering(_ headerBytes: inout Int, _ held: Int) -> FrameHeader.Parsed {
        if case .incomplete = self { headerBytes = held }
        return self
    }
}
