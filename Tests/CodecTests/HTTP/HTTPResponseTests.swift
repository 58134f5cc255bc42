import Testing

@testable import Codec

@Suite struct HTTPResponseTests {
    @Test func writesAWholeResponse() {
        let text = Written.text {
            HTTPResponse.write(status: 200, headers: [("Content-Type", "text/plain")], body: "ready\n", to: $0)
        }
        #expect(
            text
                == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nready\n"
        )
    }

    /// Abuse V19: no header can be smuggled in through another's name or value.
    @Test(arguments: [
        ("X", "1\r\nY: 2"), ("X", "1\n"), ("X", "1\r"), ("X", "\0"), ("X", "\u{7F}"), ("X: 1\r\nY", "2"), ("X Y", "1"),
        ("", "1"), ("X:", "1"), ("Ü", "1"),
    ])
    func leavesOutHeadersThatAreNone(name: String, value: String) {
        let text = Written.text { HTTPResponse.write(status: 400, headers: [(name, value)], body: "", to: $0) }
        #expect(text == "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    }

    @Test(arguments: [400, 401, 403, 404, 405, 408, 414, 426, 429, 431, 500, 501, 503, 505])
    func namesEveryStatusInUse(status: Int) {
        #expect(HTTPResponse.phrase(status) != "Status")
    }

    @Test func refusalsAreJSON() {
        let text = Written.text {
            HTTPError(
                status: 431, code: "x", message: "a \"quoted\"\r\nthing",
                headers: [("Good", "1"), ("Wrong", "1\r\nX: 2")]
            ).write(to: $0)
        }
        let body = #"{"error":{"code":"x","message":"a \"quoted\"\r\nthing"}}"# + "\n"
        #expect(
            text == "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\nGood: 1\r\n"
                + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n" + body)
    }

    @Test func refusalsCompareByAllTheySay() {
        let error = HTTPError(status: 400, code: "a", message: "b", headers: [("X", "1")])
        #expect(error == HTTPError(status: 400, code: "a", message: "b", headers: [("X", "1")]))
        #expect(error != HTTPError(status: 400, code: "a", message: "b", headers: [("X", "2")]))
        #expect(error != HTTPError(status: 400, code: "a", message: "b"))
        #expect(error != HTTPError(status: 401, code: "a", message: "b", headers: [("X", "1")]))
    }
}
