package import Codec
import Synchronization
package import Reactor

/// Who may come in: counts that hold for the node as a whole, because open files and addresses are not a reactor's.
package final class Admission: Sendable {
    package struct Limits: Equatable, Sendable {
        /// Connections of the node.
        package var sessions: Int
        /// Connections that have not become sessions yet: their request is incomplete, or not answered.
        package var handshakes = 4096
        /// Connections of one address; 0 is no limit.
        package var sessionsPerAddress = 0
        /// Connections of one address that have not become sessions yet; 0 is no limit.
        package var handshakesPerAddress = 0
        /// Sessions of one user on this node; 0 is no limit.
        package var sessionsPerUser = 0
        /// How fast clients may connect to the node.
        package var connects = RateLimit.unlimited
        /// How fast clients of one address may.
        package var connectsPerAddress = RateLimit.unlimited
        /// How fast requests with commands may come to the node.
        package var requests = RateLimit.unlimited
        /// How fast those of one address may.
        package var requestsPerAddress = RateLimit.unlimited

        package init(sessions: Int) { self.sessions = sessions }
    }

    /// Why somebody has to stay outside.
    package enum Refusal: Error, Equatable, Sendable {
        case handshakes
        case sessionsOfAddress
        case handshakesOfAddress
    }

    // Of the limits, what is asked here. A reload may change them while reactors ask; each is right by itself.
    private let sessions: Atomic<Int>
    private let handshakes: Atomic<Int>
    private let sessionsPerAddress: Atomic<Int>
    private let handshakesPerAddress: Atomic<Int>
    private let sessionsPerUser: Atomic<Int>
    /// Sessions that every reactor has to have slots for.
    package let capacity: Int
    package let connects: ConnectGate
    package let requests: ConnectGate
    package let publishers = PublishGate()
    private let connections = Atomic<Int>(0)
    private let handshaking = Atomic<Int>(0)
    private let addresses = Mutex<[AddressKey: Count]>([:])
    private let users = Mutex<[ForeignText: Int]>([:])

    private struct Count {
        var connections = 0
        var handshakes = 0
    }

    /// - Parameter capacity: The largest number of sessions that `use` may set later; nil for that of the limits.
    package init(limits: Limits, capacity: Int? = nil) {
        sessions = Atomic(limits.sessions)
        handshakes = Atomic(limits.handshakes)
        sessionsPerAddress = Atomic(limits.sessionsPerAddress)
        handshakesPerAddress = Atomic(limits.handshakesPerAddress)
        sessionsPerUser = Atomic(limits.sessionsPerUser)
        self.capacity = max(limits.sessions, capacity ?? 0)
        connects = ConnectGate(node: limits.connects, address: limits.connectsPerAddress)
        requests = ConnectGate(node: limits.requests, address: limits.requestsPerAddress)
    }

    /// Takes other limits. Nobody who is inside has to leave. Addresses and users are counted from the start or never, so a limit
    /// that was 0 stays 0 and one that was not does not become 0.
    package func use(_ limits: Limits) {
        sessions.store(min(limits.sessions, capacity), ordering: .relaxed)
        handshakes.store(limits.handshakes, ordering: .relaxed)
        Self.use(limits.sessionsPerAddress, in: sessionsPerAddress)
        Self.use(limits.handshakesPerAddress, in: handshakesPerAddress)
        Self.use(limits.sessionsPerUser, in: sessionsPerUser)
        connects.use(node: limits.connects, address: limits.connectsPerAddress)
        requests.use(node: limits.requests, address: limits.requestsPerAddress)
    }

    private static func use(_ next: Int, in counted: borrowing Atomic<Int>) {
        if (counted.load(ordering: .relaxed) > 0) == (next > 0) { counted.store(next, ordering: .relaxed) }
    }

    // MARK: Connections

    package var hasRoom: Bool { connections.load(ordering: .relaxed) < sessions.load(ordering: .relaxed) }

    /// - Returns: Whether there was room; on success `left` follows. Two reactors may have seen the last place free.
    package func entered() -> Bool {
        guard connections.add(1, ordering: .relaxed).newValue <= sessions.load(ordering: .relaxed) else {
            left()
            return false
        }
        return true
    }

    package func left() { connections.subtract(1, ordering: .relaxed) }

    // MARK: Handshakes and addresses

    private var countsAddresses: Bool {
        sessionsPerAddress.load(ordering: .relaxed) > 0 || handshakesPerAddress.load(ordering: .relaxed) > 0
    }

    /// A connection begins its handshake; on success `opened` or `gone` follow.
    package func begin(_ address: SocketAddress?) throws(Refusal) {
        guard handshaking.load(ordering: .relaxed) < handshakes.load(ordering: .relaxed) else {
            throw .handshakes
        }
        if countsAddresses, let key = AddressKey(address) {
            let most = sessionsPerAddress.load(ordering: .relaxed)
            let mostHandshakes = handshakesPerAddress.load(ordering: .relaxed)
            let refusal: Refusal? = addresses.withLock { table in
                var count = table[key] ?? Count()
                if most > 0, count.connections >= most { return .sessionsOfAddress }
                if mostHandshakes > 0, count.handshakes >= mostHandshakes { return .handshakesOfAddress }
                count.connections += 1
                count.handshakes += 1
                table[key] = count
                return nil
            }
            if let refusal { throw refusal }
        }
        handshaking.add(1, ordering: .relaxed)
    }

    /// The handshake is over, and the connection stays.
    package func opened(_ address: SocketAddress?) {
        handshaking.subtract(1, ordering: .relaxed)
        change(address) { $0.handshakes -= 1 }
    }

    /// The connection is gone.
    package func gone(_ address: SocketAddress?, wasOpen: Bool) {
        if !wasOpen { handshaking.subtract(1, ordering: .relaxed) }
        change(address) {
            $0.connections -= 1
            if !wasOpen { $0.handshakes -= 1 }
        }
    }

    private func change(_ address: SocketAddress?, _ body: (inout Count) -> Void) {
        guard countsAddresses, let key = AddressKey(address) else { return }
        addresses.withLock { table in
            guard var count = table[key] else { return }
            body(&count)
            table[key] = count.connections > 0 ? count : nil
        }
    }

    // MARK: Users

    /// - Returns: Whether the user may have one more session on this node; on success `userLeft` follows.
    package func userEntered(_ user: ForeignText) -> Bool {
        let most = sessionsPerUser.load(ordering: .relaxed)
        guard most > 0 else { return true }
        return users.withLock { table in
            let count = table[user] ?? 0
            guard count < most else { return false }
            table[user] = count + 1
            return true
        }
    }

    package func userLeft(_ user: ForeignText) {
        guard sessionsPerUser.load(ordering: .relaxed) > 0 else { return }
        users.withLock { table in
            guard let count = table[user] else { return }
            table[user] = count > 1 ? count - 1 : nil
        }
    }

    /// Addresses and users that are counted now.
    package var counted: (addresses: Int, users: Int) {
        (addresses.withLock { $0.count }, users.withLock { $0.count })
    }
}

/// What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 one, which is what a single customer
/// usually has. An IPv4 address written as IPv6 is the IPv4 one.
struct AddressKey: Hashable {
    private let high: UInt64
    private let low: UInt64

    /// Nil for unix sockets, which have no address.
    init?(_ address: SocketAddress?) {
        switch address {
        case .ipv4(let raw, _):
            high = 0
            low = UInt64(raw) | 1 << 32
        case .ipv6(0, let raw, _, _) where raw >> 32 == 0xFFFF:
            high = 0
            low = raw & 0xFFFF_FFFF | 1 << 32
        case .ipv6(let prefix, _, _, _):
            high = prefix
            low = 0
        case .unix, nil:
            return nil
        }
    }
}
