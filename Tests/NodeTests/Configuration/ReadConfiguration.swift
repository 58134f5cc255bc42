@testable import Node

/// Reads a configuration file `c.yaml` with this text.
func read(_ text: String?, _ environment: [String: String] = [:]) throws(ConfigurationError) -> Configuration {
    try ConfigurationReader.read(text, source: "c.yaml", environment: environment)
}

/// Everything that is said to be wrong with it.
func errors(_ text: String?, _ environment: [String: String] = [:]) -> [String] {
    do {
        _ = try read(text, environment)
        return []
    } catch {
        return error.problems.map(\.description)
    }
}
