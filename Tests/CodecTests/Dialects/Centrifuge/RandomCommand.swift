@testable import Codec

/// A command of chance, written in JSON and in Protobuf.
struct RandomCommand {
    let name: String
    private(set) var json = ""
    private(set) var protobuf: [UInt8] = []

    private struct Fields {
        var json: [String] = []
        var protobuf: [[UInt8]] = []

        var object: String { "{" + json.joined(separator: ",") + "}" }
        var message: [UInt8] { protobuf.flatMap { $0 } }
    }

    init(_ numbers: inout SeededNumbers) {
        let methods: [(String, UInt64)] = [
            ("connect", 4), ("subscribe", 5), ("unsubscribe", 6), ("publish", 7), ("presence", 8),
            ("presence_stats", 9), ("history", 10), ("ping", 11), ("send", 12), ("rpc", 13), ("refresh", 14),
            ("sub_refresh", 15),
        ]
        let (name, number) = methods[Int.random(in: 0..<methods.count, using: &numbers)]
        self.name = name
        let body = Self.body(name, &numbers)
        let ids: [UInt64] = [0, 1, 7, 300, 4_294_967_295]
        let id = ids.randomElement(using: &numbers) ?? 1
        json = "{\"id\":\(id),\"\(name)\":\(body.object)}"
        protobuf = (id == 0 ? [] : Proto.number(1, id)) + Proto.bytes(number, body.message)
    }

    private static func body(_ name: String, _ numbers: inout SeededNumbers) -> Fields {
        var fields = Fields()
        switch name {
        case "connect":
            text("token", 1, &fields, &numbers)
            data(2, &fields, &numbers)
            text("name", 4, &fields, &numbers)
            text("version", 5, &fields, &numbers)
            count("flag", 7, [0, 1, 5], &fields, &numbers)
            map("subs", 3, &fields, &numbers) { body("subscribe", &$0) }
            headers(&fields, &numbers)
        case "subscribe":
            text("channel", 1, &fields, &numbers)
            text("token", 2, &fields, &numbers)
            flag("recover", 3, &fields, &numbers)
            text("epoch", 6, &fields, &numbers)
            count("offset", 7, [0, 1, 1 << 40, .max], &fields, &numbers)
            data(8, &fields, &numbers)
            flag("positioned", 9, &fields, &numbers)
            text("delta", 12, from: ["", "fossil", "xdelta"], &fields, &numbers)
            count("flag", 14, [0, 1, 2, 3], &fields, &numbers)
            if Bool.random(using: &numbers), Bool.random(using: &numbers) {
                count("type", 15, [0, 1], &fields, &numbers)
                text("cursor", 17, from: ["", "c"], &fields, &numbers)
                limit(18, &fields, &numbers)
                flag("asc", 19, &fields, &numbers)
            }
            if Int.random(in: 0..<3, using: &numbers) == 0 {
                let node = filter(3, &numbers)
                fields.json.append("\"tf\":" + node.object)
                fields.protobuf.append(Proto.bytes(13, node.message))
            }
        case "publish":
            text("channel", 1, &fields, &numbers)
            data(2, &fields, &numbers)
            text("key", 4, from: ["", "k"], &fields, &numbers)
        case "history":
            text("channel", 1, &fields, &numbers)
            limit(7, &fields, &numbers)
            flag("reverse", 9, &fields, &numbers)
            if Bool.random(using: &numbers) {
                var since = Fields()
                count("offset", 1, [0, 5, 1 << 60], &since, &numbers)
                text("epoch", 2, &since, &numbers)
                fields.json.append("\"since\":" + since.object)
                fields.protobuf.append(Proto.bytes(8, since.message))
            }
        case "unsubscribe", "presence", "presence_stats": text("channel", 1, &fields, &numbers)
        case "refresh": text("token", 1, &fields, &numbers)
        case "sub_refresh":
            text("channel", 1, &fields, &numbers)
            text("token", 2, &fields, &numbers)
            count("type", 3, [0, 0, 1], &fields, &numbers)
        case "send", "rpc": data(1, &fields, &numbers)
        default: break
        }
        return fields
    }

    private static func filter(_ depth: Int, _ numbers: inout SeededNumbers) -> Fields {
        var fields = Fields()
        if depth > 0, Bool.random(using: &numbers) {
            text("op", 1, from: ["and", "or", "not", "xor"], &fields, &numbers)
            let nodes = (0..<Int.random(in: 0...3, using: &numbers)).map { _ in filter(depth - 1, &numbers) }
            fields.json.append("\"nodes\":[" + nodes.map(\.object).joined(separator: ",") + "]")
            fields.protobuf += nodes.map { Proto.bytes(6, $0.message) }
        } else {
            text("key", 2, from: ["a", "b\\"], &fields, &numbers)
            text("cmp", 3, from: ["eq", "neq", "in", "ex", "sw", "lt", "like"], &fields, &numbers)
            text("val", 4, from: ["", "1", "x\"y"], &fields, &numbers)
            let values = (0..<Int.random(in: 0...2, using: &numbers)).map { "v\($0)\n" }
            fields.json.append("\"vals\":[" + values.map { string($0, &numbers) }.joined(separator: ",") + "]")
            fields.protobuf += values.map { Proto.text(5, $0) }
        }
        return fields
    }

