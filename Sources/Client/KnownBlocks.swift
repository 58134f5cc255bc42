import Codec
import Glibc

/// Tells which publication a compressed message carries, and that every byte of it is right, without inflating it for
/// each receiver.
///
/// What comes first is inflated and compared with what was published. Whoever receives the very same bytes later
/// receives the same publication, so for them comparing is enough. A server that sends other bytes to others costs an
/// inflating each, and nothing else: nobody's message is taken on trust.
final class KnownBlocks {
    /// Messages that were inflated: one for each publication, where everybody gets the same bytes.
    private(set) var inflated: UInt64 = 0
    private let inflater = Inflater()
    private let scratch = ByteWriter()
    private var blocks: [Block]

    private struct Block {
        var sequence: UInt32 = 0
        var bytes: [UInt8] = []
    }

    init() { blocks = Array(repeating: Block(), count: DeliveryLedger.span) }

    /// Forgets everything: another run begins.
    func removeAll() { for index in blocks.indices { blocks[index].bytes = [] } }

    /// - Parameter expected: What the receiver probably gets.
    /// - Returns: The sequence number; nil when the message is not exactly what was published.
    func sequence(
        of packed: UnsafeRawBufferPointer, expected: UInt32, in payload: SequencedPayload
    ) -> UInt32? {
        let index = Int(expected) & (DeliveryLedger.span - 1)
        if blocks[index].sequence == expected, Self.isSame(blocks[index].bytes, packed) { return expected }
        return learn(packed, payload)
    }

    private static func isSame(_ known: [UInt8], _ packed: UnsafeRawBufferPointer) -> Bool {
        guard known.count == packed.count, let start = packed.baseAddress, packed.count > 0 else { return false }
        return known.withUnsafeBytes { known in
            known.baseAddress.map { memcmp($0, start, packed.count) == 0 } ?? false
        }
    }

    private func learn(_ packed: UnsafeRawBufferPointer, _ payload: SequencedPayload) -> UInt32? {
        inflated &+= 1
        guard case .message(let bytes) = inflater.inflate(packed, limit: payload.bytes),
            let sequence = payload.verifiedSequence(of: bytes, scratch: scratch)
        else { return nil }
        blocks[Int(sequence) & (DeliveryLedger.span - 1)] = Block(sequence: sequence, bytes: Array(packed))
        return sequence
    }
}
