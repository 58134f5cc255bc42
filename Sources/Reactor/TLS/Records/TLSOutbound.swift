/// What goes out after the handshake: content becomes records.
///
/// Bytes in, bytes out: it knows no socket. A record that was made is sent or the connection ends, because its nonce is
/// used up.
struct TLSOutbound: ~Copyable {
    private(set) var keys: TLSTrafficKeys
    /// The other side asked for new keys, and gets them before the next content (RFC 8446 4.6.3). Several requests until
    /// then are answered once, so that nobody makes us say more than we have to.
    var owesKeyUpdate = false

    /// After as many records the keys change. AES-GCM stays safe for 2^24.5 full ones (RFC 8446 5.5).
    static let recordsPerKey: UInt64 = 1 << 24
    /// How long the record of a KeyUpdate is.
    static let keyUpdateBytes = TLSRecord.overheadBytes + 5

    private let recordsPerKey: UInt64

    init(keys: consuming TLSTrafficKeys, recordsPerKey: UInt64 = recordsPerKey) {
        self.keys = keys
        self.recordsPerKey = recordsPerKey
    }

    /// Makes a record of content, at most 16 KiB of it, and before it a KeyUpdate where one is due.
    ///
    /// - Parameter target: Has room for the content, `TLSRecord.overheadBytes` and `keyUpdateBytes`.
    /// - Returns: How many bytes were made; nil when OpenSSL refuses, and the connection is over.
    @inline(__always)
    mutating func seal(
        _ count: Int, into target: UnsafeMutableRawPointer, _ pieces: ((UnsafeRawPointer, Int) -> Void) -> Void
    ) -> Int? {
        var start = 0
        if owesKeyUpdate || keys.sequence >= recordsPerKey {
            guard let made = updateKeys(into: target) else { return nil }
            start = made
        }
        guard
            let made = TLSRecordTools.seal(
                TLSRecord.ContentType.applicationData, count, with: &keys, into: target + start, pieces)
        else { return nil }
        return start + made
    }

    /// A KeyUpdate that asks for nothing; what follows has the new keys.
    private mutating func updateKeys(into target: UnsafeMutableRawPointer) -> Int? {
        guard let made = seal([24, 0, 0, 1, 0], as: TLSRecord.ContentType.handshake, into: target), keys.update() else {
            return nil
        }
        owesKeyUpdate = false
        return made
    }

    /// Makes the record of an alert: close_notify is a warning, everything else fatal (RFC 8446 6).
    ///
    /// - Parameter target: Has room for 2 bytes and `TLSRecord.overheadBytes`.
    mutating func sealAlert(_ code: UInt8, into target: UnsafeMutableRawPointer) -> Int? {
        seal([code == 0 ? 1 : 2, code], as: TLSRecord.ContentType.alert, into: target)
    }

    private mutating func seal(_ content: [UInt8], as type: UInt8, into target: UnsafeMutableRawPointer) -> Int? {
        content.withUnsafeBytes { bytes in
            TLSRecordTools.seal(type, bytes.count, with: &keys, into: target) { piece in
                guard let start = bytes.baseAddress else { return }
                piece(start, bytes.count)
            }
        }
    }

    mutating func wipe() {
        leaveThread()
        keys.wipe()
    }

    /// Nothing of the keys stays with this thread: another one goes on with them.
    func leaveThread() { TLSRecordTools.forget(keys) }
}
