/// Commands in Protobuf (Centrifuge client protocol v2, client.proto): the same values that come of JSON.
///
/// A field of another type than the protocol's is refused, as in JSON, and so is a number that does not fit its type. Fields
/// that nobody knows are stepped over.
extension CentrifugeCommand {
    /// Reads one command, in one go.
    ///
    /// - Returns: Nil when it is none.
    init?(protobuf message: UnsafeRawBufferPointer) {
        var reader = ProtobufReader(message)
        var id: UInt32 = 0
        var method: Method?
        var request = CentrifugeRequest()
        let isWhole = reader.fields { field, reader in
            if field.number == 1 { return CentrifugeRequest.set(&id, reader.unsigned32(field)) }
            guard let found = Method(field: field.number) else { return reader.skip(field) }
            guard let bytes = reader.bytes(field) else { return false }
            // Of several methods the first in the order of the protocol counts.
            if let method, method.rawValue < found.rawValue { return true }
            method = found
            request = CentrifugeRequest()
            return request.read(bytes, of: found)
        }
        guard isWhole else { return nil }
        self.id = id
        self.method = method
        self.request = request
    }
}

extension CentrifugeCommand.Method {
    /// 4 is the first method's number.
    init?(field number: UInt32) {
        guard number >= 4, let raw = UInt8(exactly: number - 4) else { return nil }
        self.init(rawValue: raw)
    }
}

extension CentrifugeRequest {
    /// Takes a method's message.
    ///
    /// - Returns: Whether it was one, with values of the right types.
    mutating func read(_ message: UnsafeRawBufferPointer, of method: CentrifugeCommand.Method) -> Bool {
        var read = self
        read.encoding = .protobuf
        var reader = ProtobufReader(message)
        let isWhole = reader.fields { field, reader in
            switch method {
            case .connect: read.readConnect(field, &reader)
            case .subscribe: read.readSubscribe(field, &reader)
            case .publish: read.readPublish(field, &reader)
            case .history: read.readHistory(field, &reader)
            case .subRefresh: read.readSubRefresh(field, &reader)
            case .unsubscribe, .presence, .presenceStats:
                field.number == 1 ? Self.setText(&read.channel, reader.text(field)) : reader.skip(field)
            case .refresh: field.number == 1 ? Self.setText(&read.token, reader.text(field)) : reader.skip(field)
            case .rpc where field.number == 2: Self.setText(&read.remoteMethod, reader.text(field))
            case .send, .rpc: field.number == 1 ? Self.setData(&read.data, reader.bytes(field)) : reader.skip(field)
            case .ping: reader.skip(field)
            }
        }
        self = read
        return isWhole
    }

    private mutating func readConnect(_ field: ProtobufReader.Field, _ reader: inout ProtobufReader) -> Bool {
        switch field.number {
        case 1: return Self.setText(&token, reader.text(field))
        case 2: return Self.setData(&data, reader.bytes(field))
        case 3:
            guard let bytes = reader.bytes(field), let entry = CentrifugeEntry(bytes),
                let known = CentrifugeKnown(channel: entry.key, protobuf: entry.value)
            else { return false }
            add(known)
            return true
        case 4: return Self.setText(&name, reader.text(field))
        case 5: return Self.setText(&version, reader.text(field))
        case 6:
            guard let bytes = reader.bytes(field), let entry = CentrifugeEntry(bytes),
                UTF8Validator.isValid(entry.value)
            else { return false }
            if var taken = headers {
                headers = nil
                if CentrifugeHeaders.add(Array(entry.key), Array(entry.value), to: &taken) { headers = taken }
            }
            return true
        case 7: return setFlag(reader.signed(field))
        default: return reader.skip(field)
        }
    }

    private mutating func readSubscribe(_ field: ProtobufReader.Field, _ reader: inout ProtobufReader) -> Bool {
        switch field.number {
        case 1: return Self.setText(&channel, reader.text(field))
        case 2: return Self.setText(&token, reader.text(field))
        case 3: return Self.set(&isRecovering, reader.boolean(field))
        case 6: return Self.setText(&epoch, reader.text(field))
        case 7: return Self.set(&offset, reader.unsigned(field))
        case 8: return Self.setData(&data, reader.bytes(field))
        case 12: return Self.setText(&delta, reader.text(field))
        case 13:
            guard let node = reader.bytes(field), let read = CentrifugeFilter(protobuf: node) else { return false }
            filter = read
            return true
        case 14: return setFlag(reader.signed(field))
        case 18:
            guard let value = reader.signed32(field) else { return false }
            limit = Int64(value)
            return true
        default: return readOtherType(field, &reader, numbers: [15, 16, 19], texts: [17])
        }
    }

