/// Tags as applications write them: a JSON object of texts.
extension PublicationTags {
    /// Takes the next value.
    ///
    /// - Returns: Nil when it is no object of texts.
    package static func read(_ scanner: inout JSONScanner) -> Result<PublicationTags, PublicationTagsError>? {
        var tags: [(key: [UInt8], value: [UInt8])] = []
        let isWhole = scanner.members { key, scanner in
            guard let key = JSONString.unescape(key), let value = scanner.text() else { return false }
            tags.append((key, value))
            return true
        }
        guard isWhole else { return nil }
        do throws(PublicationTagsError) { return .success(try PublicationTags(validating: tags)) } catch {
            return .failure(error)
        }
    }

    /// Writes such an object.
    package func write(to writer: ByteWriter) {
        guard !isEmpty else { return writer.append("{}") }
        var isFirst = true
        forEach { key, value in
            writer.append(isFirst ? "{" : ",")
            isFirst = false
            JSONWriter.writeString(key, to: writer)
            writer.append(":")
            JSONWriter.writeString(value, to: writer)
        }
        writer.append("}")
    }
}
