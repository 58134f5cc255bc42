import Codec
import Foundation

/// What an application's answer to a call says.
enum UpstreamAnswer {
    /// Of the messages of applications that clients get to see, in bytes.
    private static let messageBytes = 255

    /// The answer to a call of a hub's method: nothing, a completion (HubProtocol.md), or the result itself.
    ///
    /// - Returns: Nil when it is none of these.
    static func completion(_ body: [UInt8]) -> CallResult? {
        var json = body[...]
        // The text protocol ends its messages with one.
        if json.last == 0x1E { json = json.dropLast() }
        guard json.contains(where: { $0 > 0x20 }) else { return .nothing }
        let value = Array(json)
        guard value.withUnsafeBytes({ JSONScanner.isValid($0) }) else { return nil }
        return value.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            guard scanner.next == UInt8(ascii: "{") else { return .json(value) }
            var type: UInt64?
            var result: [UInt8]?
            var error: [UInt8]?
            let isWhole = scanner.members { key, scanner in
                guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
                if key.elementsEqual("type".utf8) {
                    var digits = scanner
                    guard let number = digits.unsigned() else { return scanner.skipValue() }
                    type = number
                    scanner = digits
                    return true
                }
                if key.elementsEqual("result".utf8) {
                    guard let value = scanner.value() else { return false }
                    result = Array(value)
                    return true
                }
                if key.elementsEqual("error".utf8), scanner.next == UInt8(ascii: "\"") {
                    error = scanner.text()
                    return true
                }
                return scanner.skipValue()
            }
            guard isWhole, type == 3 else { return .json(value) }
            if let error { return .refused(.init(code: 100, message: shown(error), isTemporary: false)) }
            return result.map { .json($0) } ?? .nothing
        }
    }

    /// The answer to an `rpc`: that of Centrifugo's RPC proxy, `{"result": {"data": …}}` or `{"error": {"code": …, "message": …}}`.
    ///
    /// - Returns: Nil when it is neither.
    static func rpc(_ body: [UInt8]) -> CallResult? {
        struct Answer {
            var data: [UInt8]?
            var base64: [UInt8]?
            var code: UInt64?
            var message: [UInt8] = []
            var isTemporary = false
        }
        var answer = Answer()
        let isWhole = body.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return scanner.members { key, scanner in
                guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
                if key.elementsEqual("result".utf8) {
                    return scanner.members { key, scanner in
                        if key.elementsEqual("data".utf8) {
                            guard let value = scanner.value() else { return false }
                            answer.data = Array(value)
                            return true
                        }
                        guard key.elementsEqual("b64data".utf8), scanner.next != UInt8(ascii: "n") else {
                            return scanner.skipValue()
                        }
                        answer.base64 = scanner.text()
                        return answer.base64 != nil
                    }
                }
                if key.elementsEqual("error".utf8) {
                    return scanner.members { key, scanner in
                        guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
                        if key.elementsEqual("code".utf8) {
                            answer.code = scanner.unsigned()
                            return answer.code != nil
                        }
                        if key.elementsEqual("message".utf8) {
                            guard let text = scanner.text() else { return false }
                            answer.message = text
                            return true
                        }
                        if key.elementsEqual("temporary".utf8) {
                            guard let value = scanner.boolean() else { return false }
                            answer.isTemporary = value
                            return true
                        }
                        return scanner.skipValue()
                    }
                }
                return scanner.skipValue()
            } && scanner.isAtEnd
        }
        guard isWhole else { return nil }
        if let code = answer.code {
            return .refused(
                .init(
                    code: UInt32(clamping: max(1, code)), message: shown(answer.message),
                    isTemporary: answer.isTemporary))
        }
        if let base64 = answer.base64, !base64.isEmpty {
            guard let data = Data(base64Encoded: Data(base64)) else { return nil }
            return .bytes(Array(data))
        }
        return answer.data.map { .json($0) } ?? .nothing
    }

    /// Without control characters, because it may end up in a terminal, and not too long.
    private static func shown(_ message: [UInt8]) -> String {
        let text = String(decoding: message.prefix(messageBytes), as: UTF8.self)
        return String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }))
    }
}
