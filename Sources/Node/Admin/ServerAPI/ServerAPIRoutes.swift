import Codec
import HTTPTypes
import Hummingbird
import NIOCore

/// `POST /api/METHOD`, `POST /api/batch`, and the older `POST /api` with a command in each line: Centrifugo's server API as its
/// client libraries call it.
struct ServerAPIRoutes {
    let api: ServerAPI

    static let path = "/api"

    /// A batch may have so many times the bytes of one call.
    private static let batchFactor = 8
    /// Commands of one batch that are carried out at the same time where that is wanted.
    private static let parallelCommands = 64
    private static let errorMode = HTTPField.Name("X-Centrifugo-Error-Mode")!

    func add(to router: Router<AdminContext>, _ key: ServerAPIKey) {
        let group = router.group(RouterPath(Self.path)).add(middleware: key)
        group.post(":method") { request, context in
            let name = try context.parameters.require("method")
            return name.utf8.elementsEqual("batch".utf8)
                ? try await batch(request, context.audit) : try await call(name, request, context.audit)
        }
        group.post { request, context in try await lines(request, context.audit) }
    }

    private func body(of request: Request, factor: Int = 1) async throws -> [UInt8] {
        // Base64 is a third larger, and JSON may escape each byte.
        let limit = (api.limits.messageBytes * 6 + AdminServer.bodyOverhead) * factor
        return Array(try await request.body.collect(upTo: limit).readableBytesView)
    }

    private static func json(_ bytes: [UInt8], status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private static func answer(_ outcome: ServerAPI.Outcome, _ request: Request) -> Response {
        guard case .failure(let error) = outcome else { return json(ServerAPIReply.response(outcome)) }
        if error.isUnreadable { return json(ServerAPIReply.response(outcome), status: .badRequest) }
        guard request.headers[errorMode] == "transport" else { return json(ServerAPIReply.response(outcome)) }
        return json(ServerAPIReply.bare(error), status: .init(code: error.status))
    }

    // MARK: One method

    private func call(_ name: String, _ request: Request, _ audit: AuditNote) async throws -> Response {
        let bytes = try await body(of: request)
        guard let method = ServerAPIMethod(name.utf8) else {
            audit.add(.question)
            return Self.answer(.failure(ServerAPIMethod.refusal(of: name.utf8)), request)
        }
        return Self.answer(await outcome(of: method, bytes, audit), request)
    }

    private func outcome(of method: ServerAPIMethod, _ body: [UInt8], _ audit: AuditNote) async -> ServerAPI.Outcome {
        audit.add(method.audit)
        let command: ServerAPICommand
        do throws(ServerAPIError) {
            command = try ServerAPICommand(method, body, api.limits)
        } catch {
            return .failure(error)
        }
        return await api.carryOut(command, audit)
    }

    // MARK: Several

    private func batch(_ request: Request, _ audit: AuditNote) async throws -> Response {
        audit.add(.question)
        let bytes = try await body(of: request, factor: Self.batchFactor)
        let batch: ServerAPIBatch
        do throws(ServerAPIError) {
            batch = try ServerAPIBatch(bytes, api.limits)
        } catch {
            return Self.answer(.failure(error), request)
        }
        for command in batch.commands { command.method.map { audit.add($0.audit) } }
        let outcomes = batch.isParallel ? await atOnce(batch, audit) : await inTurn(batch, audit)
        return Self.json(ServerAPIReply.batch(zip(batch.commands, outcomes).map { ($0.method, $1) }))
    }

    private func carryOut(_ command: ServerAPIBatch.Entry, _ audit: AuditNote) async -> ServerAPI.Outcome {
        switch command.command {
        case .success(let command): await api.carryOut(command, audit)
        case .failure(let error): .failure(error)
        }
    }

    private func inTurn(_ batch: ServerAPIBatch, _ audit: AuditNote) async -> [ServerAPI.Outcome] {
        var outcomes: [ServerAPI.Outcome] = []
        for command in batch.commands { outcomes.append(await carryOut(command, audit)) }
        return outcomes
    }

    private func atOnce(_ batch: ServerAPIBatch, _ audit: AuditNote) async -> [ServerAPI.Outcome] {
        await withTaskGroup(of: (Int, ServerAPI.Outcome).self) { group in
            var outcomes: [Int: ServerAPI.Outcome] = [:]
            for (index, command) in batch.commands.enumerated() {
                if index >= Self.parallelCommands, let done = await group.next() { outcomes[done.0] = done.1 }
                group.addTask { (index, await carryOut(command, audit)) }
            }
            for await done in group { outcomes[done.0] = done.1 }
            return batch.commands.indices.map { outcomes[$0] ?? .failure(.internal("the command was not carried out")) }
        }
    }

    /// A command in each line, as libraries before Centrifugo 5 send them: `{"method":"publish","params":{…}}`.
    private func lines(_ request: Request, _ audit: AuditNote) async throws -> Response {
        audit.add(.question)
        let bytes = try await body(of: request, factor: Self.batchFactor)
        let lines: [ServerAPILine]
        do throws(ServerAPIError) {
            lines = try ServerAPILine.read(bytes)
        } catch {
            return Self.answer(.failure(error), request)
        }
        var replies: [[UInt8]] = []
        for line in lines {
            let outcome =
                if let method = line.method {
                    await outcome(of: method, line.parameters, audit)
                } else {
                    ServerAPI.Outcome.failure(ServerAPIMethod.refusal(of: line.name.utf8))
                }
            replies.append(ServerAPIReply.line(line.id, outcome))
        }
        return Self.json(Array(replies.joined(separator: [UInt8(ascii: "\n")])))
    }
}
