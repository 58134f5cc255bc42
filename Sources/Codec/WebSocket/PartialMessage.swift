/// What a reader remembers between two reads while a frame or a message is incomplete.
///
/// Owns its memory without counting references. Memory grows with the bytes that came, at most to twice their number and never
/// beyond what the message may have.
struct PartialMessage: ~Copyable {
    enum Finished {
        /// More fragments follow.
        case fragment
        case message(Opcode)
        case control(Opcode)
        case failure(FrameError)
    }

    /// The first piece of memory for a message, in bytes, unless the message is known to be shorter.
    static let smallestCapacity = 512

    private var header: (UInt64, UInt64) = (0, 0)
    /// Header bytes of the next frame that are here, while some are missing.
    private(set) var headerBytes = 0

    private var frame: FrameHeader?
    /// Payload bytes of the current frame that are still to come.
    private(set) var payloadLeft = 0
    private var controlPayload: UnsafeMutableRawPointer?
    private var controlBytes = 0

    private var opcode: Opcode?
    private(set) var isCompressed = false
    private var buffer: UnsafeMutableRawPointer?
    private var capacity = 0
    /// Payload bytes of the message so far.
    private(set) var count = 0
    private var fragments = 0
    /// What the message may still have at most, beyond `count`: its limit, or less when its last frame has begun.
    private var bytesLeft = 0
    private var validator = UTF8Validator()

    var isInPayload: Bool { frame != nil }
    var isInMessage: Bool { opcode != nil }
    /// Memory held for payload, in bytes.
    var allocatedBytes: Int { capacity + (controlPayload == nil ? 0 : FrameHeader.maximumControlBytes) }
    var message: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: buffer, count: count) }
    var control: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: controlPayload, count: controlBytes) }

    /// Adds bytes to the header until it is whole. When it is, its `bytes` less the `headerBytes` of before were taken.
    mutating func parseHeader(_ bytes: UnsafeRawBufferPointer, _ context: FrameHeader.Context) -> FrameHeader.Parsed {
        let buffered = headerBytes
        let taken = min(bytes.count, FrameHeader.maximumBytes - buffered)
        let parsed = withUnsafeMutableBytes(of: &header) { storage in
            for index in 0..<taken { storage[buffered + index] = bytes[index] }
            return FrameHeader.parse(UnsafeRawBufferPointer(rebasing: storage[..<(buffered + taken)]), context)
        }
        if case .incomplete = parsed { headerBytes = buffered + taken }
        return parsed
    }

    /// The header is whole.
    ///
    /// - Returns: What is wrong with it in this message.
    mutating func begin(_ header: FrameHeader, _ limits: FrameLimits, most: Int) -> FrameError? {
        frame = header
        headerBytes = 0
        payloadLeft = header.payloadBytes
        if header.opcode.isControl {
            controlBytes = 0
            return nil
        }
        if header.opcode != .continuation {
            opcode = header.opcode
            isCompressed = header.isCompressed
        }
        // Room is there for what may be larger because it is compressed; what is not has the limit itself.
        guard isCompressed || count + header.payloadBytes <= limits.messageBytes else { return .messageTooBig }
        bytesLeft = header.isFinal ? header.payloadBytes : most - count
        guard fragments < limits.fragments else { return .tooManyFragments }
        fragments += 1
        return nil
    }

    /// Takes a piece of the current frame's payload, no longer than `payloadLeft`, unmasking it in place.
    ///
    /// - Returns: False when the text cannot be UTF-8 any more.
    mutating func append(_ piece: UnsafeMutableRawBufferPointer) -> Bool {
        guard let frame, let start = piece.baseAddress, piece.count > 0 else { return true }
        Masking.apply(frame.key, to: piece, offset: frame.payloadBytes - payloadLeft)
        payloadLeft -= piece.count
        if frame.opcode.isControl {
            let payload =
                controlPayload ?? .allocate(byteCount: FrameHeader.maximumControlBytes, alignment: 1)
            controlPayload = payload
            (payload + controlBytes).copyMemory(from: start, byteCount: piece.count)
            controlBytes += piece.count
            return true
        }
        if capacity - count < piece.count { grow(by: piece.count) }
        buffer?.advanced(by: count).copyMemory(from: start, byteCount: piece.count)
        count += piece.count
        bytesLeft -= piece.count
        return opcode != .text || isCompressed || validator.accepts(UnsafeRawBufferPointer(piece))
    }

    /// Doubles, so that all the copying together is no more than twice the message.
    private mutating func grow(by more: Int) {
        capacity = min(max(Self.smallestCapacity, capacity * 2, count + more), count + max(more, bytesLeft))
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
        guard frame.isFinal, let opcode else { return .fragment }
        guard opcode != .text || isCompressed || validator.isComplete else { return .failure(.notUTF8) }
        return .message(opcode)
    }

    deinit {
        buffer?.deallocate()
        controlPayload?.deallocate()
    }
}
