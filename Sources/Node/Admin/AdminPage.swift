import HTTPTypes
import Hummingbird
import NIOCore

/// The page at `/` and its files at `/page/NAME`: the cluster, drawn by the browser from `/api/v1`. The files are in the folder
/// `Page` and become part of the program (`embedInCode` in Package.swift), so a node serves them without a file system.
enum AdminPage {
    /// A file as it is sent.
    struct File: Sendable {
        let bytes: ByteBuffer
        let type: String
        /// Changes when the content does, so a browser asks again and is told that it has it (RFC 9110 8.8.3).
        let tag: String

        init(_ bytes: [UInt8], _ type: String) {
            self.bytes = ByteBuffer(bytes: bytes)
            self.type = type
            // FNV-1a, 64 bits: nobody attacks it, it only tells versions apart.
            let hash = bytes.reduce(14_695_981_039_346_656_037 as UInt64) {
                ($0 ^ UInt64(truncatingIfNeeded: $1)) &* 1_099_511_628_211
            }
            tag = "\"\(String(hash, radix: 16))\""
        }
    }

    /// Only this node is asked for anything, nothing in the document is a script or a style, no text can become HTML, and no
    /// other page may have this one in a frame.
    static let policy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ].joined(separator: "; ")

    static let document = File(PackageResources.index_html, "text/html; charset=utf-8")

    /// What the document asks for, by name.
    static let files: [(name: String, file: File)] = [
        ("icon.svg", File(PackageResources.icon_svg, "image/svg+xml")),
        ("page.css", style(PackageResources.page_css)), ("views.css", style(PackageResources.views_css)),
        ("api.js", script(PackageResources.api_js)), ("ask.js", script(PackageResources.ask_js)),
        ("channel.js", script(PackageResources.channel_js)), ("channels.js", script(PackageResources.channels_js)),
        ("chart.js", script(PackageResources.chart_js)),
        ("configuration.js", script(PackageResources.configuration_js)),
        ("connection.js", script(PackageResources.connection_js)),
        ("connections.js", script(PackageResources.connections_js)), ("dom.js", script(PackageResources.dom_js)),
        ("facts.js", script(PackageResources.facts_js)), ("flow.js", script(PackageResources.flow_js)),
        ("format.js", script(PackageResources.format_js)), ("limits.js", script(PackageResources.limits_js)),
        ("links.js", script(PackageResources.links_js)), ("list.js", script(PackageResources.list_js)),
        ("main.js", script(PackageResources.main_js)), ("node.js", script(PackageResources.node_js)),
        ("nodes.js", script(PackageResources.nodes_js)), ("overview.js", script(PackageResources.overview_js)),
        ("payload.js", script(PackageResources.payload_js)), ("place.js", script(PackageResources.place_js)),
        ("table.js", script(PackageResources.table_js)), ("watch.js", script(PackageResources.watch_js)),
    ]

    static let folder = "/page/"

    static func add(to router: Router<AdminContext>) {
        router.get("/") { request, _ in response(document, to: request) }
        router.get("/page/:file") { request, context in
            let name = try context.parameters.require("file")
            guard let found = files.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
                throw APIError(status: .notFound, code: "unknown_file", message: "the page has no such file")
            }
            return response(found.file, to: request)
        }
    }

    /// The file, or that the browser has it.
    private static func response(_ file: File, to request: Request) -> Response {
        var headers: HTTPFields = [
            .contentType: file.type, .eTag: file.tag, .contentSecurityPolicy: policy,
            // It may be kept, and has to be asked for each time: the node may be of another version by then.
            .cacheControl: "no-cache", .xContentTypeOptions: "nosniff",
        ]
        for (name, value) in [
            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ] {
            if let field = HTTPField.Name(name) { headers[field] = value }
        }
        let known = request.headers[.ifNoneMatch]?.split(separator: ",") ?? []
        if known.contains(where: { isSame($0, file.tag) }) { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: file.bytes))
    }

    /// Weakly, as RFC 9110 13.1.2 has it: caches on the way may have put `W/` in front.
    private static func isSame(_ given: Substring, _ tag: String) -> Bool {
        var bytes = given.utf8.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        if bytes.starts(with: "W/".utf8) { bytes = bytes.dropFirst(2) }
        let length = tag.utf8.count
        return bytes.starts(with: tag.utf8) && bytes.dropFirst(length).allSatisfy { $0 == UInt8(ascii: " ") }
    }

    private static func script(_ bytes: [UInt8]) -> File { File(bytes, "text/javascript; charset=utf-8") }

    private static func style(_ bytes: [UInt8]) -> File { File(bytes, "text/css; charset=utf-8") }
}
