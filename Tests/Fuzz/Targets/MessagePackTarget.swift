@testable import Codec

/// MessagePack, and JSON for it and from it: what is a value is a whole one, and what is converted twice stays what it is.
enum MessagePackTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        values(input)
        if UTF8Validator.isValid(input) { json(input) }
    }

    private static func values(_ input: UnsafeRawBufferPointer) {
        var scanner = MessagePackScanner(input)
        var before = 0
        while scanner.skipValue() {
            expect(scanner.index > before && scanner.index <= input.count, "a value without bytes")
            before = scanner.index
        }
        var reader = MessagePackScanner(input)
        let writer = ByteWriter()
        guard JSONWriter.writeValue(&reader, to: writer) else { return }
        expect(JSONScanner.isValid(writer.bytes), "a value became what is no JSON")
        expect(UTF8Validator.isValid(writer.bytes), "a value became what is no text")
        var again = MessagePackScanner(input)
        expect(again.skipValue() && again.index == reader.index, "a value is not stepped over as it is read")
        comesBack(Array(writer.bytes))
    }

    private static func json(_ input: UnsafeRawBufferPointer) {
        let writer = ByteWriter()
        let isWritten = MessagePackWriter.writeJSON(input, to: writer)
        guard isWritten else { return }
        expect(JSONScanner.isValid(input), "what is no JSON became a value")
        expect(writer.count <= MessagePackWriter.maximumBytes(ofJSON: input.count), "it is longer than it can be")
        var scanner = MessagePackScanner(writer.bytes)
        expect(scanner.skipValue() && scanner.isAtEnd, "JSON became what is no value")
    }

    /// JSON that we wrote is the same JSON after a way through MessagePack.
    private static func comesBack(_ json: [UInt8]) {
        let packed = ByteWriter()
        let isWritten = json.withUnsafeBytes { MessagePackWriter.writeJSON($0, to: packed) }
        expect(isWritten, "our own JSON is not written")
        var scanner = MessagePackScanner(packed.bytes)
        let writer = ByteWriter()
        expect(JSONWriter.writeValue(&scanner, to: writer) && scanner.isAtEnd, "our own value is not read")
        // Numbers settle after one way: a whole number in a fraction's form is a whole number's form then.
        let second = ByteWriter()
        _ = MessagePackWriter.writeJSON(writer.bytes, to: second)
        var last = MessagePackScanner(second.bytes)
        let settled = ByteWriter()
        expect(JSONWriter.writeValue(&last, to: settled), "what was read is not read again")
        expect(Array(settled.bytes) == Array(writer.bytes), "it changes with every way")
    }
}
