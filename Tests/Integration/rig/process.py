"""A server process: started with its own directory, stopped by its own id."""

import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

from .waiting import until

REPOSITORY = Path(__file__).resolve().parents[3]


def free_port() -> int:
    """A port nobody listens on. For servers that cannot choose one themselves.

    Below those that the system gives to connections and to whoever asks for any port: between this and the start of the
    server, nobody else gets it.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def accepts(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


#: Seen instead of what was waited for.
_ENDED = object()


def closes(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side ends a connection in time without having said anything."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True
    except TimeoutError:
        return False


class Process:
    """One process with a log file."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def launch(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                # Ctrl-C reaches whoever started us, and that stops the others in their order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_until(self, condition, what: str, seconds: float = 15.0):
        """Waits for a condition, and says why when the process ended instead."""

        def look():
            return _ENDED if not self.is_running else condition()

        try:
            seen = until(look, f"{self.name}: {what}", seconds)
            assert seen is not _ENDED, f"{self.name} ended with {self.exit_code} before: {what}"
            return seen
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()[-3000:]}") from None

    def send(self, number: int) -> None:
        if self.is_running:
            os.kill(self.pid, number)

    def pause(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once, without letting it say goodbye."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = 15.0) -> int | None:
        if self._process is not None:
            self._process.wait(seconds)
        return self.exit_code

    def stop(self, seconds: float = 15.0) -> None:
        """Asks it to end, and makes it end when it does not."""
        if not self.is_running:
            return
        self.resume()
        self.send(signal.SIGTERM)
        try:
            self.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not end within {seconds:g} s and was killed", file=sys.stderr)
            self.kill()
