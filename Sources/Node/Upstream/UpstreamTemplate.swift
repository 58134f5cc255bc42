/// A URL in which `{hub}`, `{category}` and `{event}` stand for what they say.
struct UpstreamTemplate {
    static let parameters = ["hub", "category", "event"]

    private let text: String

    init(_ text: String) { self.text = text }

    /// The URL of one call. Values are percent-encoded, so none can reach into another part of the URL (RFC 3986 2.3).
    func url(hub: [UInt8], category: String, event: [UInt8]) -> String {
        var result: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let open = rest.firstIndex(of: UInt8(ascii: "{")) {
            result += rest[..<open]
            rest = rest[open...]
            if Self.take("{hub}", &rest) {
                result += Self.encoded(hub)
            } else if Self.take("{category}", &rest) {
                result += Self.encoded(Array(category.utf8))
            } else if Self.take("{event}", &rest) {
                result += Self.encoded(event)
            } else {
                result.append(rest.removeFirst())
            }
        }
        return String(decoding: result + rest, as: UTF8.self)
    }

    private static func take(_ name: String, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.starts(with: name.utf8) else { return false }
        rest = rest.dropFirst(name.utf8.count)
        return true
    }

    private static func encoded(_ value: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        // A segment of only dots would be taken for a way up (RFC 3986 5.2.4).
        let isPath = value.allSatisfy { $0 == UInt8(ascii: ".") }
        return value.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
                return [byte]
            case UInt8(ascii: ".") where !isPath: return [byte]
            default: return [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0x0F)]]
            }
        }
    }
}
