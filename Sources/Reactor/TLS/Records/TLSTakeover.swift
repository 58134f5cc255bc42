internal import COpenSSL
import Glibc

/// What is gathered during a handshake, so that the records can be ours after it: both traffic secrets, and what OpenSSL
/// encrypted with one of them already, which is the ticket for resumption.
///
/// OpenSSL tells the secrets in lines for key logs (`SSL_CTX_set_keylog_callback`). There is no other way to them in 3.0.
struct TLSTakeover: ~Copyable {
    /// More than tickets have, even with a client's certificates inside.
    static let sentBytes = 64 * 1024

    private var client = HeardSecret()
    private var server = HeardSecret()
    /// What went to the socket since the secret of our direction was known.
    private var sent: [UInt8] = []

    /// Called by OpenSSL with a line for a key log. It goes nowhere else.
    static let hear: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?) -> Void = { ssl, line in
        guard let line,
            let state = BIO_get_data(SSL_get_rbio(ssl))?.assumingMemoryBound(to: TLSEndpoint.State.self),
            state.pointee.ssl == ssl, let takeover = state.pointee.takeover
        else { return }
        takeover.pointee.heard(UnsafeRawBufferPointer(start: line, count: strlen(line)))
    }

    /// `LABEL RANDOM SECRET`, the last two in hexadecimal digits.
    mutating func heard(_ line: UnsafeRawBufferPointer) {
        func begins(_ label: StaticString) -> Bool {
            guard let start = line.baseAddress, line.count > label.utf8CodeUnitCount else { return false }
            return memcmp(start, label.utf8Start, label.utf8CodeUnitCount) == 0
        }
        if begins("CLIENT_TRAFFIC_SECRET_0 ") { client.read(line) }
        if begins("SERVER_TRAFFIC_SECRET_0 ") {
            server.read(line)
            sent = []
        }
    }

    /// The socket took bytes from OpenSSL.
    mutating func wasSent(_ bytes: UnsafeRawBufferPointer) {
        guard server.count > 0, sent.count <= Self.sentBytes else { return }
        sent.append(contentsOf: bytes)
    }

    /// Makes the state of our own records.
    ///
    /// What OpenSSL encrypted has to open with our key and the numbers from 0 on. So it is certain that the next number was
    /// not used before.
    ///
    /// - Returns: Nil when something is not as expected; then OpenSSL goes on.
    mutating func records(_ cipher: TLSCipher, _ agreed: TLSNegotiated) -> TLSRecords? {
        guard sent.count <= Self.sentBytes, var read = client.keys(cipher) else { return nil }
        guard var write = server.keys(cipher) else {
            read.wipe()
            return nil
        }
        defer { ERR_clear_error() }
        let isWell = sent.withUnsafeMutableBytes { bytes in
            var start = 0
            while start + TLSRecord.headerBytes <= bytes.count {
                let count = TLSRecord.headerBytes + (Int(bytes[start + 3]) << 8 | Int(bytes[start + 4]))
                guard start + count <= bytes.count,
                    TLSRecordTools.open(
                        UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + count)]), with: &write)
                else { return false }
                start += count
            }
            return start == bytes.count
        }
        TLSRecordTools.forget(write)
        guard isWell else {
            read.wipe()
            write.wipe()
            return nil
        }
        return TLSRecords(
            outbound: TLSOutbound(keys: write), inbound: TLSInbound(keys: read), isResumed: agreed.isResumed,
            hasProtocol: agreed.applicationProtocol != nil,
            peer: TLSPeer(serverName: agreed.serverName, certificate: agreed.certificate))
    }

    mutating func wipe() {
        client.wipe()
        server.wipe()
    }
}

/// A secret out of a line for key logs.
private struct HeardSecret: ~Copyable {
    private(set) var count = 0
    private var bytes: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)

    mutating func read(_ line: UnsafeRawBufferPointer) {
        count = 0
        guard let blank = line.lastIndex(of: UInt8(ascii: " ")) else { return }
        let digits = line[(blank + 1)...]
        guard digits.count == 64 || digits.count == 96 else { return }
        let isWell = withUnsafeMutableBytes(of: &bytes) { memory in
            for index in 0..<(digits.count / 2) {
                guard let high = Self.value(digits[digits.startIndex + 2 * index]),
                    let low = Self.value(digits[digits.startIndex + 2 * index + 1])
                else { return false }
                memory[index] = high << 4 | low
            }
            return true
        }
        count = isWell ? digits.count / 2 : 0
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Where the secret is, so that no copy of it stays anywhere.
    mutating func keys(_ cipher: TLSCipher) -> TLSTrafficKeys? {
        guard count == cipher.secretBytes else { return nil }
        return withUnsafeBytes(of: &bytes) {
            TLSTrafficKeys(UnsafeRawBufferPointer(rebasing: $0[..<cipher.secretBytes]), cipher)
        }
    }

    mutating func wipe() {
        withUnsafeMutableBytes(of: &bytes) { OPENSSL_cleanse($0.baseAddress, $0.count) }
        count = 0
    }
}
