import ArgumentParser
import Codec
import Foundation
import Node

struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke the tokens of a user, one token, or all tokens, and close what they opened.",
        discussion: """
            Tokens with an 'iat' after the moment of the revocation are accepted. A revocation of one token, by its 'jti', counts
            whenever it was issued.

            EXAMPLES
              carillon revoke --user ann
              carillon revoke --id 8f0c2d
              carillon revoke --all --issued-until 1764500000
            """)

    @OptionGroup var options: AdminOptions

    @Option(help: "Revoke all tokens of this user.")
    var user: String?

    @Option(help: "Revoke one token, by its id (jti).")
    var id: String?

    @Flag(help: "Revoke the tokens of all users.")
    var all = false

    @Option(help: "Revoke tokens issued in this second or before, in seconds since 1970. Default: now.")
    var issuedUntil: UInt64?

    @Option(
        help:
            "When the last of the tokens expires, in seconds since 1970. Default: now and auth.revocation_lifetime of the node."
    )
    var expiresAt: UInt64?

    func validate() throws {
        let ways = (user == nil ? 0 : 1) + (id == nil ? 0 : 1) + (all ? 1 : 0)
        if ways > 1 { throw ValidationError("--user, --id and --all exclude each other") }
        if ways == 0 { throw ValidationError("say whose tokens: --user, --id or --all") }
        if id != nil, issuedUntil != nil {
            throw ValidationError("--issued-until is for --user and --all: one token is revoked whenever it was issued")
        }
    }

    func run() async throws {
        var body: [String: Any] = [:]
        if let user { body["user"] = user }
        if let id { body["token"] = id }
        if all { body["all"] = true }
        if let issuedUntil { body["issued_until"] = issuedUntil }
        if let expiresAt { body["expires_at"] = expiresAt }
        let reply = try await options.ask(
            "/api/v1/revocations", body: try JSONSerialization.data(withJSONObject: body))
        if options.json { return print(String(decoding: reply, as: UTF8.self), terminator: "") }
        let revoked = try AdminOptions.decode(reply, as: Revoked.self)
        print("revoked; \(things(revoked.sessions, "session")) closed on \(things(revoked.nodes.asked, "node"))")
    }

    private struct Revoked: Decodable {
        var sessions: Int
        var nodes: NodeCount
    }
}

struct RevocationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revocations",
        abstract: "List what is revoked and has not expired.",
        discussion: """
            EXAMPLES
              carillon revocations
            """)

    @OptionGroup var options: AdminOptions

    @Option(help: "Maximum number of rows (1 to 1000).")
    var limit = 100

    @Option(help: "Continue after the previous page: the cursor that it printed.")
    var cursor: String?

    private struct Page: Decodable {
        var count: Int
        var revocations: [RevokedTokens]
        var cursor: String?
    }

    func run() async throws {
        var path = "/api/v1/revocations?limit=\(limit)"
        if let cursor { path += "&cursor=\(percentEncoded(cursor))" }
        if options.json { return try await options.printJSON(path) }
        let page = try await options.ask(path, as: Page.self)
        var table = Table([("TOKENS", .left), ("OF", .flexible), ("ISSUED UNTIL", .left), ("KEPT UNTIL", .left)])
        for entry in page.revocations {
            let kind = entry.user != nil ? "user" : entry.token != nil ? "token" : "all"
            table.add(
                kind, (entry.user ?? entry.token)?.text ?? "", entry.token != nil ? "" : Self.time(entry.issuedUntil),
                Self.time(entry.expiresAt))
        }
        print(table.text + "\n")
        print(things(page.count, "revocation"))
        if let cursor = page.cursor { print("more: --cursor \(cursor)") }
    }

    private static func time(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: TimeInterval(seconds)).ISO8601Format()
    }
}
