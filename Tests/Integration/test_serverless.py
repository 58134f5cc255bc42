"""Applications in the serverless mode of the Azure SignalR Service: they change their connection string, and nothing else."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import websockets.exceptions
import websockets.sync.client

from rig.balancers import HAProxy
from rig.cluster import Cluster
from rig.hub_clients import JSON, KINDS, MESSAGEPACK, PySignalR
from rig.node import Node
from rig.one_or_two import one_or_two
from rig.receivers import WebsocketsClient
from rig.serverless import ServerlessApplication, hostile, sign
from rig.upstream import Upstream
from rig.waiting import until

KEY, OLD_KEY = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
OTHER_KEY, SECRET = "another-key-of-32-bytes-or-more-00", "s" * 40
END = "\x1e"
SETTINGS: dict[str, Any] = {
    "admin": {"token": "operator-token"},
    "auth": {"keys": [{"secret": SECRET}], "required": True},
    "hubs": [
        {"path": "/chat", "prefix": "chat:", "keys": [KEY, OLD_KEY]},
        {"path": "/shop_chat", "prefix": "shop:", "keys": [KEY]},
        {"path": "/other", "prefix": "other:", "keys": [OTHER_KEY]},
    ],
    "channels": [{"match": "chat:closed*", "subscribe": "nobody"}, {"match": "*", "subscribe": "anyone", "publish": "client"}],
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes behind the one address of deploy/haproxy/hubs.cfg."""
    with Cluster(tmp_path, balanced=True, **SETTINGS) as started:
        started.start()
        nodes = started.nodes
        started.balancer = HAProxy(tmp_path, [node.client for node in nodes], admin=[node.admin for node in nodes]).start()
        yield started
        started.check_permissions()


@pytest.fixture(params=["memory", "redis"])
def nodes(request: pytest.FixtureRequest, start_node: Any, tmp_path: Path) -> Iterator[list[Node]]:
    """Clients connect to the last node, applications call the first one: both are named in the connection string."""
    with one_or_two(request.param, start_node, tmp_path, **SETTINGS) as started:
        yield started


@contextlib.contextmanager
def application(nodes: list[Node], key: str = KEY, **options: Any) -> Iterator[ServerlessApplication]:
    started = ServerlessApplication(
        f"Endpoint=https://hub.example.com;AccessKey={key};Version=1.0;"
        f"ServerEndpoint=http://{nodes[0].admin};ClientEndpoint=http://{nodes[-1].client}", **options)  # fmt: skip
    try:
        yield started
    finally:
        started.stop()


class ServiceClient:
    """What the JavaScript client does: it is sent to the service, negotiates there, and has its token in the query of the socket."""

    def __init__(self, app: ServerlessApplication, user: str | None = None, token: str | None = None) -> None:
        sent = app.negotiate(user)
        self.token = token or sent["accessToken"]
        base, query = sent["url"].split("?")
        answer = requests.post(
            f"{base}negotiate?{query}&negotiateVersion=1", headers={"Authorization": f"Bearer {self.token}", "X-Requested-With": "XMLHttpRequest"}, timeout=5)
        assert answer.status_code == 200, answer.text
        negotiated = answer.json()
        self.id = negotiated["connectionId"]
        self.address = f"{base.replace('http', 'ws', 1)}?{query}&id={negotiated['connectionToken']}"
        self.calls: list[tuple[str, list[Any]]] = []
        self.closed: dict[str, Any] | None = None
        self.open()

    def open(self) -> None:
        self._socket = websockets.sync.client.connect(f"{self.address}&access_token={self.token}", legacy=True)
        self._socket.send('{"protocol":"json","version":1}' + END)
        assert self._socket.recv(5) == "{}" + END

    def until(self, target: str) -> list[tuple[str, list[Any]]]:
        """The calls until one with this target; each is returned once."""
        self.calls = []
        deadline = time.monotonic() + 5
        while not self.calls or self.calls[-1][0] != target:
            self._take(self._socket.recv(max(0.0, deadline - time.monotonic())))
        return self.calls

    def _take(self, text: Any) -> None:
        for part in filter(None, text.split(END)):
            message = json.loads(part)
            if message["type"] == 1:
                self.calls.append((message["target"], message["arguments"]))
            if message["type"] == 7:
                self.closed = message

    def has_ended(self) -> bool:
        with contextlib.suppress(TimeoutError):
            try:
                while True:
                    self._take(self._socket.recv(0.1))
            except websockets.exceptions.ConnectionClosed:
                return True
        return False

    def close(self) -> None:
        self._socket.close()


