import Codec
import Reactor

/// The traces on one reactor. While there are none, each message costs one branch on `ShardContext.isTracing`.
extension ShardContext {
    func add(_ trace: SessionTrace) {
        traces.append(trace)
        isTracing = true
    }

    func remove(_ trace: SessionTrace, _ reason: String) {
        guard let index = traces.firstIndex(where: { $0 === trace }) else { return }
        traces.remove(at: index)
        isTracing = !traces.isEmpty
        trace.ended(reason)
    }

    /// A session sent something.
    @inline(never)
    func traceReceived(
        _ slot: UInt32, _ opcode: Opcode?, _ payload: UnsafeRawBufferPointer, as kind: StaticString? = nil
    ) {
        for trace in traces where trace.slot == slot { trace.received(opcode, kind, payload) }
    }

    /// A session sent frames that are none.
    @inline(never)
    func traceBroken(_ slot: UInt32, _ error: FrameError) {
        Array(error.reason.utf8).withUnsafeBytes { traceReceived(slot, nil, $0, as: "invalid") }
    }

    @inline(never)
    func traceWillSend(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        for trace in traces where trace.slot == slot { trace.willSend(session.pointee.outbound) }
    }

    @inline(never)
    func traceSent(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ bytes: Int) {
        for trace in traces where trace.slot == slot { trace.sent(bytes, session.pointee.outbound) }
    }

    /// A session is over.
    @inline(never)
    func traceEnded(_ slot: UInt32) {
        for trace in traces where trace.slot == slot { remove(trace, "closed") }
    }
}

extension Shard {
    /// Begins to trace a session.
    ///
    /// - Returns: Nil for one that is not open here.
    func trace(
        _ id: SessionID, queue: BoundedQueue<SessionTrace.Item>, perSecond: Int, shown: Int,
        leftOut: @escaping @Sendable (Int) -> Void
    ) -> SessionTrace? {
        guard let slot = find(id), let session = openSession(slot) else { return nil }
        let trace = SessionTrace(
            slot, session, on: reactor, queue: queue, perSecond: perSecond, shown: shown, leftOut: leftOut)
        context.add(trace)
        return trace
    }
}
