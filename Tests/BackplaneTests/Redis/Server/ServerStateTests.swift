import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct ServerStateTests {
    private func linked() -> ServerState {
        var state = ServerState()
        state.started()
        state.heardItsOwn()
        state.joined()
        check(state.commandsReady() && state.caughtUp())
        check(state.reviewed(isHeard: true) == .up)
        return state
    }

    @Test func comesUpInEitherOrder() {
        for isCommandFirst in [true, false] {
            var state = ServerState()
            state.started()
            #expect(state == .joining(commands: false, subscriptions: .away))
            if isCommandFirst { check(state.commandsReady()) }
            #expect(state.takesCommands == isCommandFirst)
            check(!state.caughtUp(), "nothing is complete before the node's own channels are")
            state.joined()
            #expect(state.subscriptions == .away, "its own channels come first")
            state.heardItsOwn()
            check(!state.caughtUp())
            state.joined()
            check(state.reviewed(isHeard: true) == nil, "not all that is wanted is confirmed")
            check(state.caughtUp() && !state.caughtUp())
            if !isCommandFirst { check(state.commandsReady()) }
            check(!state.commandsReady(), "once")
            #expect(state == .unheard && !state.isLinked && state.takesCommands)
            check(state.reviewed(isHeard: false) == nil)
            check(state.reviewed(isHeard: true) == .up && state.reviewed(isHeard: true) == nil)
            #expect(state == .linked)
        }
    }

    @Test func goesDownWithEitherConnectionAndWithItsBeats() {
        var state = linked()
        state.commandsLost()
        #expect(state == .joining(commands: false, subscriptions: .complete))
        // What was subscribed is still so, and beats were heard: it is up as soon as commands work.
        check(state.commandsReady() && state.reviewed(isHeard: true) == .up)
        state.subscriberLost()
        #expect(state == .joining(commands: true, subscriptions: .away) && state.takesCommands)
        state.heardItsOwn()
        state.joined()
        check(state.caughtUp() && state.reviewed(isHeard: true) == .up)
        check(state.reviewed(isHeard: false) == .down)
        #expect(state == .unheard)
    }

    @Test func publicationsWaitOnlyWhileItIsLinked() {
        var state = ServerState()
        check(!state.hold())
        state.started()
        check(!state.hold())
        state = linked()
        check(state.hold() && !state.hold())
        #expect(state == .holding && state.isLinked && state.takesCommands)
        check(state.reviewed(isHeard: true) == nil)
        check(state.goOn() && !state.goOn())
        check(state.hold())
        state.commandsLost()
        check(!state.goOn(), "another link does not wait")
        state = linked()
        check(state.hold() && state.reviewed(isHeard: false) == .down)
    }

    @Test func theEndIsTheEnd() {
        var state = linked()
        state.stopped()
        state.commandsLost()
        state.subscriberLost()
        state.heardItsOwn()
        state.joined()
        check(!state.commandsReady() && !state.caughtUp() && !state.hold() && !state.goOn())
        check(state.reviewed(isHeard: true) == nil)
        #expect(state == .stopped && !state.takesCommands && !state.isLinked && state.subscriptions == .away)
    }

    /// Whatever happens in whatever order, it is linked only when both connections work and beats are heard.
    @Test func neverLinkedWithoutBoth() {
        var random = Seeded(state: 7)
        for _ in 0..<200 {
            var state = ServerState()
            var commands = false
            var subscriptions = ServerState.Subscriptions.away
            state.started()
            for _ in 0..<200 {
                switch random.next() % 9 {
                case 0:
                    check(state.commandsReady() != commands || commands)
                    commands = true
                case 1:
                    state.commandsLost()
                    commands = false
                case 2:
                    state.joined()
                    if subscriptions == .own { subscriptions = .joined }
                case 8:
                    state.heardItsOwn()
                    if subscriptions == .away { subscriptions = .own }
                case 3:
                    if state.caughtUp() {
                        check(subscriptions == .joined)
                        subscriptions = .complete
                    }
                case 4:
                    state.subscriberLost()
                    subscriptions = .away
                case 5:
                    if state.reviewed(isHeard: random.next() % 4 > 0) == .up {
                        check(commands && subscriptions == .complete)
                    }
                case 6: if state.hold() { check(commands && subscriptions == .complete) }
                default: _ = state.goOn()
                }
                check(state.takesCommands == commands && state.subscriptions == subscriptions)
                if state.isLinked { check(commands && subscriptions == .complete) }
            }
        }
    }

    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
    }
}

