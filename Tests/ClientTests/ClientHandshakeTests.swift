import Codec
import Testing

@testable import Client

struct ClientHandshakeTests {
    private static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    private let offering = ClientHandshake(key: key, offersCompression: true)

    private static func reply(_ extensions: [String]) -> [UInt8] {
        let lines = extensions.map { "sec-websocket-Extensions: \($0)\r\n" }.joined()
        return Array(
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" + lines
                + "Connection: Upgrade\r\nSec-WebSocket-Accept: \(Handshake.accept(for: key))\r\n\r\n").utf8)
    }

    private func check(_ bytes: [UInt8], _ handshake: ClientHandshake) -> ClientHandshake.Reply {
        bytes.withUnsafeBytes { handshake.check($0) }
    }

    @Test func theOfferIsALineOfTheRequest() throws {
        let target = try Target(parsing: "ws://127.0.0.1:8000/raw")
        let writer = ByteWriter()
        offering.writeRequest(to: target, protocols: ["a"], in: writer)
        let lines = String(decoding: writer.bytes, as: UTF8.self).components("\r\n")
        #expect(lines.contains("Sec-WebSocket-Extensions: \(ClientHandshake.offer)"))
        #expect(lines.contains("Sec-WebSocket-Protocol: a"))
        #expect(lines.suffix(2) == ["", ""] && !lines.dropLast(2).contains(""))
        // Our own server agrees to it.
        #expect(DeflateAgreement(offers: ClientHandshake.offer) != nil)
    }

    @Test func withoutAnOfferThereIsNoSuchLine() throws {
        let writer = ByteWriter()
        ClientHandshake(key: Self.key, offersCompression: false).writeRequest(
            to: try Target(parsing: "ws://127.0.0.1:8000/raw"), in: writer)
        #expect(!String(decoding: writer.bytes, as: UTF8.self).contains("Extensions"))
        #expect(writer.bytes.suffix(4).elementsEqual("\r\n\r\n".utf8))
    }

    @Test(arguments: [
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "Permessage-Deflate;server_no_context_takeover ;\tserver_max_window_bits=9",
    ])
    func anAgreementOpens(answer: String) {
        let reply = Self.reply([answer])
        #expect(check(reply + [0x81], offering) == .opened(consumed: reply.count, isCompressed: true))
        for cut in [0, 1, 3, 20, reply.count - 1] {
            #expect(check(Array(reply[..<cut]), offering) == .incomplete)
        }
    }

    @Test func ourOwnServersAnswerFits() throws {
        #expect(ClientHandshake.fits(try #require(DeflateAgreement(offers: ClientHandshake.offer)).response))
    }

    @Test func aServerMayDecline() {
        let reply = Self.reply([])
        #expect(check(reply, offering) == .opened(consumed: reply.count, isCompressed: false))
    }

    @Test(
        arguments: [
            // Its window would be kept, and ours is not.
            ["permessage-deflate"],
            ["permessage-deflate; client_no_context_takeover"],
            // Asks for what was not offered.
            ["permessage-deflate; server_no_context_takeover; client_max_window_bits=9"],
            ["permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
            ["permessage-deflate; server_no_context_takeover=1"],
            ["permessage-deflate; server_no_context_takeover; server_max_window_bits=7"],
            ["permessage-deflate; server_no_context_takeover; server_max_window_bits=16"],
            ["permessage-deflate; server_no_context_takeover; server_max_window_bits=09"],
            ["permessage-deflate; server_no_context_takeover; server_max_window_bits"],
            ["permessage-deflate; server_no_context_takeover;"],
            ["permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"],
            ["permessage-deflate; server_no_context_takeover, x-other"],
            ["x-other; server_no_context_takeover"],
            [""],
        ])
    func anotherAgreementIsRefused(answers: [String]) {
        guard case .refused(let reason) = check(Self.reply(answers), offering) else {
            Issue.record("accepted: \(answers)")
            return
        }
        #expect(reason.hasPrefix("the reply agrees to an extension that was not offered"))
    }

    @Test func whatAServerSaysIsPrintable() {
        let reply = check(Self.reply(["x\u{1B}[2J"]), offering)
        #expect(reply == .refused("the reply agrees to an extension that was not offered: x?[2J"))
    }

    @Test func withoutAnOfferAnyExtensionIsRefused() {
        let plain = ClientHandshake(key: Self.key, offersCompression: false)
        let reply = check(Self.reply(["permessage-deflate; server_no_context_takeover"]), plain)
        #expect(reply == .refused("the reply names an extension that was not asked for"))
    }

    @Test func aReplyWithoutAnEndIsRefusedAtALimit() {
        let endless = Array(String(repeating: "Sec-WebSocket-Extensions: permessage-deflate\r\n", count: 500).utf8)
        let reply = Array("HTTP/1.1 101 OK\r\n".utf8) + endless
        #expect(check(reply, offering) == .refused("the reply is too long"))
        #expect(check(reply + [0x0D, 0x0A], offering) == .refused("the reply is too long"))
    }

    @Test func anotherKeyIsRefused() {
        let other = ClientHandshake(key: "AAAAAAAAAAAAAAAAAAAAAA==", offersCompression: true)
        let reply = check(Self.reply(["permessage-deflate; server_no_context_takeover"]), other)
        #expect(reply == .refused("the reply does not fit the key"))
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
