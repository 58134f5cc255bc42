import Foundation

/// Rows in columns, for people.
struct Table {
    enum Side { case left, right }

    private var rows: [[String]]
    private let sides: [Side]

    init(_ columns: [(String, Side)]) {
        rows = [columns.map(\.0)]
        sides = columns.map(\.1)
    }

    mutating func add(_ row: String...) { rows.append(row.map(Self.visible)) }

    var text: String {
        let widths = sides.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                if column == row.count - 1, sides[column] == .left { return row[column] }
                return sides[column] == .left ? row[column] + padding : padding + row[column]
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    /// Names come from outside: what would control a terminal is shown as a mark.
    private static func visible(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { ($0.value < 0x20 || (0x7F...0x9F).contains($0.value)) ? "\u{FFFD}" : $0 }))
    }
}

/// Numbers for people.
enum Shown {
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

    static func rate(_ value: Double) -> String {
        value < 10 && value > 0 ? String(format: "%.1f", value) : String(format: "%.0f", value)
    }
}
