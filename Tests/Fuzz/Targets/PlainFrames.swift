import Codec

/// A second reader of frames, slow and plain: over a whole stream, frame by frame (RFC 6455 5, RFC 7692 6).
enum PlainFrames {
    private struct Frame {
        var first: UInt8
        var payload: [UInt8]
        var announced: UInt64
    }

    static func events(
        of stream: [UInt8], _ role: FrameReader.Role, _ allowsCompression: Bool, _ limits: FrameLimits
    ) -> [FrameTarget.Heard] {
        var heard: [FrameTarget.Heard] = []
        var index = 0
        var kind: Opcode?
        var isCompressed = false
        var message: [UInt8] = []
        var fragments = 0
        // What is compressed may be a little larger than what it holds.
        let most = UInt64(limits.messageBytes + (allowsCompression ? limits.messageBytes / 8 + 64 : 0))

        while index < stream.count {
            let first = stream[index]
            let number = first & 15
            let (isFinal, isControl) = (first & 0x80 != 0, number >= 8)
            guard let opcode = Opcode(rawValue: number) else { return heard + [.failure(1002)] }
            if first & 0x30 != 0 { return heard + [.failure(1002)] }
            if first & 0x40 != 0, !(allowsCompression && (number == 1 || number == 2)) {
                return heard + [.failure(1002)]
            }
            if isControl ? !isFinal : (kind == nil) == (number == 0) { return heard + [.failure(1002)] }
            guard index + 1 < stream.count else { return heard }
            let second = stream[index + 1]
            if (second & 0x80 != 0) != (role == .server) { return heard + [.failure(1002)] }
            if isControl, second & 127 > 125 { return heard + [.failure(1002)] }

            let lengthBytes = second & 127 == 126 ? 2 : second & 127 == 127 ? 8 : 0
            index += 2
            guard index + lengthBytes <= stream.count else { return heard }
            var length = UInt64(second & 127)
            if lengthBytes > 0 {
                length = stream[index..<(index + lengthBytes)].reduce(0) { $0 << 8 + UInt64($1) }
                if length < (lengthBytes == 2 ? 126 : 65536) || length >= 1 << 63 { return heard + [.failure(1002)] }
            }
            index += lengthBytes
            if !isControl, length > most - UInt64(message.count) { return heard + [.failure(1009)] }

            var mask: [UInt8] = [0, 0, 0, 0]
            if role == .server {
                guard index + 4 <= stream.count else { return heard }
                mask = Array(stream[index..<(index + 4)])
                index += 4
            }
            if !isControl {
                if number != 0 { isCompressed = first & 0x40 != 0 }
                if !isCompressed, message.count + Int(length) > limits.messageBytes { return heard + [.failure(1009)] }
                fragments += 1
                if fragments > limits.fragments { return heard + [.failure(1009)] }
                kind = kind ?? opcode
            }
            let end = min(stream.count, index + Int(length))
            var payload = Array(stream[index..<end])
            for place in payload.indices { payload[place] ^= mask[place % 4] }
            let isWhole = payload.count == Int(length)
            index = end

            if isControl {
                guard isWhole else { return heard }
                switch number {
                case 9: heard.append(.ping(payload))
                case 10: heard.append(.pong(payload))
                default: return heard + [goodbye(payload)]
                }
                continue
            }
            message += payload
            let isEnd = isFinal && isWhole
            if kind == .text, !isCompressed, !isText(message, isWhole: isEnd) { return heard + [.failure(1007)] }
            guard isWhole else { return heard }
            if isEnd {
                let kindOfAll = kind ?? .binary
                heard.append(isCompressed ? .compressed(kindOfAll, message) : .message(kindOfAll, message))
                (message, kind, fragments) = ([], nil, 0)
            }
        }
        return heard
    }

    private static func goodbye(_ payload: [UInt8]) -> FrameTarget.Heard {
        if payload.isEmpty { return .close(nil, []) }
        guard payload.count > 1 else { return .failure(1002) }
        let code = UInt16(payload[0]) * 256 + UInt16(payload[1])
        let isAllowed = code >= 3000 ? code < 5000 : code >= 1000 && code < 1015 && ![1004, 1005, 1006].contains(code)
        guard isAllowed else { return .failure(1002) }
        return isText(Array(payload.dropFirst(2)), isWhole: true)
            ? .close(code, Array(payload.dropFirst(2))) : .failure(1007)
    }

    /// Whether bytes are text, or could become it with up to three more.
    private static func isText(_ bytes: [UInt8], isWhole: Bool) -> Bool {
        if String(validating: bytes, as: UTF8.self) != nil { return true }
        if isWhole { return false }
        let endings: [[UInt8]] = [
            [0x80], [0x80, 0x80], [0xBF, 0xBF], [0xA0, 0x80], [0x80, 0x80, 0x80], [0x90, 0x80, 0x80],
            [0xBF, 0xBF, 0xBF],
        ]
        return endings.contains { String(validating: bytes + $0, as: UTF8.self) != nil }
    }
}
