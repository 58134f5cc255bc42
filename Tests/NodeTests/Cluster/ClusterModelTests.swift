import Codec
import Foundation
import Testing

@testable import Node

/// What other nodes say, with numbers that nobody has.
@Suite struct ClusterModelTests {
    static let extremes = [
        "0", "-1", "2147483648", "9007199254740991", "9007199254740992", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "18446744073709551615", "18446744073709551616", "1e19", "1e308", "-1e308", "0.5",
    ]

    static func summary(_ number: String) -> [UInt8] {
        let text = #"""
            {"admin":"a","backlog_bytes":N,"channels":N,"client":"c","cpu_percent":N,"id":"i","link":{"bad_messages":N,
            "beat_age_ms":N,"kind":"redis","phase":"linked","reconnects":N,"resubscribed":N,"round_trip_us":N,"since":N,
            "waiting_publishes":N},"memory_bytes":N,"name":"n","rates":{"bytes_out":N,"deliveries":N,"messages_in":N,
            "publications":N},"sessions":N,"started_at":N,"version":"9"}
            """#
        return Array(text.replacing(":N", with: ":" + number).utf8)
    }

    @Test(arguments: extremes)
    func aSummaryHoldsNoOtherNumbersThanCounts(_ number: String) throws {
        let summary = try #require(JSON.decode(NodeSummary.self, from: Self.summary(number)))
        let all = [
            summary.sessions, summary.channels, summary.startedAt, summary.link.since, summary.memoryBytes,
            summary.backlogBytes,
        ]
        for count in all { #expect((0...Count.maximum).contains(count.value)) }
        #expect(all.sum <= Count(Count.maximum))
        #expect(summary.cpuPercent.value.isFinite && summary.cpuPercent.value >= 0)
        // And it can be told again.
        #expect(JSON.decode(NodeSummary.self, from: Array(try JSON.encoder.encode(summary))) == summary)
    }

    @Test(arguments: ["NaN", "1e999", "Infinity", "\"9\"", "null", "true", "01"])
    func whatIsNoNumberIsNoSummary(_ number: String) {
        #expect(JSON.decode(NodeSummary.self, from: Self.summary(number)) == nil)
    }

    @Test func nothingDeeperThanTheScannerIsDecoded() {
        for count in [33, 512, 513, 45_000] {
            let deep = String(repeating: "{\"channel\":", count: count) + "1" + String(repeating: "}", count: count)
            #expect(JSON.decode(ClusterAnswer.self, from: Array(deep.utf8)) == nil)
        }
        #expect(JSON.decode(ClusterAnswer.self, from: [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)) == nil)
    }

    @Test func textsForPeopleAreShortAndPlain() throws {
        let text = Array("\"\\u001b[2J\\nhello\\u202e\(String(repeating: "é", count: 1000))\"".utf8)
        let plain = try #require(JSON.decode(PlainText.self, from: text))
        #expect(plain.text.hasPrefix("[2Jhelloé") && plain.text.utf8.count <= PlainText.maximumBytes)
    }

    @Test(arguments: extremes)
    func answersAddUp(_ number: String) throws {
        let body = Array(#"{"channel":{"subscribers":\#(number),"dropped":\#(number)}}"#.utf8)
        guard
            case .channel(let subscribers, let dropped?, _) = try #require(JSON.decode(ClusterAnswer.self, from: body))
        else {
            Issue.record("another answer")
            return
        }
        #expect([subscribers, dropped, subscribers].sum.value <= Count.maximum)
    }
}
