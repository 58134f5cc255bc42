/// The numbers of a record (RFC 8446 5.1 and 5.2).
enum TLSRecord {
    /// Bytes of content that a record has at most.
    static let contentBytes = 16384
    static let headerBytes = 5
    /// What authenticates a record, the same with all ciphers.
    static let tagBytes = 16
    /// What a record has beside its content when it is made here: the header, the type within, the tag.
    static let overheadBytes = headerBytes + 1 + tagBytes
    /// What may be behind the header of a record that comes in: content, type, padding and tag.
    static let protectedBytes = contentBytes + 256
    /// Content, type and padding of a record that comes in.
    static let innerBytes = contentBytes + 1

    enum ContentType {
        static let changeCipherSpec: UInt8 = 20
        static let alert: UInt8 = 21
        static let handshake: UInt8 = 22
        static let applicationData: UInt8 = 23
    }
}

/// What may be wrong with what comes in, or with our own tools, and the alert that says so (RFC 8446 6.2).
enum TLSRecordFault: UInt8, CaseIterable {
    case unexpectedMessage = 10
    case badRecord = 20
    case recordOverflow = 22
    case illegalParameter = 47
    case malformed = 50
    case internalError = 80

    var description: String {
        switch self {
        case .unexpectedMessage: "the other side sent a message that does not belong there (unexpected_message)"
        case .badRecord: "a record is not authentic (bad_record_mac)"
        case .recordOverflow: "a record is longer than allowed (record_overflow)"
        case .illegalParameter: "a message has a value that does not exist (illegal_parameter)"
        case .malformed: "a message cannot be read (decode_error)"
        case .internalError: "a key could not be made or used (internal_error)"
        }
    }
}
