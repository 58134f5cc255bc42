"""The Debian package in a fresh Debian: installed, started, upgraded, removed, purged. And the tarball."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from debian_root import BUILD, DebianRoot, codename
from rig.process import REPOSITORY
from rig.waiting import until

CONFIGURATION = "/etc/carillon/carillon.yaml"


def field(package: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "--field", str(package), name], capture_output=True, text=True, check=True).stdout.strip()


def contents(package: Path) -> dict[str, str]:
    """Path → mode, of everything in it."""
    lines = subprocess.run(["dpkg-deb", "--contents", str(package)], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[5].removeprefix("."): line.split()[0] for line in lines}


def test_lintian_has_nothing_to_say(package: Path) -> None:
    result = subprocess.run(["lintian", "--allow-root", "--display-info", "--pedantic", "--tag-display-limit", "0", str(package)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr
    # What is overridden has a reason above it, and is really there: an override that nothing needs would be told.
    lines = (REPOSITORY / "deploy/debian/carillon.lintian-overrides").read_text().splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        assert line.startswith(("#", "carillon: ")), line
        assert line.startswith("#") or before.startswith(("#", "carillon: ")), f"without a reason: {line}"


def test_what_is_in_the_package(package: Path) -> None:
    found = contents(package)
    for path in ("/usr/bin/carillon", CONFIGURATION, "/lib/systemd/system/carillon.service", "/usr/lib/sysusers.d/carillon.conf",
                 "/usr/lib/sysctl.d/90-carillon.conf", "/usr/share/bash-completion/completions/carillon",
                 "/usr/share/zsh/vendor-completions/_carillon", "/usr/share/fish/vendor_completions.d/carillon.fish",
                 "/usr/share/man/man1/carillon.1.gz", "/usr/share/man/man1/carillon-serve.1.gz", "/usr/share/man/man5/carillon.yaml.5.gz",
                 "/usr/share/doc/carillon/NOTICE.gz", "/usr/share/doc/carillon/copyright",
                 "/usr/share/doc/carillon/examples/haproxy/haproxy.cfg"):  # fmt: skip
        assert path in found, path
    assert found["/etc/carillon/keys/"] == "drwx------"
    # The libraries that security fixes come for are the system's; Swift's runtime is not to be had there.
    depends = field(package, "Depends")
    assert {"libssl3", "libhiredis0.14", "zlib1g", "libc6"} <= set(re.findall(r"[\w.-]+", depends)) or codename() != "bookworm"
    assert "swift" not in depends


def test_its_licenses_are_complete(tmp_path: Path, package: Path) -> None:
    """Every package that the build took is named with its license, and its notice is passed on."""
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    copyright_file = (tmp_path / "usr/share/doc/carillon/copyright").read_text()
    notice = subprocess.run(["zcat", str(tmp_path / "usr/share/doc/carillon/NOTICE.gz")], capture_output=True, text=True, check=True).stdout
    state = json.loads((REPOSITORY / ".build/workspace-state.json").read_text())
    identities = {dependency["subpath"] for dependency in state["object"]["dependencies"]}
    assert len(identities) > 20
    words = set(re.findall(r"[\w-]+", copyright_file))
    assert identities - words == set()
    for identity in identities:
        checkout = REPOSITORY / ".build/checkouts" / identity
        for file in checkout.glob("NOTICE*"):
            assert file.read_text().strip()[:200] in notice, identity
    assert (REPOSITORY / ".build/checkouts/Yams/LICENSE").read_text().strip() in notice


def documented(what: str) -> float:
    """A size in the table of docs/operations.md, in bytes."""
    [(number, unit)] = re.findall(rf"^\| {re.escape(what)}[^|]*\| ([\d.]+) (MB|kB) \|", (REPOSITORY / "docs/operations.md").read_text(), re.MULTILINE)
    return float(number) * {"MB": 1e6, "kB": 1e3}[unit]


def test_sizes_are_as_documented() -> None:
    sizes = dict(re.findall(r"^(.+): (\d+) bytes$", (BUILD / "sizes.txt").read_text(), re.MULTILINE))
    assert len(sizes) == 4
    for what, size in sizes.items():
        assert 0.85 <= int(size) / documented(what) <= 1.15, f"{what}: {size} bytes; update docs/operations.md"


def test_two_runs_make_the_same_bytes(package: Path, tarball: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(REPOSITORY / "scripts/package.py"), "--output", str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    for first in (package, tarball):
        second = tmp_path / first.name
        assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest(), first.name


def listens(debian: DebianRoot, port: int) -> bool:
    return debian.inside("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}", check=False).returncode == 0


def hears(debian: DebianRoot, port: int, text: str) -> None:
    """A subscriber gets what is published, both by the program's own commands."""
    subscriber = subprocess.Popen(
        debian.entering("carillon", "subscribe", "news", "--server", f"ws://127.0.0.1:{port}"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: "news" in debian.inside("carillon", "channels", check=False).stdout, "it is subscribed", 30)
        debian.inside("carillon", "publish", "news", text)
        assert subscriber.stdout is not None
        assert subscriber.stdout.readline().strip() == text
    finally:
        subscriber.terminate()
        subscriber.wait(10)


def main_pid(debian: DebianRoot) -> str:
    return debian.inside("systemctl", "show", "--property=MainPID", "--value", "carillon").stdout.strip()


def test_the_package_is_installed_upgraded_and_removed(debian: DebianRoot, package: Path, older: Path) -> None:
    for file, name in ((older, "older.deb"), (package, "newer.deb")):
        shutil.copy2(file, debian.path / name)
    # APT finds what it depends on in Debian.
    debian.chroot("apt-get", "update", "-q")
    debian.chroot("apt-get", "install", "-q", "-y", "--no-install-recommends", "/older.deb")
    debian.boot()

    # It starts with the machine, as a user of its own, and serves.
    until(lambda: debian.inside("systemctl", "is-active", "carillon", check=False).stdout.strip() == "active", f"it runs: {debian.journal('carillon')}", 30)
    assert debian.inside("carillon", "health").returncode == 0
    status = debian.inside("cat", f"/proc/{main_pid(debian)}/status").stdout
    user = debian.inside("id", "-u", "carillon").stdout.strip()
    assert re.search(rf"^Uid:\s+{user}\s", status, re.MULTILINE) and user != "0"
    assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
    hears(debian, 8000, "good morning")
    assert debian.inside("carillon", "--version").stdout.startswith("0.")

    # An operator sets it up: another port, a token that only root may read, a key.
    original = debian.inside("cat", CONFIGURATION).stdout
    changed = original.replace("0.0.0.0:8000", "0.0.0.0:8100")
    assert changed != original and "# As it was." in original
    (debian.path / CONFIGURATION[1:]).write_text(changed)
    environment = debian.path / "etc/carillon/environment"
    environment.write_text("CARILLON_ADMIN_TOKEN=a-token-for-tests\n")
    environment.chmod(0o600)
    (debian.path / "etc/carillon/keys/jwt").write_text("a-secret-for-tests-of-more-than-32-bytes\n")
    debian.inside("carillon", "check", CONFIGURATION)
    debian.inside("systemctl", "restart", "carillon")
    assert listens(debian, 8100) and not listens(debian, 8000)
    assert debian.inside("carillon", "cluster", check=False).returncode == 1
    debian.inside("env", "CARILLON_ADMIN_TOKEN=a-token-for-tests", "carillon", "cluster")
    assert debian.inside("ls", str(Path("/proc", str(main_pid(debian)), "root", "run/credentials/carillon.service"))).stdout.split() == ["keys_jwt"]

    # The upgrade: another program, the operator's configuration, and the package's new one beside it.
    before = main_pid(debian)
    debian.inside("dpkg", "--force-confold", "--install", "/newer.deb")
    assert debian.inside("dpkg-query", "--show", "--showformat=${Version}", "carillon").stdout == field(package, "Version")
    assert main_pid(debian) not in (before, "0")
    assert debian.inside("cat", CONFIGURATION).stdout == changed
    assert "# As it was." not in debian.inside("cat", f"{CONFIGURATION}.dpkg-dist").stdout
    assert listens(debian, 8100) and not listens(debian, 8000)
    assert debian.inside("stat", "--format=%a %U", "/etc/carillon/keys", "/etc/carillon/environment").stdout.split("\n")[:2] == ["700 root", "600 root"]
    # Installed again, nothing of the package's is new, so nobody is asked.
    debian.inside("dpkg", "--install", "/newer.deb")
    assert debian.inside("cat", CONFIGURATION).stdout == changed and listens(debian, 8100)

    # Reload, stop, and what the journal says: nothing that anybody would have to look at.
    debian.inside("systemctl", "reload", "carillon")
    journal = debian.journal("carillon")
    assert "serves clients on 0.0.0.0:8100" in journal
    # But for the token that the test did not give above; and where this machine may not raise limits, Dispatch may not prefer a thread.
    expected = ["audit: wrong token"]
    if re.search(r"^Max nice priority +0 ", debian.inside("cat", f"/proc/{main_pid(debian)}/limits").stdout, re.MULTILINE):
        expected.append("Failed to set thread priority")
    odd = [line for line in journal.splitlines() if re.search(r"\b(error|warning)\b|Failed|dumped core|killed", line)]
    assert [line for line in odd if not any(words in line for words in expected)] == []
    verified = debian.inside("systemd-analyze", "verify", "carillon.service", check=False)
    assert "carillon" not in verified.stderr, verified.stderr
    exposure = debian.inside("systemd-analyze", "security", "--no-pager", "carillon.service").stdout
    assert float(re.findall(r"exposure level for carillon.service: ([\d.]+)", exposure)[0]) < 3, exposure

    # Removed: nothing runs, the configuration stays. Purged: what the package brought is gone, what the operator made is not.
    debian.inside("dpkg", "--remove", "carillon")
    assert debian.inside("systemctl", "is-active", "carillon", check=False).stdout.strip() == "inactive" and not listens(debian, 8100)
    assert not (debian.path / "usr/bin/carillon").exists() and (debian.path / CONFIGURATION[1:]).read_text() == changed
    debian.inside("dpkg", "--purge", "carillon")
    assert sorted(path.name for path in (debian.path / "etc/carillon").iterdir()) == ["environment", "keys"]
    left = debian.inside("find", "/etc", "/usr", "/lib/systemd", "/var/lib", "-name", "*carillon*", "-not", "-path", "/var/lib/dpkg/*").stdout.split()
    assert left == ["/etc/carillon"], left
    assert debian.inside("systemctl", "list-unit-files", "carillon.service", "--no-legend", check=False).stdout == ""


def test_shells_and_man_know_it(debian: DebianRoot, package: Path) -> None:
    shutil.copy2(package, debian.path / "carillon.deb")
    debian.chroot("apt-get", "update", "-q")
    debian.chroot("apt-get", "install", "-q", "-y", "--no-install-recommends", "/carillon.deb")
    for shell, file in (("zsh", "/usr/share/zsh/vendor-completions/_carillon"), ("fish", "/usr/share/fish/vendor_completions.d/carillon.fish"),
                        ("bash", "/usr/share/bash-completion/completions/carillon")):  # fmt: skip
        checked = debian.chroot(shell, "--no-execute" if shell == "fish" else "-n", file)
        assert checked.stderr == "", shell
    offered = debian.chroot("fish", "-c", "complete -C 'carillon pu'").stdout
    assert offered.startswith("publish\t"), offered
    assert "carillon - A broadcast" in " ".join(debian.chroot("man", "carillon").stdout.split())
    assert "backplane.redis.url" in debian.chroot("man", "carillon.yaml").stdout


def test_the_tarball_runs(debian: DebianRoot, tarball: Path, package: Path) -> None:
    subprocess.run(["tar", "-xzf", str(tarball), "-C", str(debian.path / "opt")], check=True)
    [folder] = (debian.path / "opt").iterdir()
    assert folder.name == tarball.name.removesuffix(".tar.gz")
    libraries = [name for name in re.findall(r"([\w.+-]+)(?: \([^)]*\))?(?:,|$)", field(package, "Depends")) if name.startswith(("lib", "zlib"))]
    debian.chroot("apt-get", "update", "-q")
    debian.chroot("apt-get", "install", "-q", "-y", "--no-install-recommends", *libraries)
    program = f"/opt/{folder.name}/bin/carillon"
    assert debian.chroot(program, "--version").stdout.startswith("0.")
    assert debian.chroot(program, "check", f"/opt/{folder.name}/systemd/carillon.yaml").returncode == 0
    for file in ("LICENSE", "NOTICE", "docs/operations.md", "share/man/man1/carillon.1", "share/completions/zsh/_carillon", "systemd/carillon.service"):
        assert (folder / file).is_file(), file
    assert yaml.safe_load((folder / "systemd/carillon.yaml").read_text())["client"]["listen"] == "0.0.0.0:8000"
