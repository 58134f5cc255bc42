import Codec
import Testing

@testable import Client

/// What members of the swarm say and understand in the Centrifuge protocol.
@Suite struct SwarmDialectTests {
    private static func isSubscribed(_ dialect: SwarmDialect, _ message: [UInt8]) -> Bool {
        message.withUnsafeBytes { dialect.isSubscribed($0) }
    }

    @Test func commandsInProtobufStandBehindTheirLength() {
        let expected: [UInt8] = [4, 0x08, 1, 0x22, 0, 8, 0x08, 2, 0x2A, 4, 0x0A, 2, 0x61, 0x62]
        #expect(SwarmDialect.centrifugeProtobuf.greeting(channel: "ab") == expected)
    }

    @Test func theReplyToASubscribeIsRecognized() {
        #expect(Self.isSubscribed(.centrifuge, Array(#"{"id":1,"connect":{}}\n{"id":2,"subscribe":{}}"#.utf8)))
        #expect(!Self.isSubscribed(.centrifuge, Array(#"{"id":2,"error":{"code":103}}"#.utf8)))
        #expect(Self.isSubscribed(.centrifugeProtobuf, [4, 0x08, 1, 0x32, 0, 4, 0x08, 2, 0x3A, 0]))
        #expect(!Self.isSubscribed(.centrifugeProtobuf, [4, 0x08, 1, 0x32, 0]))
        for cut in [[], [0x80], [9, 0x08, 2], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]] as [[UInt8]]
        {
            #expect(!Self.isSubscribed(.centrifugeProtobuf, cut))
        }
    }

    @Test func publicationsAreFoundInAMessage() throws {
        let payload = SequencedPayload(bytes: 40)
        let message = ByteWriter()
        for sequence: UInt32 in 7...9 {
            message.append(text: #"{"push":{"channel":"bench","pub":{"data":""#)
            payload.write(sequence, to: message)
            message.append(text: "\"}}}\n")
        }
        var found: [UInt32] = []
        var rest = UnsafeRawBufferPointer(message.bytes)
        while let next = payload.firstMarker(in: rest) {
            found += [
                try #require(payload.sequence(of: rest.baseAddress! + next.start, bytes: rest.count - next.start))
            ]
            rest = UnsafeRawBufferPointer(rebasing: rest[next.next...])
        }
        #expect(found == [7, 8, 9])
        // One whose digits are cut off is none.
        let cut = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(message.bytes)[..<50])
        #expect(payload.firstMarker(in: cut) == nil)
    }
}
