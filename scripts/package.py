#!/usr/bin/env python3
"""Builds what is installed on other machines, from the program that `make build` made:

    .build/package/carillon_VERSION_ARCH.deb             for the release of Debian that this runs on
    .build/package/carillon-VERSION-linux-ARCH.tar.gz    the same files for other distributions
    .build/package/sizes.txt                             how large they are, and the program with and without symbols

VERSION is that of the program. Between releases, the time and the commit that it was built from follow, so that each
package is newer than the one before. Everything in the files has the time of the commit: two runs make the same bytes.

DEBFULLNAME and DEBEMAIL say who maintains the package, as they do for Debian's own tools. A release needs them; without them, the package
says that it is a local build, with an address that nobody can have (RFC 2606 2).
"""

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from email.utils import formatdate, parseaddr
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = REPOSITORY / ".build/release/carillon"
CHECKOUTS = REPOSITORY / ".build/checkouts"
OUTPUT = REPOSITORY / ".build/package"
DEPLOY = REPOSITORY / "deploy"
#: What the packages show of deploy/; the rest of it is installed at its place, or is for building.
EXAMPLES = ["grafana", "haproxy", "nginx", "prometheus", "redis"]
DOCUMENTS = ["README.md", "SECURITY.md", "CHANGELOG.md", "LICENSE", "docs/operations.md", "docs/security.md"]
#: Where the authors of a package ask for their notices to be shown, or the license asks for its own text.
NOTICES = ["NOTICE*", "Sources/*/LICENSE*"]
#: Packages under licenses that want to be shown, beside the Apache license, which every copy of Debian has.
SHOWN_LICENSES = ["Yams"]


def git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""


def version() -> str:
    """`0.2.0`, or `0.2.0+git20261129195500.db12e73` between releases; `+local` behind it if the sources were changed."""
    [number] = re.findall(r'number = "([^"]+)"', (REPOSITORY / "Sources/Node/Lifecycle/Version.swift").read_text())
    commit = git("rev-parse", "--short=8", "HEAD")
    if not commit or f"v{number}" in git("tag", "--points-at", "HEAD").split():
        return number
    moment = time.strftime("%Y%m%d%H%M%S", time.gmtime(int(git("log", "-1", "--format=%ct"))))
    return f"{number}+git{moment}.{commit}" + (".local" if git("status", "--porcelain") else "")


def architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def notices() -> str:
    """What the authors of the packages in the program ask to be passed on with it."""
    parts = ["The program carillon contains these packages. Swift's runtime is in it too; see copyright.\n"]
    for checkout in sorted(CHECKOUTS.iterdir()):
        files = [file for pattern in NOTICES for file in sorted(checkout.glob(pattern))]
        if checkout.name in SHOWN_LICENSES:
            files += sorted(checkout.glob("LICENSE*"))
        texts = [file.read_text(errors="replace").strip() for file in files]
        parts.append("\n\n".join([f"{'=' * 80}\n{checkout.name}", *texts]) + "\n")
    return "\n".join(parts)


def unit() -> str:
    """The unit of deploy/systemd for a program in /usr/bin, without what its comment says about installing it by hand."""
    text = (DEPLOY / "systemd/carillon.service").read_text()
    text, replaced = re.subn(r"\A# A node under systemd\..*?\n# Secrets and keys:", "# A node under systemd.\n#\n# Secrets and keys:", text, flags=re.DOTALL)
    if not replaced:
        sys.exit("error: the comment of deploy/systemd/carillon.service has another form")
    return text.replace("/usr/local/bin/", "/usr/bin/")


def maintainer(number: str, environment: Mapping[str, str]) -> str:
    """`NAME <ADDRESS>` of whoever builds the package.

    DEBEMAIL may have both, as in deb-src-control(5) and debchange(1).
    """
    name, address = parseaddr(environment.get("DEBEMAIL", ""))
    name = environment.get("DEBFULLNAME", "") or name
    if not name and not address:
        if "+" not in number:
            sys.exit("error: this is a release: say who maintains its package with DEBFULLNAME and DEBEMAIL")
        return re.findall(r"^Maintainer: (.+)$", (DEPLOY / "debian/control").read_text(), re.MULTILINE)[0]
    if not re.fullmatch(r"[^<>\n,]*\w[^<>\n,]*", name) or not re.fullmatch(r"[^\s<>@,]+@[^\s<>@,]+\.[^\s<>@,.]+", address):
        sys.exit("error: DEBFULLNAME has to be a name, and DEBEMAIL an address such as ann@example.com, and both are needed")
    return f"{name.strip()} <{address}>"


