/// What comes in after the handshake: records become content, and a client's few other messages are understood
/// (RFC 8446 4.6.3, 5 and 6).
///
/// Bytes in, bytes and events out: it knows no socket. After a fault or the end it is not asked again.
struct TLSInbound: ~Copyable {
    enum Step: Equatable {
        /// More bytes are needed.
        case incomplete
        /// A record without content.
        case nothing
        /// Content, where it is in the bytes that were given.
        case content(Range<Int>)
        /// The other side uses new keys, and ours are to follow when it asks for that.
        case keysUpdated(isAsked: Bool)
        /// The other side sends nothing more (close_notify).
        case closed
        /// The other side gave up, and says why.
        case alert(UInt8)
        case fault(TLSRecordFault)
    }

    /// Records without content that may come in a row. Each costs a decryption, and moves nothing.
    static let emptyRecords: UInt8 = 32
    /// Updates of keys that a client may make at once. Each costs six hashes; a client needs one in millions of records.
    static let keyUpdates: UInt8 = 32
    /// After as many records with content another update is allowed.
    static let recordsPerKeyUpdate: UInt8 = 64

    private(set) var keys: TLSTrafficKeys
    private var emptyInARow: UInt8 = 0
    private var updatesLeft = keyUpdates
    private var recordsToUpdate: UInt8 = 0
    /// The first bytes of a message that comes in several records.
    private var message: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
    private var messageBytes: UInt8 = 0

    private static let keyUpdate: UInt8 = 24

    init(keys: consuming TLSTrafficKeys) { self.keys = keys }

    /// Reads one record at the beginning of the bytes, and decrypts it where it is.
    ///
    /// - Returns: How many bytes it has, and what it is; 0 when it is not complete or not right.
    mutating func next(_ bytes: UnsafeMutableRawBufferPointer) -> (count: Int, step: Step) {
        guard let type = bytes.first else { return (0, .incomplete) }
        // All records are encrypted now, and look like this. A change_cipher_spec was allowed until the handshake's end, and
        // no more. The version is not looked at (RFC 8446 5.1).
        guard type == TLSRecord.ContentType.applicationData else { return (0, .fault(.unexpectedMessage)) }
        guard bytes.count >= TLSRecord.headerBytes else { return (0, .incomplete) }
        let body = Int(bytes[3]) << 8 | Int(bytes[4])
        guard body <= TLSRecord.protectedBytes else { return (0, .fault(.recordOverflow)) }
        // A type and a tag at least.
        guard body > TLSRecord.tagBytes else { return (0, .fault(.badRecord)) }
        let count = TLSRecord.headerBytes + body
        guard bytes.count >= count else { return (0, .incomplete) }
        let record = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
        guard TLSRecordTools.open(record, with: &keys) else { return (0, .fault(.badRecord)) }
        guard body - TLSRecord.tagBytes <= TLSRecord.innerBytes else { return (0, .fault(.recordOverflow)) }
        let step = step(UnsafeRawBufferPointer(record), end: count - TLSRecord.tagBytes)
        return (count, step)
    }

    /// What is inside of a record: content, its type, zeros.
    private mutating func step(_ record: UnsafeRawBufferPointer, end: Int) -> Step {
        var end = end
        while end > TLSRecord.headerBytes, record[end - 1] == 0 { end -= 1 }
        guard end > TLSRecord.headerBytes else { return .fault(.unexpectedMessage) }
        let content = TLSRecord.headerBytes..<(end - 1)
        let type = record[end - 1]
        // Nothing comes between the pieces of a message (RFC 8446 5.1).
        guard messageBytes == 0 || type == TLSRecord.ContentType.handshake else { return .fault(.unexpectedMessage) }
        switch type {
        case TLSRecord.ContentType.applicationData:
            guard !content.isEmpty else { return emptyRecord() }
            emptyInARow = 0
            creditUpdates()
            return .content(content)
        case TLSRecord.ContentType.handshake:
            guard !content.isEmpty else { return .fault(.unexpectedMessage) }
            return handshake(UnsafeRawBufferPointer(rebasing: record[content]))
        case TLSRecord.ContentType.alert:
            guard content.count == 2 else { return .fault(.malformed) }
            return alert(record[content.lowerBound + 1])
        default:
            return .fault(.unexpectedMessage)
        }
    }

    private mutating func emptyRecord() -> Step {
        emptyInARow += 1
        return emptyInARow <= Self.emptyRecords ? .nothing : .fault(.unexpectedMessage)
    }

    private mutating func creditUpdates() {
        guard updatesLeft < Self.keyUpdates else { return }
        recordsToUpdate += 1
        guard recordsToUpdate == Self.recordsPerKeyUpdate else { return }
        recordsToUpdate = 0
        updatesLeft += 1
    }

    /// The level says nothing any more: everything but the two below ends the connection (RFC 8446 6).
    private mutating func alert(_ code: UInt8) -> Step {
        switch code {
        case 0: .closed
        // user_canceled: a close_notify follows.
        case 90: emptyRecord()
        default: .alert(code)
        }
    }

    /// The only message that a server takes after the handshake is a KeyUpdate: one byte, at the end of a record.
    private mutating func handshake(_ bytes: UnsafeRawBufferPointer) -> Step {
        for (index, byte) in bytes.enumerated() {
            switch messageBytes {
            case 0:
                guard byte == Self.keyUpdate else { return .fault(.unexpectedMessage) }
                message.0 = byte
            case 1: message.1 = byte
            case 2: message.2 = byte
            case 3:
                message.3 = byte
                guard message.1 == 0, message.2 == 0, message.3 == 1 else { return .fault(.malformed) }
            default:
                messageBytes = 0
                // What follows would be encrypted with the new keys already.
                guard index == bytes.count - 1 else { return .fault(.unexpectedMessage) }
                guard byte <= 1 else { return .fault(.illegalParameter) }
                return update(isAsked: byte == 1)
            }
            messageBytes += 1
        }
        return emptyRecord()
    }

    private mutating func update(isAsked: Bool) -> Step {
        guard updatesLeft > 0 else { return .fault(.unexpectedMessage) }
        updatesLeft -= 1
        recordsToUpdate = 0
        guard keys.update() else { return .fault(.internalError) }
        return .keysUpdated(isAsked: isAsked)
    }

    mutating func wipe() {
        leaveThread()
        keys.wipe()
    }

    /// Nothing of the keys stays with this thread: another one goes on with them.
    func leaveThread() { TLSRecordTools.forget(keys) }
}
