"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def first(path: str, start: str) -> str:
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(start):
                return line.split(":" if ":" in line else "=", 1)[1].strip().strip('"')
    except OSError:
        pass
    return ""


def describe(files: int) -> dict[str, str]:
    memory = first("/proc/meminfo", "MemTotal").split()
    return {
        "processor": f"{first('/proc/cpuinfo', 'model name') or platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[0]) / 1024 / 1024:.0f} GiB" if memory else "",
        "kernel": platform.release(),
        "system": first("/etc/os-release", "PRETTY_NAME"),
        "files per process": str(files),
        "network": "loopback, plain TCP where nothing else is said; clients on the same machine",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "swift": swift_version(),
    }


def swift_version() -> str:
    try:
        done = subprocess.run(["swift", "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "Swift version" in line]
    return lines[0].split("Swift version ")[1].split(" ")[0] if lines else ""
