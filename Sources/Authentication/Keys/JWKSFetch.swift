internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

/// Gets the bytes of a JWK set over HTTP.
///
/// A client for each fetch: they are minutes apart, and no idle connection is left to look after.
struct JWKSFetch: Sendable {
    let url: String
    let origin: String
    /// For everything: name, connection, head and body.
    let deadline: Duration

    init(url: String, origin: String, deadline: Duration = .seconds(5)) {
        self.url = url
        self.origin = origin
        self.deadline = deadline
    }

    func callAsFunction() async throws(KeyError) -> [UInt8] {
        var configuration = HTTPClient.Configuration()
        // Who can redirect a request for keys decides what keys there are.
        configuration.redirectConfiguration = .disallow
        // Somebody who is down is asked again later, not until the deadline.
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(configuration: configuration)
        let result: Result<[UInt8], KeyError>
        do {
            result = .success(try await fetch(with: client))
        } catch let error as KeyError {
            result = .failure(error)
        } catch is NIOTooManyBytesError {
            result = .failure(KeyError(origin, .fileTooLarge))
        } catch {
            result = .failure(KeyError(origin, .fetch("\(error)")))
        }
        try? await client.shutdown()
        return try result.get()
    }

    private func fetch(with client: HTTPClient) async throws -> [UInt8] {
        try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var request = HTTPClientRequest(url: url)
                request.headers.add(name: "accept", value: "application/jwk-set+json, application/json")
                // The client's own timeout ends with the head; the other task's also covers the body.
                let response = try await client.execute(request, deadline: .distantFuture)
                guard response.status == .ok else {
                    let hint = (300..<400).contains(response.status.code) ? "; redirects are not followed" : ""
                    throw KeyError(origin, .fetch("the server answered \(response.status.code)\(hint)"))
                }
                let body = try await response.body.collect(upTo: JWKSet.maximumBytes)
                return Array(body.readableBytesView)
            }
            group.addTask {
                try await Task.sleep(for: deadline)
                throw KeyError(origin, .fetch("no answer within \(deadline)"))
            }
            defer { group.cancelAll() }
            guard let bytes = try await group.next() else { throw CancellationError() }
            return bytes
        }
    }
}
