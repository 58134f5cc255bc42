import Glibc
import Testing

@testable import Reactor

@Suite struct ListenerTests {
    final class Door: @unchecked Sendable {
        let reactor: Reactor
        let address: SocketAddress
        let arrivals: AsyncStream<Int32>
        var isOpen = true
        private(set) var listener: Listener!

        init(budget: Int = 64) async throws {
            reactor = try Reactor(index: 0, name: "door")
            let descriptor = try Socket.listen(on: .ipv4(0x7F00_0001, port: 0), reusePort: false)
            address = try #require(Socket.localAddress(of: descriptor))
            let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
            arrivals = stream
            listener = Listener(reactor: reactor, descriptor: descriptor, budget: budget) { descriptor, _ in
                continuation.yield(descriptor)
            }
            listener.admit = { [self] in isOpen }
            reactor.start()
            try await reactor.perform { [self] in
                Result<Void, SystemError> { () throws(SystemError) in try listener.start() }
            }
            .get()
        }

        /// What `admit` and the listener hold of each other ends here.
        func close() async {
            await reactor.perform { [self] in
                listener.stop()
                listener.admit = { false }
            }
            reactor.stop()
        }
    }

    @Test func everybodyIsTakenAlsoBeyondTheBudgetOfOneTurn() async throws {
        let door = try await Door(budget: 3)
        let clients = try (0..<40).map { _ in try Socket.connect(to: door.address) }
        var arrivals = door.arrivals.makeAsyncIterator()
        for _ in clients { Socket.close(try #require(await arrivals.next())) }
        let statistics = await door.reactor.perform { door.listener.statistics }
        #expect(statistics.accepted == 40)
        #expect(statistics.pauses == 0)
        for client in clients { Socket.close(client) }
        await door.close()
    }

    @Test func whoIsNotAdmittedWaitsUntilThereIsRoom() async throws {
        let door = try await Door()
        await door.reactor.perform { door.isOpen = false }
        let client = try Socket.connect(to: door.address)
        while await door.reactor.perform({ door.listener.statistics.pauses == 0 }) { await Task.yield() }
        let accepted = await door.reactor.perform { door.listener.statistics.accepted }
        #expect(accepted == 0)
        await door.reactor.perform { door.isOpen = true }
        var arrivals = door.arrivals.makeAsyncIterator()
        Socket.close(try #require(await arrivals.next()))
        Socket.close(client)
        await door.close()
    }

    @Test func aPortThatIsTakenIsRefusedInPlainWords() throws {
        let first = try Socket.listen(on: .ipv4(0x7F00_0001, port: 0), reusePort: true)
        defer { Socket.close(first) }
        let address = try #require(Socket.localAddress(of: first))
        let error = #expect(throws: SystemError.self) { try Socket.listen(on: address, reusePort: true) }
        #expect(error?.code == EADDRINUSE)
        #expect(error?.description.contains(address.description) ?? false)
        // The other reactors of the same process say that they share it.
        Socket.close(try Socket.listen(on: address, reusePort: true, isShared: true))
    }

    @Test func aUnixSocketThatNobodyListensOnIsReplacedAndOneInUseIsNot() throws {
        let path = "/tmp/carillon-listener-\(getpid()).sock"
        defer { Socket.removeFile(path) }
        let first = try Socket.listen(on: .unix(path), reusePort: false)
        #expect(throws: SystemError.self) { try Socket.listen(on: .unix(path), reusePort: false) }
        Socket.close(first)
        Socket.close(try Socket.listen(on: .unix(path), reusePort: false))
    }
}
