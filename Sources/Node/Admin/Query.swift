import Foundation
import Hummingbird

/// Query parameters, strictly.
struct Query {
    private let values: [String: String]

    init(_ request: Request, known: [String]) throws {
        var values: [String: String] = [:]
        // By hand, because a '+' is a space here (application/x-www-form-urlencoded), which the framework leaves.
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let texts = parts.map { $0.replacing("+", with: " ").removingPercentEncoding }
            guard let first = texts.first, let name = first, let value = texts.count > 1 ? texts[1] : "" else {
                throw APIError.badRequest("invalid_parameter", "the query is not percent-encoded UTF-8")
            }
            guard known.contains(name) else {
                throw APIError.badRequest(
                    "unknown_parameter",
                    "unknown parameter '\(name.prefix(64))'; known are \(known.joined(separator: ", "))")
            }
            values[name] = value
        }
        self.values = values
    }

    subscript(name: String) -> String? { values[name] }

    func limit() throws -> Int { try number("limit", 1...ClusterInspector.maximumPage, default: 100) }

    func number(_ name: String, _ range: ClosedRange<Int>, default standard: Int) throws -> Int {
        guard let text = values[name] else { return standard }
        guard let number = Int(text), range.contains(number) else {
            throw APIError.badRequest(
                "invalid_parameter", "'\(name)' has to be \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// One of several words; nil where the parameter is not there.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: String, _ type: Choice.Type
    ) throws -> Choice? {
        guard let text = values[name] else { return nil }
        guard let known = Choice.allCases.first(where: { $0.rawValue.utf8.elementsEqual(text.utf8) }) else {
            throw APIError.badRequest(
                "invalid_parameter", "'\(name)' has to be \(Self.list(Choice.allCases.map(\.rawValue)))")
        }
        return known
    }

    /// `a, b or c`.
    static func list(_ words: [String]) -> String {
        guard words.count > 1, let last = words.last else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }

    func cursor<Cursor: Decodable>(_ type: Cursor.Type) throws -> Cursor? {
        guard let text = values["cursor"] else { return nil }
        guard let cursor = PageCursor.decode(text, as: type) else {
            throw APIError.badRequest("invalid_parameter", "'cursor' has to be the cursor of the previous page")
        }
        return cursor
    }
}
