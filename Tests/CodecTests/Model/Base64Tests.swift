import Codec
import Testing

@Suite struct Base64Tests {
    /// RFC 4648 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func encodes(_ text: String, _ encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
    }

    @Test func usesThePlainAlphabet() {
        #expect(Base64.encode([0xFB, 0xFF, 0xBF]) == "+/+/")
    }

    @Test func comesBackAsItWas() {
        var numbers = SeededNumbers(state: 6)
        for count in 0..<100 {
            let bytes = numbers.bytes(count)
            #expect(Base64.decode(Array(Base64.encode(bytes).utf8)) == bytes)
        }
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zg==Zg==", "=", "====", "Z===", "Zm=v", "Zm9 ", "Zm9v\n", "-_-_"])
    func otherTextIsNotDecoded(_ text: String) {
        #expect(Base64.decode(Array(text.utf8)) == nil)
    }
}
