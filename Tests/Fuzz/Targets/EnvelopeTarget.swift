@testable import Codec

/// Envelopes: what is read and written again is the same envelope, and nothing is believed that is not there.
enum EnvelopeTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        publication(input)
        message(input)
    }

    private static func publication(_ input: UnsafeRawBufferPointer) {
        let hint = ChannelName(trusted: Array("chat:1".utf8))
        let first = try? EnvelopeCodec.decode(input)
        let hinted = try? EnvelopeCodec.decode(input, hint: hint)
        expect((first == nil) == (hinted == nil), "a hint decides whether it is an envelope")
        guard let first, let hinted else { return }
        expect(isSame(first, hinted), "with a hint it is another publication")
        expect(first.payload.count + first.channel.bytes.count < input.count, "more came out than there is")
        expect((1...ChannelName.maximumBytes).contains(first.channel.bytes.count), "a name out of bounds")
        if first.kind != .binary {
            expect(String(validating: first.payload, as: UTF8.self) != nil, "a text that is none")
        }
        let writer = ByteWriter()
        EnvelopeCodec.write(first, to: writer)
        expect(writer.count <= EnvelopeCodec.maximumBytes(first), "it is longer than it can be")
        guard let again = try? EnvelopeCodec.decode(writer.bytes) else { return expect(false, "it does not come back") }
        expect(isSame(first, again), "it comes back as another publication")
        inTwoParts(first)
        for variant in Variant.allCases {
            let encoded = ByteWriter()
            PublicationEncoder.write(first, as: variant, packing: packing, to: encoded)
            expect(encoded.count > 0, "nothing is written for \(variant)")
        }
    }

    nonisolated(unsafe) private static let packing = Packing(Packing.Settings())

    /// As a history has it written: the position is put between both parts.
    private static func inTwoParts(_ publication: Publication) {
        let (head, tail) = (ByteWriter(), ByteWriter())
        EnvelopeCodec.write(publication, before: head, after: tail)
        head.append(bigEndian: UInt64(7))
        head.append(bigEndian: UInt64(8))
        head.append(tail.bytes)
        guard let again = try? EnvelopeCodec.decode(head.bytes) else {
            return expect(false, "both parts are no envelope")
        }
        var expected = publication
        expected.position = Position(epoch: 7, offset: 8)
        expect(isSame(again, expected), "both parts are another publication")
    }

    private static func message(_ input: UnsafeRawBufferPointer) {
        guard let message = try? NodeMessage(decoding: input) else { return }
        expect((try? EnvelopeCodec.decode(input)) == nil, "it is a publication as well")
        let writer = ByteWriter()
        message.write(to: writer)
        expect((try? NodeMessage(decoding: writer.bytes)) == message, "\(message) does not come back")
        if case .beat(let beat) = message {
            expect(beat.summary.count + beat.name.utf8.count <= input.count, "more came out than there is")
        }
    }

    private static func isSame(_ left: Publication, _ right: Publication) -> Bool {
        left.channel == right.channel && left.kind == right.kind && left.payload == right.payload
            && left.origin == right.origin && left.position == right.position
            && left.extras?.idempotencyKey == right.extras?.idempotencyKey && left.extras?.event == right.extras?.event
            && left.extras?.except ?? [] == right.extras?.except ?? []
            && left.extras?.publisher == right.extras?.publisher
    }
}
