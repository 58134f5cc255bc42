import Glibc
import Reactor
import Testing

@testable import Node

/// A connected pair of sockets with small buffers, so that short writes really happen.
private func socketPair(bufferBytes: Int32 = 4096) -> (Int32, Int32) {
    var pair: [Int32] = [0, 0]
    precondition(
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &pair) == 0)
    var size = bufferBytes
    for descriptor in pair {
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    return (pair[0], pair[1])
}

private func block(_ bytes: [UInt8]) -> Block { bytes.withUnsafeBytes { Block(copying: $0) } }

private func drain(_ descriptor: Int32) -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count <= 0 { return all }
        all += buffer[..<count]
    }
}

@Suite struct OutboundTests {
    @Test func sendsOnePieceAndGivesTheBlockBack() {
        let (ours, theirs) = socketPair()
        defer { close(ours); close(theirs) }
        let shared = block(Array("hello, world".utf8))
        var outbound = Outbound()
        outbound.append(shared, from: 7, to: 12)
        #expect(shared.references == 2)
        #expect(outbound.bytes == 5)
        check(outbound.flush(to: Stream(descriptor: ours)) == .done)
        #expect(outbound.isEmpty && outbound.bytes == 0)
        #expect(shared.references == 1)
        #expect(drain(theirs) == Array("world".utf8))
        shared.release()
    }

    /// Whatever pieces are queued and however often the socket blocks, the same bytes come out in the same order.
    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func keepsOrderThroughShortWrites(seed: UInt64) {
        let (ours, theirs) = socketPair()
        defer { close(ours); close(theirs) }
        var random = SplitMix(state: seed)
        var outbound = Outbound()
        var expected: [UInt8] = []
        var received: [UInt8] = []
        var blocked = 0
        for _ in 0..<400 {
            let bytes = (0..<Int(random.next() % 3000 + 1)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let shared = block(bytes)
            outbound.append(shared, from: 0, to: bytes.count)
            shared.release()
            expected += bytes
            if random.next() % 4 == 0 {
                if outbound.flush(to: Stream(descriptor: ours)) == .blocked { blocked += 1 }
            }
            if random.next() % 5 == 0 { received += drain(theirs) }
            #expect(outbound.bytes == 0 || !outbound.isEmpty)
        }
        while !outbound.isEmpty {
            _ = outbound.flush(to: Stream(descriptor: ours))
            received += drain(theirs)
        }
        received += drain(theirs)
        #expect(received == expected)
        #expect(blocked > 0, "the test is to provoke short writes")
        #expect(outbound.bytes == 0)
    }

    @Test func dropsOnlyWhatWasNotBegun() {
        let (ours, theirs) = socketPair()
        defer { close(ours); close(theirs) }
        let large = block([UInt8](repeating: 1, count: 1_000_000))
        let small = block([2, 2, 2])
        var outbound = Outbound()
        outbound.append(large, from: 0, to: large.count)
        outbound.append(small, from: 0, to: 3)
        check(outbound.flush(to: Stream(descriptor: ours)) == .blocked)
        let left = outbound.bytes
        check(outbound.dropUnsent() == 3)
        #expect(outbound.bytes == left - 3)
        #expect(large.references == 2 && small.references == 1)
        outbound.removeAll()
        #expect(large.references == 1)

        outbound.append(small, from: 0, to: 3)
        check(outbound.dropUnsent() == 3)
        #expect(outbound.isEmpty)
        large.release()
        small.release()
    }

    @Test func tellsOfABrokenConnection() {
        let (ours, theirs) = socketPair()
        close(theirs)
        defer { close(ours) }
        let shared = block([1])
        var outbound = Outbound()
        outbound.append(shared, from: 0, to: 1)
        check(outbound.flush(to: Stream(descriptor: ours)) == .failed(EPIPE))
        outbound.removeAll()
        #expect(shared.references == 1)
        shared.release()
    }
}
