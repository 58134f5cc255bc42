internal import COpenSSL
import CLinux
import Glibc

/// Data through a connection whose records are ours.
extension TLSEndpoint {
    /// Records that are sent at once.
    private static let recordsAtOnce = 4
    /// A buffer of this size holds a record whose beginning was kept, and something behind it.
    private static let smallestBuffer = 2 * (TLSRecord.headerBytes + TLSRecord.protectedBytes)

    // MARK: Reading

    func readOwn(
        _ records: UnsafeMutablePointer<TLSRecords>, into buffer: UnsafeMutableRawBufferPointer
    ) -> ReadResult {
        if records.pointee.unread.count > 0 { return readKept(records, into: buffer) }
        if state.pointee.marks.contains(.failed) { return .failed(failureErrno) }
        if state.pointee.marks.contains(.heardGoodbye) { return .end }
        guard buffer.count > 0 else { return .wouldBlock }
        if buffer.count >= Self.smallestBuffer { return readRecords(records, into: buffer) }
        return withUnsafeTemporaryAllocation(byteCount: Self.smallestBuffer, alignment: 16) { larger in
            let result = readRecords(records, into: larger)
            guard case .bytes(let count) = result else { return result }
            records.pointee.unread.keep(UnsafeRawBufferPointer(rebasing: larger[..<count]))
            return readKept(records, into: buffer)
        }
    }