# One address


@pytest.mark.parametrize(("kind", "protocol"), [(kind, protocol) for kind in KINDS for protocol in (JSON, MESSAGEPACK)])
def test_the_connection_string_is_all_that_changes(cluster: Cluster, kind: type[PySignalR], protocol: str) -> None:
    assert isinstance(cluster.balancer, HAProxy)
    app = ServerlessApplication(f"Endpoint=http://{cluster.balancer.hubs};AccessKey={KEY};Version=1.0;")
    clients: list[Any] = []
    try:
        # They know the application's own address, and follow it from there.
        clients += [kind(f"{app.url}?user={user}", ["said"], protocol) for user in ("ann", "ann", "bob", "cid", "cid", "dan")]
        until(lambda: len(cluster.nodes[0].api.connections()) == 6, "all are there")
        assert len(cluster.nodes[0].api.sessions_by_node()) > 1, "they are on several nodes"
        assert app.send("", "said", "to all", [1, None]) == 202
        assert app.send("/users/ann", "said", "to ann") == 202
        assert app.call("PUT", "/users/bob/groups/g").status_code == 200
        assert app.send("/groups/g", "said", "to g") == 202
        everybody = ("said", ["to all", [1, None]])
        for client in clients[:2]:
            until(lambda client=client: client.called == [everybody, ("said", ["to ann"])], "ann hears it everywhere")
        until(lambda: clients[2].called == [everybody, ("said", ["to g"])], "bob is in the group")
        until(lambda: clients[3].called == [everybody], "others hear what is for all")
        # A user that was added stays a member: the next connection is in the group from its beginning.
        clients.append(kind(f"{app.url}?user=bob", ["said"], protocol))
        assert app.send("/groups/g", "said", "again") == 202
        for client in (clients[2], clients[6]):
            until(lambda client=client: client.called[-1:] == [("said", ["again"])], "both connections of bob are in it")
        assert app.call("POST", "/users/ann/:closeConnections").status_code == 204
        # One library comes back with the id that it has, others ask the application again.
        until(lambda: clients[0].opened > 1 and clients[1].opened > 1, "they come back by themselves", 20)
        assert requests.head(f"{app.endpoint}/api/health", timeout=5).status_code == 200
    finally:
        for client in clients:
            client.close()
        app.stop()


def test_nothing_else_of_the_admin_port_is_reached(cluster: Cluster) -> None:
    assert isinstance(cluster.balancer, HAProxy)
    operator = {"Authorization": "Bearer operator-token"}
    for path in ("/api/v1/config", "/api/v1/cluster", "/metrics", "/api/info", "/", "/api/hubs", "/api/v1/hubs", "/api/healthy"):
        answer = requests.get(f"http://{cluster.balancer.hubs}{path}", headers=operator, timeout=5)
        assert answer.status_code == 404 and "the client port serves" in answer.text, (path, answer.status_code, answer.text)
    # What looks like a hub's on the way in does not end up elsewhere.
    for path in ("/api/hubs/../v1/config", "/api/hubs/%2e%2e/v1/config", "/api/v1/hubs/..%2fconfig", "/api/hubs//chat/../../v1/config"):
        request = requests.Request("GET", f"http://{cluster.balancer.hubs}/", headers=operator).prepare()
        request.url = f"http://{cluster.balancer.hubs}{path}"
        answer = requests.Session().send(request, timeout=5)
        assert answer.status_code in (401, 404, 405) and "sessions" not in answer.text, (path, answer.status_code, answer.text)


