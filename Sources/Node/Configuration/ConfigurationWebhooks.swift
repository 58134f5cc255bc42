import Codec
import Yams

/// The list `webhooks`.
extension ConfigurationReader {
    mutating func readWebhooks(_ node: Node) {
        for entry in entries(of: node, "'webhooks' has to be a list of webhooks") { readWebhook(entry) }
        if configuration.webhooks.count > Webhook.maximum {
            report("'webhooks': at most \(Webhook.maximum) webhooks are possible", at: node.mark)
        }
    }

    private mutating func readWebhook(_ node: Node) {
        guard case .mapping(let mapping) = node else {
            return report(
                "a webhook has to be a mapping, as in { url: \"https://app.example.com/events\", secret: \"${WEBHOOK_SECRET}\" }, not \(Self.kind(of: node))",
                at: node.mark)
        }
        var url: WebhookURL?
        var hook: Webhook?
        let before = problems.count
        for (key, value) in mapping where key.string == "url" {
            guard let text = scalar(value, "'url'", "URL") else { continue }
            url = WebhookURL(text)
            if url == nil {
                report(
                    "'url': this is not possible here; right would be https://app.example.com/events: http or https, the host in lower case, no user and no fragment",
                    at: value.mark)
            }
        }
        if let url { hook = Webhook(url: url, secrets: []) }
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            switch key {
            case "url": break
            case "events": hook?.kinds = readEvents(value)
            case "channels": hook?.channels = readPatterns(value)
            case "secret": hook?.secrets = readWebhookSecrets(value)
            case "retry_for", "timeout", "vacated_grace", "allow_private":
                guard let text = scalar(value, "'\(key)'", "text") else { continue }
                do throws(ValueError) {
                    switch key {
                    case "retry_for": hook?.retryFor = try Value.duration(text, .seconds(1)...(.seconds(7 * 86_400)))
                    case "timeout": hook?.timeout = try Value.duration(text, .milliseconds(100)...(.seconds(60)))
                    case "vacated_grace": hook?.vacatedGrace = try Value.duration(text, .zero...(.seconds(60)))
                    default: hook?.allowsPrivate = try Value.flag(text)
                    }
                } catch {
                    report("'\(key)': \(error.message)", at: value.mark)
                }
            default: report(unknown("key", key, nearest: ConfigurationKey.webhookKeys), at: keyNode.mark)
            }
        }
        for key in ["url", "secret"] where !mapping.contains(where: { $0.key.string == key }) {
            report(
                "the webhook has no \(key): add it, as in { url: \"https://app.example.com/events\", secret: \"${WEBHOOK_SECRET}\" }",
                at: node.mark)
        }
        guard let hook, problems.count == before else { return }
        if configuration.webhooks.contains(where: { $0.id == hook.id }) {
            return report(
                "'url': two webhooks have this URL: give each one of its own, for example by a query", at: node.mark)
        }
        configuration.webhooks.append(hook)
    }

    /// One, or a list of the new one and the one before it.
    private mutating func readWebhookSecrets(_ node: Node) -> [String] {
        var secrets: [String] = []
        let nodes = if case .sequence(let list) = node { Array(list) } else { [node] }
        for entry in nodes {
            guard let text = scalar(entry, "'secret'", "text") else { continue }
            do throws(ValueError) {
                let secret = try Value.webhookSecret(text)
                if secrets.contains(where: { $0.utf8.elementsEqual(secret.utf8) }) {
                    report("'secret': a secret is listed twice", at: entry.mark)
                } else {
                    secrets.append(secret)
                }
            } catch {
                report("'secret': \(error.message)", at: entry.mark)
            }
        }
        if nodes.isEmpty || nodes.count > Webhook.maximumSecrets {
            report("'secret': one or two are possible, the new one and the one before it", at: node.mark)
        }
        return secrets
    }

    private mutating func readEvents(_ node: Node) -> EventKinds {
        var kinds: EventKinds = []
        let before = problems.count
        for entry in entries(of: node, "'events' has to be a list of kinds of events") {
            guard let text = scalar(entry, "an entry of 'events'", "kind of events") else { continue }
            guard let kind = EventKinds(name: text) else {
                report(unknown("event", text, nearest: EventKinds.all.names), at: entry.mark)
                continue
            }
            kinds.formUnion(kind)
        }
        if kinds.isEmpty, problems.count == before {
            report("'events' is empty: leave it out for all events", at: node.mark)
        }
        return kinds
    }

    private mutating func readPatterns(_ node: Node) -> [ChannelPattern] {
        var patterns: [ChannelPattern] = []
        let before = problems.count
        for entry in entries(of: node, "'channels' has to be a list of patterns") {
            guard let text = scalar(entry, "an entry of 'channels'", "pattern") else { continue }
            let pattern = ChannelPattern(text)
            if let objection = pattern.objection {
                report("'channels': no channel matches '\(text)': \(objection)", at: entry.mark)
            } else {
                patterns.append(pattern)
            }
        }
        if patterns.isEmpty, problems.count == before {
            report("'channels' is empty: leave it out for all channels", at: node.mark)
        }
        return patterns
    }
}

extension Configuration {
    /// What is wrong with webhooks beside the rules of channels.
    var webhookFindings: [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        for hook in webhooks where hook.kinds != .all {
            if !hook.kinds.isDisjoint(with: Webhook.occupancy), !channels.contains(where: { $0.isOccupancyKnown }) {
                found.append(
                    .warning(
                        ["webhooks", "channels"],
                        "the webhook \(hook.url.shown) wants channel_occupied or channel_vacated, and no channel rule has occupancy: true"
                    ))
            }
            if !hook.kinds.isDisjoint(with: [.memberJoined, .memberLeft]),
                !channels.contains(where: { $0.presence != nil })
            {
                found.append(
                    .warning(
                        ["webhooks", "channels"],
                        "the webhook \(hook.url.shown) wants member_joined or member_left, and no channel rule has presence: true"
                    ))
            }
        }
        return found
    }
}

extension Value {
    static func webhookSecret(_ text: String) throws(ValueError) -> String {
        guard text.utf8.count >= Webhook.secretBytes else {
            throw ValueError(
                message:
                    "a secret has at least \(Webhook.secretBytes) bytes, this one has \(text.utf8.count): openssl rand -base64 48 makes one"
            )
        }
        return text
    }
}
