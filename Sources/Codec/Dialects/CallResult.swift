/// What became of a call that the application answers.
package enum CallResult: Equatable, Sendable {
    /// The application's own words about why it does not do it, or ours when it was not to be had.
    package struct Refusal: Equatable, Sendable {
        /// Of the application, or 100.
        package let code: UInt32
        /// At most 255 bytes, without control characters.
        package let message: String
        /// The client may try the same again.
        package let isTemporary: Bool

        package init(code: UInt32, message: String, isTemporary: Bool) {
            self.code = code
            self.message = message
            self.isTemporary = isTemporary
        }
    }

    case nothing
    /// One JSON value.
    case json([UInt8])
    /// Anything. Where the dialect has only JSON, it is base64 in a string.
    case bytes([UInt8])
    case refused(Refusal)
}

/// A client calls something that the application does, and not the node. Pointers are valid until the next command is taken.
package struct RemoteCall {
    package let reply: ReplyID
    /// May be empty.
    package let method: [UInt8]
    /// One JSON value, or bytes; nil for none.
    package let data: UnsafeRawBufferPointer?
    package let isJSON: Bool
}
