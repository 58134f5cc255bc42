import Codec

/// Frames: however a stream is cut, a reader hears the same, and that is what a second, plain reader hears.
///
/// The first byte: client or server, compression or not, small limits or large ones.
enum FrameTarget {
    enum Heard: Equatable {
        case message(Opcode, [UInt8])
        case compressed(Opcode, [UInt8])
        case ping([UInt8])
        case pong([UInt8])
        case close(UInt16?, [UInt8])
        /// The close code alone: what is said first of several faults in one header is the reader's own affair.
        case failure(UInt16)
    }

    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        guard let options = input.first else { return }
        let role: FrameReader.Role = options & 1 == 0 ? .server : .client
        let isCompressed = options & 2 != 0
        let limits = options & 4 == 0 ? FrameLimits(messageBytes: 125, fragments: 3) : FrameLimits()
        let stream = input.after(1)
        var numbers = InputNumbers(input)

        let whole = hear([Array(stream)], role, isCompressed, limits)
        for longest in [1, 3, 16, 200] {
            let heard = hear(stream.pieces(longest: longest, &numbers), role, isCompressed, limits)
            expect(heard == whole, "pieces of up to \(longest) say \(heard), the whole says \(whole)")
        }
        let expected = PlainFrames.events(of: Array(stream), role, isCompressed, limits)
        expect(whole == expected, "the reader says \(whole), the plain one \(expected)")
        stopEarly(Array(stream), role, isCompressed, limits, whole, Int.random(in: 0...3, using: &numbers))
    }

    private static func hear(
        _ pieces: [[UInt8]], _ role: FrameReader.Role, _ isCompressed: Bool, _ limits: FrameLimits
    ) -> [Heard] {
        var reader = FrameReader(role: role, allowsCompression: isCompressed)
        var heard: [Heard] = []
        let most = limits.messageBytes + limits.messageBytes / 8 + 64
        var fed = 0
        for piece in pieces {
            var piece = piece
            fed += piece.count
            _ = piece.withUnsafeMutableBytes { bytes in
                reader.receive(bytes, limits: limits) { event in
                    heard.append(copy(event))
                    return true
                }
            }
            expect(reader.bufferedBytes <= most + 125, "\(reader.bufferedBytes) bytes are held")
            expect(reader.bufferedBytes <= 2 * fed + 512 + 125, "\(reader.bufferedBytes) bytes are held for \(fed)")
        }
        reader.reset()
        expect(!reader.isIncomplete && reader.bufferedBytes == 0, "memory is held after a reset")
        for event in heard.dropLast() { expect(!isLast(event), "something comes after \(event)") }
        return heard
    }

    /// A callback that has enough is not called again, and nothing leaks.
    private static func stopEarly(
        _ stream: [UInt8], _ role: FrameReader.Role, _ isCompressed: Bool, _ limits: FrameLimits, _ whole: [Heard],
        _ enough: Int
    ) {
        var stream = stream
        var reader = FrameReader(role: role, allowsCompression: isCompressed)
        var heard: [Heard] = []
        _ = stream.withUnsafeMutableBytes { bytes in
            reader.receive(bytes, limits: limits) { event in
                heard.append(copy(event))
                return heard.count <= enough
            }
        }
        reader.reset()
        expect(heard == Array(whole.prefix(enough + 1)), "stopped after \(enough + 1): \(heard), not \(whole)")
    }

    private static func isLast(_ event: Heard) -> Bool {
        switch event {
        case .close, .failure: true
        case .message, .compressed, .ping, .pong: false
        }
    }

    private static func copy(_ event: FrameEvent) -> Heard {
        switch event {
        case .message(let opcode, let bytes): return .message(opcode, Array(bytes))
        case .compressed(let opcode, let bytes): return .compressed(opcode, Array(bytes))
        case .ping(let bytes): return .ping(Array(bytes))
        case .pong(let bytes): return .pong(Array(bytes))
        case .close(let code, let reason): return .close(code?.rawValue, Array(reason))
        case .failure(let error):
            expect(error.reason.utf8.count <= 123, "a reason does not fit a close frame")
            return .failure(error.closeCode.rawValue)
        }
    }
}
