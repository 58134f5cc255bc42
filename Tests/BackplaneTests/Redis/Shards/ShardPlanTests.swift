import Codec
import Testing

@testable import Backplane

@Suite struct ShardPlanTests {
    private static let maker = NodeID(7)

    private static func names(_ text: String) -> [[UInt8]] { text.split(separator: " ").map { Array($0.utf8) } }

    @Test func anAddedServerTakesItsShareBatchByBatch() {
        var plan = ShardPlan(servers: Self.names("b a"))
        #expect(plan.isSettled && plan.from == Self.names("a b") && plan.generation == 1)
        let before = plan.owners
        plan = plan.changed(to: Self.names("a b c"), by: Self.maker)
        let wanted = ShardPlan.owners(among: Self.names("a b c"))
        #expect(plan.owners == before && plan.successors == wanted && plan.moving.isEmpty)
        let changing = plan.changing
        #expect((20...64).contains(changing.count))
        #expect(changing.partitions.allSatisfy { wanted[$0] == Array("c".utf8) })
        var batches = 0
        plan = plan.continued(by: Self.maker)
        while !plan.isSettled {
            batches += 1
            #expect((1...ShardPlan.batch).contains(plan.moving.count))
            #expect(plan.phase == .stop)
            let owners = plan.owners
            for partition in plan.moving.partitions { #expect(owners[partition] == before[partition]) }
            let stopped = plan.stopped(by: Self.maker)
            #expect(stopped.phase == .copy && stopped.moving == plan.moving && stopped.isNewer(than: plan))
            plan = stopped.copied(by: Self.maker)
            #expect(plan.isNewer(than: stopped))
        }
        #expect(batches == (changing.count + ShardPlan.batch - 1) / ShardPlan.batch)
        #expect(plan.owners == wanted && plan.from == Self.names("a b c") && plan.moved.isEmpty)
    }

    @Test func whatIsInterruptedStaysWhereItWas() {
        let begun = ShardPlan(servers: Self.names("a b c")).changed(to: Self.names("a b"), by: Self.maker).continued(
            by: Self.maker)
        let taken = begun.stopped(by: Self.maker).interrupted(by: Self.maker)
        #expect(taken.moving.isEmpty && taken.phase == .stop && !taken.isSettled && taken.owners == begun.owners)
        #expect(taken.continued(by: Self.maker).moving == begun.moving)
        let half = begun.stopped(by: Self.maker).copied(by: Self.maker).interrupted(by: Self.maker)
        #expect(
            half.moved == begun.moving
                && half.continued(by: Self.maker).moving.partitions.allSatisfy { !half.moved.contains($0) })
        #expect(half.servers == Self.names("a b c"))
    }

    @Test func aPlanIsReadAsItWasStored() {
        let settled = ShardPlan(servers: Self.names("a b:7001 [::1]:7002"))
        let plans = [
            settled, settled.changed(to: Self.names("z"), by: Self.maker),
            settled.changed(to: Self.names("a q"), by: Self.maker).continued(by: Self.maker).stopped(by: Self.maker)
                .copied(by: Self.maker),
        ]
        for plan in plans { #expect(ShardPlan(stored: plan.stored) == plan) }
        #expect(Set(plans.map(\.digest)).count == 3)
        #expect(Set(plans.map(\.origin)).count == 1 && ShardPlan(servers: Self.names("a b")).origin != settled.origin)
        let text = String(decoding: plans[2].stored, as: UTF8.self)
        let wrong = [
            "", "a\nb", text.replacing("carillon-shards 1", with: "carillon-shards 2"),
            text.replacing("generation ", with: "generation -"), text.replacing("origin ", with: "origin x"),
            text.replacing("phase stop", with: "phase later"),
            text + "\nover a", text + "\n" + String(repeating: "to x", count: 10_000),
            text.replacing("moved ", with: "moved 0"), text.replacing("moving ", with: "moving x"),
        ]
        for one in wrong { #expect(ShardPlan(stored: Array(one.utf8)) == nil, "\(one.prefix(60))") }
        // Nothing moves without a target.
        let aimless = text.split(separator: "\n").filter { !$0.hasPrefix("to ") }.joined(separator: "\n")
        #expect(ShardPlan(stored: Array(aimless.utf8)) == nil)
    }

    @Test func ofTwoPlansOneCounts() {
        let plan = ShardPlan(servers: Self.names("a b")).changed(to: Self.names("a b c"), by: Self.maker).continued(
            by: Self.maker)
        let (stopped, interrupted) = (plan.stopped(by: Self.maker), plan.interrupted(by: Self.maker))
        #expect(stopped.generation == interrupted.generation)
        #expect(interrupted.isNewer(than: stopped) && !stopped.isNewer(than: interrupted))
        // Who was slow and completes what was taken back meanwhile is too late.
        let (late, taken) = (stopped.copied(by: Self.maker), stopped.interrupted(by: Self.maker))
        #expect(late.generation == taken.generation && taken.isNewer(than: late) && !late.isNewer(than: taken))
        #expect(!plan.isNewer(than: plan) && stopped.isNewer(than: plan) && !plan.isNewer(than: stopped))
    }

    /// Of the last batch, too: after it, the plan names no partitions at all.
    @Test func whatIsTakenBackCountsAlsoForTheLastBatch() {
        var plan = ShardPlan(servers: Self.names("a b")).changed(to: Self.names("a b c"), by: Self.maker)
            .continued(by: Self.maker)
        while true {
            let copying = plan.stopped(by: Self.maker)
            let (done, taken) = (copying.copied(by: Self.maker), copying.interrupted(by: Self.maker))
            #expect(taken.isNewer(than: done) && !done.isNewer(than: taken))
            #expect(done.completes(copying) && !done.takesBack(copying))
            #expect(taken.takesBack(copying) && !taken.completes(copying))
            #expect(!copying.completes(plan) && !copying.takesBack(plan))
            // What counts for one is stored where what counts for the other is.
            let servers = copying.movingServers
            #expect(servers.contains(Array("c".utf8)) && servers.count > 1 && servers.isSubset(of: copying.servers))
            plan = done
            if plan.isSettled { break }
        }
        #expect(plan.movingServers.isEmpty)
        let next = plan.changed(to: Self.names("a"), by: Self.maker)
        #expect(!next.completes(plan) && !next.takesBack(plan))
        #expect(!next.continued(by: Self.maker).completes(next) && !next.continued(by: Self.maker).takesBack(next))
    }

    @Test func digitsOfPartitions() {
        for set in [PartitionSet.none, .all, PartitionSet([0]), PartitionSet([127]), PartitionSet([63, 64, 100])] {
            #expect(set.digits.count == 32 && PartitionSet(digits: set.digits) == set)
        }
        for wrong in [
            "", "0", String(repeating: "g", count: 32), "+" + String(repeating: "0", count: 31),
            String(repeating: "F", count: 32),
        ] {
            #expect(PartitionSet(digits: wrong) == nil)
        }
    }
}
