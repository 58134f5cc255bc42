import Glibc
import Testing

@testable import Reactor

/// Data through encrypted streams: blocked, in pieces, at the end, and where it breaks.
@Suite struct TLSStreamTests {
    typealias Records = TLSServerConfiguration.Records

    let files: TestCertificates

    init() throws { files = try TestCertificates.shared.get() }

    private func open(_ records: Records, socketBytes: Int32? = nil) throws -> TLSPair {
        let pair = try TLSPair(
            try TLSContext(files.server(records: records)),
            client: TLSClientConfiguration(authorities: files.path("ca.pem")),
            socketBytes: socketBytes)
        #expect(try pair.shakeHands() == (.done, .done))
        #expect(pair.server.tls?.hasOwnRecords == (records == .own))
        #expect(pair.client.tls?.hasOwnRecords == false)
        return pair
    }

    private static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8 ^ $0 >> 16) }
    }

    /// Offers what is left in up to 16 pieces of odd sizes, from new memory each time.
    private static func offer(_ bytes: ArraySlice<UInt8>, to stream: Stream, pieces: Int) -> WriteResult {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        bytes.withUnsafeBytes { copy.copyMemory(from: $0) }
        if pieces == 1 { return stream.send(UnsafeRawBufferPointer(copy)) }
        var vectors: [iovec] = []
        var start = 0
        for piece in 0..<pieces where start < copy.count {
            let count = piece == pieces - 1 ? copy.count - start : min(copy.count - start, 1 + piece * 3001)
            vectors.append(iovec(iov_base: copy.baseAddress! + start, iov_len: count))
            start += count
            // Empty pieces are allowed.
            vectors.append(iovec(iov_base: nil, iov_len: 0))
        }
        return stream.writev(vectors, Int32(vectors.count))
    }

    /// Pieces of what is offered, and the sizes of the sockets' buffers.
    private static let ways: [(pieces: Int, socketBytes: Int32?)] = [1, 7, 16].flatMap { [($0, nil), ($0, 16384)] }

    @Test(arguments: ways, Records.allCases)
    func muchArrivesInOrder(way: (pieces: Int, socketBytes: Int32?), records: Records) throws {
        let (pieces, socketBytes) = way
        let pair = try open(records, socketBytes: socketBytes)
        defer { pair.close() }
        let bytes = Self.pattern(socketBytes == nil ? 3_000_017 : 1_000_017)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { buffer.deallocate() }
        var sent = 0
        var blocked = 0
        var arrived: [UInt8] = []
        while arrived.count < bytes.count {
            if sent < bytes.count {
                switch Self.offer(bytes[sent...].prefix(200_000), to: pair.server, pieces: pieces) {
                case .bytes(let count): sent += count
                case .wouldBlock: blocked += 1
                case .failed(let code): throw SystemError(call: "send \(pair.server.failure as Any)", code: code)
                }
            }
            switch pair.client.read(into: buffer) {
            case .bytes(let count): arrived.append(contentsOf: buffer[..<count])
            case .wouldBlock:
                #expect(!pair.client.hasPending)
                try #require(pair.canGoOn(sending: sent < bytes.count))
            case let other:
                Issue.record("\(other): \(pair.client.failure as Any)")
                return
            }
        }
        #expect(arrived == bytes)
        if socketBytes != nil { #expect(blocked > 0) }
    }

    @Test(arguments: Records.allCases) func afterABlockTheSameBytesComeAgain(records: Records) throws {
        let pair = try open(records, socketBytes: 2048)
        defer { pair.close() }
        let bytes = Self.pattern(1 << 20)
        guard case .bytes(let sent) = TLSPair.send(pair.server, bytes) else {
            Issue.record("nothing was sent")
            return
        }
        #expect(sent < bytes.count)
        #expect((1...(4 * 16384)).contains(pair.server.committedBytes))
        #expect(!pair.server.sendWaitsForRead)
        // Offering less is the caller's mistake, and breaks nothing.
        #expect(TLSPair.send(pair.server, Array(bytes[sent...].prefix(10))) == .failed(EINVAL))
        #expect(pair.server.failure == nil)
        let whole = Array(bytes[sent...].prefix(pair.server.committedBytes))
        var arrived: [UInt8] = []
        while true {
            arrived += TLSPair.readAll(pair.client, upTo: 1).bytes
            let result = TLSPair.send(pair.server, whole)
            if result == .bytes(whole.count) { break }
            try #require(result == .wouldBlock)
        }
        #expect(pair.server.committedBytes == 0)
        // What follows may be anything.
        #expect(TLSPair.send(pair.server, [9, 9, 9]) != .failed(EPROTO))
        while arrived.count < sent + whole.count {
            arrived += TLSPair.readAll(pair.client, upTo: 1).bytes
        }
        #expect(Array(arrived.prefix(sent + whole.count)) == Array(bytes[..<(sent + whole.count)]))
    }

    @Test(arguments: Records.allCases) func aSmallBufferLeavesBytesPending(records: Records) throws {
        let pair = try open(records)
        defer { pair.close() }
        #expect(TLSPair.send(pair.client, Self.pattern(1000)) == .bytes(1000))
        try #require(TLSPair.isReady(pair.server.descriptor, POLLIN))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 1)
        defer { buffer.deallocate() }
        var arrived: [UInt8] = []
        repeat {
            guard case .bytes(let count) = pair.server.read(into: buffer) else { break }
            arrived.append(contentsOf: buffer[..<count])
            // The socket itself has nothing left.
            #expect(!TLSPair.isReady(pair.server.descriptor, POLLIN, milliseconds: 0))
        } while pair.server.hasPending
        #expect(arrived == Self.pattern(1000))
    }

    @Test(arguments: Records.allCases) func aReactorsBufferLeavesNothingPending(records: Records) throws {
        let pair = try open(records)
        defer { pair.close() }
        // Records of many sizes, so that the end of the buffer falls anywhere.
        var all: [UInt8] = []
        for size in [1, 16384, 5, 16384, 16384, 9000, 16384, 16384, 16384, 3, 16384, 16384, 12345] {
            let bytes = Self.pattern(size)
            #expect(TLSPair.send(pair.client, bytes) == .bytes(size))
            all += bytes
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { buffer.deallocate() }
        var arrived: [UInt8] = []
        while arrived.count < all.count {
            // Only ever woken by the socket.
            try #require(TLSPair.isReady(pair.server.descriptor, POLLIN))
            let result = pair.server.read(into: buffer)
            if case .bytes(let count) = result { arrived.append(contentsOf: buffer[..<count]) }
            #expect(!pair.server.hasPending)
        }
        #expect(arrived == all)
    }

    @Test(arguments: Records.allCases) func whatComesWithTheHandshakeIsNotForgotten(records: Records) throws {
        let pair = try TLSPair(
            try TLSContext(files.server(records: records)),
            client: TLSClientConfiguration(authorities: files.path("ca.pem")))
        defer { pair.close() }
        func until(_ stream: Stream, _ wanted: HandshakeResult) throws {
            while stream.handshake() != wanted { try #require(TLSPair.isReady(stream.descriptor, POLLIN)) }
        }
        #expect(pair.client.handshake() == .wantsRead)
        try until(pair.server, .wantsRead)
        try until(pair.client, .done)
        // The last message of the handshake and the first data are in the socket together.
        #expect(TLSPair.send(pair.client, Array("early".utf8)) == .bytes(5))
        try until(pair.server, .done)
        // OpenSSL has read it, or it waits in the socket.
        #expect(pair.server.hasPending == (records == .openssl))
        #expect(TLSPair.isReady(pair.server.descriptor, POLLIN, milliseconds: 0) == (records == .own))
        #expect(TLSPair.readAll(pair.server, upTo: 5).bytes == Array("early".utf8))
    }

    @Test(arguments: Records.allCases) func halfACloseLeavesTheOtherHalf(records: Records) throws {
        let pair = try open(records)
        defer { pair.close() }
        #expect(TLSPair.send(pair.client, [1]) == .bytes(1))
        #expect(pair.client.shutdownWrite())
        let heard = TLSPair.readAll(pair.server)
        #expect(heard.bytes == [1])
        #expect(heard.end == .end)
        #expect(pair.server.hasPending)
        #expect(pair.server.failure == nil)
        let answer = Self.pattern(50_000)
        #expect(TLSPair.send(pair.server, answer) == .bytes(answer.count))
        #expect(pair.server.shutdownWrite())
        let rest = TLSPair.readAll(pair.client)
        #expect(rest.bytes == answer)
        #expect(rest.end == .end)
    }

    @Test(arguments: Records.allCases) func aGoodbyeWaitsForAFullSocket(records: Records) throws {
        let pair = try open(records, socketBytes: 2048)
        defer { pair.close() }
        let bytes = Self.pattern(1 << 20)
        guard case .bytes(var sent) = TLSPair.send(pair.server, bytes) else { throw SystemError(call: "send", code: 0) }
        #expect(!pair.server.shutdownWrite())
        let end = sent + pair.server.committedBytes
        var arrived: [UInt8] = []
        while sent < end || !pair.server.shutdownWrite() {
            arrived += TLSPair.readAll(pair.client, upTo: 1).bytes
            if sent < end, case .bytes(let count) = TLSPair.send(pair.server, Array(bytes[sent..<end])) {
                sent += count
            }
        }
        let rest = TLSPair.readAll(pair.client)
        #expect(arrived + rest.bytes == Array(bytes[..<end]))
        #expect(rest.end == .end)
    }

    @Test(arguments: Records.allCases) func anEndWithoutAGoodbyeIsSaidToBeOne(records: Records) throws {
        let pair = try open(records)
        defer { pair.server.close() }
        Socket.shutdownWrite(pair.client.descriptor)
        #expect(TLSPair.readAll(pair.server).end == .failed(ECONNRESET))
        #expect(pair.server.failure == .truncated)
        pair.client.close()
    }

    @Test(arguments: Records.allCases) func whatIsTamperedWithEndsTheConnection(records: Records) throws {
        let pair = try open(records)
        defer { pair.close() }
        #expect(TLSPair.send(pair.client, [1, 2, 3]) == .bytes(3))
        // A data record of 32 bytes that nobody encrypted.
        let forged: [UInt8] = [23, 3, 3, 0, 32] + [UInt8](repeating: 65, count: 32)
        #expect(TLSPair.send(Stream(descriptor: pair.client.descriptor), forged) == .bytes(forged.count))
        let heard = TLSPair.readAll(pair.server)
        #expect(heard.bytes == [1, 2, 3])
        #expect(heard.end == .failed(EPROTO))
        guard case .broken = pair.server.failure else {
            Issue.record("\(pair.server.failure as Any)")
            return
        }
        // Bytes before it were handed out, and the failure waits without the socket saying so.
        #expect(pair.server.hasPending)
        #expect(TLSPair.send(pair.server, [1]) == .failed(EPROTO))
        #expect(TLSPair.readAll(pair.client).end == .failed(EPROTO))
        #expect(pair.client.failure == .alert(20))
    }

    @Test(arguments: Records.allCases) func sendingToNobodyIsAnErrorAndNoSignal(records: Records) throws {
        let pair = try open(records)
        defer { pair.server.close() }
        // Unread bytes make the close a reset.
        #expect(TLSPair.send(pair.server, [1]) == .bytes(1))
        pair.client.close()
        var result = WriteResult.bytes(0)
        for _ in 0..<100 {
            result = TLSPair.send(pair.server, Self.pattern(1000))
            if case .failed = result { break }
        }
        guard case .failed(let code) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(code == EPIPE || code == ECONNRESET)
        guard case .socket(let error) = pair.server.failure else {
            Issue.record("\(pair.server.failure as Any)")
            return
        }
        #expect(error.code == code)
    }

    @Test func plainStreamsAreAsTheyWere() throws {
        let (server, client) = try TLSPair.sockets()
        let plain = Stream(descriptor: server)
        #expect(!plain.isEncrypted && !plain.hasPending && plain.committedBytes == 0)
        #expect(plain.handshake() == .done)
        #expect(plain.negotiated == nil && plain.failure == nil)
        #expect(TLSPair.send(plain, [1, 2]) == .bytes(2))
        plain.shutdownWrite()
        let heard = TLSPair.readAll(Stream(descriptor: client))
        #expect(heard.bytes == [1, 2])
        #expect(heard.end == .end)
        plain.close()
        Socket.close(client)
        #expect(MemoryLayout<Stream>.size == 16)
    }
}
