@testable import Codec

/// A second reader to hold the first against: over a whole stream, by arrays and slices, with the standard library's
/// UTF-8. What it says for a stream that ends within a frame is what can be said of the whole frames before, and of the
/// incomplete one if it cannot become right any more.
enum SimpleReader {
    static func events(of stream: [UInt8], limits: FrameLimits) -> [Heard] {
        var events: [Heard] = []
        var rest = stream[...]
        var message: [UInt8] = []
        var kind: Opcode?
        var fragments = 0
        while let first = rest.first {
            let (fin, reserved, number) = (first >> 7 == 1, first >> 4 & 7, first & 15)
            guard reserved == 0 else { return events + [.failure(.reservedBits)] }
            guard let opcode = Opcode(rawValue: number) else { return events + [.failure(.reservedOpcode(number))] }
            if number >= 8, !fin { return events + [.failure(.fragmentedControl)] }
            if number == 0, kind == nil { return events + [.failure(.nothingToContinue)] }
            if number == 1 || number == 2, kind != nil { return events + [.failure(.messageInMessage)] }
            guard rest.count >= 2 else { return events }
            let second = rest[rest.startIndex + 1]
            guard second >> 7 == 1 else { return events + [.failure(.notMasked)] }
            if number >= 8, second & 127 > 125 { return events + [.failure(.longControl)] }
            let long = second & 127 == 127 ? 8 : second & 127 == 126 ? 2 : 0
            rest = rest.dropFirst(2)
            guard rest.count >= long else { return events }
            let length = long == 0 ? UInt64(second & 127) : rest.prefix(long).reduce(0) { $0 << 8 | UInt64($1) }
            if length >> 63 == 1 { return events + [.failure(.lengthHighestBit)] }
            if (long == 2 && length < 126) || (long == 8 && length < 65536) {
                return events + [.failure(.lengthNotMinimal)]
            }
            if number < 8, length > UInt64(limits.messageBytes - message.count) {
                return events + [.failure(.messageTooBig)]
            }
            rest = rest.dropFirst(long)
            guard rest.count >= 4 else { return events }
            if number < 8 {
                fragments += 1
                kind = kind ?? opcode
                if fragments > limits.fragments { return events + [.failure(.tooManyFragments)] }
            }
            let key = Array(rest.prefix(4))
            let payload = rest.dropFirst(4).prefix(Int(length)).enumerated().map { $1 ^ key[$0 % 4] }
            let isWhole = payload.count == Int(length)
            rest = rest.dropFirst(4 + payload.count)
            switch opcode {
            case .ping, .pong:
                guard isWhole else { return events }
                events.append(opcode == .ping ? .ping(payload) : .pong(payload))
            case .close:
                return isWhole ? events + [goodbye(payload)] : events
            case .continuation, .text, .binary:
                message += payload
                let isEnd = fin && isWhole
                if kind == .text, !canBeText(message, isWhole: isEnd) { return events + [.failure(.notUTF8)] }
                guard isWhole else { return events }
                if isEnd {
                    events.append(.message(kind ?? .binary, message))
                    (message, kind, fragments) = ([], nil, 0)
                }
            }
        }
        return events
    }

    private static func goodbye(_ payload: [UInt8]) -> Heard {
        if payload.isEmpty { return .close(nil, "") }
        guard payload.count > 1 else { return .failure(.closeOfOneByte) }
        let code = UInt16(payload[0]) << 8 | UInt16(payload[1])
        let isAllowed =
            (1000...1014).contains(code) && ![1004, 1005, 1006].contains(code) || (3000...4999).contains(code)
        guard isAllowed else { return .failure(.closeCode(CloseCode(rawValue: code))) }
        guard let reason = String(validating: payload[2...], as: UTF8.self) else { return .failure(.notUTF8) }
        return .close(code, reason)
    }

    /// Whether bytes are text, or its beginning: then up to three bytes can be put behind that make it whole.
    private static func canBeText(_ bytes: [UInt8], isWhole: Bool) -> Bool {
        if String(validating: bytes, as: UTF8.self) != nil { return true }
        if isWhole { return false }
        let endings: [[UInt8]] = [
            [0x80], [0xBF], [0x80, 0x80], [0xBF, 0xBF], [0x80, 0x80, 0x80], [0xBF, 0xBF, 0xBF], [0xA0, 0x80],
            [0x90, 0x80, 0x80],
        ]
        return endings.contains { String(validating: bytes + $0, as: UTF8.self) != nil }
    }
}
