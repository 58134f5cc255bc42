package import Codec
package import Reactor

/// Whether clients come through a balancer that says for whom it speaks, and whose word counts (PROXY protocol).
package struct ProxyRule: Equatable, Sendable {
    package enum Mode: String, CaseIterable, Sendable {
        /// Nobody is believed: the socket's address counts.
        case off
        /// Every connection begins with a header, and comes from a trusted address.
        case required
    }

    package var mode = Mode.off
    package var trusted: [AddressRange] = []
    /// How long the header may take, from the first byte awaited to its last.
    package var timeout: Duration = .seconds(5)

    package init() {}

    package var isRequired: Bool { mode == .required }

    /// Whether somebody may say for whom it speaks. Whoever reaches a unix socket was let in by the file system.
    package func trusts(_ peer: SocketAddress) -> Bool {
        guard let address = IPAddress(peer) else { return true }
        return trusted.contains { $0.contains(address) }
    }
}

extension IPAddress {
    /// Nil for a unix socket.
    init?(_ address: SocketAddress) {
        switch address {
        case .ipv4(let raw, _): self = .v4(raw)
        case .ipv6(let high, let low, _, _): self = IPAddress.v6(high, low).unmapped
        case .unix: return nil
        }
    }
}

extension SocketAddress {
    /// As a balancer wrote it.
    init(_ address: ProxyAddress) {
        switch address {
        case .ip(.v4(let raw), let port): self = .ipv4(raw, port: port)
        case .ip(.v6(let high, let low), let port): self = .ipv6(high, low, port: port, scope: 0)
        // A path on somebody else's machine tells nothing here.
        case .unix: self = .unix("")
        }
    }
}
