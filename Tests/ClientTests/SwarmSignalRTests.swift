import Codec
import Testing

@testable import Client

/// What members of the swarm say and understand at a SignalR hub.
@Suite struct SwarmSignalRTests {
    private static let hubs: [SwarmDialect] = [.signalRJSON, .signalRMessagePack]

    private static func packed(_ body: [UInt8]) -> [UInt8] { [UInt8(body.count)] + body }

    @Test(arguments: hubs)
    func itGreetsAndJoins(_ dialect: SwarmDialect) throws {
        let name = dialect == .signalRJSON ? "json" : "messagepack"
        #expect(dialect.greeting(channel: "ab") == Array(#"{"protocol":"\#(name)","version":1}"#.utf8) + [0x1E])
        let join = Array("{}\u{1E}".utf8).withUnsafeBytes { dialect.nextGreeting(after: $0, channel: "ab") }
        let inJSON = Array(#"{"type":1,"invocationId":"1","target":"JoinGroup","arguments":["ab"]}"#.utf8) + [0x1E]
        let inMessagePack =
            [0x96, 1, 0x80, 0xA1, 0x31, 0xA9] + Array("JoinGroup".utf8) + [0x91, 0xA2, 0x61, 0x62, 0x90]
        #expect(join == (dialect == .signalRJSON ? inJSON : Self.packed(inMessagePack)))
        // Refused: nothing more is said.
        let refused = Array(#"{"error":"no"}"#.utf8) + [0x1E]
        #expect(refused.withUnsafeBytes { dialect.nextGreeting(after: $0, channel: "ab") } == nil)
    }

    @Test func theAnswerToJoiningIsRecognized() {
        func isSubscribed(_ dialect: SwarmDialect, _ message: [UInt8]) -> Bool {
            message.withUnsafeBytes { dialect.isSubscribed($0) }
        }
        #expect(isSubscribed(.signalRJSON, Array(#"{"type":3,"invocationId":"1","result":null}"#.utf8)))
        #expect(!isSubscribed(.signalRJSON, Array(#"{"type":3,"invocationId":"1","error":"no"}"#.utf8)))
        #expect(!isSubscribed(.signalRJSON, Array(#"{"type":6}"#.utf8)))
        #expect(isSubscribed(.signalRMessagePack, Self.packed([0x94, 3, 0x80, 0xA1, 0x31, 2])))
        #expect(isSubscribed(.signalRMessagePack, Self.packed([0x95, 3, 0x80, 0xA1, 0x31, 3, 0xC0])))
        #expect(!isSubscribed(.signalRMessagePack, Self.packed([0x95, 3, 0x80, 0xA1, 0x31, 1, 0xA2, 0x6E, 0x6F])))
        for cut in [[], [1], [2, 0x91, 6], [6, 0x94, 3, 0x80, 0xA1]] as [[UInt8]] {
            #expect(!isSubscribed(.signalRMessagePack, cut))
        }
    }

    @Test func pingsAreAnsweredAndNothingElseIs() {
        let ping = Array(#"{"type":6}"#.utf8) + [0x1E]
        #expect(ping.withUnsafeBytes { SwarmDialect.signalRJSON.pong(to: $0) } == ping)
        let packed: [UInt8] = [2, 0x91, 6]
        #expect(packed.withUnsafeBytes { SwarmDialect.signalRMessagePack.pong(to: $0) } == packed)
        let close: [UInt8] = [2, 0x91, 7]
        #expect(close.withUnsafeBytes { SwarmDialect.signalRMessagePack.pong(to: $0) } == nil)
    }

    @Test(arguments: hubs, [SequencedPayload.Kind.text, .json])
    func whatIsPublishedIsFoundInWhatComes(_ dialect: SwarmDialect, _ kind: SequencedPayload.Kind) throws {
        let payload = SequencedPayload(bytes: 300, kind: kind)
        let message = ByteWriter()
        for sequence: UInt32 in 7...9 { dialect.write(sequence, of: payload, channel: "bench", to: message) }
        var found: [UInt32?] = []
        var rest = UnsafeRawBufferPointer(message.bytes)
        while let next = payload.firstMarker(in: rest) {
            let start = try #require(rest.baseAddress) + next.start
            found.append(payload.sequence(of: start, bytes: rest.count - next.start))
            rest = UnsafeRawBufferPointer(rebasing: rest[next.next...])
        }
        #expect(found == [7, 8, 9])
    }
}
