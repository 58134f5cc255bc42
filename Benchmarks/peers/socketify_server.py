"""uWebSockets with its native pub/sub, through socketify. Prints "listening on 127.0.0.1:PORT".

Python runs once per publication and once per connection; delivering is uWebSockets alone.
"""

import os
import sys

from socketify import App, AppListenOptions, CompressOptions

TOPIC = "bench"


def opened(socket):
    socket.subscribe(TOPIC)


def received(socket, message, opcode):
    # The application publishes, so that the sender gets it too.
    app.publish(TOPIC, message, opcode)


app = App()
app.ws("/*", {
    "compression": CompressOptions.DISABLED,
    "idle_timeout": 0,
    "max_backpressure": 64 * 1024 * 1024,
    "open": opened,
    "message": received,
})
app.listen(
    AppListenOptions(port=int(os.environ["PORT"]), host="127.0.0.1"),
    lambda options: print(f"listening on 127.0.0.1:{options.port}", flush=True))
sys.stdout.flush()
app.run()
