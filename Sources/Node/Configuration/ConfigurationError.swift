/// Everything that is wrong with a configuration, each with its place and what would be right.
package struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    package struct Problem: Equatable, Sendable, CustomStringConvertible {
        /// A file, or the name of an environment variable.
        package let source: String
        /// From 1.
        package let line: Int?
        package let column: Int?
        package let message: String

        package var description: String {
            guard let line, let column else { return "\(source): \(message)" }
            return "\(source):\(line):\(column): \(message)"
        }
    }

    package let problems: [Problem]

    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
