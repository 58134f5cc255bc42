/// Reads DER (X.690), element by element, strictly: one form for every value, and no element longer than what holds it.
struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: some Collection<UInt8>) { rest = ArraySlice(bytes) }

    var isAtEnd: Bool { rest.isEmpty }

    /// What the next element holds, if it has this tag; nil, and nothing is read, for another one and for damaged ones.
    mutating func content(_ tag: UInt8) -> ArraySlice<UInt8>? {
        guard rest.first == tag else { return nil }
        var reader = rest.dropFirst()
        guard let first = reader.popFirst() else { return nil }
        var length = Int(first)  // trap-ok: a byte becomes wider
        if first >= 0x80 {
            // Then as many bytes as it says hold the length. Three are 16 MiB; 0x80 itself has no length, which only BER allows.
            let count = length - 0x80
            let digits = reader.prefix(count)
            guard (1...3).contains(count), digits.count == count, digits.first != 0 else { return nil }
            length = digits.reduce(0) { $0 << 8 | Int($1) }  // trap-ok: three bytes fit
            // What fits into the first byte stands there.
            guard length >= 0x80 else { return nil }
            reader = reader.dropFirst(count)
        }
        let content = reader.prefix(length)
        guard content.count == length else { return nil }
        rest = reader.dropFirst(length)
        return content
    }

    mutating func sequence() -> DERReader? { content(Self.sequenceTag).map { DERReader($0) } }

    mutating func octets() -> [UInt8]? { content(Self.octetsTag).map { Array($0) } }

    /// The bytes of a BIT STRING of whole bytes.
    mutating func bits() -> [UInt8]? {
        guard let content = content(Self.bitsTag), content.first == 0 else { return nil }
        return Array(content.dropFirst())
    }

    /// An INTEGER that is not negative, without the zero that makes it so; 0 has one byte.
    mutating func number() -> [UInt8]? {
        guard let content = content(Self.integerTag), let first = content.first, first < 0x80 else { return nil }
        guard first == 0, content.count > 1 else { return Array(content) }
        let digits = content.dropFirst()
        // The zero has to be needed.
        return digits.first.map { $0 >= 0x80 } == true ? Array(digits) : nil
    }

    /// An element with the tag of its place, in which there is another one (EXPLICIT).
    mutating func tagged(_ number: UInt8) -> DERReader? { content(0xA0 | number).map { DERReader($0) } }

    private static let integerTag: UInt8 = 0x02
    private static let bitsTag: UInt8 = 0x03
    private static let octetsTag: UInt8 = 0x04
    private static let sequenceTag: UInt8 = 0x30
}