def changelog(number: str, moment: int, maintainer: str) -> str:
    return f"carillon ({number}) unstable; urgency=medium\n\n  * What changed is in CHANGELOG.md.gz.\n\n -- {maintainer}  {formatdate(moment)}\n"


def stage(place: Path, program: Path) -> None:
    """Everything that the packages contain, each thing once."""
    (place / "program").mkdir(parents=True)
    shutil.copy2(program, place / "program/carillon")
    subprocess.run([sys.executable, REPOSITORY / "scripts/manual.py", program, place], check=True)
    for document in DOCUMENTS:
        target = place / document
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(REPOSITORY / document, target)
    (place / "NOTICE").write_text(notices())
    for example in EXAMPLES:
        shutil.copytree(DEPLOY / example, place / "examples" / example)
    shutil.copy2(DEPLOY / "sysctl/90-carillon.conf", place)
    shutil.copy2(DEPLOY / "debian/carillon.yaml", place)


def debian(place: Path, number: str, moment: int) -> Path:
    """Has debhelper build the package; everything it does is in deploy/debian."""
    shutil.copytree(DEPLOY / "debian", place / "debian")
    (place / "debian/carillon.service").write_text(unit())
    who = maintainer(number, os.environ)
    control = place / "debian/control"
    control.write_text(re.sub(r"^Maintainer: .+$", lambda _: f"Maintainer: {who}", control.read_text(), flags=re.MULTILINE))
    (place / "debian/changelog").write_text(changelog(number, moment, who))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(moment), "DEB_BUILD_OPTIONS": "nocheck", "DH_QUIET": "1"}
    subprocess.run(
        ["dpkg-buildpackage", "--build=binary", "--no-sign", "--no-pre-clean", "--no-post-clean"], cwd=place, env=environment, check=True,
        stdout=subprocess.DEVNULL)
    [package] = place.parent.glob("carillon_*.deb")
    return package


def tarball(place: Path, file: Path, name: str, moment: int) -> None:
    """The staged files in a folder of their own: sorted, owned by root, all of one time."""
    contents = {
        f"{name}/bin/carillon": place / "debian/carillon/usr/bin/carillon", f"{name}/systemd/carillon.service": DEPLOY / "systemd/carillon.service",
        f"{name}/systemd/carillon.yaml": place / "carillon.yaml", f"{name}/systemd/90-carillon.conf": place / "90-carillon.conf",
    }  # fmt: skip
    for page in (place / "man").iterdir():
        contents[f"{name}/share/man/man{page.suffix[1:]}/{page.name}"] = page
    for script in (place / "completions").rglob("*"):
        if script.is_file():
            contents[f"{name}/share/completions/{script.relative_to(place / 'completions')}"] = script
    for document in [*DOCUMENTS, "NOTICE"]:
        contents[f"{name}/{document}"] = place / document
    for example in (place / "examples").rglob("*"):
        if example.is_file():
            contents[f"{name}/{example.relative_to(place)}"] = example
    with file.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, moment) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for path, source in sorted(contents.items()):
            entry = archive.gettarinfo(source, path)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            entry.mtime = moment
            entry.mode = 0o755 if path.endswith("/bin/carillon") else 0o644
            with source.open("rb") as content:
                archive.addfile(entry, content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=PROGRAM, help="the program, with its symbols")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the files go")
    arguments = parser.parse_args()
    number = version()
    moment = int(git("log", "-1", "--format=%ct") or time.time())
    os.environ["SOURCE_DATE_EPOCH"] = str(moment)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for old in [*arguments.output.glob("carillon*.deb"), *arguments.output.glob("carillon*.tar.gz")]:
        old.unlink()
    # debhelper writes beside the folder it works in.
    with tempfile.TemporaryDirectory(dir=arguments.output) as folder:
        place = Path(folder) / "stage"
        stage(place, arguments.program.resolve())
        built = debian(place, number, moment)
        package = arguments.output / built.name
        shutil.move(built, package)
        name = f"carillon-{number}-linux-{architecture()}"
        archive = arguments.output / f"{name}.tar.gz"
        tarball(place, archive, name, moment)
        sizes = {
            "program with symbols": arguments.program.resolve(), "program without symbols": place / "debian/carillon/usr/bin/carillon",
            "Debian package": package, "tarball": archive,
        }  # fmt: skip
        text = "".join(f"{what}: {file.stat().st_size} bytes\n" for what, file in sizes.items())
    (arguments.output / "sizes.txt").write_text(text)
    print(f"{package}\n{archive}\n{text}", end="")


if __name__ == "__main__":
    main()
