"""Drives `carillon bench crowd`: sessions in several client processes that do what lines say."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from typing import Any, Callable, Iterable

from .client import Failed
from .processes import end


class Crowd:
    """`with Crowd(...) as crowd`: opens the sessions on entering, closes them on leaving."""

    def __init__(self, command: list[str], urls: Iterable[str], sessions: int, payload_bytes: int, to_each: bool,
                 progress: Callable[[str], None], guard: Callable[[], None]):
        self.command = [*command, "crowd", "--json", "--sessions", str(sessions), "--bytes", str(payload_bytes)]
        for url in urls:
            self.command += ["--url", url]
        if to_each:
            self.command.append("--publish-to-each")
        self.sessions = sessions
        self.progress = progress
        #: Called about twice a second while something is waited for; raises where the run has to stop.
        self.guard = guard
        self.opened: dict[str, Any] = {}
        self.replies: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.errors: list[str] = []

    def __enter__(self) -> "Crowd":
        self.popen = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        self.threads = [threading.Thread(target=read, daemon=True) for read in (self.read_replies, self.read_progress)]
        for thread in self.threads:
            thread.start()
        try:
            self.opened = self.reply("open", 360 + self.sessions / 800)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.stdin.close()
        try:
            # Resetting a million connections takes a while.
            self.popen.wait(60 + self.sessions / 5000)
        except subprocess.TimeoutExpired:
            end(self.popen)
        for thread in self.threads:
            thread.join(5)
        self.popen.stdout.close()
        self.popen.stderr.close()

    def read_replies(self) -> None:
        for line in self.popen.stdout:
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            if "event" in answer:
                self.replies.put(answer)
        self.replies.put(None)

    def read_progress(self) -> None:
        for line in self.popen.stderr:
            self.errors = [*self.errors[-5:], line.strip()]
            self.progress(line.strip())

    def reply(self, event: str, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            self.guard()
            try:
                answer = self.replies.get(timeout=0.5)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise Failed(f"the clients did not say '{event}' within {seconds:.0f} s") from None
                continue
            if answer is None:
                raise Failed(f"the clients ended: {' '.join(self.errors[-3:])}")
            if answer["event"] == "error":
                raise Failed(answer["message"])
            if answer["event"] == event:
                return answer

    def ask(self, line: str, event: str, seconds: float = 180) -> dict[str, Any]:
        self.popen.stdin.write(line + "\n")
        return self.reply(event, seconds)

    def broadcast(self) -> dict[str, Any]:
        """Publishes once; what came when, and `to_last` in milliseconds."""
        answer = self.ask("broadcast", "arrived")
        answer["to_last"] = (answer["lastNanoseconds"] - answer["publishedNanoseconds"]) / 1e6
        return answer

    def run(self, run: int) -> None:
        self.ask(f"run {run:08x}", "run")

    def arrival(self, sequence: int, seconds: float = 120) -> dict[str, Any]:
        return self.ask(f"await {sequence} {seconds:g}", "arrived", seconds + 60)

    def counts(self) -> dict[str, Any]:
        return self.ask("counts", "counts", 60)
