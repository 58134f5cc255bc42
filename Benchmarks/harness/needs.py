"""What a machine needs for so many sessions, what it has, and what is missing, in words for whoever operates it."""

from __future__ import annotations

import resource
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

#: Bytes, measured as docs/million.md says: both ends of a connection in the kernel, a session in a node and in a client process, and
#: a node and a client process without any.
KERNEL, NODE_SESSION, CLIENT_SESSION = 10_600, 420, 60
NODE_BASE, CLIENT_BASE = 8 << 20, 8 << 20
#: Of all memory this is left alone. The run stops when less than the second is left.
KEPT_FREE, LEAST_FREE = 5 << 28, 10 ** 9
#: Sessions of a node and of a client process, at most.
NODE_SESSIONS, WORKER_SESSIONS = 19_500, 18_000
#: Files of a process that are no sessions.
OTHER_FILES = 500
#: Threads of a node and of a client process, at most.
THREADS = 24


@dataclass
class Machine:
    """What there is. Numbers are None where the system does not say."""

    memory: int
    files: int
    system_files: int | None = None
    ports: int | None = None
    orphans: int | None = None
    #: Connections that netfilter can still follow; None where it does not follow those of loopback.
    tracked: int | None = None
    threads: int | None = None
    #: Pages that queued data of all TCP connections may take.
    tcp_pages: int | None = None
    loopback: bool = True
    programs: list[str] = field(default_factory=list)


