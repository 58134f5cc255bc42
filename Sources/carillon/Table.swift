import Foundation

/// Rows in columns, for people: no line is longer than a screen is wide.
struct Table {
    enum Side {
        case left, right
        /// Left, and cut with `…` where the rows would be too long: for names, which others choose.
        case flexible
    }

    /// Columns of a line.
    static let width = 100
    /// What is left of a flexible column at the least.
    private static let minimum = 8

    private var rows: [[String]]
    private let sides: [Side]

    init(_ columns: [(String, Side)]) {
        rows = [columns.map(\.0)]
        sides = columns.map(\.1)
    }

    mutating func add(_ row: String...) { rows.append(row.map(Self.visible)) }

    var text: String { lines().joined(separator: "\n") }

    /// The head, then each row.
    func lines(width: Int = Table.width) -> [String] {
        let widths = widths(within: width)
        return rows.map { row in
            row.indices.map { column in
                let text = Self.cut(row[column], to: widths[column])
                let padding = String(repeating: " ", count: widths[column] - text.count)
                if column == row.count - 1, sides[column] != .right { return text }
                return sides[column] == .right ? padding + text : text + padding
            }.joined(separator: "  ")
        }
    }

    /// The widest column that may be cut gives way first.
    private func widths(within limit: Int) -> [Int] {
        var widths = sides.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        var excess = widths.reduce(0, +) + 2 * (widths.count - 1) - limit
        while excess > 0 {
            let flexible = widths.indices.filter { sides[$0] == .flexible && widths[$0] > Self.minimum }
            guard let widest = flexible.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
            excess -= 1
        }
        return widths
    }

    /// The text, or its beginning with `…` behind it.
    static func cut(_ text: String, to count: Int) -> String {
        text.count <= count ? text : text.prefix(max(0, count - 1)) + "…"
    }

    /// Names come from outside: what would control a terminal is shown as a mark.
    static func visible(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { ($0.value < 0x20 || (0x7F...0x9F).contains($0.value)) ? "\u{FFFD}" : $0 }))
    }
}

/// Numbers for people.
enum Display {
    static func bytes(_ count: Int) -> String {
        switch count {
        case ..<1024: "\(count) B"
        case ..<(1 << 20): String(format: "%.0f KiB", Double(count) / 1024)
        case ..<(1 << 30): String(format: "%.1f MiB", Double(count) / 1048576)
        default: String(format: "%.2f GiB", Double(count) / 1073741824)
        }
    }

    static func seconds(_ seconds: Int) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min"
        case ..<86400: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: "\(seconds / 86400) d \(seconds % 86400 / 3600) h"
        }
    }

    /// In one unit, for tables.
    static func age(_ seconds: Int) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min"
        case ..<86400: "\(seconds / 3600) h"
        default: "\(seconds / 86400) d"
        }
    }

    static func rate(_ value: Double) -> String {
        value < 10 && value > 0 ? String(format: "%.1f", value) : String(format: "%.0f", value)
    }
}
