import Codec
import Testing

@testable import Backplane

/// Occupied and vacated alternate, whatever comes in.
@Suite struct OccupancyMemoTests {
    /// What is said of one channel.
    private struct Rig {
        var memo = OccupancyMemo()
        var said: [String] = []
        var hasRoom = true
        var now: UInt64 = 1000
        let room = ChannelName(trusted: Array("room".utf8))

        mutating func occupied(_ order: UInt64) {
            var told = false
            let hasRoom = hasRoom
            memo.occupied(room, order: order, now: now) {
                told = hasRoom
                return hasRoom
            }
            if told { said.append("o\(order)") }
        }

        mutating func vacated(_ order: UInt64) {
            memo.vacated(room, order: order, body: Array("v\(order)".utf8), now: now, grace: 500)
        }

        mutating func pass(_ time: UInt64) {
            now += time
            var told: [String] = []
            let hasRoom = hasRoom
            memo.expire(now: now) { body in
                if hasRoom { told.append(String(decoding: body, as: UTF8.self)) }
                return hasRoom
            }
            said += told
        }
    }

    @Test func eachChangeIsSaidOnce() {
        var rig = Rig()
        rig.occupied(1)
        rig.occupied(1)
        rig.occupied(2)
        rig.vacated(3)
        rig.pass(499)
        #expect(rig.said == ["o1"])
        rig.pass(1)
        rig.pass(1000)
        rig.occupied(4)
        #expect(rig.said == ["o1", "v3", "o4"])
    }

    @Test func whoIsBackInTimeWasNeverAway() {
        var rig = Rig()
        rig.occupied(1)
        rig.vacated(2)
        rig.pass(400)
        rig.occupied(3)
        rig.pass(1000)
        rig.vacated(4)
        rig.pass(500)
        #expect(rig.said == ["o1", "v4"])
    }

    @Test func whatComesLateIsIgnored() {
        var rig = Rig()
        rig.occupied(3)
        rig.vacated(2)
        rig.pass(1000)
        #expect(rig.said == ["o3"])
        rig.vacated(4)
        rig.pass(1000)
        rig.occupied(3)
        rig.vacated(1)
        rig.pass(1000)
        #expect(rig.said == ["o3", "v4"])
    }

    @Test func aVacancyWithoutOccupancyIsNotSaid() {
        var rig = Rig()
        rig.vacated(1)
        rig.pass(1000)
        #expect(rig.said == [])
    }

    @Test func whatHadNoRoomWasNotSaid() {
        var rig = Rig()
        rig.hasRoom = false
        rig.occupied(1)
        rig.vacated(2)
        rig.pass(1000)
        rig.hasRoom = true
        rig.occupied(3)
        rig.vacated(4)
        rig.hasRoom = false
        rig.pass(1000)
        #expect(rig.said == ["o3"])
        rig.hasRoom = true
        rig.pass(1)
        #expect(rig.said == ["o3", "v4"])
    }

    @Test(arguments: 0..<20)
    func alwaysAlternate(_ seed: UInt64) {
        var random = Shuffle(seed: seed)
        var rig = Rig()
        var changes: [(order: UInt64, isOccupied: Bool)] = (1...200).map { ($0, $0 % 2 == 1) }
        // Some come twice, and none is far from its place.
        changes += changes.filter { _ in Bool.random(using: &random) }
        let places = changes.map { ($0.order + UInt64.random(in: 0...4, using: &random), $0) }
        changes = places.sorted { $0.0 < $1.0 }.map(\.1)
        for change in changes {
            if change.isOccupied { rig.occupied(change.order) } else { rig.vacated(change.order) }
            rig.pass(UInt64.random(in: 0...600, using: &random))
        }
        rig.vacated(1000)
        rig.pass(1000)
        let kinds = rig.said.map { $0.first }
        #expect(zip(kinds, kinds.dropFirst()).allSatisfy { $0 != $1 })
        #expect(kinds.first == "o" && kinds.last == "v")
    }

    private struct Shuffle: RandomNumberGenerator {
        var state: UInt64
        init(seed: UInt64) { state = seed &* 2 &+ 1 }
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 33
        }
    }
}
