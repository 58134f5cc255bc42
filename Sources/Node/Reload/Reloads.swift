import Backplane
import Codec
import Logging
import Reactor

/// Reads the configuration again and puts it in force. One reload at a time: others wait for their turn, and each reads everything when it
/// has it. Files are read on the thread of whoever asks, never on a reactor.
package final actor Reloads {
    private let node: RunningNode
    private let source: ConfigurationSource
    /// The last reload that was asked for.
    private var last: Task<Void, Never>?
    /// Keeps the keys of URLs fresh.
    private var keys: Task<Void, Never>?
    private var gatekeeper: Gatekeeper

    init(_ node: RunningNode, _ source: ConfigurationSource, _ gatekeeper: Gatekeeper) {
        self.node = node
        self.source = source
        self.gatekeeper = gatekeeper
    }

    /// The cause of a reload that a signal asks for.
    package static let signal = "SIGHUP"

    /// Keys of URLs are fetched from now on.
    func start() {
        let gatekeeper = gatekeeper
        keys = Task { await gatekeeper.run() }
    }

    func stop() {
        keys?.cancel()
        keys = nil
    }

    /// Reads the file and the environment again.
    ///
    /// - Parameter cause: Who wants it, as the log names it.
    /// - Throws: What is wrong; then nothing has changed.
    package func reload(cause: String) async throws(ReloadRefusal) -> ReloadReport {
        let before = last
        let reload = Task { () -> Result<ReloadReport, ReloadRefusal> in
            await before?.value
            do throws(ReloadRefusal) { return .success(try await self.carryOut(cause)) } catch {
                return .failure(error)
            }
        }
        last = Task { _ = await reload.value }
        return try await reload.value.get()
    }

    private func carryOut(_ cause: String) async throws(ReloadRefusal) -> ReloadReport {
        do throws(ReloadRefusal) {
            let report = try await take(cause)
            await tell(report, cause)
            record(cause, [("status", "200")] + report.auditFields)
            return report
        } catch {
            node.live.refused()
            await happened(.error, "\(cause): the configuration stays as it was: \(error.line)")
            record(cause, [("status", "422"), ("problems", "\(error.problems.count)")])
            throw error
        }
    }

    private func take(_ cause: String) async throws(ReloadRefusal) -> ReloadReport {
        let next: Configuration
        do throws(ConfigurationError) { next = try source.read(isOpen: true) } catch {
            throw ReloadRefusal(error.problems)
        }
        let current = node.configuration
        // The digests are compared here and now, and nobody sees them.
        let changed = ConfigurationDifference.changes(from: current.entries(nonce: []), to: next.entries(nonce: []))
        var report = ReloadReport(changed: changed)
        let merged = current.reloaded(to: next, keeping: report.waiting)
        // What is right as a file may be wrong where half of it waits for a restart.
        guard merged.contradictions.isEmpty else {
            throw ReloadRefusal(
                source.name,
                merged.contradictions.map {
                    "\(report.waiting.joined(separator: ", ")) need a restart and would keep their values, and then \($0). Restart the node"
                })
        }
        let files = FileInspection(next)
        guard files.errors.isEmpty else { throw ReloadRefusal(source.name, files.errors) }
        report.warnings = next.warnings.map(\.description) + files.warnings
        let keeper: Gatekeeper
        do { keeper = try Gatekeeper(merged, replacing: gatekeeper, log: node.log) } catch {
            throw ReloadRefusal(source.name, ["\(error)"])
        }
        do throws(TLSError) { try node.readCertificates(merged, cause) } catch {
            throw ReloadRefusal(source.name, ["\(error)"])
        }
        let outcome = await node.use(merged, keeper)
        report.subscriptionsEnded = Count(outcome.subscriptionsEnded)
        report.sessionsClosed = Count(outcome.sessionsClosed)
        if keys != nil {
            // The new one fetches first thing; the old one is let go when nobody waits for it any more.
            stop()
            gatekeeper = keeper
            start()
        } else {
            gatekeeper = keeper
        }
        return report
    }

    // MARK: Telling

    private func tell(_ report: ReloadReport, _ cause: String) async {
        for warning in report.warnings { node.log.warning("\(warning)") }
        if report.applied.isEmpty {
            await happened(
                .info,
                "\(cause): nothing that can be changed without a restart has another value; files were read again")
        } else {
            await happened(.info, "\(cause): in force are new values of \(report.applied.joined(separator: ", "))")
        }
        if report.subscriptionsEnded > 0 || report.sessionsClosed > 0 {
            await happened(
                .info,
                "\(cause): the new channel rules ended \(things(report.subscriptionsEnded, "subscription")) and closed \(things(report.sessionsClosed, "session"))"
            )
        }
        if !report.waiting.isEmpty {
            await happened(
                .warning, "\(cause): a restart is needed for new values of \(report.waiting.joined(separator: ", "))")
        }
    }

    /// For the log, and for whoever looks at the cluster.
    private func happened(_ level: LinkEventLevel, _ message: String) async {
        let node = node
        await node.home.perform { node.inbox.happened(level, message) }
    }

    /// What the audit log has of a signal; requests of the API are recorded by `AuditTrail`.
    private func record(_ cause: String, _ fields: [(name: String, text: String)]) {
        guard cause == Self.signal, node.configuration.audit != .off else { return }
        var audit = Logger(label: LineLogHandler.auditLabel)
        audit.logLevel = .notice
        audit.notice(
            "audit: SIGHUP",
            metadata: Dictionary(fields.map { ($0.name, .string($0.text)) }) { first, _ in first })
    }
}

extension ReloadReport {
    /// What the audit log has of a reload that was carried out.
    var auditFields: [(name: String, text: String)] {
        [("applied", applied), ("need_restart", waiting)].filter { !$0.1.isEmpty }.map {
            ($0.0, $0.1.joined(separator: " "))
        }
    }
}

extension ReloadRefusal {
    /// Problems that one line of the log names.
    private static let named = 10

    /// In one line.
    fileprivate var line: String {
        let more = problems.count > Self.named ? "; and \(problems.count - Self.named) more" : ""
        return problems.prefix(Self.named).map(\.description).joined(separator: "; ") + more
    }
}