def test_event_streams_and_a_page_of_another_origin(start_node: Any) -> None:
    node: Node = start_node(**{**SETTINGS, "client": {"origins": ["https://app.example.com"]}})
    with application([node]) as app:
        sent = app.negotiate("ann")
        bearer = {"Authorization": f"Bearer {sent['accessToken']}"}
        negotiated = requests.post(f"{app.client}/client/negotiate?hub=chat&negotiateVersion=1", headers=bearer, timeout=5).json()
        address = f"{sent['url']}&id={negotiated['connectionToken']}"
        with requests.get(address, headers={**bearer, "Accept": "text/event-stream"}, stream=True, timeout=5) as stream:
            assert stream.status_code == 200
            # Which connection it is is all that a message has to prove.
            greeting = requests.post(address, data='{"protocol":"json","version":1}' + END, timeout=5)
            assert greeting.status_code == 200, greeting.text
            lines = (line for line in stream.iter_lines(chunk_size=1) if line.startswith(b"data: {"))
            assert next(lines) == b"data: {}" + END.encode()
            assert app.send("/users/ann", "said", 1) == 202
            assert json.loads(next(lines)[6:-1]) == {"type": 1, "target": "said", "arguments": [1]}
            [connection] = node.api.connections()
            assert connection["user"] == "ann" and connection["dialect"] == "signalr"
        origin = {"Origin": "https://app.example.com"}
        url = f"{app.client}/client/negotiate?hub=chat"
        asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-requested-with"}
        allowed = requests.options(url, headers=asked, timeout=5)
        assert allowed.status_code == 200 and "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
        answer = requests.post(url, headers={**origin, "Authorization": f"Bearer {app.client_token('ann')}"}, timeout=5)
        assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
        foreign = requests.post(url, headers={"Origin": "https://evil.example", "Authorization": f"Bearer {app.client_token()}"}, timeout=5)
        assert foreign.status_code == 403


# Who comes in


def test_hostile_tokens_of_clients(nodes: list[Node]) -> None:
    with application(nodes) as app:
        right = {"aud": f"{app.audience}/client/?hub=chat", "exp": int(time.time()) + 60, "nameid": "mallory"}
        table = hostile(right, KEY, {"another hub's key": OTHER_KEY, "a secret of auth.keys": SECRET, "the admin token": "operator-token"})

        def wrong(**changes: Any) -> str:
            return sign({**right, **changes}, KEY)

        table |= {
            "another hub": wrong(aud=f"{app.audience}/client/?hub=other"), "two hubs": wrong(aud=f"{app.audience}/client/?hub=other&hub=chat"),
            "no hub": wrong(aud=f"{app.audience}/client/"), "a request": wrong(aud=f"{app.audience}/api/hubs/chat/:send"), "a server": wrong(aud=f"{app.audience}/server/?hub=chat"),
            "an object for a name": wrong(nameid={"a": 1}), "two names": wrong(nameid=["a", "b"]), "a name with a line end": wrong(nameid="a\nb"),
            "a long name": wrong(nameid="x" * 300), "a wrong end": wrong(**{"asrs.s.coae": "true", "asrs.s.aeo": "soon"}),
            "none": "",
        }  # fmt: skip
        node = nodes[-1]
        for name, token in table.items():
            for method, path in (("POST", "/client/negotiate?hub=chat&negotiateVersion=1"), ("GET", "/client/?hub=chat")):
                upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                answer = requests.request(method, f"http://{node.client}{path}", headers={**headers, **(upgrade if method == "GET" else {})}, timeout=5)
                # The largest have no place in a header.
                assert answer.status_code == (431 if len(token) > 8000 else 401), (name, method, answer.status_code, answer.text)
            if len(token) < 3000:
                answer = requests.post(f"http://{node.client}/client/negotiate?hub=chat&access_token={token}", timeout=5)
                assert answer.status_code == 401, (name, answer.status_code)
        assert all(node.api.connections() == [] for node in nodes)
        # And what is right: other spellings, the key of before, a token as it comes from this API.
        for good in (
            sign(right, OLD_KEY), sign({**right, "aud": ["https://x/", "http://other:81/client?hub=CHAT"]}, KEY), sign(right, KEY, header={"alg": "HS256"}),
            app.call("POST", "/:generateToken", query="userId=ann&minutesToExpire=5").json()["token"],
        ):  # fmt: skip
            client = ServiceClient(app, token=good)
            client.close()
        # The own path of the hub is for tokens of auth.keys alone, whatever signed this one.
        own = requests.post(f"http://{node.client}/chat/negotiate", headers={"Authorization": f"Bearer {sign(right, KEY)}"}, timeout=5)
        assert own.status_code == 401
        mine = jwt.encode({"sub": "ann", "exp": int(time.time()) + 60}, SECRET, algorithm="HS256")
        assert requests.post(f"http://{node.client}/client/negotiate?hub=chat", headers={"Authorization": f"Bearer {mine}"}, timeout=5).status_code == 401
        assert requests.post(f"http://{node.client}/client/negotiate?hub=nothing", headers={"Authorization": f"Bearer {mine}"}, timeout=5).status_code == 404


