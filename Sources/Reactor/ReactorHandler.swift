import CLinux
import Glibc

/// What a descriptor is ready for.
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: EPOLLIN.rawValue)
    package static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
    /// Both directions are closed. Reported unasked.
    package static let hangup = Readiness(rawValue: EPOLLHUP.rawValue)
    /// Reported unasked.
    package static let error = Readiness(rawValue: EPOLLERR.rawValue)
}

/// Names a handler on its reactor.
package struct HandlerID: Equatable, Sendable {
    let rawValue: UInt8
}

/// What a reactor calls back. One object serves any number of descriptors, which it tells apart by the slot and the
/// generation it registered them with, so that a connection costs no object of its own.
package protocol ReactorHandler: AnyObject {
    /// A descriptor is ready. It may have been closed earlier in the same turn: then the generation is not current.
    func ready(slot: UInt32, generation: UInt32, readiness: Readiness)
    /// A timer is due. There is no cancelling: when the generation is not current any more, ignore it.
    func timerFired(slot: UInt32, generation: UInt32, tag: UInt8)
}

/// Work at the end of every turn of a reactor.
package protocol TurnWork: AnyObject {
    /// - Returns: Whether something is left to do; then the reactor looks at its sockets without waiting and comes
    ///   back.
    func turn() -> Bool
}

/// What is registered with epoll and the timing wheel: handler, generation and slot in 64 bits.
struct Registration {
    let handler: UInt8
    let generation: UInt32
    let slot: UInt32

    @inline(__always)
    init(handler: UInt8, generation: UInt32, slot: UInt32) {
        self.handler = handler
        self.generation = generation & 0xFF_FFFF
        self.slot = slot
    }

    @inline(__always)
    init(packed: UInt64) {
        handler = UInt8(truncatingIfNeeded: packed >> 56)
        generation = UInt32(truncatingIfNeeded: packed >> 32) & 0xFF_FFFF
        slot = UInt32(truncatingIfNeeded: packed)
    }

    @inline(__always)
    var packed: UInt64 { UInt64(handler) << 56 | UInt64(generation) << 32 | UInt64(slot) }
}
