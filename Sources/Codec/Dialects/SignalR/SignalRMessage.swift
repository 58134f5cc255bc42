/// One message of a client, as far as anybody here has to know it (HubProtocol.md, "Message types").
struct SignalRMessage {
    enum Kind: UInt64 {
        case invocation = 1
        case streamItem, completion, streamInvocation, cancelInvocation, ping, close, ack, sequence
    }

    /// Nil for one of a later version of the protocol.
    var kind: Kind?
    /// What the caller counts the call as; nil where no answer is wanted.
    var id: [UInt8]?
    var target: [UInt8]?
    var arguments: HubCall.Arguments?
    /// Whether the caller wants to send more with the call, as a stream.
    var hasStreams = false
    /// What counts messages says so: up to which they came, or which comes next.
    var sequence: UInt64?

    /// The longest id of a call, in bytes: it is kept until the call is answered.
    static let maximumIDBytes = 255

    private init() {}

    /// Reads a message in JSON.
    ///
    /// - Parameter record: What is in front of the record separator, in UTF-8.
    /// - Returns: Nil when it is no message.
    init?(json record: UnsafeRawBufferPointer) {
        var read = SignalRMessage()
        var hasType = false
        var scanner = JSONScanner(record)
        let isWhole = scanner.members { key, scanner in
            // A null is a field that is not set.
            guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
            if key.isEqual(to: "type") {
                guard let number = scanner.unsigned() else { return false }
                hasType = true
                read.kind = Kind(rawValue: number)
                return true
            }
            if key.isEqual(to: "target") {
                read.target = scanner.text()
                return read.target != nil
            }
            if key.isEqual(to: "arguments") {
                guard scanner.next == UInt8(ascii: "["), let value = scanner.value() else { return false }
                read.arguments = .json(value)
                return true
            }
            if key.isEqual(to: "invocationId") {
                read.id = scanner.text()
                return read.id != nil
            }
            if key.isEqual(to: "sequenceId") {
                read.sequence = scanner.unsigned()
                return read.sequence != nil
            }
            guard key.isEqual(to: "streamIds") else { return scanner.skipValue() }
            guard let ids = scanner.texts() else { return false }
            read.hasStreams = !ids.isEmpty
            return true
        }
        guard isWhole, scanner.isAtEnd, hasType, read.isPossible else { return nil }
        self = read
    }

    /// Reads a message in MessagePack.
    ///
    /// - Parameter packed: What follows its length.
    /// - Returns: Nil when it is no message.
    init?(packed: UnsafeRawBufferPointer) {
        var read = SignalRMessage()
        var scanner = MessagePackScanner(packed)
        guard let count = scanner.arrayCount(), count > 0, case .unsigned(let type) = scanner.head() else { return nil }
        read.kind = Kind(rawValue: type)
        var left = count - 1
        func skip(_ scanner: inout MessagePackScanner) -> Bool {
            left -= 1
            return left >= 0 && scanner.skipValue()
        }
        if read.kind == .invocation || read.kind == .streamInvocation {
            // Headers, id, target, arguments; a list of streams does not always follow.
            guard left >= 4, scanner.skipValue() else { return nil }
            switch scanner.head() {
            case .null: break
            case .text(let id) where UTF8Validator.isValid(id): read.id = Array(id)
            default: return nil
            }
            guard let target = scanner.text() else { return nil }
            read.target = Array(target)
            guard let arguments = scanner.value() else { return nil }
            var inside = MessagePackScanner(arguments)
            guard inside.arrayCount() != nil else { return nil }
            read.arguments = .messagePack(arguments)
            left -= 4
            if left > 0 {
                var streams = scanner
                if case .array(let count) = streams.head() { read.hasStreams = count > 0 }
            }
        }
        if read.kind == .ack || read.kind == .sequence, left > 0 {
            guard case .unsigned(let sequence) = scanner.head() else { return nil }
            read.sequence = sequence
            left -= 1
        }
        while left > 0 {
            guard skip(&scanner) else { return nil }
        }
        guard scanner.isAtEnd, read.isPossible else { return nil }
        self = read
    }

    /// Whether it has what its kind has to have.
    private var isPossible: Bool {
        guard (id?.count ?? 0) <= Self.maximumIDBytes else { return false }
        switch kind {
        case .invocation:
            guard let target, arguments != nil else { return false }
            return !target.isEmpty && target.count <= HubRule.maximumNameBytes
        case .streamInvocation: return id != nil && target != nil && arguments != nil
        case .ack, .sequence: return sequence != nil
        default: return true
        }
    }
}
