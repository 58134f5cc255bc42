/// What a request head may be.
package struct HTTPLimits: Sendable {
    /// The whole head, in bytes.
    package var totalBytes = 16 * 1024
    /// Header lines.
    package var fields = 64
    /// One header line, in bytes.
    package var fieldBytes = 8 * 1024
    /// The request target, in bytes.
    package var targetBytes = 4 * 1024

    package init() {}
}
