/// What an event may be called.
package enum EventName {
    /// The longest name, in bytes.
    package static let maximumBytes = 255

    /// UTF-8 without control characters, which would break the lines of an event stream.
    package static func isValid(_ name: [UInt8]) -> Bool {
        (1...maximumBytes).contains(name.count) && !name.contains { $0 < 0x20 || $0 == 0x7F }
            && name.withUnsafeBytes { UTF8Validator.isValid($0) }
    }
}
