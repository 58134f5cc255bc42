import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Reactor
import Synchronization

/// Sends events to one webhook.
///
/// The name of its host is looked up here and its addresses are judged. Connections then go to the address that was judged and to no
/// other, whatever the name stands for later; redirects are not followed.
final class WebhookClient: Sendable {
    /// Why a request did not deliver its events.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct Current {
        let client: HTTPClient
        let address: String
        let since: MonotonicTime
    }

    let hook: Webhook
    private let reactor: Reactor
    private let current = Mutex<Current?>(nil)

    /// How long an address is used before its name is looked up again.
    private static let freshness: Duration = .seconds(30)
    /// How much of an answer is read, so that its connection can be used again, and for how long.
    private static let answerBytes = 16 * 1024
    private static let answerTime: Duration = .seconds(1)

    init(_ hook: Webhook, reactor: Reactor) {
        self.hook = hook
        self.reactor = reactor
    }

    deinit { end() }

    func end() {
        let last = current.withLock { current in
            defer { current = nil }
            return current
        }
        last?.client.shutdown { _ in }
    }

    /// - Parameter time: In seconds since 1970.
    /// - Returns: Why the events have to be sent again; nil when they have not.
    func post(_ body: [UInt8], time: UInt64) async -> Failure? {
        do {
            let client = try await client()
            try await send(body, time, with: client)
            return nil
        } catch let failure as Failure {
            return failure
        } catch {
            // The name may stand for another address by now.
            current.withLock { current in
                if let last = current {
                    current = Current(client: last.client, address: last.address, since: .init(nanoseconds: 0))
                }
            }
            return Failure(description: "\(error)")
        }
    }

    private func send(_ body: [UInt8], _ time: UInt64, with client: HTTPClient) async throws {
        var request = HTTPClientRequest(url: hook.url.text)
        request.method = .POST
        request.headers.add(name: "content-type", value: CloudEvents.batchType)
        request.headers.add(name: "user-agent", value: "carillon/\(Version.number)")
        request.headers.add(name: WebhookSignature.timeHeader, value: "\(time)")
        request.headers.add(
            name: WebhookSignature.header, value: WebhookSignature.of(body, time: time, secrets: hook.secrets))
        request.body = .bytes(ByteBuffer(bytes: body))
        let answer: HTTPClientResponse
        do {
            // Until the head is here; it decides.
            answer = try await client.execute(
                request, timeout: .nanoseconds(Int64(clamping: hook.timeout.wholeNanoseconds)))
        } catch let error as HTTPClientError where error == .deadlineExceeded {
            throw Failure(description: "no answer within \(Webhook.text(hook.timeout))")
        }
        // The rest is read only so that the connection can be used again.
        await Self.read(answer)
        guard (200..<300).contains(answer.status.code) else {
            let hint = (300..<400).contains(answer.status.code) ? "; redirects are not followed" : ""
            throw Failure(description: "it answered \(answer.status.code)\(hint)")
        }
    }

    private static func read(_ answer: HTTPClientResponse) async {
        let body = answer.body
        // Most often there is nothing, and then nothing is waited for (RFC 9112 6.3).
        let length = answer.headers.first(name: "content-length")
        if answer.status == .noContent || length?.utf8.elementsEqual("0".utf8) ?? false {
            _ = try? await body.collect(upTo: answerBytes)
            return
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await body.collect(upTo: answerBytes) }
            group.addTask { try? await Task.sleep(for: answerTime) }
            await group.next()
            group.cancelAll()
        }
    }

    /// The client for the address of the host, which is looked up again now and then.
    private func client() async throws -> HTTPClient {
        let now = MonotonicTime.now()
        if let current = current.withLock({ $0 }), now - current.since < Self.freshness { return current.client }
        let address = try await WebhookAddress.of(hook, on: reactor)
        var configuration = HTTPClient.Configuration()
        // Whoever answers must not send the events elsewhere.
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .nanoseconds(Int64(clamping: hook.timeout.wholeNanoseconds))
        configuration.dnsOverride = [hook.url.host: address]
        let (client, old): (HTTPClient, HTTPClient?) = current.withLock { current in
            if let last = current, last.address == address {
                current = Current(client: last.client, address: address, since: now)
                return (last.client, nil)
            }
            let next = HTTPClient(configuration: configuration)
            defer { current = Current(client: next, address: address, since: now) }
            return (next, current?.client)
        }
        old?.shutdown { _ in }
        return client
    }
}
