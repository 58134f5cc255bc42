"""The packages that `make package` built, and Debian roots to install them in."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Debian keeps servers where not everybody's PATH leads.
os.environ["PATH"] += ":/usr/sbin:/sbin"
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "Integration")]

from debian_root import BUILD, DebianRoot, archive, codename, is_possible  # noqa: E402 - it is found only now


@pytest.fixture(scope="session")
def package() -> Path:
    found = sorted(BUILD.glob("carillon_*.deb"))
    assert len(found) == 1, f"{BUILD} has not one package but {len(found)}; build it with: make package"
    return found[0]


@pytest.fixture(scope="session")
def tarball() -> Path:
    [found] = BUILD.glob("carillon-*.tar.gz")
    return found


@pytest.fixture(scope="session")
def older(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it may have been in an earlier release: another version, and another configuration to begin with."""
    place = tmp_path_factory.mktemp("older")
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(place / "content")], check=True)
    control = place / "content/DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 0.1.0", control.read_text(), flags=re.MULTILINE))
    configuration = place / "content/etc/carillon/carillon.yaml"
    configuration.write_text("# As it was.\n" + configuration.read_text())
    file = place / "carillon_0.1.0.deb"
    # Packed fast: nobody keeps it.
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", str(place / "content"), str(file)], check=True, stdout=subprocess.DEVNULL)
    return file


@pytest.fixture
def debian() -> Iterator[DebianRoot]:
    """A fresh Debian of this machine's release, with systemd, that does not run yet."""
    if not is_possible():
        pytest.fail("this needs root, mmdebstrap and systemd-container: run it as root, after scripts/install.sh test-all")
    root = DebianRoot(archive("systemd", codename(), "systemd-sysv", "dbus", "zsh", "fish", "man-db"))
    yield root
    root.stop()
