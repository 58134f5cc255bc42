internal import Codec

/// The members of one JSON object, each once, their values as they were written.
///
/// A member that comes twice is refused, because two readers may each believe another one (RFC 8259 4).
struct JSONObject: Sendable {
    /// By name; the values with their quotes and brackets.
    let members: [ForeignText: [UInt8]]

    enum Fault: Error {
        case notAnObject
        case memberTwice
    }

    init(_ bytes: [UInt8]) throws(Fault) {
        var members: [ForeignText: [UInt8]] = [:]
        var fault: Fault = .notAnObject
        let isWhole = bytes.withUnsafeBytes { raw in
            guard UTF8Validator.isValid(raw) else { return false }
            var scanner = JSONScanner(raw)
            let isObject = scanner.members { key, scanner in
                guard let name = Self.name(key), let value = scanner.value() else { return false }
                guard members.updateValue(Array(value), forKey: ForeignText(name)) == nil else {
                    fault = .memberTwice
                    return false
                }
                return true
            }
            return isObject && scanner.isAtEnd
        }
        guard isWhole else { throw fault }
        self.members = members
    }

    /// A name with its escapes resolved, so that `"\u0061lg"` cannot hide a second `"alg"`.
    private static func name(_ raw: UnsafeRawBufferPointer) -> String? {
        Self.string([UInt8(ascii: "\"")] + raw + [UInt8(ascii: "\"")])
    }

    /// The text of a JSON string, or nil for other values.
    static func string(_ value: [UInt8]) -> String? {
        value.withUnsafeBytes { raw in
            var scanner = JSONScanner(raw)
            return scanner.text().map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// The texts of an array of strings, or nil for other values.
    static func strings(_ value: [UInt8]) -> [String]? {
        value.withUnsafeBytes { raw in
            var scanner = JSONScanner(raw)
            return scanner.texts().map { $0.map { String(decoding: $0, as: UTF8.self) } }
        }
    }

    /// The values of an array, or nil for other values and for more than `limit` of them.
    static func values(_ value: [UInt8], limit: Int) -> [[UInt8]]? {
        value.withUnsafeBytes { raw in
            var scanner = JSONScanner(raw)
            guard scanner.skip(UInt8(ascii: "[")) else { return nil }
            if scanner.skip(UInt8(ascii: "]")) { return [] }
            var all: [[UInt8]] = []
            repeat {
                guard all.count < limit, let element = scanner.value() else { return nil }
                all.append(Array(element))
            } while scanner.skip(UInt8(ascii: ","))
            return scanner.skip(UInt8(ascii: "]")) ? all : nil
        }
    }

    /// A member's value; `null` counts as absent.
    subscript(name: String) -> [UInt8]? {
        guard let value = members[ForeignText(name)], !value.elementsEqual("null".utf8) else { return nil }
        return value
    }

    func string(_ name: String) -> String? { self[name].flatMap(Self.string) }
}
