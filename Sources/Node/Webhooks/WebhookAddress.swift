import Codec
import Reactor

/// Where requests to a webhook go.
enum WebhookAddress {
    /// Looks the host up and judges what its name stands for.
    ///
    /// - Parameter reactor: On which the result of the look-up arrives; the look-up itself has a thread of its own.
    /// - Throws: `WebhookClient.Failure`, where there is no address, or one that may not be connected to.
    static func of(_ hook: Webhook, on reactor: Reactor) async throws -> String {
        let addresses: [SocketAddress]
        switch await lookUp(hook.url, on: reactor) {
        case .success(let found): addresses = found
        case .failure(let error): throw WebhookClient.Failure(description: "\(error)")
        }
        guard let first = addresses.first else {
            throw WebhookClient.Failure(description: "the host '\(hook.url.host)' has no address")
        }
        guard !hook.allowsPrivate else { return first.ipText }
        // One that is not public makes the name suspect, whichever of them would be connected to.
        for address in addresses {
            guard let ip = IPAddress(parsing: Array(address.ipText.utf8)), PublicAddress.isOne(ip) else {
                throw WebhookClient.Failure(
                    description:
                        "the host '\(hook.url.host)' has the address \(address.ipText), which is not public: requests to it need allow_private: true"
                )
            }
        }
        return first.ipText
    }

    private static func lookUp(
        _ url: WebhookURL, on reactor: Reactor
    ) async -> Result<[SocketAddress], SystemError> {
        await withCheckedContinuation { continuation in
            reactor.post {
                Resolver.resolve(host: url.host, port: url.port, on: reactor) { continuation.resume(returning: $0) }
            }
        }
    }
}
