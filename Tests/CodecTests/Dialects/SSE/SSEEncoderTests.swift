import Codec
import Testing

@Suite struct SSEEncoderTests {
    static func written(
        _ payload: [UInt8], _ kind: PayloadKind = .text, position: Position? = nil, event: [UInt8]? = nil
    ) -> [UInt8] {
        let publication = Publication(
            channel: ChannelName(trusted: Array("chat:1".utf8)), kind: kind, payload: payload, origin: NodeID(1),
            position: position, extras: event.map { .init(event: $0) })
        return Written.bytes { PublicationEncoder.write(publication, as: .sse, packing: Packing(.init()), to: $0) }
    }

    static let texts: [(String, String, String)] = [
        ("hello", "data: hello\n\n", "hello"),
        ("", "data: \n\n", ""),
        (" a", "data:  a\n\n", " a"),
        ("a\nb", "data: a\ndata: b\n\n", "a\nb"),
        ("a\rb", "data: a\ndata: b\n\n", "a\nb"),
        ("a\r\nb", "data: a\ndata: b\n\n", "a\nb"),
        ("a\n\rb", "data: a\ndata: \ndata: b\n\n", "a\n\nb"),
        ("a\r\r\nb", "data: a\ndata: \ndata: b\n\n", "a\n\nb"),
        ("\n", "data: \ndata: \n\n", "\n"),
        ("a\r", "data: a\ndata: \n\n", "a\n"),
        ("a\r\n", "data: a\ndata: \n\n", "a\n"),
        ("a\0b", "data: a\0b\n\n", "a\0b"),
        ("data: x\n\nevent: evil", "data: data: x\ndata: \ndata: event: evil\n\n", "data: x\n\nevent: evil"),
        ("12345678\r\n12345678", "data: 12345678\ndata: 12345678\n\n", "12345678\n12345678"),
        ("\u{FEFF}é日", "data: \u{FEFF}é日\n\n", "\u{FEFF}é日"),
    ]

    @Test(arguments: texts)
    func textIsLinesOfData(_ text: String, _ bytes: String, _ event: String) {
        let written = Self.written(Array(text.utf8))
        #expect(written == Array(bytes.utf8))
        #expect(EventStream.events(written) == [.init(data: event)])
    }

    @Test func binaryIsBase64() {
        #expect(Self.written([0, 10, 13, 255], .binary) == Array("data: AAoN/w==\n\n".utf8))
    }

    @Test func carriesNameAndPosition() {
        let written = Self.written(
            Array("1".utf8), .json, position: Position(epoch: 0xAB, offset: 42), event: Array("moved".utf8))
        #expect(written == Array("id: chat:1-ab.42\nevent: moved\ndata: 1\n\n".utf8))
        #expect(EventStream.events(written) == [.init(name: "moved", data: "1", lastID: "chat:1-ab.42")])
    }

    /// Also names with dashes, and those whose last or first character joins what is beside it.
    @Test(arguments: ["chat:1", "a-b-1.2", "-", ".", "a\u{600}", "\u{34C}a", "a\u{200D}", "e\u{301}"])
    func itsIDComesBack(_ name: String) throws {
        let channel = try ChannelName(validating: name.utf8)
        let position = Position(epoch: 0xAB, offset: 42)
        let back = try #require(SSEEncoder.position(in: "\(channel)-ab.42"))
        #expect(back.channel == channel && back.position == position)
    }

    /// Where a stream begins is an id that no page hears of: nothing is dispatched, and the next event has it if it has none.
    @Test func placesAreAnIDWithoutAnEvent() throws {
        func channel(_ name: String) -> ChannelName { ChannelName(trusted: Array(name.utf8)) }
        let places = [
            (channel: channel("chat:1"), position: Position(epoch: 0xAB, offset: 42)),
            (channel: channel("a-b"), position: Position(epoch: 1, offset: .zero)),
        ]
        let written = Written.bytes { SSEEncoder.writePlaces(places, to: $0) }
        #expect(written == Array("id: chat:1-ab.42 a-b-1.0\n\n".utf8))
        #expect(EventStream.events(written).isEmpty)
        let followed = EventStream.events(written + Array("data: x\n\n".utf8))
        #expect(followed == [.init(data: "x", lastID: "chat:1-ab.42 a-b-1.0")])
        let back = SSEEncoder.positions(in: followed[0].lastID)
        #expect(back == [places[0].channel: places[0].position, places[1].channel: places[1].position])
        #expect(Written.bytes { SSEEncoder.writePlaces([], to: $0) }.isEmpty)
    }

    @Test func placesFitIntoALineOfARequest() {
        let places = (0..<200).map { number in
            (
                channel: ChannelName(trusted: Array("\(number)".utf8) + [UInt8](repeating: 0x78, count: 250)),
                position: Position(epoch: .max, offset: .max)
            )
        }
        let written = Written.bytes { SSEEncoder.writePlaces(places, to: $0) }
        #expect((2000...SSEEncoder.maximumPlacesBytes).contains(written.count))
        let id = String(decoding: written.dropFirst(4).dropLast(2), as: UTF8.self)
        let back = SSEEncoder.positions(in: id)
        #expect(back.count == 14)
        #expect(back.allSatisfy { $0.value == Position(epoch: .max, offset: .max) })
    }

    @Test(arguments: ["", " ", "x", "a-1", "a-1.", "a-g.1", "a-1.2 b", "\u{1}-1.2"])
    func otherIDsSayNothingOrLess(_ id: String) {
        #expect(SSEEncoder.positions(in: id).count == (id.hasPrefix("a-1.2 ") ? 1 : 0))
    }

    @Test func aLossSaysWhereItGoesOn() {
        let channel = ChannelName(trusted: Array("chat:1".utf8))
        let written = Written.bytes {
            SSEEncoder.writeLost(channel, at: Position(epoch: 0xAB, offset: 7), to: $0)
        }
        #expect(
            EventStream.events(written)
                == [.init(name: "lost", data: "{\"channel\":\"chat:1\"}", lastID: "chat:1-ab.7")])
        let without = Written.bytes { SSEEncoder.writeLost(channel, to: $0) }
        #expect(EventStream.events(without) == [.init(name: "lost", data: "{\"channel\":\"chat:1\"}")])
    }

    @Test func aRefusalIsAnEvent() {
        let written = Written.bytes { SSEEncoder.writeRefusal(code: "busy", message: "a\n\"b\"", to: $0) }
        #expect(
            EventStream.events(written)
                == [.init(name: "refused", data: "{\"code\":\"busy\",\"message\":\"a\\n\\\"b\\\"\"}")])
    }

    @Test(arguments: ["a\nb", "a\rb", "\n"])
    func aNameThatIsNotOneLineIsLeftOut(_ name: String) {
        #expect(Self.written([0x31], event: Array(name.utf8)) == Array("data: 1\n\n".utf8))
    }

    @Test func anyTextIsOneEventWithItsLines() {
        var numbers = SeededNumbers(state: 10)
        let alphabet: [Character] = ["a", "\n", "\r", "\r\n", ":", " ", "é", "\0"]
        for _ in 0..<3000 {
            let text = String(
                (0..<Int.random(in: 0...30, using: &numbers)).map { _ in alphabet.randomElement(using: &numbers)! })
            let expected = text.replacing("\r\n", with: "\n").unicodeScalars.map { $0 == "\r" ? "\n" : $0 }
            var view = String.UnicodeScalarView()
            view.append(contentsOf: expected)
            #expect(EventStream.events(Self.written(Array(text.utf8))) == [.init(data: String(view))])
        }
    }
}
