import Codec

/// The filters of subscriptions: who may have one, where it is kept, and when it goes.
extension Channels {
    /// - Parameter channel: Nil where the subscription would be the first one here.
    func checkFilter(
        _ slot: UInt32, _ filter: TagFilter, _ rule: ChannelRule, _ channel: ShardChannel?
    ) throws(SubscribeRefusal) {
        guard rule.allowsFilters else {
            context.counters.filtersRefused += 1
            throw .filtersNotAllowed
        }
        let own = ChannelFilters.bytes(of: filter)
        let more = channel?.filters?.cost(of: filter) ?? own
        guard (extras(slot)?.filterBytes ?? 0) + own <= context.settings.filterBytes,
            filterBytes + more <= context.settings.reactorFilterBytes
        else {
            context.counters.filterLimitHits += 1
            throw .tooManyFilters
        }
    }

    /// In what form a subscription gets publications: a filter was checked, and is kept from here on. Who filters gets no deltas.
    func form(_ slot: UInt32, _ channel: ShardChannel, _ subscribing: Subscribing) -> SubscriptionForm {
        if let filter = subscribing.filter {
            let filters = channel.filters ?? ChannelFilters()
            channel.filters = filters
            filterBytes += filters.cost(of: filter)
            let number = filters.add(filter)
            let extras = makeExtras(slot)
            extras.filters[channel.index] = number
            extras.filterBytes += filters.bytes(of: number)
            return .filtered(by: number)
        }
        return subscribing.takesDeltas && channel.rule.delta == .fossil && !channel.name.isReserved ? .deltas : .all
    }

    /// A subscription is over.
    func dropFilter(_ slot: UInt32, _ channel: ShardChannel) {
        guard let extras = extras(slot), let number = extras.filters.removeValue(forKey: channel.index),
            let filters = channel.filters
        else { return }
        extras.filterBytes -= filters.bytes(of: number)
        filterBytes -= filters.remove(number)
        if filters.isEmpty { channel.filters = nil }
        tidyExtras(slot)
    }

    /// The filter of a subscription, if it has one.
    func filter(of form: SubscriptionForm, _ channel: ShardChannel) -> TagFilter? {
        guard case .filtered(let number) = form else { return nil }
        return channel.filters?.filter(number)
    }
}
