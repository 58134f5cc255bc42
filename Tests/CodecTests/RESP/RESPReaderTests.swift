import Codec
import Testing

@Suite struct RESPReaderTests {
    enum Seen: Equatable {
        case message(channel: [UInt8], payload: [UInt8])
        case value(RESPValue)
    }

    /// Feeds the pieces one after the other.
    static func read(
        _ pieces: [[UInt8]], limits: RESPReader.Limits = .init()
    ) -> (seen: [Seen], error: RESPError?) {
        var seen: [Seen] = []
        let reader = RESPReader(limits: limits) { reply in
            switch reply {
            case .message(let channel, let payload):
                seen.append(.message(channel: Array(channel), payload: Array(payload)))
            case .value(let value): seen.append(.value(value))
            }
        }
        for piece in pieces {
            if let error = feed(piece, to: reader) { return (seen, error) }
        }
        return (seen, nil)
    }

    static func feed(_ bytes: [UInt8], to reader: RESPReader) -> RESPError? {
        bytes.withUnsafeBytes { bytes -> RESPError? in
            do throws(RESPError) {
                try reader.feed(bytes)
                return nil
            } catch {
                return error
            }
        }
    }

    static func bulk(_ text: String) -> RESPValue { .bulk(Array(text.utf8)) }

    static func message(_ channel: String, _ payload: String) -> Seen {
        .message(channel: Array(channel.utf8), payload: Array(payload.utf8))
    }

    static let replies: [(String, [Seen])] = [
        ("+OK\r\n", [.value(.status("OK"))]),
        ("+\r\n", [.value(.status(""))]),
        ("-ERR no\r\n", [.value(.error("ERR no"))]),
        (":-42\r\n", [.value(.integer(-42))]),
        (":9223372036854775807\r\n", [.value(.integer(.max))]),
        ("$0\r\n\r\n", [.value(bulk(""))]),
        ("$5\r\na\r\nbc\r\n", [.value(bulk("a\r\nbc"))]),
        ("$-1\r\n", [.value(.bulk(nil))]),
        ("*-1\r\n", [.value(.bulk(nil))]),
        ("*0\r\n", [.value(.array([]))]),
        ("*2\r\n:1\r\n$1\r\na\r\n", [.value(.array([.integer(1), bulk("a")]))]),
        (
            "*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n*1\r\n$-1\r\n",
            [.value(.array([.array([.integer(1), .array([])]), .array([.array([.bulk(nil)])])]))]
        ),
        ("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n", [message("c", "hi")]),
        ("*3\r\n$7\r\nmessage\r\n$0\r\n\r\n$0\r\n\r\n", [message("", "")]),
        (
            "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
            [.value(.array([bulk("subscribe"), bulk("c"), .integer(1)]))]
        ),
        // An answer to PING on a subscribed connection.
        ("*2\r\n$4\r\npong\r\n$0\r\n\r\n", [.value(.array([bulk("pong"), bulk("")]))]),
        // What begins like a message and is none.
        ("*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n", [.value(.array([bulk("message"), .integer(1), .integer(2)]))]),
        (
            "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n:2\r\n",
            [.value(.array([bulk("message"), bulk("c"), .integer(2)]))]
        ),
        (
            "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n*1\r\n:1\r\n",
            [.value(.array([bulk("message"), bulk("c"), .array([.integer(1)])]))]
        ),
        (
            "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$-1\r\n",
            [.value(.array([bulk("message"), bulk("c"), .bulk(nil)]))]
        ),
        ("*3\r\n*0\r\n:1\r\n:2\r\n", [.value(.array([.array([]), .integer(1), .integer(2)]))]),
        (
            "*3\r\n+message\r\n$1\r\nc\r\n$1\r\nd\r\n",
            [.value(.array([.status("message"), bulk("c"), bulk("d")]))]
        ),
        (
            "*1\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nd\r\n",
            [.value(.array([.array([bulk("message"), bulk("c"), bulk("d")])]))]
        ),
        (
            "*3\r\n$7\r\nmassage\r\n$1\r\nc\r\n$1\r\nd\r\n",
            [.value(.array([bulk("massage"), bulk("c"), bulk("d")]))]
        ),
    ]

    @Test(arguments: replies)
    func reads(_ text: String, _ expected: [Seen]) {
        let (seen, error) = Self.read([Array(text.utf8)])
        #expect(error == nil)
        #expect(seen == expected)
    }

