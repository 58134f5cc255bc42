import Testing

@testable import Codec

@Suite struct RawPublicationRequestTests {
    private func read(_ query: String, _ type: String?, _ body: [UInt8]) throws -> PublicationRequest {
        let head = try ParsedHead.head(
            "POST /publish\(query) HTTP/1.1\r\nHost: a\r\n\(type.map { "Content-Type: \($0)\r\n" } ?? "")\r\n")
        return try Dialect.raw.publicationRequest(head, body)
    }

    private func refusal(_ query: String, _ type: String?, _ body: [UInt8]) throws -> String? {
        do {
            _ = try read(query, type, body)
            return nil
        } catch let error as HTTPError {
            #expect(error.status == 400)
            return error.code
        }
    }

    static let kinds: [(String?, PayloadKind)] = [
        (nil, .binary), ("application/octet-stream", .binary), ("image/jpeg", .binary), ("", .binary),
        ("text", .binary),
        ("text/plain;charset=UTF-8", .text), ("TEXT/HTML", .text), ("application/x-www-form-urlencoded", .text),
        ("application/json", .json), (" Application/JSON ; charset=utf-8", .json), ("application/geo+json", .json),
        ("application/jsonp", .binary), ("json", .binary),
    ]

    @Test(arguments: kinds)
    func theTypeSaysWhatTheBodyIs(_ type: String?, _ kind: PayloadKind) throws {
        let body = Array("[1, 2]\n".utf8)
        let request = try read("?channel=ab", type, body)
        #expect(request.kind == kind && request.payload == body && request.channel.description == "ab")
    }

    @Test func bodiesThatAreNotWhatTheTypeSays() throws {
        #expect(try refusal("?channel=a", "text/plain", [0xFF]) == "invalid_text")
        for body in ["", "{", "1 2", "[1,]", "nul"] {
            #expect(try refusal("?channel=a", "application/json", Array(body.utf8)) == "invalid_json")
        }
        #expect(try refusal("?channel=a", "application/json", [0x22, 0xFF, 0x22]) == "invalid_json")
        #expect(try refusal("?channel=a", "text/plain", []) == nil)
        #expect(try refusal("?channel=a", nil, [0xFF, 0]) == nil)
    }

    @Test func oneChannelIsNamed() throws {
        #expect(try refusal("", nil, []) == "channel_missing")
        #expect(try refusal("?channel=a&channel=b", nil, []) == "too_many_channels")
        for name in ["", "%24all", "a%20b", String(repeating: "x", count: 256)] {
            #expect(try refusal("?channel=\(name)", nil, []) == "invalid_channel")
        }
        // No text at all.
        for name in ["%00", "%ff"] { #expect(try refusal("?channel=\(name)", nil, []) == "bad_request") }
        // The same twice is one.
        #expect(try refusal("?channel=a&channel=a", nil, []) == nil)
    }

    @Test func otherDialectsHaveNone() throws {
        let head = try ParsedHead.head("POST /publish?channel=a HTTP/1.1\r\nHost: a\r\n\r\n")
        for dialect in [Dialect.sse, .centrifuge] {
            #expect(throws: HTTPError.self) { try dialect.publicationRequest(head, []) }
        }
    }
}