def test_connection_tokens_open_nothing_by_themselves(nodes: list[Node]) -> None:
    """What the negotiation gives says which connection, and not who."""
    with application(nodes) as app, application(nodes, OTHER_KEY, hub="other") as other:
        client = ServiceClient(app, "ann")
        token = client.address.split("&id=")[1]

        def status(address: str) -> int:
            try:
                with websockets.sync.client.connect(address):
                    return 101
            except websockets.exceptions.InvalidStatus as error:
                return error.response.status_code

        base = f"ws://{nodes[-1].client}"
        assert status(client.address) == 401
        assert status(f"{client.address}&access_token={other.client_token('ann')}") == 401
        # Of another hub, changed, cut, or with the other parts of a URL in it: negotiate again.
        for wrong in (token[:-1], token + "A", token[:-1] + "=", "A" * 76, token.swapcase(), f"{token}%20", token[:20] + "/" + token[21:]):
            assert status(f"{base}/client/?hub=chat&id={wrong}&access_token={app.client_token('ann')}") == 404, wrong
        assert status(f"{base}/client/?hub=other&id={token}&access_token={other.client_token('ann')}") == 404
        assert status(f"{base}/client/?hub=chat&id={token}&access_token={app.client_token('ann')}") in (101, 409)
        client.close()


def test_when_a_token_expires(start_node: Any) -> None:
    """It opens connections until then, and those go on, unless the token says otherwise."""
    node: Node = start_node(**{**SETTINGS, "auth": {**SETTINGS["auth"], "leeway": "0s"}})
    with application([node]) as app:
        # The clocks of applications may differ by 30 s, so this one is about to be refused.
        short = app.client_token("ann", seconds=-27)
        client = ServiceClient(app, token=short)
        bound = ServiceClient(app, token=app.client_token("bob", **{"asrs.s.coae": "true", "asrs.s.aeo": str(int(time.time()) + 2)}))
        until(bound.has_ended, "the connection ends with the authentication", 10)
        assert bound.closed == {"type": 7, "allowReconnect": True}
        until(lambda: requests.post(f"{app.client}/client/negotiate?hub=chat", headers={"Authorization": f"Bearer {short}"}, timeout=5).status_code == 401,
              "the token has expired", 10)  # fmt: skip
        assert app.send("/users/ann", "said", 1) == 202 and client.until("said") == [("said", [1])]
        client.close()


def test_revoked_users_go(start_node: Any) -> None:
    node: Node = start_node(**SETTINGS)
    with application([node]) as app:
        client = ServiceClient(app, token=app.client_token("ann", iat=int(time.time()) - 5))
        answer = requests.post(
            f"http://{node.admin}/api/v1/revocations", json={"user": "ann"}, headers={"Authorization": "Bearer operator-token"}, timeout=5)
        assert answer.status_code == 200, answer.text
        until(client.has_ended, "it is closed")


# Groups of users


