"""A connect hook that lets visitors do everything, as Centrifugo's `client.insecure` does."""

import http.server

CLAIMS = b'{"grants": [{"match": "*", "allow": ["subscribe", "publish", "presence", "history"]}]}'


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(CLAIMS)))
        self.end_headers()
        self.wfile.write(CLAIMS)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 8002), Hook).serve_forever()
