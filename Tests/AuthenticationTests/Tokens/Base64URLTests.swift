import Foundation
import Testing

@testable import Authentication

@Suite struct Base64URLTests {
    @Test func everyLengthComesBack() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ 251) }
            let text = Base64URL.encode(bytes)
            let plain = Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
                .replacing("=", with: "")
            #expect(text == plain)
            #expect(Base64URL.decode(text.utf8) == bytes)
        }
    }

    @Test(arguments: ["A", "AAAAA", "AB", "AAB", "A=", "AA==", "AAA=", "A+", "A/AA", "AA A", "AA\n", "ÄÄ", "AA\0A"])
    func notStrict(text: String) { #expect(Base64URL.decode(text.utf8) == nil) }

    /// One text for every value: nothing else decodes to the same bytes.
    @Test func noOtherSpelling() {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var seen: Set<[UInt8]> = []
        for first in digits {
            for second in digits {
                if let bytes = Base64URL.decode([first, second]) { #expect(seen.insert(bytes).inserted) }
            }
        }
        #expect(seen.count == 256)
    }
}
