internal import Codec
internal import Foundation

/// What a token says, in words, whether or not it is any good. For people: nothing may be decided by it.
package struct TokenExplanation: Equatable, Sendable, CustomStringConvertible {
    package struct Line: Equatable, Sendable {
        package let name: String
        package let text: String
    }

    /// In the order to show them. Control characters are escaped, so that a token cannot write on a terminal.
    package private(set) var lines: [Line] = []
    /// Whether the node the token was held against refuses it; without one, whether every node does.
    package private(set) var isRefused = false

    /// One line each, the names aligned.
    package var description: String {
        let width = lines.map(\.name.count).max() ?? 0
        return lines.map { line in
            line.name + String(repeating: " ", count: width - line.name.count) + "  " + line.text
        }.joined(separator: "\n")
    }

    /// - Parameters:
    ///   - now: Seconds since 1970.
    ///   - verifier: The keys and rules to hold it against, if any are known.
    package init(_ token: String, now: Int64, verifier: TokenVerifier? = nil) {
        let signed: SignedToken
        do {
            signed = try SignedToken(token)
        } catch {
            add("token", "\(error)")
            isRefused = true
            return
        }
        add("algorithm", Self.algorithm(of: signed.header))
        add("key id", signed.header.keyID ?? "none: the only key of the algorithm")
        explainSignature(of: signed, by: verifier)
        let claims: ClaimReader
        do {
            claims = try signed.claims()
        } catch {
            add("claims", "\(error)")
            isRefused = true
            return
        }
        explain(claims, now: now)
        explainVerdict(token, isSubscription: claims.has("channel"), now: now, verifier: verifier)
    }

    private static func algorithm(of header: TokenHeader) -> String {
        guard let algorithm = header.algorithm else { return "\(header.algorithmName): not supported" }
        return switch algorithm.family {
        case .secret: "\(algorithm): signed with a shared secret"
        default: "\(algorithm): signed with a private \(algorithm.family)"
        }
    }

    private mutating func explainSignature(of signed: SignedToken, by verifier: TokenVerifier?) {
        guard let verifier else { return add("signature", "not checked: no key given") }
        do {
            try verifier.checkSignature(of: signed)
            add("signature", "good")
        } catch .badSignature {
            add("signature", "BAD: signed with another key, or changed")
        } catch {
            add("signature", "not checked: \(error)")
        }
    }

    private mutating func explain(_ claims: ClaimReader, now: Int64) {
        add("for", claims.has("channel") ? "one subscription" : "a connection")
        for name in Self.order where claims.has(name) { explain(name, of: claims, now: now) }
        if !claims.has("exp") { add("expires", "never (a node accepts that only if it is configured to)") }
        for name in claims.object.members.keys.sorted().map(\.text) where !Self.order.contains(name) {
            add(name, Self.raw(claims, name) + "  (not used here)")
        }
    }

    private static let order = [
        "sub", "channel", "client", "channels", "subs", "grants", "exp", "expire_at", "nbf", "iat", "iss", "aud", "jti",
        "info", "meta",
    ]

    private mutating func explain(_ name: String, of claims: ClaimReader, now: Int64) {
        do {
            switch name {
            case "sub": add("user", try claims.identifier(name) ?? "none")
            case "channel": add("channel", try claims.channel(name).map { "\($0)" } ?? "")
            case "client": add("connection", try claims.identifier(name) ?? "none")
            case "channels", "subs": add("joins at once", try claims.channels().map { "\($0)" }.joined(separator: ", "))
            case "grants": for grant in try claims.grants() { add("may", Self.words(grant)) }
            case "exp":
                let time = try claims.time(name) ?? 0
                if time <= now - TokenRules.maximumLeeway { isRefused = true }
                add("expires", Self.moment(time, now: now) + (time <= now ? ": EXPIRED" : ""))
            case "expire_at":
                let time = try claims.time(name) ?? 0
                add("session ends", time == 0 ? "never" : Self.moment(time, now: now))
            case "nbf":
                let time = try claims.time(name) ?? 0
                add("valid from", Self.moment(time, now: now) + (time > now ? ": NOT YET VALID" : ""))
            case "iat": add("issued", Self.moment(try claims.time(name) ?? 0, now: now))
            case "iss": add("issuer", try claims.text(name, limit: TokenVerifier.maximumBytes) ?? "")
            case "aud": add("audience", (try claims.textOrTexts(name) ?? []).joined(separator: ", "))
            case "jti": add("token id", try claims.identifier(name) ?? "")
            default: add(name, Self.raw(claims, name))
            }
        } catch {
            isRefused = true
            add(name, "WRONG: \(error)")
        }
    }

    private mutating func explainVerdict(_ token: String, isSubscription: Bool, now: Int64, verifier: TokenVerifier?) {
        guard let verifier else { return }
        isRefused = false
        do {
            if isSubscription {
                _ = try verifier.verifySubscription(token, now: now)
            } else {
                _ = try verifier.verifyConnection(token, now: now)
            }
            add("verdict", "accepted")
        } catch {
            add("verdict", "REFUSED: \(error)")
            isRefused = true
        }
    }

    private static func words(_ grant: Grant) -> String {
        let names = Grant.Permissions.names.filter { grant.allow.contains($0.value) }.map(\.name)
        let what = names.isEmpty ? "nothing" : names.joined(separator: ", ")
        return what + " in " + grant.match.map { "\($0)" }.joined(separator: ", ")
    }

    private static func raw(_ claims: ClaimReader, _ name: String) -> String {
        String(decoding: claims.raw(name) ?? Array("null".utf8), as: UTF8.self)
    }

    /// "in 2 h 5 min (2030-01-01T00:00:00Z)".
    private static func moment(_ time: Int64, now: Int64) -> String {
        let difference = time - now
        let words = difference == 0 ? "now" : difference > 0 ? "in \(span(difference))" : "\(span(-difference)) ago"
        // Beyond the year 9999 there is no date to show.
        guard time < 253_402_300_800 else { return words }
        return "\(words) (\(Date(timeIntervalSince1970: Double(time)).formatted(.iso8601)))"
    }

    /// The two largest units of a span of seconds.
    private static func span(_ seconds: Int64) -> String {
        let units: [(Int64, String)] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")]
        guard let first = units.firstIndex(where: { seconds >= $0.0 }) else { return "0 s" }
        let (size, name) = units[first]
        var text = "\(seconds / size) \(name)"
        if first + 1 < units.count, seconds % size / units[first + 1].0 > 0 {
            text += " \(seconds % size / units[first + 1].0) \(units[first + 1].1)"
        }
        return text
    }

    private mutating func add(_ name: String, _ text: String) {
        lines.append(Line(name: Self.printable(name), text: Self.printable(text)))
    }

    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.flatMap { scalar -> [Unicode.Scalar] in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator:
                        Array("\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
                    default: [scalar]
                    }
                }))
    }
}
