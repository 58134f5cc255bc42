/// Sizes, rates and times as they are written on a command line.
package enum Quantity {
    private static let sizes: [(String, Double)] = [
        ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("TiB", 1_099_511_627_776),
        ("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1),
    ]
    private static let rates: [(String, Double)] = [("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9), ("bit", 1)]
    private static let times: [(String, Double)] = [("ms", 1e-3), ("min", 60), ("s", 1), ("m", 60), ("h", 3600)]

    package static func bytes(_ text: String, _ name: String) throws(SizingError) -> Double {
        try value(text, sizes, name, "a size, like 512MiB or 1.7GiB")
    }

    package static func bits(_ text: String, _ name: String) throws(SizingError) -> Double {
        try value(text, rates, name, "bits per second, like 500Mbit or 1Gbit")
    }

    package static func seconds(_ text: String, _ name: String) throws(SizingError) -> Double {
        try value(text, times, name, "a time, like 25s or 100ms")
    }

    private static func value(_ text: String, _ units: [(String, Double)], _ name: String, _ right: String)
        throws(SizingError) -> Double
    {
        for (unit, factor) in units where text.hasSuffix(unit) {
            guard let number = Double(text.dropLast(unit.count)), number.isFinite, number >= 0 else { break }
            return number * factor
        }
        throw SizingError("\(name) '\(text)' is not \(right)")
    }
}
