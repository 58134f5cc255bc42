import Codec
import Reactor
import Testing

@testable import Node

@Suite struct ShowingTests {
    private static func at(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: 1 << 40) + .milliseconds(milliseconds)
    }

    @Test func showsSoManyASecondAndCountsTheOthers() {
        var rate = ShowingRate(perSecond: 10)
        var shown = 0
        for _ in 0..<25 where rate.shows(3, now: Self.at(0)) { shown += 1 }
        #expect(shown == 10)
        #expect(rate.takeLeftOut() == LeftOut(count: 15, bytes: 45))
        #expect(rate.takeLeftOut() == nil)
        check(rate.shows(3, now: Self.at(1000)))
    }

    @Test func textIsCutBetweenCharacters() {
        let text = Array("aé€😀".utf8)
        let expected = [
            "", "a", "a", "aé", "aé", "aé", "aé€", "aé€", "aé€", "aé€", "aé€😀",
        ]
        for limit in 0...text.count {
            let shown = ShownBytes(text, isText: true, limit: limit)
            #expect(shown.data == expected[limit] && shown.encoding == "text" && shown.bytes == 10)
            #expect(shown.truncated == (limit < text.count))
        }
    }

    @Test func whatIsNoTextIsBase64() {
        let shown = ShownBytes([0xFF, 0, 1], isText: true, limit: 100)
        #expect(shown.encoding == "base64" && shown.data == "/wAB" && !shown.truncated)
        let cut = ShownBytes([1, 2, 3, 4], isText: false, count: 9, limit: 3)
        #expect(cut.data == "AQID" && cut.truncated && cut.bytes == 9)
    }

    @Test func fieldsAreOneLineOfJSON() {
        let writer = ByteWriter()
        ShownBytes(Array("a\n\"\u{1B}".utf8), isText: true, limit: 100).writeFields(to: writer)
        let text = String(decoding: writer.bytes, as: UTF8.self)
        #expect(text == ",\"bytes\":4,\"encoding\":\"text\",\"data\":\"a\\n\\\"\\u001b\",\"truncated\":false")
    }
}
