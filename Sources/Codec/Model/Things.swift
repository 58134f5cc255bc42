/// A count of things in words, for messages: `1 session`, `1204 sessions`.
///
/// - Parameters:
///   - one: What one of them is called, with its verb where one follows: `session leaves`.
///   - many: What several are called, and none; nil for the same with an `s`.
package func things(_ count: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
    "\(count) \(count == 1 ? one : many ?? one + "s")"
}

/// The same of a count that came from another node.
package func things(_ count: Count, _ one: String, _ many: String? = nil) -> String {
    things(count.value, one, many)
}
