import Foundation

@testable import Codec
@testable import Node

/// Bodies of the server API and patterns for channels: what is understood is valid, and what is read in a batch or a line is
/// what is read by itself.
enum ServerAPITarget {
    private static let limits = ServerAPILimits(messageBytes: 512, now: 1_000_000)

    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        let body = Array(input)
        for method in ServerAPIMethod.allCases {
            let plain = say(Result { try ServerAPICommand(method, body, limits) }, body)
            let isObject = PlainJSON.isValid(body) && body.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == 0x7B
            guard isObject, UTF8Validator.isValid(input) else {
                expect(plain == "unreadable", "\(method) reads what is no object: \(plain)")
                continue
            }
            let batch = Array("{\"commands\":[{\"\(method.rawValue)\":".utf8) + body + Array("}]}".utf8)
            let read = Result { try ServerAPIBatch(batch, limits) }
            if let entry = try? read.get().commands.first {
                expect(
                    say(entry.command.mapError { $0 as any Error }, body) == plain,
                    "\(method) in a batch is something else")
            } else {
                expect(plain == "unreadable" || isTooDeep(body), "\(method) can be read, and not in a batch: \(plain)")
            }
        }
        _ = try? ServerAPIBatch(body, limits)
        readOwnAPI(body)
        for line in (try? ServerAPILine.read(body)) ?? [] {
            expect(line.parameters.withUnsafeBytes(JSONScanner.isValid), "parameters are not JSON")
        }
        guard let text = String(validating: body, as: UTF8.self), let pattern = GlobPattern(text) else { return }
        for name in [body, [], Array("chat:1".utf8)] { _ = pattern.matches(name) }
        if !text.contains(where: { "*?[]{},\\".contains($0) }) {
            expect(pattern.matches(body), "a pattern without signs does not match itself")
        }
    }

    /// Bodies of the routes of `/api/v1`, and entries of revocations as Redis may have them.
    private static func readOwnAPI(_ body: [UInt8]) {
        for request in (try? BatchRoutes.parse(body, messageBytes: limits.messageBytes)) ?? [] {
            for name in request.channels where !name.isReserved { isName(name) }
            expect(request.payload.count <= limits.messageBytes, "the message is too long")
        }
        let known = ["user", "token", "all", "issued_until", "expires_at"]
        if let fields = try? APIFields(body, known: known),
            let revocation = try? RevocationRoutes.revocation(fields, now: limits.now, lifetime: 60)
        {
            expect(Revocation(packed: revocation.packed) == revocation, "a revocation comes back as another one")
            expect(revocation.expiresAt > limits.now, "a revocation has ended before it begins")
        }
        if let path = String(validating: body, as: UTF8.self) {
            for method in ["GET", "POST", "PUT", "DELETE"] { _ = try? HubAPICall(method: method, path: path) }
            _ = try? HubAPIQuery(path)
            _ = HubAPICall.isAudience(path, of: "/api/hubs/a/:send")
            if path.hasPrefix("/"), !path.contains("?"), HubAPICall.isAudience("https://x" + path, of: path + "/x") {
                expect(path.removingPercentEncoding == nil, "a token is for what is behind its path")
            }
        }
        _ = try? HubAPIMessage(body, messageBytes: limits.messageBytes)
        if let entry = Revocation(packed: body) {
            expect(entry.packed == body, "an entry of a revocation is written in two ways")
        }
    }

    /// What lies in brackets of ours is three levels deeper.
    private static func isTooDeep(_ body: [UInt8]) -> Bool {
        let wrapped = Array("[[[".utf8) + body + Array("]]]".utf8)
        return !wrapped.withUnsafeBytes(JSONScanner.isValid)
    }

    private static func say(_ result: Result<ServerAPICommand, any Error>, _ body: [UInt8]) -> String {
        switch result {
        case .failure(let error as ServerAPIError): return error.isUnreadable ? "unreadable" : "\(error.code)"
        case .failure: return "?"
        case .success(.publish(let publish)):
            for case .success(let name) in publish.channels { isName(name) }
            expect(publish.payload.count <= limits.messageBytes, "the message is too long")
            if publish.kind == .json {
                expect(publish.payload.withUnsafeBytes(JSONScanner.isValid), "data is not JSON")
            }
            return "\(publish)"
        case .success(.act(let action, let selection, let demands)):
            expect(selection.user != nil || selection.client != nil, "everybody is meant")
            if case .subscribe(let channel, let data, _, _, let expiresAt) = action {
                expect(ChannelName.objection(to: Array(channel.utf8)) == nil, "'\(channel)' is not a channel")
                expect(expiresAt.map { $0 > limits.now } ?? true, "it ends before it begins")
                if let data { expect(Array(data.utf8).withUnsafeBytes(JSONScanner.isValid), "data is not JSON") }
            }
            return "\(action) \(selection) \(demands)"
        case .success(.history(let history)):
            isName(history.channel)
            return "\(history)"
        case .success(.presence(let channel, _)), .success(.historyRemove(let channel)):
            isName(channel)
            return "\(channel)"
        case .success(let command): return "\(command)"
        }
    }

    private static func isName(_ channel: ChannelName) {
        expect(ChannelName.objection(to: channel.bytes) == nil, "'\(channel)' is not a channel")
    }
}
