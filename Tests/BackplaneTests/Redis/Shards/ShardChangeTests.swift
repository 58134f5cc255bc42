import Codec
import Reactor
import Testing

@testable import Backplane

/// Some nodes that hear each other, each with its own idea of what is to be done.
private struct Nodes {
    var changes: [ShardChange]
    var isReady: [Bool]
    var isWhole: [Bool]
    var heard: [MonotonicTime]
    var now = MonotonicTime(nanoseconds: 1_000_000_000_000)

    init(_ targets: [String], servers: String) {
        let plan = ShardPlan(servers: Self.names(servers))
        // They have been there for a while, and have heard each other.
        let now = MonotonicTime(nanoseconds: self.now.nanoseconds - 60_000_000_000)
        changes = targets.map { ShardChange(plan, target: Self.names($0), now: now) }
        isReady = targets.map { _ in true }
        isWhole = isReady
        heard = targets.map { _ in now }
    }

    static func names(_ text: String) -> [[UInt8]] { text.split(separator: " ").map { Array($0.utf8) } }

    mutating func step(_ number: Int, hearing: [Int]? = nil) -> ShardChange.Step {
        let nodes = changes.indices.map { index in
            ShardChange.Node(
                id: NodeID(UInt64(index) + 1), name: "n\(index + 1)", heard: heard[index],
                standing: changes[index].standing(isReady: isReady[index], isWhole: isWhole[index]))
        }
        let others = (hearing ?? Array(changes.indices)).filter { $0 != number }.map { nodes[$0] }
        return changes[number].step(own: nodes[number], others: others, now: now)
    }

    mutating func pass(_ duration: Duration, silent: [Int] = []) {
        now = now + duration
        for index in heard.indices where !silent.contains(index) { heard[index] = now }
    }

    mutating func use(_ plan: ShardPlan) { for index in changes.indices { changes[index].use(plan, now: now) } }
}

private let (one, two, three) = (NodeID(1), NodeID(2), NodeID(3))

@Suite struct ShardChangeTests {
    @Test func nothingHappensAsLongAsOneNodeHasTheOldList() {
        var nodes = Nodes(["a b c", "a b", "a b c"], servers: "a b")
        for _ in 0..<20 {
            nodes.pass(.seconds(1))
            for number in 0..<3 { check(nodes.step(number) == .nothing) }
        }
        #expect(nodes.changes[0].waiting == "node n2 has another list")
        #expect(nodes.changes[1].waiting == "nodes n1, n3 have another list")
    }

    @Test func theFirstNodeCarriesAChangeFromStepToStep() throws {
        var nodes = Nodes(["a b c", "a b c", "a b c"], servers: "a b")
        nodes.isWhole[2] = false
        nodes.pass(.seconds(6))
        check(nodes.step(0) == .nothing)
        #expect(nodes.changes[0].waiting == "node n3 is not linked through all servers of both lists")
        nodes.isWhole[2] = true
        check(nodes.step(0) == .nothing && nodes.step(1) == .nothing)
        nodes.pass(ShardChange.agreement)
        check(nodes.step(1) == .nothing)
        guard case .use(let changed) = nodes.step(0) else { throw Missing() }
        #expect(changed.to == Nodes.names("a b c") && changed.moving.isEmpty)
        nodes.use(changed)
        check(nodes.step(0) == .nothing)
        nodes.pass(ShardChange.pause)
        guard case .use(var plan) = nodes.step(0) else { throw Missing() }
        while !plan.isSettled {
            nodes.use(plan)
            nodes.isReady[1] = false
            check(nodes.step(0) == .nothing && nodes.step(2) == .nothing)
            nodes.isReady[1] = true
            guard case .use(let stopped) = nodes.step(0) else { throw Missing() }
            nodes.use(stopped)
            check(nodes.step(0) == .copy)
            check(nodes.step(0) == .nothing)
            nodes.changes[0].copied(true, now: nodes.now)
            guard case .use(let next) = nodes.step(0) else { throw Missing() }
            plan = next
        }
        nodes.use(plan)
        nodes.pass(.seconds(60))
        for number in 0..<3 { check(nodes.step(number) == .nothing && nodes.changes[number].waiting == nil) }
    }

    @Test func whoDoesNotAnswerIsNotWaitedForForLong() throws {
        var nodes = Nodes(["a b c", "a b c", "a b c"], servers: "a b")
        let begun = ShardPlan(servers: Nodes.names("a b")).changed(to: Nodes.names("a b c"), by: one).continued(by: one)
        nodes.use(begun)
        nodes.isReady[1] = false
        nodes.pass(ShardChange.patience)
        check(nodes.step(0) == .nothing)
        nodes.pass(.milliseconds(1))
        guard case .use(let taken) = nodes.step(0) else { throw Missing() }
        #expect(taken == begun.interrupted(by: one))
        nodes.use(taken)
        nodes.isReady[1] = true
        check(nodes.step(0) == .nothing)
        nodes.pass(ShardChange.pause)
        check(nodes.step(0) == .use(taken.continued(by: one)))
    }

