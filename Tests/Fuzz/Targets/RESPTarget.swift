import Codec

/// What Redis says: however it is cut, the same replies come; a message's payload is read as an envelope, as the
/// subscriber does.
enum RESPTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        var numbers = InputNumbers(input)
        var small = RESPReader.Limits()
        small.replyBytes = 512
        small.elements = 16
        small.lineBytes = 64
        for limits in [RESPReader.Limits(), small] {
            let whole = hear([Array(input)], limits)
            for longest in [1, 7, 100] {
                let heard = hear(input.pieces(longest: longest, &numbers), limits)
                // A limit may be seen sooner in small pieces than in a large one, never the other way round.
                expect(
                    heard.replies == whole.replies || (heard.isBroken && whole.replies.starts(with: heard.replies)),
                    "pieces of up to \(longest) say \(heard.replies), the whole says \(whole.replies)")
                expect(!whole.isBroken || heard.isBroken, "pieces of up to \(longest) hide what is wrong")
            }
        }
        written(input)
    }

    private static func hear(_ pieces: [[UInt8]], _ limits: RESPReader.Limits) -> (replies: [RESPValue], isBroken: Bool)
    {
        var replies: [RESPValue] = []
        let reader = RESPReader(limits: limits) { reply in
            switch reply {
            case .value(let value):
                expect(elements(value) <= limits.elements + 1, "a reply of \(elements(value)) elements")
                replies.append(value)
            case .message(let channel, let payload):
                // As a value that no reply is: an array within an array of two.
                replies.append(.array([.array([]), .bulk(Array(channel)), .bulk(Array(payload))]))
                EnvelopeTarget.run(payload)
            }
        }
        for piece in pieces where !feed(piece, to: reader) {
            let before = replies.count
            expect(!feed(Array("+OK\r\n".utf8), to: reader), "the reader goes on after an error")
            expect(replies.count == before, "a reply comes after an error")
            return (replies, true)
        }
        return (replies, false)
    }

    private static func feed(_ piece: [UInt8], to reader: RESPReader) -> Bool {
        (try? piece.withUnsafeBytes { try reader.feed($0) }) != nil
    }

    private static func elements(_ value: RESPValue) -> Int {
        guard case .array(let values) = value else { return 1 }
        return values.reduce(1) { $0 + elements($1) }
    }

    /// A command is an array of strings: read back, it is the arguments, whatever bytes they have.
    private static func written(_ input: UnsafeRawBufferPointer) {
        let arguments = input.split(separator: 0x0A, maxSplits: 6, omittingEmptySubsequences: false).map { Array($0) }
        let writer = ByteWriter()
        RESPWriter.command([Array("PUBLISH".utf8)] + arguments, to: writer)
        let heard = hear([Array(writer.bytes)], RESPReader.Limits())
        let expected = RESPValue.array(([Array("PUBLISH".utf8)] + arguments).map { .bulk($0) })
        expect(heard.replies == [expected] && !heard.isBroken, "a command comes back as \(heard.replies)")
    }
}
