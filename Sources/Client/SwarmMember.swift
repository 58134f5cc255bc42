import Codec
import Glibc
import Reactor

/// One connection of a swarm: 48 bytes, and what TLS needs.
struct SwarmMember {
    enum Phase: UInt8 {
        /// The request is to be sent as soon as the socket is connected.
        case connecting
        /// TLS is being agreed on.
        case securing
        /// The request is sent.
        case shaking
        /// The WebSocket is open, the dialect's own greeting unanswered.
        case greeting
        case open
        case closed
    }

    var stream: Stream
    var phase: Phase
    /// How often it was told to come back and went to another target.
    var moves: UInt8 = 0
    /// Bytes in `kept`.
    var keptBytes: UInt32 = 0
    /// The sequence number that comes next.
    var expected: UInt32 = 0
    /// Bytes in `carried`.
    var carriedBytes: UInt32 = 0
    /// What came of an incomplete frame or reply.
    var kept: UnsafeMutableRawPointer?
    /// What came of an incomplete protocol item that spans frames; dialects of that kind only.
    var carried: UnsafeMutableRawPointer?

    var descriptor: Int32 { stream.descriptor }

    mutating func keep(_ bytes: UnsafeRawBufferPointer) {
        free(kept)
        kept = Self.copy(bytes)
        keptBytes = UInt32(bytes.count)
    }

    mutating func carry(_ bytes: UnsafeRawBufferPointer) {
        free(carried)
        carried = Self.copy(bytes)
        carriedBytes = UInt32(bytes.count)
    }

    private static func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
        guard let start = bytes.baseAddress, bytes.count > 0, let copy = malloc(bytes.count) else { return nil }
        copy.copyMemory(from: start, byteCount: bytes.count)
        return copy
    }

    mutating func release() {
        free(kept)
        free(carried)
        kept = nil
        carried = nil
        keptBytes = 0
        carriedBytes = 0
    }
}
