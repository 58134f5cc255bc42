import Reactor

/// An address clients connect to: one listening socket for each reactor, between which the system divides them.
struct ClientPort {
    /// With the port that was chosen, if that was left to the system.
    let address: SocketAddress
    /// For as many reactors from the first on; one for all, if it is a file.
    let descriptors: [Int32]
    /// Whether clients begin with a TLS handshake.
    let isSecure: Bool

    /// - Throws: That the address cannot be had.
    init(_ wanted: SocketAddress, reactors: Int, isSecure: Bool) throws(SystemError) {
        let isDivided: Bool
        if case .unix = wanted { isDivided = false } else { isDivided = reactors > 1 }
        let first = try Socket.listen(on: wanted, reusePort: isDivided)
        address = Socket.localAddress(of: first) ?? wanted
        var descriptors = [first]
        if isDivided {
            // All listen on the port the first one got.
            for _ in 1..<reactors {
                descriptors.append(try Socket.listen(on: address, reusePort: true, isShared: true))
            }
        }
        self.descriptors = descriptors
        self.isSecure = isSecure
    }

    /// Before any reactor listens.
    func close() {
        for descriptor in descriptors { Socket.close(descriptor) }
        removeFile()
    }

    func removeFile() {
        if case .unix(let path) = address { Socket.removeFile(path) }
    }
}
