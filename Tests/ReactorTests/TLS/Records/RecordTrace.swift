@testable import Reactor

/// The simple 1-RTT handshake of RFC 8448, section 3: what follows its handshake.
enum RecordTrace {
    static let clientSecret = bytes("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
    static let clientKey = bytes("17422dda596ed5d9acd890e3c63f5051")
    static let clientVector = bytes("5b78923dee08579033e523d9")
    static let serverSecret = bytes("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
    static let serverKey = bytes("9f02283b6c9c07efc26bb9f2ac92e356")
    static let serverVector = bytes("cf782b88dd83549aadf1e984")

    /// Both sides send 50 bytes, 0 to 49.
    static let content: [UInt8] = Array(0..<50)
    static let clientContent = bytes(
        """
        1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a29770\
        14bd1e3deae63aeebb21694915e4
        """)
    /// The server's second record: its ticket was the first.
    static let serverContent = bytes(
        """
        17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c00\
        47c2abf332540dd032e167c2955d
        """)
    /// close_notify of both sides.
    static let clientGoodbye = bytes("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3")
    static let serverGoodbye = bytes("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9")

    static func bytes(_ digits: String) -> [UInt8] {
        let digits = Array(digits.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map { index in
            UInt8(String(decoding: digits[index..<(index + 2)], as: UTF8.self), radix: 16) ?? 0
        }
    }
}

/// Keys of both directions for tests, from a secret that everybody knows.
enum RecordKeys {
    static func secret(_ cipher: TLSCipher, seed: UInt8 = 1) -> [UInt8] {
        (0..<cipher.secretBytes).map { UInt8(truncatingIfNeeded: $0) &* 7 &+ seed }
    }

    static func keys(_ cipher: TLSCipher, seed: UInt8 = 1, sequence: UInt64 = 0) -> TLSTrafficKeys {
        make(of: secret(cipher, seed: seed), cipher, sequence: sequence)!
    }

    /// Nil when the secret is none.
    static func make(of secret: [UInt8], _ cipher: TLSCipher, sequence: UInt64 = 0) -> TLSTrafficKeys? {
        // What a closure of an array returns has to be copyable, and keys are not.
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: secret.count, alignment: 8)
        defer { memory.deallocate() }
        memory.copyBytes(from: secret)
        return TLSTrafficKeys(UnsafeRawBufferPointer(memory), cipher, sequence: sequence)
    }
}

/// The other side: makes records of any kind, right or wrong.
struct RecordMaker: ~Copyable {
    private var keys: TLSTrafficKeys

    init(_ cipher: TLSCipher = .aes256, seed: UInt8 = 1) { keys = RecordKeys.keys(cipher, seed: seed) }

    /// A record with a type inside, and zeros behind it.
    mutating func record(_ content: [UInt8], _ type: UInt8 = 23, padding: Int = 0) -> [UInt8] {
        // The type that is sealed is the last byte: zeros come behind it when it is a zero itself.
        let inner = padding == 0 ? content : content + [type] + [UInt8](repeating: 0, count: padding - 1)
        let last: UInt8 = padding == 0 ? type : 0
        var made = [UInt8](repeating: 0, count: inner.count + TLSRecord.overheadBytes)
        let count = made.withUnsafeMutableBytes { target in
            inner.withUnsafeBytes { bytes in
                TLSRecordTools.seal(last, bytes.count, with: &keys, into: target.baseAddress!) { piece in
                    if let start = bytes.baseAddress, bytes.count > 0 { piece(start, bytes.count) }
                }
            }
        }
        precondition(count == made.count)
        return made
    }

    /// A KeyUpdate, after which the keys are others.
    mutating func keyUpdate(asking: Bool = false) -> [UInt8] {
        changingKeys([24, 0, 0, 1, asking ? 1 : 0])
    }

    /// The end of a message after which the keys are others.
    mutating func changingKeys(_ content: [UInt8]) -> [UInt8] {
        let made = record(content, 22)
        precondition(keys.update())
        return made
    }
}

/// Feeds bytes to a reader of records as they come.
struct RecordListener: ~Copyable {
    var inbound: TLSInbound
    private var waiting: [UInt8] = []
    private(set) var content: [UInt8] = []
    private(set) var steps: [TLSInbound.Step] = []

    init(_ cipher: TLSCipher = .aes256, seed: UInt8 = 1) {
        inbound = TLSInbound(keys: RecordKeys.keys(cipher, seed: seed))
    }

    init(keys: consuming TLSTrafficKeys) { inbound = TLSInbound(keys: keys) }

    /// How it ended, if it did.
    var end: TLSInbound.Step? {
        switch steps.last {
        case .closed, .alert, .fault: steps.last
        default: nil
        }
    }

    /// - Returns: The last step, which is `.incomplete` where nothing was wrong.
    @discardableResult
    mutating func hear(_ bytes: [UInt8]) -> TLSInbound.Step {
        waiting += bytes
        while end == nil {
            var copy = waiting
            let (count, step) = copy.withUnsafeMutableBytes { inbound.next($0) }
            if case .content(let range) = step { content += copy[range] }
            steps.append(step)
            if step == .incomplete { return step }
            waiting.removeFirst(count)
        }
        return steps.last ?? .incomplete
    }
}
