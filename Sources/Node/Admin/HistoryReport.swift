import Codec
import Foundation

/// A part of a channel's history, as the API tells it.
struct HistoryReport: Encodable {
    struct Entry: Encodable {
        var position: String
        /// One of these, as in `POST /api/v1/publish`.
        var text: String?
        var base64: String?
        var kind: String
    }

    /// The newest publication's.
    var top: String
    /// False when `since` is no position of this channel's past, or what followed it is not kept any more.
    var continuous: Bool
    var publications: [Entry]

    init(_ page: HistoryPage) {
        top = page.top.description
        continuous = page.isContinuous
        publications = page.publications.map { publication in
            let isBinary = publication.kind == .binary
            return Entry(
                position: publication.position?.description ?? "",
                text: isBinary ? nil : String(decoding: publication.payload, as: UTF8.self),
                base64: isBinary ? Data(publication.payload).base64EncodedString() : nil, kind: "\(publication.kind)")
        }
    }
}
