package import Codec
import Logging
package import Reactor

/// A part of a shard: reads and changes sessions by their numbers, on the shard's reactor.
///
/// The parts call each other directly. The shard makes and owns them, so they outlive every call.
package class ShardPart {
    package final let context: ShardContext
    package final let reactor: Reactor
    /// The slots of the table, at hand.
    final let slots: UnsafeMutablePointer<SessionSlot>
    final let node: NodeID
    package final let index: Int
    /// The context's.
    final let writer: ByteWriter
    /// The context's.
    final let events: EventCollector
    final var random = SystemRandomNumberGenerator()

    init(_ context: ShardContext) {
        self.context = context
        reactor = context.reactor
        slots = context.table.slots
        node = context.node
        index = context.index
        writer = context.writer
        events = context.events
    }

    /// The node found itself in a state that cannot be: nothing is done, so that no session suffers for another. A trap in
    /// debug builds, a count in the others.
    final func fault(_ what: StaticString) {
        assertionFailure("\(what)")
        context.counters.faults += 1
    }

    final func request(_ request: Exchange.Request) { context.request(request) }

    // MARK: Sessions by number

    @inline(__always)
    final func session(_ slot: UInt32) -> UnsafeMutablePointer<SessionSlot> { slots + Int(slot) }

    package final func locator(of slot: UInt32) -> Locator {
        Locator(reactor: UInt8(index), slot: slot, generation: session(slot).pointee.generation)
    }

    /// The session that was meant, if it is still here.
    @inline(__always)
    final func find(_ locator: Locator) -> UnsafeMutablePointer<SessionSlot>? {
        context.table.find(locator.slot, generation: locator.generation)
    }

    /// Whom an answer is for that comes later.
    final func replyTo(_ slot: UInt32, _ id: ReplyID = .none) -> ReplyTo { ReplyTo(locator(of: slot), id) }

    package final func id(of slot: UInt32) -> SessionID {
        SessionID(node: node, locator: locator(of: slot).value, secret: session(slot).pointee.secret)
    }

    /// The id by which applications are told of a session: it stays when the session goes to another node.
    final func lastingID(of slot: UInt32) -> SessionID { extras(slot)?.origin ?? id(of: slot) }

    /// The session of that id, if it is still here.
    package final func find(_ id: SessionID) -> UInt32? {
        let locator = Locator(id.locator)
        guard id.node == node, Int(locator.reactor) == index, let session = find(locator),
            session.pointee.secret == id.secret
        else { return nil }
        return locator.slot
    }

    // MARK: What is known of a session

    /// What is rare about a session; nil when there is nothing.
    @inline(__always)
    final func extras(_ slot: UInt32) -> SessionExtras? { session(slot).pointee.extras?.takeUnretainedValue() }

    final func makeExtras(_ slot: UInt32) -> SessionExtras { session(slot).pointee.makeExtras() }

    /// Something rare is over.
    final func tidyExtras(_ slot: UInt32) {
        if let extras = extras(slot), extras.isEmpty { session(slot).pointee.freeExtras() }
    }

    final func credentials(_ slot: UInt32) -> Credentials? {
        session(slot).pointee.credentials?.takeUnretainedValue()
    }

    /// A session as others may know it.
    final func member(_ slot: UInt32) -> PresenceMember {
        let known = credentials(slot)
        return PresenceMember(session: id(of: slot), user: known?.user.map { Array($0.utf8) }, info: known?.info)
    }

    /// Seconds until a new token is needed.
    final func timeToLive(_ expiresAt: Int64?) -> UInt32? {
        expiresAt.map { UInt32(clamping: max(1, $0 - context.gatekeeper.now)) }
    }
}
