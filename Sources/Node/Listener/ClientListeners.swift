import Reactor

/// The addresses clients connect to, opened and closed together: a drained node closes them, and opens the same ones again
/// when it is put back.
///
/// An actor, because a drain and a return may be asked for at the same time.
actor ClientListeners {
    /// With the ports that the system chose, if that was left to it.
    nonisolated let addresses: [SocketAddress]
    /// Those for TLS, where they are beside others.
    nonisolated let secureAddresses: [SocketAddress]

    private let shards: [Shard]
    private var ports: [ClientPort]
    /// Those that were closed too: what they counted counts on.
    private var listeners: [Listener] = []
    private var isOpen = false
    /// The node ends: nothing is opened any more.
    private var isOver = false

    /// Takes over ports that are bound already.
    init(_ ports: [ClientPort], shards: [Shard], isDivided: Bool) {
        self.ports = ports
        self.shards = shards
        addresses = ports.filter { !isDivided || !$0.isSecure }.map(\.address)
        secureAddresses = ports.filter { isDivided && $0.isSecure }.map(\.address)
    }

    /// Lets clients in.
    ///
    /// - Throws: That an address cannot be had again; then none of them is open.
    func open() async throws(SystemError) {
        guard !isOpen, !isOver else { return }
        isOpen = true
        if ports.isEmpty { try bindAgain() }
        for (shard, descriptor, isSecure) in ports.flatMap({ port in
            zip(shards, port.descriptors).map { ($0, $1, port.isSecure) }
        }) {
            let listener = Listener(reactor: shard.reactor, descriptor: descriptor) { client, peer in
                shard.accepted(client, from: peer, isSecure: isSecure)
            }
            listener.admit = { shard.hasRoom }
            listeners.append(listener)
            nonisolated(unsafe) let starting = listener
            let failure = await shard.reactor.perform { () -> SystemError? in
                do throws(SystemError) {
                    try starting.start()
                    return nil
                } catch {
                    return error
                }
            }
            if let failure {
                await close()
                throw failure
            }
        }
    }

    private func bindAgain() throws(SystemError) {
        var bound: [ClientPort] = []
        do throws(SystemError) {
            for address in addresses {
                bound.append(try ClientPort(address, reactors: shards.count, isSecure: isSecure && !isDivided))
            }
            for address in secureAddresses {
                bound.append(try ClientPort(address, reactors: shards.count, isSecure: true))
            }
        } catch {
            for port in bound { port.close() }
            isOpen = false
            throw error
        }
        ports = bound
    }

    private nonisolated var isDivided: Bool { !secureAddresses.isEmpty }
    private nonisolated var isSecure: Bool { shards.first?.isSecure ?? false }

    /// No new clients from here on.
    func close() async {
        guard isOpen else { return }
        isOpen = false
        for port in ports { port.removeFile() }
        ports = []
        for listener in listeners {
            nonisolated(unsafe) let stopping = listener
            await listener.reactor.perform { stopping.stop() }
        }
    }

    /// The same, for good.
    func end() async {
        isOver = true
        await close()
    }

    /// Of all that were ever open, in the order of their opening.
    func statistics() async -> [Listener.Statistics] {
        var all: [Listener.Statistics] = []
        for listener in listeners {
            nonisolated(unsafe) let asked = listener
            all.append(await listener.reactor.perform { asked.statistics })
        }
        return all
    }
}
