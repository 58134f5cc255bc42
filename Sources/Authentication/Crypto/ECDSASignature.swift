/// The two forms of an ECDSA signature: r and s after each other, as in tokens (RFC 7518 3.4), and a SEQUENCE of two INTEGERs in DER,
/// as OpenSSL takes it (RFC 3279 2.2.3).
enum ECDSASignature {
    /// Nil unless both halves have the size of the curve. Whether they are from 1 to n - 1 is for the verifier to say.
    static func der(_ raw: [UInt8], _ curve: EllipticCurve) -> [UInt8]? {
        guard raw.count == 2 * curve.byteCount else { return nil }
        let numbers = integer(raw.prefix(curve.byteCount)) + integer(raw.suffix(curve.byteCount))
        return element(0x30, numbers)
    }

    /// Nil for what is no such SEQUENCE, and for numbers that are larger than the curve.
    static func raw(_ der: [UInt8], _ curve: EllipticCurve) -> [UInt8]? {
        var outer = DERReader(der)
        guard var numbers = outer.sequence(), outer.isAtEnd, let r = numbers.number(), let s = numbers.number(),
            numbers.isAtEnd, r.count <= curve.byteCount, s.count <= curve.byteCount
        else { return nil }
        return padded(r, curve.byteCount) + padded(s, curve.byteCount)
    }

    private static func padded(_ number: [UInt8], _ size: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: size - number.count) + number
    }

    private static func integer(_ number: ArraySlice<UInt8>) -> [UInt8] {
        var bytes = Array(number.drop { $0 == 0 })
        // Without a zero before it, a number whose first bit is set would be negative; and 0 has one byte.
        if bytes.first.map({ $0 >= 0x80 }) ?? true { bytes.insert(0, at: 0) }
        return element(0x02, bytes)
    }

    /// Content of up to 255 bytes: the signature of the largest curve has 138.
    private static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = UInt8(clamping: content.count)
        return (count < 0x80 ? [tag, count] : [tag, 0x81, count]) + content
    }
}
