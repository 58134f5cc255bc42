import NIOCore
import NIOHTTP1

/// HTTP/1 on the admin listener as RFC 9110 and 9112 have it, where the framework leaves it to others. It sits between the
/// parser and the framework, which knows neither versions nor bodies that must not be sent:
///
/// - a HEAD is answered like a GET, without the body (RFC 9110 9.3.2);
/// - `Expect: 100-continue` is answered, once it is this request's turn (RFC 9110 10.1.1);
/// - connections of HTTP/1.0, and those with `Connection: close` in whatever case, are closed after the answer, which says so
///   (RFC 9112 9.3 and 9.6);
/// - a target that is a whole address counts as its path, and its host as `Host` (RFC 9112 3.2.2).
final class AdminHTTP: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private struct Exchange {
        let isHead: Bool
        let isLast: Bool
        let awaitsContinue: Bool
    }

    /// Requests that are not answered yet, oldest first; the framework bounds how many are read.
    private var exchanges: [Exchange] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        let isOld = head.version == .http1_0 || head.version.major == 0
        let exchange = Exchange(
            isHead: head.method == .HEAD, isLast: isOld || Self.has("close", in: head.headers["connection"]),
            awaitsContinue: !isOld && Self.has("100-continue", in: head.headers["expect"]))
        // What never ends has no answer to HEAD.
        if exchange.isHead, !Routes.isEndless(String(head.uri.prefix { $0 != "?" })) { head.method = .GET }
        // The framework compares the whole value.
        if exchange.isLast { head.headers.replaceOrAdd(name: "connection", value: "close") }
        Self.shorten(&head)
        exchanges.append(exchange)
        if exchanges.count == 1 { continueIfAwaited(context) }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if exchanges.first?.isLast == true { head.headers.replaceOrAdd(name: "connection", value: "close") }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            guard exchanges.first?.isHead != true else {
                promise?.succeed()
                return
            }
            context.write(data, promise: promise)
        case .end:
            context.write(data, promise: promise)
            guard !exchanges.isEmpty else { return }
            exchanges.removeFirst()
            continueIfAwaited(context)
        }
    }

    private func continueIfAwaited(_ context: ChannelHandlerContext) {
        guard exchanges.first?.awaitsContinue == true else { return }
        context.writeAndFlush(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
    }

    private static func has(_ token: String, in values: [String]) -> Bool {
        values.contains { value in
            value.split(separator: ",").contains { element in
                element.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }.lowercased() == token
            }
        }
    }

    private static func shorten(_ head: inout HTTPRequestHead) {
        guard head.uri.first != "/" else { return }
        let lower = head.uri.prefix(8).lowercased()
        guard let scheme = ["http://", "https://"].first(where: { lower.hasPrefix($0) }) else { return }
        let rest = head.uri.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.isEmpty else { return }
        let path = rest[authority.endIndex...]
        head.uri = path.first == "/" ? String(path) : "/" + path
        head.headers.replaceOrAdd(name: "host", value: String(authority))
    }
}

/// Puts an `AdminHTTP` behind the parser of a connection: the framework lets others in only behind its own conversion.
final class AdminHTTPInstaller: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    func handlerAdded(context: ChannelHandlerContext) {
        do {
            let operations = context.pipeline.syncOperations
            let parser = try operations.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try operations.addHandler(AdminHTTP(), position: .after(parser))
        } catch {
            // Without it answers would be wrong.
            context.close(promise: nil)
        }
    }
}
