import Foundation

/// One event of a `text/event-stream`.
struct ServerSentEvent: Equatable {
    var name = "message"
    var data = Data()

    /// The data with the name in it, for programs.
    var line: String {
        let rest = String(decoding: data.dropFirst(), as: UTF8.self)
        return "{\"event\":\"\(name)\"" + (rest == "}" ? "" : ",") + rest
    }
}

/// Takes a `text/event-stream` apart (WHATWG HTML 9.2.6), however it is cut. What the admin listener sends is enough: lines end with
/// a line feed.
struct ServerSentEvents {
    private var line: [UInt8] = []
    private var event = ServerSentEvent()
    private var hasData = false

    mutating func take(_ bytes: some Sequence<UInt8>) -> [ServerSentEvent] {
        var found: [ServerSentEvent] = []
        for byte in bytes {
            guard byte == 0x0A else {
                line.append(byte)
                continue
            }
            if let whole = endLine() { found.append(whole) }
            line.removeAll(keepingCapacity: true)
        }
        return found
    }

    private mutating func endLine() -> ServerSentEvent? {
        guard !line.isEmpty else {
            defer {
                event = ServerSentEvent()
                hasData = false
            }
            return hasData ? event : nil
        }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[min(colon + 1, line.endIndex)...]
        if value.first == 0x20 { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": event.name = String(decoding: value, as: UTF8.self)
        case "data":
            if hasData { event.data.append(0x0A) }
            event.data.append(contentsOf: value)
            hasData = true
        default: break
        }
        return nil
    }
}
