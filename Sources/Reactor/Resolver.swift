import Glibc

/// Looks names up on a thread of its own, because the system's resolver blocks.
package enum Resolver {
    private final class Request {
        let host: String
        let port: UInt16
        let done: @Sendable (Result<[SocketAddress], SystemError>) -> Void

        init(host: String, port: UInt16, done: @escaping @Sendable (Result<[SocketAddress], SystemError>) -> Void) {
            self.host = host
            self.port = port
            self.done = done
        }
    }

    /// Calls back on the reactor. A numeric address is not looked up, and called back for at once.
    package static func resolve(
        host: String, port: UInt16, on reactor: Reactor,
        _ completion: @escaping (Result<[SocketAddress], SystemError>) -> Void
    ) {
        if let address = try? SocketAddress(ip: host, port: port) { return completion(.success([address])) }
        nonisolated(unsafe) let completion = completion
        let request = Request(host: host, port: port) { result in reactor.post { completion(result) } }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(request).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                let request = Unmanaged<Request>.fromOpaque(context!).takeRetainedValue()
                do throws(SystemError) {
                    request.done(.success(try SocketAddress.resolve(host: request.host, port: request.port)))
                } catch {
                    request.done(.failure(error))
                }
                return nil
            }, context)
        if status == 0 {
            pthread_detach(thread)
        } else {
            Unmanaged<Request>.fromOpaque(context).release()
            completion(.failure(SystemError(call: "pthread_create", code: status)))
        }
    }
}
