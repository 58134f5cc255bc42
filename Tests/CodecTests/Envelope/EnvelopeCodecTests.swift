import Codec
import Testing

@Suite struct EnvelopeCodecTests {
    static let session = SessionID(node: NodeID(7), locator: 8, secret: .init(high: 9, low: .max))
    static let channel = ChannelName(trusted: Array("chat:1".utf8))

    static let samples: [Publication] = [
        Publication(channel: channel, kind: .text, payload: Array("häl\nlo".utf8), origin: NodeID(1)),
        Publication(channel: channel, kind: .json, payload: Array("{\"a\":1}".utf8), origin: NodeID(.max)),
        Publication(channel: channel, kind: .binary, payload: [0, 255, 1, 254], origin: NodeID(0)),
        Publication(channel: channel, kind: .text, payload: [], origin: NodeID(3)),
        Publication(channel: .all, kind: .text, payload: [0x61], origin: NodeID(3)),
        Publication(channel: .connection(session), kind: .text, payload: [0x61], origin: NodeID(3)),
        Publication(
            channel: ChannelName(trusted: [UInt8](repeating: 0x78, count: 255)), kind: .binary,
            payload: [UInt8](repeating: 5, count: 70_000), origin: NodeID(3),
            position: Position(epoch: .max, offset: 1)),
        Publication(
            channel: channel, kind: .text, payload: [0x61], origin: NodeID(3), position: Position(epoch: 1, offset: 2),
            extras: .init(
                idempotencyKey: [0, 1], event: Array("moved".utf8), except: [session, session],
                publisher: .init(session: session, user: nil, info: nil))),
        Publication(
            channel: channel, kind: .text, payload: [0x61], origin: NodeID(3), time: 1_700_000_000_123,
            extras: .init(publisher: .init(session: session, user: Array("Jos\u{E9}".utf8), info: nil))),
        Publication(
            channel: channel, kind: .json, payload: [0x31], origin: NodeID(3), time: Publication.latestTime,
            extras: .init(
                publisher: .init(
                    session: session, user: [UInt8](repeating: 0x75, count: 249), info: Array("{\"a\":[1, 2]}".utf8)))),
        Publication(
            channel: channel, kind: .json, payload: [0x31], origin: NodeID(3),
            extras: .init(publisher: .init(session: session, user: nil, info: Array("\"x\"".utf8)))),
        Publication(channel: channel, kind: .text, payload: [], origin: NodeID(3), extras: .init(event: [])),
        Publication(
            channel: channel, kind: .text, payload: [], origin: NodeID(3), time: 1,
            extras: .init(
                except: [session],
                tags: try? PublicationTags(validating: [(Array("a".utf8), [0x31]), (Array("bc".utf8), [])]))),
    ]

    static func encoded(_ publication: Publication) -> [UInt8] {
        Written.bytes { EnvelopeCodec.write(publication, to: $0) }
    }

    @Test(arguments: samples)
    func itsLengthIsKnownBefore(_ publication: Publication) {
        #expect(EnvelopeCodec.bytes(of: publication) == Self.encoded(publication).count)
        #expect(EnvelopeCodec.bytes(of: publication) <= EnvelopeCodec.maximumBytes(publication))
        let before = Written.bytes { EnvelopeCodec.writeBefore(publication, to: $0) }
        let after = Written.bytes { EnvelopeCodec.writeAfter(publication, to: $0) }
        #expect(EnvelopeCodec.bytesBefore(publication) == before.count)
        #expect(EnvelopeCodec.bytesAfter(publication) == after.count)
    }

    static func decode(_ bytes: [UInt8], hint: ChannelName? = nil) -> Result<Publication, EnvelopeError> {
        bytes.withUnsafeBytes { bytes -> Result<Publication, EnvelopeError> in
            do throws(EnvelopeError) {
                return .success(try EnvelopeCodec.decode(bytes, hint: hint))
            } catch {
                return .failure(error)
            }
        }
    }

    static func expectEqual(_ one: Publication, _ other: Publication) {
        #expect(one.channel == other.channel)
        #expect(one.kind == other.kind)
        #expect(one.payload == other.payload)
        #expect(one.origin == other.origin)
        #expect(one.position == other.position)
        #expect(one.time == other.time)
        #expect(one.extras?.idempotencyKey == other.extras?.idempotencyKey)
        #expect(one.extras?.event == other.extras?.event)
        #expect(one.extras?.except == other.extras?.except)
        #expect(one.extras?.publisher == other.extras?.publisher)
    }

    @Test(arguments: samples.indices)
    func comesBackAsItWas(_ index: Int) throws {
        let sample = Self.samples[index]
        let bytes = Self.encoded(sample)
        #expect(bytes.count <= EnvelopeCodec.maximumBytes(sample))
        Self.expectEqual(try Self.decode(bytes).get(), sample)
        Self.expectEqual(try Self.decode(bytes, hint: sample.channel).get(), sample)
        let other = ChannelName(trusted: Array("chat:2".utf8))
        Self.expectEqual(try Self.decode(bytes, hint: other).get(), sample)
    }

