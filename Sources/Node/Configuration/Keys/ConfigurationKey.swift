/// A key of the configuration: its name, what it takes, what it does, and when a reload applies it. One table serves the reader, the
/// environment, the commented defaults, reloads and the documentation, so that they cannot tell different stories.
package struct ConfigurationKey: Sendable {
    /// `section.key`
    package let path: String
    package let type: String
    /// As it would be written in YAML.
    package let defaultText: String
    /// When a reload applies another value. Some changes are exceptions: see `ReloadEffect.of`.
    package let reload: ReloadEffect
    package let summary: String
    package let isSecret: Bool
    /// Whether a list of such values is possible too. `set` then takes several with commas between them.
    package let takesSeveral: Bool
    let set: @Sendable (inout Configuration, String) throws(ValueError) -> Void

    init(
        _ path: String, _ type: String, default defaultText: String, reload: ReloadEffect, isSecret: Bool = false,
        takesSeveral: Bool = false, _ summary: String,
        set: @escaping @Sendable (inout Configuration, String) throws(ValueError) -> Void
    ) {
        self.path = path
        self.type = type
        self.defaultText = defaultText
        self.reload = reload
        self.summary = summary
        self.isSecret = isSecret
        self.takesSeveral = takesSeveral
        self.set = set
    }

    /// The variable that overrides it.
    package var variable: String { Self.variable(of: path) }

    /// The variable that overrides a key or a list.
    package static func variable(of path: String) -> String {
        "CARILLON_" + path.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }
}

extension ConfigurationKey {
    /// Every scalar key, in the order of the documentation. Each section is declared in a file of its own.
    package static let all: [ConfigurationKey] =
        node + client + admin + backplane + authentication + upstream + sizeLimits + connectLimits + rateLimits
        + polling + resume + liveness + drain
        + log

    package static let byPath: [String: ConfigurationKey] = Dictionary(
        uniqueKeysWithValues: all.map { ($0.path, $0) })

    /// Every path that has keys below it.
    static let sections: Set<String> = {
        var found: Set<String> = [""]
        for path in all.map(\.path) + lists.map(\.path) {
            var parts = path.split(separator: ".")
            while parts.count > 1 {
                parts.removeLast()
                found.insert(parts.joined(separator: "."))
            }
        }
        return found
    }()
}
