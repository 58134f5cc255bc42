import Testing

@testable import Codec

@Suite struct FrameReaderTests {
    /// The examples of RFC 6455 5.7.
    @Test func readsTheExamplesOfTheStandard() {
        let hello = Array("Hello".utf8)
        #expect(hear([[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]]) == [.message(.text, hello)])
        #expect(hear([[0x81, 0x05] + hello], role: .client) == [.message(.text, hello)])
        #expect(
            hear([[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]], role: .client) == [.message(.text, hello)])
        #expect(hear([[0x89, 0x05] + hello], role: .client) == [.ping(hello)])
        #expect(
            hear([[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]]) == [.pong(hello)])
    }

    @Test(arguments: [0, 1, 125, 126, 127, 65535, 65536, 70_000], [FrameReader.Role.server, .client])
    func readsEverySizeOfLength(count: Int, role: FrameReader.Role) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let stream = frame(0x82, payload, masked: role == .server)
        let limits = FrameLimits(messageBytes: 70_000)
        #expect(hear([stream], role: role, limits: limits) == [.message(.binary, payload)])
        let halves = [Array(stream[..<(stream.count / 2)]), Array(stream[(stream.count / 2)...])]
        #expect(hear(halves, role: role, limits: limits) == [.message(.binary, payload)])
    }

    @Test func readsWithAnyKey() {
        let payload = (0..<100).map { UInt8($0) }
        for key: [UInt8] in [[0, 0, 0, 0], [255, 255, 255, 255], [1, 0, 0, 0], [0, 0, 0, 0x80]] {
            let stream = frame(0x82, payload, key: key)
            #expect(hear([stream]) == [.message(.binary, payload)])
            #expect(hear(stream.map { [$0] }) == [.message(.binary, payload)])
        }
    }

    /// RFC 6455 5.4: control frames may stand between fragments, and each fragment may be empty.
    @Test func readsFragmentsWithControlFramesBetween() {
        let stream =
            frame(0x01, []) + frame(0x89, [1]) + frame(0x00, Array("a".utf8))
            + frame(0x8A, Array(repeating: 2, count: 125))
            + frame(0x00, []) + frame(0x89, []) + frame(0x80, []) + frame(0x82, [9])
        let expected: [Heard] = [
            .ping([1]), .pong(Array(repeating: 2, count: 125)), .ping([]), .message(.text, [97]),
            .message(.binary, [9]),
        ]
        #expect(hear([stream]) == expected)
        #expect(hear(stream.map { [$0] }) == expected)
    }

    @Test func closesInTheMiddleOfAMessage() {
        #expect(hear([frame(0x01, [65]) + frame(0x88, goodbye(1001)) + frame(0x80, [66])]) == [.close(1001, "")])
    }

    @Test func stopsWhenToldTo() {
        var bytes = frame(0x81, [65]) + frame(0x81, [66])
        var reader = FrameReader(role: .server)
        var heard = 0
        _ = bytes.withUnsafeMutableBytes {
            reader.receive($0, limits: FrameLimits()) { _ in
                heard += 1
                return false
            }
        }
        #expect(heard == 1)
        #expect(!reader.isIncomplete)
    }

    /// Stopped after any event and given the rest later, a reader says the same as one that is never stopped.
    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func goesOnWhereItWasStopped(seed: UInt64) {
        var random = SeededNumbers(state: seed)
        let all =
            frame(0x81, [65]) + frame(0x01, [66]) + frame(0x89, [1, 2]) + frame(0x80, [67]) + frame(0x8A, [])
            + frame(0x82, Array(repeating: 9, count: 300)) + frame(0x88, goodbye(1000))
        let expected = hear([all])
        for _ in 0..<100 {
            var reader = FrameReader(role: .server)
            var heard: [Heard] = []
            var rest = all
            while !rest.isEmpty {
                let count = Int.random(in: 1...rest.count, using: &random)
                var piece = Array(rest[..<count])
                let stops = Bool.random(using: &random)
                let taken = piece.withUnsafeMutableBytes {
                    reader.receive($0, limits: FrameLimits()) { event in
                        heard.append(Heard(event))
                        return !stops
                    }
                }
                guard taken > 0 else { break }
                rest.removeFirst(taken)
            }
            #expect(heard == expected)
            reader.reset()
        }
    }

    /// Messages and control frames that were put together leave nothing behind when the callback stops there.
    @Test(arguments: [frame(0x81, [65]), frame(0x89, [65]), frame(0x88, goodbye(1000)), frame(0xC1, [])])
    func givesMemoryBackWhenToldToStop(last: [UInt8]) {
        var reader = FrameReader(role: .server)
        #expect(reader.hear(Array(last[..<1])).allSatisfy { $0.isLast })
        var rest = Array(last[1...])
        _ = rest.withUnsafeMutableBytes { reader.receive($0, limits: FrameLimits()) { _ in false } }
        #expect(!reader.isIncomplete)
        #expect(reader.bufferedBytes == 0)
    }

    @Test func saysNothingAfterTheEnd() {
        for end in [frame(0x88, []), frame(0x88, goodbye(1000)), frame(0xC1, []), frame(0x88, [1])] {
            var reader = FrameReader(role: .server)
            #expect(reader.hear(end + frame(0x81, [65])).count == 1)
            #expect(reader.hear(frame(0x81, [66])) == [])
            #expect(!reader.isIncomplete, "what comes after the end is not gathered either")
        }
    }

    @Test func isAsNewAfterReset() {
        var reader = FrameReader(role: .server)
        #expect(reader.hear(frame(0x01, [65])) == [])
        #expect(reader.isIncomplete)
        reader.reset()
        #expect(!reader.isIncomplete)
        #expect(reader.hear(frame(0x81, [66])) == [.message(.text, [66])])
        #expect(reader.hear([0xFF]).count == 1)
        reader.reset()
        #expect(reader.hear(frame(0x81, [67])) == [.message(.text, [67])])
    }

    @Test func isSmallWhileIdle() {
        #expect(MemoryLayout<FrameReader>.size <= 32)
        var reader = FrameReader(role: .server)
        #expect(reader.hear(frame(0x01, [65]) + frame(0x80, [66])).count == 1)
        #expect(!reader.isIncomplete, "the memory of a message is given back with it")
    }

    /// Abuse V1 and V5: memory follows what came, not what was announced.
    @Test func takesNoMoreMemoryThanCame() {
        let limits = FrameLimits(messageBytes: 1 << 24)
        var reader = FrameReader(role: .server)
        defer { reader.reset() }
        #expect(reader.hear([0x82, 0xFF, 0, 0, 0, 0, 0x01, 0, 0, 0, 1, 2, 3, 4], limits: limits) == [])
        #expect(reader.isIncomplete)
        #expect(reader.bufferedBytes == 0)
        var came = 0
        for count in [1, 100, 500, 1000, 1, 5000, 40_000, 3] {
            #expect(reader.hear([UInt8](repeating: 0, count: count), limits: limits) == [])
            came += count
            #expect(reader.bufferedBytes >= came)
            #expect(reader.bufferedBytes <= max(PartialMessage.smallestCapacity, 2 * came))
        }
    }

    /// Memory never exceeds the limit, nor a message whose length is known.
    @Test func takesNoMoreMemoryThanTheMessageMayHave() {
        let limits = FrameLimits(messageBytes: 1000)
        var reader = FrameReader(role: .server)
        defer { reader.reset() }
        #expect(reader.hear(frame(0x02, [UInt8](repeating: 1, count: 600)), limits: limits) == [])
        #expect(reader.hear(frame(0x00, [UInt8](repeating: 1, count: 300)), limits: limits) == [])
        #expect(reader.bufferedBytes <= 1000)
        let last = frame(0x80, [UInt8](repeating: 1, count: 50))
        #expect(reader.hear(last.dropLast(), limits: limits) == [])
        #expect(reader.bufferedBytes <= 1000)
        #expect(reader.hear([last[last.count - 1]], limits: limits).count == 1)

        #expect(reader.hear(frame(0x82, [UInt8](repeating: 1, count: 20)).dropLast(), limits: limits) == [])
        #expect(reader.bufferedBytes == 20)
    }

    @Test func boundsFragmentsAndTheirSum() {
        let limits = FrameLimits(messageBytes: 100, fragments: 10)
        let tiny = frame(0x01, [1]) + (0..<9).flatMap { _ in frame(0x00, []) }
        #expect(hear([tiny], limits: limits) == [])
        #expect(hear([tiny + frame(0x00, [])], limits: limits).failureCodes == [1009])
        let pings = (0..<50).flatMap { _ in frame(0x89, []) }
        #expect(hear([tiny + pings], limits: limits).count == 50, "control frames are not fragments")
        let large = frame(0x02, Array(repeating: 0, count: 60))
        #expect(hear([large + frame(0x80, Array(repeating: 0, count: 40))], limits: limits).count == 1)
        #expect(
            hear([large + frame(0x80, Array(repeating: 0, count: 41))], limits: limits).failureCodes == [1009])
        // Exactly the limit is allowed, and each message has it anew.
        let exact = frame(0x82, Array(repeating: 0, count: 100))
        #expect(hear([exact + exact], limits: limits).count == 2)
    }

    /// A limit that was lowered while a message was being gathered.
    @Test func bearsLimitsThatChange() {
        var reader = FrameReader(role: .server)
        #expect(reader.hear(frame(0x02, Array(repeating: 0, count: 60)), limits: FrameLimits(messageBytes: 100)) == [])
        #expect(reader.hear(frame(0x80, [1]), limits: FrameLimits(messageBytes: 10)).failureCodes == [1009])
        var whole = FrameReader(role: .server)
        let unlimited = FrameLimits(messageBytes: .max, fragments: .max)
        #expect(whole.hear([0x82, 0xFF, 0x7F] + Array(repeating: 0xFF, count: 11), limits: unlimited) == [])
        #expect(whole.hear([1, 2, 3], limits: unlimited) == [])
        whole.reset()
    }
}
