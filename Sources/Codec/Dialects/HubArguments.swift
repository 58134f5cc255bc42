/// The arguments of a call, one after the other.
struct HubArguments {
    private enum Reader {
        case json(JSONScanner, isFirst: Bool)
        case messagePack(MessagePackScanner, left: Int)
        /// There was something wrong with them.
        case broken
    }

    private var reader: Reader

    /// - Parameter bytes: A JSON array that was scanned.
    init(json bytes: UnsafeRawBufferPointer) {
        var scanner = JSONScanner(bytes)
        reader = scanner.skip(UInt8(ascii: "[")) ? .json(scanner, isFirst: true) : .broken
    }

    /// - Parameter bytes: A MessagePack array that was scanned.
    init(messagePack bytes: UnsafeRawBufferPointer) {
        var scanner = MessagePackScanner(bytes)
        reader = scanner.arrayCount().map { .messagePack(scanner, left: $0) } ?? .broken
    }

    /// Whether all were taken.
    var isAtEnd: Bool {
        switch reader {
        case .json(var scanner, _): scanner.next == UInt8(ascii: "]")
        case .messagePack(_, let left): left == 0
        case .broken: false
        }
    }

    /// The next one, if it is text.
    mutating func text() -> [UInt8]? {
        switch reader {
        case .json(var scanner, let isFirst):
            guard isFirst || scanner.skip(UInt8(ascii: ",")), let text = scanner.text() else { return nil }
            reader = .json(scanner, isFirst: false)
            return text
        case .messagePack(var scanner, let left):
            guard left > 0, let text = scanner.text() else { return nil }
            reader = .messagePack(scanner, left: left - 1)
            return Array(text)
        case .broken: return nil
        }
    }

    /// All that are left, as the payload of a publication. One that is no list stands for itself, so that subscribers of other
    /// dialects get what was sent; everything else is a list in JSON.
    func payload() -> (kind: PayloadKind, bytes: [UInt8])? {
        switch reader {
        case .json(let scanner, let isFirst): payload(scanner, isFirst: isFirst)
        case .messagePack(let scanner, let left): payload(scanner, left: left)
        case .broken: nil
        }
    }

    /// Arguments as a list in JSON, however they came; nil for what JSON has no form for.
    static func list(_ arguments: HubCall.Arguments) -> [UInt8]? {
        switch arguments {
        case .json(let bytes): return Array(bytes)
        case .messagePack(let bytes):
            let writer = ByteWriter(capacity: bytes.count * 2)
            var scanner = MessagePackScanner(bytes)
            return JSONWriter.writeValue(&scanner, to: writer) ? Array(writer.bytes) : nil
        }
    }

    private func payload(_ start: JSONScanner, isFirst: Bool) -> (kind: PayloadKind, bytes: [UInt8])? {
        var scanner = start
        var values: [UnsafeRawBufferPointer] = []
        while scanner.next != UInt8(ascii: "]") {
            guard (isFirst && values.isEmpty) || scanner.skip(UInt8(ascii: ",")), let value = scanner.value() else {
                return nil
            }
            values.append(value)
        }
        if values.count == 1, let only = values.first, only.first != UInt8(ascii: "[") { return (.json, Array(only)) }
        var bytes = [UInt8(ascii: "[")]
        for (index, value) in values.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += value
        }
        bytes.append(UInt8(ascii: "]"))
        return (.json, bytes)
    }

    private func payload(_ start: MessagePackScanner, left: Int) -> (kind: PayloadKind, bytes: [UInt8])? {
        var scanner = start
        var isList = left != 1
        if left == 1 {
            var first = start
            switch first.head() {
            case .binary(let bytes): return (.binary, Array(bytes))
            case .array: isList = true
            default: break
            }
        }
        let writer = ByteWriter(capacity: start.rest.count * 2)
        if isList { writer.append(UInt8(ascii: "[")) }
        for index in 0..<left {
            if index > 0 { writer.append(UInt8(ascii: ",")) }
            guard JSONWriter.writeValue(&scanner, to: writer) else { return nil }
        }
        if isList { writer.append(UInt8(ascii: "]")) }
        return (.json, Array(writer.bytes))
    }
}
