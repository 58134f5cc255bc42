import Testing

@testable import Node

@Suite struct ServiceManagerTests {
    @Test func readsTheSocketsName() {
        // AF_UNIX is 1, in the byte order of the machine.
        #expect(ServiceManager.address(of: "/run/x") == [1, 0] + Array("/run/x".utf8) + [0])
        #expect(ServiceManager.address(of: "@abc") == [1, 0, 0] + Array("abc".utf8))
        #expect(ServiceManager.address(of: "vsock:1:2") == nil)
        #expect(ServiceManager.address(of: "") == nil)
        #expect(ServiceManager.address(of: "/" + String(repeating: "a", count: 200)) == nil)
    }

    @Test func eventsAreLines() {
        #expect(ServiceManager.Event.ready(status: "x").text == "READY=1\nSTATUS=x\n")
        #expect(ServiceManager.Event.reloading(monotonicMicroseconds: 5).text == "RELOADING=1\nMONOTONIC_USEC=5\n")
        #expect(ServiceManager.Event.stopping.text.hasPrefix("STOPPING=1\n"))
    }
}

@Suite struct DrainingTests {
    @Test func aDrainedNodeCanBePutBackAndDrainedAgain() {
        let draining = Draining()
        #expect(draining.undo() == .notNeeded)
        #expect(draining.begin() && !draining.begin())
        draining.ended(.drained)
        #expect(draining.undo() == .granted && draining.isUndone)
        draining.ended(.serving)
        #expect(draining.begin() && !draining.isUndone)
    }

    @Test func thereIsNoWayBackFromTheEnd() {
        let draining = Draining()
        draining.isForGood()
        #expect(draining.undo() == .refused)
        #expect(draining.begin())
        #expect(draining.undo() == .refused && !draining.isUndone)
    }
}
