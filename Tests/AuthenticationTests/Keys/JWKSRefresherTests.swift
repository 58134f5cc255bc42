import Foundation
import Logging
import Synchronization
import Testing

@testable import Authentication

/// When keys are fetched, with fetches that tests decide on.
@Suite struct JWKSRefresherTests {
    /// Answers fetches when it is told to.
    private actor Issuer {
        var waiting: [CheckedContinuation<Result<[UInt8], KeyError>, Never>] = []
        private var watchers: [(Int, CheckedContinuation<Void, Never>)] = []

        func fetch() async -> Result<[UInt8], KeyError> {
            await withCheckedContinuation { continuation in
                waiting.append(continuation)
                let count = waiting.count
                for watcher in watchers where watcher.0 <= count { watcher.1.resume() }
                watchers.removeAll { $0.0 <= count }
            }
        }

        /// Waits until so many fetches are under way.
        func reached(_ count: Int) async {
            if waiting.count >= count { return }
            await withCheckedContinuation { watchers.append((count, $0)) }
        }

        func answer(_ result: Result<[UInt8], KeyError>) {
            for continuation in waiting { continuation.resume(returning: result) }
            waiting = []
        }
    }

    private final class Time: Sendable {
        private let instant = Mutex(ContinuousClock.now)
        var now: ContinuousClock.Instant { instant.withLock { $0 } }
        func advance(_ duration: Duration) { instant.withLock { $0 = $0.advanced(by: duration) } }
    }

    private final class Replaced: Sendable {
        private let all = Mutex<[[String?]]>([])
        var ids: [[String?]] { all.withLock { $0 } }
        func append(_ keys: [VerificationKey]) { all.withLock { $0.append(keys.map(\.id)) } }
    }

    private let issuer = Issuer()
    private let time = Time()
    private let replaced = Replaced()
    private let refresher: JWKSRefresher
    private let set: Result<[UInt8], KeyError>
    private let down: Result<[UInt8], KeyError> = .failure(KeyError("here", .fetch("down")))

    init() throws {
        set = .success(Array(try Data(contentsOf: Fixtures.directory.appendingPathComponent("jwks.json"))))
        refresher = JWKSRefresher(
            KeySource(.jwksURL("https://issuer.example/jwks")), logger: Logger(label: "test"),
            now: { [time] in time.now },
            fetch: { [issuer] () async throws(KeyError) -> [UInt8] in try await issuer.fetch().get() },
            replaced: { [replaced] in replaced.append($0) })
    }

