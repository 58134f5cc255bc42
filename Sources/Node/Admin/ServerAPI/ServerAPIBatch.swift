import Codec

/// `{"commands":[{"publish":{…}},{"info":{}}],"parallel":true}`
struct ServerAPIBatch {
    struct Entry {
        /// Nil for a command that names none that is served.
        var method: ServerAPIMethod?
        var command: Result<ServerAPICommand, ServerAPIError>
    }

    var commands: [Entry]
    var isParallel: Bool

    init(_ body: [UInt8], _ limits: ServerAPILimits) throws(ServerAPIError) {
        let fields = try ServerAPIFields(body, known: ["commands", "parallel"])
        isParallel = try fields.flag("parallel")
        let raw = try fields.list("commands") ?? []
        guard raw.count <= ServerAPILimits.maximumCommands else {
            throw .unreadable("'commands' has at most \(ServerAPILimits.maximumCommands) commands")
        }
        commands = []
        for command in raw { commands.append(try Self.entry(command, limits)) }
    }

    private static func entry(_ raw: [UInt8], _ limits: ServerAPILimits) throws(ServerAPIError) -> Entry {
        // One that is not there is refused for itself; the others are carried out.
        if raw.elementsEqual("null".utf8) { return Entry(command: .failure(.badRequest("the command is null"))) }
        let known = ServerAPIMethod.allCases.map(\.rawValue) + ServerAPIMethod.unserved
        let fields = try ServerAPIFields(raw, known: known)
        guard let name = known.first(where: { fields.value($0) != nil }) else {
            return Entry(command: .failure(.notFound("the command names no method")))
        }
        guard let method = ServerAPIMethod(name.utf8) else {
            return Entry(command: .failure(ServerAPIMethod.refusal(of: name.utf8)))
        }
        do throws(ServerAPIError) {
            return Entry(
                method: method, command: .success(try ServerAPICommand(method, fields.value(name) ?? [], limits)))
        } catch {
            guard !error.isUnreadable else { throw error }
            return Entry(method: method, command: .failure(error))
        }
    }
}

/// One command of the older form, in which a body has several: JSON values one after the other.
struct ServerAPILine {
    /// Of the command, for its reply; 0 for none.
    var id: UInt64
    /// As it was given.
    var name: String
    var method: ServerAPIMethod?
    var parameters: [UInt8]

    static func read(_ body: [UInt8]) throws(ServerAPIError) -> [ServerAPILine] {
        let values = body.withUnsafeBytes { bytes -> [[UInt8]]? in
            guard UTF8Validator.isValid(bytes) else { return nil }
            var scanner = JSONScanner(bytes)
            var values: [[UInt8]] = []
            while !scanner.isAtEnd {
                guard values.count < ServerAPILimits.maximumCommands, let raw = scanner.value() else { return nil }
                values.append(Array(raw))
            }
            return values
        }
        guard let values, !values.isEmpty else {
            throw .unreadable(
                "the body has to be 1 to \(ServerAPILimits.maximumCommands) JSON objects, one in each line")
        }
        var lines: [ServerAPILine] = []
        for value in values { lines.append(try line(value)) }
        return lines
    }

    private static func line(_ raw: [UInt8]) throws(ServerAPIError) -> ServerAPILine {
        let fields = try ServerAPIFields(raw, known: ["id", "method", "params"])
        let given = fields.value("method")
        let name: String
        if given?.first == UInt8(ascii: "\"") {
            name = (try fields.string("method") ?? "").lowercased()
        } else if let known = ServerAPIMethod.name(numbered: try fields.number("method") ?? 0) {
            name = known
        } else {
            name = "number \(String(decoding: given ?? [], as: UTF8.self))"
        }
        return ServerAPILine(
            id: try fields.unsigned("id") ?? 0, name: name, method: ServerAPIMethod(name.utf8),
            parameters: fields.value("params") ?? Array("{}".utf8))
    }
}
