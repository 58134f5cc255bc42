/// What a publisher says about a publication beside its payload: names with values, by which subscribers may filter
/// (Centrifuge client protocol v2: Publication.tags).
///
/// They are kept as they travel between nodes, in one piece of memory: for each tag the length of its key (1 byte), the key, the
/// length of its value (2, big-endian), the value. They are in the order of their keys' bytes, each key once.
package struct PublicationTags: Hashable, Sendable {
    /// Tags of one publication.
    package static let maximumCount = 32
    /// Of a key, in bytes. A key has at least one.
    package static let maximumKeyBytes = 255
    /// Of all of them, packed: each takes 3 more than its key and its value.
    package static let maximumBytes = 4096

    package let packed: [UInt8]

    /// Tags that came from outside; of two with one key the later one counts, as in JSON.
    package init(validating tags: [(key: [UInt8], value: [UInt8])]) throws(PublicationTagsError) {
        var kept: [(key: [UInt8], value: [UInt8])] = []
        for tag in tags {
            guard (1...Self.maximumKeyBytes).contains(tag.key.count) else { throw .badKey(bytes: tag.key.count) }
            guard tag.key.withUnsafeBytes(UTF8Validator.isValid), tag.value.withUnsafeBytes(UTF8Validator.isValid)
            else {
                throw .notUTF8
            }
            guard tag.value.count <= Self.maximumBytes else { throw .tooLong }
            if let index = kept.firstIndex(where: { $0.key == tag.key }) {
                kept[index] = tag
            } else {
                guard kept.count < Self.maximumCount else { throw .tooMany }
                kept.append(tag)
            }
        }
        kept.sort { $0.key.lexicographicallyPrecedes($1.key) }
        let writer = ByteWriter(capacity: 256)
        for tag in kept {
            writer.append(UInt8(truncatingIfNeeded: tag.key.count))
            writer.append(tag.key)
            writer.append(bigEndian: UInt16(clamping: tag.value.count))
            writer.append(tag.value)
        }
        guard writer.count <= Self.maximumBytes else { throw .tooLong }
        packed = Array(writer.bytes)
    }

    /// Tags of another node.
    ///
    /// - Returns: Nil for bytes that are no tags; they came from Redis, so from anybody.
    package init?(packed bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Self.maximumBytes else { return nil }
        var reader = Reader(bytes)
        var last: UnsafeRawBufferPointer?
        var count = 0
        while let tag = reader.next() {
            guard !tag.key.isEmpty, UTF8Validator.isValid(tag.key), UTF8Validator.isValid(tag.value),
                last?.lexicographicallyPrecedes(tag.key) ?? true
            else { return nil }
            last = tag.key
            count += 1
        }
        guard reader.isAtEnd, count <= Self.maximumCount else { return nil }
        packed = Array(bytes)
    }

    package var isEmpty: Bool { packed.isEmpty }

    /// Calls back for each, in the order of their keys. The bytes are valid until the callback returns.
    @inline(__always)
    package func forEach(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
        packed.withUnsafeBytes { bytes in
            var reader = Reader(bytes)
            while let tag = reader.next() { body(tag.key, tag.value) }
        }
    }

    /// Goes through packed tags, and stops where they are none.
    struct Reader {
        private let bytes: UnsafeRawBufferPointer
        private var index = 0

        init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        var isAtEnd: Bool { index == bytes.count }

        @inline(__always)
        mutating func next() -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
            guard index < bytes.count else { return nil }
            let key = index + 1
            let keyEnd = key + Int(bytes[index])
            guard keyEnd + 2 <= bytes.count else { return nil }
            let value = keyEnd + 2
            let valueEnd = value + (Int(bytes[keyEnd]) << 8 | Int(bytes[keyEnd + 1]))
            guard valueEnd <= bytes.count else { return nil }
            index = valueEnd
            return (
                UnsafeRawBufferPointer(rebasing: bytes[key..<keyEnd]),
                UnsafeRawBufferPointer(rebasing: bytes[value..<valueEnd])
            )
        }
    }
}

/// Why tags were refused.
package enum PublicationTagsError: Error, Equatable, Sendable, CustomStringConvertible {
    case badKey(bytes: Int)
    case notUTF8
    case tooMany
    case tooLong

    package var description: String {
        switch self {
        case .badKey(let bytes):
            "the key of a tag has 1 to \(PublicationTags.maximumKeyBytes) bytes, this one has \(bytes)"
        case .notUTF8: "the keys and values of tags have to be valid UTF-8"
        case .tooMany: "a publication has at most \(PublicationTags.maximumCount) tags"
        case .tooLong:
            "the tags of a publication have at most \(PublicationTags.maximumBytes) bytes, 3 for each included"
        }
    }
}
