package import Codec
import Reactor

/// What a reply about revocations belongs to.
package enum RevocationReply {
    case kept(Revocation, limit: Int, (Result<Bool, PublishRefusal>) -> Void)
    case page(RevocationReading)
    /// Entries that have expired are removed; whether that worked is seen when they are read again.
    case forgotten

    package var calls: RedisScript? { if case .kept = self { .revoke } else { nil } }

    /// It was not carried out, or nobody knows.
    func failed(_ refusal: PublishRefusal) {
        switch self {
        case .kept(_, _, let completion): completion(.failure(refusal))
        case .page(let reading): reading.completion(.failure(refusal))
        case .forgotten: break
        }
    }
}

/// All revocations are being read, page by page.
package final class RevocationReading {
    var found: [Revocation] = []
    /// Entries that were read, whatever they are.
    var count = 0
    let completion: (Result<[Revocation], PublishRefusal>) -> Void

    init(_ completion: @escaping (Result<[Revocation], PublishRefusal>) -> Void) { self.completion = completion }
}

/// Revocations are no channel's: every server keeps all of them, so that none is forgotten when one is away, or leaves.
extension RedisBackplane {
    /// Entries of one page, and of all pages: Redis is not believed beyond that.
    private static var pageEntries: Int { 1000 }
    private static var maximumEntries: Int { 2_000_000 }
    /// Entries that one server is given again in one reading.
    private static var portion: Int { 1000 }
    /// How much longer than its entries the set stays, and how long at most, in milliseconds.
    private static var slack: Int64 { 86_400_000 }
    private static var longest: Int64 { 10 * 366 * 86_400_000 }

    private var revocationServers: [RedisServer] { topology.servers.filter(\.state.takesCommands) }

    package func keep(
        _ revocation: Revocation, limit: Int, completion: @escaping (Result<Bool, PublishRefusal>) -> Void
    ) {
        let servers = revocationServers
        guard !servers.isEmpty else { return completion(.failure(.isolated)) }
        let answers = Answers<Bool>(servers.count) { results in
            completion(results.reduce(.success(true)) { whole, one in whole.flatMap { all in one.map { all && $0 } } })
        }
        for (number, server) in servers.enumerated() {
            keep(revocation, limit: limit, at: server) { answers.came($0, from: number) }
        }
    }

    func keep(
        _ revocation: Revocation, limit: Int, at server: RedisServer,
        completion: @escaping (Result<Bool, PublishRefusal>) -> Void
    ) {
        guard server.state.takesCommands else { return completion(.failure(.isolated)) }
        guard let hash = server.scripts.hash(of: .revoke) else {
            return completion(
                .failure(.medium("scripts are not available: \(server.scripts.objection ?? "they are missing")")))
        }
        let seconds = max(0, revocation.expiresAt &- Int64(clamping: wallClock() / 1000))
        let lifetime = min(seconds, Self.longest / 1000) &* 1000 &+ Self.slack
        server.send(.revocation(.kept(revocation, limit: limit, completion))) {
            RESPWriter.command(
                [
                    Array("EVALSHA".utf8), hash, Array("1".utf8), names.revocations, revocation.head,
                    Revocation.digits(revocation.issuedUntil), Revocation.digits(revocation.expiresAt),
                    Array("\(limit)".utf8), Array("\(lifetime)".utf8),
                ], to: $0)
        }
    }

    package func readRevocations(completion: @escaping (Result<[Revocation], PublishRefusal>) -> Void) {
        let servers = revocationServers
        guard !servers.isEmpty else { return completion(.failure(.isolated)) }
        let answers = Answers<[Revocation]>(servers.count) { [self] results in
            compare(servers, results)
            completion(
                results.reduce(.success([])) { whole, one in whole.flatMap { all in one.map { all + $0 } } })
        }
        for (number, server) in servers.enumerated() {
            read(RevocationReading { answers.came($0, from: number) }, from: Array("-".utf8), at: server)
        }
    }

    /// What one of several servers knows and another does not, because it was away or is new, that one is given.
    private func compare(_ servers: [RedisServer], _ results: [Result<[Revocation], PublishRefusal>]) {
        guard servers.count > 1 else { return }
        let known = results.map { result in Set((try? result.get())?.map(\.packed) ?? []) }
        let all = results.flatMap { (try? $0.get()) ?? [] }
        for (server, (known, result)) in zip(servers, zip(known, results)) {
            guard case .success = result else { continue }
            for revocation in all.lazy.filter({ !known.contains($0.packed) }).prefix(Self.portion) {
                keep(revocation, limit: Self.maximumEntries, at: server) { _ in }
            }
        }
    }

    private func read(_ reading: RevocationReading, from start: [UInt8], at server: RedisServer) {
        guard server.state.takesCommands else { return reading.completion(.failure(.isolated)) }
        server.send(.revocation(.page(reading))) {
            RESPWriter.command(
                [
                    Array("ZRANGEBYLEX".utf8), names.revocations, start, Array("+".utf8), Array("LIMIT".utf8),
                    Array("0".utf8), Array("\(Self.pageEntries)".utf8),
                ], to: $0)
        }
    }

    package func forget(_ revocations: [Revocation]) {
        for server in revocationServers {
            var rest = revocations[...]
            while !rest.isEmpty {
                let part = rest.prefix(Self.pageEntries)
                rest = rest.dropFirst(part.count)
                server.send(.revocation(.forgotten)) {
                    RESPWriter.command([Array("ZREM".utf8), names.revocations] + part.map(\.packed), to: $0)
                }
            }
        }
    }

    /// What Redis said; all of it is checked.
    func answered(_ reply: RevocationReply, _ value: RESPValue, at server: RedisServer) {
        switch (reply, value) {
        case (.forgotten, _): break
        case (_, .error(let text)): reply.failed(.medium(text))
        case (.kept(_, _, let completion), .integer(let number)): completion(.success(number != 0))
        case (.page(let reading), .array(let elements)): answered(reading, elements, at: server)
        default:
            status.badMessages &+= 1
            reply.failed(.medium("Redis sent an unexpected reply"))
        }
    }

    private func answered(_ reading: RevocationReading, _ elements: [RESPValue], at server: RedisServer) {
        var last: [UInt8]?
        for element in elements {
            guard case .bulk(let bytes?) = element else {
                status.badMessages &+= 1
                continue
            }
            last = bytes
            if let revocation = Revocation(packed: bytes) {
                reading.found.append(revocation)
            } else {
                status.badMessages &+= 1
            }
        }
        reading.count += elements.count
        guard elements.count == Self.pageEntries, let last else { return reading.completion(.success(reading.found)) }
        guard reading.count < Self.maximumEntries else {
            return reading.completion(
                .failure(.medium("there are more than \(Self.maximumEntries) entries of revocations")))
        }
        read(reading, from: [UInt8(ascii: "(")] + last, at: server)
    }
}

/// Collects what several servers answer, in the order of the servers; on one thread.
private final class Answers<Value> {
    private var results: [Result<Value, PublishRefusal>?]
    private let completion: ([Result<Value, PublishRefusal>]) -> Void

    init(_ count: Int, _ completion: @escaping ([Result<Value, PublishRefusal>]) -> Void) {
        results = Array(repeating: nil, count: count)
        self.completion = completion
    }

    func came(_ result: Result<Value, PublishRefusal>, from number: Int) {
        results[number] = result
        let all = results.compactMap { $0 }
        if all.count == results.count { completion(all) }
    }
}
