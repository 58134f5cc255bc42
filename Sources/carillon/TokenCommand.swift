import ArgumentParser
import Authentication
import Codec
import Foundation
import Logging
import Node

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make and explain the tokens of clients (JWT).",
        subcommands: [TokenMakeCommand.self, TokenExplainCommand.self])
}

struct TokenMakeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "make",
        abstract: "Make a token, for trying things out: applications sign their own.",
        discussion: """
            The key is a secret of at least 32 bytes in a file or in CARILLON_TOKEN_SECRET, or a private key in PEM.

            EXAMPLES
              carillon token make --secret secret.txt --user ann
              carillon token make --key private.pem --key-id 2026 --user ann --expires 10m --channel news
              carillon token make --secret secret.txt --user ann --grant 'chat:*=subscribe,publish'
              carillon token make --secret secret.txt --user ann --for chat:42      a subscription token
            """)

    @Option(help: "A file with the secret; a line feed at its end is not part of it.")
    var secret: String?

    @Option(help: "A file with the private key, PEM.")
    var key: String?

    @Option(help: "The key's id, for nodes with several.")
    var keyID: String?

    @Option(help: "HS256, HS384, HS512, RS256, …, EdDSA; needed for RSA keys.")
    var algorithm: String?

    @Option(help: "The user; a visitor if left out.")
    var user: String?

    @Option(help: "How long it is good: 250ms, 10s, 5m, 1h.")
    var expires = "1h"

    @Option(help: "A channel to be joined at once; may be repeated.")
    var channel: [String] = []

    @Option(help: "PATTERN=subscribe,publish,presence,history; may be repeated.")
    var grant: [String] = []

    @Option(name: .customLong("for"), help: "Make a token for a subscription to this channel.")
    var subscription: String?

    @Option(help: "Its audience; may be repeated.")
    var audience: [String] = []

    @Option(help: "Its issuer.")
    var issuer: String?

    @Option(help: "What others may see of the user, as JSON.")
    var info: String?

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
            return try SigningKey(
                privatePEM: try Self.contents(of: key), id: keyID, algorithm: chosen, place: "PEM file \(key)")
        }
        var text = ProcessInfo.processInfo.environment["CARILLON_TOKEN_SECRET"]
        if let secret {
            let read = try Self.contents(of: secret)
            text = read.hasSuffix("\n") ? String(read.dropLast()) : read
        }
        guard let text else {
            throw ValidationError("say what to sign with: --secret FILE, --key FILE, or CARILLON_TOKEN_SECRET")
        }
        return try SigningKey(secret: Array(text.utf8), id: keyID, algorithm: chosen ?? .hs256)
    }

    private static func contents(of path: String) throws -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw Failure("cannot read \(path): \(error.localizedDescription)")
        }
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
        abstract: "Say what a token means, and with a configuration whether a node would take it.",
        discussion: """
            EXAMPLES
              carillon token explain eyJhbGciOi…
              carillon token explain --config carillon.yaml eyJhbGciOi…
            """)

    @Option(name: [.short, .long], help: "A node's configuration, for its keys and rules.")
    var config: String?

    @Argument(help: "The token.")
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
        print(TokenExplanation(token, now: Int64(Date().timeIntervalSince1970), verifier: verifier))
    }
}
