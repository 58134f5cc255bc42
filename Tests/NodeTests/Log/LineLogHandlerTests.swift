import Foundation
import Logging
import Testing

@testable import Node

@Suite struct LineLogHandlerTests {
    static let texts = [
        "", "plain", "a\nb", "a\r\nb", "\u{0}\u{1B}[2J\u{7F}\u{9B}31m", "quote \" and \\ backslash", "é ü 漢字 🎉",
        "\u{2028}\u{2029}\u{202E}gnp.exe\u{2066}", "{\"level\":\"critical\"}", "\u{FEFF}\u{FFFD}",
    ]

    static func line(_ format: Configuration.LogFormat, _ message: String, _ fields: Logger.Metadata) -> String {
        LineLogHandler(format: format, level: .info).line(.notice, message, fields, time: "T")
    }

    @Test(arguments: texts)
    func jsonGivesEverythingBack(_ text: String) throws {
        let line = Self.line(.json, text, ["user": "\(text)", "odd \" key\n": "x"])
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F || $0.value == 0x2028 })
        let read = try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
        #expect(read == ["time": "T", "level": "notice", "message": text, "user": text, "odd \" key\n": "x"])
    }

    @Test(arguments: texts)
    func textIsOneLineThatControlsNoTerminal(_ text: String) {
        let line = Self.line(.text, text, ["user": "\(text)"])
        #expect(line.hasPrefix("T notice  "))
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) })
        #expect(!line.unicodeScalars.contains { (0x2028...0x202E).contains($0.value) })
    }

    @Test func fieldsAndMessagesAreCut() {
        let long = String(repeating: "é\n", count: 1 << 20)
        let line = Self.line(.json, long, ["user": "\(long)"])
        #expect(line.utf8.count < 2048 + 256 + 200)
        #expect(Self.line(.text, "m", ["user": "\(long)"]).utf8.count < 256 + 100)
    }

    @Test func valuesWithSpacesAreQuoted() {
        #expect(Self.line(.text, "m", ["a": "b c", "d": "e", "f": ""]) == "T notice  m a=\"b c\" d=e f=\"\"")
    }
}
