import ArgumentParser
import Authentication
import Codec
import Foundation
import Logging
import Node

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Create and inspect client tokens (JWT).",
        subcommands: [TokenMakeCommand.self, TokenExplainCommand.self])
}

struct TokenMakeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "make",
        abstract: "Create a token for testing. In production, the application signs its tokens.",
        discussion: """
            The signing key is a secret of at least 32 bytes (--secret or CARILLON_TOKEN_SECRET), or a private key (--key).

            EXAMPLES
              carillon token make --secret secret.txt --user ann
              carillon token make --key private.pem --key-id 2026 --user ann --expires 10m --channel news
              carillon token make --secret secret.txt --user ann --grant 'chat:*=subscribe,publish'
              carillon token make --secret secret.txt --user ann --for chat:42      a subscription token
            """)

    @Option(help: "File with the secret. A line break at its end is ignored.")
    var secret: String?

    @Option(help: "File with the private key (PEM).")
    var key: String?

    @Option(help: "Id of the key (kid). Required if the nodes have several keys of the algorithm.")
    var keyID: String?

    @Option(help: "Signature algorithm: HS256, HS384, HS512, RS256, …, EdDSA. Required for RSA keys.")
    var algorithm: String?

    @Option(help: "User id (sub). If omitted, the client has no user.")
    var user: String?

    @Option(help: "Lifetime of the token, for example 30s, 10m, 1h or 7d.")
    var expires = "1h"

    @Option(help: "Channel that the client is subscribed to on connect. May be repeated.")
    var channel: [String] = []

    @Option(help: "Permissions for channels: PATTERN=subscribe,publish,presence,history. May be repeated.")
    var grant: [String] = []

    @Option(
        name: .customLong("for"), help: "Create a subscription token for this channel instead of a connection token.")
    var subscription: String?

    @Option(help: "Audience of the token (aud). May be repeated.")
    var audience: [String] = []

    @Option(help: "Issuer of the token (iss).")
    var issuer: String?

    @Option(help: "Information about the user that other clients can see (info), as JSON.")
    var info: String?

    func validate() throws {
        if secret != nil, key != nil { throw ValidationError("--secret and --key exclude each other") }
        if subscription != nil, !channel.isEmpty || !grant.isEmpty {
            throw ValidationError("--for makes a token for one subscription: it excludes --channel and --grant")
        }
    }

    func run() throws {
        let now = Int64(Date().timeIntervalSince1970)
        var contents = TokenContents(user: user, expiresAt: now + (try Self.seconds(expires)))
        contents.issuedAt = now
        contents.channels = try channel.map(Self.channel)
        contents.grants = try grant.map(Self.grant)
        contents.channel = try subscription.map(Self.channel)
        contents.audiences = audience
        contents.issuer = issuer
        contents.info = info.map { Array($0.utf8) }
        do {
            print(try TokenMaker(key: try signingKey()).make(contents))
        } catch let error as TokenMakerError {
            throw Failure("\(error)")
        } catch let error as KeyError {
            throw Failure("\(error)")
        }
    }

    private func signingKey() throws -> SigningKey {
        var chosen: SignatureAlgorithm?
        if let algorithm {
            guard let known = SignatureAlgorithm(name: algorithm) else {
                throw ValidationError(
                    "'\(algorithm)' is no algorithm; right would be "
                        + SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))
            }
            chosen = known
        }
        if let key {
            let text = String(decoding: try InputFile.contents(of: key), as: UTF8.self)
            return try SigningKey(privatePEM: text, id: keyID, algorithm: chosen, origin: "PEM file \(key)")
        }
        // As a node reads it.
        var bytes = ProcessInfo.processInfo.environment["CARILLON_TOKEN_SECRET"].map {
            KeySource.withoutLineBreak(Array($0.utf8))
        }
        if let secret { bytes = KeySource.withoutLineBreak(Array(try InputFile.contents(of: secret))) }
        guard let bytes else {
            throw ValidationError("say what to sign with: --secret FILE, --key FILE, or CARILLON_TOKEN_SECRET")
        }
        return try SigningKey(secret: bytes, id: keyID, algorithm: chosen ?? .hs256)
    }

    private static func seconds(_ text: String) throws -> Int64 {
        for (suffix, unit) in [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)] as [(String, Int64)]
        where text.hasSuffix(suffix) {
            if let number = Int64(text.dropLast(suffix.count)), (1...1_000_000_000).contains(number) {
                return number * unit
            }
        }
        throw ValidationError("'\(text)' is not a time a token can be good for; right would be 30s, 10m, 1h or 7d")
    }

    private static func channel(_ text: String) throws -> ChannelName {
        do {
            return try ChannelName(validating: Array(text.utf8))
        } catch {
            throw ValidationError("'\(text)': \(error)")
        }
    }

    private static func grant(_ text: String) throws -> Grant {
        guard let equals = text.lastIndex(of: "="), let pattern = GrantPattern(String(text[..<equals])) else {
            throw ValidationError("'\(text)' is no grant; right would be 'chat:*=subscribe,publish'")
        }
        var allow: Grant.Permissions = []
        for name in text[text.index(after: equals)...].split(separator: ",") {
            guard let permission = Grant.Permissions(name: String(name)) else {
                throw ValidationError(
                    "'\(name)' cannot be granted; right would be subscribe, publish, presence, history")
            }
            allow.insert(permission)
        }
        return Grant(match: [pattern], allow: allow)
    }
}

struct TokenExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Show what a token contains and, with --config, whether a node would accept it.",
        discussion: """
            The exit status is 1 if the token would be refused: because of the configuration, or by any node because it has
            expired or is not a valid JWT.

            EXAMPLES
              carillon token explain eyJhbGciOi…
              carillon token explain --config carillon.yaml eyJhbGciOi…
            """)

    @Option(name: [.short, .long], help: "Configuration file of a node, for its keys and rules.")
    var config: String?

    @Argument(help: "Token to inspect.")
    var token: String

    func run() async throws {
        var verifier: TokenVerifier?
        if let config {
            let configuration = try ConfigurationFile.load(config, ProcessInfo.processInfo.environment)
            do {
                verifier = try await Gatekeeper(configuration, log: Logger(label: "token")).freshVerifier()
            } catch {
                throw Failure("\(error)")
            }
            guard verifier != nil else { throw Failure("\(config) has no auth.keys to check the token with") }
        }
        let explanation = TokenExplanation(token, now: Int64(Date().timeIntervalSince1970), verifier: verifier)
        print(explanation)
        if explanation.isRefused { throw ExitCode.failure }
    }
}
