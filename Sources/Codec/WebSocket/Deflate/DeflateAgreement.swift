/// What was agreed upon about `permessage-deflate` (RFC 7692) with one client.
///
/// Neither side keeps its window between messages: a broadcast is compressed once for all its subscribers, and a session
/// that is idle holds nothing. So `server_no_context_takeover` and `client_no_context_takeover` are always in the reply.
package struct DeflateAgreement: Equatable, Sendable {
    /// The window we compress with: 15 bits, or 9 for a client that asks for less than 15. Two sizes, so that a broadcast
    /// is compressed twice at the most.
    package let serverWindowBits: UInt8
    /// Whether the reply has to name the window, because the client asked for one.
    private let namesWindow: Bool

    package static let fullWindow: UInt8 = 15
    /// The smallest window zlib can compress with; 8 bits, which the RFC has too, it cannot (deflateInit2).
    package static let smallWindow: UInt8 = 9
    /// Offers beyond these are not looked at.
    private static let maximumOffers = 16

    /// The value of `Sec-WebSocket-Extensions` in the reply.
    package var response: String {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            + (namesWindow ? "; server_max_window_bits=\(serverWindowBits)" : "")
    }

    /// The first offer that can be accepted, in the client's order (RFC 7692 5.1, 7.1); nil for none. Offers that are not
    /// understood are declined, not errors.
    ///
    /// - Parameter header: All lines of `Sec-WebSocket-Extensions`, joined with commas.
    package init?(offers header: String) {
        var found: DeflateAgreement?
        for extension_ in ExtensionList.parse(header).prefix(Self.maximumOffers) where found == nil {
            guard extension_.name.lowercased() == "permessage-deflate" else { continue }
            found = DeflateAgreement(parameters: extension_.parameters)
        }
        guard let found else { return nil }
        self = found
    }

    private init?(parameters: [(name: String, value: String?)]) {
        var seen: Set<String> = []
        var window: UInt8?
        for (name, value) in parameters {
            guard seen.insert(name).inserted else { return nil }
            switch name {
            case "server_no_context_takeover", "client_no_context_takeover":
                guard value == nil else { return nil }
            case "client_max_window_bits":
                // Ours to inflate with any window: nothing is asked of the client.
                guard value == nil || Self.bits(value) != nil else { return nil }
            case "server_max_window_bits":
                guard let bits = Self.bits(value), bits >= Self.smallWindow else { return nil }
                window = bits
            default: return nil
            }
        }
        namesWindow = window != nil
        serverWindowBits = window == nil || window == Self.fullWindow ? Self.fullWindow : Self.smallWindow
    }

    /// 8 to 15, without a leading zero (RFC 7692 7.1.2).
    private static func bits(_ value: String?) -> UInt8? {
        guard let value, let bits = UInt8(value), (8...15).contains(bits), "\(bits)" == value else { return nil }
        return bits
    }
}

/// `Sec-WebSocket-Extensions` taken apart (RFC 6455 9.1).
enum ExtensionList {
    /// What cannot be read ends the list: what came before it counts.
    static func parse(_ text: String) -> [(name: String, parameters: [(name: String, value: String?)])] {
        var scanner = Scanner(bytes: Array(text.utf8))
        var list: [(name: String, parameters: [(name: String, value: String?)])] = []
        repeat {
            // Empty elements are allowed in lists (RFC 9110 5.6.1.2).
            scanner.skipSpace()
            if scanner.isAtEnd { return list }
            if scanner.next == UInt8(ascii: ",") { continue }
            guard let name = scanner.token() else { return list }
            var parameters: [(name: String, value: String?)] = []
            while scanner.skip(UInt8(ascii: ";")) {
                scanner.skipSpace()
                guard let parameter = scanner.token() else { return list }
                scanner.skipSpace()
                var value: String?
                if scanner.skip(UInt8(ascii: "=")) {
                    scanner.skipSpace()
                    guard let text = scanner.next == UInt8(ascii: "\"") ? scanner.quoted() : scanner.token() else {
                        return list
                    }
                    value = text
                }
                parameters.append((parameter, value))
                scanner.skipSpace()
            }
            scanner.skipSpace()
            guard scanner.isAtEnd || scanner.next == UInt8(ascii: ",") else { return list }
            list.append((name, parameters))
        } while scanner.skip(UInt8(ascii: ","))
        return list
    }

    private struct Scanner {
        let bytes: [UInt8]
        var index = 0

        var isAtEnd: Bool { index == bytes.count }
        var next: UInt8? { isAtEnd ? nil : bytes[index] }

        mutating func skip(_ byte: UInt8) -> Bool {
            guard next == byte else { return false }
            index += 1
            return true
        }

        mutating func skipSpace() {
            while let byte = next, byte == 0x20 || byte == 0x09 { index += 1 }
        }

        mutating func token() -> String? {
            let start = index
            while let byte = next, FieldText.isTokenByte(byte) { index += 1 }
            let text = String(decoding: bytes[start..<index], as: UTF8.self)
            skipSpace()
            return text.isEmpty ? nil : text
        }

        /// Between quotes, and a token when they are gone (RFC 6455 9.1).
        mutating func quoted() -> String? {
            guard skip(UInt8(ascii: "\"")) else { return nil }
            var text: [UInt8] = []
            while let byte = next {
                index += 1
                if byte == UInt8(ascii: "\"") {
                    return FieldText.isToken(text) ? String(decoding: text, as: UTF8.self) : nil
                }
                if byte == UInt8(ascii: "\\") {
                    guard let escaped = next else { return nil }
                    index += 1
                    text.append(escaped)
                } else {
                    text.append(byte)
                }
            }
            return nil
        }
    }
}
