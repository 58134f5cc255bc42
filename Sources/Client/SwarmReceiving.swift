import Codec
import Glibc
import Reactor

/// What comes in: frames are read in place, whole ones without a copy or an object.
extension ClientSwarm {
    func read(_ index: Int) {
        repeat {
            let stream = members[index].stream
            let kept = Int(members[index].keptBytes)
            if kept > 0 {
                if buffer.count < kept + Self.readBytes { growBuffer(kept) }
                guard let start = members[index].kept else { return }
                buffer.baseAddress!.copyMemory(from: start, byteCount: kept)
            }
            let space = UnsafeMutableRawBufferPointer(rebasing: buffer[kept..<(kept + Self.readBytes)])
            switch stream.read(into: space) {
            case .bytes(let count):
                status.reads &+= 1
                status.bytesReceived &+= UInt64(count)
                take(index, kept + count)
            case .wouldBlock: return
            case .end: return fail(index, "the server closed the connection")
            case .failed(let code): return fail(index, failure(of: stream, "read", code))
            }
            // TLS may hold an end or a failure that makes no socket readable.
        } while members[index].descriptor >= 0 && members[index].stream.hasPending
    }

    private func growBuffer(_ kept: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * (kept + Self.readBytes), alignment: 64)
        buffer.deallocate()
        buffer = larger
    }

    /// The first `count` bytes of the buffer are the member's.
    private func take(_ index: Int, _ count: Int) {
        var used = 0
        if members[index].phase == .shaking {
            guard let consumed = shake(index, UnsafeRawBufferPointer(rebasing: buffer[..<count])) else { return }
            used = consumed
        }
        used += frames(index, UnsafeRawBufferPointer(rebasing: buffer[used..<count]))
        guard members[index].descriptor >= 0 else { return }
        if used < count || members[index].keptBytes > 0 {
            members[index].keep(UnsafeRawBufferPointer(rebasing: buffer[used..<count]))
        }
    }

    /// - Returns: How many bytes were whole frames.
    private func frames(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
        var at = 0
        guard let base = bytes.baseAddress else { return 0 }
        while bytes.count - at >= 2 {
            let first = bytes[at]
            var payload = Int(bytes[at + 1])
            var header = 2
            if payload >= 126 {
                guard let long = longHeader(UnsafeRawBufferPointer(rebasing: bytes[at...])) else { break }
                (header, payload) = long
                guard payload >= 0, payload <= Self.frameBytes else {
                    fail(index, "a frame is masked or too long")
                    return at
                }
            }
            guard bytes.count - at >= header + payload else { break }
            if first == 0x81 || first == 0x82 {
                message(index, base + at + header, payload)
            } else if let blocks, first == 0xC1 || first == 0xC2 {
                compressed(index, UnsafeRawBufferPointer(start: base + at + header, count: payload), blocks)
            } else {
                control(index, first, UnsafeRawBufferPointer(start: base + at + header, count: payload))
            }
            if members[index].descriptor < 0 { return at }
            at += header + payload
        }
        return at
    }

    /// Header size and payload size; nil when more bytes are needed, a negative size for a masked frame.
    private func longHeader(_ bytes: UnsafeRawBufferPointer) -> (Int, Int)? {
        switch bytes[1] {
        case 126:
            guard bytes.count >= 4 else { return nil }
            return (4, Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))))
        case 127:
            guard bytes.count >= 10 else { return nil }
            let long = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            return (10, Int(clamping: long))
        default: return (2, -1)
        }
    }

    @inline(__always)
    private func message(_ index: Int, _ bytes: UnsafeRawPointer, _ count: Int) {
        guard greeting != nil else { return arrived(index, bytes, count) }
        let message = UnsafeRawBufferPointer(start: bytes, count: count)
        if configuration.dialect == .nats { return natsMessage(index, message) }
        search(index, message)
    }

    /// Publications that are somewhere in a message: found by the digits of their run.
    ///
    /// A reader that is slow changes what it measures: what lies in the kernel until it is read is out of the caches by then, which makes
    /// sending dearer.
    private func search(_ index: Int, _ message: UnsafeRawBufferPointer) {
        if message.count == usual.bytes, let base = message.baseAddress, members[index].phase == .open,
            payload.sequence(of: base + usual.offset, bytes: message.count - usual.offset) != nil
        {
            return arrived(index, base + usual.offset, message.count - usual.offset)
        }
        if members[index].phase == .greeting {
            if configuration.dialect.isSubscribed(message) { return opened(index) }
            let next = configuration.dialect.nextGreeting(after: message, channel: configuration.channel)
            next?.withUnsafeBytes { answer(index, configuration.dialect.opcode, $0) }
            return
        }
        if let pong = configuration.dialect.pong(to: message) {
            return pong.withUnsafeBytes { answer(index, configuration.dialect.opcode, $0) }
        }
        var rest = message
        var number = 0
        while let found = payload.firstMarker(in: rest) {
            number += 1
            usual = number == 1 ? (message.count, found.start) : (0, 0)
            arrived(index, rest.baseAddress! + found.start, rest.count - found.start)
            rest = UnsafeRawBufferPointer(rebasing: rest[found.next...])
        }
    }

    @inline(__always)
    private func arrived(_ index: Int, _ bytes: UnsafeRawPointer, _ size: Int) {
        if observer >= 0, observer != index { return }
        guard let sequence = payload.sequence(of: bytes, bytes: size) else { return ledger.foreignArrived() }
        count(index, sequence)
    }

    @inline(__always)
    private func compressed(_ index: Int, _ packed: UnsafeRawBufferPointer, _ blocks: KnownBlocks) {
        if observer >= 0, observer != index { return }
        status.compressed &+= 1
        let sequence = blocks.sequence(of: packed, expected: members[index].expected, in: payload)
        status.inflated = blocks.inflated
        guard let sequence else { return ledger.foreignArrived() }
        count(index, sequence)
    }

    @inline(__always)
    private func count(_ index: Int, _ sequence: UInt32) {
        if ledger.arrived(sequence, member: UInt32(index), expected: &members[index].expected) { completed?(sequence) }
    }

    private func natsMessage(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        if members[index].carriedBytes > 0, let carried = members[index].carried {
            var whole = Array(UnsafeRawBufferPointer(start: carried, count: Int(members[index].carriedBytes)))
            whole.append(contentsOf: bytes)
            whole.withUnsafeBytes { parseNATS(index, $0) }
        } else {
            parseNATS(index, bytes)
        }
    }

    private func parseNATS(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        var problem: String?
        let used = NATSStream.parse(bytes) { item in
            switch item {
            case .message(let payload): arrived(index, payload.baseAddress!, payload.count)
            case .ping: pong(index)
            case .pong: if members[index].phase == .greeting { opened(index) }
            case .error(let text): problem = text
            case .other: break
            }
        }
        guard let used, problem == nil else { return fail(index, problem ?? "not the NATS protocol") }
        if used < bytes.count || members[index].carriedBytes > 0 {
            members[index].carry(UnsafeRawBufferPointer(rebasing: bytes[used...]))
        }
    }

    private func pong(_ index: Int) {
        Array("PONG\r\n".utf8).withUnsafeBytes { answer(index, .binary, $0) }
    }

    private func control(_ index: Int, _ first: UInt8, _ payload: UnsafeRawBufferPointer) {
        switch first {
        case 0x89: answer(index, .pong, payload)
        case 0x8A: break
        case 0x88:
            let code = payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : 1005
            if code == 1001, configuration.returns, members[index].phase == .open { return comeBack(index) }
            fail(index, "closed by the server with \(code) \(String(decoding: payload.dropFirst(2), as: UTF8.self))")
        default: fail(index, "a fragmented or reserved frame (first byte \(first))")
        }
    }
}
