import Backplane
import Codec
import Reactor

/// A value that is not right, and what would be.
struct ValueError: Error, Equatable {
    let message: String
}

/// Values of the configuration, from text.
enum Value {
    static func number(_ text: String, _ range: ClosedRange<Int>) throws(ValueError) -> Int {
        guard let number = Int(text) else { throw ValueError(message: "'\(text)' is not a whole number") }
        guard range.contains(number) else {
            throw ValueError(
                message: "\(number) is out of range; right would be \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    static func flag(_ text: String) throws(ValueError) -> Bool {
        switch text {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default: throw ValueError(message: "'\(text)' is not possible here; right would be true or false")
        }
    }

    static func url(_ text: String) throws(ValueError) -> String {
        guard ["http://", "https://"].contains(where: { text.hasPrefix($0) && text.utf8.count > $0.utf8.count }),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw ValueError(message: "this is not a URL; right would be https://app.example.com/carillon/connect") }
        return text
    }

    /// The name of a cookie (RFC 6265 4.1.1).
    static func cookie(_ text: String) throws(ValueError) -> String {
        guard (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"()<>@,;:\\\"/[]?={}".utf8.contains($0) })
        else { throw ValueError(message: "'\(text)' cannot be the name of a cookie") }
        return text
    }

    /// What channel names may begin with. 16 bytes, so that there is room for what follows.
    static func channelPrefix(_ text: String) throws(ValueError) -> String {
        guard (1...16).contains(text.utf8.count), !text.hasPrefix("$"),
            ChannelName.objection(to: Array(text.utf8)) == nil
        else {
            throw ValueError(
                message:
                    "'\(text)' cannot begin the name of a channel: right is 1 to 16 bytes without spaces, not beginning with $"
            )
        }
        return text
    }

    private static let units: [(suffix: String, bytes: Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000),
        ("B", 1), ("", 1),
    ]

    static func size(_ text: String, _ range: ClosedRange<Int>) throws(ValueError) -> Int {
        for (suffix, unit) in units where text.hasSuffix(suffix) {
            let digits = text.dropLast(suffix.count).filter { $0 != " " }
            guard let number = Int(digits), number >= 0 else { break }
            let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
            guard !overflow, range.contains(bytes) else {
                throw ValueError(
                    message: "\(text) is out of range; right would be \(range.lowerBound) to \(range.upperBound) bytes")
            }
            return bytes
        }
        throw ValueError(message: "'\(text)' is not a size; right would be 65536, 64KiB or 1MiB")
    }

    static func duration(_ text: String, _ range: ClosedRange<Duration>) throws(ValueError) -> Duration {
        for (suffix, unit) in [
            ("ms", Duration.milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)),
        ]
        where text.hasSuffix(suffix) {
            guard let number = Int(text.dropLast(suffix.count)), number >= 0, number <= 1_000_000_000 else { break }
            let duration = unit * number
            guard range.contains(duration) else {
                throw ValueError(
                    message: "\(text) is out of range; right would be \(range.lowerBound) to \(range.upperBound)")
            }
            return duration
        }
        throw ValueError(message: "'\(text)' is not a duration; right would be 250ms, 10s or 5m")
    }

    static func address(_ text: String) throws(ValueError) -> SocketAddress {
        do {
            return try SocketAddress(parsing: text)
        } catch {
            throw ValueError(message: error.description)
        }
    }

    /// One or several, with commas between them.
    static func addresses(_ text: String) throws(ValueError) -> [SocketAddress] {
        var found: [SocketAddress] = []
        for part in commaSeparated(text) {
            let address = try address(part)
            guard !found.contains(address) else { throw ValueError(message: "'\(part)' is listed twice") }
            found.append(address)
        }
        guard !found.isEmpty else { throw ValueError(message: "at least one address is needed") }
        return found
    }

    /// The parts between commas, without spaces around them; empty parts are left out.
    static func commaSeparated(_ text: String) -> [String] {
        text.utf8.split(separator: UInt8(ascii: ",")).map { part in
            var trimmed = part.drop { $0 == UInt8(ascii: " ") }
            while trimmed.last == UInt8(ascii: " ") { trimmed.removeLast() }
            return String(decoding: trimmed, as: UTF8.self)
        }.filter { !$0.isEmpty }
    }

    static func tcpAddress(_ text: String) throws(ValueError) -> SocketAddress {
        let address = try address(text)
        if case .unix = address { throw ValueError(message: "'\(text)': only IP:PORT is possible here") }
        return address
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable>(_ text: String) throws(ValueError) -> Choice {
        if let choice = Choice(rawValue: text) { return choice }
        let names = Choice.allCases.map(\.rawValue)
        let nearest = Nearest.name(to: text, among: names).map { "; did you mean '\($0)'?" } ?? ""
        throw ValueError(
            message: "'\(text)' is not possible here; right would be \(names.joined(separator: " or "))\(nearest)")
    }

    static func name(_ text: String) throws(ValueError) -> String {
        guard (1...64).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy(Beat.isAllowed)
        else { throw ValueError(message: "a name has 1 to 64 bytes and no control characters") }
        return text
    }

    static func prefix(_ text: String) throws(ValueError) -> String {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            !text.contains(where: { "*?[]{}:".contains($0) })
        else {
            throw ValueError(message: "a prefix has 1 to 64 visible ASCII characters, none of them in *?[]{}:")
        }
        return text
    }

    static func token(_ text: String) throws(ValueError) -> String {
        guard text.utf8.count >= 8, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ValueError(message: "a token has at least 8 visible ASCII characters")
        }
        return text
    }
}

/// The nearest of several names, for "did you mean".
package enum Nearest {
    /// Those within a distance, the nearest first.
    package static func names(
        to text: String, among names: some Sequence<String>, within limit: Int, atMost count: Int
    ) -> [String] {
        let scored = names.map { (name: $0, distance: distance(text.lowercased(), $0.lowercased())) }
        return scored.filter { $0.distance <= limit }.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
            .prefix(count).map(\.name)
    }

    /// Nil when none is near.
    package static func name(to text: String, among names: some Sequence<String>) -> String? {
        let scored = names.map { (name: $0, distance: distance(text.lowercased(), $0.lowercased())) }
        guard let best = scored.min(by: { $0.distance < $1.distance }),
            best.distance <= max(2, best.name.count / 3)
        else { return nil }
        return best.name
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    private static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left.utf8.prefix(64))
        let right = Array(right.utf8.prefix(64))
        var rows = [Array(0...right.count)]
        for (i, a) in left.enumerated() {
            var row = [i + 1]
            for (j, b) in right.enumerated() {
                var best = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (a == b ? 0 : 1))
                if i > 0, j > 0, a == right[j - 1], left[i - 1] == b { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[left.count][right.count]
    }
}