    @Test func manyAsksOneFetch() async {
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<50 { group.addTask { await refresher.refreshForUnknownKey() } }
            await issuer.reached(1)
            await issuer.answer(set)
            var answers: [Bool] = []
            for await answer in group { answers.append(answer) }
            // Those who come after the fetch is over are told that it is too early for another.
            #expect(answers.contains(true))
        }
        let counters = await refresher.counters
        #expect(counters == JWKSCounters(fetches: 1, failures: 0, forUnknownKeys: 1, keys: 5))
        #expect(replaced.ids.count == 1)
    }

    @Test func unknownKeysAskOncePer30Seconds() async {
        async let first = refresher.refreshForUnknownKey()
        await issuer.reached(1)
        await issuer.answer(set)
        #expect(await first)
        time.advance(.seconds(29))
        #expect(await refresher.refreshForUnknownKey() == false)
        time.advance(.seconds(1))
        async let second = refresher.refreshForUnknownKey()
        await issuer.reached(1)
        await issuer.answer(set)
        #expect(await second)
        #expect(await refresher.counters.fetches == 2)
    }

    @Test func aFailedFetchKeepsTheKeys() async {
        async let first = refresher.refresh()
        await issuer.reached(1)
        await issuer.answer(set)
        #expect(await first)
        for answer in [down, .success(Array("<html>".utf8)), .success(Array(#"{"keys":[]}"#.utf8))] {
            async let next = refresher.refresh()
            await issuer.reached(1)
            await issuer.answer(answer)
            #expect(await next == false)
        }
        let counters = await refresher.counters
        #expect(counters == JWKSCounters(fetches: 4, failures: 3, forUnknownKeys: 0, keys: 5))
        #expect(replaced.ids == [["rs256", "es256", "es384", "es512", "eddsa"]])
    }

    @Test func runFetchesAtOnceAndEndsWhenCancelled() async {
        let running = Task { await refresher.run() }
        await issuer.reached(1)
        running.cancel()
        await issuer.answer(set)
        await running.value
        #expect(await refresher.counters == JWKSCounters(fetches: 1, failures: 0, forUnknownKeys: 0, keys: 5))
    }
}

/// The same over HTTP, against a server of another make.
@Suite(.serialized) struct JWKSFetchTests {
    private let fixtures: Fixtures
    private let all: String

    init() throws {
        fixtures = try Fixtures.load()
        all = try String(contentsOfFile: Fixtures.path("jwks.json"), encoding: .utf8)
    }

    /// A set of the fixture keys with these ids.
    private func set(_ ids: [String]) throws -> String {
        let object = try #require(try JSONSerialization.jsonObject(with: Data(all.utf8)) as? [String: [[String: Any]]])
        let keys = try #require(object["keys"]).filter { ids.contains($0["kid"] as? String ?? "") }
        return String(decoding: try JSONSerialization.data(withJSONObject: ["keys": keys]), as: UTF8.self)
    }

    private func token(_ name: String) throws -> String { try #require(fixtures.tokens[name]).connection }

    private func refusal(_ authenticator: Authenticator, _ name: String) async throws -> TokenError? {
        do {
            _ = try await authenticator.verifyConnection(token(name), now: testNow)
            return nil
        } catch let error as TokenError {
            return error
        }
    }

    @Test func rotation() async throws {
        let server = try JWKSServer(serving: set(["es256"]))
        defer { server.stop() }
        let told = Mutex<[UInt64]>([])
        let authenticator = try Authenticator(
            sources: [KeySource(.jwksURL(server.url())), KeySource(.secret(fixtures.secret), id: "hs256")],
            logger: Logger(label: "test"), replaced: { verifier in told.withLock { $0.append(verifier.generation) } })
        #expect(authenticator.usesURLs)
        // The secret works before anything was fetched; the key behind the URL is fetched because it is asked for.
        #expect(try await refusal(authenticator, "HS256") == nil)
        #expect(await authenticator.counters().map(\.fetches) == [0])
        #expect(try await refusal(authenticator, "ES256") == nil)
        #expect(await authenticator.counters().map(\.fetches) == [1])

        // Another key so soon after is not looked for: 30 s are not over.
        try server.serve(set(["es384", "eddsa"]))
        #expect(try await refusal(authenticator, "ES384") == .unknownKey)
        #expect(await authenticator.counters().map(\.fetches) == [1])
        #expect(try await refusal(authenticator, "ES256") == nil)

        // The fetch at start, or at an interval, brings the new keys and takes the old one.
        let running = Task { await authenticator.run() }
        while told.withLock({ $0.count }) < 2 { await Task.yield() }
        #expect(try await refusal(authenticator, "ES384") == nil)
        #expect(try await refusal(authenticator, "EdDSA") == nil)
        #expect(try await refusal(authenticator, "ES256") == .unknownKey)
        #expect(try await refusal(authenticator, "HS256") == nil)
        #expect(told.withLock { $0 } == [1, 2])
        running.cancel()
        await running.value
    }

    @Test func aServerThatIsDownTakesNoKeys() async throws {
        let server = try JWKSServer(serving: set(["es256"]))
        defer { server.stop() }
        let authenticator = try Authenticator(
            sources: [KeySource(.jwksURL(server.url()))], logger: Logger(label: "test"))
        #expect(try await refusal(authenticator, "ES256") == nil)
        server.stop()
        let fetch = JWKSFetch(url: server.url(), origin: "here")
        await #expect(throws: KeyError.self) { try await fetch() }
        let running = Task { await authenticator.run() }
        while await authenticator.counters()[0].failures == 0 { await Task.yield() }
        running.cancel()
        await running.value
        #expect(try await refusal(authenticator, "ES256") == nil)
        #expect(await authenticator.counters() == [JWKSCounters(fetches: 2, failures: 1, forUnknownKeys: 1, keys: 1)])
    }

    /// A node whose configuration is read again while the issuer is down goes on with the keys it has.
    @Test func fetchedKeysOutliveTheirAuthenticator() async throws {
        let server = try JWKSServer(serving: set(["es256"]))
        defer { server.stop() }
        let source = KeySource(.jwksURL(server.url()))
        let first = try Authenticator(sources: [source], logger: Logger(label: "test"))
        #expect(try await refusal(first, "ES256") == nil)
        server.stop()
        let second = try Authenticator(
            sources: [KeySource(.secret(fixtures.secret), id: "hs256"), source], replacing: first,
            logger: Logger(label: "test"))
        #expect(try await refusal(second, "ES256") == nil)
        #expect(try await refusal(second, "HS256") == nil)
        // Another source is another matter, even if its URL is the same.
        var other = source
        other.interval = .seconds(20)
        let third = try Authenticator(sources: [other], replacing: second, logger: Logger(label: "test"))
        #expect(try await refusal(third, "ES256") == .unknownKey)
    }

    /// Ending a node waits for no issuer.
    @Test func cancellingEndsAFetch() async throws {
        let server = try JWKSServer(serving: all)
        defer { server.stop() }
        let authenticator = try Authenticator(
            sources: [KeySource(.jwksURL(server.url("/drip")))], logger: Logger(label: "test"))
        let running = Task { await authenticator.run() }
        while await authenticator.counters()[0].fetches == 0 { await Task.yield() }
        let clock = ContinuousClock()
        let took = await clock.measure {
            running.cancel()
            await running.value
        }
        #expect(took < .seconds(4))
        #expect(await authenticator.counters()[0].failures == 1)
    }

    @Test func aURLBringsNoSecret() async throws {
        let server = try JWKSServer(serving: all)
        defer { server.stop() }
        let authenticator = try Authenticator(
            sources: [KeySource(.jwksURL(server.url()))], logger: Logger(label: "test"))
        #expect(try await refusal(authenticator, "RS256") == nil)
        #expect(try await refusal(authenticator, "HS256") == .algorithmRefused)
    }

    @Test(arguments: [
        ("/moved", "302; redirects are not followed"), ("/nothing", "the server answered 500"),
        ("/large", "larger than 1048576 bytes"), ("/endless", "larger than 1048576 bytes"),
        ("/drip", "no answer within 0.5 seconds"),
    ])
    func answersThatAreNotTaken(path: String, reason: String) async throws {
        let server = try JWKSServer(serving: all)
        defer { server.stop() }
        let fetch = JWKSFetch(
            url: server.url(path), origin: "here", deadline: path == "/drip" ? .seconds(0.5) : .seconds(5))
        do {
            _ = try await fetch()
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains(reason))
        }
    }

    @Test func nobodyAnswersAtAll() async throws {
        let server = try JWKSServer(serving: all)
        let url = server.url()
        server.stop()
        let fetch = JWKSFetch(url: url, origin: "here")
        await #expect(throws: KeyError.self) { try await fetch() }
    }
}
