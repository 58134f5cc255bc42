@testable import Codec

/// Deltas: what is made of two texts is smaller and leads from one to the other, and a delta of anybody makes a text within its limit,
/// or none.
///
/// The first two bytes: where the rest is cut into a source and a target, which also is a delta.
enum DeltaTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        guard input.count >= 2 else { return }
        let rest = input.after(2)
        let cut = (Int(input[0]) << 8 | Int(input[1])) % (rest.count + 1)
        let source = UnsafeRawBufferPointer(rebasing: rest[..<cut])
        let target = rest.after(cut)
        if let made = FossilDelta.apply(target, to: source, limit: 2000) {
            expect(made.count <= 2000, "a text of \(made.count) bytes")
        }
        make(source, target, asText: false)
        // The source twice, with the target between: much to be found.
        let longer = Array(source) + Array(target) + Array(source)
        longer.withUnsafeBytes { make(source, $0, asText: false) }
        guard UTF8Validator.isValid(source), UTF8Validator.isValid(target) else { return }
        make(source, target, asText: true)
        longer.withUnsafeBytes { make($0, target, asText: true) }
        longer.withUnsafeBytes { make(source, $0, asText: true) }
    }

    private static func make(_ source: UnsafeRawBufferPointer, _ target: UnsafeRawBufferPointer, asText: Bool) {
        let writer = ByteWriter()
        guard FossilDelta.write(from: source, to: target, keepsCharacters: asText, into: writer) else {
            return expect(writer.count == 0, "something is left of a delta that is none")
        }
        expect(writer.count < target.count, "a delta of \(writer.count) bytes for \(target.count)")
        expect(!asText || UTF8Validator.isValid(writer.bytes), "a delta of texts that is none")
        expect(FossilDelta.apply(writer.bytes, to: source) == Array(target), "a delta leads to another text")
    }
}
