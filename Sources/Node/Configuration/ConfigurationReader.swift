import Codec
import Yams

/// Reads the YAML file and the environment, strictly: what is not understood is an error, and all errors are reported
/// at once.
package struct ConfigurationReader {
    /// The largest file, in bytes.
    package static let maximumFileBytes = 1 << 20

    private let environment: [String: String]
    private var source = ""
    var configuration = Configuration()
    private var problems: [ConfigurationError.Problem] = []
    /// Variables that the file expands: they are nobody's spelling mistake.
    private var expanded: Set<String> = []

    /// Variables that are the command line's.
    static let otherVariables: Set<String> = ["CARILLON_CONFIG", "CARILLON_ADMIN"]

    private init(environment: [String: String]) { self.environment = environment }

    /// - Parameters:
    ///   - text: The file's content, or nil for none.
    ///   - source: What the file is called in errors.
    package static func read(
        _ text: String?, source: String, environment: [String: String]
    ) throws(ConfigurationError) -> Configuration {
        var reader = ConfigurationReader(environment: environment)
        reader.source = source
        if let text { reader.readFile(text) }
        reader.readEnvironment()
        if reader.problems.isEmpty {
            for contradiction in reader.configuration.contradictions {
                reader.report(contradiction, at: nil)
            }
        }
        guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
        return reader.configuration
    }

    mutating func report(_ message: String, at mark: Mark?) {
        problems.append(.init(source: source, line: mark?.line, column: mark?.column, message: message))
    }

    // MARK: The file

    private mutating func readFile(_ text: String) {
        guard text.utf8.count <= Self.maximumFileBytes else {
            return report("the file has more than \(Self.maximumFileBytes) bytes", at: nil)
        }
        do {
            guard let root = try Yams.compose(yaml: text) else { return }
            // A file of comments is an empty one.
            if case .scalar(let scalar) = root, scalar.string.isEmpty || scalar.string == "null" { return }
            readSection(root, path: "")
        } catch let error as YamlError {
            report(error)
        } catch {
            report("\(error)", at: nil)
        }
    }

    private mutating func report(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            report("this is not YAML: \(problem)", at: mark)
        case .duplicatedKeysInMapping(let keys, let context):
            report("a key is there twice: \(keys.map { "\($0)" }.joined(separator: ", "))", at: context.mark)
        default:
            report("this is not YAML: \(error)", at: nil)
        }
    }

    private mutating func readSection(_ node: Node, path: String) {
        guard case .mapping(let mapping) = node else {
            let place = path.isEmpty ? "the file" : "'\(path)'"
            return report("\(place) has to be a mapping of keys to values, not \(Self.kind(of: node))", at: node.mark)
        }
        for (keyNode, value) in mapping {
            guard let key = keyNode.string else {
                report("a key has to be text", at: keyNode.mark)
                continue
            }
            let full = path.isEmpty ? key : "\(path).\(key)"
            if let known = ConfigurationKey.byPath[full] {
                readScalar(value, known)
            } else if ConfigurationKey.lists.contains(where: { $0.path == full }) {
                readList(value, full)
            } else if ConfigurationKey.sections.contains(full) {
                readSection(value, path: full)
            } else {
                reportUnknown(full, in: path, at: keyNode.mark)
            }
        }
    }

    mutating func reportUnknown(_ full: String, in section: String, at mark: Mark?) {
        let prefix = section.isEmpty ? "" : "\(section)."
        let paths = ConfigurationKey.all.map(\.path) + ConfigurationKey.lists.map(\.path)
        let siblings = Set(
            paths.filter { $0.hasPrefix(prefix) }.map {
                prefix + ($0.dropFirst(prefix.count).split(separator: ".").first ?? "")
            })
        report(unknown("key", full, nearest: siblings), at: mark)
    }

    func unknown(_ what: String, _ name: String, nearest names: some Sequence<String>) -> String {
        let sorted = names.sorted()
        if let nearest = Nearest.name(to: name, among: sorted) {
            return "unknown \(what) '\(name)'; did you mean '\(nearest)'?"
        }
        return "unknown \(what) '\(name)'; right would be \(sorted.joined(separator: ", "))"
    }

    private mutating func readScalar(_ node: Node, _ key: ConfigurationKey) {
        guard let text = scalar(node, "'\(key.path)'", key.type) else { return }
        do {
            try key.set(&configuration, text)
            configuration.given[key.path] = text
        } catch {
            report("'\(key.path)': \(error.message)", at: node.mark)
        }
    }

    /// The text of a scalar with its variables expanded.
    mutating func scalar(_ node: Node, _ place: String, _ type: String) -> String? {
        guard case .scalar(let scalar) = node else {
            report("\(place) has to be one value (\(type)), not \(Self.kind(of: node))", at: node.mark)
            return nil
        }
        if scalar.string.isEmpty || (scalar.style == .plain && ["null", "~"].contains(scalar.string)) {
            report("\(place) has no value; right would be a value (\(type)), or to leave the key out", at: node.mark)
            return nil
        }
        return expand(scalar.string, at: node.mark)
    }

    /// Replaces each `${NAME}` by the variable's value.
    private mutating func expand(_ text: String, at mark: Mark?) -> String? {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            result += rest[..<start.lowerBound]
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
                report("'${' is not closed by '}'", at: mark)
                return nil
            }
            let name = String(rest[start.upperBound..<end])
            expanded.insert(name)
            guard let value = environment[name] else {
                report("the environment variable \(name) is not set", at: mark)
                return nil
            }
            result += value
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    // MARK: The environment

    private mutating func readEnvironment() {
        let file = source
        let variables = Dictionary(uniqueKeysWithValues: ConfigurationKey.all.map { ($0.variable, $0) })
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("CARILLON_") {
            source = "environment variable \(name)"
            if let key = variables[name] {
                do {
                    try key.set(&configuration, text)
                    configuration.given[key.path] = text
                } catch {
                    report(error.message, at: nil)
                }
            } else if !Self.otherVariables.contains(name), !expanded.contains(name) {
                source = "environment"
                report(unknown("variable", name, nearest: variables.keys), at: nil)
            }
        }
        source = file
    }
}
