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
    /// Tokens that are good and not to be accepted all the same.
    package let revocations: Revocations
    private let hook: ConnectHook?
    private let isRequired: Bool
    /// The cookie that may hold a token.
    package let cookie: String?
    /// What of a request the hook gets to see.
    package let forwarding: HeaderForwarding
    /// How long a client that can bring a new token may stay without one.
    package let grace: Duration
    /// How far the clocks of those who sign tokens may be off, in seconds: a token is good for so much longer.
    package let leeway: Int64
    /// What stands in front of a user's id in the name of its personal channel; nil where users have none.
    private let personalPrefix: [UInt8]?
    private let clock: @Sendable () -> Int64

    /// - Parameter clock: Seconds since 1970.
    package init(
        authenticator: Authenticator?, hook: ConnectHook?, isRequired: Bool, cookie: String?,
        forwarding: HeaderForwarding = HeaderForwarding(), grace: Duration = .seconds(25), leeway: Int64 = 0,
        personalPrefix: [UInt8]? = nil, revocations: Revocations = Revocations(),
        clock: @escaping @Sendable () -> Int64
    ) {
        self.forwarding = forwarding
        self.authenticator = authenticator
        self.hook = hook
        self.isRequired = isRequired
        self.cookie = cookie
        self.grace = grace
        self.leeway = leeway
        self.personalPrefix = personalPrefix
        self.revocations = revocations
        self.clock = clock
    }

    /// As it is configured.
    ///
    /// - Parameter previous: The one before a reload. Keys that it fetched, and a connect hook that stays as it is, go on with this one.
    /// - Throws: `KeyError`, or `TokenRulesError`: what an operator has to mend.
    package convenience init(_ configuration: Configuration, replacing previous: Gatekeeper? = nil, log: Logger) throws
    {
        var authenticator: Authenticator?
        if !configuration.authKeys.isEmpty {
            let rules = try TokenRules(
                audiences: configuration.authAudiences, issuers: configuration.authIssuers,
                leeway: configuration.authLeeway.components.seconds,
                requiresExpiry: configuration.authRequiresExpiry)
            authenticator = try Authenticator(
                sources: configuration.authKeys, rules: rules, replacing: previous?.authenticator, logger: log)
        }
        let hook = configuration.connectHookURL.map { url in
            let settings = ConnectHook.Settings(
                url: url, timeout: configuration.connectHookTimeout, concurrency: configuration.connectHookConcurrency)
            // Its questions under way count against its limit, and it keeps its connections.
            if let hook = previous?.hook, hook.settings == settings { return hook }
            return ConnectHook(settings, log: log)
        }
        self.init(
            authenticator: authenticator, hook: hook, isRequired: configuration.authRequired,
            cookie: configuration.authCookie, forwarding: configuration.connectHookForwarding,
            grace: configuration.authGrace,
            leeway: configuration.authKeys.isEmpty ? 0 : configuration.authLeeway.components.seconds,
            personalPrefix: configuration.authPersonalPrefix.map { Array($0.utf8) },
            // What is revoked has nothing to do with the configuration.
            revocations: previous?.revocations
                ?? Revocations(
                    limit: configuration.revocations, isRead: configuration.backplane == .memory),
            clock: { Int64(clamping: WallClock.milliseconds / 1000) })
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

    /// Whether it needs that also when a client brings a new token.
    package var asksApplicationAgain: Bool { hook != nil && authenticator == nil }

    /// Why somebody who was admitted is refused all the same: its token is revoked, or nobody knows yet. To be asked on the reactor, where
    /// sessions are looked for whose tokens have been revoked: whoever is not found there is refused here.
    func objection(to credentials: Credentials?) -> AuthRefusal? {
        // Whom the application has admitted just now, it wants.
        guard let credentials, credentials.isByToken, let token = credentials.token else { return nil }
        return switch revocations.verdict(on: token) {
        case .accepted: nil
        case .revoked: .token(.revoked)
        case .unknown: .undecided
        }
    }

    // MARK: Connections

    package func authenticate(_ token: String?) -> Verdict {
        guard let token else {
            if hook != nil { return .undecided }
            return isRequired ? .refused(.tokenMissing) : .admitted(nil)
        }
        guard let authenticator else { return hook == nil ? .refused(.noKeys) : .undecided }
        return verdict(authenticator, token)
    }

    private func verdict(_ authenticator: Authenticator, _ token: String) -> Verdict {
        do {
            return admit(Credentials(try authenticator.verifier.verifyConnection(token, now: now)))
        } catch {
            return error == .unknownKey && authenticator.usesURLs ? .undecided : .refused(.token(error))
        }
    }

    /// Decides about a client that came to where the clients of the Azure SignalR Service come (`HubAddress`): it shows a token that its
    /// application has signed with a key of the hub. Nobody has to be asked.
    package func authenticate(_ token: String?, clientOf hub: HubRule) -> Verdict {
        guard let token else { return .refused(.tokenMissing) }
        do throws(TokenError) {
            let signed = try AccessKeyToken(token, keys: hub.keys, now: now)
            guard signed.audiences.contains(where: { HubAddress.isClientAddress($0, of: hub) }) else {
                throw .wrongAudience
            }
            return admit(Credentials(try HubClientClaims(signed)))
        } catch {
            return .refused(.token(error))
        }
    }

    /// Asks for new keys, or the application.
    package func ask(_ request: ConnectRequest) async -> Verdict {
        if let token = request.token, let authenticator {
            do {
                return admit(Credentials(try await authenticator.verifyConnection(token, now: now)))
            } catch {
                // It may be good: the client is to try again, and not to give up.
                if error == .unknownKey, await authenticator.isKeySetAway() { return .refused(.undecided) }
                return .refused(.token(error))
            }
        }
        guard let hook else { return .refused(.undecided) }
        let verdict = await hook.ask(request)
        if case .admitted(let credentials?) = verdict { return admit(credentials) }
        return verdict
    }

    private func admit(_ credentials: Credentials) -> Verdict {
        .admitted(credentials.joiningPersonalChannel(personalPrefix))
    }

    // MARK: Subscriptions

    package enum SubscriptionVerdict: Sendable {
        case admitted(expiresAt: Int64?, TokenMark)
        case refused(TokenError)
        case undecided
    }

    /// A token for one subscription.
    package func authenticate(
        _ token: String, channel: ChannelName, user: ForeignText?, client: SessionID
    ) -> SubscriptionVerdict {
        guard let authenticator else { return .refused(.unknownKey) }
        do {
            let claims = try authenticator.verifier.verifySubscription(token, now: now)
            try claims.check(channel: channel, user: user, client: client)
            return .admitted(expiresAt: claims.expiresAt, TokenMark(claims))
        } catch {
            return error == .unknownKey && authenticator.usesURLs ? .undecided : .refused(error)
        }
    }

    /// Looks for new keys, once.
    ///
    /// - Returns: Whether it is worth judging again.
    package func refreshKeys() async -> Bool { await authenticator?.refreshForUnknownKey() ?? false }

    /// Whether a token with an unknown key may be good all the same.
    package func isKeySetAway() async -> Bool { await authenticator?.isKeySetAway() ?? false }
}

extension RequestHead {
    /// The token a request shows: in the header made for it, in the query, or in a cookie.
    ///
    /// - Parameter names: What it may be called in the query.
    func token(named names: [String] = ["token"], cookie: String?) -> String? {
        if let value = header("authorization"), value.utf8.count > 7,
            value.utf8.prefix(7).elementsEqual("bearer ".utf8, by: { $0 | 0x20 == $1 })
        {
            return String(Substring(value.utf8.dropFirst(7).drop { $0 == UInt8(ascii: " ") }))
        }
        for name in names {
            if let entry = query.first(where: { $0.name.utf8.elementsEqual(name.utf8) }), !entry.value.isEmpty {
                return entry.value
            }
        }
        guard let cookie, let header = joined("cookie") else { return nil }
        for pair in header.utf8.split(separator: UInt8(ascii: ";")) {
            let trimmed = pair.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            guard let equals = trimmed.firstIndex(of: UInt8(ascii: "=")), trimmed[..<equals].elementsEqual(cookie.utf8)
            else { continue }
            let value = trimmed[trimmed.index(after: equals)...]
            return value.isEmpty ? nil : String(Substring(value))
        }
        return nil
    }
}
