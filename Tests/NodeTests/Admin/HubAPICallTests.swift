import Testing

@testable import Node

@Suite struct HubAPICallTests {
    private func action(_ method: String, _ path: String) -> HubAPICall.Action? {
        try? HubAPICall(method: method, path: path).action
    }

    @Test func understandsBothForms() throws {
        #expect(action("POST", "/api/hubs/chat/:send") == .send(.everybody))
        #expect(action("POST", "/api/v1/hubs/chat") == .send(.everybody))
        #expect(action("POST", "/api/hubs/chat/groups/a%2Fb/:send") == .send(.group("a/b")))
        #expect(action("POST", "/api/v1/hubs/chat/users/ann") == .send(.user("ann")))
        #expect(action("POST", "/api/hubs/chat/connections/x/%3Asend") == .send(.connection("x")))
        #expect(action("GET", "/api/hubs/chat/connections/x") == .exists(.connection("x")))
        #expect(action("DELETE", "/api/hubs/chat/connections/x") == .close(.connection("x")))
        #expect(action("PUT", "/api/hubs/chat/groups/g/connections/x") == .join(.connection("x"), group: "g"))
        #expect(action("DELETE", "/api/hubs/chat/users/u/groups/g") == .leave(.user("u"), group: "g"))
        #expect(action("PUT", "/api/v1/hubs/chat/groups/g/users/u") == .join(.user("u"), group: "g"))
        #expect(action("POST", "/api/hubs/chat/:generateToken") == .generateToken)
        #expect(action("POST", "/api/hubs/chat/:closeConnections") == .close(.everybody))
        #expect(action("POST", "/api/hubs/chat/groups/g/:closeConnections") == .close(.group("g")))
        #expect(action("DELETE", "/api/hubs/chat/connections/x/groups") == .leaveAll(.connection("x")))
        #expect(action("DELETE", "/api/v1/hubs/chat/users/u/groups") == .leaveAll(.user("u")))
        #expect(action("GET", "/api/hubs/chat/groups/g/connections") == .members(group: "g"))
        #expect(action("POST", "/api/hubs/chat/:execute") == .unserved(.transactions))
        #expect(action("POST", "/api/hubs/chat/connections/x/:invoke") == .unserved(.invocations))
        #expect(action("POST", "/api/hubs/chat/connections/x/streams/1/:complete") == .unserved(.streams))
        #expect(try HubAPICall(method: "POST", path: "/api/hubs/c%20d/:send").hub == "c d")
    }

    @Test func tellsWhatIsNotThere() {
        for path in [
            "", "/", "/api", "/api/hubs", "/api/hubs/", "/hubs/chat/:send", "/api/hubs/chat", "/api/v2/hubs/chat",
            "/api/hubs/chat/x",
            "/api/hubs/chat/rooms/g", "/api/hubs/chat/groups/g/groups/h", "/api/hubs/%FF/:send", "/api/hubs/%/:send",
            "/api/hubs/a/b/c/d/e/f/g/h/i", "/api/hubs/chat/users/x/streams/1/:send",
            "/api/hubs/chat/connections/x/streams/1", "/api/v1/v1/hubs/chat",
        ] {
            #expect(throws: HubAPICall.Problem.path) { try HubAPICall(method: "POST", path: path) }
        }
        #expect(throws: HubAPICall.Problem.method) { try HubAPICall(method: "GET", path: "/api/hubs/chat/:send") }
        #expect(throws: HubAPICall.Problem.method) { try HubAPICall(method: "POST", path: "/api/hubs/chat/users/u") }
    }

    @Test func audiencesArePaths() {
        let path = "/api/hubs/chat/groups/a%20b/:send"
        for good in [
            "https://x/api/hubs/chat/groups/a%20b/:send", "http://y:1/api/hubs/chat/groups/a%20b/%3Asend/",
            "https://x/api/hubs/chat/groups/a b/:send?x=1",
        ] { #expect(HubAPICall.isAudience(good, of: path), "\(good)") }
        for bad in [
            "", path, "https://x", "https://x/", "https://x/api/hubs/chat", "https://x" + path + "/more",
            "https://x/API/hubs/chat/groups/a%20b/:send",
            "https://x/?/api/hubs/chat/groups/a%20b/:send", "://", "https://x/%FF",
            "https://x/api/hubs/chat%2Fgroups/a%20b/:send",
        ] { #expect(!HubAPICall.isAudience(bad, of: path), "\(bad)") }
    }

    @Test func messages() throws {
        func payload(_ body: String) throws -> String {
            String(decoding: try HubAPIMessage(Array(body.utf8), messageBytes: 20).payload, as: UTF8.self)
        }
        #expect(try payload(#"{"target":"a","arguments":[1]}"#) == "1")
        #expect(try payload(#"{"target":"a","arguments":[[1]]}"#) == "[[1]]")
        #expect(try payload(#"{"target":"a","arguments":[1,2]}"#) == "[1,2]")
        #expect(try payload(#"{"target":"a"}"#) == "[]" && payload(#"{"target":"a","arguments":[]}"#) == "[]")
        #expect(throws: APIError.self) { try payload(#"{"target":"a","arguments":["xxxxxxxxxxxxxxxxxxxxx"]}"#) }
    }

    @Test func queries() throws {
        let query = try HubAPIQuery("excluded=a&excluded=b%20c&api-version=x&ttl=5&application=app&userId=ann&top=7")
        #expect(query.excluded == ["a", "b c"] && query.ttl == 5 && query.application == "app")
        #expect(query.user == "ann" && query.top == 7 && query.pageSize == nil)
        for bad in [
            "ttl=-1", "ttl=x", "filter=a", "excluded=%FF", "minutesToExpire=0", "minutesToExpire=9999999", "top=0",
            "top=x", "maxpagesize=-1", "ttl=99999999999999999999",
            "reason=" + String(repeating: "x", count: 124),
        ] {
            #expect(throws: APIError.self) { try HubAPIQuery(bad) }
        }
    }
}
