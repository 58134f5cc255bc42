import Codec
import Testing

@Suite struct DialectTests {
    @Test(arguments: [
        ("/raw", Dialect.raw), ("/sse", .sse), ("/connection/websocket", .centrifuge), ("/", nil), ("", nil),
        ("/raw/", nil), ("/RAW", nil), ("/connection", nil),
    ])
    func isChosenByThePath(_ path: String, _ dialect: Dialect?) {
        #expect(Dialect(path: path) == dialect)
    }

    @Test func agreesOnlyToASubprotocolOfItsOwn() {
        #expect(Dialect.centrifuge.subprotocol(among: ["x", "centrifuge-json"]) == "centrifuge-json")
        #expect(Dialect.centrifuge.subprotocol(among: ["centrifuge-protobuf"]) == nil)
        #expect(Dialect.raw.subprotocol(among: ["carillon-raw"]) == "carillon-raw")
        #expect(Dialect.raw.subprotocol(among: ["centrifuge-json"]) == nil)
        #expect(Dialect.raw.subprotocol(among: []) == nil)
    }

    @Test func variantsAreDense() {
        #expect(Variant.allCases.map(\.rawValue) == Array(0..<UInt8(Variant.allCases.count)))
        let agreements = [nil, "permessage-deflate", "permessage-deflate; server_max_window_bits=9"].map {
            $0.flatMap(DeflateAgreement.init(offers:))
        }
        let variants = Dialect.allCases.flatMap { dialect in agreements.map { dialect.variant($0) } }
        #expect(Set(variants) == Set(Variant.allCases))
        // Event streams are not WebSocket messages.
        #expect(Set(agreements.map { Dialect.sse.variant($0) }) == [.sse])
        #expect(Set(Dialect.allCases.map(\.name)).count == Dialect.allCases.count)
    }
}
