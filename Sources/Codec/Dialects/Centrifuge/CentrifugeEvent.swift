/// Events in a protocol that has none.
extension Publication.Extras {
    /// What clients are told as tags: the publisher's own, and the event under the name `event`, unless there is a tag of that name.
    /// Filters see the publisher's alone.
    var shownTags: PublicationTags? {
        guard let event else { return tags }
        var all = [(key: Array("event".utf8), value: event)]
        // Of two with one key the later one counts.
        tags?.forEach { all.append((Array($0), Array($1))) }
        return (try? PublicationTags(validating: all)) ?? tags
    }
}
