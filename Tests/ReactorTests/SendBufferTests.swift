import Testing

@testable import Reactor

/// Bytes that wait to be sent come out as they went in, whatever is sent in between.
@Suite struct SendBufferTests {
    @Test func whatGoesInComesOutInOrder() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            var buffer = SendBuffer()
            var (written, sent): ([UInt8], [UInt8]) = ([], [])
            for _ in 0..<300 {
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    let bytes = (0..<Int.random(in: 0...2000, using: &random)).map { _ in UInt8.random(in: 0...255) }
                    bytes.withUnsafeBytes { buffer.append($0) }
                    written += bytes
                case 2:
                    // Less is written than there is room for.
                    let bytes = (0..<Int.random(in: 0...500, using: &random)).map { _ in UInt8.random(in: 0...255) }
                    buffer.append(atMost: bytes.count + 100) { room in
                        #expect(room.count == bytes.count + 100)
                        room.copyBytes(from: bytes)
                        return bytes.count
                    }
                    written += bytes
                default:
                    let count = Int.random(in: 0...buffer.count, using: &random)
                    sent += buffer.bytes.prefix(count)
                    buffer.sent(count)
                }
                #expect(buffer.count == written.count - sent.count)
            }
            sent += buffer.bytes
            #expect(sent == written)
        }
    }

    /// A reader that is always a little behind does not make it grow for ever.
    @Test func memoryIsUsedAgain() {
        var buffer = SendBuffer()
        let piece = [UInt8](repeating: 7, count: 1000)
        for _ in 0..<10_000 {
            piece.withUnsafeBytes { buffer.append($0) }
            if buffer.count > 2000 { buffer.sent(1000) }
        }
        #expect(buffer.count == 2000 && buffer.capacity <= 8192)
        buffer.removeAll(keeping: 100)
        #expect(buffer.count == 0 && buffer.capacity == 1024)
    }
}
