"""What a node takes from its machine: memory, files and time."""

import os
from pathlib import Path

from .node import Node

#: Memory that comes and goes with anything the node does, in bytes: buffers that grow when they are first needed,
#: malloc's arenas, one for each thread, and the kernel, which counts resident pages in batches of 32 on each core
#: (percpu_counter), 256 KiB on two. The same abuse again and again stays below it; a leak does not.
NOISE = 2 << 20

_TICKS = os.sysconf("SC_CLK_TCK")


class Footprint:
    """What a node took since this was made."""

    def __init__(self, node: Node) -> None:
        self._proc = Path(f"/proc/{node.pid}")
        self._node = node
        # From here on the kernel notes the highest value anew (proc(5)).
        (self._proc / "clear_refs").write_text("5")
        self.memory_before = self._resident()
        self.files_before = node.open_files()
        self._cpu_before = self._cpu()

    def _resident(self) -> int:
        """Resident bytes, counted page by page and not in batches."""
        return self._line("smaps_rollup", "Rss:")

    def _line(self, file: str, name: str) -> int:
        for line in (self._proc / file).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{file} has no {name}")

    def _cpu(self) -> float:
        fields = (self._proc / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def peak(self) -> int:
        """Bytes of memory more than before, at the worst moment."""
        return self._line("status", "VmHWM:") - self.memory_before

    @property
    def growth(self) -> int:
        """Bytes of memory more than before, now."""
        return self._resident() - self.memory_before

    @property
    def cpu_seconds(self) -> float:
        """Of all cores together."""
        return self._cpu() - self._cpu_before

    @property
    def files(self) -> int:
        """Open files more than before."""
        return self._node.open_files() - self.files_before


def counter(node: Node, name: str) -> int:
    """A counter of the node's metrics, all its reactors together; `name` without its prefix."""
    return int(node.api.metric(name))
