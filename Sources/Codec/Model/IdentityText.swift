/// Ids as text, without a string in between, and as bytes.
extension ByteWriter {
    /// 16 lower-case hexadecimal digits.
    func append(hex value: UInt64) {
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    /// What `NodeID.description` says, without making a string of it.
    package func append(_ node: NodeID) { append(hex: node.value) }

    /// What `SessionID.description` says, without making a string of it.
    package func append(_ session: SessionID) {
        append(session.node)
        append(UInt8(ascii: "-"))
        append(hex: session.locator)
        append(UInt8(ascii: "-"))
        append(hex: session.secret.high)
        append(hex: session.secret.low)
    }
}

// MARK: - As bytes

extension SessionID {
    package static let byteCount = 32

    /// Node, locator and secret, big-endian; there have to be so many bytes.
    init(bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + index * 8, as: UInt64.self))
        }
        self.init(node: NodeID(word(0)), locator: word(1), secret: .init(high: word(2), low: word(3)))
    }
}

extension ByteWriter {
    func append(bytesOf session: SessionID) {
        append(bigEndian: session.node.value)
        append(bigEndian: session.locator)
        append(bigEndian: session.secret.high)
        append(bigEndian: session.secret.low)
    }
}
