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

        package init(sessions: Int) { self.sessions = sessions }
    }

    /// Why somebody has to stay outside.
    package enum Refusal: Error, Equatable, Sendable {
        case handshakes
        case sessionsOfAddress
        case handshakesOfAddress
    }

    package let limits: Limits
    package let connects: ConnectGate
    private let connections = Atomic<Int>(0)
    private let handshaking = Atomic<Int>(0)
    private let addresses = Mutex<[AddressKey: Count]>([:])
    private let users = Mutex<[String: Int]>([:])

    private struct Count {
        var connections = 0
        var handshakes = 0
    }

    package init(limits: Limits) {
        self.limits = limits
        connects = ConnectGate(node: limits.connects, address: limits.connectsPerAddress)
    }

    // MARK: Connections

    package var hasRoom: Bool { connections.load(ordering: .relaxed) < limits.sessions }

    /// - Returns: Whether there was room; on success `left` follows. Two reactors may have seen the last place free.
    package func entered() -> Bool {
        guard connections.add(1, ordering: .relaxed).newValue <= limits.sessions else {
            left()
            return false
        }
        return true
    }

    package func left() { connections.subtract(1, ordering: .relaxed) }

    // MARK: Handshakes and addresses

    private var countsAddresses: Bool { limits.sessionsPerAddress > 0 || limits.handshakesPerAddress > 0 }

    /// A connection begins its handshake; on success `opened` or `gone` follow.
    package func begin(_ address: SocketAddress?) throws(Refusal) {
        guard handshaking.load(ordering: .relaxed) < limits.handshakes else { throw .handshakes }
        if countsAddresses, let key = AddressKey(address) {
            let refusal: Refusal? = addresses.withLock { table in
                var count = table[key] ?? Count()
                if limits.sessionsPerAddress > 0, count.connections >= limits.sessionsPerAddress {
                    return .sessionsOfAddress
                }
                if limits.handshakesPerAddress > 0, count.handshakes >= limits.handshakesPerAddress {
                    return .handshakesOfAddress
                }
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
    package func userEntered(_ user: String) -> Bool {
        guard limits.sessionsPerUser > 0 else { return true }
        return users.withLock { table in
            let count = table[user] ?? 0
            guard count < limits.sessionsPerUser else { return false }
            table[user] = count + 1
            return true
        }
    }

    package func userLeft(_ user: String) {
        guard limits.sessionsPerUser > 0 else { return }
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
