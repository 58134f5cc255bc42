import AsyncHTTPClient
import Authentication
package import Codec
package import Logging
import NIOCore
import NIOHTTP1
import Reactor
import Synchronization

/// What the application is told of somebody who wants to connect.
package struct ConnectRequest: Sendable {
    package var client: SessionID
    package var dialect: Dialect
    /// The path and query as they came, but for a token: that has its own place.
    package var target: String
    /// Where it comes from.
    package var remote: String
    package var token: String?
    /// The request's headers that may say who it is, each name once (`HeaderForwarding`).
    package var headers: [(name: String, value: String)]
    /// What the client sent with its `connect`: one JSON value.
    package var data: [UInt8]?

    package init(
        client: SessionID, dialect: Dialect, target: String, remote: String, token: String?,
        headers: [(name: String, value: String)], data: [UInt8]? = nil
    ) {
        self.client = client
        self.dialect = dialect
        self.target = target
        self.remote = remote
        self.token = token
        self.headers = headers
        self.data = data
    }
}

/// Asks the application, over HTTP, whether somebody may connect and as whom.
///
/// It is sent one JSON object: client, dialect, target, remote, and where they are known token, headers and data. It answers
/// 200 with the claims a token would have (`{"sub": "ann", "channels": ["news"]}`; `{}` is a visitor), or 401 or 403, with
/// `{"reason": "…"}` if it likes. Everything else, and silence, is "undecided", and the client may try again.
package final class ConnectHook: Sendable {
    package struct Settings: Equatable, Sendable {
        package var url: String
        package var timeout: Duration
        /// Questions under way at a time.
        package var concurrency: Int

        package init(url: String, timeout: Duration = .seconds(3), concurrency: Int = 256) {
            self.url = url
            self.timeout = timeout
            self.concurrency = concurrency
        }
    }

    package struct Counters: Equatable, Sendable {
        package var asked: UInt64 = 0
        package var denied: UInt64 = 0
        /// Without a decision.
        package var failed: UInt64 = 0
        package var underWay = 0
    }

    /// The largest answer, in bytes.
    static let answerBytes = 64 * 1024
    /// Of the application's own words to the client.
    private static let reasonCharacters = 120

    package let settings: Settings
    private let log: Logger
    private let client: HTTPClient
    private let state = Mutex(Counters())

    package init(_ settings: Settings, log: Logger) {
        self.settings = settings
        self.log = log
        var configuration = HTTPClient.Configuration()
        // The question holds what the client showed: it is for the place that was configured, and for no other.
        configuration.redirectConfiguration = .disallow
        client = HTTPClient(configuration: configuration)
    }

    deinit { client.shutdown { _ in } }

    package var counters: Counters { state.withLock { $0 } }

    package func ask(_ request: ConnectRequest) async -> Gatekeeper.Verdict {
        let isFree = state.withLock { counters in
            guard counters.underWay < settings.concurrency else { return false }
            counters.underWay += 1
            counters.asked += 1
            return true
        }
        guard isFree else {
            return fail(
                "\(things(settings.concurrency, "request is", "requests are")) in flight (auth.connect_hook.concurrency)"
            )
        }
        defer { state.withLock { $0.underWay -= 1 } }
        do {
            var call = HTTPClientRequest(url: settings.url)
            call.method = .POST
            call.headers.add(name: "content-type", value: "application/json")
            call.body = .bytes(ByteBuffer(bytes: Self.body(of: request)))
            let answer = try await client.execute(
                call, timeout: .nanoseconds(Int64(clamping: settings.timeout.wholeNanoseconds)))
            let body = Array(try await answer.body.collect(upTo: Self.answerBytes).readableBytesView)
            switch answer.status.code {
            case 200: return admit(body)
            case 401, 403:
                state.withLock { $0.denied += 1 }
                return .refused(.denied(reason: Self.reason(body)))
            default: return fail("it answered \(answer.status.code)")
            }
        } catch {
            return fail("\(error)")
        }
    }

    private func admit(_ body: [UInt8]) -> Gatekeeper.Verdict {
        do {
            return .admitted(
                Credentials(
                    answered: try ConnectionClaims(answered: body),
                    now: Int64(clamping: WallClock.milliseconds / 1000)))
        } catch {
            return fail("its response is not valid: \(error)")
        }
    }

    private func fail(_ why: String) -> Gatekeeper.Verdict {
        state.withLock { $0.failed += 1 }
        log.warning("the connect hook did not decide: \(why)")
        return .refused(.undecided)
    }

    /// The question, as one JSON object in which no key is there twice.
    static func body(of request: ConnectRequest) -> [UInt8] {
        let writer = ByteWriter(capacity: 1024)
        func member(_ name: StaticString, _ value: String) {
            writer.append(writer.count == 0 ? "{" : ",")
            writer.append("\"")
            writer.append(name)
            writer.append("\":")
            JSONWriter.writeString(value, to: writer)
        }
        member("client", request.client.description)
        member("dialect", request.dialect.name)
        member("target", request.target)
        member("remote", request.remote)
        if let token = request.token { member("token", token) }
        writer.append(",\"headers\":{")
        for (index, header) in request.headers.enumerated() {
            if index > 0 { writer.append(",") }
            JSONWriter.writeString(header.name, to: writer)
            writer.append(":")
            JSONWriter.writeString(header.value, to: writer)
        }
        writer.append("}")
        // It was a part of a command that was JSON as a whole. It is put in as it came, so it is looked at once more.
        if let data = request.data, data.withUnsafeBytes({ JSONScanner.isValid($0) }) {
            writer.append(",\"data\":")
            writer.append(data)
        }
        writer.append("}")
        return Array(writer.bytes)
    }

    /// What the client is told: without control characters, because it may end up in a terminal.
    private static func reason(_ body: [UInt8]) -> String {
        let scalars = ConnectionClaims.text("reason", answered: body).unicodeScalars
        return String(
            String.UnicodeScalarView(scalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.prefix(reasonCharacters)))
    }
}
