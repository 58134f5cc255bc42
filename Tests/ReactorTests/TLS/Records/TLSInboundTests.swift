import Testing

@testable import Reactor

/// What a client may send after the handshake, and what it may not.
@Suite struct TLSInboundTests {
    @Test(arguments: TLSCipher.allCases)
    func contentOfAnySizeComesThrough(cipher: TLSCipher) {
        var maker = RecordMaker(cipher)
        var listener = RecordListener(cipher)
        var all: [UInt8] = []
        for size in [1, 2, 15, 16, 17, 1000, 16383, 16384] {
            let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ size) }
            all += content
            let step = listener.hear(maker.record(content))
            #expect(step == .incomplete)
        }
        #expect(listener.content == all)
    }

    @Test func itDoesNotMatterHowBytesAreCut() {
        var maker = RecordMaker()
        let records =
            maker.record([1, 2, 3]) + maker.keyUpdate() + maker.record([4], padding: 100) + maker.record([5, 6])
        for size in [1, 2, 3, 5, 7, 22, 50, records.count] {
            var listener = RecordListener()
            for start in stride(from: 0, to: records.count, by: size) {
                listener.hear(Array(records[start..<min(start + size, records.count)]))
            }
            #expect(listener.content == [1, 2, 3, 4, 5, 6])
            #expect(listener.steps.contains(.keysUpdated(isAsked: false)))
            #expect(listener.steps.last == .incomplete)
        }
    }

    @Test func paddingIsTakenAway() {
        var maker = RecordMaker()
        var listener = RecordListener()
        // The most that fits, and zeros that belong to the content.
        listener.hear(maker.record([7, 0, 0], padding: 1))
        listener.hear(maker.record([8], padding: 16383))
        listener.hear(maker.record([UInt8](repeating: 0, count: 16384)))
        #expect(listener.content == [7, 0, 0, 8] + [UInt8](repeating: 0, count: 16384))
    }

    /// What is wrong, and the alert it deserves.
    @Test func sizesAreKept() {
        var maker = RecordMaker()
        // One byte more inside than allowed, though the record itself is not too long (RFC 8446 5.2).
        #expect(hear(maker.record([UInt8](repeating: 1, count: 16385))) == .fault(.recordOverflow))
        maker = RecordMaker()
        #expect(hear(maker.record([1], padding: 16384)) == .fault(.recordOverflow))
        // The header alone says enough.
        #expect(hear([23, 3, 3, 0x41, 0x01]) == .fault(.recordOverflow))
        #expect(hear([23, 3, 3, 0xFF, 0xFF]) == .fault(.recordOverflow))
        #expect(hear([23, 3, 3, 0x41, 0x00]) == .incomplete)
        // Less than a type and a tag.
        for count: UInt8 in 0...16 {
            #expect(hear([23, 3, 3, 0, count] + [UInt8](repeating: 0, count: Int(count))) == .fault(.badRecord))
        }
    }

    @Test func nothingButEncryptedRecordsIsHeard() {
        // change_cipher_spec, alert, handshake, and types that do not exist: from the first byte on.
        for type in UInt8.min...UInt8.max where type != 23 {
            #expect(hear([type]) == .fault(.unexpectedMessage))
            #expect(hear([type, 3, 3, 0, 1, 1]) == .fault(.unexpectedMessage))
        }
        // The version is nobody's business (RFC 8446 5.1), but it is authenticated.
        var maker = RecordMaker()
        var record = maker.record([1])
        record[1] = 9
        #expect(hear(record) == .fault(.badRecord))
    }

    @Test(arguments: TLSCipher.allCases)
    func everyBitCounts(cipher: TLSCipher) {
        var maker = RecordMaker(cipher)
        let record = maker.record(Array("hello".utf8))
        for index in 0..<(record.count * 8) {
            var changed = record
            changed[index / 8] ^= 1 << UInt8(index % 8)
            var listener = RecordListener(cipher)
            let step = listener.hear(changed)
            // A length that grew waits for more; nothing is ever handed out.
            if index / 8 == 3 || index / 8 == 4 {
                #expect([.incomplete, .fault(.badRecord), .fault(.recordOverflow)].contains(step))
            } else {
                #expect(step == .fault(index / 8 == 0 ? .unexpectedMessage : .badRecord))
            }
            #expect(listener.content.isEmpty)
        }
    }

    @Test func recordsComeOnceAndInOrder() {
        var maker = RecordMaker()
        let first = maker.record([1])
        let second = maker.record([2])
        #expect(hear(first + first) == .fault(.badRecord))
        #expect(hear(second) == .fault(.badRecord))
        #expect(hear(first + second + first) == .fault(.badRecord))
        #expect(hear(Array(first.dropLast()) + second) == .fault(.badRecord))
        #expect(hear(first + second) == .incomplete)
    }

    @Test func emptyRecordsAreCounted() {
        var maker = RecordMaker()
        var listener = RecordListener()
        for _ in 0..<2 {
            for _ in 0..<TLSInbound.emptyRecords { listener.hear(maker.record([])) }
            listener.hear(maker.record([1]))
        }
        #expect(listener.end == nil)
        for _ in 0..<TLSInbound.emptyRecords { listener.hear(maker.record([], padding: 5)) }
        #expect(listener.end == nil)
        #expect(listener.hear(maker.record([])) == .fault(.unexpectedMessage))
    }

    @Test func aRecordHasAType() {
        var maker = RecordMaker()
        #expect(hear(maker.record([], 0)) == .fault(.unexpectedMessage))
        maker = RecordMaker()
        #expect(hear(maker.record([0, 0, 0], 0)) == .fault(.unexpectedMessage))
        for type in [20, 24, 25, 255] as [UInt8] {
            maker = RecordMaker()
            #expect(hear(maker.record([1], type)) == .fault(.unexpectedMessage))
        }
    }

    @Test func alertsEndTheConnection() {
        for code in UInt8.min...UInt8.max where code != 0 && code != 90 {
            for level in [1, 2, 7] as [UInt8] {
                var maker = RecordMaker()
                #expect(hear(maker.record([level, code], 21)) == .alert(code))
            }
        }
        var maker = RecordMaker()
        #expect(hear(maker.record([1, 90], 21) + maker.record([1, 0], 21) + [1, 2, 3]) == .closed)
        for wrong: [UInt8] in [[], [1], [1, 0, 1], [1, 0, 1, 0]] {
            maker = RecordMaker()
            #expect(hear(maker.record(wrong, 21)) == .fault(.malformed))
        }
        // user_canceled for ever.
        maker = RecordMaker()
        var flood: [UInt8] = []
        for _ in 0...TLSInbound.emptyRecords { flood += maker.record([1, 90], 21) }
        #expect(hear(flood) == .fault(.unexpectedMessage))
    }

    /// What a fresh connection says to bytes.
    private func hear(_ bytes: [UInt8]) -> TLSInbound.Step {
        var listener = RecordListener()
        return listener.hear(bytes)
    }
}
