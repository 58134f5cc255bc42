import Codec
import Reactor
import Testing

@testable import Client

struct ClientStreamTests {
    private func events(
        _ server: ScriptedServer, tls: TLSContext? = nil, offersCompression: Bool = false,
        _ act: (ClientStream, ClientEvent) -> Void = { _, _ in }
    ) async throws -> [ClientEvent] {
        let stream = try ClientStream(target: server.target, tls: tls, offersCompression: offersCompression)
        var found: [ClientEvent] = []
        for await event in stream.events {
            found.append(event)
            act(stream, event)
        }
        return found
    }

    private static let hello = Array("hello".utf8)
    private static let closing: [UInt8] = [0x88, 5, 0x03, 0xE9, 0x62, 0x79, 0x65]

    @Test func messagesComeAndTheCloseCodeToo() async throws {
        let server = try ScriptedServer([.send([0x81, 5] + Self.hello + [0x82, 1, 0xFF] + Self.closing)])
        let expected: [ClientEvent] = [
            .opened, .message(.text, Self.hello), .message(.binary, [0xFF]),
            .closed(CloseCode(rawValue: 1001), reason: "bye"),
        ]
        #expect(try await events(server) == expected)
        _ = server.finish()
    }

    @Test func aFragmentedMessageIsOne() async throws {
        let server = try ScriptedServer([
            .send([0x01, 2, 0x68, 0x65]), .send([0x80, 3, 0x6C, 0x6C, 0x6F] + Self.closing),
        ])
        #expect(try await events(server)[1] == .message(.text, Self.hello))
        _ = server.finish()
    }

    @Test func aPingIsAnswered() async throws {
        // A masked pong of two bytes is eight bytes long.
        let server = try ScriptedServer([.send([0x89, 2, 0x61, 0x62]), .receive(8), .send(Self.closing)])
        _ = try await events(server)
        let pong = server.finish()
        #expect(pong.prefix(2) == [0x8A, 0x82])
        #expect(pong.count == 8 && pong[6] ^ pong[2] == 0x61 && pong[7] ^ pong[3] == 0x62)
    }

    @Test func whatIsSentArrivesMasked() async throws {
        let server = try ScriptedServer([.receive(11), .send(Self.closing)])
        _ = try await events(server) { stream, event in
            if event == .opened { stream.send(text: "hello") }
        }
        let frame = server.finish()
        #expect(frame.prefix(2) == [0x81, 0x85])
        #expect(frame.count == 11 && zip(frame[6...], 0...).map { $0 ^ frame[2 + $1 % 4] } == Self.hello)
    }

    @Test func closingIsAnsweredAndSaid() async throws {
        // A masked close frame with a code and no reason is eight bytes long.
        let server = try ScriptedServer([.receive(8), .send([0x88, 2, 0x03, 0xE8])])
        let found = try await events(server) { stream, event in
            if event == .opened { stream.close() }
        }
        #expect(found == [.opened, .closed(.normal, reason: "")])
        _ = server.finish()
    }

    @Test func aRefusalIsSaid() async throws {
        let server = try ScriptedServer(accepts: false, [])
        #expect(try await events(server) == [.closed(.abnormal, reason: "refused: HTTP/1.1 404 Not Found")])
        _ = server.finish()
    }

    @Test(
        arguments: [
            // Masked, reserved opcode, reserved bits, bad UTF-8.
            ([0x81, 0x80, 1, 2, 3, 4], CloseCode.protocolError),
            ([0x83, 0], .protocolError),
            ([0xC1, 0], .protocolError),
            ([0x81, 1, 0xFF], .invalidPayload),
        ] as [([UInt8], CloseCode)])
    func aServerThatBreaksTheProtocolIsLeft(bytes: [UInt8], code: CloseCode) async throws {
        let server = try ScriptedServer([.send(bytes)])
        let found = try await events(server)
        #expect(found.count == 2)
        guard case .closed(code, _) = found.last else {
            Issue.record("closed with something else: \(found)")
            return
        }
        _ = server.finish()
    }

