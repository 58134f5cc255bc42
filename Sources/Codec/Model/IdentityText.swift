/// Ids as text, without a string in between.
extension ByteWriter {
    /// 16 lower-case hexadecimal digits.
    func append(hex value: UInt64) {
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    /// What `SessionID.description` says, without making a string of it.
    func append(_ session: SessionID) {
        append(hex: session.node.value)
        append(UInt8(ascii: "-"))
        append(hex: session.locator)
        append(UInt8(ascii: "-"))
        append(hex: session.secret.high)
        append(hex: session.secret.low)
    }
}
