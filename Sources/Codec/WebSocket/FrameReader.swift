/// Reads WebSocket frames and puts messages together (RFC 6455 5), as strictly as the standard asks for.
///
/// A plain struct of 16 bytes that owns memory only while a frame or a message is incomplete; `reset()` gives it back.
/// A message that lies whole in what was fed is delivered from there, without a copy. Memory grows with the bytes that
/// really came, never with the length that was announced.
package struct FrameReader {
    package enum Role: UInt8, Sendable {
        /// Reads what clients send: masked.
        case server
        /// Reads what servers send: not masked.
        case client
    }

    private let role: Role
    private var isFailed = false
    private var partial: UnsafeMutablePointer<PartialMessage>?

    package init(role: Role) { self.role = role }

    package var isIncomplete: Bool { partial != nil }

    /// Memory held for what is incomplete.
    package var bufferedBytes: Int { partial?.pointee.capacity ?? 0 }

    /// Forgets what is incomplete and gives its memory back.
    package mutating func reset() {
        partial?.pointee.deallocate()
        partial?.deallocate()
        partial = nil
        isFailed = false
    }

    /// Takes what was read (and unmasks it in place), and calls back for each event until one answers false: then the
    /// rest is ignored, as it is after a failure.
    @inline(__always)
    package mutating func receive(
        _ bytes: UnsafeMutableRawBufferPointer, limits: FrameLimits, _ event: (FrameEvent) -> Bool
    ) {
        guard !isFailed, let base = bytes.baseAddress else { return }
        var start = 0
        while start < bytes.count {
            let rest = UnsafeMutableRawBufferPointer(start: base + start, count: bytes.count - start)
            let step = partial == nil ? takeWhole(rest, limits, event) : takePart(rest, limits, event)
            switch step {
            case .went(let consumed): start += consumed
            case .stopped: return
            }
        }
    }

    private enum Step {
        case went(Int)
        case stopped
    }

    /// Nothing is pending: the next frame, if it is here from its first to its last byte.
    private mutating func takeWhole(
        _ bytes: UnsafeMutableRawBufferPointer, _ limits: FrameLimits, _ event: (FrameEvent) -> Bool
    ) -> Step {
        let context = FrameHeader.Context(
            isMasked: role == .server, isInMessage: false, bytesLeft: limits.messageBytes)
        switch FrameHeader.parse(UnsafeRawBufferPointer(bytes), context) {
        case .failure(let error):
            return fail(error, event)
        case .header(let header) where header.isFinal && bytes.count >= header.bytes + header.payloadBytes:
            let end = header.bytes + header.payloadBytes
            let payload = UnsafeMutableRawBufferPointer(rebasing: bytes[header.bytes..<end])
            Masking.apply(header.key, to: payload, offset: 0)
            let whole = UnsafeRawBufferPointer(payload)
            if header.opcode == .text, !UTF8Validator.isValid(whole) { return fail(Self.notUTF8, event) }
            return deliver(header.opcode, whole, event) ? .went(end) : .stopped
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
        let state = partial!
        guard state.pointee.isInPayload else { return takeHeader(bytes, state, limits, event) }

        let taken = min(bytes.count, state.pointee.payloadLeft)
        let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[..<taken])
        guard state.pointee.append(piece) else { return fail(Self.notUTF8, event) }
        return finishFrameIfWhole(state, consumed: taken, event)
    }

    private mutating func takeHeader(
        _ bytes: UnsafeMutableRawBufferPointer, _ state: UnsafeMutablePointer<PartialMessage>, _ limits: FrameLimits,
        _ event: (FrameEvent) -> Bool
    ) -> Step {
        let context = FrameHeader.Context(
            isMasked: role == .server, isInMessage: state.pointee.isInMessage,
            bytesLeft: limits.messageBytes - state.pointee.count)
        let before = state.pointee.headerBytes
        let parsed = state.pointee.parseHeader(UnsafeRawBufferPointer(bytes), context)
        switch parsed {
        case .incomplete:
            return .went(bytes.count)
        case .failure(let error):
            return fail(error, event)
        case .header(let header):
            if let error = state.pointee.begin(header, limits) { return fail(error, event) }
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
        case .control(let opcode):
            let goesOn = deliver(opcode, state.pointee.control, event)
            if goesOn, !state.pointee.isInMessage { reset() }
            return goesOn ? .went(consumed) : .stopped
        case .message(let opcode):
            // Detached before the callback, so that it is given back whatever the callback does.
            partial = nil
            defer {
                state.pointee.deallocate()
                state.deallocate()
            }
            return deliver(opcode, state.pointee.message, event) ? .went(consumed) : .stopped
        case .failure(let error):
            return fail(error, event)
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
            if case .went = close(payload, event) { return true }
            return false
        case .continuation: return true
        }
    }

    /// RFC 6455 5.5.1 and 7.4: nothing, or a code and a reason in UTF-8.
    private mutating func close(_ payload: UnsafeRawBufferPointer, _ event: (FrameEvent) -> Bool) -> Step {
        if payload.count == 0 {
            isFailed = true
            _ = event(.close(nil, reason: payload))
            return .stopped
        }
        guard payload.count >= 2 else {
            return fail(FrameError(.protocolError, "a close frame with 1 byte"), event)
        }
        let code = CloseCode(rawValue: UInt16(bigEndian: payload.loadUnaligned(as: UInt16.self)))
        guard code.isValidOnTheWire else {
            return fail(FrameError(.protocolError, "close code \(code) is not allowed"), event)
        }
        let reason = UnsafeRawBufferPointer(rebasing: payload[2...])
        guard UTF8Validator.isValid(reason) else { return fail(Self.notUTF8, event) }
        // Nothing counts after a close frame.
        isFailed = true
        _ = event(.close(code, reason: reason))
        return .stopped
    }

    private mutating func fail(_ error: FrameError, _ event: (FrameEvent) -> Bool) -> Step {
        reset()
        isFailed = true
        _ = event(.failure(error))
        return .stopped
    }

    private static var notUTF8: FrameError { FrameError(.invalidPayload, "the text is not valid UTF-8") }
}
