/// How much a peer may say in one message.
package struct FrameLimits: Equatable, Sendable {
    /// Payload bytes of one message, over all its fragments.
    package var messageBytes: Int
    /// Frames of one message.
    package var fragments: Int

    package static let defaultMessageBytes = 64 * 1024
    package static let defaultFragments = 1024

    package init(messageBytes: Int = defaultMessageBytes, fragments: Int = defaultFragments) {
        self.messageBytes = messageBytes
        self.fragments = fragments
    }
}
