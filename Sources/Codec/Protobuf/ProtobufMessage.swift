/// A Protobuf message to be written (proto3). It says its fields once, in the order of their numbers. They are said twice, to
/// one that counts and to one that writes, so a length is always that of what follows it.
package protocol ProtobufMessage {
    /// How many bytes it has when it is written.
    var protobufBytes: Int { get }
    func write<Sink: ProtobufSink>(to sink: inout Sink)
}

/// What takes the fields of a message.
package protocol ProtobufSink {
    mutating func append(varint value: UInt64)
    mutating func append(raw bytes: UnsafeRawBufferPointer)
    mutating func append(raw bytes: [UInt8])
    mutating func append(session: SessionID)
    /// A message of so many bytes, without what stands in front of it.
    mutating func append(message: borrowing some ProtobufMessage, bytes: Int)
}

/// Fields of proto3: those that have the value of one that is not set are left out, except messages, whose presence counts.
extension ProtobufSink {
    @inline(__always)
    private mutating func append(key number: UInt32, isBytes: Bool) {
        append(varint: UInt64(number) << 3 | (isBytes ? 2 : 0))
    }

    /// `uint32`, `uint64`, and what is not negative of `int32` and `int64`.
    @inline(__always)
    package mutating func field(_ number: UInt32, _ value: UInt64) {
        guard value != 0 else { return }
        append(key: number, isBytes: false)
        append(varint: value)
    }

    @inline(__always)
    package mutating func field(_ number: UInt32, _ value: UInt32) { field(number, UInt64(value)) }

    @inline(__always)
    package mutating func field(_ number: UInt32, _ value: Bool) { field(number, value ? 1 as UInt64 : 0) }

    /// `bytes` and `string`.
    @inline(__always)
    package mutating func field(_ number: UInt32, _ value: [UInt8]) {
        guard !value.isEmpty else { return }
        append(key: number, isBytes: true)
        append(varint: UInt64(value.count))
        append(raw: value)
    }

    @inline(__always)
    package mutating func field(_ number: UInt32, _ value: UnsafeRawBufferPointer) {
        guard !value.isEmpty else { return }
        append(key: number, isBytes: true)
        append(varint: UInt64(value.count))
        append(raw: value)
    }

    /// `bytes` and `string` as the key or the value of a map's entry, which is there even when it is empty.
    package mutating func entry(_ number: UInt32, _ value: UnsafeRawBufferPointer) {
        append(key: number, isBytes: true)
        append(varint: UInt64(value.count))
        append(raw: value)
    }

    package mutating func field(_ number: UInt32, _ value: String) {
        var value = value
        value.withUTF8 { field(number, UnsafeRawBufferPointer($0)) }
    }

    @inline(__always)
    package mutating func field(_ number: UInt32, _ value: SessionID) {
        append(key: number, isBytes: true)
        append(varint: UInt64(SessionID.textBytes))
        append(session: value)
    }

    @inline(__always)
    package mutating func field(_ number: UInt32, _ message: borrowing some ProtobufMessage) {
        append(key: number, isBytes: true)
        let bytes = message.protobufBytes
        append(varint: UInt64(clamping: bytes))
        append(message: message, bytes: bytes)
    }
}

extension ProtobufMessage {
    @inline(__always)
    package var protobufBytes: Int {
        var counter = ProtobufCounter()
        write(to: &counter)
        return counter.count
    }
}

/// A message that was counted before, for what lies in others that are counted too.
struct ProtobufCounted<Body: ProtobufMessage>: ProtobufMessage {
    private let body: Body
    let protobufBytes: Int

    @inline(__always)
    init(_ body: Body) {
        self.body = body
        protobufBytes = body.protobufBytes
    }

    @inline(__always)
    func write<Sink: ProtobufSink>(to sink: inout Sink) { body.write(to: &sink) }
}

/// Counts what would be written.
struct ProtobufCounter: ProtobufSink {
    private(set) var count = 0

    @inline(__always)
    static func bytes(_ value: UInt64) -> Int { (70 - (value | 1).leadingZeroBitCount) / 7 }

    @inline(__always)
    mutating func append(varint value: UInt64) { count += Self.bytes(value) }
    @inline(__always)
    mutating func append(raw bytes: UnsafeRawBufferPointer) { count += bytes.count }
    @inline(__always)
    mutating func append(raw bytes: [UInt8]) { count += bytes.count }
    @inline(__always)
    mutating func append(session: SessionID) { count += SessionID.textBytes }
    @inline(__always)
    mutating func append(message: borrowing some ProtobufMessage, bytes: Int) { count += bytes }
}

/// Writes.
struct ProtobufWriter: ProtobufSink {
    let writer: ByteWriter

    @inline(__always)
    mutating func append(varint value: UInt64) { writer.append(varint: value) }
    @inline(__always)
    mutating func append(raw bytes: UnsafeRawBufferPointer) { writer.append(bytes) }
    @inline(__always)
    mutating func append(raw bytes: [UInt8]) { writer.append(bytes) }
    @inline(__always)
    mutating func append(session: SessionID) { writer.append(session) }
    @inline(__always)
    mutating func append(message: borrowing some ProtobufMessage, bytes: Int) { message.write(to: &self) }
}

extension ByteWriter {
    /// A number in groups of seven bits, the lowest first, in as few bytes as it needs.
    @inline(__always)
    package func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// A message without its length.
    package func append(_ message: borrowing some ProtobufMessage) {
        var sink = ProtobufWriter(writer: self)
        message.write(to: &sink)
    }
}

extension SessionID {
    /// Of `description`: four numbers of 64 bits in hexadecimal digits, and two dashes.
    static let textBytes = 66
}
