import Codec
import Reactor
import Testing

@testable import Node

@Suite struct AdmissionTests {
    private func admission(_ change: (inout Admission.Limits) -> Void) -> Admission {
        var limits = Admission.Limits(sessions: 100)
        change(&limits)
        return Admission(limits: limits)
    }

    private func address(_ text: String) throws -> SocketAddress { try SocketAddress(parsing: text) }

    @Test func handshakesOfTheNodeAreBounded() throws {
        let admission = admission { $0.handshakes = 2 }
        let one = try address("10.0.0.1:1000")
        try admission.begin(one)
        try admission.begin(one)
        #expect(throws: Admission.Refusal.handshakes) { try admission.begin(one) }
        // One of them became a session, the other gave up.
        admission.opened(one)
        admission.gone(one, wasOpen: false)
        try admission.begin(one)
        try admission.begin(one)
        #expect(throws: Admission.Refusal.handshakes) { try admission.begin(one) }
    }

    @Test func connectionsOfAnAddressAreBoundedAndForgotten() throws {
        let admission = admission { $0.sessionsPerAddress = 2 }
        let one = try address("10.0.0.1:1000")
        let samePeer = try address("[::ffff:10.0.0.1]:2000")
        let other = try address("10.0.0.2:1000")
        try admission.begin(one)
        admission.opened(one)
        try admission.begin(samePeer)
        #expect(throws: Admission.Refusal.sessionsOfAddress) { try admission.begin(one) }
        try admission.begin(other)
        admission.gone(one, wasOpen: true)
        try admission.begin(one)
        admission.gone(one, wasOpen: false)
        admission.gone(samePeer, wasOpen: false)
        admission.gone(other, wasOpen: false)
        #expect(admission.counted.addresses == 0)
    }

    @Test func anIPv6NetworkIsOneAddress() throws {
        let admission = admission { $0.handshakesPerAddress = 1 }
        try admission.begin(try address("[2001:db8:1:2::1]:1"))
        #expect(throws: Admission.Refusal.handshakesOfAddress) {
            try admission.begin(try address("[2001:db8:1:2:ffff::9]:1"))
        }
        try admission.begin(try address("[2001:db8:1:3::1]:1"))
    }

    /// Nobody has to leave, and nobody more comes in.
    @Test func otherLimitsCountForWhoeverComesNext() throws {
        var limits = Admission.Limits(sessions: 3)
        limits.handshakes = 10
        limits.sessionsPerAddress = 3
        let admission = Admission(limits: limits, capacity: 5)
        let one = try address("10.0.0.1:1000")
        for _ in 0..<3 {
            #expect(admission.entered())
            try admission.begin(one)
        }
        #expect(!admission.entered() && !admission.hasRoom)
        limits.sessions = 100
        limits.sessionsPerAddress = 4
        admission.use(limits)
        #expect(admission.hasRoom && admission.entered())
        try admission.begin(one)
        #expect(throws: Admission.Refusal.sessionsOfAddress) { try admission.begin(one) }
        // There is no room for more than the capacity.
        #expect(admission.entered() && !admission.entered())
        limits.sessions = 1
        limits.handshakes = 1
        // A count that has begun does not end in the middle.
        limits.sessionsPerAddress = 0
        admission.use(limits)
        #expect(!admission.hasRoom)
        #expect(throws: Admission.Refusal.handshakes) { try admission.begin(one) }
        for _ in 0..<4 { admission.gone(one, wasOpen: false) }
        #expect(admission.counted.addresses == 0)
    }

    @Test func unixSocketsHaveNoAddress() throws {
        let admission = admission { $0.sessionsPerAddress = 1 }
        for _ in 0..<5 { try admission.begin(.unix("")) }
        #expect(admission.counted.addresses == 0)
    }

    @Test func sessionsOfAUserAreBoundedAndForgotten() {
        let admission = admission { $0.sessionsPerUser = 2 }
        #expect(admission.userEntered("ann"))
        #expect(admission.userEntered("ann"))
        #expect(!admission.userEntered("ann"))
        #expect(admission.userEntered("bob"))
        admission.userLeft("ann")
        #expect(admission.userEntered("ann"))
        admission.userLeft("ann")
        admission.userLeft("ann")
        admission.userLeft("bob")
        #expect(admission.counted.users == 0)
    }
}
