/// One command as it came: its number and the first method it names (Centrifuge client protocol v2, client.proto).
struct CentrifugeCommand {
    /// In the order of the protocol.
    enum Method: UInt8 {
        case connect, subscribe, unsubscribe, publish, presence, presenceStats, history, ping, send, rpc, refresh
        case subRefresh

        init?(_ key: UnsafeRawBufferPointer) {
            if key.isEqual(to: "publish") {
                self = .publish
            } else if key.isEqual(to: "connect") {
                self = .connect
            } else if key.isEqual(to: "subscribe") {
                self = .subscribe
            } else if key.isEqual(to: "unsubscribe") {
                self = .unsubscribe
            } else if key.isEqual(to: "presence") {
                self = .presence
            } else if key.isEqual(to: "presence_stats") {
                self = .presenceStats
            } else if key.isEqual(to: "history") {
                self = .history
            } else if key.isEqual(to: "ping") {
                self = .ping
            } else if key.isEqual(to: "send") {
                self = .send
            } else if key.isEqual(to: "rpc") {
                self = .rpc
            } else if key.isEqual(to: "refresh") {
                self = .refresh
            } else if key.isEqual(to: "sub_refresh") {
                self = .subRefresh
            } else {
                return nil
            }
        }
    }

    let id: UInt32
    let method: Method?
    /// The fields of the method's object.
    let request: CentrifugeRequest

    /// Reads one line, in one go.
    ///
    /// - Returns: Nil when it is not a command.
    init?(_ line: UnsafeRawBufferPointer) {
        var scanner = JSONScanner(line)
        var id: UInt32 = 0
        var method: Method?
        var request = CentrifugeRequest()
        let isWhole = scanner.members { key, scanner in
            // A null is a field that is not set, and a field nobody knows is stepped over.
            guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
            if key.isEqual(to: "id") {
                guard let value = scanner.unsigned(), let number = UInt32(exactly: value) else { return false }
                id = number
                return true
            }
            guard let found = Method(key) else { return scanner.skipValue() }
            // Of several methods the first in the order of the protocol counts.
            if let method, method.rawValue < found.rawValue { return scanner.skipValue() }
            if method != nil { request = CentrifugeRequest() }
            method = found
            return request.read(&scanner)
        }
        guard isWhole, scanner.isAtEnd else { return nil }
        self.id = id
        self.method = method
        self.request = request
    }
}
