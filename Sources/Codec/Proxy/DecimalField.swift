/// Numbers in text somebody else wrote, read strictly.
enum DecimalField {
    /// A number of digits only, without leading zeros, at most `maximum`; nil when it is anything else.
    ///
    /// `010` is ten to one program and eight to another (proxy-protocol.txt 2.1 forbids it for that reason).
    static func parse(_ text: some Collection<UInt8>, atMost maximum: Int) -> Int? {
        // Five digits are enough for a port, and cannot overflow.
        guard let first = text.first, text.count <= 5 else { return nil }
        guard first != UInt8(ascii: "0") || text.count == 1 else { return nil }
        var number = 0
        for byte in text {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number <= maximum ? number : nil
    }
}
