import Testing

@testable import Reactor

/// Keys, nonces and records of RFC 8448, and what a key is used for.
@Suite struct TLSKeyTests {
    private func expand(_ secret: [UInt8], _ label: StaticString, _ count: Int, _ cipher: TLSCipher) -> [UInt8]? {
        var made = [UInt8](repeating: 0, count: count)
        let isMade = secret.withUnsafeBytes { secret in
            made.withUnsafeMutableBytes { TLSKeySchedule.expand(secret, label, cipher, into: $0) }
        }
        return isMade ? made : nil
    }

    @Test func keysAreThoseOfTheTrace() {
        #expect(expand(RecordTrace.clientSecret, "key", 16, .aes128) == RecordTrace.clientKey)
        #expect(expand(RecordTrace.clientSecret, "iv", 12, .aes128) == RecordTrace.clientVector)
        #expect(expand(RecordTrace.serverSecret, "key", 16, .aes128) == RecordTrace.serverKey)
        #expect(expand(RecordTrace.serverSecret, "iv", 12, .aes128) == RecordTrace.serverVector)
    }

    @Test func moreThanAHashIsNotMade() {
        #expect(expand(RecordTrace.clientSecret, "key", 33, .aes128) == nil)
        #expect(expand(RecordTrace.clientSecret, "a label that is too long", 16, .aes128) == nil)
    }

    @Test func recordsOfTheTraceAreRead() throws {
        var listener = RecordListener(keys: try required(RecordKeys.make(of: RecordTrace.clientSecret, .aes128)))
        #expect(listener.hear(RecordTrace.clientContent) == .incomplete)
        #expect(listener.content == RecordTrace.content)
        #expect(listener.hear(RecordTrace.clientGoodbye) == .closed)
    }

    @Test func recordsOfTheTraceAreMade() throws {
        var outbound = TLSOutbound(
            keys: try required(RecordKeys.make(of: RecordTrace.serverSecret, .aes128, sequence: 1)))
        var made = [UInt8](repeating: 0, count: 200)
        let count = made.withUnsafeMutableBytes { target in
            RecordTrace.content.withUnsafeBytes { bytes in
                // In pieces, as publications come.
                outbound.seal(50, into: target.baseAddress!) { piece in
                    piece(bytes.baseAddress!, 1)
                    piece(bytes.baseAddress! + 1, 31)
                    piece(bytes.baseAddress! + 32, 18)
                }
            }
        }
        #expect(count == RecordTrace.serverContent.count)
        #expect(Array(made[..<(count ?? 0)]) == RecordTrace.serverContent)
        let goodbye = made.withUnsafeMutableBytes { outbound.sealAlert(0, into: $0.baseAddress!) }
        #expect(Array(made[..<(goodbye ?? 0)]) == RecordTrace.serverGoodbye)
    }

    /// `Optional` has no `#require` for what cannot be copied.
    private func required(_ keys: consuming TLSTrafficKeys?) throws -> TLSTrafficKeys {
        guard let keys else { throw SystemError(call: "make keys", code: 0) }
        return keys
    }

    @Test func aSecretOfAnotherLengthIsNone() {
        for count in [0, 31, 33, 48] {
            let isNone = RecordKeys.make(of: [UInt8](repeating: 1, count: count), .aes128) == nil
            #expect(isNone)
        }
        let isNone = RecordKeys.make(of: [UInt8](repeating: 1, count: 32), .aes256) == nil
        #expect(isNone)
    }

    @Test(arguments: TLSCipher.allCases)
    func noNonceComesTwice(cipher: TLSCipher) {
        var keys = RecordKeys.keys(cipher)
        var seen: Set<[UInt32]> = []
        for generation in 0..<3 {
            for _ in 0..<300 {
                let nonce = keys.nonce
                #expect(seen.insert([UInt32(generation), nonce.0, nonce.1, nonce.2]).inserted)
                let isUsed = keys.used()
                #expect(isUsed)
            }
            let before = keys.identity
            let isUpdated = keys.update()
            #expect(isUpdated)
            #expect(keys.sequence == 0)
            #expect(keys.identity != before)
        }
    }

    @Test func thereIsNoNumberBehindTheLast() {
        var keys = RecordKeys.keys(.aes128, sequence: .max - 1)
        let isUsed = keys.used()
        #expect(isUsed)
        let isUsedAgain = keys.used()
        #expect(!isUsedAgain)
        // And nothing is made with it.
        var made = [UInt8](repeating: 0, count: 100)
        var outbound = TLSOutbound(keys: RecordKeys.keys(.chaCha20, sequence: .max))
        let alert = made.withUnsafeMutableBytes { outbound.sealAlert(0, into: $0.baseAddress!) }
        #expect(alert == nil)
    }

    /// The thread's tools have the key of the last connection: nobody gets another one's.
    @Test(arguments: TLSCipher.allCases)
    func connectionsTakeTurns(cipher: TLSCipher) {
        var makers = [RecordMakerBox](), contents: [[UInt8]] = [[], [], []]
        for seed: UInt8 in 1...3 { makers.append(RecordMakerBox(cipher, seed: seed)) }
        var records: [[UInt8]] = [[], [], []]
        for round in 0..<20 {
            for index in 0..<3 {
                let content = [UInt8](repeating: UInt8(round), count: 1 + round * 37 + index)
                records[index] += makers[index].maker.record(content)
                contents[index] += content
            }
        }
        for seed in 0..<3 {
            var listener = RecordListener(cipher, seed: UInt8(seed + 1))
            #expect(listener.hear(records[seed]) == .incomplete)
            #expect(listener.content == contents[seed])
            #expect(RecordListenerBox(cipher, seed: UInt8(seed + 11)).hear(records[seed]) == .fault(.badRecord))
        }
    }

    @Test func wipedKeysAreGone() {
        var keys = RecordKeys.keys(.aes256)
        TLSRecordTools.forget(keys)
        keys.wipe()
        keys.withKey { key in
            let bytes = UnsafeRawBufferPointer(start: key, count: 32)
            #expect(bytes.allSatisfy { $0 == 0 })
        }
        #expect(keys.nonce == (0, 0, 0))
    }

    private final class RecordMakerBox {
        var maker: RecordMaker
        init(_ cipher: TLSCipher, seed: UInt8) { maker = RecordMaker(cipher, seed: seed) }
    }

    private final class RecordListenerBox {
        private var listener: RecordListener
        init(_ cipher: TLSCipher, seed: UInt8) { listener = RecordListener(cipher, seed: seed) }
        func hear(_ bytes: [UInt8]) -> TLSInbound.Step { listener.hear(bytes) }
    }
}