def test_memberships_of_users(nodes: list[Node]) -> None:
    with application(nodes) as app:
        def status(method: str, path: str, query: str = "") -> int:
            return app.call(method, path, query=query).status_code

        assert status("PUT", "/users/ann/groups/early") == 200
        assert status("PUT", "/users/ann/groups/now", "ttl=0") == 200
        assert status("PUT", "/users/ann/groups/short", "ttl=1") == 200
        assert status("GET", "/users/ann/groups/early") == 200 and status("HEAD", "/users/ann/groups/now") == 404
        until(lambda: status("HEAD", "/users/ann/groups/short") == 404, "it ends by itself", 5)
        first, other = ServiceClient(app, "ann"), ServiceClient(app, "bob")
        assert status("PUT", "/users/ann/groups/now", "ttl=0") == 200
        second = ServiceClient(app, "ann")
        for group in ("early", "now", "short"):
            assert app.send(f"/groups/{group}", "said", group) == 202
        assert app.send("", "end") == 202
        assert first.until("end") == [("said", ["early"]), ("said", ["now"]), ("end", [])]
        assert second.until("end") == [("said", ["early"]), ("end", [])] and other.until("end") == [("end", [])]
        assert status("DELETE", "/users/ann/groups/early") == 204 and status("HEAD", "/users/ann/groups/early") == 404
        third = ServiceClient(app, "ann")
        assert app.send("/groups/early", "said", 1) == 202 and app.send("", "end") == 202
        assert third.until("end") == [("end", [])] and first.until("end") == [("end", [])]
        # All at once, for what is open and for what comes later.
        for group in ("a", "b"):
            assert status("PUT", f"/users/ann/groups/{group}") == 200 and status("PUT", f"/groups/{group}/connections/{other.id}") == 200
        assert status("DELETE", "/users/ann/groups") == 204 and status("DELETE", f"/connections/{other.id}/groups") == 200
        fourth = ServiceClient(app, "ann")
        assert app.send("/groups/a", "said", 2) == 202 and app.send("/groups/b", "said", 2) == 202 and app.send("", "end") == 202
        for client in (first, second, third, fourth, other):
            assert client.until("end")[-1:] == [("end", [])] and ("said", [2]) not in client.calls
            client.close()
        assert status("DELETE", f"/connections/{'1' * 32}/groups") == 200 and status("PUT", "/users/ann/groups/all") == 400


def test_memberships_outlive_nodes(tmp_path: Path, redis_server: Any, start_node: Any) -> None:
    first, second = (start_node(name, redis_url=redis_server.url, **SETTINGS) for name in "ab")
    with application([first]) as app:
        assert app.call("PUT", "/users/ann/groups/g").status_code == 200
        first.kill()
        with application([second]) as other:
            until(lambda: other.call("HEAD", "/users/ann/groups/g").status_code == 200, "the other node knows it", 15)
            client = ServiceClient(other, "ann")
            assert other.send("/groups/g", "said", 1) == 202 and client.until("said") == [("said", [1])]
            # While Redis is away, nobody is told that something was kept.
            redis_server.stop()
            until(lambda: other.call("PUT", "/users/ann/groups/h").status_code == 503, "it is refused", 10)
            late = ServiceClient(other, "ann")
            redis_server.start()
            # Redis had no disk here: what it forgot is added again, and whoever waits for its groups gets them.
            until(lambda: other.call("PUT", "/users/ann/groups/h").status_code == 200, "it is kept again", 15)

            def hears() -> bool:
                other.send("/groups/h", "said", 2)
                with contextlib.suppress(TimeoutError):
                    return late.until("said")[-1:] == [("said", [2])]
                return False

            until(hears, "the client that came meanwhile is in the group", 15)
            late.close()
            client.close()


# The hub is a border


