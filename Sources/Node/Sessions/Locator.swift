import Codec

/// Where a session is on its node: reactor, slot and generation in the 64 bits that its id carries.
package struct Locator: Hashable, Sendable {
    package let reactor: UInt8
    package let slot: UInt32
    package let generation: UInt32

    package init(reactor: UInt8, slot: UInt32, generation: UInt32) {
        self.reactor = reactor
        self.slot = slot
        self.generation = generation
    }

    package init(_ value: UInt64) {
        reactor = UInt8(truncatingIfNeeded: value >> 56)
        generation = UInt32(truncatingIfNeeded: value >> 32) & 0xFF_FFFF
        slot = UInt32(truncatingIfNeeded: value)
    }

    package var value: UInt64 {
        UInt64(reactor) << 56 | UInt64(generation & 0xFF_FFFF) << 32 | UInt64(slot)
    }
}
