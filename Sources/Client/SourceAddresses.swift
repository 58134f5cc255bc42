import Glibc
import Reactor
import Synchronization

/// Addresses of 127.0.0.0/8 to connect from.
///
/// A source address has 28,232 ephemeral ports for one target (ip(7), `ip_local_port_range`), and ports of earlier
/// connections rest for a minute: so every process and every swarm in it takes addresses of its own.
struct SourceAddresses {
    /// Connections per source address; below the number of ephemeral ports.
    static let connectionsPerAddress = 20_000
    private static let swarms = Atomic<UInt32>(0)

    private let base: UInt32

    init() {
        let process = UInt32(truncatingIfNeeded: getpid())
        let swarm = Self.swarms.wrappingAdd(1, ordering: .relaxed).oldValue
        // 127.16.0.0 to 127.143.255.255, four addresses a swarm.
        base = 127 << 24 | (16 + (process >> 8) & 0x7F) << 16 | (process & 0xFF) << 8 | (swarm & 0x1F) << 3
    }

    /// Where connection `index` comes from; nil when the kernel is to choose because the target is not loopback.
    func source(of index: Int, to target: SocketAddress) -> SocketAddress? {
        guard case .ipv4(let address, _) = target, address >> 24 == 127 else { return nil }
        let step = UInt32(index / Self.connectionsPerAddress) & 0x3
        return .ipv4(base + 1 + step, port: 0)
    }
}