    @Test func hasTheDocumentedBytes() {
        let publication = Publication(
            channel: ChannelName(trusted: [0x61]), kind: .json, payload: [0x31], origin: NodeID(0x0102_0304_0506_0708))
        #expect(
            Self.encoded(publication) == [0xCA, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 0, 0, 1, 0x61, 0, 0x31])
    }

    /// The payload has no length of its own, so only what is cut before it is seen to be cut.
    @Test func everyTruncationIsRefusedOrShortensThePayload() {
        for sample in Self.samples where sample.payload.count < 100 {
            let bytes = Self.encoded(sample)
            for count in 0..<bytes.count {
                switch Self.decode(Array(bytes[..<count])) {
                case .failure(let error):
                    #expect(error == .truncated || count > bytes.count - sample.payload.count)
                case .success(let shorter):
                    #expect(count >= bytes.count - sample.payload.count)
                    #expect(sample.payload.starts(with: shorter.payload))
                }
            }
        }
    }

    @Test func skipsFieldsItDoesNotKnow() throws {
        let sample = Self.samples[0]
        let bytes = Self.encoded(sample)
        let newer = bytes[..<12] + [200, 0, 0, 0, 3, 1, 2, 3] + bytes[12...]
        Self.expectEqual(try Self.decode(Array(newer)).get(), sample)
    }

    @Test func refusesAnotherVersion() {
        var bytes = Self.encoded(Self.samples[0])
        bytes[1] = 2
        #expect(Self.failure(bytes) == .unknownVersion(2))
    }

    static func failure(_ bytes: [UInt8]) -> EnvelopeError? {
        if case .failure(let error) = decode(bytes) { error } else { nil }
    }

    static let head: [UInt8] = [0xCA, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    static let name: [UInt8] = [1, 0, 0, 0, 1, 0x61]

    static let bad: [([UInt8], EnvelopeError)] = [
        ([], .truncated),
        ([0x7B] + head.dropFirst(), .notAnEnvelope),
        ([0xCA, 1, 9] + head.dropFirst(3), .unknownType(9)),
        ([0xCA, 1, 2] + head.dropFirst(3), .unknownType(2)),
        ([0xCA, 1, 1, 3] + head.dropFirst(4), .unknownKind(3)),
        (head + [0], .missingChannel),
        (head + [1, 0xFF, 0xFF, 0xFF, 0xFF, 0x61], .truncated),
        (head + [1, 0, 0, 0, 0, 0], .badChannel(.empty)),
        (head + [1, 0, 0, 0, 1, 0x0A, 0], .badChannel(.forbiddenByte(0x0A, offset: 0))),
        (head + [1, 0, 0, 0, 2, 0x24, 0x0A, 0], .badChannel(.forbiddenByte(0x0A, offset: 0))),
        (head + [1, 0, 0, 0, 1, 0x24, 0], .badChannel(.empty)),
        (head + [1, 0, 0, 0, 2, 0x24, 0xFF, 0], .badChannel(.notUTF8)),
        (head + [1, 0, 0, 1, 0, 0x24] + [UInt8](repeating: 0x61, count: 255) + [0], .badChannel(.tooLong(bytes: 256))),
        (head + name + [2, 0, 0, 0, 1, 0, 0], .badField(2)),
        (head + name + [4, 0, 0, 0, 1, 0xFF, 0], .badField(4)),
        (head + name + [5, 0, 0, 0, 1, 0, 0], .badField(5)),
        (head + name + [6, 0, 0, 0, 1, 0, 0], .badField(6)),
        (head + name + [0, 0xFF], .notUTF8),
    ]

    @Test(arguments: bad)
    func refusesWhatIsNotOne(_ bytes: [UInt8], _ error: EnvelopeError) {
        #expect(Self.failure(bytes) == error)
    }

    @Test func nothingThatComesInCanStopIt() {
        var numbers = SeededNumbers(state: 2)
        for _ in 0..<20_000 {
            _ = Self.decode(numbers.bytes(Int.random(in: 0...80, using: &numbers)))
            // One that begins well goes further.
            _ = Self.decode(Self.head + numbers.bytes(Int.random(in: 0...80, using: &numbers)))
        }
        let sample = Self.encoded(Self.samples[7])
        for index in sample.indices {
            for value in UInt8.min...UInt8.max {
                var bytes = sample
                bytes[index] = value
                _ = Self.decode(bytes)
            }
        }
    }
}

@Suite struct LossTests {
    @Test func aLossIsKnownAndNothingElseIsOne() {
        let writer = ByteWriter(capacity: 64)
        EnvelopeCodec.writeLoss(origin: NodeID(7), to: writer)
        let bytes = Array(writer.bytes)
        #expect(bytes.count == 12 && bytes[2] == EnvelopeCodec.lossType)
        func isLoss(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { EnvelopeCodec.isLoss($0) } }
        #expect(isLoss(bytes))
        for count in 0..<bytes.count { #expect(!isLoss(Array(bytes[..<count]))) }
        #expect(!isLoss([0xCA, 2] + bytes.dropFirst(2)))
        #expect(throws: EnvelopeError.self) { try bytes.withUnsafeBytes { try EnvelopeCodec.decode($0) } }
    }
}

@Suite struct FenceTests {
    @Test func aFenceComesBackAndNothingElseIsOne() throws {
        let name = ChannelName(trusted: Array("a".utf8))
        let fence = Publication(fence: .max - 1, in: name, origin: NodeID(7))
        let writer = ByteWriter()
        EnvelopeCodec.write(fence, to: writer)
        let bytes = Array(writer.bytes)
        #expect(bytes.count == EnvelopeCodec.bytes(of: fence) && bytes[2] == EnvelopeCodec.fenceType)
        func read(_ bytes: [UInt8]) -> Publication? {
            bytes.withUnsafeBytes { try? EnvelopeCodec.decodeFence($0, of: name) }
        }
        let back = try #require(read(bytes))
        #expect(back.extras?.fence == .max - 1 && back.channel == name && back.origin == NodeID(7))
        for count in 0..<bytes.count { #expect(read(Array(bytes[..<count])) == nil) }
        #expect(read(bytes + [0]) == nil && read([0xCA, 2] + bytes.dropFirst(2)) == nil)
        #expect(throws: EnvelopeError.self) { try bytes.withUnsafeBytes { _ = try EnvelopeCodec.decode($0) } }
    }
}
