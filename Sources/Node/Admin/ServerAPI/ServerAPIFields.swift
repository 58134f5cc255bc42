import Codec

/// The members of a JSON object: where each of those lies whose name is known. A value is looked at when it is asked for.
///
/// Names that are not known are passed over, as Centrifugo does: its client libraries are newer or older than the server. A
/// member that is there twice counts as the last one says. One that is null is not set.
struct ServerAPIFields {
    private let bytes: [UInt8]
    private var members: [(name: String, range: Range<Int>)] = []

    /// - Parameter bytes: UTF-8 that is checked already, or is checked here.
    init(_ bytes: [UInt8], known: [String]) throws(ServerAPIError) {
        self.bytes = bytes
        let found = bytes.withUnsafeBytes { bytes -> [(String, Range<Int>)]? in
            guard UTF8Validator.isValid(bytes) else { return nil }
            var scanner = JSONScanner(bytes)
            var found: [(String, Range<Int>)] = []
            let isWhole = scanner.members { key, scanner in
                guard let raw = scanner.value() else { return false }
                guard let name = known.first(where: { $0.utf8.elementsEqual(key) }) else { return true }
                found.removeAll { $0.0 == name }
                found.append((name, scanner.index - raw.count..<scanner.index))
                return true
            }
            return isWhole && scanner.isAtEnd ? found : nil
        }
        guard let found else { throw .unreadable("the body has to be a JSON object") }
        members = found.filter { !bytes[$0.1].elementsEqual("null".utf8) || $0.0 == Self.nullable }
    }

    /// The one field whose value may be null.
    private static let nullable = "data"

    /// The value as it is written.
    func value(_ name: String) -> [UInt8]? { members.first { $0.name == name }.map { Array(bytes[$0.range]) } }

    private func read<Value>(
        _ name: String, _ expected: String, _ body: (inout JSONScanner) -> Value?
    ) throws(ServerAPIError) -> Value? {
        guard let raw = value(name) else { return nil }
        let value = raw.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return body(&scanner)
        }
        guard let value else { throw .unreadable("'\(name)' has to be \(expected)") }
        return value
    }

    func text(_ name: String) throws(ServerAPIError) -> [UInt8]? {
        try read(name, "a text") { scanner in scanner.text() }
    }

    func string(_ name: String) throws(ServerAPIError) -> String? {
        try text(name).map { String(decoding: $0, as: UTF8.self) }
    }

    func texts(_ name: String) throws(ServerAPIError) -> [[UInt8]]? {
        try read(name, "a list of texts") { scanner in scanner.texts() }
    }

    func flag(_ name: String) throws(ServerAPIError) -> Bool {
        try read(name, "true or false") { scanner in scanner.boolean() } ?? false
    }

    /// A whole number from 0 to 2^64 - 1.
    func unsigned(_ name: String) throws(ServerAPIError) -> UInt64? {
        try read(name, "a whole number from 0 on") { scanner in scanner.unsigned() }
    }

    /// A whole number of 64 bits.
    func number(_ name: String) throws(ServerAPIError) -> Int64? {
        try read(name, "a whole number") { scanner in
            scanner.value().flatMap { String(validating: $0, as: UTF8.self) }.flatMap { Int64($0) }
        }
    }

    func object(_ name: String, known: [String]) throws(ServerAPIError) -> ServerAPIFields? {
        guard let raw = value(name) else { return nil }
        guard raw.first == UInt8(ascii: "{") else { throw .unreadable("'\(name)' has to be an object") }
        return try ServerAPIFields(raw, known: known)
    }

    func tags(_ name: String) throws(ServerAPIError) -> PublicationTags? {
        guard let read = try read(name, "an object of texts", { scanner in PublicationTags.read(&scanner) }) else {
            return nil
        }
        switch read {
        case .success(let tags): return tags
        case .failure(let error): throw .badRequest("'\(name)': \(error)")
        }
    }

    /// The values of a list.
    func list(_ name: String) throws(ServerAPIError) -> [[UInt8]]? {
        try read(name, "a list") { scanner in scanner.values() }
    }

    /// Whether a member says something else than not being there would: null, false, 0, an empty text, list or object are
    /// what it is when it is left out.
    func isSet(_ name: String) -> Bool {
        guard let raw = value(name) else { return false }
        let nothing = ["null", "false", "0", "\"\"", "[]", "{}"]
        return !nothing.contains { $0.utf8.elementsEqual(raw.filter { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) }
    }
}

extension JSONScanner {
    /// The next value as its parts, as they are written, if it is a list.
    mutating func values() -> [[UInt8]]? {
        guard skip(UInt8(ascii: "[")) else { return nil }
        if skip(UInt8(ascii: "]")) { return [] }
        var all: [[UInt8]] = []
        repeat {
            guard let raw = value() else { return nil }
            all.append(Array(raw))
        } while skip(UInt8(ascii: ","))
        return skip(UInt8(ascii: "]")) ? all : nil
    }
}