def test_a_key_reaches_its_hub_alone(nodes: list[Node]) -> None:
    with application(nodes) as app, application(nodes, OTHER_KEY, hub="other") as other, application(nodes, application="Shop") as shop:
        mine, theirs, ours = ServiceClient(app, "ann"), ServiceClient(other, "ann"), ServiceClient(shop, "ann")
        raw = WebsocketsClient(nodes[-1].client, "chat:g", additional_headers={
            "Authorization": f"Bearer {jwt.encode({'sub': 'ann', 'exp': int(time.time()) + 60}, SECRET, algorithm='HS256')}"})
        for method, path, expected in [
            ("HEAD", f"/connections/{theirs.id}", 404), ("DELETE", f"/connections/{theirs.id}", 404), ("PUT", f"/groups/g/connections/{theirs.id}", 404),
            ("DELETE", f"/connections/{theirs.id}/groups", 200), ("HEAD", f"/connections/{ours.id}", 404), ("HEAD", f"/connections/{mine.id}", 200),
            ("HEAD", "/groups/g", 404),
        ]:  # fmt: skip
            assert app.call(method, path).status_code == expected, (method, path)
        sent = app.call("POST", f"/connections/{theirs.id}/:send", {"target": "said", "arguments": []})
        assert sent.status_code == 202 and sent.headers["x-ms-error-code"] == "Warning.Connection.NotExisted"
        # The hub of an application is another one, and so are its groups.
        assert shop.call("PUT", "/users/ann/groups/g").status_code == 200 and app.call("PUT", f"/groups/g/connections/{mine.id}").status_code == 200
        assert shop.send("/groups/g", "said", "shop") == 202 and app.send("/groups/g", "said", "chat") == 202
        assert ours.until("said") == [("said", ["shop"])] and mine.until("said") == [("said", ["chat"])]
        # All connections of a user, of a group, of the hub: of this hub.
        third = ServiceClient(app, "bob")
        assert app.call("POST", "/groups/g/:closeConnections", query=f"reason=over&excluded={third.id}").status_code == 204
        until(mine.has_ended, "it was in the group")
        assert not third.has_ended() and not ours.has_ended() and raw.closed is None
        mine = ServiceClient(app, "ann")
        assert app.call("POST", "/users/ann/:closeConnections").status_code == 204
        until(mine.has_ended, "it is closed")
        assert not theirs.has_ended() and not ours.has_ended() and raw.closed is None
        fourth = ServiceClient(app)
        assert app.call("POST", "/:closeConnections", query=f"excluded={fourth.id}").status_code == 204
        until(third.has_ended, "the hub is closed")
        assert not fourth.has_ended() and not theirs.has_ended() and not ours.has_ended() and raw.closed is None
        for client in (theirs, ours, fourth):
            client.close()
        raw.close()


def test_lists_of_groups(nodes: list[Node]) -> None:
    with application(nodes) as app:
        clients = [ServiceClient(app, f"user-{number}") for number in range(5)] + [ServiceClient(app)]
        for client in clients:
            assert app.call("PUT", f"/groups/g/connections/{client.id}").status_code == 200
        expected = {(client.id, f"user-{number}" if number < 5 else None) for number, client in enumerate(clients)}

        def page(query: str) -> dict[str, Any]:
            answer = app.call("GET", "/groups/g/connections", query=query, version="2024-12-01")
            assert answer.status_code == 200, answer.text
            return answer.json()

        def found(page: dict[str, Any]) -> set[tuple[str, str | None]]:
            return {(member["connectionId"], member.get("userId")) for member in page["value"]}

        whole = page("")
        assert found(whole) == expected and "nextLink" not in whole
        first = page("maxpagesize=4&top=5")
        assert len(first["value"]) == 4
        link = first["nextLink"]
        path = link.split("?")[0]
        token = jwt.encode({"aud": path, "exp": int(time.time()) + 60}, KEY, algorithm="HS256")
        rest = requests.get(link, headers={"Authorization": f"Bearer {token}"}, timeout=5).json()
        assert len(rest["value"]) == 1 and "nextLink" not in rest and found(first) | found(rest) < expected
        assert app.call("GET", "/groups/g/connections", query="continuationToken=x").status_code == 400
        assert page("")["value"] and app.call("GET", "/groups/none/connections").json() == {"value": []}
        for client in clients:
            client.close()


# What the application is told


def test_upstream_requests_have_claims_and_query(start_node: Any) -> None:
    upstream = Upstream()
    hub = {"path": "/chat", "prefix": "chat:", "keys": [KEY, OLD_KEY], "upstream": upstream.url + "/{hub}/{category}/{event}"}
    node: Node = start_node(**{**SETTINGS, "hubs": [hub]})
    with application([node], role=["admin", "writer"], name="Ann, the first") as app:
        client = ServiceClient(app, "ann")
        try:
            client._socket.send(json.dumps({"type": 1, "target": "Say", "arguments": [1]}) + END)
            until(lambda: upstream.of("Say"), "the call arrives")
            for request in (upstream.of("connected")[0], upstream.of("Say")[0]):
                assert request.headers["x-asrs-connection-id"] == client.id, "the id that the client has, too"
                assert request.headers["x-asrs-hub"] == "chat" and request.headers["x-asrs-user-id"] == "ann"
                # No claim can make another one: commas are encoded.
                assert request.headers["x-asrs-user-claims"] == "name: Ann%2C the first, role: admin, role: writer"
                assert request.headers["x-asrs-client-query"] == "?hub=chat"
                assert request.is_signed_with(KEY) and request.is_signed_with(OLD_KEY)
            assert upstream.of("Say")[0].headers["x-asrs-category"] == "messages"
            # The id is good for the REST data plane, and the other one for the API of Carillon.
            assert app.send(f"/connections/{upstream.of('Say')[0].headers['x-asrs-connection-id']}", "said", 1) == 202
            assert client.until("said") == [("said", [1])]
            [connection] = node.api.connections()
            assert upstream.of("Say")[0].headers["x-carillon-connection"] == connection["id"]
        finally:
            client.close()
    # A client at the hub's own path brings claims of its own token, without those about the token.
    token = jwt.encode({"sub": "bob", "exp": int(time.time()) + 60, "team": 7}, SECRET, algorithm="HS256")
    own = PySignalR(f"http://{node.client}/chat?room=1", [], token=token)
    try:
        until(lambda: len(upstream.of("connected")) == 2, "it comes")
        request = upstream.of("connected")[1]
        assert request.headers["x-asrs-user-claims"] == "sub: bob, team: 7"
        assert request.headers["x-asrs-client-query"] == "?room=1"
    finally:
        own.close()
        upstream.stop()


