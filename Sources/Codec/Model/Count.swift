/// A number of things, 0 to 2^53 - 1: the whole numbers that every reader of JSON can hold.
///
/// What other nodes and Redis say is turned into a `Count` where it is decoded. From then on no value of it can be
/// negative, overflow a sum or fail a conversion: sums stop at the largest value.
package struct Count: Hashable, Comparable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    package static let maximum: UInt64 = (1 << 53) - 1

    package let value: UInt64

    /// The nearest value that a count can have.
    package init(_ number: some BinaryInteger) {
        value = min(UInt64(clamping: number), Self.maximum)
    }

    /// The nearest value that a count can have; fractions are dropped, and what is not a number counts as none.
    package init(_ number: Double) {
        guard number > 0 else {
            value = 0
            return
        }
        // 2^53 - 1 has an exact Double, so the conversion below cannot fail.
        value = UInt64(exactly: min(number, Double(Self.maximum)).rounded(.towardZero)) ?? Self.maximum
    }

    package init(integerLiteral number: UInt64) { self.init(number) }

    /// As an `Int`, which holds every count.
    package var int: Int { Int(truncatingIfNeeded: value) }

    package var description: String { String(value) }

    package static func < (left: Count, right: Count) -> Bool { left.value < right.value }

    /// The sum, or the largest count where that is smaller.
    package static func + (left: Count, right: Count) -> Count { Count(left.value &+ right.value) }

    package static func += (left: inout Count, right: Count) { left = left + right }
}

extension Count: Codable {
    /// Takes any JSON number. Negative ones become 0, those beyond 2^53 - 1 become that.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int64.self) {
            self.init(number)
        } else if let number = try? container.decode(UInt64.self) {
            self.init(number)
        } else {
            self.init(try container.decode(Double.self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}

extension Sequence<Count> {
    /// All of them together, or the largest count where that is smaller.
    package var sum: Count { reduce(0, +) }
}

/// How often something happens in a second, or a share in percent: finite and not negative, at most 2^53 - 1.
package struct Rate: Hashable, Comparable, Sendable, ExpressibleByFloatLiteral {
    package let value: Double

    /// The nearest value that a rate can have; what is not a number counts as 0.
    package init(_ number: Double) {
        value = number > 0 ? min(number, Double(Count.maximum)) : 0
    }

    package init(floatLiteral number: Double) { self.init(number) }

    package static func < (left: Rate, right: Rate) -> Bool { left.value < right.value }
}

extension Rate: Codable {
    /// Takes any JSON number that a `Double` can hold.
    package init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(Double.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}
