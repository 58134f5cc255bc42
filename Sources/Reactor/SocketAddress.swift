import CLinux
package import Glibc

/// Where a socket listens or connects to.
package enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address in host byte order.
    case ipv4(UInt32, port: UInt16)
    /// The two halves of the address in host byte order.
    case ipv6(UInt64, UInt64, port: UInt16, scope: UInt32)
    case unix(String)

    package struct ParseError: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// The longest path of a unix socket, in bytes (`sun_path` with its terminator).
    package static let maximumPathBytes = 107

    /// Reads `127.0.0.1:8000`, `[::1]:8000` or `unix:/path`. Names are not looked up here.
    package init(parsing text: String) throws(ParseError) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/") else {
                throw ParseError(description: "'\(text)': a unix socket needs an absolute path, as in unix:/run/x.sock")
            }
            guard path.utf8.count <= Self.maximumPathBytes else {
                throw ParseError(
                    description: "'\(text)': the path of a unix socket has at most \(Self.maximumPathBytes) bytes")
            }
            self = .unix(path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else {
            throw ParseError(
                description: "'\(text)' has no port; right would be 127.0.0.1:8000, [::1]:8000 or unix:/path")
        }
        let host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        // A number may have a sign, a port may not.
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else {
            throw ParseError(description: "'\(digits)' is not a port; right would be 0 to 65535")
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            try self.init(ip: String(host.dropFirst().dropLast()), port: port)
        } else if host.contains(":") {
            throw ParseError(description: "'\(text)': an IPv6 address goes in brackets, as in [::1]:8000")
        } else {
            try self.init(ip: String(host), port: port)
        }
    }

    /// A numeric address.
    package init(ip: String, port: UInt16) throws(ParseError) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, ip, &four) == 1 {
            self = .ipv4(UInt32(bigEndian: four.s_addr), port: port)
        } else if inet_pton(AF_INET6, ip, &six) == 1 {
            self = Self.from(six, port: port, scope: 0)
        } else {
            throw ParseError(description: "'\(ip)' is not an IP address; right would be 127.0.0.1, 0.0.0.0 or ::1")
        }
    }

    private static func from(_ address: in6_addr, port: UInt16, scope: UInt32) -> SocketAddress {
        withUnsafeBytes(of: address) { raw in
            .ipv6(
                UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)), port: port, scope: scope)
        }
    }

    /// Reads what the system filled in.
    package init?(_ storage: borrowing sockaddr_storage) {
        let family = Int32(storage.ss_family)
        let found: SocketAddress? = withUnsafeBytes(of: storage) { raw in
            switch family {
            case AF_INET:
                let address = raw.loadUnaligned(as: sockaddr_in.self)
                return .ipv4(UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
            case AF_INET6:
                let address = raw.loadUnaligned(as: sockaddr_in6.self)
                return Self.from(
                    address.sin6_addr, port: UInt16(bigEndian: address.sin6_port), scope: address.sin6_scope_id)
            case AF_UNIX:
                let path = raw.dropFirst(MemoryLayout<sa_family_t>.size).prefix { $0 != 0 }
                return .unix(String(decoding: path, as: UTF8.self))
            default:
                return nil
            }
        }
        guard let found else { return nil }
        self = found
    }

    /// Looks a name up; blocks, so never on a reactor.
    package static func resolve(host: String, port: UInt16) throws(SystemError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = Int32(AI_ADDRCONFIG)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else {
            throw SystemError(call: "look up '\(host)': \(String(cString: gai_strerror(status)))", code: errno)
        }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var entry = list
        while let current = entry {
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) { raw in
                raw.copyMemory(
                    from: UnsafeRawBufferPointer(start: current.pointee.ai_addr, count: Int(current.pointee.ai_addrlen))
                )
            }
            if let address = SocketAddress(storage), !found.contains(address) { found.append(address) }
            entry = current.pointee.ai_next
        }
        return found
    }

    /// Hands the address to a system call.
    package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var storage = sockaddr_storage()
        var length = 0
        withUnsafeMutableBytes(of: &storage) { raw in
            switch self {
            case .ipv4(let address, let port):
                var target = sockaddr_in()
                target.sin_family = sa_family_t(AF_INET)
                target.sin_port = port.bigEndian
                target.sin_addr.s_addr = address.bigEndian
                length = MemoryLayout<sockaddr_in>.size
                withUnsafeBytes(of: &target) { raw.copyMemory(from: $0) }
            case .ipv6(let high, let low, let port, let scope):
                var target = sockaddr_in6()
                target.sin6_family = sa_family_t(AF_INET6)
                target.sin6_port = port.bigEndian
                target.sin6_scope_id = scope
                withUnsafeMutableBytes(of: &target.sin6_addr) {
                    $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                    $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
                }
                length = MemoryLayout<sockaddr_in6>.size
                withUnsafeBytes(of: &target) { raw.copyMemory(from: $0) }
            case .unix(let path):
                raw.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                let start = MemoryLayout<sa_family_t>.size
                for (offset, byte) in path.utf8.prefix(Self.maximumPathBytes).enumerated() {
                    raw[start + offset] = byte
                }
                length = start + path.utf8.count + 1
            }
        }
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }

    package var family: Int32 {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    package var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, _, let port, _): port
        case .unix: nil
        }
    }

    /// The same address with another port; as it is for nil, for what is no port, and for a unix socket.
    package func with(port: Int?) -> SocketAddress {
        guard let port = port.flatMap({ UInt16(exactly: $0) }) else { return self }
        return switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let high, let low, _, let scope): .ipv6(high, low, port: port, scope: scope)
        case .unix: self
        }
    }

    /// The address without the port; the path of a unix socket.
    package var ipText: String {
        switch self {
        case .ipv4(let address, _):
            return "\(address >> 24).\(address >> 16 & 0xFF).\(address >> 8 & 0xFF).\(address & 0xFF)"
        case .ipv6(let high, let low, _, _):
            var address = in6_addr()
            withUnsafeMutableBytes(of: &address) {
                $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            _ = inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        case .unix(let path):
            return path
        }
    }

    package var isLoopback: Bool {
        switch self {
        case .ipv4(let address, _): address >> 24 == 127
        case .ipv6(let high, let low, _, _): high == 0 && (low == 1 || low >> 24 == 0xFFFF_7F)
        case .unix: true
        }
    }

    package var description: String {
        switch self {
        case .ipv4(_, let port): "\(ipText):\(port)"
        case .ipv6(_, _, let port, _): "[\(ipText)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
