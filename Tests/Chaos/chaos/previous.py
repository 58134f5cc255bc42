"""The version before this one, as it is found beside this one in the middle of an upgrade."""

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
#: What was released last; set anew with each release.
COMMIT = "c163f107498469d8388fed805916f668b59f468c"
#: Its own build folder, kept for the next time.
PLACE = REPOSITORY / ".build/previous" / COMMIT[:12]


def previous() -> Path:
    """The program of that version, built when it is not there yet, which takes minutes."""
    program = PLACE / "build/release/carillon"
    if program.exists():
        return program
    known = subprocess.run(["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"], cwd=REPOSITORY, capture_output=True, check=False)
    if known.returncode != 0:
        pytest.skip("the history of the repository is not here, and with it the previous version")
    source = PLACE / "source"
    source.mkdir(parents=True, exist_ok=True)
    print(f"\nbuilding the previous version, {COMMIT[:12]}", flush=True)
    archive = subprocess.run(["git", "archive", COMMIT, "Package.swift", "Sources", "Tests", "Benchmarks"], cwd=REPOSITORY, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    built = subprocess.run(
        ["swift", "build", "-c", "release", "--product", "carillon", "--package-path", str(source), "--scratch-path", str(PLACE / "build")],
        capture_output=True, text=True, check=False)  # fmt: skip
    assert program.exists(), built.stdout[-3000:] + built.stderr[-1000:]
    return program
