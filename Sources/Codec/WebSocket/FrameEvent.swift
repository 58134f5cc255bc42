/// What came in. Pointers are valid until the callback returns.
package enum FrameEvent {
    /// A whole message, `text` or `binary`. The bytes of a text are valid UTF-8.
    case message(Opcode, UnsafeRawBufferPointer)
    /// A whole message as it was compressed (RFC 7692); its limit and its text are still to be checked.
    case compressed(Opcode, UnsafeRawBufferPointer)
    /// To be answered with a pong of the same bytes (RFC 6455 5.5.2).
    case ping(UnsafeRawBufferPointer)
    case pong(UnsafeRawBufferPointer)
    /// The peer says goodbye: its code, if it gave one, and a reason in valid UTF-8. Nothing comes after it.
    case close(CloseCode?, reason: UnsafeRawBufferPointer)
    /// The connection has to be failed (RFC 6455 7.1.7). Nothing comes after it.
    case failure(FrameError)
}

/// What a peer did wrong, and the code it is told.
package struct FrameError: Error, Equatable, Sendable {
    package let closeCode: CloseCode
    /// At most 123 bytes, so that it fits a close frame.
    package let reason: String

    package init(_ closeCode: CloseCode, _ reason: String) {
        self.closeCode = closeCode
        self.reason = reason
    }
}

extension FrameError {
    static let reservedBits = FrameError(.protocolError, "reserved bits are set")
    static let fragmentedControl = FrameError(.protocolError, "a control frame is fragmented")
    static let longControl = FrameError(.protocolError, "a control frame has more than 125 bytes")
    static let nothingToContinue = FrameError(.protocolError, "nothing is there to continue")
    static let messageInMessage = FrameError(.protocolError, "the message before is not complete")
    static let notMasked = FrameError(.protocolError, "the frame is not masked")
    static let masked = FrameError(.protocolError, "the frame is masked")
    static let lengthNotMinimal = FrameError(.protocolError, "the length is not in its shortest form")
    static let lengthHighestBit = FrameError(.protocolError, "the highest bit of the length is set")
    package static let notDeflate = FrameError(.invalidPayload, "the compressed message cannot be unpacked")
    package static let messageTooBig = FrameError(.tooBig, "the message is larger than the limit")
    static let tooManyFragments = FrameError(.tooBig, "the message has more fragments than the limit")
    static let closeOfOneByte = FrameError(.protocolError, "a close frame has 1 byte")
    package static let notUTF8 = FrameError(.invalidPayload, "the text is not valid UTF-8")

    static func reservedOpcode(_ opcode: UInt8) -> FrameError {
        FrameError(.protocolError, "opcode \(opcode) is reserved")
    }

    static func closeCode(_ code: CloseCode) -> FrameError {
        FrameError(.protocolError, "close code \(code) is not allowed")
    }
}