    private mutating func readPublish(_ field: ProtobufReader.Field, _ reader: inout ProtobufReader) -> Bool {
        switch field.number {
        case 1: Self.setText(&channel, reader.text(field))
        case 2: Self.setData(&data, reader.bytes(field))
        default: readOtherType(field, &reader, numbers: [3, 5], texts: [4])
        }
    }

    private mutating func readHistory(_ field: ProtobufReader.Field, _ reader: inout ProtobufReader) -> Bool {
        switch field.number {
        case 1: return Self.setText(&channel, reader.text(field))
        case 7:
            guard let value = reader.signed32(field) else { return false }
            limit = Int64(value)
            return true
        case 8:
            guard let position = reader.bytes(field) else { return false }
            return readSince(position)
        case 9: return Self.set(&isReverse, reader.boolean(field))
        default: return reader.skip(field)
        }
    }

    private mutating func readSince(_ position: UnsafeRawBufferPointer) -> Bool {
        hasSince = true
        var read = self
        var reader = ProtobufReader(position)
        let isWhole = reader.fields { field, reader in
            switch field.number {
            case 1: Self.set(&read.offset, reader.unsigned(field))
            case 2: Self.setText(&read.epoch, reader.text(field))
            default: reader.skip(field)
            }
        }
        self = read
        return isWhole
    }

    private mutating func readSubRefresh(_ field: ProtobufReader.Field, _ reader: inout ProtobufReader) -> Bool {
        switch field.number {
        case 1: Self.setText(&channel, reader.text(field))
        case 2: Self.setText(&token, reader.text(field))
        default: readOtherType(field, &reader, numbers: [3], messages: [4, 5])
        }
    }

    /// Fields that are only looked at to be refused when they are set, and those that nobody knows.
    private mutating func readOtherType(
        _ field: ProtobufReader.Field, _ reader: inout ProtobufReader, numbers: [UInt32], texts: [UInt32] = [],
        messages: [UInt32] = []
    ) -> Bool {
        if numbers.contains(field.number) {
            guard let value = reader.unsigned(field) else { return false }
            if value != 0 { isOtherType = true }
            return true
        }
        if texts.contains(field.number) {
            guard let value = reader.text(field) else { return false }
            if !value.isEmpty { isOtherType = true }
            return true
        }
        guard messages.contains(field.number) else { return reader.skip(field) }
        isOtherType = true
        return reader.bytes(field) != nil
    }

    private mutating func setFlag(_ value: Int64?) -> Bool {
        guard let value, let bits = UInt64(exactly: value) else { return false }
        flag = bits
        return true
    }

    private static func setText(_ field: inout CentrifugeText?, _ value: UnsafeRawBufferPointer?) -> Bool {
        guard let value else { return false }
        field = CentrifugeText(protobuf: value)
        return true
    }

    /// Data without bytes are not set, as everywhere in proto3.
    private static func setData(_ field: inout UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?) -> Bool {
        guard let value else { return false }
        field = value.isEmpty ? nil : value
        return true
    }
}

/// An entry of a map: a message of a key (1) and a value (2), either of which may be left out.
struct CentrifugeEntry {
    private(set) var key = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var value = UnsafeRawBufferPointer(start: nil, count: 0)

    init?(_ message: UnsafeRawBufferPointer) {
        var (key, value) = (key, value)
        var reader = ProtobufReader(message)
        let isWhole = reader.fields { field, reader in
            switch field.number {
            case 1: CentrifugeRequest.set(&key, reader.text(field))
            case 2: CentrifugeRequest.set(&value, reader.bytes(field))
            default: reader.skip(field)
            }
        }
        guard isWhole else { return nil }
        (self.key, self.value) = (key, value)
    }
}

extension CentrifugeKnown {
    /// Takes a SubscribeRequest. Its own `channel` does not count: the entry names it.
    ///
    /// - Returns: Nil unless it was one, with values of the right types.
    init?(channel: UnsafeRawBufferPointer, protobuf message: UnsafeRawBufferPointer) {
        var request = CentrifugeRequest()
        guard request.read(message, of: .subscribe) else { return nil }
        self.init(channel: CentrifugeText(protobuf: channel), of: request)
    }
}
