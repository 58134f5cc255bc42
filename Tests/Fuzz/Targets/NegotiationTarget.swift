@testable import Authentication
@testable import Codec

/// Paths and queries of hubs, and tokens of connections. Nobody but us knows the key, so a stranger's token is never taken.
enum NegotiationTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        request(input)
        let text = Array(input)
        do {
            _ = try ConnectionToken(text, of: hub, keys: [key, other], now: 0)
            expect(false, "a token nobody signed is taken")
        } catch {
            expect(!"\(error)".isEmpty, "an error without words")
        }
        changed(input)
    }

    private static let hub = Array("/hub".utf8)
    private static let key = Array("0123456789abcdef0123456789abcdef".utf8)
    private static let other = Array("fedcba9876543210fedcba9876543210".utf8)
    private static let hubs = Hubs([HubRule(path: "/hub"), HubRule(path: "/hub/negotiate/2")])

    private static func request(_ input: UnsafeRawBufferPointer) {
        if let hub = hubs.rules.first {
            _ = HubAddress.isClientAddress(String(decoding: input, as: UTF8.self), of: hub)
        }
        let line = Array("POST ".utf8) + Array(input) + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        guard case .head(let head, _) = line.withUnsafeBytes({ RequestHeadParser.parse($0, limits: HTTPLimits()) }),
            let route = hubs.route(of: head)
        else { return }
        let path = route.isForHubTokens ? HubAddress.path : hubs.rule(route.hub)?.path
        expect(path.map { head.path.utf8.starts(with: $0.utf8) } == true, "another hub's route")
        guard route.use == .negotiation, let negotiation = try? route.dialect.negotiation(head, at: route) else {
            return
        }
        expect(negotiation.version <= 1, "version \(negotiation.version)")
        let writer = ByteWriter()
        let id = route.dialect.connectionToken(in: head).map { Array($0.utf8) } ?? []
        route.dialect.answer(negotiation, id: id, token: id, to: writer)
        expect(JSONScanner.isValid(writer.bytes), "an answer that is no JSON")
    }

    /// Ours, with a byte of the input in it somewhere.
    private static func changed(_ input: UnsafeRawBufferPointer) {
        guard input.count >= 2 else { return }
        let id = SessionID.Secret(high: 1, low: 2)
        guard let token = ConnectionToken(id, expiresAt: 60).signed(for: hub, by: key) else { return }
        expect(
            (try? ConnectionToken(token, of: hub, keys: [other, key], now: 0))?.id == id, "our own token is refused")
        var broken = token
        broken[Int(input[0]) % token.count] = input[1]
        guard broken != token else { return }
        expect((try? ConnectionToken(broken, of: hub, keys: [key], now: 0)) == nil, "a changed token is taken")
    }
}
