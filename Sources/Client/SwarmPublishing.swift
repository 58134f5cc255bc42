import Codec
import Glibc
import Reactor

/// What goes out: publications, gathered until the turn's end, and answers of the protocol.
extension ClientSwarm {
    struct Outbound {
        let member: Int
        let bytes = ByteWriter()
        var sent = 0
        var isBlocked = false
    }

    /// Publishes from a member; sent at the end of the turn.
    package func publish(_ sequence: UInt32, from member: Int = 0) {
        let index =
            outbound.firstIndex { $0.member == member }
            ?? {
                outbound.append(Outbound(member: member))
                Socket.setNoDelay(members[member].descriptor)
                return outbound.count - 1
            }()
        let message = ByteWriter(capacity: payload.bytes + 64)
        configuration.dialect.write(sequence, of: payload, channel: configuration.channel, to: message)
        FrameWriter.writeMasked(
            configuration.dialect.opcode, message.bytes, key: Self.maskingKey, to: outbound[index].bytes)
    }

    func flush() {
        for index in outbound.indices where outbound[index].bytes.count > 0 && !outbound[index].isBlocked {
            flush(index)
        }
    }

    private func flush(_ index: Int) {
        let member = outbound[index].member
        let stream = members[member].stream
        guard stream.descriptor >= 0 else { return }
        let bytes = outbound[index].bytes
        while outbound[index].sent < bytes.count {
            switch stream.send(UnsafeRawBufferPointer(rebasing: bytes.bytes[outbound[index].sent...])) {
            case .bytes(let count):
                outbound[index].sent += count
            case .wouldBlock:
                outbound[index].isBlocked = true
                // Where TLS waits for something to read, it is tried again after the next read.
                if !stream.sendWaitsForRead { watch(member, for: [.readable, .writable]) }
                return
            case .failed(let code):
                return fail(member, failure(of: stream, "send", code))
            }
        }
        bytes.removeAll()
        outbound[index].sent = 0
    }

    /// Sends an answer of the protocol, behind what the member has still to send.
    func answer(_ index: Int, _ opcode: Opcode, _ payload: UnsafeRawBufferPointer) {
        if let waiting = outbound.firstIndex(where: { $0.member == index && $0.bytes.count > 0 }) {
            return FrameWriter.writeMasked(opcode, payload, key: Self.maskingKey, to: outbound[waiting].bytes)
        }
        let writer = ByteWriter()
        FrameWriter.writeMasked(opcode, payload, key: Self.maskingKey, to: writer)
        if case .failed(let code) = members[index].stream.send(writer.bytes) {
            fail(index, failure(of: members[index].stream, "send", code))
        }
    }

    func failure(of stream: Stream, _ call: String, _ code: Int32) -> String {
        stream.failure?.description ?? SystemError(call: call, code: code).description
    }

    func unblock(_ index: Int) {
        guard let waiting = outbound.firstIndex(where: { $0.member == index && $0.isBlocked }) else { return }
        outbound[waiting].isBlocked = false
        watch(index, for: .readable)
        flush(waiting)
    }
}