    @Test func theNextOneTakesBackWhatADeadOneHasBegun() {
        var nodes = Nodes(["a b c", "a b c", "a b c"], servers: "a b")
        let begun = ShardPlan(servers: Nodes.names("a b")).changed(to: Nodes.names("a b c"), by: one).continued(by: one)
            .stopped(by: one)
        nodes.use(begun)
        nodes.pass(.seconds(2), silent: [0])
        check(nodes.step(1) == .nothing && nodes.step(2) == .nothing)
        nodes.pass(.seconds(1), silent: [0])
        check(nodes.step(1) == .use(begun.interrupted(by: two)))
        // And the one behind it leaves that to it.
        check(nodes.step(2) == .nothing)
        // When the dead one is forgotten, the next one is the first.
        nodes.changes[1].use(begun.interrupted(by: two), now: nodes.now)
        nodes.changes[2].use(begun.interrupted(by: two), now: nodes.now)
        nodes.pass(.seconds(1), silent: [0])
        check(nodes.step(1) == .nothing)
        check(nodes.step(1, hearing: [1, 2]) == .use(begun.interrupted(by: two).continued(by: two)))
    }

    @Test func aCopyThatFailedIsTriedAgainLater() {
        var nodes = Nodes(["a b c"], servers: "a b")
        let begun = ShardPlan(servers: Nodes.names("a b")).changed(to: Nodes.names("a b c"), by: one).continued(by: one)
            .stopped(by: one)
        nodes.use(begun)
        check(nodes.step(0) == .copy)
        nodes.use(begun.interrupted(by: one))
        nodes.changes[0].rest(now: nodes.now)
        nodes.pass(.seconds(9))
        check(nodes.step(0) == .nothing)
        nodes.pass(.seconds(2))
        check(nodes.step(0) == .use(begun.interrupted(by: one).continued(by: one)))
    }

    @Test func aNodeThatSaysNothingHoldsUpAChange() {
        var change = ShardChange(
            ShardPlan(servers: Nodes.names("a")), target: Nodes.names("a b"), now: MonotonicTime(nanoseconds: 0))
        let own = ShardChange.Node(
            id: NodeID(1), name: "own", heard: MonotonicTime(nanoseconds: 0),
            standing: change.standing(isReady: true, isWhole: true))
        let old = ShardChange.Node(id: NodeID(2), name: "old", heard: MonotonicTime(nanoseconds: 0), standing: nil)
        let step = change.step(own: own, others: [old], now: MonotonicTime(nanoseconds: 60_000_000_000))
        let why = "node old does not divide the channels among several servers"
        #expect(step == .nothing && change.waiting?.hasPrefix(why) ?? false)
    }

    /// It has not heard the others yet, and believes that it is alone.
    @Test func whoHasJustComeDoesNotDriveAnything() {
        let settled = ShardPlan(servers: Nodes.names("a b"))
        let changed = settled.changed(to: Nodes.names("a b c"), by: two)
        let begun = changed.continued(by: two)
        for plan in [settled, changed, begun, begun.stopped(by: two), begun.stopped(by: one)] {
            let now = MonotonicTime(nanoseconds: 1_000_000_000_000)
            var change = ShardChange(plan, target: Nodes.names("a b c"), now: now)
            for second in 1...NodeRegistry.lease.components.seconds {
                let own = ShardChange.Node(
                    id: one, name: "own", heard: now, standing: change.standing(isReady: true, isWhole: true))
                let step = change.step(own: own, others: [], now: now + .seconds(second))
                // What nobody seems to go on with is taken back: that is safe, whoever does it.
                let isTakenBack = step == .use(plan.interrupted(by: one)) && second > 2 && !plan.moving.isEmpty
                #expect(step == .nothing || isTakenBack, "\(plan.phase) after \(second) s")
            }
        }
    }

    /// Servers know the plan and not the node: two that copy under one plan would remove what the other one has copied.
    @Test func nobodyCopiesUnderThePlanOfAnotherOne() {
        var nodes = Nodes(["a b c", "a b c"], servers: "a b")
        let begun = ShardPlan(servers: Nodes.names("a b")).changed(to: Nodes.names("a b c"), by: two).continued(by: two)
        nodes.use(begun.stopped(by: two))
        check(nodes.step(0) == .use(begun.stopped(by: two).interrupted(by: one)))
        #expect(begun.stopped(by: two).stored != begun.stopped(by: one).stored)
    }

    /// One that has nothing to do with the partitions that move must not stop them for as long as it is away.
    @Test func aServerThatIsAwayInterruptsWhatHasToBeToldToAll() {
        var nodes = Nodes(["a b c", "a b c"], servers: "a b")
        let begun = ShardPlan(servers: Nodes.names("a b")).changed(to: Nodes.names("a b c"), by: one).continued(by: one)
        nodes.use(begun)
        nodes.isWhole[1] = false
        check(nodes.step(0) == .nothing)
        nodes.pass(ShardChange.patience + .milliseconds(1))
        check(nodes.step(0) == .use(begun.interrupted(by: one)))
        // What is copied already needs the servers that the partitions leave and come to.
        nodes.use(begun.stopped(by: one))
        check(nodes.step(0) == .copy)
        nodes.changes[0].copied(true, now: nodes.now)
        check(nodes.step(0) == .use(begun.stopped(by: one).copied(by: one)))
    }

    private struct Missing: Error {}
}
