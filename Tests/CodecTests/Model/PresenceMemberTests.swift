import Testing

@testable import Codec

@Suite struct PresenceMemberTests {
    private let session = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))

    @Test(arguments: [nil, "ann", "Zoë 🔔", String(repeating: "x", count: 65_535)])
    func staysTheSameAsBytes(user: String?) throws {
        for info in [nil, #"{"a":1}"#] as [String?] {
            let member = PresenceMember(
                session: session, user: user.map { Array($0.utf8) }, info: info.map { Array($0.utf8) })
            let read = member.packed.withUnsafeBytes { PresenceMember(packed: $0) }
            #expect(read == member)
            #expect(member.packed.starts(with: PresenceMember.start(of: session)))
        }
    }

    @Test func whatIsNoMemberIsNone() {
        let good = PresenceMember(session: session, user: Array("ann".utf8), info: Array("{}".utf8)).packed
        for bad in [
            [], Array(good.prefix(33)), Array(good.prefix(36)), Array(good.dropLast()),
            good + Array("{".utf8), Array(good.prefix(34)) + [0xFF, 0xFF, 0xFF],
        ] {
            #expect(bad.withUnsafeBytes { PresenceMember(packed: $0) } == nil)
        }
    }

    @Test func aKeySaysWhoseItIs() {
        let named = PresenceMember(session: session, user: Array("ann".utf8), info: nil)
        let visitor = PresenceMember(session: session, user: [], info: nil)
        #expect(PresenceMember.user(ofKey: named.key) == Array("ann".utf8))
        #expect(PresenceMember.session(ofKey: named.key) == nil)
        #expect(PresenceMember.session(ofKey: visitor.key) == session)
        #expect(PresenceMember.user(ofKey: visitor.key) == nil)
        #expect(visitor.user == nil)
    }

    @Test func aChangeTravelsInAnEnvelope() throws {
        let channel = ChannelName(trusted: Array("room".utf8))
        let member = PresenceMember(session: session, user: Array("ann".utf8), info: nil)
        for change in [PresenceChange.join, .leave] {
            let writer = ByteWriter(capacity: 64)
            EnvelopeCodec.writeChangeHead(change, origin: NodeID(9), to: writer)
            writer.append(member.packed)
            let read = try EnvelopeCodec.decodeChange(writer.bytes, of: channel)
            #expect(read.extras?.change?.0 == change && read.extras?.change?.1 == member)
            #expect(read.channel == channel && read.payload.isEmpty && read.position == nil)
            // It is no publication, and no message between nodes.
            #expect(throws: EnvelopeError.self) { try EnvelopeCodec.decode(writer.bytes) }
            #expect(throws: EnvelopeError.self) { try NodeMessage(decoding: writer.bytes) }
            let cut = UnsafeRawBufferPointer(rebasing: writer.bytes.dropLast(4))
            #expect(throws: EnvelopeError.self) { try EnvelopeCodec.decodeChange(cut, of: channel) }
        }
    }
}
