import Codec

/// The members of a JSON body, strictly: unknown ones are refused, and so is one that comes twice. One that is null is not set, but for
/// `data`, whose value may be null.
struct APIFields {
    private var members: [(name: String, value: [UInt8])] = []

    /// - Parameters:
    ///   - body: An empty one is an object without members.
    ///   - known: The names of all members there may be.
    init(_ body: [UInt8], known: [String]) throws(APIError) {
        guard !body.isEmpty else { return }
        var members: [(name: String, value: [UInt8])] = []
        let failure = body.withUnsafeBytes { bytes -> APIError? in
            guard UTF8Validator.isValid(bytes) else {
                return .badRequest("invalid_json", "the body is not valid UTF-8")
            }
            var scanner = JSONScanner(bytes)
            var failure: APIError?
            let isWhole = scanner.members { key, scanner in
                guard let name = known.first(where: { $0.utf8.elementsEqual(key) }) else {
                    failure = Self.unknown(String(decoding: key, as: UTF8.self), known)
                    return false
                }
                guard let raw = scanner.value() else { return false }
                guard !members.contains(where: { $0.name == name }) else {
                    failure = .badRequest("invalid_field", "'\(name)' is there twice")
                    return false
                }
                members.append((name, Array(raw)))
                return true
            }
            if let failure { return failure }
            guard isWhole, scanner.isAtEnd else {
                return .badRequest("invalid_json", "the body has to be a JSON object")
            }
            return nil
        }
        if let failure { throw failure }
        self.members = members.filter { $0.name == "data" || !$0.value.elementsEqual("null".utf8) }
    }

    private static func unknown(_ key: String, _ known: [String]) -> APIError {
        let nearest = Nearest.name(to: key, among: known).map { "; did you mean '\($0)'?" }
        return .badRequest(
            "unknown_field",
            "unknown field '\(key.prefix(64))'\(nearest ?? "; known are \(known.joined(separator: ", "))")"
        )
    }

    /// The value as it is written.
    func value(_ name: String) -> [UInt8]? { members.first { $0.name == name }?.value }

    private func read<Value>(
        _ name: String, _ expected: String, _ body: (inout JSONScanner) -> Value?
    ) throws(APIError) -> Value? {
        guard let raw = value(name) else { return nil }
        let value = raw.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return body(&scanner)
        }
        guard let value else { throw .badRequest("invalid_field", "'\(name)' has to be \(expected)") }
        return value
    }

    func text(_ name: String) throws(APIError) -> String? {
        try read(name, "a text") { scanner in scanner.text() }.map { String(decoding: $0, as: UTF8.self) }
    }

    func flag(_ name: String) throws(APIError) -> Bool {
        try read(name, "true or false") { scanner in scanner.boolean() } ?? false
    }

    /// A moment in whole seconds since 1970.
    func time(_ name: String) throws(APIError) -> Int64? {
        let number = try read(name, "a whole number of seconds since 1970") { scanner in scanner.unsigned() }
        guard let number else { return nil }
        guard let time = Int64(exactly: number), time <= Revocation.latestTime else {
            throw .badRequest("invalid_field", "'\(name)' has to be in seconds since 1970, not in milliseconds")
        }
        return time
    }

    func unsigned(_ name: String) throws(APIError) -> UInt64? {
        try read(name, "a whole number from 0 on") { scanner in scanner.unsigned() }
    }

    func channel(_ name: String) throws(APIError) -> ChannelName? {
        guard let text = try text(name) else { return nil }
        do {
            return try ChannelName(validating: Array(text.utf8))
        } catch {
            throw .badRequest("invalid_channel", "\(error)")
        }
    }

    /// Ids of connections.
    func connections(_ name: String, limit: Int) throws(APIError) -> [String]? {
        let texts = try read(name, "a list of connection ids") { scanner in scanner.texts() }
        guard let texts else { return nil }
        let ids = texts.map { String(decoding: $0, as: UTF8.self) }
        guard ids.count <= limit, ids.allSatisfy({ SessionID($0) != nil }) else {
            throw .badRequest("invalid_field", "'\(name)' has to be a list of at most \(limit) connection ids")
        }
        return ids
    }

    /// The values of a list, as they are written.
    func list(_ name: String) throws(APIError) -> [[UInt8]]? {
        try read(name, "a list") { scanner in scanner.values() }
    }
}
