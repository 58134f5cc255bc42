/// What a variable named `CARILLON_…` that no key has probably means.
///
/// Others have such names too: the command line's own, those an application reads its secrets from, those of HAProxy's
/// files, and those Kubernetes sets for a Service called carillon. So a variable is only a mistake when a known one is near.
enum Misspelling: Equatable {
    /// The nearest variables: the node does not start.
    case mistake([String])
    /// Variables that end like this one, such as CARILLON_BACKPLANE_REDIS_URL for CARILLON_REDIS_URL. It may be a secret
    /// that some file expands, so the node starts and says it.
    case incomplete([String])

    private static let prefix = "CARILLON_"

    /// The command line's, which no key has.
    static let commandLine: Set<String> = ["CARILLON_CONFIG", "CARILLON_ADMIN", "CARILLON_CA", "CARILLON_TOKEN_SECRET"]

    /// How many names are said at the most.
    private static let maximumNames = 3

    /// Nil if the variable is somebody else's.
    ///
    /// - Parameters:
    ///   - known: The variables of all keys.
    ///   - expanded: Variables that the file asks for by `${NAME}`.
    init?(_ name: String, among known: [String], expanded: Set<String>) {
        guard !Self.commandLine.contains(name), !expanded.contains(name) else { return nil }
        let short = name.dropFirst(Self.prefix.count)
        // In a short name a few letters are a large part.
        let limit = min(3, max(1, short.utf8.count / 5))
        let near = Nearest.names(to: name, among: known, within: limit, atMost: Self.maximumNames)
        if !near.isEmpty {
            self = .mistake(near)
        } else {
            let longer = known.filter { short.contains("_") && $0.hasSuffix("_\(short)") }.sorted()
            guard !longer.isEmpty else { return nil }
            self = .incomplete(Array(longer.prefix(Self.maximumNames)))
        }
    }

    /// `'A' or 'B'`
    static func list(_ names: [String]) -> String { names.map { "'\($0)'" }.joined(separator: " or ") }
}
