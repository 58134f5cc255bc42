import Codec
import Glibc
import Reactor

/// What comes in: frames are read in place, whole ones without a copy or an object.
extension ClientSwarm {
    private static let statusLine = Array("HTTP/1.1 101".utf8)
    private static let blankLine = Array("\r\n\r\n".utf8)

    func read(_ index: Int) {
        let kept = Int(members[index].keptBytes)
        if kept > 0 {
            if buffer.count < kept + Self.readBytes { growBuffer(kept) }
            guard let start = members[index].kept else { return }
            buffer.baseAddress!.copyMemory(from: start, byteCount: kept)
        }
        let space = UnsafeMutableRawBufferPointer(rebasing: buffer[kept..<(kept + Self.readBytes)])
        switch Socket.read(members[index].descriptor, into: space) {
        case .bytes(let count):
            status.reads &+= 1
            status.bytesReceived &+= UInt64(count)
            take(index, kept + count)
        case .wouldBlock: return
        case .end: fail(index, "the server closed the connection")
        case .failed(let code): fail(index, SystemError(call: "read", code: code).description)
        }
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
            switch shake(UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
            case .incomplete: return members[index].keep(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            case .refused(let reason): return fail(index, reason)
            case .opened(let consumed):
                used = consumed
                if let greeting {
                    members[index].phase = .greeting
                    guard case .bytes = greeting.withUnsafeBytes({ Socket.send(members[index].descriptor, $0) }) else {
                        return fail(index, "the greeting could not be sent")
                    }
                } else {
                    opened(index)
                }
            }
        }
        used += frames(index, UnsafeRawBufferPointer(rebasing: buffer[used..<count]))
        guard members[index].descriptor >= 0 else { return }
        if used < count || members[index].keptBytes > 0 {
            members[index].keep(UnsafeRawBufferPointer(rebasing: buffer[used..<count]))
        }
    }

    private func shake(_ bytes: UnsafeRawBufferPointer) -> Handshake.Reply {
        // The quick way for a reply that came alone and whole; otherwise the thorough one.
        let isQuick =
            bytes.starts(with: Self.statusLine) && bytes.suffix(4).elementsEqual(Self.blankLine)
            && contains(bytes, expectedAccept)
        return isQuick ? .opened(consumed: bytes.count) : Handshake.checkReply(bytes, key: Self.key)
    }

    private func contains(_ bytes: UnsafeRawBufferPointer, _ text: [UInt8]) -> Bool {
        var at = 0
        while bytes.count - at >= text.count {
            guard let found = memchr(bytes.baseAddress! + at, Int32(text[0]), bytes.count - at - text.count + 1)
            else { return false }
            if memcmp(found, text, text.count) == 0 { return true }
            at = UnsafeRawPointer(found) - bytes.baseAddress! + 1
        }
        return false
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
        if greeting != nil { return natsMessage(index, UnsafeRawBufferPointer(start: bytes, count: count)) }
        arrived(index, bytes, count)
    }

    @inline(__always)
    private func arrived(_ index: Int, _ bytes: UnsafeRawPointer, _ count: Int) {
        if observer >= 0, observer != index { return }
        guard let sequence = payload.sequence(of: bytes, bytes: count) else { return ledger.foreignArrived() }
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
        let writer = ByteWriter()
        Array("PONG\r\n".utf8).withUnsafeBytes {
            FrameWriter.writeMasked(.binary, $0, key: Self.maskingKey, to: writer)
        }
        _ = Socket.send(members[index].descriptor, writer.bytes)
    }

    private func control(_ index: Int, _ first: UInt8, _ payload: UnsafeRawBufferPointer) {
        switch first {
        case 0x89:
            let writer = ByteWriter()
            FrameWriter.writeMasked(.pong, payload, key: Self.maskingKey, to: writer)
            _ = Socket.send(members[index].descriptor, writer.bytes)
        case 0x8A: break
        case 0x88:
            let code = payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : 1005
            fail(index, "closed by the server with \(code) \(String(decoding: payload.dropFirst(2), as: UTF8.self))")
        default: fail(index, "a fragmented or reserved frame (first byte \(first))")
        }
    }
}