    private static let texts = [
        "", "chat:1", "news", "a b", "$all", "é日本🙂", "with \"quotes\"", "back\\slash", "line\nbreak", "\\u0041",
        "\u{0}",
        "token.token.token",
    ]

    private static func text(
        _ name: String, _ number: UInt64, from values: [String] = texts, _ fields: inout Fields,
        _ numbers: inout SeededNumbers
    ) {
        guard Int.random(in: 0..<4, using: &numbers) > 0, let value = values.randomElement(using: &numbers) else {
            return
        }
        // What the machine compares is written without escapes, as every client does.
        let isPlain = name == "delta"
        fields.json.append("\"\(name)\":" + (isPlain ? "\"\(value)\"" : string(value, &numbers)))
        fields.protobuf.append(Proto.text(number, value))
    }

    /// A JSON string with some of its characters escaped for no reason.
    private static func string(_ text: String, _ numbers: inout SeededNumbers) -> String {
        var written = "\""
        for scalar in text.unicodeScalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            if mustEscape || (scalar.value < 0x80 && Int.random(in: 0..<8, using: &numbers) == 0) {
                let digits = String(scalar.value, radix: 16)
                written += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            } else {
                written.unicodeScalars.append(scalar)
            }
        }
        return written + "\""
    }

    private static func count(
        _ name: String, _ number: UInt64, _ values: [UInt64], _ fields: inout Fields, _ numbers: inout SeededNumbers
    ) {
        guard Bool.random(using: &numbers), let value = values.randomElement(using: &numbers) else { return }
        fields.json.append("\"\(name)\":\(value)")
        fields.protobuf.append(Proto.number(number, value))
    }

    private static func limit(_ number: UInt64, _ fields: inout Fields, _ numbers: inout SeededNumbers) {
        guard Bool.random(using: &numbers), let value = [0, 1, -1, 300].randomElement(using: &numbers) else { return }
        fields.json.append("\"limit\":\(value)")
        fields.protobuf.append(Proto.number(number, UInt64(bitPattern: Int64(value))))
    }

    private static func flag(
        _ name: String, _ number: UInt64, _ fields: inout Fields, _ numbers: inout SeededNumbers
    ) {
        guard Bool.random(using: &numbers) else { return }
        let value = Bool.random(using: &numbers)
        fields.json.append("\"\(name)\":\(value)")
        fields.protobuf.append(Proto.number(number, value ? 1 : 0))
    }

    private static func data(_ number: UInt64, _ fields: inout Fields, _ numbers: inout SeededNumbers) {
        let values = ["1", "null", "{\"a\":[1,2,{}]}", " \"x\\n\" ", "true"]
        guard Int.random(in: 0..<4, using: &numbers) > 0, let value = values.randomElement(using: &numbers) else {
            return
        }
        let written = value.filter { $0 != " " }
        fields.json.append("\"data\":" + (Bool.random(using: &numbers) ? " " : "") + written)
        fields.protobuf.append(Proto.text(number, written))
    }

    private static func map(
        _ name: String, _ number: UInt64, _ fields: inout Fields, _ numbers: inout SeededNumbers,
        _ entry: (inout SeededNumbers) -> Fields
    ) {
        guard Bool.random(using: &numbers) else { return }
        var entries: [String] = []
        for key in texts.prefix(Int.random(in: 0...texts.count, using: &numbers)) {
            let value = entry(&numbers)
            entries.append(string(key, &numbers) + ":" + value.object)
            fields.protobuf.append(Proto.bytes(number, Proto.text(1, key) + Proto.bytes(2, value.message)))
        }
        fields.json.append("\"\(name)\":{" + entries.joined(separator: ",") + "}")
    }

    private static func headers(_ fields: inout Fields, _ numbers: inout SeededNumbers) {
        guard Bool.random(using: &numbers) else { return }
        var entries: [String] = []
        for index in 0..<Int.random(in: 0...3, using: &numbers) {
            let value = ["", "plain", "é", "bad\n"].randomElement(using: &numbers) ?? ""
            entries.append("\"X-\(index)\":" + string(value, &numbers))
            fields.protobuf.append(Proto.bytes(6, Proto.text(1, "X-\(index)") + Proto.text(2, value)))
        }
        fields.json.append("\"headers\":{" + entries.joined(separator: ",") + "}")
    }
}
