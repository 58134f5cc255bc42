import Reactor
package import Codec

/// How sessions end.
extension Shard {
    /// How long a closing session may take to read our last bytes and to close its side.
    static var lingering: Duration { .seconds(5) }

    /// Ends a session with a close frame where its dialect has one: what was queued before still goes out first.
    package func close(_ slot: UInt32, code: CloseCode, reason: String) {
        guard beginClosing(slot) else { return }
        writer.removeAll()
        if session(slot).pointee.dialect != .sse { FrameWriter.writeClose(code, reason: reason, to: writer) }
        finish(slot)
    }

    func close(_ slot: UInt32, _ disconnect: CentrifugeDisconnect) {
        close(slot, code: CloseCode(rawValue: disconnect.code), reason: disconnect.reason)
    }

    /// The session does not keep up: what waits for it is dropped, and it is told to come back.
    func closeSlow(_ slot: UInt32) {
        let session = session(slot)
        session.pointee.flags.remove(.slow)
        guard session.pointee.phase == .open else { return }
        counters.slowDisconnects += 1
        sendGathered()
        let dropped = session.pointee.outbound.dropUnsent(committed: session.pointee.stream.committedBytes)
        outboundBytes -= dropped
        counters.slowBytesDropped &+= UInt64(dropped)
        if session.pointee.dialect == .centrifuge {
            close(slot, .slow)
        } else {
            close(slot, code: .tryAgainLater, reason: "slow consumer: messages were lost, reconnect")
        }
    }

    /// Closes the sessions that broke the protocol, after the passes: messages that came whole before the bad frame are
    /// published (RFC 6455 7.1.7 fails the connection, not the past). What they bring back to their sender reaches it if it
    /// is here by then, as it is with one reactor and no Redis; nobody waits for it.
    func closeFailed() {
        guard !failed.isEmpty else { return }
        let failures = failed
        failed = []
        for (locator, error) in failures where table.find(locator.slot, generation: locator.generation) != nil {
            close(locator.slot, code: error.closeCode, reason: error.reason)
        }
    }

    private func beginClosing(_ slot: UInt32) -> Bool {
        let session = session(slot)
        guard session.pointee.phase != .free, session.pointee.phase != .closing else { return false }
        if session.pointee.phase == .open { counters.closed += 1 }
        forgetWaiting(slot)
        unsubscribeFromAll(slot)
        session.pointee.phase = .closing
        forgetIncomplete(session)
        session.pointee.reader.reset()
        table.freeEarly(slot)
        if !session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread) {
            session.pointee.flags.subtract(SessionSlot.Flags.unread)
            updateInterest(slot)
        }
        return true
    }

    /// Sends what `writer` holds as the last bytes.
    private func finish(_ slot: UInt32) {
        if repliesFor == slot { sendGathered() }
        let session = session(slot)
        if writer.count > 0 {
            // Past the budget on purpose: these are at most 127 bytes, and they say why.
            let block = Block(copying: writer.bytes)
            session.pointee.outbound.append(block, from: 0, to: block.count)
            outboundBytes += block.count
            block.release()
        }
        // With nothing to send the flush at the end of the slice still shuts our side down.
        markDirty(slot, session)
        arm(.lingering, slot, after: Self.lingering)
    }

    /// Everything was sent: our side is closed, and the other side has until the alarm to do the same. Closing the
    /// socket at once would reset the connection if bytes of the client are still unread, and our last words with it.
    func finishClosing(_ slot: UInt32) {
        let session = session(slot)
        guard !session.pointee.flags.contains(.shut) else { return }
        guard session.pointee.stream.shutdownWrite() else {
            // TLS says goodbye too, and the socket is full: again when it takes bytes.
            session.pointee.flags.insert(.blocked)
            return updateInterest(slot)
        }
        session.pointee.flags.insert(.shut)
    }

    func receivedWhileClosing(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ bytes: UnsafeMutableRawBufferPointer
    ) {
        // Read and forgotten: after our close frame nothing the client says counts (RFC 6455 1.4).
    }

    /// The connection is gone, or is to go at once.
    func drop(_ slot: UInt32) {
        if repliesFor == slot {
            repliesFor = .max
            gatheredReplies.removeAll()
        }
        let session = session(slot)
        if session.pointee.phase == .open { counters.closed += 1 }
        forgetWaiting(slot)
        unsubscribeFromAll(slot)
        forgetCredentials(session)
        outboundBytes -= session.pointee.outbound.bytes
        forgetIncomplete(session)
        if session.pointee.flags.contains(.counted) {
            admission.gone(session.pointee.peer.address, wasOpen: session.pointee.flags.contains(.settled))
        }
        reactor.deregister(session.pointee.stream.descriptor)
        session.pointee.stream.close()
        table.release(slot)
        admission.left()
    }

    /// Nothing waits for the session any more.
    private func forgetWaiting(_ slot: UInt32) {
        replies[slot] = nil
        judging[slot] = nil
        connecting[slot] = nil
        knownBefore[slot] = nil
        shown[slot] = nil
    }

    /// Closes every session, for the end of the process.
    package func closeAll(code: CloseCode, reason: String) {
        for slot in 0..<UInt32(table.used) where session(slot).pointee.phase != .free {
            if session(slot).pointee.dialect == .centrifuge {
                close(slot, .shutdown)
            } else {
                close(slot, code: code, reason: reason)
            }
        }
        flushDirty()
    }
}
