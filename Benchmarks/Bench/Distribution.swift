/// Times, counted in buckets that are 1/64 of their value wide: percentiles to within 1.6 per cent, in constant memory.
package struct Distribution: Sendable {
    private static let bits: UInt64 = 6
    private static let linear: UInt64 = 1 << bits
    private var buckets = [UInt64](repeating: 0, count: Int((64 - bits + 1) * linear))
    package private(set) var count: UInt64 = 0
    package private(set) var maximum: UInt64 = 0
    private var sum: UInt64 = 0

    package init() {}

    package mutating func record(_ nanoseconds: UInt64) {
        buckets[Self.bucket(of: nanoseconds)] += 1
        count += 1
        sum &+= nanoseconds
        maximum = max(maximum, nanoseconds)
    }

    static func bucket(of value: UInt64) -> Int {
        if value < linear { return Int(value) }
        let exponent = UInt64(63 - value.leadingZeroBitCount) - bits
        return Int((exponent + 1) * linear + (value >> exponent - linear))
    }

    /// The middle of a bucket.
    static func value(of bucket: Int) -> UInt64 {
        let bucket = UInt64(bucket)
        if bucket < linear { return bucket }
        let exponent = bucket / linear - 1
        let start = (bucket % linear + linear) << exponent
        return start + (1 << exponent) / 2
    }

    package var mean: UInt64 { count == 0 ? 0 : sum / count }

    /// The value that `percent` of all do not exceed.
    package func percentile(_ percent: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let rank = max(1, UInt64((Double(count) * percent / 100).rounded(.up)))
        var seen: UInt64 = 0
        for (index, number) in buckets.enumerated() {
            seen += number
            if seen >= rank { return min(Self.value(of: index), maximum) }
        }
        return maximum
    }
}
