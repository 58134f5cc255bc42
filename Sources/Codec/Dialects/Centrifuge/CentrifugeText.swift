/// A text where it lies in a message, as its encoding has it there.
struct CentrifugeText {
    let bytes: UnsafeRawBufferPointer
    /// The bytes have escapes of JSON in them; else they are the text.
    let isEscaped: Bool

    /// What stands between two quotes in JSON.
    init(json bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        isEscaped = bytes.contains(UInt8(ascii: "\\"))
    }

    /// The value of a `string` field in Protobuf: UTF-8.
    init(protobuf bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        isEscaped = false
    }

    var isEmpty: Bool { bytes.isEmpty }

    /// Nil when it stands for no characters.
    var unescaped: [UInt8]? { isEscaped ? JSONString.unescape(bytes) : Array(bytes) }

    /// Whether it is this name.
    func isName(_ channel: ChannelName) -> Bool {
        guard !isEscaped, bytes.count == channel.bytes.count else { return false }
        return bytes.isEqual(to: channel.bytes)
    }
}
