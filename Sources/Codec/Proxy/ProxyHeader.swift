/// What a balancer says about a connection before its first byte (HAProxy's proxy-protocol.txt, versions 1 and 2).
package struct ProxyHeader: Hashable, Sendable {
    package enum Version: UInt8, Sendable {
        /// A line of text (2.1).
        case v1 = 1
        /// Binary (2.2).
        case v2 = 2
    }

    package enum Origin: Hashable, Sendable {
        /// The balancer's own connection, a health check say, or one whose ends it cannot tell: the addresses of the
        /// socket count (2.1 `UNKNOWN`, 2.2 `LOCAL` and unspecified families).
        case peer
        /// Somebody else's connection, from where it came and where it went to.
        case relayed(source: ProxyAddress, destination: ProxyAddress)
    }

    package let version: Version
    package let origin: Origin

    package init(version: Version, origin: Origin) {
        self.version = version
        self.origin = origin
    }

    /// Who the connection is from; nil when it is who the socket says.
    package var source: ProxyAddress? {
        if case .relayed(let source, _) = origin { source } else { nil }
    }
}

/// One end of a connection a balancer passed on.
package enum ProxyAddress: Hashable, Sendable {
    case ip(IPAddress, port: UInt16)
    /// The path of a unix socket, at most 108 bytes, without the zeros behind it. Empty when the socket has no name or
    /// an abstract one. Any bytes: not to be trusted to be UTF-8.
    case unix([UInt8])

    /// The address without the port; nil for a unix socket.
    package var ip: IPAddress? {
        if case .ip(let address, _) = self { address } else { nil }
    }
}
