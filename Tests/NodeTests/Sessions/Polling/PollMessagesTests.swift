import Codec
import Reactor
import Testing

@testable import Node

/// What nodes say to each other for clients that ask for what waits, and who waits for which of it.
@Suite struct PollMessagesTests {
    private static let id = SessionID.Secret(high: 0x0102_0304_0506_0708, low: .max)

    static let requests: [PollRequest] = [
        .init(.poll, id), .init(.poll, id, .visitor), .init(.poll, id, .name([])),
        .init(.end, id, .name(Array("ann".utf8))), .init(.claim, id, .visitor), .init(.taken, id),
        .init(.returned, id),
    ]

    @Test(arguments: requests)
    func requestsAreRead(_ request: PollRequest) {
        let bytes = request.bytes
        #expect(PollRequest(bytes) == request && PollRequest.isOne(bytes))
        #expect(!CommandRequest.isOne(bytes) && !HandoverQuestion.isOne(bytes))
        // Nothing that is cut is taken for another one, but for a user's name, which ends with it.
        for end in 0..<min(bytes.count, 19) { #expect(PollRequest(Array(bytes[..<end])) == nil) }
    }

    @Test(arguments: [(1, 0), (1, 6), (18, 3), (18, 255)])
    func whatIsNoRequest(_ place: Int, _ byte: UInt8) {
        var bytes = PollRequest(.poll, Self.id, .name([1])).bytes
        bytes[place] = byte
        #expect(PollRequest(bytes) == nil)
        #expect(PollRequest(PollRequest(.poll, Self.id).bytes + [1]) == nil)
    }

    static let answers: [PollAnswer] = [
        .unknown, .gone, .busy, .otherUser, .held, .messages([0]), .messages([5, 5, 5]), .nothing, .over, .ended,
        .unreachable,
    ]

    @Test(arguments: answers)
    func answersAreRead(_ answer: PollAnswer) {
        #expect(PollAnswer(answer.bytes) == answer && answer.isLast == (answer != .held))
    }

    @Test(arguments: [[], [5], [10], [255], [0, 0], [4, 1]] as [[UInt8]])
    func whatIsNoAnswer(_ bytes: [UInt8]) { #expect(PollAnswer(bytes) == nil) }

    // MARK: Asking

    /// Its calls change it, which `#expect` cannot have.
    private final class Asking {
        var asking = PollAsking()
        private var random = SystemRandomNumberGenerator()

        func begin(_ slot: UInt32 = 1, to nodes: [UInt64] = [1, 2], missing: [UInt64] = []) -> UInt64 {
            asking.begin(
                PollRequest(.claim, id), issuedAt: 5, for: PollMessagesTests.place(slot),
                to: Set(nodes.map { NodeID($0) }), missing: Set(missing.map { NodeID($0) }),
                until: MonotonicTime(nanoseconds: 100), using: &random) ?? 0
        }

        func answered(_ question: UInt64, _ node: UInt64, _ answer: PollAnswer) -> String {
            text(asking.answered(question, from: NodeID(node), answer))
        }

        func left(_ nodes: UInt64...) -> [String] { asking.left(Set(nodes.map { NodeID($0) })).map { text($0) } }
        func expired(_ question: UInt64) -> String { text(asking.expired(question)) }
        func withdrawn(_ slot: UInt32) -> UInt64? { asking.withdrawn(PollMessagesTests.place(slot))?.question }
        func overdue(_ time: UInt64) -> [String] {
            asking.overdue(now: MonotonicTime(nanoseconds: time)).map { text($0) }
        }

        func text(_ event: PollAsking.Event?) -> String {
            switch event {
            case .tell(let asked, let answer, let source):
                let by = if case .node(let node, _) = source { "\(node.value)" } else { "here" }
                return "\(asked.connection.slot) \(answer) \(by)"
            case .nobody(let asked):
                return "nobody \(asked.silent.union(asked.missing).map(\.value).sorted())"
            case .giveBack(_, let node, _): return "back \(node.value)"
            case nil: return ""
            }
        }
    }

    private static func place(_ slot: UInt32) -> Locator { Locator(reactor: 0, slot: slot, generation: 0) }

    @Test func theNodeThatHasItAnswersTwice() {
        let asking = Asking()
        let question = asking.begin()
        #expect(asking.answered(question, 1, .unknown).isEmpty && asking.asking.isBeginning(Self.id))
        #expect(asking.answered(question, 2, .held) == "1 held 2" && !asking.asking.isBeginning(Self.id))
        // Nobody else is heard any more.
        #expect(asking.answered(question, 1, .messages([1])).isEmpty)
        #expect(asking.answered(question, 2, .messages([1])) == "1 messages([1]) 2" && asking.asking.count == 0)
        #expect(asking.answered(question, 2, .messages([1])).isEmpty)
    }

    @Test func nobodyHasIt() {
        let asking = Asking()
        let question = asking.begin(missing: [9])
        #expect(asking.answered(question, 1, .unknown).isEmpty)
        #expect(asking.answered(question, 2, .unknown) == "nobody [9]")
        let silent = asking.begin()
        #expect(asking.answered(silent, 2, .unknown).isEmpty)
        #expect(asking.expired(silent) == "nobody [1]")
        let gone = asking.begin()
        #expect(asking.answered(gone, 2, .gone).isEmpty && asking.answered(gone, 1, .unknown) == "1 gone here")
        let busy = asking.begin()
        #expect(asking.answered(busy, 2, .busy).isEmpty && asking.answered(busy, 1, .gone) == "1 busy here")
        // One that had it and has it no more.
        let held = asking.begin()
        #expect(asking.answered(held, 2, .held) == "1 held 2" && asking.answered(held, 2, .gone) == "1 gone 2")
    }

    @Test func nodesLeave() {
        let asking = Asking()
        let held = asking.begin(1)
        let asked = asking.begin(2)
        _ = asking.answered(held, 1, .held)
        #expect(asking.left(7).isEmpty && asking.left().isEmpty)
        #expect(asking.left(1) == ["1 gone here"])
        #expect(asking.answered(asked, 2, .unknown) == "nobody [1]")
        let last = asking.begin(3, to: [2])
        #expect(asking.left(2) == ["nobody [2]"] && !asking.asking.awaits(last))
    }

    @Test func connectionsGo() {
        let asking = Asking()
        let held = asking.begin(1)
        _ = asking.answered(held, 1, .held)
        #expect(asking.withdrawn(1) == held && asking.asking.count == 0)
        // It is not known yet who has the session: whoever says so is told.
        for answer in [PollAnswer.held, .messages([1])] {
            let question = asking.begin(2)
            #expect(asking.withdrawn(2) == nil && !asking.asking.isBeginning(Self.id))
            #expect(asking.answered(question, 2, answer) == "back 2" && asking.asking.count == 0)
        }
        let question = asking.begin(3)
        #expect(asking.withdrawn(3) == nil)
        #expect(asking.expired(question).isEmpty && asking.asking.count == 0)
        #expect(asking.withdrawn(9) == nil)
    }

    @Test func whatIsHeldCanBeAskedAgain() {
        let asking = Asking()
        let question = asking.begin()
        #expect(asking.asking.held.isEmpty)
        _ = asking.answered(question, 1, .held)
        #expect(asking.asking.held.map(\.question) == [question])
        #expect(
            asking.answered(question, 1, .held) == "1 held 1" && asking.answered(question, 1, .nothing) == "1 nothing 1"
        )
    }

    /// Whichever node hears of the other one first, one of them begins the session.
    @Test func ofTwoNodesOneBeginsTheSession() {
        let now = MonotonicTime(nanoseconds: 1_000_000_000)
        let late = MonotonicTime(nanoseconds: 2_000_000_000)
        var asking = PollAsking()
        // It asks nothing itself, and begins nothing for a while.
        let isLet = asking.claimed(Self.id, byOlder: false, now: now)
        #expect(isLet && asking.hasPromised(Self.id, now: now) && !asking.hasPromised(Self.id, now: late))
        // Both ask: the younger one lets the older one.
        for isOlder in [false, true] {
            let other = Asking()
            _ = other.begin()
            let isLet = other.asking.claimed(Self.id, byOlder: isOlder, now: now)
            #expect(isLet == isOlder && other.asking.hasPromised(Self.id, now: now) == isOlder)
        }
        // What was promised long ago is forgotten.
        for number in 0..<1000 {
            let id = SessionID.Secret(high: UInt64(number), low: 0)
            let time = MonotonicTime(nanoseconds: UInt64(number) * 1_000_000_000)
            _ = asking.claimed(id, byOlder: true, now: time)
            #expect(asking.promisesKept <= 4)
        }
    }

    @Test func nothingIsWaitedForForever() {
        let asking = Asking()
        let question = asking.begin()
        _ = asking.answered(question, 1, .held)
        #expect(asking.overdue(99).isEmpty)
        #expect(asking.overdue(100) == ["1 unreachable here"] && asking.asking.count == 0)
    }
}
