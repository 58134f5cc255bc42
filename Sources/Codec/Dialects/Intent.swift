/// What a client asks for, whatever its dialect. Pointers are valid until the next command is taken.
package enum Intent {
    /// The client says who it is.
    package struct Connect {
        package let reply: ReplyID
        package let token: [UInt8]?
        package let name: [UInt8]?
        package let version: [UInt8]?
        /// One JSON value, as it was written.
        package let data: UnsafeRawBufferPointer?
        /// What it knows of channels the node had subscribed it to.
        package let known: [(channel: ChannelName, seen: ClientPosition)]
        /// What it would have sent as headers of the request, if it could: names in lower case, each a token, with values
        /// that a header can have.
        package let headers: [(name: String, value: String)]
        /// Channels it wants, where it cannot subscribe later. Those that it may not have it does not get.
        package let wanted: [ChannelName]
        /// How messages are written from here on; nil where that is known from the request.
        package var encoding: Variant.Encoding?
        /// It would come back to a connection that was cut, and counts its messages for that.
        package var isResumable = false

        init(
            reply: ReplyID, token: [UInt8]?, name: [UInt8]?, version: [UInt8]?, data: UnsafeRawBufferPointer?,
            known: [(channel: ChannelName, seen: ClientPosition)], headers: [(name: String, value: String)],
            wanted: [ChannelName]
        ) {
            self.reply = reply
            self.token = token
            self.name = name
            self.version = version
            self.data = data
            self.known = known
            self.headers = headers
            self.wanted = wanted
        }

        /// The greeting of a client whose request said who it is.
        init(greetingIn encoding: Variant.Encoding, isResumable: Bool) {
            self.init(
                reply: .none, token: nil, name: nil, version: nil, data: nil, known: [], headers: [], wanted: [])
            self.encoding = encoding
            self.isResumable = isResumable
        }
    }

    /// The client is back with the session of a connection that was cut.
    package struct Resume: Sendable {
        /// How messages were written in that session.
        package let encoding: Variant.Encoding
        /// The number of the message that it sends next.
        package let next: UInt64
    }

    package struct Subscribe {
        package let reply: ReplyID
        package let channel: ChannelName
        /// Where the client says it is; nil for one that begins now.
        package let seen: ClientPosition?
        package let token: [UInt8]?
        /// It wants no subscription that begins after publications it missed.
        package let rejectsUnrecovered: Bool
        /// It takes a publication as what has changed since the one before it.
        package let takesDeltas: Bool
        /// Which publications it wants, by their tags; nil for all.
        package let filter: TagFilter?

        init(
            reply: ReplyID, channel: ChannelName, seen: ClientPosition?, token: [UInt8]?, rejectsUnrecovered: Bool,
            takesDeltas: Bool, filter: TagFilter?
        ) {
            self.reply = reply
            self.channel = channel
            self.seen = seen
            self.token = token
            self.rejectsUnrecovered = rejectsUnrecovered
            self.takesDeltas = takesDeltas
            self.filter = filter
        }

        /// One that begins now, for all publications.
        package init(_ reply: ReplyID, to channel: ChannelName) {
            self.init(
                reply: reply, channel: channel, seen: nil, token: nil, rejectsUnrecovered: false, takesDeltas: false,
                filter: nil)
        }
    }

    package struct Publish {
        package let reply: ReplyID
        /// Nil is the first channel of the session.
        package let channel: ChannelName?
        package let kind: PayloadKind
        package let data: UnsafeRawBufferPointer
        /// Nil in a dialect without events.
        package let event: [UInt8]?
        /// Whether the client may, whatever the channel's rule says.
        package let isPermitted: Bool

        package init(
            reply: ReplyID, channel: ChannelName?, kind: PayloadKind, data: UnsafeRawBufferPointer,
            event: [UInt8]? = nil, isPermitted: Bool = false
        ) {
            self.reply = reply
            self.channel = channel
            self.kind = kind
            self.data = data
            self.event = event
            self.isPermitted = isPermitted
        }
    }

    package struct History {
        package let reply: ReplyID
        package let channel: ChannelName
        package let since: ClientPosition?
        /// 0 asks for the position alone, less for as many as there are.
        package let limit: Int64
        package let isReverse: Bool
    }

    case connect(Connect)
    case subscribe(Subscribe)
    case unsubscribe(ReplyID, ChannelName)
    case publish(Publish)
    /// It calls a method of its hub.
    case call(HubCall)
    /// It calls something of the application.
    case rpc(RemoteCall)
    case history(History)
    /// Who is present, or only how many.
    case presence(ReplyID, ChannelName, PresenceQuery.View)
    /// It answered a ping, or said in another way that it is there.
    case pong
    /// It said something that means nothing, and costs as little as that.
    case nothing
    /// The first thing it says on a new connection: it goes on with its session.
    case resume(Resume)
    /// It has all messages up to this number.
    case acknowledged(UInt64)
    /// The message that it sends next has this number.
    case renumbered(next: UInt64)
    /// A new token for the connection.
    case refresh(ReplyID, token: [UInt8])
    /// A new token for a subscription.
    case refreshSubscription(ReplyID, ChannelName, token: [UInt8])
    /// It asks for something that it does not get.
    case refuse(ReplyID, Failure)
    /// It has to go.
    case end(Ending)

    /// Whether it came in a message that both sides count, where they count messages.
    package var isCounted: Bool {
        switch self {
        case .pong, .resume, .acknowledged, .renumbered, .connect, .end: false
        case .subscribe, .unsubscribe, .publish, .call, .rpc, .history, .presence, .nothing, .refresh,
            .refreshSubscription, .refuse:
            true
        }
    }
}

/// What a client asks for with its request, where that is all it ever says: the channels it wants.
package struct OpeningRequest {
    /// In the order they were named, each once.
    package let channels: [ChannelName]
    /// Where the client says it was; nil when it begins now. Of channels that are not in it nobody knows.
    package let seen: [ChannelName: Position]?

    /// The channels that the query names, each as `channel=NAME`.
    ///
    /// - Throws: The refusal of a name that cannot be.
    init(_ head: RequestHead, seen: [ChannelName: Position]? = nil) throws(HTTPError) {
        var channels: [ChannelName] = []
        for (key, value) in head.query where key == "channel" {
            do {
                let name = try ChannelName(validating: Array(value.utf8))
                if !channels.contains(name) { channels.append(name) }
            } catch {
                throw HTTPError(
                    status: 400, code: "invalid_channel", message: "\(error): in the query parameter 'channel'")
            }
        }
        self.channels = channels
        self.seen = seen
    }
}
