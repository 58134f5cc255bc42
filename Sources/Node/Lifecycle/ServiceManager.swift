import Glibc
import Reactor

/// Tells systemd how far the node is (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names. Without that
/// variable nobody is told anything.
package enum ServiceManager {
    package enum Event: Equatable, Sendable {
        /// The node listens, and what `systemctl status` shows of it.
        case ready(status: String)
        /// SIGHUP came; `ready` follows.
        case reloading(monotonicMicroseconds: UInt64)
        case stopping

        /// Lines of `NAME=VALUE`.
        var text: String {
            switch self {
            case .ready(let status): "READY=1\nSTATUS=\(status)\n"
            case .reloading(let microseconds): "RELOADING=1\nMONOTONIC_USEC=\(microseconds)\n"
            case .stopping: "STOPPING=1\nSTATUS=sessions leave\n"
            }
        }
    }

    /// Never waits: what the socket does not take at once is left out.
    package static func tell(_ event: Event) {
        guard let variable = getenv("NOTIFY_SOCKET"), let address = address(of: String(cString: variable)) else {
            return
        }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(event.text.utf8)
        _ = address.withUnsafeBytes { raw in
            raw.withMemoryRebound(to: sockaddr.self) { target in
                sendto(
                    descriptor, bytes, bytes.count, 0, target.baseAddress,
                    socklen_t(raw.count))
            }
        }
    }

    /// A `sockaddr_un` of just its length: the name of an abstract socket has no end of its own. `@` stands for the zero
    /// byte such a name begins with. Nil for what is neither.
    static func address(of text: String) -> [UInt8]? {
        var path = Array(text.utf8)
        guard let first = path.first, path.count <= SocketAddress.maximumPathBytes else { return nil }
        switch first {
        case UInt8(ascii: "@"): path[0] = 0
        case UInt8(ascii: "/"): path.append(0)
        default: return nil
        }
        return withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) } + path
    }
}
