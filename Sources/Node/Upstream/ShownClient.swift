import Authentication
import Codec

/// What an application is told of a client beside its user: the claims of its token, and the query of its request. Kept with a session whose
/// hub has an endpoint, and bounded by the largest token and the largest request.
final class ShownClient {
    /// `name: value` for each claim, with commas in between; nil where there are none.
    let claims: String?
    /// With a question mark in front, and without what opens something; nil where there is none.
    let query: String?

    /// - Parameters:
    ///   - token: One that was, or will be, verified; nil for a client without one.
    ///   - secret: Parameters of the query that nobody else gets to see.
    init(_ head: RequestHead, token: String?, hiding secret: [String]) {
        let shown = token.map { ShownClaims.of($0) } ?? []
        claims =
            shown.isEmpty ? nil : shown.map { "\(Self.part($0.name)): \(Self.part($0.value))" }.joined(separator: ", ")
        let target = head.target(without: secret)
        query = target.utf8.firstIndex(of: UInt8(ascii: "?")).map { String(target[$0...]) }
    }

    /// Commas are between claims, so that one in a claim could begin another: it is percent-encoded, as control characters are.
    private static func part(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: ",") {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0x0F)]]
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
