/// A node: 64 random bits chosen when the process starts, so that a restarted node is another node.
package struct NodeID: Hashable, Sendable, CustomStringConvertible {
    package let value: UInt64

    package init(_ value: UInt64) { self.value = value }

    package static func random() -> NodeID { NodeID(.random(in: 1...UInt64.max)) }

    /// 16 lower-case hexadecimal digits.
    package var description: String { Hex.text(value) }

    package init?(_ text: some StringProtocol) {
        guard let value = Hex.value(text.utf8) else { return nil }
        self.init(value)
    }
}

/// A session: names its node and its place there, and carries 128 random bits so that it can neither be guessed nor be
/// mistaken for a later session in the same place.
package struct SessionID: Hashable, Sendable, CustomStringConvertible {
    package let node: NodeID
    /// Where the session is on its node; meaningful to that node only.
    package let locator: UInt64
    package let secret: Secret

    /// 128 random bits.
    package struct Secret: Hashable, Sendable {
        package let high: UInt64
        package let low: UInt64

        package init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }

        package static func random(using generator: inout some RandomNumberGenerator) -> Secret {
            Secret(high: generator.next(), low: generator.next())
        }

        /// 32 lower-case hexadecimal digits.
        package var text: [UInt8] { Array(Hex.text(high).utf8) + Array(Hex.text(low).utf8) }
    }

    package init(node: NodeID, locator: UInt64, secret: Secret) {
        self.node = node
        self.locator = locator
        self.secret = secret
    }

    /// `node-locator-secret` in 16, 16 and 32 lower-case hexadecimal digits.
    package var description: String {
        "\(node)-\(Hex.text(locator))-\(Hex.text(secret.high))\(Hex.text(secret.low))"
    }

    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        let dash = UInt8(ascii: "-")
        guard bytes.count == 66, bytes[16] == dash, bytes[33] == dash,
            let node = Hex.value(bytes[0..<16]), let locator = Hex.value(bytes[17..<33]),
            let high = Hex.value(bytes[34..<50]), let low = Hex.value(bytes[50..<66])
        else { return nil }
        self.init(node: NodeID(node), locator: locator, secret: Secret(high: high, low: low))
    }
}

/// 64-bit numbers as 16 lower-case hexadecimal digits.
enum Hex {
    static func text(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    static func value(_ digits: some Collection<UInt8>) -> UInt64? {
        guard digits.count == 16 else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}
