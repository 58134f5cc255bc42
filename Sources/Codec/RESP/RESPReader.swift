import CHiredis

/// Takes the bytes of a Redis connection apart with hiredis's reader, without its reply objects: a pub/sub message is
/// handed out where it lies in the reader's buffer.
///
/// After an error the reader stays broken; connect anew with a new one. On one thread.
package final class RESPReader {
    package struct Limits: Sendable {
        /// Bytes that may come in without completing a reply: bounds bulk strings whatever length they announce.
        package var replyBytes = 64 * 1024 * 1024 + 1024
        /// Elements of one reply, those of nested arrays included.
        package var elements = 1 << 20
        /// Bytes of a line: a status, an error, a number or a length.
        package var lineBytes = 64 * 1024

        package init() {}
    }

    /// Bytes fed at a time: after each reply hiredis moves what is left to the front, which would make large feeds
    /// quadratic.
    private static let sliceBytes = 8 * 1024

    private let limits: Limits
    private let reader: UnsafeMutablePointer<redisReader>
    private let sink: UnsafeMutablePointer<carillon_resp_sink>
    private let received: (RESPReply) -> Void
    private var bytesWithoutReply = 0
    private var failure: RESPError?

    /// Arrays in arrays: what hiredis 0.14 takes, also where a later version would take more.
    private static let depth = 8

    /// Elements announced by the arrays of the reply that is being read.
    private var announced = 0
    /// Open arrays, outermost first.
    private var open: [(count: Int, values: [RESPValue])] = []
    /// How far a reply is on the way to being a pub/sub message.
    private var message = MessageProgress.none
    private let channel = ByteWriter(capacity: 512)
    /// Whether the message has the kind that sharded pub/sub has.
    private var isSharded = false

    private enum MessageProgress {
        case none
        /// An array of three has begun.
        case possible
        /// Its first element was "message", or "smessage" (Redis 7.0, sharded pub/sub).
        case isMessage
        case hasChannel
    }

    package init(limits: Limits = Limits(), received: @escaping (RESPReply) -> Void) {
        self.limits = limits
        self.received = received
        sink = .allocate(capacity: 1)
        sink.initialize(to: carillon_resp_sink())
        guard let reader = carillon_resp_reader(sink) else { fatalError("no memory for a reader") }
        self.reader = reader
        sink.pointee.context = Unmanaged.passUnretained(self).toOpaque()
        sink.pointee.string = { context, type, depth, index, bytes, count in
            RESPReader.from(context).string(
                type, depth, index, UnsafeRawBufferPointer(start: bytes, count: count)) ? 1 : 0
        }
        sink.pointee.array = { context, depth, index, count in
            RESPReader.from(context).array(depth, index, Int(count)) ? 1 : 0
        }
        sink.pointee.integer = { context, depth, index, value in
            RESPReader.from(context).element(.integer(value)) ? 1 : 0
        }
        sink.pointee.nil = { context, depth, index in RESPReader.from(context).element(.bulk(nil)) ? 1 : 0 }
    }

    deinit {
        redisReaderFree(reader)
        sink.deallocate()
    }

    @inline(__always)
    private static func from(_ context: UnsafeMutableRawPointer?) -> RESPReader {
        Unmanaged<RESPReader>.fromOpaque(context!).takeUnretainedValue()
    }

    /// Takes what was read; `received` is called for each reply that is whole.
    package func feed(_ bytes: UnsafeRawBufferPointer) throws(RESPError) {
        guard let base = bytes.baseAddress else { return }
        var start = 0
        while start < bytes.count {
            if let failure { throw failure }
            let count = min(Self.sliceBytes, bytes.count - start)
            let slice = base.advanced(by: start).assumingMemoryBound(to: CChar.self)
            start += count
            guard redisReaderFeed(reader, slice, count) == REDIS_OK else { throw fail(readerError) }
            bytesWithoutReply += count
            try drain()
            guard bytesWithoutReply <= limits.replyBytes else {
                throw fail("a reply has more than \(limits.replyBytes) bytes")
            }
            guard carillon_resp_line_exceeds(reader, limits.lineBytes) == 0 else {
                throw fail("a line has more than \(limits.lineBytes) bytes")
            }
        }
    }

    private func drain() throws(RESPError) {
        while true {
            var reply: UnsafeMutableRawPointer?
            guard redisReaderGetReply(reader, &reply) == REDIS_OK else { throw fail(readerError) }
            guard reply != nil else { return }
            // A later hiredis knows kinds of elements that we are not told of.
            guard open.isEmpty, message == .none else { throw fail("a reply is not RESP2") }
            bytesWithoutReply = 0
            announced = 0
        }
    }

    private var readerError: String {
        failure?.description ?? String(cString: carillon_resp_error(reader))
    }

    private func fail(_ description: String) -> RESPError {
        let error = failure ?? RESPError(description: description)
        failure = error
        return error
    }

    // MARK: What hiredis tells

    @inline(__always)
    private func string(_ type: Int32, _ depth: Int32, _ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
        if message != .none, depth == 1 {
            switch (message, index) {
            case (.possible, 0) where type == REDIS_REPLY_STRING && bytes.isEqual(to: "message"):
                message = .isMessage
                isSharded = false
                return true
            case (.possible, 0) where type == REDIS_REPLY_STRING && bytes.isEqual(to: "smessage"):
                message = .isMessage
                isSharded = true
                return true
            case (.isMessage, 1) where type == REDIS_REPLY_STRING:
                channel.removeAll()
                channel.append(bytes)
                message = .hasChannel
                return true
            case (.hasChannel, 2) where type == REDIS_REPLY_STRING:
                message = .none
                received(.message(channel: channel.bytes, payload: bytes))
                return true
            default: giveUpMessage()
            }
        }
        switch type {
        case REDIS_REPLY_STATUS: return element(.status(String(decoding: bytes, as: UTF8.self)))
        case REDIS_REPLY_ERROR: return element(.error(String(decoding: bytes, as: UTF8.self)))
        default: return element(.bulk(Array(bytes)))
        }
    }

    private func array(_ depth: Int32, _ index: Int32, _ count: Int) -> Bool {
        guard count <= limits.elements - announced else {
            _ = fail("a reply has more than \(limits.elements) elements")
            return false
        }
        guard depth < Self.depth else {
            _ = fail("arrays are nested more than \(Self.depth) deep")
            return false
        }
        announced += max(count, 0)
        if message != .none { giveUpMessage() }
        if count <= 0 { return element(.array([])) }
        if depth == 0, count == 3 {
            message = .possible
            return true
        }
        // Room is made as elements come, not as they are announced.
        open.append((count, []))
        return true
    }

    /// The array of three is something else: it goes on as an ordinary one.
    private func giveUpMessage() {
        var values: [RESPValue] = []
        if message == .isMessage || message == .hasChannel {
            values.append(.bulk(Array((isSharded ? "smessage" : "message").utf8)))
        }
        if message == .hasChannel { values.append(.bulk(Array(channel.bytes))) }
        open.append((3, values))
        message = .none
    }

    private func element(_ value: RESPValue) -> Bool {
        if message != .none { giveUpMessage() }
        var value = value
        while let last = open.indices.last {
            open[last].values.append(value)
            guard open[last].values.count == open[last].count else { return true }
            value = .array(open.removeLast().values)
        }
        received(.value(value))
        return true
    }
}
