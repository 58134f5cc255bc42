import Codec

/// The variants that there can be, by the names tests have for them.
extension Variant {
    static let raw = Variant(.raw, over: .webSocket)
    static let rawDeflate = Variant(.raw, over: .webSocket, .full)
    static let rawSmall = Variant(.raw, over: .webSocket, .small)
    static let sse = Variant(.sse, over: .eventStream)
    static let centrifugeJSON = Variant(.centrifuge, over: .webSocket)
    static let centrifugeJSONDeflate = Variant(.centrifuge, over: .webSocket, .full)
    static let centrifugeJSONSmall = Variant(.centrifuge, over: .webSocket, .small)
    static let centrifugeProtobuf = Variant(.centrifuge, in: .protobuf, over: .webSocket)
    static let centrifugeProtobufDeflate = Variant(.centrifuge, in: .protobuf, over: .webSocket, .full)
    static let signalrNew = Variant(.signalr, in: .undecided, over: .webSocket)
    static let signalrJSON = Variant(.signalr, over: .webSocket)
    static let signalrStream = Variant(.signalr, over: .eventStream)
    static let signalrPacked = Variant(.signalr, in: .messagePack, over: .webSocket)
    static let centrifugeProtobufSmall = Variant(.centrifuge, in: .protobuf, over: .webSocket, .small)
}
