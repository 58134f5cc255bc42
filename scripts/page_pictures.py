#!/usr/bin/env python3
"""Takes pictures of every view of the admin page, for docs/images: page-VIEW-WIDTH-SCHEME.png.

    make docs                       with a cluster that has run for ten minutes, so that its lines are whole
    make docs PICTURES=--quick      after half a minute

The cluster is a real one: Redis, three nodes, people in rooms, publications that rise and fall, a client that does not keep up,
and Redis away for a few seconds.
"""

import argparse
import math
import sys
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "Tests/Integration"))

from rig.page import AdminPage  # noqa: E402 - it is found only now
from rig.stage import USERS, Stage  # noqa: E402
from rig.wire import frame  # noqa: E402

IMAGES = REPOSITORY / "docs/images"
#: Width of the window, and how much of a view is shown at most.
SIZES = {1280: 1100, 390: 1500}


class Scene:
    """What goes on while the pictures are taken."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ended = threading.Event()
        self._started = time.monotonic()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._publish, self._visit, self._flood)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join(20)

    def _publish(self) -> None:
        """As many publications a second as a wave has it."""
        count = 0
        while not self.ended.is_set():
            age = time.monotonic() - self._started
            pause = 1 / (30 + 18 * math.sin(age / 45) + 8 * math.sin(age / 11))
            count += 1
            try:
                self.stage.nodes[count % 3].api.publish(f"scores:{count % 5}" if count % 3 else "news", data={"n": count, "home": count % 4})
                if count % 40 == 0:
                    self.stage.first.api.publish("chat:lobby", data={"from": USERS[count % 8], "text": "Good morning!"})
            except Exception:  # noqa: BLE001 - Redis is away at times
                pass
            self.ended.wait(pause)

    def _visit(self) -> None:
        """Readers come and go."""
        readers = []
        number = 0
        while not self.ended.is_set():
            age = time.monotonic() - self._started
            wanted = int(45 + 25 * math.sin(age / 60) + 6 * math.sin(age / 9))
            while len(readers) < wanted:
                number += 1
                readers.append(self.stage.raw([f"scores:{number % 5}", *(["news"] if number % 2 else [])], number % 3 if number % 4 else 0))
            while len(readers) > wanted:
                readers.pop(0).close()
            self.ended.wait(1)

    def _flood(self) -> None:
        """Somebody publishes faster than it may, and somebody else does not read."""
        self.stage.raw(["video:camera"], 1, user="slow-reader", receive_buffer=4096)
        eager = self.stage.raw(["typing"], 2, user="eager")
        while not self.ended.is_set():
            try:
                self.stage.first.api.publish("video:camera", binary=b"\0" * 60_000)
                eager.send(frame(b'{"typing":true}') * 120)
            except Exception:  # noqa: BLE001 - as above
                pass
            self.ended.wait(0.5)


def pictures(page: AdminPage, stage: Stage) -> None:
    views = {
        "overview": ("#/overview", "The last ten minutes"), "nodes": ("#/nodes", "node-3"), "node": ("#/nodes/node-2", "Publications waiting"),
        "channels": ("#/channels", "scores:"), "channel": ("#/channels/chat%3Alobby", "Older ones"), "connections": ("#/connections?sort=backlog", "ann"),
        "connection": (f"#/connections/{stage.clients[0].id}", "chat:lobby"), "links": ("#/links", "Redis at"), "limits": ("#/limits", "Slow consumers"),
        "configuration": ("#/config", "limits.message_bytes"),
    }  # fmt: skip
    for name, (place, text) in views.items():
        page.go(place, text)
        if name == "channel":
            page.press("Start", "#view section:nth-of-type(2)")
            page.waits(lambda: page.count(".flow li.publication pre") > 22, "shows what is published", 60)
        for width, most in SIZES.items():
            for dark in (False, True):
                page.browser.show_as(width, 900, dark=dark)
                # What is drawn to measure is drawn once a second.
                drawn = page.run("performance.now()")
                page.waits(lambda: page.run("performance.now()") > drawn + 2200, "has drawn itself")
                page.run("scrollTo(0, 0)")
                height = min(most, page.run("document.documentElement.scrollHeight"))
                file = IMAGES / f"page-{name}-{width}-{'dark' if dark else 'light'}.png"
                file.write_bytes(page.browser.picture(width, height))
                print(f"{file.relative_to(REPOSITORY)}  {file.stat().st_size // 1000} kB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="after half a minute")
    seconds = 30 if parser.parse_args().quick else 600
    with tempfile.TemporaryDirectory(prefix="carillon-pictures-", ignore_cleanup_errors=True) as directory:
        stage = Stage(Path(directory), limits={"publish_rate": 100, "publish_burst": 100})
        scene = Scene(stage)
        page = None
        try:
            stage.start().populate()
            scene.start()
            time.sleep(seconds * 0.6)
            stage.cluster.redis.pause()
            time.sleep(4)
            stage.cluster.redis.resume()
            time.sleep(seconds * 0.4)
            page = AdminPage(Path(directory) / "browser", stage.first)
            page.browser.show_as(1280, 900)
            page.shows("3 of 3 nodes heard", "#summary")
            pictures(page, stage)
        finally:
            scene.stop()
            if page:
                page.stop()
            stage.stop()


if __name__ == "__main__":
    main()
