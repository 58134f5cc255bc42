package import Authentication
package import Codec
package import Logging
import Reactor

/// Decides who gets in: by a token when there is one, by the application's hook when there is none, and otherwise by
/// whether visitors are welcome.
package final class Gatekeeper: Sendable {
    package enum Verdict: Sendable {
        /// Nil is a visitor.
        case admitted(Credentials?)
        case refused(AuthRefusal)
        /// Somebody has to be asked: call `ask`.
        case undecided
    }

    private let authenticator: Authenticator?
    private let hook: ConnectHook?
    private let isRequired: Bool
    /// The cookie that may hold a token.
    package let cookie: String?
    /// How long a client that can bring a new token may stay without one.
    package let grace: Duration
    /// How far the clocks of those who sign tokens may be off, in seconds: a token is good for so much longer.
    package let leeway: Int64
    private let clock: @Sendable () -> Int64

    /// - Parameter clock: Seconds since 1970.
    package init(
        authenticator: Authenticator?, hook: ConnectHook?, isRequired: Bool, cookie: String?,
        grace: Duration = .seconds(25), leeway: Int64 = 0, clock: @escaping @Sendable () -> Int64
    ) {
        self.authenticator = authenticator
        self.hook = hook
        self.isRequired = isRequired
        self.cookie = cookie
        self.grace = grace
        self.leeway = leeway
        self.clock = clock
    }

    /// As it is configured.
    ///
    /// - Throws: `KeyError`, or `TokenRulesError`: what an operator has to mend.
    package convenience init(_ configuration: Configuration, log: Logger) throws {
        var authenticator: Authenticator?
        if !configuration.authKeys.isEmpty {
            let rules = try TokenRules(
                audiences: configuration.authAudiences, issuers: configuration.authIssuers,
                leeway: configuration.authLeeway.components.seconds,
                requiresExpiry: configuration.authRequiresExpiry)
            authenticator = try Authenticator(sources: configuration.authKeys, rules: rules, logger: log)
        }
        let hook = configuration.connectHookURL.map { url in
            ConnectHook(
                .init(
                    url: url, timeout: configuration.connectHookTimeout,
                    concurrency: configuration.connectHookConcurrency), log: log)
        }
        self.init(
            authenticator: authenticator, hook: hook, isRequired: configuration.authRequired,
            cookie: configuration.authCookie, grace: configuration.authGrace,
            leeway: configuration.authKeys.isEmpty ? 0 : configuration.authLeeway.components.seconds,
            clock: { Int64(WallClock.milliseconds / 1000) })
    }

    /// With the keys of URLs fetched, for whoever wants to know once; nil when there are no keys.
    package func freshVerifier() async -> TokenVerifier? {
        if let authenticator, authenticator.usesURLs { _ = await authenticator.refreshForUnknownKey() }
        return authenticator?.verifier
    }

    /// Keeps keys that come from URLs fresh, until the task is cancelled.
    package func run() async { await authenticator?.run() }

    package var now: Int64 { clock() }

    /// Whether the hook needs what the request head said.
    package var asksApplication: Bool { hook != nil }

    // MARK: Connections

    package func judge(_ token: String?) -> Verdict {
        guard let token else {
            if hook != nil { return .undecided }
            return isRequired ? .refused(.tokenMissing) : .admitted(nil)
        }
        guard let authenticator else { return hook == nil ? .refused(.noKeys) : .undecided }
        return Self.verdict(authenticator, token, now)
    }

    private static func verdict(_ authenticator: Authenticator, _ token: String, _ now: Int64) -> Verdict {
        do {
            return .admitted(Credentials(try authenticator.verifier.verifyConnection(token, now: now)))
        } catch {
            return error == .unknownKey && authenticator.usesURLs ? .undecided : .refused(.token(error))
        }
    }

    /// Asks for new keys, or the application.
    package func ask(_ request: ConnectRequest) async -> Verdict {
        if let token = request.token, let authenticator {
            do {
                return .admitted(Credentials(try await authenticator.verifyConnection(token, now: now)))
            } catch {
                return .refused(.token(error))
            }
        }
        guard let hook else { return .refused(.undecided) }
        return await hook.ask(request)
    }

    // MARK: Subscriptions

    package enum SubscriptionVerdict: Sendable {
        case admitted(expiresAt: Int64?)
        case refused(TokenError)
        case undecided
    }

    /// A token for one subscription.
    package func judge(
        _ token: String, channel: ChannelName, user: String?, client: SessionID
    ) -> SubscriptionVerdict {
        guard let authenticator else { return .refused(.unknownKey) }
        do {
            let claims = try authenticator.verifier.verifySubscription(token, now: now)
            try claims.check(channel: channel, user: user, client: client)
            return .admitted(expiresAt: claims.expiresAt)
        } catch {
            return error == .unknownKey && authenticator.usesURLs ? .undecided : .refused(error)
        }
    }

    /// Looks for new keys, once.
    ///
    /// - Returns: Whether it is worth judging again.
    package func refreshKeys() async -> Bool { await authenticator?.refreshForUnknownKey() ?? false }
}

extension RequestHead {
    /// The token a request shows: in the header made for it, in the query, or in a cookie.
    func token(cookie: String?) -> String? {
        if let value = header("authorization"), value.utf8.count > 7, value.prefix(7).lowercased() == "bearer " {
            return String(value.dropFirst(7).drop { $0 == " " })
        }
        if let entry = query.first(where: { $0.name == "token" }), !entry.value.isEmpty { return entry.value }
        guard let cookie, let header = header("cookie") else { return nil }
        for pair in header.split(separator: ";") {
            let trimmed = pair.drop { $0 == " " }
            guard let equals = trimmed.firstIndex(of: "="), trimmed[..<equals] == cookie else { continue }
            let value = trimmed[trimmed.index(after: equals)...]
            return value.isEmpty ? nil : String(value)
        }
        return nil
    }
}
