import Testing

@testable import Codec

/// Reading heads from text.
enum ParsedHead {
    static func parse(_ text: String, limits: HTTPLimits = HTTPLimits()) -> RequestHeadParser.Parsed {
        Array(text.utf8).withUnsafeBytes { RequestHeadParser.parse($0, limits: limits) }
    }

    static func head(_ text: String) throws -> RequestHead {
        switch parse(text) {
        case .head(let head, _): return head
        case .failure(let error): throw error
        case .incomplete: throw Incomplete()
        }
    }

    /// The status a request is refused with.
    static func status(_ text: String, limits: HTTPLimits = HTTPLimits()) -> Int? {
        if case .failure(let error) = parse(text, limits: limits) { error.status } else { nil }
    }

    static func isIncomplete(_ bytes: some Sequence<UInt8>) -> Bool {
        if case .incomplete = Array(bytes).withUnsafeBytes({ RequestHeadParser.parse($0, limits: HTTPLimits()) }) {
            true
        } else {
            false
        }
    }

    struct Incomplete: Error {}
}
