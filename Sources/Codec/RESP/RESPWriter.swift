/// Writes Redis commands as arrays of bulk strings, whatever bytes they carry: never inline, so that nothing a client
/// sends can become a command (Redis serialization protocol, "Sending commands").
package enum RESPWriter {
    /// How many arguments follow, the command's name included.
    @inline(__always)
    package static func begin(_ count: Int, to writer: ByteWriter) {
        writer.append(UInt8(ascii: "*"))
        writer.append(decimal: UInt64(count))
        writer.append("\r\n")
    }

    @inline(__always)
    package static func argument(_ bytes: UnsafeRawBufferPointer, to writer: ByteWriter) {
        beginArgument(bytes.count, to: writer)
        writer.append(bytes)
        writer.append("\r\n")
    }

    /// How many bytes an argument takes at the most beyond its own.
    package static let argumentOverhead = 25

    /// An argument that is written in place.
    ///
    /// - Parameter count: How many bytes `write` adds, exactly.
    @inline(__always)
    package static func argument(bytes count: Int, to writer: ByteWriter, _ write: (ByteWriter) -> Void) {
        beginArgument(count, to: writer)
        write(writer)
        writer.append("\r\n")
    }

    @inline(__always)
    private static func beginArgument(_ count: Int, to writer: ByteWriter) {
        writer.append(UInt8(ascii: "$"))
        writer.append(decimal: UInt64(count))
        writer.append("\r\n")
    }

    package static func argument(_ bytes: [UInt8], to writer: ByteWriter) {
        bytes.withUnsafeBytes { argument($0, to: writer) }
    }

    package static func argument(_ text: String, to writer: ByteWriter) {
        var text = text
        text.withUTF8 { argument(UnsafeRawBufferPointer($0), to: writer) }
    }

    /// A command of texts.
    package static func command(_ arguments: String..., to writer: ByteWriter) {
        begin(arguments.count, to: writer)
        for text in arguments { argument(text, to: writer) }
    }

    /// `AUTH`, with a user or as the default one.
    package static func login(_ user: String?, _ password: String, to writer: ByteWriter) {
        if let user { command("AUTH", user, password, to: writer) } else { command("AUTH", password, to: writer) }
    }

    /// A command of bytes.
    package static func command(_ arguments: [[UInt8]], to writer: ByteWriter) {
        begin(arguments.count, to: writer)
        for bytes in arguments { argument(bytes, to: writer) }
    }

    /// `PUBLISH prefix‖channel payload`, or `SPUBLISH` (Redis 7.0, sharded pub/sub).
    @inline(__always)
    package static func publish(
        prefix: [UInt8], channel: [UInt8], payload: UnsafeRawBufferPointer, isSharded: Bool = false,
        to writer: ByteWriter
    ) {
        publish(
            prefix: prefix, channel: channel, payloadBytes: payload.count, isSharded: isSharded, to: writer
        ) { $0.append(payload) }
    }

    /// The same with a payload that is written in place, the hot one.
    ///
    /// - Parameter payloadBytes: How many bytes `write` adds, exactly.
    @inline(__always)
    package static func publish(
        prefix: [UInt8], channel: [UInt8], payloadBytes: Int, isSharded: Bool = false, to writer: ByteWriter,
        _ write: (ByteWriter) -> Void
    ) {
        writer.append(isSharded ? "*3\r\n$8\r\nSPUBLISH\r\n" : "*3\r\n$7\r\nPUBLISH\r\n")
        beginArgument(prefix.count + channel.count, to: writer)
        writer.append(prefix)
        writer.append(channel)
        writer.append("\r\n")
        argument(bytes: payloadBytes, to: writer, write)
    }

    /// How many bytes `publish` adds at the most.
    @inline(__always)
    package static func maximumBytes(ofPublish prefix: [UInt8], _ channel: [UInt8], payloadBytes: Int) -> Int {
        18 + 2 * argumentOverhead + prefix.count + channel.count + payloadBytes
    }
}
