import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct PublishPacingTests {
    private func waiting(_ number: UInt64, to channel: UInt8 = 97, size: Int = 100, bytes: Int = 3)
        -> PublishBuffer.Waiting
    {
        let publication = Publication(
            channel: ChannelName(trusted: [channel]), kind: .binary, payload: Array(repeating: 1, count: bytes),
            origin: NodeID(1))
        return PublishBuffer.Waiting(
            publication: publication, history: HistorySettings(size: size, timeToLive: 1000), ticket: .waiter(number))
    }

    private func numbers(_ batch: [PublishBuffer.Waiting]) -> [PublishTicket] { batch.map(\.ticket) }

    @Test func whatFollowsEachOtherToOneChannelGoesTogether() {
        var pacing = PublishPacing()
        for number in 1...3 { pacing.append(waiting(UInt64(number))) }
        // Another channel, other settings, and the first channel again: nothing is overtaken.
        pacing.append(waiting(4, to: 98))
        pacing.append(waiting(5, to: 98, size: 50))
        pacing.append(waiting(6))
        #expect(pacing.count == 6 && pacing.bytes == 18)
        #expect(numbers(pacing.next()) == [.waiter(1), .waiter(2), .waiter(3)])
        #expect(numbers(pacing.next()) == [.waiter(4)])
        #expect(numbers(pacing.next()) == [.waiter(5)])
        #expect(numbers(pacing.next()) == [.waiter(6)])
        #expect(pacing.next().isEmpty && pacing.count == 0 && pacing.bytes == 0)
    }

    @Test func aBatchIsBounded() {
        var pacing = PublishPacing()
        for number in 0..<40 { pacing.append(waiting(UInt64(number))) }
        #expect(pacing.next().count == PublishPacing.batch)
        #expect(pacing.next().count == 40 - PublishPacing.batch)
        for number in 0..<4 { pacing.append(waiting(UInt64(number), bytes: PublishPacing.batchBytes / 2)) }
        #expect(pacing.next().count == 2)
        #expect(pacing.next().count == 2)
    }

    @Test func answersMakeRoom() {
        var pacing = PublishPacing()
        pacing.sent(PublishPacing.window - 1)
        for number in 1...3 { pacing.append(waiting(UInt64(number))) }
        #expect(numbers(pacing.next()) == [.waiter(1)])
        pacing.sent(1)
        #expect(pacing.next().isEmpty && pacing.count == 2 && pacing.bytes == 6)
        pacing.answered(2)
        #expect(numbers(pacing.next()) == [.waiter(2), .waiter(3)])
    }

    @Test func nothingIsUnderWayWithoutAConnection() {
        var pacing = PublishPacing()
        pacing.sent(PublishPacing.window)
        pacing.append(waiting(1))
        pacing.append(waiting(2))
        #expect(pacing.takeAll().map(\.ticket) == [.waiter(1), .waiter(2)])
        #expect(pacing.underWay == 0 && pacing.count == 0 && pacing.bytes == 0)
    }
}
