package import Codec

/// The last ten minutes as nodes tell each other and operators of them.

/// One node's samples, oldest first; all lists have the same length.
package struct NodeSeries: Codable, Equatable, Sendable {
    package var id = ""
    package var name = ""
    package var answered = true
    /// When the newest sample was taken, in milliseconds since 1970; nil where there is none.
    package var end: Count?
    package var sessions: [Count] = []
    package var publicationsPerS: [Rate] = []
    package var deliveriesPerS: [Rate] = []
    package var backlogBytes: [Count] = []
    /// Nil where the backplane had not answered.
    package var roundTripUs: [Count?] = []

    package init() {}

    /// The same with lists of one length that is not above a limit: another node's are not believed.
    package func bounded(to limit: Int) -> NodeSeries {
        let count =
            [
                limit, sessions.count, publicationsPerS.count, deliveriesPerS.count, backlogBytes.count,
                roundTripUs.count,
            ].min() ?? 0
        var series = self
        series.sessions = sessions.suffix(count)
        series.publicationsPerS = publicationsPerS.suffix(count)
        series.deliveriesPerS = deliveriesPerS.suffix(count)
        series.backlogBytes = backlogBytes.suffix(count)
        series.roundTripUs = roundTripUs.suffix(count)
        return series
    }
}

package struct SeriesReport: Codable, Sendable {
    package var nodes: [NodeSeries]
    package var stepMs: Count
}

/// Something that happened lately, and on which node.
package struct RecentEvent: Codable, Equatable, Sendable {
    /// In milliseconds since 1970.
    package var time: Count
    /// What the node is called; one of them where several say the same.
    package var node: PlainText
    package var severity: PlainText
    package var text: PlainText
}

package struct RecentReport: Codable, Sendable {
    package var nodes: NodeCount
    package var events: [RecentEvent]
}
