import Glibc

/// Looks names up on a thread of its own, because the system's resolver blocks.
package enum Resolver {
    /// The stack of a resolver's thread, in bytes: glibc's resolver parses what DNS servers answer on it, with buffers of
    /// up to 64 KiB.
    private static let stackBytes = 1024 * 1024

    /// Calls back on the reactor. A numeric address is not looked up, and called back for at once.
    package static func resolve(
        host: String, port: UInt16, on reactor: Reactor,
        _ completion: @escaping (Result<[SocketAddress], SystemError>) -> Void
    ) {
        if let address = try? SocketAddress(ip: host, port: port) { return completion(.success([address])) }
        nonisolated(unsafe) let completion = completion
        let (thread, status) = Threads.start(stackBytes: stackBytes) {
            let result: Result<[SocketAddress], SystemError>
            do throws(SystemError) {
                result = .success(try SocketAddress.resolve(host: host, port: port))
            } catch {
                result = .failure(error)
            }
            reactor.post { completion(result) }
        }
        if status == 0 {
            pthread_detach(thread)
        } else {
            completion(.failure(SystemError(call: "pthread_create", code: status)))
        }
    }
}
