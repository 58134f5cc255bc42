import Codec
import Foundation

/// A part of a channel's history, as the API tells it.
struct HistoryReport: Encodable {
    struct Tag: Encodable {
        var key: String
        var value: String

        init(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
            self.key = String(decoding: key, as: UTF8.self)
            self.value = String(decoding: value, as: UTF8.self)
        }
    }

    struct Entry: Encodable {
        var position: String
        /// One of these, as in `POST /api/v1/publish`.
        var text: String?
        var base64: String?
        var kind: String
        /// When it was published, in milliseconds since 1970.
        var time: UInt64?
        /// The client that published it; nil for one that came through the API, and for dialects that tell nothing of it.
        var publisher: PresenceReport.Entry?
        /// A list, because keys are bytes: an object of Swift's would take two spellings of a letter for one key.
        var tags: [Tag]?
    }

    /// The newest publication's.
    var top: String
    /// False when `since` is no position of this channel's past, or what followed it is not kept any more.
    var continuous: Bool
    /// More is kept than this page has room for: give it as `since` to get the next page. Nil when this was the last one.
    var next: String?
    var publications: [Entry]

    init(_ page: HistoryPage) {
        top = page.top.description
        continuous = page.isContinuous
        next = page.next?.description
        publications = page.publications.map { publication in
            let isBinary = publication.kind == .binary
            return Entry(
                position: publication.position?.description ?? "",
                text: isBinary ? nil : String(decoding: publication.payload, as: UTF8.self),
                base64: isBinary ? Data(publication.payload).base64EncodedString() : nil, kind: "\(publication.kind)",
                time: publication.time > 0 ? publication.time : nil,
                publisher: publication.extras?.publisher.map(PresenceReport.Entry.init),
                tags: publication.extras?.tags.map(Self.list))
        }
    }

    private static func list(_ tags: PublicationTags) -> [Tag] {
        var list: [Tag] = []
        tags.forEach { list.append(Tag($0, $1)) }
        return list
    }
}
