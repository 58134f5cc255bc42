import Testing

@testable import Codec

/// What a server refuses, with which code, and how early.
@Suite struct FrameViolationTests {
    struct Violation: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        let code: UInt16

        init(_ name: String, _ bytes: [UInt8], _ code: UInt16) {
            testDescription = name
            self.bytes = bytes
            self.code = code
        }
    }

    static let violations: [Violation] = [
        // RFC 6455 5.2; Autobahn 3 and 4.
        Violation("RSV1", frame(0xC1, [1]), 1002),
        Violation("RSV2", frame(0xA1, [1]), 1002),
        Violation("RSV3", frame(0x91, [1]), 1002),
        Violation("RSV on a ping", frame(0xC9, [1]), 1002),
        Violation("RSV on a continuation", frame(0x01, [65]) + frame(0xC0, [66]), 1002),
        Violation("RSV and a reserved opcode", frame(0xF3, []), 1002),
        Violation("reserved data opcode 3", frame(0x83, []), 1002),
        Violation("reserved data opcode 7", frame(0x87, []), 1002),
        Violation("reserved control opcode 11", frame(0x8B, []), 1002),
        Violation("reserved control opcode 15", frame(0x8F, [1]), 1002),
        // RFC 6455 5.1.
        Violation("text not masked", frame(0x81, [65], masked: false), 1002),
        Violation("ping not masked", frame(0x89, [], masked: false), 1002),
        Violation("close not masked", frame(0x88, goodbye(1000), masked: false), 1002),
        // RFC 6455 5.4 and 5.5; Autobahn 2 and 5.
        Violation("long ping", frame(0x89, Array(repeating: 0, count: 126)), 1002),
        Violation("very long ping", frame(0x89, Array(repeating: 0, count: 70_000)), 1002),
        Violation("long close", frame(0x88, goodbye(1000, Array(repeating: 65, count: 124))), 1002),
        Violation("fragmented ping", frame(0x09, []), 1002),
        Violation("fragmented close", frame(0x08, []), 1002),
        Violation("continuation of nothing", frame(0x80, []), 1002),
        Violation("unfinished continuation of nothing", frame(0x00, [65]), 1002),
        Violation("text inside a message", frame(0x01, [65]) + frame(0x81, [66]), 1002),
        Violation("binary inside a message", frame(0x01, [65]) + frame(0x02, [66]), 1002),
        // RFC 6455 5.2: the shortest form, and no highest bit. Abuse V1.
        Violation("length not minimal, 16 bits", [0x82, 0xFE, 0, 125, 0, 0, 0, 0], 1002),
        Violation("length 0 in 16 bits", [0x82, 0xFE, 0, 0, 0, 0, 0, 0], 1002),
        Violation("length not minimal, 64 bits", [0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], 1002),
        Violation("highest bit of the length", [0x82, 0xFF] + Array(repeating: 0xFF, count: 8), 1002),
        Violation("only the highest bit", [0x82, 0xFF, 0x80] + Array(repeating: 0, count: 7), 1002),
        Violation("highest bit, text", [0x81, 0xFF, 0x80] + Array(repeating: 0, count: 7), 1002),
        Violation("highest bit, ping", [0x89, 0xFF, 0x80] + Array(repeating: 0, count: 7), 1002),
        Violation("highest bit, not masked", [0x82, 0x7F, 0x80] + Array(repeating: 0, count: 7), 1002),
        Violation("4 GiB announced", [0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0], 1009),
        Violation("the largest length", [0x82, 0xFF, 0x7F] + Array(repeating: 0xFF, count: 7), 1009),
        Violation("the largest length, text", [0x81, 0xFF, 0x7F] + Array(repeating: 0xFF, count: 7), 1009),
        Violation("one byte over the limit", frame(0x82, Array(repeating: 0, count: 65537)), 1009),
        Violation(
            "largest fragment after another", frame(0x02, [1]) + [0x80, 0xFF, 0x7F] + Array(repeating: 0xFF, count: 7),
            1009),
        // RFC 6455 7.4; Autobahn 7.
        Violation("close with one byte", frame(0x88, [3]), 1002),
        Violation("close reason not UTF-8", frame(0x88, goodbye(1000, [0xFF])), 1007),
        Violation("close reason cut off", frame(0x88, goodbye(1000, [65, 0xE2, 0x82])), 1007),
        // RFC 6455 8.1; Autobahn 6.
        Violation("overlong slash", frame(0x81, [0xC0, 0xAF]), 1007),
        Violation("surrogate in text", frame(0x81, [0xED, 0xA0, 0x80]), 1007),
        Violation("beyond U+10FFFF", frame(0x81, [0xF4, 0x90, 0x80, 0x80]), 1007),
        Violation("text ends within a character", frame(0x81, [0xE2, 0x82]), 1007),
        Violation("fragments end within a character", frame(0x01, [0xE2]) + frame(0x80, [0x82]), 1007),
        Violation("empty last fragment within a character", frame(0x01, [0xE2, 0x82]) + frame(0x80, []), 1007),
    ]

    /// The same verdict however the bytes come, and nothing after it.
    @Test(arguments: violations)
    func refuses(_ violation: Violation) {
        let stream = violation.bytes + frame(0x81, Array("more".utf8))
        #expect(hear([stream]).failureCodes == [violation.code])
        #expect(hear(stream.map { [$0] }) == hear([stream]))
    }

    /// Only what servers send is for clients.
    @Test func clientsRefuseMaskedFrames() {
        #expect(hear([frame(0x81, [65])], role: .client) == [.failure(.masked)])
        #expect(hear([frame(0x81, [65], masked: false)], role: .client) == [.message(.text, [65])])
    }

    /// The byte that decides is the last that is waited for.
    @Test(
        arguments: [
            ([0xC1], 1), ([0x83], 1), ([0x09], 1), ([0x80], 1), ([0x81, 0x05], 2), ([0x89, 0xFE], 2),
            ([0x82, 0xFE, 0, 125], 4), ([0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], 10),
            ([0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1], 10),
        ] as [([UInt8], Int)])
    func refusesAtOnce(bytes: [UInt8], deciding: Int) {
        #expect(hear([Array(bytes[..<(deciding - 1)])]) == [])
        #expect(hear([Array(bytes[..<deciding])]).count == 1)
    }

    /// RFC 6455 8.1 and Autobahn 6.4: as soon as the text cannot be right any more, not when it is whole.
    @Test func failsFastInsideAFrame() {
        let text = Array("κόσμε".utf8)
        let whole = frame(0x81, text + [0xF4, 0x90, 0x80, 0x80] + Array("def".utf8))
        let deciding = 6 + text.count + 2
        for given in 0..<deciding { #expect(hear([Array(whole[..<given])]) == [], "\(given) bytes") }
        #expect(hear([Array(whole[..<deciding])]) == [.failure(.notUTF8)])
        #expect(hear(whole[..<deciding].map { [$0] }) == [.failure(.notUTF8)])
    }

    @Test func failsFastBetweenFragments() {
        let stream = frame(0x01, [0xF4]) + frame(0x00, []) + frame(0x00, [0x90])
        #expect(hear([stream.dropLast()]) == [])
        #expect(hear([stream]) == [.failure(.notUTF8)])
    }

    /// Every code there is (RFC 6455 7.4 and the IANA registry).
    @Test func knowsWhichCloseCodesMayBeSent() {
        for code in UInt16.min...UInt16.max {
            let isAllowed =
                switch code {
                case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014: true
                case 3000...4999: true
                default: false
                }
            #expect(CloseCode(rawValue: code).isValidOnTheWire == isAllowed, "\(code)")
        }
        for code: UInt16 in [1000, 1014, 3000, 4999] {
            #expect(hear([frame(0x88, goodbye(code, Array("ok".utf8)))]) == [.close(code, "ok")])
        }
        for code: UInt16 in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            #expect(hear([frame(0x88, goodbye(code))]).failureCodes == [1002])
        }
    }

    @Test func readsEveryLengthOfGoodbye() {
        #expect(hear([frame(0x88, [])]) == [.close(nil, "")])
        let reason = String(repeating: "x", count: 123)
        #expect(hear([frame(0x88, goodbye(1000, Array(reason.utf8)))]) == [.close(1000, reason)])
    }

    /// What a peer is told has to fit a close frame.
    @Test func reasonsFitACloseFrame() {
        for violation in Self.violations {
            for case .failure(let error) in hear([violation.bytes]) {
                #expect(error.reason.utf8.count <= FrameWriter.maximumReasonBytes)
                #expect(error.closeCode.isValidOnTheWire)
            }
        }
    }
}
