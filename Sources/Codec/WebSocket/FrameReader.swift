/// Reads WebSocket frames and puts messages together (RFC 6455 5), as strictly as the standard asks for.
///
/// A plain struct of 16 bytes that owns memory only while a frame or a message is incomplete; it can be moved like any
/// bytes, counts no references, and `reset()` gives the memory back: whoever holds a reader calls it before letting go.
/// A message that lies whole in what was fed is delivered from there, without a copy. Memory grows with the bytes that
/// really came, never with the length that was announced.
///
/// What comes out does not depend on how the stream was cut. After a failure or a close frame nothing more comes out.
package struct FrameReader {
    package enum Role: UInt8, Sendable {
        /// Reads what clients send: masked.
        case server
        /// Reads what servers send: not masked.
        case client
    }

    private let role: Role
    /// Whether messages may be compressed: permessage-deflate was agreed upon (RFC 7692).
    private let allowsCompression: Bool
    private var isOver = false
    private var partial: UnsafeMutablePointer<PartialMessage>?

    package init(role: Role, allowsCompression: Bool = false) {
        self.role = role
        self.allowsCompression = allowsCompression
    }

    /// A reader as this one was made.
    package var fresh: FrameReader { FrameReader(role: role, allowsCompression: allowsCompression) }

    /// What cannot be compressed becomes larger: by an eighth, if a sender knows only the fixed codes (RFC 1951 3.2.6).
    private func most(_ limits: FrameLimits) -> Int {
        allowsCompression ? limits.messageBytes + limits.messageBytes >> 3 + 64 : limits.messageBytes
    }

    /// Whether a frame or a message has begun and its end is missing.
    package var isIncomplete: Bool { partial != nil }

    /// Payload memory held for what is incomplete, in bytes.
    package var bufferedBytes: Int { partial?.pointee.allocatedBytes ?? 0 }

    /// Forgets everything and gives memory back: a reader as it was made.
    package mutating func reset() {
        release()
        isOver = false
    }

    /// Takes what was read (and unmasks it in place), and calls back for each event until one answers false. The caller
    /// may keep the bytes that were not taken, and give them to the reader later: it goes on where it stopped.
    ///
    /// The callback must not touch this reader.
    ///
    /// - Returns: How many bytes were taken. Bytes behind a failure or a close frame count for nothing; they are not taken.
    @inline(__always)
    @discardableResult
    package mutating func receive(
        _ bytes: UnsafeMutableRawBufferPointer, limits: FrameLimits, _ event: (FrameEvent) -> Bool
    ) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        var start = 0
        while start < bytes.count, !isOver {
            let rest = UnsafeMutableRawBufferPointer(start: base + start, count: bytes.count - start)
            let step = partial == nil ? takeWhole(rest, limits, event) : takePart(rest, limits, event)
            start += step.consumed
            if step.isLast { break }
        }
        return start
    }

    /// One event at the most: how many bytes it took, and whether the callback wants no more.
    private struct Step {
        let consumed: Int
        let isLast: Bool

        static func went(_ consumed: Int) -> Step { Step(consumed: consumed, isLast: false) }

        init(consumed: Int, isLast: Bool) {
            self.consumed = consumed
            self.isLast = isLast
        }

        init(_ consumed: Int, goesOn: Bool) { self.init(consumed: consumed, isLast: !goesOn) }
    }

    /// Nothing is pending: the next frame, if it is here from its first to its last byte.
    private mutating func takeWhole(
        _ bytes: UnsafeMutableRawBufferPointer, _ limits: FrameLimits, _ event: (FrameEvent) -> Bool
    ) -> Step {
        let context = FrameHeader.Context(
            isMasked: role == .server, isInMessage: false, bytesLeft: most(limits), allowsCompression: allowsCompression
        )
        switch FrameHeader.parse(UnsafeRawBufferPointer(bytes), context) {
        case .failure(let error):
            return fail(error, event)
        case .header(let header) where header.isFinal && bytes.count - header.bytes >= header.payloadBytes:
            let end = header.bytes + header.payloadBytes
            let payload = UnsafeMutableRawBufferPointer(rebasing: bytes[header.bytes..<end])
            Masking.apply(header.key, to: payload, offset: 0)
            let whole = UnsafeRawBufferPointer(payload)
            if header.isCompressed { return Step(end, goesOn: event(.compressed(header.opcode, whole))) }
            guard whole.count <= limits.messageBytes || header.opcode.isControl else {
                return fail(.messageTooBig, event)
            }
            if header.opcode == .text, !UTF8Validator.isValid(whole) { return fail(.notUTF8, event) }
            return Step(end, goesOn: deliver(header.opcode, whole, event))
        case .header, .incomplete:
            let state = UnsafeMutablePointer<PartialMessage>.allocate(capacity: 1)
            state.initialize(to: PartialMessage())
            partial = state
            return .went(0)
        }
    }

    /// A frame or a message is incomplete: the next piece of it.
    @inline(never)
    private mutating func takePart(
        _ bytes: UnsafeMutableRawBufferPointer, _ limits: FrameLimits, _ event: (FrameEvent) -> Bool
    ) -> Step {
        guard let state = partial else { return Step(0, goesOn: false) }
        guard state.pointee.isInPayload else { return takeHeader(bytes, state, limits, event) }

        let taken = min(bytes.count, state.pointee.payloadLeft)
        let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[..<taken])
        guard state.pointee.append(piece) else { return fail(.notUTF8, event) }
        return finishFrameIfWhole(state, consumed: taken, event)
    }

    private mutating func takeHeader(
        _ bytes: UnsafeMutableRawBufferPointer, _ state: UnsafeMutablePointer<PartialMessage>, _ limits: FrameLimits,
        _ event: (FrameEvent) -> Bool
    ) -> Step {
        let context = FrameHeader.Context(
            isMasked: role == .server, isInMessage: state.pointee.isInMessage,
            bytesLeft: most(limits) - state.pointee.count, allowsCompression: allowsCompression)
        let before = state.pointee.headerBytes
        switch state.pointee.parseHeader(UnsafeRawBufferPointer(bytes), context) {
        case .incomplete:
            return .went(bytes.count)
        case .failure(let error):
            return fail(error, event)
        case .header(let header):
            if let error = state.pointee.begin(header, limits, most: most(limits)) { return fail(error, event) }
            return finishFrameIfWhole(state, consumed: header.bytes - before, event)
        }
    }

    private mutating func finishFrameIfWhole(
        _ state: UnsafeMutablePointer<PartialMessage>, consumed: Int, _ event: (FrameEvent) -> Bool
    ) -> Step {
        guard state.pointee.payloadLeft == 0 else { return .went(consumed) }
        switch state.pointee.finishFrame() {
        case .fragment:
            return .went(consumed)
        case .failure(let error):
            return fail(error, event)
        case .control(let opcode):
            // The payload lies in the state, which is therefore given back only after the callback; and only if no
            // message goes on around the control frame.
            let goesOn = deliver(opcode, state.pointee.control, event)
            if partial != nil, isOver || !state.pointee.isInMessage { release() }
            return Step(consumed, goesOn: goesOn)
        case .message(let opcode):
            // Detached before the callback, so that it is given back whatever the callback does.
            partial = nil
            defer {
                state.deinitialize(count: 1)
                state.deallocate()
            }
            let message = state.pointee.message
            if state.pointee.isCompressed { return Step(consumed, goesOn: event(.compressed(opcode, message))) }
            return Step(consumed, goesOn: deliver(opcode, message, event))
        }
    }

    private mutating func deliver(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, _ event: (FrameEvent) -> Bool
    ) -> Bool {
        switch opcode {
        case .text, .binary: return event(.message(opcode, payload))
        case .ping: return event(.ping(payload))
        case .pong: return event(.pong(payload))
        case .close:
            close(payload, event)
            return false
        case .continuation: return true
        }
    }

    /// RFC 6455 5.5.1 and 7.4: nothing, or a code and a reason in UTF-8. Nothing counts after it.
    private mutating func close(_ payload: UnsafeRawBufferPointer, _ event: (FrameEvent) -> Bool) {
        isOver = true
        guard payload.count > 0 else {
            _ = event(.close(nil, reason: payload))
            return
        }
        guard payload.count >= 2 else {
            _ = event(.failure(.closeOfOneByte))
            return
        }
        let code = CloseCode(rawValue: UInt16(bigEndian: payload.loadUnaligned(as: UInt16.self)))
        let reason = UnsafeRawBufferPointer(rebasing: payload[2...])
        if !code.isValidOnTheWire {
            _ = event(.failure(.closeCode(code)))
        } else if !UTF8Validator.isValid(reason) {
            _ = event(.failure(.notUTF8))
        } else {
            _ = event(.close(code, reason: reason))
        }
    }

    private mutating func fail(_ error: FrameError, _ event: (FrameEvent) -> Bool) -> Step {
        release()
        isOver = true
        _ = event(.failure(error))
        return Step(0, goesOn: false)
    }

    private mutating func release() {
        partial?.deinitialize(count: 1)
        partial?.deallocate()
        partial = nil
    }
}