def nodes_for(sessions: int, files: int) -> int:
    """As many nodes as the sessions need, and one more, because one of them is drained; at least three."""
    each = max(1, min(NODE_SESSIONS, files - OTHER_FILES))
    return max(3, -(-sessions // each) + 1)


def workers_for(sessions: int) -> int:
    return max(1, -(-sessions // WORKER_SESSIONS))


def memory_for(sessions: int, nodes: int) -> dict[str, int]:
    return {
        "the kernel": sessions * KERNEL, "nodes": sessions * NODE_SESSION + nodes * NODE_BASE,
        "clients": sessions * CLIENT_SESSION + workers_for(sessions) * CLIENT_BASE, "kept free": KEPT_FREE}


def gib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"


def shortages(machine: Machine, sessions: int, nodes: int) -> list[str]:
    """What is missing, one thing a sentence or two, each with what would be right."""
    found = [f"{name} is not installed: apt-get install {package}" for name, package in
             (("redis-server", "redis-server"), ("cc", "gcc")) if name not in machine.programs]
    found += memory(machine, sessions, nodes) + files(machine, sessions, nodes) + network(machine, sessions, nodes)
    threads = (nodes + workers_for(sessions)) * THREADS
    if machine.threads is not None and machine.threads < threads:
        found.append(f"threads: {nodes:,} nodes and {workers_for(sessions):,} client processes need {threads:,} threads, and the system allows "
                     f"{machine.threads:,}: sysctl -w kernel.threads-max={threads * 2} kernel.pid_max={threads * 2}, or ulimit -u {threads * 2}")
    return found


def memory(machine: Machine, sessions: int, nodes: int) -> list[str]:
    parts = memory_for(sessions, nodes)
    needed = sum(parts.values())
    if machine.memory >= needed:
        return []
    fixed = KEPT_FREE + nodes * NODE_BASE + workers_for(sessions) * CLIENT_BASE
    fits = max(0, (machine.memory - fixed) // (KERNEL + NODE_SESSION + CLIENT_SESSION)) // 1000 * 1000
    said = ", ".join(f"{name} {gib(value)}" for name, value in parts.items())
    return [f"memory: {sessions:,} sessions need {gib(needed)} ({said}), and {gib(machine.memory)} are free."
            + (f" SESSIONS={fits} fits." if fits > 0 else "")]


def files(machine: Machine, sessions: int, nodes: int) -> list[str]:
    found = []
    # When one node has been drained, the others have its sessions.
    node = -(-sessions // max(1, nodes - 1)) + OTHER_FILES
    worker = -(-sessions // workers_for(sessions)) + OTHER_FILES
    if machine.files < max(node, worker):
        found.append(f"files per process: a node of {nodes:,} needs {node:,} and a client process {worker:,}, and a process may open "
                     f"{machine.files:,} here. Raise the hard limit: ulimit -Hn {max(node, worker)} as root, or LimitNOFILE= in systemd.")
    whole = 2 * sessions + (nodes + workers_for(sessions)) * OTHER_FILES
    if machine.system_files is not None and machine.system_files < whole:
        found.append(f"files of the system: {sessions:,} connections and their processes need {whole:,}, and {machine.system_files:,} can still be "
                     f"opened: sysctl -w fs.file-max={whole * 2}")
    return found


def network(machine: Machine, sessions: int, nodes: int) -> list[str]:
    found = []
    # A client process has addresses of its own, and from each a port for each connection to one node.
    each = -(-sessions // workers_for(sessions) // nodes) + 1
    if machine.ports is not None and machine.ports < max(each, 4 * nodes):
        found.append(f"ports: each client process needs {each:,} for each node, the nodes {4 * nodes:,}, and the range has {machine.ports:,}: "
                     "sysctl -w net.ipv4.ip_local_port_range='32768 60999'")
    if not machine.loopback:
        found.append("addresses: this system does not let a process use 127.16.0.1. The clients come from addresses of 127.0.0.0/8, because one "
                     "address has too few ports: ip addr add 127.0.0.1/8 dev lo")
    leaving = -(-sessions // nodes)
    if machine.orphans is not None and machine.orphans < leaving:
        found.append(f"closing connections: when a node of {leaving:,} sessions is drained, as many close at the same time, and the system keeps "
                     f"{machine.orphans:,}: sysctl -w net.ipv4.tcp_max_orphans={leaving * 2}")
    if machine.tracked is not None and machine.tracked < sessions:
        found.append(f"connection tracking: a firewall rule makes netfilter follow connections of loopback, and it has room for {machine.tracked:,}: "
                     f"sysctl -w net.netfilter.nf_conntrack_max={sessions * 2}, or leave loopback out (-t raw -A PREROUTING -i lo -j NOTRACK)")
    return found


def remarks(machine: Machine, sessions: int) -> list[str]:
    """What does not stop the run, and may make it slower."""
    if machine.tcp_pages is not None and machine.tcp_pages < sessions:
        return [f"net.ipv4.tcp_mem lets queued data take {machine.tcp_pages:,} pages. If the clients fall behind by more than that, connections "
                f"shrink their windows and a broadcast takes longer; nothing is lost. sysctl -w net.ipv4.tcp_mem='{sessions} {sessions} {sessions}' allows more."]
    return []


# What this machine has


def number(path: str, place: int = 0) -> int | None:
    try:
        return int(Path(path).read_text().split()[place])
    except (OSError, ValueError, IndexError):
        return None


def meminfo() -> dict[str, int]:
    """Bytes by name."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) == 3}


def free_memory() -> int:
    """Free, or with a file's content that can be read again. MemAvailable also counts what sockets keep in slabs, which is not available."""
    now = meminfo()
    return now["MemFree"] + now["Active(file)"] + now["Inactive(file)"]


def kernel_memory() -> int:
    """Neither free, nor of a process, nor a file's content."""
    now = meminfo()
    return now["MemTotal"] - now["MemFree"] - now["Buffers"] - now["Cached"] - now.get("SwapCached", 0) - now["AnonPages"]


def read() -> Machine:
    allowed, opened = number("/proc/sys/fs/file-max"), number("/proc/sys/fs/file-nr")
    low, high = number("/proc/sys/net/ipv4/ip_local_port_range"), number("/proc/sys/net/ipv4/ip_local_port_range", 1)
    limits = [number("/proc/sys/kernel/threads-max"), number("/proc/sys/kernel/pid_max"), resource.getrlimit(resource.RLIMIT_NPROC)[1]]
    return Machine(
        memory=free_memory(), files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        system_files=allowed - opened if allowed is not None and opened is not None else None,
        ports=high - low + 1 if low is not None and high is not None else None,
        orphans=number("/proc/sys/net/ipv4/tcp_max_orphans"), tracked=room_for_tracking(),
        threads=min((limit for limit in limits if limit is not None and limit > 0), default=None),
        tcp_pages=number("/proc/sys/net/ipv4/tcp_mem", 2), loopback=has_loopback_addresses(),
        programs=[name for name in ("redis-server", "cc") if shutil.which(name)])


def has_loopback_addresses() -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.16.0.1", 0))
        except OSError:
            return False
    return True


def room_for_tracking(connections: int = 32) -> int | None:
    """Opens some connections and looks whether netfilter has seen them: only where a rule needs it, it does."""
    allowed = number("/proc/sys/net/netfilter/nf_conntrack_max")
    before = number("/proc/sys/net/netfilter/nf_conntrack_count")
    if allowed is None or before is None:
        return None
    with socket.create_server(("127.0.0.1", 0), backlog=connections) as server:
        opened = [socket.create_connection(server.getsockname()) for _ in range(connections)]
        after = number("/proc/sys/net/netfilter/nf_conntrack_count") or 0
        for each in opened:
            each.close()
    return allowed - after if after >= before + connections // 2 else None
