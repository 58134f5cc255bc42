import Testing

@testable import Codec

/// What holds for both versions, and for neither.
@Suite struct ProxyHeaderParserTests {
    @Test func waitsForTheFirstByte() {
        #expect(ProxyBytes.parse([]) == .incomplete)
    }

    static let others: [(bytes: [UInt8], arrival: ProxyError.Arrival, after: Int)] = [
        (Array("GET / HTTP/1.1\r\n".utf8), .http, 1),
        (Array("POST / HTTP/1.1\r\n".utf8), .http, 2),
        (Array("PUT / HTTP/1.1\r\n".utf8), .http, 2),
        (Array("PRI * HTTP/2.0\r\n".utf8), .http, 3),
        (Array("PROPFIND / HTTP/1.1\r\n".utf8), .http, 4),
        (Array("PROXYING / HTTP/1.1\r\n".utf8), .http, 6),
        ([0x16, 0x03, 0x01, 0x02], .tls, 1),
        ([0x00], .other(0x00, offset: 0), 1),
        ([0xFF], .other(0xFF, offset: 0), 1),
        (Array("proxy TCP4".utf8), .other(0x70, offset: 0), 1),
        (Array(" PROXY".utf8), .other(0x20, offset: 0), 1),
        (Array("PROXY\r\n".utf8), .other(0x0D, offset: 5), 6),
        (Array("PROXY\tTCP4".utf8), .other(0x09, offset: 5), 6),
        (Array("\r\n\r\nGET /".utf8), .http, 5),
        (Array("\r\n\r\n\0\r\nQUIT\r".utf8), .other(0x0D, offset: 11), 12),
        (Array("\n".utf8), .other(0x0A, offset: 0), 1),
    ]

    /// What cannot be a header is refused with its first byte that tells so.
    @Test(arguments: others)
    func refusesAtOnce(bytes: [UInt8], arrival: ProxyError.Arrival, after: Int) throws {
        #expect(ProxyBytes.parse(bytes) == .malformed(.noHeader(arrival)))
        let (parsed, count) = try #require(ProxyBytes.verdict(bytes))
        #expect(parsed == .malformed(.noHeader(arrival)))
        #expect(count == after)
    }

    @Test func saysWhatItLooksLike() {
        #expect(
            ProxyError.noHeader(.http).description
                == "looks like an HTTP request: the balancer does not send PROXY protocol")
        #expect(ProxyError.noHeader(.tls).description.contains("TLS"))
        #expect(ProxyError.noHeader(.other(0x0A, offset: 3)).description.hasPrefix("byte 4 is 0x0a"))
    }

    @Test(arguments: ProxyBytes.valid)
    func waitsForTheEnd(bytes: [UInt8]) throws {
        let (parsed, count) = try #require(ProxyBytes.verdict(bytes))
        #expect(count == bytes.count)
        guard case .header(_, bytes.count) = parsed else {
            Issue.record("\(parsed)")
            return
        }
        #expect(ProxyBytes.parse(bytes + bytes) == parsed)
    }

    /// Whatever byte is wrong, the verdict is the same cut into single bytes as in one piece, and stays what it is
    /// however many bytes follow.
    @Test(arguments: ProxyBytes.valid)
    func saysTheSameHoweverItIsCut(bytes: [UInt8]) {
        var refused = 0
        for index in bytes.indices {
            for change: UInt8 in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF] {
                var wrong = bytes
                wrong[index] ^= change
                let whole = ProxyBytes.parse(wrong)
                #expect((ProxyBytes.verdict(wrong)?.0 ?? .incomplete) == whole)
                if whole != .incomplete { #expect(ProxyBytes.parse(wrong + [0x0D, 0x0A, 0xFF]) == whole) }
                if case .malformed = whole { refused += 1 }
            }
        }
        // Nothing of the signature may be another byte.
        #expect(refused >= 6 * 9)
    }

    @Test func survivesRandomBytes() {
        var numbers = SeededNumbers(state: 20_260_101)
        let starts: [[UInt8]] = [
            [], Array("PROXY ".utf8), Array("PROXY TCP4 ".utf8), Array("PROXY TCP6 ".utf8), ProxyBytes.signature,
            ProxyBytes.signature + [0x21, 0x11, 0x00], ProxyBytes.signature + [0x21, 0x31, 0x01],
        ]
        let alphabet = Array("0123456789abcdef.: \r\n".utf8)
        for round in 0..<20_000 {
            let count = Int.random(in: 0...300, using: &numbers)
            let random =
                round % 2 == 0
                ? numbers.bytes(count)
                : (0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &numbers)] }
            let bytes = starts[round % starts.count] + random
            let whole = ProxyBytes.parse(bytes)
            if case .header(_, let consumed) = whole {
                #expect(consumed <= bytes.count)
                #expect(consumed <= ProxyHeaderParser.maximumHeaderBytes)
            }
            let cut = Int.random(in: 0...bytes.count, using: &numbers)
            let part = ProxyBytes.parse(Array(bytes[..<cut]))
            if part != .incomplete { #expect(part == whole, "round \(round)") }
        }
    }

    /// Never more than the longest header is waited for.
    @Test func neverWaitsForMoreThanTheLongest() {
        var numbers = SeededNumbers(state: 7)
        for start in [
            Array("PROXY UNKNOWN ".utf8), ProxyBytes.signature + [0x20], ProxyBytes.signature + [0x21, 0x11],
        ] {
            for _ in 0..<500 {
                let bytes = start + numbers.bytes(ProxyHeaderParser.maximumHeaderBytes)
                #expect(ProxyBytes.parse(bytes) != .incomplete)
            }
        }
    }
}
