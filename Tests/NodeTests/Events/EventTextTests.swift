import Codec
import Reactor
import Testing

@testable import Node

/// Kinds by name, and events as JSON.
@Suite struct EventTextTests {
    private let node = NodeID(1)
    private let session = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))
    private let room = ChannelName(trusted: Array("a\"b".utf8))

    private func text(_ event: NodeEvent) -> String {
        let writer = ByteWriter()
        EventText.write(event, node: node, to: writer)
        #expect(JSONScanner.isValid(writer.bytes))
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func event(_ kind: EventKinds, _ details: NodeEvent.Details) -> NodeEvent {
        NodeEvent(kind, time: 5, session: session, user: "ann", channel: room, details: details)
    }

    @Test func eachKindHasItsOwnBitAndName() {
        #expect(EventKinds.named.count == 10 && EventKinds.all.rawValue == 0b11_1111_1111)
        for (kind, name) in EventKinds.named { #expect(EventKinds(name: name) == kind && kind.names == [name]) }
        #expect(EventKinds(name: "Subscribed") == nil && EventKinds(name: "") == nil)
        #expect(Set(EventKinds.named.map(\.name)).count == 10)
    }

    @Test func whatAnEventHasIsSaid() {
        let start = #"","time":5,"node":"0000000000000001","session":"\#(session)","user":"ann","channel":"a\"b""#
        #expect(text(event(.subscribed, .nothing)) == #"{"kind":"subscribed"# + start + "}")
        #expect(
            text(event(.sessionClosed, .closed(code: 1001, reason: "x", cause: "left")))
                == #"{"kind":"session_closed"# + start + #","code":1001,"reason":"x","cause":"left"}"#)
        #expect(
            text(event(.published, .publication(.text, Array("a\n".utf8))))
                == #"{"kind":"published"# + start + #","text":"a\n"}"#)
        #expect(
            text(event(.published, .publication(.binary, [0xFF])))
                == #"{"kind":"published"# + start + #","base64":"/w=="}"#)
        #expect(
            text(event(.memberJoined, .member(info: Array(#"{"a":1}"#.utf8))))
                == #"{"kind":"member_joined"# + start + #","info":{"a":1}}"#)
        #expect(
            text(NodeEvent(.channelVacated, time: 5))
                == #"{"kind":"channel_vacated","time":5,"node":"0000000000000001"}"#)
        let opened = NodeEvent.Details.opened(dialect: "raw", remote: .ipv4(0x7F00_0001, port: 9))
        #expect(text(event(.sessionOpened, opened)).hasSuffix(#","dialect":"raw","remote":"127.0.0.1:9"}"#))
    }

    /// A line break in a payload ends no line of the stream.
    @Test func eachStaysOnItsLine() {
        let writer = ByteWriter()
        let payload = Array("{\"a\":\n1,\r\n\"b\":2}".utf8)
        EventText.writeStreamed(event(.published, .publication(.json, payload)), node: node, to: writer)
        let lines = String(decoding: writer.bytes, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 4 && lines[0] == "event: published" && lines[1].hasPrefix("data: {"))
        #expect(!writer.bytes.contains(UInt8(ascii: "\r")))
    }
}
