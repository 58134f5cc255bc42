import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct PublishPacingTests {
    private func waiting(_ number: UInt64) -> PublishBuffer.Waiting {
        let publication = Publication(
            channel: ChannelName(trusted: [97]), kind: .binary, payload: [1, 2, 3], origin: NodeID(1))
        return PublishBuffer.Waiting(publication: publication, history: nil, ticket: .waiter(number))
    }

    @Test func oneAnswerMakesRoomForOne() {
        var pacing = PublishPacing()
        for _ in 0..<PublishPacing.window {
            check(pacing.isOpen)
            pacing.sent()
        }
        check(!pacing.isOpen)
        for number in 1...3 { pacing.append(waiting(UInt64(number))) }
        #expect(pacing.next() == nil && pacing.count == 3 && pacing.bytes == 9)
        pacing.answered()
        #expect(pacing.next()?.ticket == .waiter(1))
        pacing.sent()
        #expect(pacing.next() == nil)
        // Whoever comes now is behind those that wait, also where there is room.
        pacing.answered()
        pacing.answered()
        check(!pacing.isOpen)
        #expect(pacing.next()?.ticket == .waiter(2) && pacing.next()?.ticket == .waiter(3))
        #expect(pacing.count == 0 && pacing.bytes == 0 && pacing.isOpen)
    }

    @Test func nothingIsUnderWayWithoutAConnection() {
        var pacing = PublishPacing()
        for _ in 0..<PublishPacing.window { pacing.sent() }
        pacing.append(waiting(1))
        pacing.append(waiting(2))
        #expect(pacing.takeAll().map(\.ticket) == [.waiter(1), .waiter(2)])
        #expect(pacing.underWay == 0 && pacing.count == 0 && pacing.bytes == 0 && pacing.isOpen)
    }
}
