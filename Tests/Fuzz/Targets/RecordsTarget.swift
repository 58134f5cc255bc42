@testable import Reactor

/// Records of TLS 1.3 after the handshake. The first byte says how: bytes as they are, or plans of records that are
/// encrypted with the right keys, so that what is inside is read too. What comes out does not depend on how it is cut, is
/// what was put in, and nothing comes out of what was changed.
enum RecordsTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        guard let way = input.first else { return }
        var numbers = InputNumbers(input)
        let cipher = TLSCipher.allCases[Int(way >> 2) % TLSCipher.allCases.count]
        let rest = input.after(1)
        switch way & 3 {
        case 0: hear(Array(rest), cipher, &numbers)
        case 1: takeOver(rest, cipher)
        default: planned(rest, cipher, changes: way & 3 == 3, &numbers)
        }
    }

    /// What a connection makes of bytes that come in pieces.
    private struct Heard: Equatable {
        var content: [UInt8] = []
        var end: TLSInbound.Step?
        var updates = 0
    }

    private static func listen(_ bytes: [UInt8], _ cipher: TLSCipher, cut: [Int]) -> Heard {
        var inbound = TLSInbound(keys: keys(cipher))
        var heard = Heard()
        var waiting: [UInt8] = []
        var start = 0
        for end in cut + [bytes.count] where end > start {
            waiting += bytes[start..<end]
            start = end
            reading: while heard.end == nil {
                let (count, step) = waiting.withUnsafeMutableBytes { inbound.next($0) }
                expect(count <= waiting.count, "\(count) of \(waiting.count) bytes were taken")
                switch step {
                case .incomplete:
                    expect(waiting.count < TLSRecord.headerBytes + TLSRecord.protectedBytes, "too much is waited for")
                    break reading
                case .content(let range): heard.content += waiting[range]
                case .nothing: break
                case .keysUpdated: heard.updates += 1
                case .closed, .alert, .fault: heard.end = step
                }
                waiting.removeFirst(count)
            }
        }
        inbound.wipe()
        return heard
    }

    @discardableResult
    private static func hear(_ bytes: [UInt8], _ cipher: TLSCipher, _ numbers: inout InputNumbers) -> Heard {
        let whole = listen(bytes, cipher, cut: [])
        let cuts = (0..<8).map { _ in Int.random(in: 0...bytes.count, using: &numbers) }.sorted()
        let parts = listen(bytes, cipher, cut: cuts)
        expect(parts == whole, "in pieces \(parts), at once \(whole)")
        return whole
    }

    /// Each record of the plan: its type, how many bytes of content come from the input, how many zeros follow.
    private static func planned(
        _ plan: UnsafeRawBufferPointer, _ cipher: TLSCipher, changes: Bool, _ numbers: inout InputNumbers
    ) {
        var keys = keys(cipher)
        var bytes: [UInt8] = []
        var content: [UInt8] = []
        var updates = 0
        var isPlain = true
        var left = plan
        while left.count >= 3, bytes.count < 60_000 {
            let type = [23, 23, 22, 21, left[0]][Int(left[0]) % 5]
            let inner = Array(left.after(3).prefix(Int(left[1])))
            let padding = Int(left[2]) * (left[2] > 250 ? 100 : 1)
            left = left.after(min(left.count, 3 + inner.count))
            bytes += record(inner + [type] + [UInt8](repeating: 0, count: padding), with: &keys)
            if inner.count + 1 + padding > TLSRecord.innerBytes {
                // Too long, which ends it.
                isPlain = false
            } else if type == 23, inner.count > 0 {
                content += isPlain ? inner : []
            } else if type == 22, inner == [24, 0, 0, 1, 0] || inner == [24, 0, 0, 1, 1] {
                expect(keys.update(), "keys have no successors")
                updates += isPlain ? 1 : 0
            } else {
                // What is none of both may end it.
                isPlain = false
            }
        }
        if changes, !bytes.isEmpty {
            bytes[Int.random(in: 0..<bytes.count, using: &numbers)] ^= UInt8.random(in: 1...255, using: &numbers)
        }
        let heard = hear(bytes, cipher, &numbers)
        if changes {
            expect(heard.end != nil || heard.content.count <= content.count || !isPlain, "what was changed was read")
        } else if isPlain, updates <= Int(TLSInbound.keyUpdates) {
            expect(heard == Heard(content: content, end: nil, updates: updates), "\(heard) of \(content)")
        }
    }

    /// A record whose last inner byte, which stands where the type does, is the last of `inner`.
    private static func record(_ inner: [UInt8], with keys: inout TLSTrafficKeys) -> [UInt8] {
        var made = [UInt8](repeating: 0, count: inner.count + TLSRecord.overheadBytes)
        let count = made.withUnsafeMutableBytes { target in
            inner.withUnsafeBytes { bytes in
                target.baseAddress.flatMap { target in
                    TLSRecordTools.seal(bytes[bytes.count - 1], bytes.count - 1, with: &keys, into: target) { piece in
                        if let start = bytes.baseAddress, bytes.count > 1 { piece(start, bytes.count - 1) }
                    }
                }
            }
        }
        expect(count != nil, "a record of \(inner.count) bytes cannot be made")
        return Array(made.prefix(count ?? 0))
    }

    /// Lines for key logs, and bytes that were sent: nothing but the right ones are taken over.
    private static func takeOver(_ input: UnsafeRawBufferPointer, _ cipher: TLSCipher) {
        var takeover = TLSTakeover()
        for line in input.split(separator: 10) {
            takeover.heard(UnsafeRawBufferPointer(rebasing: line))
            takeover.wasSent(UnsafeRawBufferPointer(rebasing: line))
        }
        let agreed = TLSNegotiated(
            version: "TLSv1.3", cipher: cipher.name, applicationProtocol: nil, serverName: nil, isResumed: false,
            certificate: nil)
        if var records = takeover.records(cipher, agreed) {
            expect(records.outbound.keys.sequence == 0, "what was made up was authentic")
            records.wipe()
        }
        takeover.wipe()
    }

    private static func keys(_ cipher: TLSCipher) -> TLSTrafficKeys {
        let secret = UnsafeMutableRawBufferPointer.allocate(byteCount: cipher.secretBytes, alignment: 8)
        defer { secret.deallocate() }
        secret.initializeMemory(as: UInt8.self, repeating: 7)
        guard let keys = TLSTrafficKeys(UnsafeRawBufferPointer(secret), cipher) else { fatalError("no keys") }
        return keys
    }
}