    /// All replies in one stream, cut in two at every place, and byte by byte.
    @Test func itDoesNotMatterWhereTheStreamIsCut() {
        let stream = Array(Self.replies.map(\.0).joined().utf8)
        let expected = Self.replies.flatMap(\.1)
        for cut in 0...stream.count {
            let (seen, error) = Self.read([Array(stream[..<cut]), Array(stream[cut...])])
            #expect(error == nil)
            #expect(seen == expected, "cut at \(cut)")
        }
        #expect(Self.read(stream.map { [$0] }).seen == expected)
    }

    @Test(arguments: [8191, 8192, 8193, 100_000, 1 << 20])
    func payloadsLargerThanASlice(_ count: Int) {
        var numbers = SeededNumbers(state: 4)
        let payload = numbers.bytes(count)
        let stream = Written.bytes { writer in
            for _ in 0..<2 {
                RESPWriter.command([Array("message".utf8), Array("c".utf8), payload], to: writer)
            }
        }
        let (seen, error) = Self.read([stream])
        #expect(error == nil)
        #expect(seen == [Seen](repeating: .message(channel: [0x63], payload: payload), count: 2))
    }

    @Test(arguments: [
        "x", "OK\r\n", "\r\n", "$-2\r\n", "$x\r\n", "*-2\r\n", "*1x\r\n", ":a\r\n", "*99999999999\r\n", "*2000000\r\n",
        "$99999999999999999999\r\n", "*1048576\r\n:1\r\n*2\r\n",
    ])
    func refuses(_ text: String) {
        let (seen, error) = Self.read([Array("+OK\r\n".utf8), Array(text.utf8)])
        #expect(seen == [.value(.status("OK"))])
        #expect(error != nil)
        #expect(error?.description.isEmpty == false)
    }

    @Test func staysBrokenAfterAnError() {
        let reader = RESPReader { _ in Issue.record("nothing may come out of it") }
        #expect(Self.feed(Array("?".utf8), to: reader) != nil)
        #expect(Self.feed(Array("+OK\r\n".utf8), to: reader) != nil)
    }

    @Test func arraysMayBeNestedEightDeep() {
        let eight = String(repeating: "*1\r\n", count: 8) + ":1\r\n"
        #expect(Self.read([Array(eight.utf8)]).error == nil)
        #expect(Self.read([Array(("*1\r\n" + eight).utf8)]).error != nil)
        let endless = String(repeating: "*2\r\n", count: 10_000)
        #expect(Self.read([Array(endless.utf8)]).error != nil)
    }

    @Test func announcedLengthsCostNothing() {
        // Neither is there when it was announced; both only wait.
        #expect(Self.read([Array("$9223372036854775807\r\nab".utf8)]).error == nil)
        #expect(Self.read([Array("$4294967295\r\nab".utf8)]).error == nil)
        #expect(Self.read([Array("*1048576\r\n:1\r\n".utf8)]).error == nil)
    }

    @Test func boundsAReply() {
        var limits = RESPReader.Limits()
        limits.replyBytes = 20_000
        limits.elements = 10
        limits.lineBytes = 1000
        let long = [UInt8](repeating: 0x61, count: 30_000)
        #expect(
            Self.read([Array("$30000\r\n".utf8) + long], limits: limits).error?.description.contains("20000") == true)
        #expect(Self.read([Array("$15000\r\n".utf8) + long[..<15_000] + [13, 10]], limits: limits).error == nil)
        // A line without an end, also one with carriage returns in it.
        #expect(Self.read([Array("+".utf8) + long], limits: limits).error?.description.contains("1000") == true)
        let returns = [UInt8](repeating: 13, count: 5000)
        #expect(Self.read([Array("+".utf8) + returns], limits: limits).error?.description.contains("1000") == true)
        // Eleven elements in arrays that are small each.
        let nested = "*2\r\n*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n*4\r\n"
        #expect(Self.read([Array(nested.utf8)], limits: limits).error?.description.contains("10 elements") == true)
        // The bounds are of one reply each.
        let many = [[UInt8]](repeating: Array("*2\r\n:1\r\n:2\r\n".utf8), count: 5000)
        #expect(Self.read(many, limits: limits).error == nil)
    }

    @Test func nothingThatComesInCanStopIt() {
        var numbers = SeededNumbers(state: 5)
        let alphabet = Array("+-:$*0123456789\r\nmessage".utf8)
        for _ in 0..<5000 {
            let count = Int.random(in: 0...60, using: &numbers)
            _ = Self.read([numbers.bytes(count)])
            let likely = (0..<count).map { _ in alphabet.randomElement(using: &numbers)! }
            _ = Self.read([likely, likely])
        }
        let stream = Array(Self.replies.map(\.0).joined().utf8)
        for index in stream.indices {
            var bytes = stream
            bytes[index] = numbers.bytes(1)[0]
            _ = Self.read([bytes])
        }
    }
}
