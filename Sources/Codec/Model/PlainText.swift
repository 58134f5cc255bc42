/// A short text of somebody else for people to read: at most 512 bytes, and nothing in it controls a terminal, ends a
/// line or turns the direction of writing.
///
/// What is too long is cut between two characters, and what is not allowed is left out, so any text becomes one.
package struct PlainText: Hashable, Sendable, ExpressibleByStringInterpolation, CustomStringConvertible {
    package static let maximumBytes = 512

    package let text: String

    package init(_ candidate: String) {
        var scalars = String.UnicodeScalarView()
        var bytes = 0
        for scalar in candidate.unicodeScalars where Beat.isAllowed(scalar) {
            bytes += UTF8.width(scalar)
            guard bytes <= Self.maximumBytes else { break }
            scalars.append(scalar)
        }
        text = String(scalars)
    }

    package init(stringLiteral text: String) { self.init(text) }

    package var description: String { text }
}

extension PlainText: Codable {
    package init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