@Suite struct ServerBeatsTests {
    private func at(_ seconds: Double) -> MonotonicTime {
        MonotonicTime(nanoseconds: UInt64((100 + seconds) * 1_000_000_000))
    }

    @Test func anOwnBeatComesBackOnce() {
        var beats = ServerBeats()
        let number = beats.send(now: at(0))
        check(!beats.isHeard(now: at(0)))
        check(beats.returned(number, now: at(0.002)) == 2000)
        check(beats.returned(number, now: at(0.003)) == nil && beats.returned(number + 1, now: at(0)) == nil)
        check(beats.isHeard(now: at(3)) && !beats.isHeard(now: at(3.1)))
    }

    @Test func whatWasHeardOverAnotherConnectionDoesNotCount() {
        var beats = ServerBeats()
        let number = beats.send(now: at(0))
        check(beats.returned(number, now: at(0)) != nil)
        beats.subscriberChanged()
        check(!beats.isHeard(now: at(0)))
        let lost = beats.send(now: at(1))
        beats.commandsLost()
        check(beats.returned(lost, now: at(1)) == nil && !beats.isHeard(now: at(1)))
    }

    @Test func beatsThatNeverComeBackAreForgotten() {
        var beats = ServerBeats()
        let first = beats.send(now: at(0))
        for _ in 0..<100 { _ = beats.send(now: at(1)) }
        check(beats.returned(first, now: at(1)) == nil)
        check(beats.returned(beats.sequence, now: at(1)) != nil)
    }
}

@Suite struct ServerScriptsTests {
    private let hash = [UInt8](repeating: 0x61, count: 40)

    private func info(_ text: String) -> RESPValue { .bulk(Array(text.utf8)) }

    @Test func knowsWhichServerItIs() {
        var scripts = ServerScripts()
        scripts.connected(after: 0, now: .now())
        check(scripts.identified(info("# Server\r\nredis_version:7\r\nrun_id:abc\r\n"), failover: nil) == nil)
        #expect(scripts.identity == Array("abc".utf8))
        check(scripts.identified(info("run_id:abc"), failover: 7) == nil)
        #expect(scripts.identity == Array("abc@7".utf8))
        // Another connection knows nothing of it.
        scripts.connected(after: 0, now: .now())
        #expect(scripts.identity == nil && scripts.objection == nil)
    }

    @Test func saysOnceWhatIsMissing() {
        for wrong in [
            info("redis_version:7"), info("run_id:"), info("run_id:a b"),
            info("run_id:" + String(repeating: "a", count: 129)),
            .error("NOPERM"), .integer(1), .bulk(nil),
        ] as [RESPValue] {
            var scripts = ServerScripts()
            check(scripts.identified(wrong, failover: nil) != nil)
            #expect(scripts.identity == nil && scripts.objection != nil)
            check(scripts.loaded(.read, .error("NOPERM")) == nil, "the first objection is enough")
        }
    }

    @Test func hasWhatWasLoaded() {
        var scripts = ServerScripts()
        check(scripts.loaded(.publish, .bulk(hash)) == nil)
        #expect(scripts.hash(of: .publish) == hash && scripts.hash(of: .read) == nil)
        check(scripts.loaded(.publish, .bulk([1, 2])) != nil)
        #expect(scripts.hash(of: .publish) == nil)
        check(scripts.loaded(.publish, .bulk(hash)) == nil)
        scripts.forgot(.publish)
        #expect(scripts.hash(of: .publish) == nil && scripts.objection != nil)
    }
}

@Suite struct NowAndThenTests {
    @Test func eachSubjectIsSaidOnceAMinute() {
        var said = LogThrottle()
        let start = MonotonicTime(nanoseconds: 1_000_000_000_000)
        check(said.isDue(.refusedBeat, now: start))
        check(!said.isDue(.refusedBeat, now: start + .seconds(59)))
        check(said.isDue(.invalidHistory, now: start + .seconds(59)))
        check(said.isDue(.refusedBeat, now: start + .seconds(60)))
    }
}
