/// What a browser makes of a stream of events, after the rules of WHATWG HTML 9.2.6 and apart from our encoder.
struct EventStream {
    struct Event: Equatable {
        var name = "message"
        var data: String
        var lastID = ""
    }

    static func events(_ bytes: [UInt8]) -> [Event] {
        var events: [Event] = []
        var name = ""
        var data: [UInt8] = []
        var lastID = ""
        for line in lines(bytes) {
            if line.isEmpty {
                if !data.isEmpty {
                    let text = String(decoding: data.dropLast(), as: UTF8.self)
                    events.append(Event(name: name.isEmpty ? "message" : name, data: text, lastID: lastID))
                }
                data = []
                name = ""
                continue
            }
            let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
            let field = String(decoding: line[..<colon], as: UTF8.self)
            var value = line[colon...].dropFirst()
            if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
            switch field {
            case "event": name = String(decoding: value, as: UTF8.self)
            case "data": data += value + [10]
            case "id": if !value.contains(0) { lastID = String(decoding: value, as: UTF8.self) }
            default: break
            }
        }
        return events
    }

    /// Lines end with CR LF, LF or CR; what has no end is not one.
    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        var index = 0
        while index < bytes.count {
            if bytes[index] == 10 || bytes[index] == 13 {
                lines.append(bytes[start..<index])
                if bytes[index] == 13, index + 1 < bytes.count, bytes[index + 1] == 10 { index += 1 }
                start = index + 1
            }
            index += 1
        }
        return lines
    }
}
