import AsyncHTTPClient
import Codec
import Logging
import NIOCore
import NIOHTTP1
import Reactor
import Synchronization

/// Asks the application, over HTTP, to do what clients call, and tells it of connections. Never waits on a reactor.
///
/// A call is made once: whether it may be made again is for the client to know. What is told of connections is told once too; whoever
/// has to know of every one wants a webhook.
package final class Upstream: Sendable {
    struct Settings: Equatable, Sendable {
        var timeout: Duration
        /// Requests under way at a time.
        var concurrency: Int
        /// The largest answer, in bytes.
        var answerBytes: Int
        var breaker: CircuitBreaker.Settings
        /// Where calls of clients without a hub go.
        var rpc: String?
        /// By their numbers.
        var hubs: [UInt16: HubUpstream]
        /// URLs that rules of channels name, each once.
        var hooks: [String]

        init(_ configuration: Configuration) {
            timeout = configuration.upstreamTimeout
            concurrency = configuration.upstreamConcurrency
            answerBytes = configuration.upstreamAnswerBytes
            breaker = .init(
                failures: configuration.upstreamFailures,
                pause: UInt64(clamping: configuration.upstreamPause.wholeNanoseconds))
            rpc = configuration.rpcURL
            hubs = [:]
            for hub in configuration.hubs {
                guard let template = hub.upstream else { continue }
                hubs[hub.number] = HubUpstream(name: hub.name, template: template, keys: hub.keys)
            }
            hooks = []
            for url in configuration.channels.flatMap({ [$0.publishHook, $0.subscribeHook] }).compactMap({ $0 })
            where !hooks.contains(where: { $0.utf8.elementsEqual(url.utf8) }) { hooks.append(url) }
        }

        /// Whether there is nobody to be asked.
        var isEmpty: Bool { rpc == nil && hubs.isEmpty && hooks.isEmpty }
    }

    package struct Counters: Equatable, Sendable {
        package var calls: UInt64 = 0
        /// Calls and news that got no good answer in time.
        package var failed: UInt64 = 0
        /// Calls and news that were not sent because too many requests were under way.
        package var limitHits: UInt64 = 0
        /// Calls and news that were not sent because the endpoint had not answered before.
        package var skipped: UInt64 = 0
        /// What was told of connections.
        package var news: UInt64 = 0
        package var underWay = 0
        /// Endpoints that are left alone now.
        package var open = 0
    }

    private struct State {
        var counters = Counters()
        var breakers: [UpstreamEndpoint: CircuitBreaker] = [:]
    }

    let settings: Settings
    private let log: Logger
    private let client: HTTPClient
    private let state: Mutex<State>

    init(_ settings: Settings, log: Logger, counters: Counters = Counters()) {
        self.settings = settings
        self.log = log
        var configuration = HTTPClient.Configuration()
        // What a client sent is for the place that was configured, and for no other.
        configuration.redirectConfiguration = .disallow
        client = HTTPClient(configuration: configuration)
        var state = State()
        state.counters = counters
        self.state = Mutex(state)
    }

    deinit { client.shutdown { _ in } }

    /// As it is configured; nil where there is nothing to be asked.
    ///
    /// - Parameter previous: The one before a reload: it goes on where nothing about it changed.
    static func make(_ configuration: Configuration, replacing previous: Upstream? = nil, log: Logger) -> Upstream? {
        let settings = Settings(configuration)
        guard !settings.isEmpty else { return nil }
        if let previous, previous.settings == settings { return previous }
        // What was counted stays; what is under way ends at the one before.
        var counters = previous?.counters ?? Counters()
        counters.underWay = 0
        counters.open = 0
        return Upstream(settings, log: log, counters: counters)
    }

    package var counters: Counters { state.withLock { $0.counters } }

    /// Whether the clients of a hub may call what the hub does not know.
    func serves(hub: UInt16) -> Bool { settings.hubs[hub] != nil }

    /// Where a rule's questions go.
    func hook(_ url: String) -> UpstreamEndpoint? {
        settings.hooks.firstIndex { $0.utf8.elementsEqual(url.utf8) }.map { .hook($0) }
    }

    /// Asks the application, and waits for what it says.
    func call(_ call: UpstreamCall) async -> CallResult {
        state.withLock { $0.counters.calls += 1 }
        return await send(call) { body in
            if case .hub = call.endpoint { UpstreamAnswer.completion(body) } else { UpstreamAnswer.rpc(body) }
        }
    }

    /// Tells the application.
    func tell(_ call: UpstreamCall) {
        state.withLock { $0.counters.news += 1 }
        Task { _ = await self.send(call) { _ in .nothing } }
    }

    private func send(_ call: UpstreamCall, _ read: ([UInt8]) -> CallResult?) async -> CallResult {
        guard let request = request(call) else { return .refused(.unavailable) }
        let now = MonotonicTime.now().nanoseconds
        let isFree = state.withLock { state in
            guard state.counters.underWay < settings.concurrency else {
                state.counters.limitHits += 1
                return false
            }
            // The last question, because whoever may call has to say what became of it.
            guard state.breakers[call.endpoint, default: .init()].mayCall(now: now) else {
                state.counters.skipped += 1
                return false
            }
            state.counters.underWay += 1
            return true
        }
        guard isFree else { return .refused(.unavailable) }
        do {
            var sent = HTTPClientRequest(url: request.url)
            sent.method = .POST
            for header in request.headers { sent.headers.add(name: header.name, value: header.value) }
            sent.body = .bytes(ByteBuffer(bytes: request.body))
            let answer = try await client.execute(
                sent, timeout: .nanoseconds(Int64(clamping: settings.timeout.wholeNanoseconds)))
            let body = Array(try await answer.body.collect(upTo: settings.answerBytes).readableBytesView)
            switch answer.status.code {
            case 200..<300:
                guard body.withUnsafeBytes({ UTF8Validator.isValid($0) }), let result = read(body) else {
                    return failed(call, "its answer cannot be understood")
                }
                succeeded(call)
                return result
            // It is there, and it does not want this.
            case 400..<500:
                succeeded(call)
                state.withLock { $0.counters.failed += 1 }
                return .refused(.refused)
            default: return failed(call, "it answered \(answer.status.code)")
            }
        } catch {
            return failed(call, "\(error)")
        }
    }

    private func request(_ call: UpstreamCall) -> HubUpstream.Request? {
        let url: String?
        switch call.endpoint {
        case .hub(let number): return settings.hubs[number]?.request(call)
        case .rpc: url = settings.rpc
        case .hook(let index): url = settings.hooks.indices.contains(index) ? settings.hooks[index] : nil
        }
        return url.map { .init(url: $0, headers: [("content-type", "application/json")], body: call.body) }
    }

    private func succeeded(_ call: UpstreamCall) {
        let isBack = state.withLock { state in
            state.counters.underWay -= 1
            let isBack = state.breakers[call.endpoint, default: .init()].succeeded()
            if isBack { state.counters.open -= 1 }
            return isBack
        }
        if isBack { log.notice("the upstream endpoint of \(name(of: call)) answers again") }
    }

    private func failed(_ call: UpstreamCall, _ why: String) -> CallResult {
        let now = MonotonicTime.now().nanoseconds
        let isOpened = state.withLock { state in
            state.counters.underWay -= 1
            state.counters.failed += 1
            let isOpened = state.breakers[call.endpoint, default: .init()].failed(settings.breaker, now: now)
            if isOpened { state.counters.open += 1 }
            return isOpened
        }
        if isOpened {
            let times = things(settings.breaker.failures, "time", "times")
            log.warning(
                "the upstream endpoint of \(name(of: call)) failed \(times) in a row, the last time because \(why): no call is sent to it for \(settings.breaker.pause / 1_000_000) ms (upstream.breaker_pause)"
            )
        } else {
            log.debug("a call to the upstream endpoint of \(name(of: call)) failed: \(why)")
        }
        return .refused(.unavailable)
    }

    private func name(of call: UpstreamCall) -> String {
        switch call.kind {
        case .rpc: "upstream.rpc_url"
        case .publish: "a publish_hook of channels"
        case .subscribe: "a subscribe_hook of channels"
        case .invocation, .connected, .disconnected:
            if case .hub(let number) = call.endpoint {
                "the hub '/\(settings.hubs[number]?.name ?? "")'"
            } else {
                "a hub"
            }
        }
    }
}

extension CallResult.Refusal {
    /// The application was not to be had.
    static var unavailable: Self {
        .init(code: 100, message: "The application did not answer, try again.", isTemporary: true)
    }
    /// The application answered with an error and no words.
    static var refused: Self { .init(code: 100, message: "The application refused the call.", isTemporary: false) }
}
