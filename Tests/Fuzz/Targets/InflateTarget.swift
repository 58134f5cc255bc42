@testable import Codec

/// Compressed messages: what comes out is bounded, and what we pack comes back as it was.
///
/// The first byte: the limit, and the level of compression.
enum InflateTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        guard let options = input.first else { return }
        let limit = [0, 1, 125, 4096, 16 * 1024, 64 * 1024, 100_000, 1 << 20][Int(options & 7)]
        let bytes = input.after(1)
        // A message after another one finds nothing of it.
        let inflater = Inflater()
        let first = inflate(inflater, bytes, limit)
        let second = inflate(inflater, bytes, limit)
        let fresh = inflate(Inflater(), bytes, limit)
        expect(first == second && first == fresh, "an inflater remembers the message before")
        if let first {
            expect(inflate(inflater, bytes, first.count) == first, "the limit is not the largest message")
            if !first.isEmpty { expect(inflate(inflater, bytes, first.count - 1) == nil, "the limit is not kept") }
        }
        let level = Int(options >> 3) % 9 + 1
        for window in [DeflateAgreement.smallWindow, DeflateAgreement.fullWindow] {
            let deflater = Deflater(windowBits: window, level: level)
            for _ in 0..<2 {
                let packed = Array(deflater.deflate(bytes))
                let back = packed.withUnsafeBytes { inflate(inflater, $0, bytes.count) }
                expect(back == Array(bytes), "\(bytes.count) bytes do not come back, window \(window), level \(level)")
            }
        }
    }

    /// Nil when it is no message within the limit.
    private static func inflate(_ inflater: Inflater, _ bytes: UnsafeRawBufferPointer, _ limit: Int) -> [UInt8]? {
        let outcome = inflater.inflate(bytes, limit: limit)
        expect(
            inflater.lastBytes <= limit + Inflater.stepBytes,
            "\(inflater.lastBytes) bytes came out, the limit is \(limit)")
        guard case .message(let message) = outcome else { return nil }
        expect(message.count <= limit, "a message of \(message.count) bytes, the limit is \(limit)")
        return Array(message)
    }
}
