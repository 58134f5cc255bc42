import Codec
import Yams

/// Reads the YAML file and the environment, strictly: what is not understood is an error, and all errors are reported
/// at once.
package struct ConfigurationReader {
    /// The largest file, in bytes.
    package static let maximumFileBytes = 1 << 20
    /// What is said of a larger one.
    static let tooLarge = "the file has more than \(maximumFileBytes) bytes"

    /// Where a key was set.
    private struct Location {
        let source: String
        let mark: Mark?
        /// The environment variable; nil in a file.
        var variable: String?
    }

    private let environment: [String: String]
    private var source = ""
    var configuration = Configuration()
    private(set) var problems: [ConfigurationError.Problem] = []
    private var warnings: [ConfigurationError.Problem] = []
    /// Variables that the file expands: they are nobody's spelling mistake.
    private var expanded: Set<String> = []
    /// By path, and where the rules of `channels` begin.
    private var locations: [String: Location] = [:]
    var rulePlaces: [Mark?] = []
    /// Rules of which a part could not be read.
    var failedRules: Set<Int> = []
    /// Keys and sections that could not be read: nothing is concluded from them.
    private var failed: Set<String> = []

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
        reader.configuration.resolveRedisURL()
        for finding in reader.configuration.findings { reader.report(finding) }
        guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
        reader.configuration.warnings = reader.warnings
        reader.configuration.places = reader.locations.mapValues { location in
            ConfigurationPlace(
                source: location.variable ?? location.source, line: location.mark?.line,
                isVariable: location.variable != nil)
        }
        return reader.configuration
    }

    mutating func report(_ message: String, at mark: Mark?) {
        problems.append(.init(source: source, line: mark?.line, column: mark?.column, message: message))
    }

    /// A finding about keys that were read, at the place of the first of them that is set.
    private mutating func report(_ finding: ConfigurationFinding) {
        let isKnown = finding.paths.allSatisfy { path in
            !failed.contains { $0 == path || path.hasPrefix("\($0).") || $0.hasPrefix("\(path).") }
        }
        guard isKnown, finding.rule.map({ !failedRules.contains($0) }) ?? true else { return }
        var location = finding.paths.compactMap { self.location(of: $0) }.first
        if let rule = finding.rule, rule < rulePlaces.count, let mark = rulePlaces[rule] {
            location = Location(source: location?.source ?? source, mark: mark)
        }
        let problem = ConfigurationError.Problem(
            source: location?.source ?? source, line: location?.mark?.line, column: location?.mark?.column,
            message: finding.message)
        switch finding.severity {
        case .error: problems.append(problem)
        case .warning: warnings.append(problem)
        }
    }

    /// Of a key, or of the first of a section that is set.
    private func location(of path: String) -> Location? {
        locations[path] ?? locations.filter { $0.key.hasPrefix("\(path).") }.min { $0.key < $1.key }?.value
    }

    // MARK: The file

    private mutating func readFile(_ text: String) {
        guard text.utf8.count <= Self.maximumFileBytes else {
            return report(Self.tooLarge, at: nil)
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
            let names = keys.map { "'\($0)'" }.joined(separator: ", ")
            report("duplicate key: \(names) is set twice in one section; keep one of them", at: context.mark)
        default:
            report("this is not YAML: \(error)", at: nil)
        }
    }

    private mutating func readSection(_ node: Node, path: String) {
        guard case .mapping(let mapping) = node else {
            let location = path.isEmpty ? "the file" : "'\(path)'"
            return report(
                "\(location) has to be a mapping of keys to values, not \(Self.kind(of: node))", at: node.mark)
        }
        for (keyNode, value) in mapping {
            guard let key = keyNode.string else {
                report("a key has to be text", at: keyNode.mark)
                continue
            }
            let full = path.isEmpty ? key : "\(path).\(key)"
            let isList = ConfigurationKey.lists.contains { $0.path == full }
            if let known = ConfigurationKey.byPath[full] {
                guard isFirst(full, at: keyNode.mark) else { continue }
                readValue(value, known)
            } else if isList {
                guard isFirst(full, at: keyNode.mark) else { continue }
                readListNoting(value, full)
            } else if ConfigurationKey.sections.contains(full) {
                readSection(value, path: full)
            } else {
                reportUnknown(full, in: path, at: keyNode.mark)
            }
        }
    }

    /// A key may be written nested or with dots, but not both.
    private mutating func isFirst(_ path: String, at mark: Mark?) -> Bool {
        guard let earlier = locations[path] else {
            locations[path] = Location(source: source, mark: mark)
            return true
        }
        let line = earlier.mark.map { ", first in line \($0.line)" } ?? ""
        report("'\(path)' is set twice\(line): set it in one place", at: mark)
        failed.insert(path)
        return false
    }

    /// Reads a list, and remembers whether something was wrong with it.
    private mutating func readListNoting(_ node: Node, _ path: String) {
        let before = problems.count
        configuration.given[path] = ""
        readList(node, path)
        // What is wrong with one rule says nothing about the others.
        if problems.count > before, path != "channels" { failed.insert(path) }
    }

    mutating func reportUnknown(_ full: String, in section: String, at mark: Mark?) {
        let prefix = section.isEmpty ? "" : "\(section)."
        let paths = ConfigurationKey.all.map(\.path) + ConfigurationKey.lists.map(\.path)
        let siblings = Set(
            paths.filter { $0.hasPrefix(prefix) }.map {
                prefix + ($0.dropFirst(prefix.count).split(separator: ".").first ?? "")
            })
        report(unknown("key", full, nearest: siblings), at: mark)
        // What was meant is not known, so nothing is concluded from its absence.
        if let meant = Nearest.name(to: full, among: siblings) {
            failed.insert(meant)
        } else if !section.isEmpty {
            failed.insert(section)
        }
    }

    func unknown(_ what: String, _ name: String, nearest names: some Sequence<String>) -> String {
        let sorted = names.sorted()
        if let nearest = Nearest.name(to: name, among: sorted) {
            return "unknown \(what) '\(name)'; did you mean '\(nearest)'?"
        }
        return "unknown \(what) '\(name)'; right would be \(sorted.joined(separator: ", "))"
    }

    private mutating func readValue(_ node: Node, _ key: ConfigurationKey) {
        guard key.takesSeveral, case .sequence(let sequence) = node else { return readScalar(node, key) }
        var texts: [String] = []
        let before = problems.count
        for entry in sequence {
            guard let text = scalar(entry, "an entry of '\(key.path)'", key.type) else { continue }
            do {
                var scratch = Configuration()
                try key.set(&scratch, text)
                texts.append(text)
            } catch {
                report("'\(key.path)': \(error.message)", at: entry.mark)
            }
        }
        if problems.count > before {
            failed.insert(key.path)
        } else {
            set(key, texts.joined(separator: ","), at: node.mark)
        }
    }

    private mutating func readScalar(_ node: Node, _ key: ConfigurationKey) {
        if let text = scalar(node, "'\(key.path)'", key.type) {
            set(key, text, at: node.mark)
        } else {
            failed.insert(key.path)
        }
    }

    private mutating func set(_ key: ConfigurationKey, _ text: String, at mark: Mark?) {
        do {
            try key.set(&configuration, text)
            configuration.given[key.path] = text
        } catch {
            report("'\(key.path)': \(error.message)", at: mark)
            failed.insert(key.path)
        }
    }

    /// The text of a scalar with its variables expanded.
    mutating func scalar(_ node: Node, _ location: String, _ type: String) -> String? {
        guard case .scalar(let scalar) = node else {
            report("\(location) has to be one value (\(type)), not \(Self.kind(of: node))", at: node.mark)
            return nil
        }
        if scalar.string.isEmpty || (scalar.style == .plain && ["null", "~"].contains(scalar.string)) {
            report("\(location) has no value; right would be a value (\(type)), or to leave the key out", at: node.mark)
            return nil
        }
        guard let text = expand(scalar.string, at: node.mark) else { return nil }
        guard !text.isEmpty else {
            report("\(location) is empty: the environment variable in it has no value", at: node.mark)
            return nil
        }
        return text
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
        let keys = Dictionary(ConfigurationKey.all.map { ($0.variable, $0) }) { first, _ in first }
        let lists = Dictionary(ConfigurationKey.lists.map { (ConfigurationKey.variable(of: $0.path), $0.path) }) {
            first, _ in first
        }
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("CARILLON_") {
            source = "environment variable \(name)"
            if let path = keys[name]?.path ?? lists[name] {
                locations[path] = Location(source: source, mark: nil, variable: name)
                failed.remove(path)
                guard !text.isEmpty else {
                    report("it is empty: give it a value, or unset it", at: nil)
                    failed.insert(path)
                    continue
                }
                if let key = keys[name] { readVariable(text, key) } else { readVariable(text, list: path) }
            } else {
                check(Misspelling(name, among: Array(keys.keys) + Array(lists.keys), expanded: expanded), name)
            }
        }
        source = file
    }

    private mutating func check(_ misspelling: Misspelling?, _ name: String) {
        source = "environment"
        switch misspelling {
        case .mistake(let names):
            report("unknown variable '\(name)'; did you mean \(Misspelling.list(names))?", at: nil)
        case .incomplete(let names):
            warnings.append(
                .init(
                    source: source, line: nil, column: nil,
                    message: "the variable '\(name)' sets no key; did you mean \(Misspelling.list(names))?"))
        case nil: break
        }
    }

    private mutating func readVariable(_ text: String, _ key: ConfigurationKey) {
        do {
            try key.set(&configuration, text)
            configuration.given[key.path] = text
        } catch {
            report(error.message, at: nil)
            failed.insert(key.path)
        }
    }

    /// A list replaces that of the file. Rules and keys of tokens are YAML, everything else has commas between its entries.
    private mutating func readVariable(_ text: String, list path: String) {
        configuration.clearList(path)
        guard ConfigurationKey.structuredLists.contains(path) else {
            let entries = Value.commaSeparated(text).map { Node($0, Tag(.str), .doubleQuoted) }
            return readListNoting(Node(entries), path)
        }
        if path == "channels" {
            rulePlaces = []
            failedRules = []
        }
        do {
            guard let node = try Yams.compose(yaml: text) else {
                return report("it is empty: give it a value, or unset it", at: nil)
            }
            readListNoting(node, path)
        } catch let error as YamlError {
            report(error)
        } catch {
            report("\(error)", at: nil)
        }
    }
}
