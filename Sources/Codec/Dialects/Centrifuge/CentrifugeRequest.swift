/// The fields of a method's object or message that this dialect knows, where they lie in the message. In JSON, a field that is
/// `null` is not set.
///
/// Fields that the protocol has and this dialect does not serve are read too, so that they can be refused
/// (`unserved(in:)`).
struct CentrifugeRequest {
    var encoding = CentrifugeEncoding.json
    /// `type` is not that of a plain stream, or there is a field that only other types have.
    var isOtherType = false
    var channel: CentrifugeText?
    /// In JSON one value, of which `null` is one; in Protobuf any bytes, at least one.
    var data: UnsafeRawBufferPointer?
    /// What a publication does not have.
    private var rare: Rare?

    /// Fields of the other requests. They are kept apart because most commands publish, and copying so many fields was a good part
    /// of what such a command cost. Nobody shares them: a request is read once, by one reader.
    private final class Rare {
        var token: CentrifugeText?
        var name: CentrifugeText?
        var version: CentrifugeText?
        var isRecovering = false
        var epoch: CentrifugeText?
        var offset: UInt64 = 0
        var limit: Int64 = 0
        var hasSince = false
        var isReverse = false
        var known: [CentrifugeKnown] = []
        var keepsAllKnown = false
        var headers: [(name: String, value: String)]? = []
        var flag: UInt64 = 0
        var delta: CentrifugeText?
        var filter: CentrifugeFilter?
        var remoteMethod: CentrifugeText?

        func add(_ entry: CentrifugeKnown) {
            if keepsAllKnown || entry.isRecovering || !entry.isServed, known.count < CentrifugeRequest.maximumKnown {
                known.append(entry)
            }
        }
    }

    private mutating func makeRare() -> Rare {
        if let rare { return rare }
        let made = Rare()
        rare = made
        return made
    }

    var token: CentrifugeText? {
        get { rare?.token }
        set { makeRare().token = newValue }
    }
    var name: CentrifugeText? {
        get { rare?.name }
        set { makeRare().name = newValue }
    }
    var version: CentrifugeText? {
        get { rare?.version }
        set { makeRare().version = newValue }
    }
    var isRecovering: Bool {
        get { rare?.isRecovering ?? false }
        set { makeRare().isRecovering = newValue }
    }
    var epoch: CentrifugeText? {
        get { rare?.epoch }
        set { makeRare().epoch = newValue }
    }
    var offset: UInt64 {
        get { rare?.offset ?? 0 }
        set { makeRare().offset = newValue }
    }
    /// Of `history`: how many, from where, and which way.
    var limit: Int64 {
        get { rare?.limit ?? 0 }
        set { makeRare().limit = newValue }
    }
    var hasSince: Bool {
        get { rare?.hasSince ?? false }
        set { makeRare().hasSince = newValue }
    }
    var isReverse: Bool {
        get { rare?.isReverse ?? false }
        set { makeRare().isReverse = newValue }
    }
    /// Of `connect`: what the client knows of channels the node had subscribed it to.
    var known: [CentrifugeKnown] { rare?.known ?? [] }
    /// Also those of which the client knows nothing: it wants them.
    var keepsAllKnown: Bool {
        get { rare?.keepsAllKnown ?? false }
        set { makeRare().keepsAllKnown = newValue }
    }
    /// Of `connect`: header names and values, for clients that cannot set headers; nil when they could not be such.
    var headers: [(name: String, value: String)]? {
        get { if let rare { rare.headers } else { [] } }
        set { makeRare().headers = newValue }
    }
    /// Of `subscribe`: bits, see `Flag`.
    var flag: UInt64 {
        get { rare?.flag ?? 0 }
        set { makeRare().flag = newValue }
    }
    /// Of `subscribe`: the format in which the client takes deltas.
    var delta: CentrifugeText? {
        get { rare?.delta }
        set { makeRare().delta = newValue }
    }
    /// Of `subscribe`: which publications the client wants, by their tags.
    var filter: CentrifugeFilter? {
        get { rare?.filter }
        set { makeRare().filter = newValue }
    }

    /// Of `rpc`: what is called.
    var remoteMethod: CentrifugeText? {
        get { rare?.remoteMethod }
        set { makeRare().remoteMethod = newValue }
    }

