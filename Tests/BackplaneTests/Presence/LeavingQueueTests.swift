import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct LeavingQueueTests {
    private let room = PresenceRoom(
        ChannelName(trusted: Array("room".utf8)), PresenceSettings(announces: true, grace: 1000))

    private func session(_ number: UInt64) -> SessionID {
        SessionID(node: NodeID(7), locator: number, secret: .init(high: 0, low: 0))
    }

    private func taken(_ queue: inout LeavingQueue, _ now: MonotonicTime) -> [UInt64] {
        var found: [UInt64] = []
        while let entry = queue.next(now: now) { found.append(entry.session.locator) }
        return found
    }

    /// Never early, and at most one tick late, whatever their graces.
    @Test func eachComesWhenItsTimeIsOver() {
        var generator = SystemRandomNumberGenerator()
        var queue = LeavingQueue()
        var now = MonotonicTime(nanoseconds: .random(in: 1 << 40...1 << 41, using: &generator))
        var due: [UInt64: MonotonicTime] = [:]
        var number: UInt64 = 0
        for step in 0..<3000 {
            if step < 2000 {
                for _ in 0..<Int.random(in: 0...4, using: &generator) {
                    let at = now + .milliseconds(Int.random(in: 1...60_000, using: &generator))
                    due[number] = at
                    queue.append(.init(room: room, session: session(number), at: at), now: now)
                    number += 1
                }
            }
            now = now + .milliseconds(Int.random(in: 1...250, using: &generator))
            for one in taken(&queue, now) {
                guard let at = due.removeValue(forKey: one) else {
                    Issue.record("\(one) came twice")
                    continue
                }
                check(at <= now, "early")
            }
            check(due.values.allSatisfy { now - $0 < LeavingQueue.precision + .milliseconds(250) }, "late")
            check(queue.count == due.count)
        }
        now = now + .seconds(61)
        check(taken(&queue, now).count == due.count && queue.count == 0)
    }

    @Test func takingOneAndAddingAnotherForgetsNobody() {
        var queue = LeavingQueue()
        let now = MonotonicTime(nanoseconds: 10_000_000_000)
        queue.append(.init(room: room, session: session(1), at: now), now: now)
        check(queue.next(now: now)?.session.locator == 1)
        queue.append(.init(room: room, session: session(2), at: now), now: now)
        check(taken(&queue, now) == [2])
        // The wheel was not turned for minutes, so one comes early; `LocalPresence` puts it back.
        queue.append(.init(room: room, session: session(3), at: now + .seconds(60)), now: now)
        let later = now + .seconds(600)
        queue.append(.init(room: room, session: session(4), at: later + .seconds(1)), now: later)
        check(queue.next(now: later)?.session.locator == 3 && queue.next(now: later)?.session.locator == 4)
        queue.append(.init(room: room, session: session(4), at: later + .seconds(1)), now: later)
        check(taken(&queue, later + .milliseconds(750)).isEmpty && taken(&queue, later + .seconds(1)) == [4])
    }
}
