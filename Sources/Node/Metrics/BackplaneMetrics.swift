import Backplane
import Reactor

/// What the node says about its link to the others, and about history and presence, which live behind the link.
extension MetricsPage {
    mutating func write(_ link: LinkState) {
        gauge(
            "link_up",
            "1 if the node is linked to the backplane, to all of its servers if there are several, 0 if not.",
            link.phase == .linked ? 1 : 0)
        gauge(
            "link_server_up", "1 if the node is linked through this Redis server, 0 if not.", by: "server",
            link.servers.map { ($0.name, $0.isUp ? 1 : 0) })
        gauge(
            "link_server_partitions", "Number of the 128 partitions of channels that live on this Redis server.",
            by: "server", link.servers.map { ($0.name, Double($0.partitions)) })
        gauge(
            "link_partitions_to_move",
            "Number of partitions of channels that still have to move to another Redis server because the list of servers changes.",
            Double(link.partitionsToMove))
        if let beat = link.lastBeat {
            gauge(
                "link_beat_age_seconds", "Seconds since the node last received its own beat from the backplane.",
                Double((MonotonicTime.now() - beat).wholeNanoseconds) / 1e9)
        }
        if let roundTrip = link.roundTrip {
            gauge(
                "link_round_trip_seconds", "Round-trip time of the node's last beat through the backplane, in seconds.",
                Double(roundTrip) / 1e6)
        }
        gauge(
            "link_waiting_publications",
            "Number of publications that wait for the link (backplane.redis.publish_wait, backplane.redis.publish_buffer_bytes).",
            Double(link.waiting))
        gauge(
            "link_channels", "Number of channels to which the node is subscribed at the backplane.",
            Double(link.channels))
        counter(
            "link_reconnects_total", "Connections to Redis that were lost or could not be established.",
            Double(link.reconnects))
        counter(
            "link_resubscribed_channels_total", "Channels subscribed again at Redis after a connection was lost.",
            Double(link.resubscribed))
        counter(
            "link_published_total", "Publications that the backplane accepted from this node.", Double(link.published))
        counter(
            "link_refused_total",
            "Publications that the backplane did not accept from this node, or whose outcome is unknown.",
            Double(link.refused))
        counter(
            "link_received_total", "Publications and presence changes that the node received from the backplane.",
            Double(link.received))
        counter(
            "link_failover_waits_total",
            "Times publications were held back because the sentinels were replacing the master.",
            Double(link.failoverWaits))
        counter(
            "link_slot_waits_total",
            "Times the publications of a partition were held back because it was moving to another Redis server.",
            Double(link.slotWaits))
        counter(
            "link_subscriptions_refused_total", "Subscriptions to channels that Redis refused because of its ACL.",
            Double(link.subscriptionsRefused))
        counter(
            "link_bad_messages_total",
            "Invalid messages, history entries and presence entries read from the backplane.",
            Double(link.badMessages))
        counter(
            "presence_reaped_total", "Members of dead nodes that this node removed from presence.",
            Double(link.presenceReaped))
        gauge(
            "occupancy_channels", "Number of channels with occupancy: true that have subscribers on this node.",
            Double(link.occupiedChannels))
        counter(
            "occupancy_reaped_total", "Channels of dead nodes that this node reported as vacated.",
            Double(link.occupancyReaped))
        counter(
            "user_group_limit_hits_total",
            "Memberships of users in groups of a hub that were given up because the user had more than 100.",
            Double(link.groupsGivenUp))
        counter(
            "presence_grace_limit_hits_total",
            "Sessions that left presence without a grace period because of limits.presence_leaving.",
            Double(link.presenceCutShort))
        gauge(
            "presence_waiting", "Number of presence changes that are not written to Redis yet.",
            Double(link.presenceWaiting))
        counter(
            "presence_questions_refused_total", "Presence queries refused because too many were waiting for Redis.",
            Double(link.presenceRefused))
        counter(
            "history_losses_noted_total",
            "Lost publications that this node recorded in a channel's history, so that all nodes tell their clients.",
            Double(link.lossesNoted))
        counter(
            "history_acknowledgements_forgotten_total",
            "Channels whose last acknowledged position was discarded because there were too many channels. After a failover, this node does not check them for lost publications.",
            Double(link.acknowledgementsForgotten))
        gauge(
            "history_channels", "Number of channels whose history is kept in this node's memory. 0 with Redis.",
            Double(link.historyChannels))
        counter("link_received_bytes_total", "Bytes received from Redis.", Double(link.bytesIn))
        counter("link_sent_bytes_total", "Bytes sent to Redis.", Double(link.bytesOut))
    }

    mutating func write(_ history: HistoryCounters) {
        counter("history_reads_total", "History reads from the backplane.", Double(history.reads))
        counter(
            "history_checks_total", "Checks of a channel's last position against the backplane.", Double(history.checks)
        )
        counter(
            "history_gaps_total",
            "Gaps detected in the publications that the node received for a channel with history.", Double(history.gaps)
        )
        counter(
            "history_healed_total", "Missed publications that were read from history and delivered in order.",
            Double(history.healed))
        gauge(
            "history_heal_seconds",
            "Seconds from the last relink until the node had verified all its channels with history.",
            Double(history.healTime) / 1e9)
        counter(
            "history_lost_total",
            "Times missed publications of a channel were no longer in its history. The subscribers were told.",
            Double(history.lost))
    }

    mutating func write(_ reads: HistoryReads.Counters) {
        counter(
            "history_reads_waited_total",
            "History reads that waited because of limits.history_reads or limits.history_read_bytes.",
            Double(reads.waited))
        counter(
            "history_reads_shared_total", "History reads answered with the result of another read.",
            Double(reads.shared))
        counter(
            "history_reads_refused_total", "History reads refused because too many were waiting.",
            Double(reads.refused))
    }
}
