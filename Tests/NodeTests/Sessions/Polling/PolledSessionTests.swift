import Codec
import Reactor
import Testing

@testable import Node

/// Which request of a client waits, what it was given, and what is due.
@Suite struct PolledSessionTests {
    private static let limits = PollLimits()
    private static func at(_ seconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: seconds * 1_000_000_000) }
    private static func local(_ slot: UInt32) -> CommandAsker {
        .connection(Locator(reactor: 0, slot: slot, generation: 0))
    }
    private static func remote(_ question: UInt64) -> CommandAsker { .node(NodeID(3), question: question) }

    /// Its calls change it, which `#expect` cannot have.
    private final class Client {
        var polled = PolledSession(now: at(0))

        func ask(_ asker: CommandAsker, _ seconds: UInt64) -> CommandAsker? {
            polled.asked(by: asker, limits: limits, now: at(seconds))
        }
        func give(_ messages: [UInt8], _ seconds: UInt64) -> [UInt8]? {
            polled.give(messages, now: at(seconds))?.messages
        }
        func release(_ seconds: UInt64) -> CommandAsker? { polled.release(now: at(seconds)) }
        func due(_ seconds: UInt64) -> PolledSession.Due? { polled.due(limits, now: at(seconds)) }
        var deadline: MonotonicTime? { polled.deadline(limits) }
    }

    @Test func aRequestWaitsAndIsAnswered() {
        let client = Client()
        #expect(client.polled.canGive(isLinked: true) == false && client.give([1], 0) == nil)
        #expect(client.ask(Self.local(1), 1) == nil && client.polled.canGive(isLinked: false))
        #expect(client.give([1, 2], 2) == [1, 2])
        #expect(client.polled.given == Self.local(1) && client.polled.waiting == nil && client.polled.keptBytes == 2)
        client.polled.settled(Self.local(1), isTaken: true, now: Self.at(3))
        #expect(client.polled.given == nil && client.polled.keptBytes == 0)
    }

    /// One answer is under way at a time, so that the next one cannot overtake it.
    @Test func theNextRequestWaitsUntilTheAnswerIsKnownToHaveArrived() {
        let client = Client()
        _ = client.ask(Self.remote(1), 0)
        #expect(client.give([1], 0) == [1])
        #expect(client.ask(Self.local(2), 1) == nil && !client.polled.canGive(isLinked: true))
        #expect(client.give([2], 1) == nil)
        client.polled.settled(Self.remote(1), isTaken: true, now: Self.at(1))
        #expect(client.polled.canGive(isLinked: true) && client.give([2], 1) == [2])
    }

    @Test func whatComesBackIsGivenAgain() {
        let client = Client()
        _ = client.ask(Self.local(1), 0)
        #expect(client.give([1], 0) == [1])
        client.polled.settled(Self.local(1), isTaken: false, now: Self.at(1))
        #expect(client.polled.hasReturned && client.polled.keptBytes == 1)
        _ = client.ask(Self.local(2), 2)
        // And nothing else with it: what follows waits.
        #expect(client.give([9], 2) == [1] && !client.polled.hasReturned)
        client.polled.settled(Self.local(2), isTaken: true, now: Self.at(3))
        #expect(client.polled.keptBytes == 0)
    }

    @Test func aNewerRequestReplacesTheOneThatWaits() {
        let client = Client()
        _ = client.ask(Self.local(1), 0)
        #expect(client.ask(Self.remote(2), 1) == Self.local(1) && client.polled.waiting == Self.remote(2))
        // The older one's end says nothing any more.
        client.polled.settled(Self.local(1), isTaken: false, now: Self.at(2))
        #expect(client.polled.waiting == Self.remote(2))
        client.polled.settled(Self.remote(2), isTaken: false, now: Self.at(3))
        #expect(client.polled.waiting == nil && client.deadline == Self.at(3) + Self.limits.gap)
    }

    /// The link broke between two nodes: the request is the same one, and its answer may be lost.
    @Test(arguments: [false, true])
    func aRequestThatIsAskedAgain(_ wasGiven: Bool) {
        let client = Client()
        _ = client.ask(Self.remote(1), 0)
        if wasGiven { #expect(client.give([1], 0) == [1]) }
        #expect(client.ask(Self.remote(1), 5) == nil && client.polled.waiting == Self.remote(1))
        #expect(client.polled.hasReturned == wasGiven)
        #expect(client.give([2], 5) == (wasGiven ? [1] : [2]))
    }

    @Test func nodesThatCannotHearAreNotAnswered() {
        let client = Client()
        _ = client.ask(Self.remote(1), 0)
        #expect(!client.polled.canGive(isLinked: false) && client.polled.canGive(isLinked: true))
        _ = client.ask(Self.local(2), 0)
        #expect(client.polled.canGive(isLinked: false))
    }

    // MARK: Time

    @Test func aRequestIsAnsweredInTime() {
        let client = Client()
        _ = client.ask(Self.local(1), 10)
        #expect(client.deadline == Self.at(100) && client.due(99) == nil && client.due(100) == .timeout(Self.local(1)))
        #expect(client.release(100) == Self.local(1) && client.release(100) == nil)
        #expect(client.deadline == Self.at(115) && client.due(114) == nil && client.due(115) == .gap)
    }

    @Test func aClientHasToAsk() {
        let client = Client()
        #expect(client.deadline == Self.at(15) && client.due(15) == .gap)
        _ = client.ask(Self.local(1), 14)
        #expect(client.due(15) == nil)
    }

    /// Nobody says what became of an answer: its node may be dead.
    @Test func anAnswerMayBeLost() {
        let client = Client()
        _ = client.ask(Self.remote(1), 0)
        #expect(client.give([1], 0) == [1])
        #expect(client.deadline == Self.at(35) && client.due(34) == nil && client.due(35) == .lost(Self.remote(1)))
        // Once the client asks again, there is little to wait for.
        _ = client.ask(Self.remote(2), 10)
        #expect(client.due(11) == nil && client.due(12) == .lost(Self.remote(1)))
        let other = Client()
        _ = other.ask(Self.remote(1), 0)
        _ = other.give([1], 0)
        other.polled.linked(now: Self.at(3))
        #expect(other.due(5) == .lost(Self.remote(1)))
    }

    /// Whatever happens in whatever order, everything that was given is taken once, in its order.
    @Test(arguments: 0..<50)
    func nothingIsLostOrComesTwice(_ seed: UInt64) {
        var numbers = SplitMix(state: seed)
        let client = Client()
        var next: UInt8 = 0
        var taken: [UInt8] = []
        var underWay: [(CommandAsker, [UInt8])] = []
        for step in 1...400 {
            let number = UInt64(step)
            switch numbers.next() % 4 {
            case 0: _ = client.ask(numbers.next() % 2 == 0 ? Self.local(UInt32(step)) : Self.remote(number), number)
            case 1:
                guard client.polled.canGive(isLinked: true) else { continue }
                let isNew = !client.polled.hasReturned
                guard let (asker, messages) = client.polled.give(isNew ? [next] : [], now: Self.at(number)) else {
                    Issue.record("nothing is given")
                    return
                }
                if isNew { next &+= 1 }
                underWay.append((asker, messages))
            default:
                guard let (asker, messages) = underWay.popLast() else { continue }
                let isTaken = numbers.next() % 2 == 0
                if isTaken { taken += messages }
                client.polled.settled(asker, isTaken: isTaken, now: Self.at(number))
            }
        }
        let kept = client.polled.keptBytes
        #expect(taken == (0..<UInt8(taken.count)).map { $0 } && taken.count + kept == Int(next))
    }
}