    /// Bits of `flag` that are understood. The others offer something that a server may leave alone.
    enum Flag {
        /// Refuse the subscription when it cannot be recovered.
        static var rejectsUnrecovered: UInt64 { 2 }
    }

    /// Channels of a `connect` that are looked at.
    static let maximumKnown = 1024

    /// How a field that is not served is refused, in the words of the protocol; nil when there is none.
    ///
    /// Not refused are `data` of `subscribe` (for an application that nobody asks here), `positioned`, `recoverable`,
    /// `join_leave` and a known `delta` (the reply says what was granted), and `flag`, `dict` and `profile` of `connect` (offers).
    func unserved(in method: CentrifugeCommand.Method) -> Failure? {
        switch method {
        case .connect:
            // The application is asked in JSON, so what a client tells it has to be that.
            if encoding == .protobuf, let data, PayloadKind(of: data) != .json { return .malformed }
            return known.contains { !$0.isServed } ? .notAvailable : nil
        case .subscribe:
            if isOtherType || limit != 0 { return .notAvailable }
            if let filter, filter.filter == nil { return .invalidFilter }
            return nil
        case .publish, .subRefresh:
            return isOtherType ? .notAvailable : nil
        default:
            return nil
        }
    }

    /// Takes an object.
    ///
    /// - Returns: Whether it was one, with values of the right types.
    mutating func read(_ scanner: inout JSONScanner) -> Bool {
        // In place, because the closure would else have to copy what it changes.
        withUnsafeMutablePointer(to: &self) { read in
            scanner.members { key, scanner in
                // Only `data` may be null and set.
                if scanner.next == UInt8(ascii: "n"), !key.isEqual(to: "data") { return scanner.skipValue() }
                if key.isEqual(to: "channel") { return Self.set(&read.pointee.channel, scanner.string()) }
                if key.isEqual(to: "data") { return Self.set(&read.pointee.data, scanner.value()) }
                return read.pointee.readRare(key, &scanner)
            }
        }
    }

    private mutating func readRare(_ key: UnsafeRawBufferPointer, _ scanner: inout JSONScanner) -> Bool {
        if key.isEqual(to: "token") { return Self.set(&token, scanner.string()) }
        if key.isEqual(to: "name") { return Self.set(&name, scanner.string()) }
        if key.isEqual(to: "version") { return Self.set(&version, scanner.string()) }
        if key.isEqual(to: "recover") { return Self.set(&isRecovering, scanner.boolean()) }
        if key.isEqual(to: "reverse") { return Self.set(&isReverse, scanner.boolean()) }
        if key.isEqual(to: "epoch") { return Self.set(&epoch, scanner.string()) }
        if key.isEqual(to: "offset") { return Self.set(&offset, scanner.unsigned()) }
        if key.isEqual(to: "limit") { return Self.set(&limit, scanner.integer()) }
        if key.isEqual(to: "flag") { return Self.set(&flag, scanner.unsigned()) }
        if key.isEqual(to: "delta") { return Self.set(&delta, scanner.string()) }
        if key.isEqual(to: "tf") {
            filter = CentrifugeFilter(&scanner)
            return filter != nil
        }
        if key.isEqual(to: "method") { return Self.set(&remoteMethod, scanner.string()) }
        if key.isEqual(to: "headers") {
            guard scanner.next == UInt8(ascii: "{"), let object = scanner.value() else { return false }
            headers = CentrifugeHeaders.read(object)
            return true
        }
        if key.isEqual(to: "subs") { return readKnown(&scanner) }
        if key.isEqual(to: "since") { return readSince(&scanner) }
        return readUnserved(key, &scanner)
    }

    private mutating func readKnown(_ scanner: inout JSONScanner) -> Bool {
        let rare = makeRare()
        rare.known = []
        return scanner.members { key, scanner in
            guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
            guard let entry = CentrifugeKnown(channel: key, &scanner) else { return false }
            rare.add(entry)
            return true
        }
    }

    /// Keeps what has to be looked at of an entry of `subs`.
    mutating func add(_ entry: CentrifugeKnown) { makeRare().add(entry) }

    private mutating func readSince(_ scanner: inout JSONScanner) -> Bool {
        let rare = makeRare()
        rare.hasSince = true
        return scanner.members { key, scanner in
            guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
            if key.isEqual(to: "epoch") { return Self.set(&rare.epoch, scanner.string()) }
            if key.isEqual(to: "offset") { return Self.set(&rare.offset, scanner.unsigned()) }
            return scanner.skipValue()
        }
    }