# The published list of operations


#: `docs/swagger` of Azure/azure-signalr (V20220601.json, v20241201.json, v1.json): each operation, its versions, and what is answered when
#: everything it names is there. `c`, `u` and `g` are a connection, its user and its group; a text says why an operation is refused.
OPERATIONS: list[tuple[str, str, str, int | str]] = [
    ("HEAD", "/api/health", "2022-06-01 2024-12-01", 200),
    ("HEAD", "/api/v1/health", "1.0", 200),
    ("GET", "/api/auth/accessKey", "2024-12-01", "identities of Azure"),
    ("POST", "/api/hubs/{hub}/:send", "2022-06-01 2024-12-01", 202),
    ("POST", "/api/hubs/{hub}/connections/c/:send", "2022-06-01 2024-12-01", 202),
    ("POST", "/api/hubs/{hub}/groups/g/:send", "2022-06-01 2024-12-01", 202),
    ("POST", "/api/hubs/{hub}/users/u/:send", "2022-06-01 2024-12-01", 202),
    ("HEAD", "/api/hubs/{hub}/connections/c", "2022-06-01 2024-12-01", 200),
    ("HEAD", "/api/hubs/{hub}/groups/g", "2022-06-01 2024-12-01", 200),
    ("HEAD", "/api/hubs/{hub}/users/u", "2022-06-01 2024-12-01", 200),
    ("PUT", "/api/hubs/{hub}/groups/g/connections/c", "2022-06-01 2024-12-01", 200),
    ("GET", "/api/hubs/{hub}/groups/g/connections", "2024-12-01", 200),
    ("DELETE", "/api/hubs/{hub}/groups/g/connections/c", "2022-06-01 2024-12-01", 200),
    ("DELETE", "/api/hubs/{hub}/connections/c/groups", "2022-06-01 2024-12-01", 200),
    ("PUT", "/api/hubs/{hub}/users/u/groups/g", "2022-06-01 2024-12-01", 200),
    ("HEAD", "/api/hubs/{hub}/users/u/groups/g", "2022-06-01 2024-12-01", 200),
    ("DELETE", "/api/hubs/{hub}/users/u/groups/g", "2022-06-01 2024-12-01", 204),
    ("DELETE", "/api/hubs/{hub}/users/u/groups", "2022-06-01 2024-12-01", 204),
    ("POST", "/api/hubs/{hub}/:generateToken", "2024-12-01", 200),
    ("POST", "/api/hubs/{hub}/:execute", "2024-12-01", "transaction"),
    ("POST", "/api/hubs/{hub}/connections/c/:invoke", "2024-12-01", "result"),
    ("POST", "/api/hubs/{hub}/connections/c/streams/s/:send", "2024-12-01", "streams"),
    ("POST", "/api/hubs/{hub}/connections/c/streams/s/:complete", "2024-12-01", "streams"),
    ("DELETE", "/api/hubs/{hub}/connections/c", "2022-06-01 2024-12-01", 200),
    ("POST", "/api/hubs/{hub}/users/u/:closeConnections", "2022-06-01 2024-12-01", 204),
    ("POST", "/api/hubs/{hub}/groups/g/:closeConnections", "2022-06-01 2024-12-01", 204),
    ("POST", "/api/hubs/{hub}/:closeConnections", "2022-06-01 2024-12-01", 204),
    ("POST", "/api/v1/hubs/{hub}", "1.0", 202),
    ("POST", "/api/v1/hubs/{hub}/users/u", "1.0", 202),
    ("POST", "/api/v1/hubs/{hub}/connections/c", "1.0", 202),
    ("POST", "/api/v1/hubs/{hub}/groups/g", "1.0", 202),
    ("GET", "/api/v1/hubs/{hub}/connections/c", "1.0", 200),
    ("HEAD", "/api/v1/hubs/{hub}/connections/c", "1.0", 200),
    ("GET", "/api/v1/hubs/{hub}/groups/g", "1.0", 200),
    ("HEAD", "/api/v1/hubs/{hub}/groups/g", "1.0", 200),
    ("GET", "/api/v1/hubs/{hub}/users/u", "1.0", 200),
    ("HEAD", "/api/v1/hubs/{hub}/users/u", "1.0", 200),
    ("PUT", "/api/v1/hubs/{hub}/groups/g/connections/c", "1.0", 200),
    ("DELETE", "/api/v1/hubs/{hub}/groups/g/connections/c", "1.0", 200),
    ("PUT", "/api/v1/hubs/{hub}/groups/g/users/u", "1.0", 202),
    ("GET", "/api/v1/hubs/{hub}/groups/g/users/u", "1.0", 200),
    ("HEAD", "/api/v1/hubs/{hub}/groups/g/users/u", "1.0", 200),
    ("DELETE", "/api/v1/hubs/{hub}/groups/g/users/u", "1.0", 202),
    ("DELETE", "/api/v1/hubs/{hub}/users/u/groups", "1.0", 200),
    ("DELETE", "/api/v1/hubs/{hub}/connections/c", "1.0", 202),
]


