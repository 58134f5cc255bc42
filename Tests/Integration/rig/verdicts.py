"""An application that decides about clients as they ask it to: for tests in which each connect has a verdict of its own."""

import asyncio
import json
from typing import Any


class Verdicts:
    """The application behind `auth.connect_hook`, on the loop it is started on.

    A client says in the `data` of its `connect` (or in the query of its request, as `verdict=NAME.USER`) what it is to be
    told: `accept`, `slow` (accepted after a while), `refuse`, `fail` (status 500), or `silent` (no answer in time).
    """

    def __init__(self, slow: float = 0.05, silent: float = 2.0) -> None:
        self._slow = slow
        self._silent = silent
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        #: What was asked, in order: verdict and user.
        self.asked: list[tuple[str, str]] = []
        #: The whole questions.
        self.questions: list[dict[str, Any]] = []

    async def start(self) -> "Verdicts":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/connect"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
                question = json.loads(await reader.readexactly(length))
                status, body = await self._decide(question)
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._serving.discard(task)
            writer.close()

    async def _decide(self, question: dict[str, Any]) -> tuple[int, str]:
        wish = (question.get("data") or {}).get("verdict")
        if wish is None:
            wish = question["target"].partition("verdict=")[2].partition("&")[0]
        verdict, _, user = wish.partition(".")
        self.questions.append(question)
        self.asked.append((verdict, user))
        if verdict == "fail":
            return 500, ""
        if verdict == "refuse":
            return 403, "{}"
        if verdict in ("slow", "silent"):
            await asyncio.sleep(self._slow if verdict == "slow" else self._silent)
        return 200, json.dumps({"sub": user} if user else {})

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
