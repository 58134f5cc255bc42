import Testing

@testable import Client

struct NATSStreamTests {
    /// What a text is parsed into, in words, and how many bytes were used.
    private func parse(_ text: String) -> (items: [String], used: Int?) {
        var items: [String] = []
        let used = Array(text.utf8).withUnsafeBytes { bytes in
            NATSStream.parse(bytes) { item in
                switch item {
                case .message(let payload): items.append("message " + String(decoding: payload, as: UTF8.self))
                case .ping: items.append("ping")
                case .pong: items.append("pong")
                case .error(let text): items.append("error " + text.filter { !$0.isNewline })
                case .other: items.append("other")
                }
            }
        }
        return (items, used)
    }

    @Test(
        arguments: [
            ("", [], 0),
            ("PING\r\n", ["ping"], 6),
            ("PONG\r\nPING\r\n", ["pong", "ping"], 12),
            ("INFO {}\r\n", ["other"], 9),
            ("-ERR 'no'\r\n", ["error -ERR 'no'"], 11),
            ("MSG bench 1 5\r\nhello\r\n", ["message hello"], 22),
            ("MSG bench 1 reply 5\r\nhello\r\nPING\r\n", ["message hello", "ping"], 34),
            ("MSG bench 1 0\r\n\r\n", ["message "], 17),
            // Incomplete: nothing of it is used.
            ("MSG bench 1 5\r\nhel", [], 0),
            ("MSG bench 1 5\r\nhello", [], 0),
            ("PING\r\nMSG ben", ["ping"], 6),
        ] as [(String, [String], Int)])
    func whatIsCompleteIsTold(text: String, items: [String], used: Int) {
        let found = parse(text)
        #expect(found.items == items)
        #expect(found.used == used)
    }

    @Test(arguments: ["MSG bench 1 \r\n", "MSG bench 1 x\r\n", "MSG bench 1 999999999999\r\n"])
    func aSizeThatIsNoneIsRefused(text: String) {
        #expect(parse(text).used == nil)
    }

    @Test func aLineWithoutEndIsRefused() {
        #expect(parse(String(repeating: "x", count: 10_000)).used == nil)
    }
}