@pytest.mark.parametrize("version", ["1.0", "2022-06-01", "2024-12-01"])
def test_every_operation_is_served_or_refused_with_a_reason(start_node: Any, version: str) -> None:
    node: Node = start_node(**SETTINGS)
    with application([node]) as app:
        for method, template, versions, expected in OPERATIONS:
            if version not in versions.split():
                continue
            client = ServiceClient(app, "u")
            assert app.call("PUT", f"/groups/g/connections/{client.id}").status_code == 200
            path = template.replace("{hub}", "chat").replace("connections/c", f"connections/{client.id}")
            token = jwt.encode({"aud": f"{app.audience}{path}", "exp": int(time.time()) + 60}, KEY, algorithm="HS256")
            body = {"target": "said", "arguments": [1]} if method == "POST" else None
            answer = requests.request(
                method, f"http://{node.admin}{path}?api-version={version}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10)
            if isinstance(expected, int):
                assert answer.status_code == expected, (method, template, answer.status_code, answer.text)
            elif "/hubs/" in path:
                assert answer.status_code == 501 and answer.json()["error"]["code"] == "not_served", (method, template, answer.text)
                assert expected in answer.json()["error"]["message"], (method, template, answer.text)
            else:
                assert answer.status_code in (401, 404), (method, template, answer.status_code)
            client.close()


def test_what_is_not_there_in_the_words_of_the_service(nodes: list[Node]) -> None:
    """Its libraries take 404 for an answer where this header says so, and for a failure elsewhere."""
    with application(nodes) as app:
        nobody = "1" * 32
        for method, path, code in [
            ("HEAD", f"/connections/{nobody}", "Warning.Connection.NotExisted"), ("HEAD", "/users/nobody", "Warning.User.NotExisted"),
            ("HEAD", "/groups/none", "Warning.Group.NotExisted"), ("GET", "/users/nobody/groups/g", "Info.User.NotInGroup"),
            ("DELETE", f"/connections/{nobody}", "Warning.Connection.NotExisted"), ("PUT", f"/groups/g/connections/{nobody}", "Error.Connection.NotExisted"),
        ]:  # fmt: skip
            answer = app.call(method, path)
            assert answer.status_code == 404 and answer.headers["x-ms-error-code"] == code, (method, path, answer.status_code, answer.headers)