    /// Fields that are only looked at to be refused, and those that nobody knows.
    private mutating func readUnserved(_ key: UnsafeRawBufferPointer, _ scanner: inout JSONScanner) -> Bool {
        guard CentrifugeUnserved.isOtherType(key) else { return scanner.skipValue() }
        guard let value = scanner.value() else { return false }
        if !CentrifugeUnserved.isZero(value) { isOtherType = true }
        return true
    }

    static func set<Value>(_ field: inout Value, _ value: Value?) -> Bool {
        guard let value else { return false }
        field = value
        return true
    }

    static func set(_ field: inout UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?) -> Bool {
        field = value
        return value != nil
    }

    static func set(_ field: inout CentrifugeText?, _ value: UnsafeRawBufferPointer?) -> Bool {
        field = value.map(CentrifugeText.init(json:))
        return value != nil
    }
}

/// Fields of the protocol that this dialect refuses: everything about subscriptions that are no plain streams (maps, presence
/// as a map, shared polls).
enum CentrifugeUnserved {
    static func isOtherType(_ key: UnsafeRawBufferPointer) -> Bool {
        key.isEqual(to: "type") || key.isEqual(to: "phase") || key.isEqual(to: "cursor") || key.isEqual(to: "asc")
            || key.isEqual(to: "key") || key.isEqual(to: "removed") || key.isEqual(to: "track")
            || key.isEqual(to: "untrack")
    }

    /// Whether a value is that of a field that is not set.
    static func isZero(_ value: UnsafeRawBufferPointer) -> Bool {
        value.isEqual(to: "0") || value.isEqual(to: "\"\"") || value.isEqual(to: "false") || value.isEqual(to: "[]")
            || value.isEqual(to: "{}")
    }
}

/// An entry of a `connect`'s `subs`: a channel and how far the client has read it, where they lie in the message.
///
/// It is a type of its own, smaller than a request, because entries have no `subs` themselves: reading one cannot lead to
/// reading another one inside it, so no message decides how deep the reader calls itself.
struct CentrifugeKnown {
    let channel: CentrifugeText
    private(set) var isRecovering = false
    private(set) var epoch: CentrifugeText?
    private(set) var offset: UInt64 = 0
    /// Whether it asks for nothing that this dialect has not got.
    private(set) var isServed = true

    /// Takes an object.
    ///
    /// - Returns: Nil unless it was one, with values of the right types.
    init?(channel: UnsafeRawBufferPointer, _ scanner: inout JSONScanner) {
        self.channel = CentrifugeText(json: channel)
        var isRecovering = false
        var epoch: CentrifugeText?
        var offset: UInt64 = 0
        var flag: UInt64 = 0
        var isServed = true
        let isWhole = scanner.members { key, scanner in
            guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
            if key.isEqual(to: "recover") { return CentrifugeRequest.set(&isRecovering, scanner.boolean()) }
            if key.isEqual(to: "epoch") { return CentrifugeRequest.set(&epoch, scanner.string()) }
            if key.isEqual(to: "offset") { return CentrifugeRequest.set(&offset, scanner.unsigned()) }
            if key.isEqual(to: "flag") { return CentrifugeRequest.set(&flag, scanner.unsigned()) }
            guard key.isEqual(to: "tf") || CentrifugeUnserved.isOtherType(key) else { return scanner.skipValue() }
            guard let value = scanner.value() else { return false }
            if !CentrifugeUnserved.isZero(value) { isServed = false }
            return true
        }
        guard isWhole else { return nil }
        self.isRecovering = isRecovering
        self.epoch = epoch
        self.offset = offset
        self.isServed = isServed && !(isRecovering && flag & CentrifugeRequest.Flag.rejectsUnrecovered != 0)
    }

    /// Takes what counts of a request that stands in the entry.
    init(channel: CentrifugeText, of request: CentrifugeRequest) {
        self.channel = channel
        isRecovering = request.isRecovering
        epoch = request.epoch
        offset = request.offset
        isServed =
            !request.isOtherType && request.filter == nil
            && !(isRecovering && request.flag & CentrifugeRequest.Flag.rejectsUnrecovered != 0)
    }
}
