import Codec
import Testing

@Suite struct ChannelNameTests {
    @Test(arguments: ["a", "chat:1", "a/b.c-d_e", "straße", "日本", "a$", String(repeating: "x", count: 255)])
    func accepts(_ text: String) throws {
        let name = try ChannelName(validating: Array(text.utf8))
        #expect(name.description == text)
        #expect(!name.isReserved)
    }

    static let refused: [([UInt8], ChannelNameError)] = [
        ([], .empty),
        ([UInt8](repeating: 0x61, count: 256), .tooLong(bytes: 256)),
        (Array("$all".utf8), .reserved),
        (Array("a b".utf8), .forbiddenByte(0x20, offset: 1)),
        (Array("ab\n".utf8), .forbiddenByte(0x0A, offset: 2)),
        ([0], .forbiddenByte(0, offset: 0)),
        ([0x61, 0x7F], .forbiddenByte(0x7F, offset: 1)),
        ([0x61, 0xFF], .notUTF8),
        ([0xC3], .notUTF8),
        ([0xED, 0xA0, 0x80], .notUTF8),
    ]

    @Test(arguments: refused)
    func refuses(_ bytes: [UInt8], _ error: ChannelNameError) {
        #expect(throws: error) { try ChannelName(validating: bytes) }
        #expect(!error.description.isEmpty)
    }

    @Test func namesASessionAndFindsItAgain() {
        let id = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))
        let name = ChannelName.connection(id)
        #expect(name.isReserved)
        #expect(SessionID(connectionChannel: name) == id)
        #expect(SessionID(connectionChannel: .all) == nil)
        #expect(SessionID(connectionChannel: ChannelName(trusted: Array("$connection:x".utf8))) == nil)
    }
}
