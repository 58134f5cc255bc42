import Testing

@testable import Reactor

/// New keys in both directions, and messages that are none.
@Suite struct TLSKeyUpdateTests {
    private func hear(_ bytes: [UInt8]) -> TLSInbound.Step {
        var listener = RecordListener()
        return listener.hear(bytes)
    }

    @Test(arguments: TLSCipher.allCases)
    func keysChangeAsOftenAsItIsSensible(cipher: TLSCipher) {
        var maker = RecordMaker(cipher)
        var listener = RecordListener(cipher)
        for round in 0..<20 {
            listener.hear(maker.keyUpdate(asking: round % 2 == 1))
            listener.hear(maker.record([UInt8(round)]))
        }
        #expect(listener.content == Array(0..<20))
        #expect(listener.steps.filter { $0 == .keysUpdated(isAsked: true) }.count == 10)
        #expect(listener.end == nil)
    }

    @Test func oldKeysAreOver() {
        var maker = RecordMaker()
        let late = maker.record([1])
        var other = RecordMaker()
        let update = other.keyUpdate()
        #expect(hear(update + late) == .fault(.badRecord))
    }

    @Test func updatesAreLimited() {
        var maker = RecordMaker()
        var listener = RecordListener()
        for _ in 0..<TLSInbound.keyUpdates { listener.hear(maker.keyUpdate(asking: true)) }
        #expect(listener.end == nil)
        // A single record does not make up for it, but many do.
        for _ in 0..<(TLSInbound.recordsPerKeyUpdate) { listener.hear(maker.record([1])) }
        listener.hear(maker.keyUpdate())
        #expect(listener.end == nil)
        for _ in 0..<(TLSInbound.recordsPerKeyUpdate - 1) { listener.hear(maker.record([1])) }
        #expect(listener.hear(maker.keyUpdate()) == .fault(.unexpectedMessage))
    }

    @Test func aMessageMayComeInPieces() {
        var maker = RecordMaker()
        var listener = RecordListener()
        for byte in [24, 0, 0, 1] as [UInt8] {
            #expect(listener.hear(maker.record([byte], 22)) == .incomplete)
        }
        let step = listener.hear(maker.keyUpdateEnd())
        #expect(step == .incomplete)
        #expect(listener.steps.contains(.keysUpdated(isAsked: false)))
        listener.hear(maker.record([5]))
        #expect(listener.content == [5])
    }

    @Test func nothingComesBetweenThePieces() {
        for (type, content) in [(23, [1]), (21, [1, 0]), (23, [])] as [(UInt8, [UInt8])] {
            var maker = RecordMaker()
            #expect(hear(maker.record([24, 0], 22) + maker.record(content, type)) == .fault(.unexpectedMessage))
        }
        var maker = RecordMaker()
        #expect(hear(maker.record([], 22)) == .fault(.unexpectedMessage))
    }

    @Test func otherMessagesAreRefused() {
        // From HelloRequest to message_hash: a server takes none of them any more, whatever they say.
        for type in UInt8.min...UInt8.max where type != 24 {
            var maker = RecordMaker()
            #expect(hear(maker.record([type], 22)) == .fault(.unexpectedMessage))
            maker = RecordMaker()
            #expect(hear(maker.record([type, 0, 0, 1, 0], 22)) == .fault(.unexpectedMessage))
        }
        for length in [[0, 0, 0], [0, 0, 2], [0, 1, 1], [1, 0, 1], [255, 255, 255]] as [[UInt8]] {
            var maker = RecordMaker()
            #expect(hear(maker.record([24] + length + [0], 22)) == .fault(.malformed))
        }
        for value in 2...255 as ClosedRange<UInt8> {
            var maker = RecordMaker()
            #expect(hear(maker.record([24, 0, 0, 1, value], 22)) == .fault(.illegalParameter))
        }
        var maker = RecordMaker()
        #expect(hear(maker.record([24, 0, 0, 1, 0, 24, 0, 0, 1, 0], 22)) == .fault(.unexpectedMessage))
    }

    /// What a connection makes of some content.
    private func made(_ outbound: inout TLSOutbound, _ content: [UInt8]) -> [UInt8] {
        var target = [UInt8](repeating: 0, count: content.count + TLSRecord.overheadBytes + TLSOutbound.keyUpdateBytes)
        let count = target.withUnsafeMutableBytes { target in
            content.withUnsafeBytes { bytes in
                outbound.seal(bytes.count, into: target.baseAddress!) { $0(bytes.baseAddress!, bytes.count) }
            }
        }
        return Array(target[..<(count ?? 0)])
    }

    @Test(arguments: TLSCipher.allCases)
    func ourKeysChangeBeforeTheyAreWornOut(cipher: TLSCipher) {
        var outbound = TLSOutbound(keys: RecordKeys.keys(cipher), recordsPerKey: 3)
        var listener = RecordListener(cipher)
        for number in 0..<10 as Range<UInt8> { listener.hear(made(&outbound, [number])) }
        #expect(listener.content == Array(0..<10))
        #expect(listener.end == nil)
        #expect(listener.steps.filter { $0 == .keysUpdated(isAsked: false) }.count == 3)
    }

    @Test func aRequestIsAnsweredOnceBeforeContent() {
        var outbound = TLSOutbound(keys: RecordKeys.keys(.aes256))
        var listener = RecordListener()
        outbound.owesKeyUpdate = true
        outbound.owesKeyUpdate = true
        listener.hear(made(&outbound, [1]))
        listener.hear(made(&outbound, [2]))
        #expect(listener.content == [1, 2])
        #expect(
            listener.steps.filter { $0 != .incomplete }
                == [.keysUpdated(isAsked: false), .content(5..<6), .content(5..<6)])
    }

    @Test func theLimitIsBelowThatOfTheCipher() {
        // RFC 8446 5.5: 2^24.5 records of AES-GCM.
        #expect(TLSOutbound.recordsPerKey <= 23_726_566)
    }
}

extension RecordMaker {
    /// The last byte of a KeyUpdate.
    fileprivate mutating func keyUpdateEnd() -> [UInt8] { changingKeys([0]) }
}
