import CLinux
package import Glibc

package enum ReadResult: Equatable, Sendable {
    case bytes(Int)
    case wouldBlock
    /// The other side has closed its half.
    case end
    case failed(Int32)
}

package enum WriteResult: Equatable, Sendable {
    /// How many bytes the system took: fewer than offered when its buffer is full.
    case bytes(Int)
    case wouldBlock
    case failed(Int32)
}

package enum AcceptResult {
    case accepted(Int32, SocketAddress)
    case wouldBlock
    /// EMFILE, ENFILE, ENOBUFS or ENOMEM: there is nothing to accept with.
    case descriptorsExhausted(Int32)
    case failed(SystemError)
}

/// System calls on sockets: a thin layer that repeats what was interrupted and names what failed. All sockets are
/// non-blocking and closed on exec.
package enum Socket {
    /// A socket that listens. `reusePort` lets several reactors listen on one address, the kernel spreading the
    /// connections (Linux socket(7), SO_REUSEPORT); all but the first say `isShared`. Port 0 takes a free one.
    package static func listen(
        on address: SocketAddress, backlog: Int32 = 4096, reusePort: Bool, isShared: Bool = false
    ) throws(SystemError) -> Int32 {
        if case .unix(let path) = address { try removeStale(path) }
        // Another process of ours could share the port unnoticed, and take half of the connections.
        if reusePort, !isShared { try checkIsFree(address) }
        let descriptor = socket(
            address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(call: "socket for \(address)", code: errno) }
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if reusePort, address.family != AF_UNIX { setOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        if address.family == AF_INET6 { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        let bound = address.withSockaddr { bind(descriptor, $0, $1) }
        guard bound == 0 else { throw closing(descriptor, "bind \(address)") }
        guard Glibc.listen(descriptor, backlog) == 0 else { throw closing(descriptor, "listen on \(address)") }
        return descriptor
    }

    /// Whether nobody listens at an address: without SO_REUSEPORT a port that is taken cannot be bound.
    private static func checkIsFree(_ address: SocketAddress) throws(SystemError) {
        guard address.family != AF_UNIX, address.port != 0 else { return }
        close(try listen(on: address, reusePort: false))
    }

    private static func closing(_ descriptor: Int32, _ call: String) -> SystemError {
        let error = SystemError(call: call, code: errno)
        close(descriptor)
        return error
    }

    /// Removes the file of a unix socket nobody listens on any more; a living one is left alone, and `bind` fails.
    private static func removeStale(_ path: String) throws(SystemError) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw SystemError(call: "socket for unix:\(path)", code: errno) }
        defer { close(probe) }
        let connected = SocketAddress.unix(path).withSockaddr { Glibc.connect(probe, $0, $1) }
        if connected != 0, errno == ECONNREFUSED { unlink(path) }
    }

    /// Removes a unix socket's file.
    package static func removeFile(_ path: String) { unlink(path) }

    package static func accept(_ listener: Int32) -> AcceptResult {
        while true {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let descriptor = withUnsafeMutablePointer(to: &storage) {
                accept4(listener, $0, &length, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            }
            if descriptor >= 0 { return .accepted(descriptor, SocketAddress(storage) ?? .unix("")) }
            switch errno {
            // The client is gone already: the next one is as good (accept(2), "Error handling").
            case EINTR, ECONNABORTED, ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
                ENETUNREACH:
                continue
            case EAGAIN: return .wouldBlock
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .descriptorsExhausted(errno)
            default: return .failed(SystemError(call: "accept", code: errno))
            }
        }
    }

    /// Begins to connect; done when the socket is writable and `pendingError` is 0.
    package static func connect(
        to address: SocketAddress, from source: SocketAddress? = nil
    ) throws(SystemError) -> Int32 {
        let descriptor = socket(
            address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(call: "socket for \(address)", code: errno) }
        if let source {
            // The port is chosen at connect time, so that one source port can serve many targets (ip(7)).
            setOption(descriptor, Int32(IPPROTO_IP), carillon_ip_bind_address_no_port, 1)
            let bound = source.withSockaddr { bind(descriptor, $0, $1) }
            guard bound == 0 else { throw closing(descriptor, "bind \(source)") }
        }
        while true {
            if address.withSockaddr({ Glibc.connect(descriptor, $0, $1) }) == 0 { return descriptor }
            if errno == EINPROGRESS { return descriptor }
            if errno != EINTR { throw closing(descriptor, "connect to \(address)") }
        }
    }

    @inlinable
    package static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(errno)
        }
    }

    /// Looks at what could be read, and leaves it there.
    package static func peek(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        while true {
            let count = recv(
                descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT | MSG_PEEK))
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(errno)
        }
    }

    /// Makes the next `close` a reset: whoever is at the other end is not waited for, and gets no answer.
    package static func resetOnClose(_ descriptor: Int32) {
        var abrupt = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abrupt, socklen_t(MemoryLayout<linger>.size))
    }

    @inlinable
    package static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> WriteResult {
        while true {
            let count = Glibc.send(
                descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            if count >= 0 { return .bytes(count) }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(errno)
        }
    }

    package static func writev(_ descriptor: Int32, _ vectors: UnsafePointer<iovec>, _ count: Int32) -> WriteResult {
        var message = msghdr()
        message.msg_iov = UnsafeMutablePointer(mutating: vectors)
        message.msg_iovlen = Int(count)
        while true {
            let sent = sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            if sent >= 0 { return .bytes(sent) }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(errno)
        }
    }

    package static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    package static func shutdownWrite(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    package static func setNoDelay(_ descriptor: Int32) {
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// How long sent bytes may stay unacknowledged before the connection counts as dead (tcp(7)).
    package static func setUserTimeout(_ descriptor: Int32, milliseconds: Int32) {
        setOption(descriptor, Int32(IPPROTO_TCP), carillon_tcp_user_timeout, milliseconds)
    }

    /// The kernel takes no more than so many bytes that it has not sent yet (tcp(7), TCP_NOTSENT_LOWAT). What is on its way, and
    /// what waits in the receiver's buffer, comes in addition.
    package static func setUnsentLimit(_ descriptor: Int32, bytes: Int32) {
        setOption(descriptor, Int32(IPPROTO_TCP), carillon_tcp_notsent_lowat, bytes)
    }

    /// Bytes that were sent or wait in the kernel, and that the other side has not acknowledged.
    package static func unacknowledgedBytes(_ descriptor: Int32) -> Int { Int(carillon_unacknowledged(descriptor)) }

    /// Probes an idle connection after `idle` seconds, every `interval` seconds, `count` times (tcp(7)).
    package static func setKeepAlive(_ descriptor: Int32, idle: Int32, interval: Int32, count: Int32) {
        setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, idle)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, interval)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, count)
    }

    /// What went wrong with a connect under way: 0 or an errno.
    package static func pendingError(_ descriptor: Int32) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length) == 0 ? value : errno
    }

    package static func localAddress(of descriptor: Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return status == 0 ? SocketAddress(storage) : nil
    }

    private static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
