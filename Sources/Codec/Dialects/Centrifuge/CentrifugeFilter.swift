/// The `tf` of a `subscribe`, read (Centrifuge client protocol v2: FilterNode).
///
/// The readers call themselves for nodes below nodes, at most `TagFilter.maximumDepth` deep. What is deeper makes the
/// filter invalid and is stepped over.
struct CentrifugeFilter {
    /// Nil when it is no filter: an unknown word, something missing or too much, or over a limit of `TagFilter`.
    let filter: TagFilter?

    /// Takes an object.
    ///
    /// - Returns: Nil unless it was one, with values of the right types.
    init?(_ scanner: inout JSONScanner) {
        var builder = TagFilterBuilder()
        guard Self.read(&scanner, &builder) else { return nil }
        filter = builder.filter
    }

    /// Takes a message.
    ///
    /// - Returns: Nil unless it was one, with values of the right types.
    init?(protobuf message: UnsafeRawBufferPointer) {
        var builder = TagFilterBuilder()
        guard Self.read(message, &builder) else { return nil }
        filter = builder.filter
    }

    private static func read(_ scanner: inout JSONScanner, _ builder: inout TagFilterBuilder) -> Bool {
        guard scanner.next == UInt8(ascii: "{") else { return false }
        guard builder.begin() else { return scanner.skipValue() }
        let isWhole = scanner.members { key, scanner in
            guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
            if key.isEqual(to: "op") { return text(&scanner) { builder.setOperation($0) } }
            if key.isEqual(to: "key") { return text(&scanner) { builder.setKey($0) } }
            if key.isEqual(to: "cmp") { return text(&scanner) { builder.setComparison($0) } }
            if key.isEqual(to: "val") { return text(&scanner) { builder.setValue($0) } }
            if key.isEqual(to: "vals") { return elements(&scanner) { text(&$0) { builder.add($0) } } }
            if key.isEqual(to: "nodes") { return elements(&scanner) { read(&$0, &builder) } }
            return scanner.skipValue()
        }
        builder.end()
        return isWhole
    }

    private static func text(_ scanner: inout JSONScanner, _ body: ([UInt8]) -> Void) -> Bool {
        guard let text = scanner.text() else { return false }
        body(text)
        return true
    }

    private static func elements(_ scanner: inout JSONScanner, _ body: (inout JSONScanner) -> Bool) -> Bool {
        guard scanner.skip(UInt8(ascii: "[")) else { return false }
        if scanner.skip(UInt8(ascii: "]")) { return true }
        repeat {
            guard body(&scanner) else { return false }
        } while scanner.skip(UInt8(ascii: ","))
        return scanner.skip(UInt8(ascii: "]"))
    }

    private static func read(_ message: UnsafeRawBufferPointer, _ builder: inout TagFilterBuilder) -> Bool {
        // What is too deep is not looked into: its bytes are stepped over already.
        guard builder.begin() else { return true }
        var reader = ProtobufReader(message)
        let isWhole = reader.fields { field, reader in
            guard (1...6).contains(field.number) else { return reader.skip(field) }
            guard field.number < 6 else { return reader.bytes(field).map { read($0, &builder) } ?? false }
            guard let text = reader.text(field).map(Array.init) else { return false }
            switch field.number {
            case 1: builder.setOperation(text)
            case 2: builder.setKey(text)
            case 3: builder.setComparison(text)
            case 4: builder.setValue(text)
            default: builder.add(text)
            }
            return true
        }
        builder.end()
        return isWhole
    }
}
