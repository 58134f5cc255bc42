/// A text from outside that names something: a user, a key, an issuer, a member of a JSON object.
///
/// Two are equal when their bytes are (RFC 7519 7.3 and RFC 8259 8.3 compare code points). Swift's `String` compares by canonical
/// equivalence: `José` in two spellings, or the Kelvin sign and `K`, are one `String` and two names. So no dictionary, set
/// or comparison of names from outside has the type `String`.
package struct ForeignText: Hashable, Sendable {
    package let text: String

    package init(_ text: some StringProtocol) { self.text = String(text) }

    package var utf8: String.UTF8View { text.utf8 }
    package var isEmpty: Bool { text.isEmpty }

    package static func == (left: ForeignText, right: ForeignText) -> Bool {
        left.utf8.elementsEqual(right.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in utf8 { hasher.combine(byte) }
        hasher.combine(0xFF as UInt8)
    }
}

extension ForeignText: Comparable {
    package static func < (left: ForeignText, right: ForeignText) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}

extension ForeignText: ExpressibleByStringLiteral, CustomStringConvertible {
    package init(stringLiteral text: String) { self.text = text }

    package var description: String { text }
}

extension ForeignText: Codable {
    package init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
