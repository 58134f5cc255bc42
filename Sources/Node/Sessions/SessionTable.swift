import Codec
import Reactor

/// The sessions of one reactor: a slab of slots, so that a session is a number and costs no object.
///
/// The whole slab is reserved at once and its pages are touched only when slots are used; freed slots are used again
/// first, so memory follows the largest number of sessions there ever were.
package final class SessionTable {
    package let slots: UnsafeMutablePointer<SessionSlot>
    package let capacity: Int
    package private(set) var count = 0
    /// Slots at and beyond this were never used.
    package private(set) var used = 0
    private var firstFree = UInt32.max

    /// Generations are 24 bits wide, as in the reactor's registrations.
    private static let generationMask: UInt32 = 0xFF_FFFF

    package init(capacity: Int) {
        self.capacity = capacity
        slots = .allocate(capacity: capacity)
    }

    deinit {
        for index in 0..<used where slots[index].phase != .free { release(UInt32(index)) }
        slots.deallocate()
    }

    /// A slot for a new session, or nil when there is none left.
    package func take() -> UInt32? {
        if firstFree != .max {
            let index = firstFree
            firstFree = slots[Int(index)].nextFree
            let generation = slots[Int(index)].generation
            slots[Int(index)] = SessionSlot()
            slots[Int(index)].generation = generation
            slots[Int(index)].phase = .head
            count += 1
            return index
        }
        guard used < capacity else { return nil }
        let index = used
        used += 1
        count += 1
        (slots + index).initialize(to: SessionSlot())
        slots[index].phase = .head
        return UInt32(index)
    }

    /// Gives a slot and all it owns back. Whoever still holds its number and generation finds nothing.
    ///
    /// - Returns: False for a slot that is free already: two sessions would share it, so nothing is done.
    @discardableResult
    package func release(_ index: UInt32) -> Bool {
        guard isTaken(index) else { return false }
        let slot = slots + Int(index)
        slot.pointee.reader.reset()
        slot.pointee.outbound.removeAll()
        slot.pointee.subscriptions.removeAll()
        slot.pointee.freeExtras()
        slot.pointee.freeCommands()
        slot.pointee.phase = .free
        slot.pointee.flags = []
        slot.pointee.linkage = .plain
        slot.pointee.generation = (slot.pointee.generation &+ 1) & Self.generationMask
        slot.pointee.nextFree = firstFree
        firstFree = index
        count -= 1
        return true
    }

    /// Whether a slot holds a session.
    package func isTaken(_ index: UInt32) -> Bool { index < used && slots[Int(index)].phase != .free }

    /// The slot, when it still holds the session of that generation.
    @inline(__always)
    package func find(_ index: UInt32, generation: UInt32) -> UnsafeMutablePointer<SessionSlot>? {
        guard index < used else { return nil }
        let slot = slots + Int(index)
        guard slot.pointee.generation == generation, slot.pointee.phase != .free else { return nil }
        return slot
    }
}
