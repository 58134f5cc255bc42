/// Something about a configuration whose values are valid one by one.
package struct ConfigurationFinding: Equatable, Sendable {
    package enum Severity: Equatable, Sendable {
        /// The file cannot mean it: the node does not start.
        case error
        /// The file may mean it: the node starts and says so.
        case warning
    }

    package let severity: Severity
    /// The keys it is about. The first that is set is the place to point at.
    package let paths: [String]
    /// The rule it is about, counted from 0.
    package let rule: Int?
    package let message: String

    static func error(_ paths: [String], rule: Int? = nil, _ message: String) -> ConfigurationFinding {
        .init(severity: .error, paths: paths, rule: rule, message: message)
    }

    static func warning(_ paths: [String], rule: Int? = nil, _ message: String) -> ConfigurationFinding {
        .init(severity: .warning, paths: paths, rule: rule, message: message)
    }
}