    // MARK: permessage-deflate

    private static let agreed = "permessage-deflate; server_no_context_takeover"

    private static func compressed(_ text: String, opcode: UInt8 = 0xC1) -> [UInt8] {
        let packed = deflated(Array(text.utf8))
        return [opcode, UInt8(packed.count)] + packed
    }

    @Test func compressedMessagesAreUnpacked() async throws {
        let long = String(repeating: "ring ", count: 100)
        let frames = Self.compressed(long) + [0x81, 5] + Self.hello + Self.compressed(long) + Self.closing
        let server = try ScriptedServer(extensions: Self.agreed, [.send(frames)])
        let found = try await events(server, offersCompression: true)
        let message = ClientEvent.message(.text, Array(long.utf8))
        #expect(Array(found[1...3]) == [message, .message(.text, Self.hello), message])
        _ = server.finish()
    }

    @Test func aServerThatDeclinesIsHeardAllTheSame() async throws {
        let server = try ScriptedServer([.send([0x81, 5] + Self.hello + Self.closing)])
        #expect(try await events(server, offersCompression: true)[1] == .message(.text, Self.hello))
        _ = server.finish()
    }

    @Test(
        arguments: [
            (agreed, [0xC1, 2, 0xFF, 0xFF], CloseCode.invalidPayload),
            (nil, compressed("hello"), .protocolError),
        ] as [(String?, [UInt8], CloseCode)])
    func whatCannotBeUnpackedEndsTheConnection(extensions: String?, bytes: [UInt8], code: CloseCode) async throws {
        let server = try ScriptedServer(extensions: extensions, [.send(bytes)])
        let found = try await events(server, offersCompression: true)
        guard found.count == 2, case .closed(let said, _) = found[1] else {
            Issue.record("\(found)")
            return
        }
        #expect(said == code)
        _ = server.finish()
    }

    @Test func aCompressedTextHasToBeUTF8() async throws {
        let packed = deflated([0x61, 0xFF])
        let server = try ScriptedServer(extensions: Self.agreed, [.send([0xC1, UInt8(packed.count)] + packed)])
        let found = try await events(server, offersCompression: true)
        guard case .closed(.invalidPayload, _) = found.last else {
            Issue.record("\(found)")
            return
        }
        _ = server.finish()
    }

    // MARK: TLS

    @Test func anEncryptedConnectionIsLikeAnyOther() async throws {
        let certificate = try TestCertificate.shared.get()
        let server = try ScriptedServer(
            extensions: Self.agreed, tls: try certificate.server(),
            [.send(Self.compressed("hello hello hello hello")), .receive(11), .send(Self.closing)])
        let found = try await events(server, tls: try certificate.client(), offersCompression: true) { stream, event in
            if event == .opened { stream.send(text: "hello") }
        }
        let expected: [ClientEvent] = [
            .opened, .message(.text, Array("hello hello hello hello".utf8)),
            .closed(CloseCode(rawValue: 1001), reason: "bye"),
        ]
        #expect(found == expected)
        #expect(server.finish().prefix(2) == [0x81, 0x85])
    }

    @Test func aStrangersCertificateIsRefused() async throws {
        let server = try ScriptedServer(tls: try TestCertificate.shared.get().server(), [])
        // Trusts whom the system trusts, or says that it trusts nobody.
        let found = try await events(server)
        guard found.count == 1, case .closed(.abnormal, let reason) = found[0] else {
            Issue.record("\(found)")
            return
        }
        #expect(reason.contains("certificate") || reason.contains("authorities"))
        _ = server.finish()
    }

    @Test func anEndWithoutGoodbyeIsAbnormal() async throws {
        let server = try ScriptedServer([.close])
        let found = try await events(server)
        #expect(found == [.opened, .closed(.abnormal, reason: "the other side closed the connection")])
        _ = server.finish()
    }
}
