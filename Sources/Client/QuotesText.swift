import Codec

/// A JSON object as a trading floor would broadcast it, of any size and made of a seed: names that repeat, as they do in
/// JSON, and figures that do not.
///
/// `{"id":"…","quotes":[{"symbol":"CRLN","bid":103.27,"ask":103.31,"size":4200,"at":1795449600123},…],"desk":"…"}`
enum QuotesText {
    /// Before the 16 digits that say which one it is.
    static let lead: StaticString = "{\"id\":\""
    private static let open: StaticString = "\",\"quotes\":["
    private static let close: StaticString = "],\"desk\":\""
    private static let end: StaticString = "\"}"
    /// Every quote has this size, without the comma.
    private static let quoteBytes = 74
    private static let symbols: [StaticString] = [
        "CRLN", "BELL", "TOLL", "RING", "PEAL", "CHME", "GONG", "HAMR", "TOWR", "ROPE", "CLPR", "BRNZ", "TENR", "BASS",
        "MINT", "ECHO",
    ]

    private static let frameBytes = open.utf8CodeUnitCount + close.utf8CodeUnitCount + end.utf8CodeUnitCount
    static var minimumBytes: Int { lead.utf8CodeUnitCount + 16 + frameBytes }

    /// What follows the digits, exactly `count` bytes of it.
    static func write(_ count: Int, seed: UInt64, to writer: ByteWriter) {
        var figures = Figures(state: seed)
        var left = count - frameBytes
        writer.append(open)
        var isFirst = true
        while left >= quoteBytes + (isFirst ? 0 : 1) {
            if !isFirst {
                writer.append(UInt8(ascii: ","))
                left -= 1
            }
            quote(&figures, writer)
            left -= quoteBytes
            isFirst = false
        }
        writer.append(close)
        SequencedPayload.fill(left, writer)
        writer.append(end)
    }

    private static func quote(_ figures: inout Figures, _ writer: ByteWriter) {
        let bid = 10_000 + figures.next(below: 89_900)
        writer.append("{\"symbol\":\"")
        writer.append(symbols[Int(figures.next(below: UInt64(symbols.count)))])
        writer.append("\",\"bid\":")
        price(bid, writer)
        writer.append(",\"ask\":")
        price(bid + 1 + figures.next(below: 90), writer)
        writer.append(",\"size\":")
        writer.append(decimal: 1000 + figures.next(below: 9000))
        writer.append(",\"at\":")
        writer.append(decimal: 1_795_449_600_000 + figures.next(below: 86_400_000))
        writer.append("}")
    }

    /// Hundredths as three digits, a point and two digits.
    private static func price(_ hundredths: UInt64, _ writer: ByteWriter) {
        writer.append(decimal: hundredths / 100)
        writer.append(UInt8(ascii: "."))
        writer.append(UInt8(ascii: "0") + UInt8(hundredths / 10 % 10))
        writer.append(UInt8(ascii: "0") + UInt8(hundredths % 10))
    }

    /// SplitMix64 (Steele, Lea and Flood 2014): the same figures for the same seed, everywhere.
    private struct Figures {
        var state: UInt64

        mutating func next(below limit: UInt64) -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return (mixed ^ mixed >> 31) % limit
        }
    }
}
