"""A JWKS server for tests: serves the file it is given, and misbehaves on other paths. Prints its port, ends with stdin.

    python3 server.py FILE
"""

import http.server
import pathlib
import sys
import threading
import time

FILE = pathlib.Path(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/jwks.json":
            self.answer(200, FILE.read_bytes())
        elif self.path == "/moved":
            self.answer(302, location="/jwks.json")
        elif self.path == "/large":
            self.answer(200, b" " * ((1 << 20) + 1))
        elif self.path == "/endless":
            # No length, so that only counting can tell.
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(64):
                    self.wfile.write(b" " * 65536)
            except OSError:
                pass
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(600):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.05)
            except OSError:
                pass
        elif self.path == "/text":
            self.answer(200, b"<html>sign in first</html>")
        else:
            self.answer(500)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
