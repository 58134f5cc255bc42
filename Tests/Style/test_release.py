"""What belongs to a release says the same everywhere, and scripts have none of the usual mistakes."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VERSION = REPOSITORY / "Sources/Node/Lifecycle/Version.swift"


def version() -> str:
    [number] = re.findall(r'number = "(\d+\.\d+\.\d+)"', VERSION.read_text())
    return str(number)


def test_the_version_is_written_in_one_place_and_in_the_changelog() -> None:
    headings = re.findall(r"^## (.+)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    numbers = [heading for heading in headings if heading != "Unreleased"]
    assert numbers[0] == version(), "the newest version of CHANGELOG.md is that of the program"
    assert numbers == sorted(numbers, key=lambda number: [int(part) for part in number.split(".")], reverse=True)
    files = [path for folder in ("Sources", "Benchmarks", "deploy") for path in (REPOSITORY / folder).rglob("*") if path.suffix in (".swift", ".py", ".yaml", ".h")]
    elsewhere = [path for path in [*files, REPOSITORY / "Package.swift"] if path != VERSION and f'"{version()}"' in path.read_text(errors="replace")]
    assert elsewhere == []


def test_the_license_is_there_and_whole() -> None:
    text = (REPOSITORY / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    for section in range(1, 10):
        assert f"   {section}. " in text, section
    assert "END OF TERMS AND CONDITIONS" in text
    assert "(LICENSE)" in (REPOSITORY / "README.md").read_text()


def packaging() -> Any:
    """scripts/package.py as a module."""
    description = importlib.util.spec_from_file_location("package", REPOSITORY / "scripts/package.py")
    assert description and description.loader
    module = importlib.util.module_from_spec(description)
    description.loader.exec_module(module)
    return module


def test_a_package_says_who_built_it() -> None:
    maintainer = packaging().maintainer
    local = maintainer("0.3.0+git20260101000000.12345678", {})
    assert local == "Local build of Carillon <nobody@carillon.invalid>", "nobody is named who does not know of it"
    # Only a release needs somebody who answers.
    with pytest.raises(SystemExit, match="DEBFULLNAME and DEBEMAIL"):
        maintainer("0.3.0", {})
    expected = "Ann Example <ann@example.com>"
    for number in ("0.3.0", "0.3.0+git20260101000000.12345678"):
        assert maintainer(number, {"DEBFULLNAME": "Ann Example", "DEBEMAIL": "ann@example.com"}) == expected
        assert maintainer(number, {"DEBEMAIL": expected}) == expected
        assert maintainer(number, {"DEBFULLNAME": "Ann Example", "DEBEMAIL": "Bob <ann@example.com>"}) == expected
    for name, address in (("", "ann@example.com"), ("Ann", ""), ("Ann", "ann"), ("Ann", "ann@localhost"), ("Ann\nBob", "ann@example.com"), ("Ann <", "ann@example.com")):
        with pytest.raises(SystemExit, match="has to be"):
            maintainer("0.3.0", {"DEBFULLNAME": name, "DEBEMAIL": address})


def test_contributing_names_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (REPOSITORY / "CONTRIBUTING.md").read_text()))
    assert named and named <= targets


def test_python_has_no_usual_mistakes() -> None:
    result = subprocess.run([sys.executable, "-m", "ruff", "check", "--quiet", "."], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_shell_has_no_usual_mistakes() -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not there")
    scripts = [path for folder in ("scripts", "Tests", "Benchmarks") for path in (REPOSITORY / folder).rglob("*.sh")]
    result = subprocess.run(["shellcheck", *map(str, scripts), str(REPOSITORY / ".ci/run")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
