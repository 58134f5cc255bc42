"""A Debian of our own in a folder: fresh, of the release that this machine runs, with systemd where it is to boot.

Needs root, as it mounts and changes users. It has a network of its own once it runs, so that its ports are nobody else's.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from rig.process import REPOSITORY
from rig.waiting import until

BUILD = REPOSITORY / ".build/package"
#: A root that is older than this, in seconds, is made again: Debian may have newer packages.
FRESH = 7 * 24 * 3600


def codename() -> str:
    lines = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return lines["VERSION_CODENAME"].strip('"')


def archive(name: str, suite: str, *packages: str) -> Path:
    """A packed root: the smallest Debian there is, and these packages. Made once, and again after a week."""
    file = BUILD / f"root-{suite}-{name}.tar"
    if not file.exists() or time.time() - file.stat().st_mtime > FRESH:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".new.tar")
        include = [f"--include={','.join(packages)}"] if packages else []
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", *include, suite, str(unfinished)], check=True, timeout=600)
        unfinished.rename(file)
    return file


class DebianRoot:
    """A root and what runs in it."""

    def __init__(self, packed: Path) -> None:
        BUILD.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix="debian-", dir=BUILD))
        self.path.chmod(0o755)
        subprocess.run(["tar", "-xf", str(packed), "-C", str(self.path), "--numeric-owner"], check=True)
        self._container: subprocess.Popen[bytes] | None = None
        self._log = self.path.with_suffix(".log")

    # MARK: Not running

    def chroot(self, *command: str, environment: dict[str, str] | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command with this folder as its root, with the machine's network, for what has to be fetched."""
        shutil.copy2("/etc/resolv.conf", self.path / "etc/resolv.conf")
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        # A mount namespace of its own: what it mounts goes with it. mmdebstrap made the devices.
        script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        result = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(self.path), *command],
            env={**variables, **(environment or {})}, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, check=False)
        assert not check or result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result

    # MARK: Running

    def boot(self) -> "DebianRoot":
        """Starts its systemd, and waits until everything has started that starts with the machine."""
        with self._log.open("wb") as log:
            self._container = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--boot", "--console=pipe",
                 "-D", str(self.path)], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)  # fmt: skip
        # `degraded`: some unit of Debian's does not work in a container. The test looks at its own.
        until(lambda: self._leader() and self.inside("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"), "it has booted", 90)
        return self

    def _leader(self) -> int | None:
        """The process that is the first one in there."""
        assert self._container is not None
        assert self._container.poll() is None, self._log.read_text(errors="replace")
        children = Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def inside(self, *command: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command in the running system."""
        result = subprocess.run(self.entering(*command), input=text if text is not None else "", capture_output=True, text=True, timeout=180, check=False)
        assert not check or result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result

    def entering(self, *command: str) -> list[str]:
        leader = self._leader()
        assert leader is not None, "it does not run"
        variables = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
        return ["nsenter", "--target", str(leader), "--all", "env", "-i", *variables, *command]

    def journal(self, unit: str) -> str:
        return self.inside("journalctl", "--no-pager", "--unit", unit, check=False).stdout

    def stop(self) -> None:
        """Ends it, and removes the folder."""
        if self._container is not None and self._container.poll() is None:
            self._container.terminate()
            try:
                self._container.wait(90)
            except subprocess.TimeoutExpired:
                self._container.send_signal(signal.SIGTERM)
                self._container.wait(30)
        shutil.rmtree(self.path)
        self._log.unlink(missing_ok=True)


def is_possible() -> bool:
    return os.geteuid() == 0 and all(shutil.which(program) for program in ("mmdebstrap", "systemd-nspawn", "unshare", "nsenter"))
