import Codec
import Testing

@Suite struct NodeMessageTests {
    static let samples: [NodeMessage] = [
        .beat(Beat(node: NodeID(1), sequence: 0, name: "", summary: [])),
        .beat(Beat(node: NodeID(.max), sequence: .max, name: "édge-1", summary: Array("{\"sessions\":3}".utf8))),
        .farewell(NodeID(5)),
        .question(id: 7, from: NodeID(8), body: []),
        .question(id: .max, from: NodeID(8), body: [1, 2, 3]),
        .answer(id: 7, from: NodeID(8), body: [0]),
        .standing(
            NodeID(9), ShardStanding(generation: .max, digest: 1 << 40, target: 3, isReady: true, isWhole: false)),
        .standing(NodeID(9), ShardStanding(generation: 1, digest: 0, target: 0, isReady: false, isWhole: true)),
    ]

    static func decode(_ bytes: [UInt8]) -> Result<NodeMessage, EnvelopeError> {
        bytes.withUnsafeBytes { bytes -> Result<NodeMessage, EnvelopeError> in
            do throws(EnvelopeError) {
                return .success(try NodeMessage(decoding: bytes))
            } catch {
                return .failure(error)
            }
        }
    }

    @Test(arguments: samples)
    func comesBackAsItWas(_ message: NodeMessage) throws {
        let bytes = Written.bytes { message.write(to: $0) }
        #expect(bytes[2] != EnvelopeCodec.publicationType)
        #expect(try Self.decode(bytes).get() == message)
    }

    /// Summary and body have no length of their own, so only what is cut before them is seen to be cut.
    @Test(arguments: samples)
    func aTruncationNeverComesBackAsTheSame(_ message: NodeMessage) {
        let bytes = Written.bytes { message.write(to: $0) }
        for count in 0..<bytes.count {
            switch Self.decode(Array(bytes[..<count])) {
            case .failure(let error): #expect([.truncated, .badSummary].contains(error))
            case .success(let shorter): #expect(shorter != message)
            }
        }
    }

    @Test func refusesPublicationsAndOtherVersions() {
        let publication = Written.bytes { EnvelopeCodec.write(EnvelopeCodecTests.samples[0], to: $0) }
        #expect(throws: EnvelopeError.unknownType(1)) { try Self.decode(publication).get() }
        var beat = Written.bytes { Self.samples[1].write(to: $0) }
        beat[1] = 2
        #expect(throws: EnvelopeError.unknownVersion(2)) { try Self.decode(beat).get() }
    }

    @Test func cutsAnEndlessNameBetweenTwoCharacters() throws {
        let name = String(repeating: "é", count: 40_000)
        let beat = NodeMessage.beat(Beat(node: NodeID(1), sequence: 1, name: name, summary: Array("1".utf8)))
        guard case .beat(let read) = try Self.decode(Written.bytes { beat.write(to: $0) }).get() else {
            Issue.record("not a beat")
            return
        }
        #expect(read.name == String(repeating: "é", count: 127))
        #expect(read.summary == Array("1".utf8))
    }

    @Test(arguments: ["a\nb", "\u{1B}[2J", "\0", "\u{7F}", "\u{9B}31m", "a\u{2028}", "\u{202E}exe", "\u{2066}"])
    func aNameThatControlsATerminalIsNone(_ name: String) {
        let beat = NodeMessage.beat(Beat(node: NodeID(1), sequence: 1, name: name, summary: []))
        #expect(throws: EnvelopeError.badName) { try Self.decode(Written.bytes { beat.write(to: $0) }).get() }
    }

    private static func summarised(_ summary: [UInt8]) -> Result<NodeMessage, EnvelopeError> {
        // By hand: a beat of ours is never written with too long a summary.
        decode(
            Written.bytes { writer in
                NodeMessage.beat(Beat(node: NodeID(1), sequence: 1, name: "n", summary: [])).write(to: writer)
                writer.append(summary)
            })
    }

    @Test(arguments: ["{", "nothing", "{\"a\":NaN}", "{} {}", "\u{FEFF}{}"])
    func whatIsNotJSONIsNoSummary(_ text: String) {
        #expect(throws: EnvelopeError.badSummary) { try Self.summarised(Array(text.utf8)).get() }
    }

    @Test func summariesAreShortAndShallow() throws {
        let longest = Array(("\"" + String(repeating: "a", count: Beat.maximumSummaryBytes - 2) + "\"").utf8)
        _ = try Self.summarised(longest).get()
        #expect(throws: EnvelopeError.tooLong) { try Self.summarised(longest + [0x20]).get() }
        #expect(throws: EnvelopeError.badSummary) { try Self.summarised([0x22, 0xFF, 0x22]).get() }
        let deep = String(repeating: "[", count: 33) + String(repeating: "]", count: 33)
        #expect(throws: EnvelopeError.badSummary) { try Self.summarised(Array(deep.utf8)).get() }
    }

    @Test func aBeatOfOursIsNeverTooLong() throws {
        let beat = NodeMessage.beat(
            Beat(
                node: NodeID(1), sequence: 1, name: "n",
                summary: [UInt8](repeating: 0x31, count: Beat.maximumSummaryBytes + 1)))
        guard case .beat(let read) = try Self.decode(Written.bytes { beat.write(to: $0) }).get() else {
            Issue.record("not a beat")
            return
        }
        #expect(read.summary == [])
    }

    @Test func questionsAndAnswersAreBounded() throws {
        let most = [UInt8](repeating: 1, count: NodeMessage.maximumQuestionBytes)
        _ = try Self.decode(Written.bytes { NodeMessage.question(id: 1, from: NodeID(1), body: most).write(to: $0) })
            .get()
        for message in [
            NodeMessage.question(id: 1, from: NodeID(1), body: most + [1]),
            .answer(id: 1, from: NodeID(1), body: [UInt8](repeating: 1, count: NodeMessage.maximumAnswerBytes + 1)),
        ] {
            #expect(throws: EnvelopeError.tooLong) { try Self.decode(Written.bytes { message.write(to: $0) }).get() }
        }
    }

    @Test func nothingThatComesInCanStopIt() {
        var numbers = SeededNumbers(state: 3)
        for _ in 0..<10_000 {
            for type: UInt8 in 0...6 {
                _ = Self.decode([0xCA, 1, type] + numbers.bytes(Int.random(in: 0...40, using: &numbers)))
            }
        }
    }
}
