"""What processes have used, read from /proc (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Time on a CPU in user mode and in the kernel, of those that still exist. The kernel counts in ticks of 10 ms."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def private_bytes(pids: Iterable[int]) -> int:
    """Memory that only these processes hold."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))
    return total
