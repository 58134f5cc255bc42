"""Servers under measurement: started on free ports, ended by their own process id."""

from __future__ import annotations

import os
import random
import re
import resource
import select
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 15.0
STOP_SECONDS = 8.0


class NotStarted(Exception):
    """A server did not come up; the message has its last words."""


def raise_file_limit() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all different. Below those that the system gives to connections: no connection gets one meanwhile."""
    found: list[int] = []
    for port in random.sample(range(10_000, 32_000), 22_000):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                found.append(port)
            except OSError:
                continue
    return found


def wait_for_port(port: int, process: "Process") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        process.check()
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise NotStarted(f"{process.name} does not listen on {port} after {START_SECONDS:.0f} s\n{process.last_words()}")


class Process:
    """One process of a server, with its output in a file."""

    def __init__(self, name: str, command: list[str], directory: Path, environment: dict[str, str] | None = None):
        self.name = name
        self.log = directory / f"{name}.log"
        self.output = open(self.log, "wb")
        self.popen = subprocess.Popen(
            command, stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=directory,
            env={**os.environ, **(environment or {})})

    def check(self) -> None:
        if self.popen.poll() is not None:
            raise NotStarted(f"{self.name} ended with status {self.popen.returncode}\n{self.last_words()}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def listening_port(self) -> int:
        """Waits for the line "listening on ADDRESS:PORT"."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(r"listening on \S*:(\d+)", self.last_words())
            if found:
                return int(found[1])
            self.check()
            time.sleep(0.02)
        raise NotStarted(f"{self.name} did not say where it listens\n{self.last_words()}")

    def pids(self) -> list[int]:
        return self.pids_of(self.popen.pid)

    @staticmethod
    def pids_of(pid: int) -> list[int]:
        """A process and its descendants."""
        parents: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    stat = Path(entry.path, "stat").read_text()
                except OSError:
                    continue
                parents.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
        found = [pid]
        for each in found:
            found.extend(parents.get(each, []))
        return found

    def wait_for_descendants(self, count: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while len(self.pids()) <= count:
            self.check()
            if time.monotonic() > deadline:
                raise NotStarted(f"{self.name} has no {count} worker processes\n{self.last_words()}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.output.close()


class Servers:
    """What a subject runs for one measurement: its processes and where clients connect."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.urls: list[str] = []
        #: Addresses of admin listeners, where there are any.
        self.admins: list[str] = []
        self.dialect = "raw"
        self.allocation_files: list[Path] = []
        #: Connections that are open as long as the servers run.
        self.held: list[socket.socket] = []

    def pids(self) -> list[int]:
        return [pid for process in self.processes for pid in process.pids()]

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for connection in self.held:
            connection.close()
        # They end beside each other.
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in reversed(self.processes):
            process.stop()


def run_bounded(command: list[str], seconds: float, on_line, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Runs a command; passes lines of its standard error on while it runs; returns status, output and error output."""
    popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment)
    try:
        out, err = follow(popen, time.monotonic() + seconds, on_line)
    finally:
        popen.stdout.close()
        popen.stderr.close()
        status = end(popen)
    return status, out, err


def end(popen: subprocess.Popen) -> int:
    """Ends it, if it has not ended, in a way that lets it end what it started."""
    if popen.poll() is None:
        popen.terminate()
        try:
            return popen.wait(30)
        except subprocess.TimeoutExpired:
            popen.kill()
    return popen.wait()


def follow(popen: subprocess.Popen, deadline: float, on_line) -> tuple[str, str]:
    """Reads both outputs until they end or the deadline passes."""
    streams = {popen.stdout.fileno(): bytearray(), popen.stderr.fileno(): bytearray()}
    open_streams = set(streams)
    error = streams[popen.stderr.fileno()]
    shown = 0
    while open_streams and time.monotonic() < deadline:
        ready, _, _ = select.select(list(open_streams), [], [], 0.5)
        for descriptor in ready:
            piece = os.read(descriptor, 65536)
            if not piece:
                open_streams.discard(descriptor)
            streams[descriptor] += piece
        end = error.rfind(b"\n")
        if end > shown:
            on_line(error[shown:end].decode(errors="replace").strip().split("\n")[-1])
            shown = end
    if not open_streams:
        popen.wait(STOP_SECONDS)
    return tuple(bytes(each).decode(errors="replace") for each in streams.values())