    private func readKept(
        _ records: UnsafeMutablePointer<TLSRecords>, into buffer: UnsafeMutableRawBufferPointer
    ) -> ReadResult {
        let count = min(buffer.count, records.pointee.unread.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: records.pointee.unread.bytes[..<count]))
        records.pointee.unread.remove(count)
        return .bytes(count)
    }

    /// One read from the socket, decrypted in the reader's buffer. Content is shorter than its records, so that everything
    /// that is complete fits, and only the beginning of a record is kept.
    private func readRecords(
        _ records: UnsafeMutablePointer<TLSRecords>, into buffer: UnsafeMutableRawBufferPointer
    ) -> ReadResult {
        let kept = records.pointee.incomplete.count
        switch Socket.read(state.pointee.descriptor, into: UnsafeMutableRawBufferPointer(rebasing: buffer[kept...])) {
        case .bytes(let count):
            if kept > 0 {
                buffer.copyMemory(from: records.pointee.incomplete.bytes)
                records.pointee.incomplete.removeAll()
            }
            return take(records, UnsafeMutableRawBufferPointer(rebasing: buffer[..<(kept + count)]))
        case .wouldBlock:
            return .wouldBlock
        case .end:
            state.pointee.marks.formUnion([.failed, .ended])
            return .failed(failureErrno)
        case .failed(let code):
            state.pointee.systemError = code
            state.pointee.marks.insert(.failed)
            return .failed(code)
        }
    }

    /// Brings the content of records together at the beginning of the buffer.
    private func take(
        _ records: UnsafeMutablePointer<TLSRecords>, _ bytes: UnsafeMutableRawBufferPointer
    ) -> ReadResult {
        guard let memory = bytes.baseAddress else { return .wouldBlock }
        var start = 0
        var filled = 0
        reading: while start < bytes.count {
            let record = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            let (count, step) = records.pointee.inbound.next(record)
            switch step {
            case .content(let range):
                memmove(memory + filled, memory + start + range.lowerBound, range.count)
                filled += range.count
            case .nothing:
                break
            case .keysUpdated(let isAsked):
                if isAsked { records.pointee.outbound.owesKeyUpdate = true }
            case .closed:
                // Whatever follows is ignored (RFC 8446 6.1).
                state.pointee.marks.insert(.heardGoodbye)
                break reading
            case .incomplete:
                records.pointee.incomplete.keep(UnsafeRawBufferPointer(record))
                break reading
            case .alert(let code):
                records.pointee.alert = code
                state.pointee.marks.insert(.failed)
                break reading
            case .fault(let fault):
                fail(records, fault)
                break reading
            }
            start += count
        }
        if filled > 0 { return .bytes(filled) }
        if state.pointee.marks.contains(.failed) { return .failed(failureErrno) }
        return state.pointee.marks.contains(.heardGoodbye) ? .end : .wouldBlock
    }

    // MARK: Sending

    func writeOwn(_ records: UnsafeMutablePointer<TLSRecords>, _ offered: UnsafeBufferPointer<iovec>) -> WriteResult {
        var gathering = Gathering(offered)
        var total = 0
        if records.pointee.unsent.count > 0 {
            let committed = Int(state.pointee.committed)
            // Not a socket's error but a caller's: it offers less than it did before.
            guard gathering.left >= committed else { return .failed(EINVAL) }
            switch sendKept(records) {
            case .blocked: return .wouldBlock
            case .failed: return .failed(failureErrno)
            case .sent: break
            }
            gathering.consume(committed)
            total = committed
            state.pointee.committed = 0
        }
        while gathering.left > 0 {
            guard let count = sendRecords(records, &gathering) else { return .failed(failureErrno) }
            total += count
            if state.pointee.committed > 0 { return total > 0 ? .bytes(total) : .wouldBlock }
        }
        return .bytes(total)
    }

    /// Makes some records and sends them together. What the socket does not take is kept as it was made: a record is never
    /// made twice.
    ///
    /// - Returns: The content that is on its way; nil when the connection is over.
    @inline(__always)
    private func sendRecords(_ records: UnsafeMutablePointer<TLSRecords>, _ gathering: inout Gathering) -> Int? {
        guard let scratch = TLSRecordTools.scratch else {
            fail(records, .internalError)
            return nil
        }
        // Where the socket was full, not much more is made than what may fit.
        let most = state.pointee.marks.contains(.wasFull) ? 1 : Self.recordsAtOnce
        var ends: (Int, Int, Int, Int) = (0, 0, 0, 0)
        var made = 0
        var content = 0
        var index = 0
        while index < most, gathering.left > 0 {
            let count = min(gathering.left, TLSRecord.contentBytes)
            guard
                let bytes = records.pointee.outbound.seal(count, into: scratch + made, { gathering.take(count, $0) })
            else {
                fail(records, .internalError)
                return nil
            }
            made += bytes
            content += count
            withUnsafeMutableBytes(of: &ends) { $0.storeBytes(of: made, toByteOffset: 8 * index, as: Int.self) }
            index += 1
        }
        let sent: Int
        switch Socket.send(state.pointee.descriptor, UnsafeRawBufferPointer(start: scratch, count: made)) {
        case .bytes(made):
            state.pointee.marks.remove(.wasFull)
            return content
        case .bytes(let count): sent = count
        case .wouldBlock: sent = 0
        case .failed(let code):
            state.pointee.systemError = code
            state.pointee.marks.insert(.failed)
            return nil
        }
        state.pointee.marks.insert(.wasFull)
        records.pointee.unsent.keep(UnsafeRawBufferPointer(start: scratch + sent, count: made - sent))
        // All records but the last are full.
        var whole = 0
        for end in [ends.0, ends.1, ends.2, ends.3].prefix(index) where end <= sent { whole += 1 }
        let gone = whole * TLSRecord.contentBytes
        state.pointee.committed = Int32(content - gone)
        return gone
    }

    private enum Kept { case sent, blocked, failed }

    /// Sends what was made before.
    private func sendKept(_ records: UnsafeMutablePointer<TLSRecords>) -> Kept {
        while records.pointee.unsent.count > 0 {
            switch Socket.send(state.pointee.descriptor, records.pointee.unsent.bytes) {
            case .bytes(let count): records.pointee.unsent.remove(count)
            case .wouldBlock: return .blocked
            case .failed(let code):
                state.pointee.systemError = code
                state.pointee.marks.insert(.failed)
                return .failed
            }
        }
        return .sent
    }

    // MARK: Ending

    /// Says goodbye: makes the alert once, and sends it behind what was made before.
    ///
    /// - Returns: Whether nothing is left to say; when not, the socket is full.
    func sayGoodbyeOwn(_ records: UnsafeMutablePointer<TLSRecords>) -> Bool {
        if !state.pointee.marks.contains(.madeGoodbye) {
            guard sendKept(records) != .blocked else { return false }
            state.pointee.marks.insert(.madeGoodbye)
            sendAlert(records, 0)
        }
        guard sendKept(records) != .blocked else { return false }
        state.pointee.marks.insert(.saidGoodbye)
        return true
    }

    /// From here on nothing is sent or received. The other side is told why, where the socket takes it.
    private func fail(_ records: UnsafeMutablePointer<TLSRecords>, _ fault: TLSRecordFault) {
        ERR_clear_error()
        records.pointee.fault = fault
        state.pointee.marks.insert(.failed)
        if records.pointee.unsent.count == 0 { sendAlert(records, fault.rawValue) }
    }

    private func sendAlert(_ records: UnsafeMutablePointer<TLSRecords>, _ code: UInt8) {
        withUnsafeTemporaryAllocation(byteCount: TLSRecord.overheadBytes + 2, alignment: 8) { memory in
            guard let start = memory.baseAddress,
                let made = records.pointee.outbound.sealAlert(code, into: start)
            else { return }
            records.pointee.unsent.keep(UnsafeRawBufferPointer(rebasing: memory[..<made]))
        }
        _ = sendKept(records)
    }

    /// Gives back what our records have, and wipes their keys.
    func endRecords() {
        guard let records = state.pointee.records else { return }
        records.pointee.wipe()
        records.deinitialize(count: 1)
        records.deallocate()
        state.pointee.records = nil
    }

    /// What was wrong with the other side's records, or what it says is wrong with ours; nil when it was the socket, or nothing.
    func failureOwn(_ records: UnsafeMutablePointer<TLSRecords>) -> TLSFailure? {
        if let code = records.pointee.alert { return .alert(code) }
        return records.pointee.fault.map { .broken($0.description) }
    }
}
