#!/usr/bin/env python3
"""Runs every test and adds up the counts.

The last line is `N passed, N failed`, and the exit status says the same. `--all` runs what takes long too: 10 minutes of
random bytes, 100,000 sessions, the 517 cases of the Autobahn suite by itself (where there is a Python 2.7), every scenario
of the chaos suite, the packages in a fresh Debian, every fuzz target for a minute, sessions under AddressSanitizer for 20
minutes, and unit and integration tests again under ThreadSanitizer.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / ".build"
#: Unit tests are built in a place of their own, because two builds in one place wait for each other.
UNIT = ["--scratch-path", str(BUILD / "unit")]
#: Reports about the code of others that are known not to be so.
SUPPRESSIONS = REPOSITORY / "Tests/tsan-suppressions.txt"
#: Integration tests that compare memory or time with a figure, or need thousands of sessions.
UNFIT_FOR_SANITIZERS = ["test_scale.py", "test_random_bytes.py", "test_abuse_*.py"]
#: Integration tests that measure, or need many sessions: half of their time.
MEASURING = ["test_scale.py", "test_random_bytes.py", "test_abuse_*.py", "test_slow_*.py", "test_storms.py", "test_slot_stress.py"]
#: One of them has a bound that other parts would break: it runs by itself.
ALONE = "test_abuse_presence.py"
#: Tests of what sessions own, which are to be run under AddressSanitizer for long.
ADDRESS_SANITIZED = ["Tests/Integration/test_login_model.py", "Tests/Integration/test_slot_stress.py"]
#: How many unit tests run at the same time: with all of them begun at once, each one's deadlines run while it waits for the others.
UNITS_AT_A_TIME = 16
#: How many parts of the tests against nodes run at the same time.
AT_A_TIME = 3
#: Tests of parts that failed beside others run again by themselves, if they are not more than this. Whether one passes then is told.
AGAIN = 8
#: Where tests against nodes are.
FOLDERS = ["Tests/Integration", "Tests/Chaos", "Tests/Conformance"]
#: Nodes send one by one, as where a container forbids io_uring. All tests also run where it may be used.
ONE_BY_ONE = ["env", "CARILLON_NODE_IO_URING=off"]
#: Tests of what that could make a difference to: fan-out, slow consumers, frames, history, delivery through Redis.
SENDING = ["test_frames.py", "test_cluster.py", "test_redis.py", "test_slow_consumer.py", "test_deltas.py", "test_filters.py", "test_history.py", "test_event_streams.py"]
#: Behind the name of a test that ran so.
SAYS_ONE_BY_ONE = " (one by one)"
#: Files of the chaos suite that take half of its time.
CHAOS_HALF = ["node_faults", "presence_faults", "redis_faults", "system_faults"]


class Score:
    """What passed and what did not."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        #: What passed only when nothing else ran.
        self.passed_alone: list[str] = []

    def add(self, name: str, is_good: bool) -> None:
        if is_good:
            self.passed += 1
        else:
            self.failed.append(name)

    def read(self, file: Path, what: str, status: int) -> None:
        """Takes the results of a runner; one that says it failed and names no test counts as one failure."""
        before = len(self.failed)
        cases = list(ElementTree.parse(file).iter("testcase")) if file.exists() else []
        skipped = 0
        suffix = SAYS_ONE_BY_ONE if what.endswith(SAYS_ONE_BY_ONE) else ""
        for case in cases:
            if case.find("skipped") is not None:
                skipped += 1
                continue
            is_good = case.find("failure") is None and case.find("error") is None
            self.add(f"{case.get('classname')} {case.get('name')}{suffix}", is_good)
        if skipped:
            print(f"{what}: {skipped} skipped", flush=True)
        if len(self.failed) == before and (status != 0 or len(cases) == skipped):
            self.failed.append(f"{what} (exit status {status}, {len(cases)} results)")


def step(title: str, command: list[str], **environment: str) -> int:
    """Runs a command with its output shown; how long it took is told afterwards."""
    print(f"\n== {title}: {' '.join(command)}", flush=True)
    start = time.monotonic()
    status = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **environment}, check=False).returncode
    print(f"== {title}: {'good' if status == 0 else f'exit status {status}'}, {time.monotonic() - start:.0f} s", flush=True)
    return status


def lint(score: Score) -> None:
    sources = ["Sources", "Tests", "Benchmarks", "Package.swift"]
    score.add("swift-format", step("format", ["swift", "format", "lint", "--strict", "--recursive", *sources]) == 0)


def style(score: Score) -> None:
    results = BUILD / "style.xml"
    results.unlink(missing_ok=True)
    status = step("style suite", [sys.executable, "-m", "pytest", "Tests/Style", f"--junitxml={results}"])
    score.read(results, "style suite", status)


def build(score: Score, *, with_tests: bool) -> bool:
    """The program, and beside it the unit tests: modules that are optimised as a whole keep one core busy for minutes."""
    command = ["swift", "build", "-c", "release", "--product", "carillon"]
    if not with_tests:
        is_built = step("build", command) == 0
        score.add("build", is_built)
        return is_built
    log = BUILD / "unit-build.log"
    with log.open("wb") as output:
        tests = subprocess.Popen(["swift", "build", "--build-tests", *UNIT], cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT)
        try:
            is_built = step("build", command) == 0
        finally:
            status = tests.wait()
    score.add("build", is_built)
    if status != 0:
        # `swift test` builds again, fails again, and counts.
        print(f"\n== build of the unit tests: exit status {status}\n{log.read_text(errors='replace')[-4000:]}", flush=True)
    return is_built


def unit(score: Score) -> None:
    # The results of Swift Testing are written beside the file that is named (those of XCTest, of which there are none).
    results = BUILD / "unit-swift-testing.xml"
    results.unlink(missing_ok=True)
    before = len(score.failed)
    command = ["swift", "test", *UNIT, "--xunit-output", str(BUILD / "unit.xml")]
    status = step("unit tests", command, SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=str(UNITS_AT_A_TIME))
    score.read(results, "unit tests", status)
    again(score, before, {name: command for name in score.failed[before:] if (command := unit_alone(name))})


def unit_alone(name: str) -> list[str] | None:
    """The command that runs one unit test, from its name in the report, `Target.Suite test(_:)`; nothing for what names no test."""
    found = re.fullmatch(r"(\w+Tests)\.([\w./]+) (\w+)\(.*\)", name)
    if not found:
        return None
    target, suite, test = found.groups()
    # The runner is good also with no test at all, so the pattern has to be exact.
    return ["swift", "test", *UNIT, "--skip-build", "--filter", f"^{target}\\.{re.escape(suite)}/{test}\\("]


def pytest(name: str, *arguments: str) -> tuple[str, list[str], Path]:
    """What a run is called, its command, and where its results go."""
    results = BUILD / f"{re.sub('[^a-z]+', '-', name).strip('-')}.xml"
    results.unlink(missing_ok=True)
    way = ONE_BY_ONE if name.endswith(SAYS_ONE_BY_ONE) else []
    return name, [*way, sys.executable, "-m", "pytest", *arguments, f"--junitxml={results}"], results


def one_after_the_other(score: Score, runs: list[tuple[str, list[str], Path]]) -> None:
    for name, command, results in runs:
        score.read(results, name, step(name, command))


def side_by_side(score: Score, runs: list[tuple[str, list[str], Path]]) -> None:
    """Some at a time, in their order, because most of a test's time is waiting. What they print is shown when they are over."""
    start = time.monotonic()
    waiting = list(runs)
    running: list[tuple[str, Path, Path, subprocess.Popen[bytes]]] = []
    while waiting or running:
        while waiting and len(running) < AT_A_TIME:
            name, command, results = waiting.pop(0)
            print(f"\n== {name}: {' '.join(command)}", flush=True)
            log = results.with_suffix(".log")
            with log.open("wb") as output:
                process = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT)
            running.append((name, results, log, process))
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        for entry in [entry for entry in running if entry[3].poll() is not None]:
            running.remove(entry)
            name, results, log, process = entry
            ended = "good" if process.returncode == 0 else f"exit status {process.returncode}"
            print(f"\n== {name}: {ended}, after {time.monotonic() - start:.0f} s\n{log.read_text(errors='replace')}", flush=True)
            score.read(results, name, process.returncode)


def again(score: Score, before: int, tests: dict[str, list[str]]) -> None:
    """Tests that failed beside others, by themselves: a bound of time that other work broke holds then, a fault does not."""
    failed = score.failed[before:]
    if not tests or len(tests) < len(failed) or len(failed) > AGAIN:
        return
    for name, command in tests.items():
        if step("again, by itself", command) == 0:
            score.failed.remove(name)
            score.passed += 1
            score.passed_alone.append(name)


def test_alone(name: str) -> list[str] | None:
    """The command that runs one test of pytest, from its name in the report, `module test[seed-parameters]`."""
    way = ONE_BY_ONE if name.endswith(SAYS_ONE_BY_ONE) else []
    module, _, test = name.removesuffix(SAYS_ONE_BY_ONE).partition(" ")
    found = [path for folder in FOLDERS if (REPOSITORY / (path := f"{folder}/{module.rpartition('.')[2]}.py")).exists()]
    if not test or not found:
        return None
    # A scenario of the chaos suite has another seed each time, which is a part of its name.
    seed = re.search(r"\[(\d+)", test) if found[0].startswith("Tests/Chaos") else None
    return [*way, sys.executable, "-m", "pytest", f"{found[0]}::{test}", "-q", *(["--seed", seed[1]] if seed else [])]


def divided(files: Iterable[Path], count: int) -> list[list[str]]:
    """Files divided so that all parts have about as much in them."""
    parts: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for file in sorted(files, key=lambda file: -file.stat().st_size):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(str(file.relative_to(REPOSITORY)))
        sizes[smallest] += file.stat().st_size
    return [sorted(part) for part in parts]


def against_nodes(score: Score) -> None:
    """Integration, conformance and chaos, in parts. Tests that measure have bounds that hold beside two other parts, but for one."""
    folder = REPOSITORY / "Tests/Integration"
    measuring = {file for pattern in MEASURING for file in folder.glob(pattern)}
    measured = divided(measuring - {folder / ALONE}, 3)
    others = divided((file for file in folder.glob("test_*.py") if file not in measuring), 4)
    files = {str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / "Tests/Chaos").glob("test_*.py")}
    half = {f"Tests/Chaos/test_{name}.py" for name in CHAOS_HALF} & files
    before = len(score.failed)
    side_by_side(score, [
        *(pytest(f"integration tests that measure, part {'abc'[number]}", *part) for number, part in enumerate(measured)),
        *(pytest(f"integration tests, part {'abcd'[number]}", *part) for number, part in enumerate(others)),
        pytest("chaos, first half", *sorted(half), "-s", "--page=first-half"),
        pytest("chaos, second half", *sorted(files - half), "-s", "--page=second-half"),
        pytest("conformance", "Tests/Conformance"),
        pytest(f"integration tests of sending{SAYS_ONE_BY_ONE}", *(f"Tests/Integration/{name}" for name in SENDING)),
    ])  # fmt: skip
    again(score, before, {name: command for name in score.failed[before:] if (command := test_alone(name))})
    one_after_the_other(score, [pytest("integration tests that run alone", f"Tests/Integration/{ALONE}")])


def against_nodes_in_full(score: Score) -> None:
    """All of it one after the other: figures are held to what is asked."""
    one_after_the_other(score, [
        pytest("integration tests", "Tests/Integration", "--everything"),
        pytest("conformance", "Tests/Conformance", "--everything"),
        pytest(f"integration tests{SAYS_ONE_BY_ONE}", "Tests/Integration", "--everything"),
        pytest(f"conformance{SAYS_ONE_BY_ONE}", "Tests/Conformance", "--everything"),
        pytest(f"chaos{SAYS_ONE_BY_ONE}", "Tests/Chaos", "-s", "--page=one-by-one"),
    ])  # fmt: skip
    chaos(score)


def chaos(score: Score) -> None:
    """Every scenario, one after the other."""
    one_after_the_other(score, [pytest("chaos", "Tests/Chaos", "-s", "--everything")])


def packages(score: Score) -> None:
    """What `make package` builds, installed in a fresh Debian, and the container's file system."""
    is_built = step("package", [sys.executable, "scripts/package.py"]) == 0
    score.add("package", is_built)
    if is_built:
        one_after_the_other(score, [pytest("packages", "Tests/Package")])


def autobahn() -> None:
    """The suite itself, which needs an interpreter that Debian no longer has; without it kosoku judges alone."""
    if (BUILD / "autobahn/bin/wstest").exists() or step("Autobahn suite", ["Tests/Conformance/autobahn.sh"]) == 0:
        return
    print("the Autobahn suite cannot be installed; kosoku runs its cases, but for 30 of compression", flush=True)


def memory(score: Score) -> None:
    """Sessions that come, are judged and go, over TLS and without, for ten minutes under AddressSanitizer: no report."""
    place = BUILD / "asan"
    flags = ["--sanitize=address", "--scratch-path", str(place)]
    is_built = step("build, AddressSanitizer", ["swift", "build", *flags, "--product", "carillon"]) == 0
    score.add("build, AddressSanitizer", is_built)
    if not is_built:
        return
    results = BUILD / "asan-integration.xml"
    results.unlink(missing_ok=True)
    reports = place / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", *ADDRESS_SANITIZED, "--everything", "-s", f"--junitxml={results}"]
    # What a process holds when it ends is not what this is about.
    options = f"log_path={reports}/report detect_leaks=0 abort_on_error=1"
    status = step("sessions, AddressSanitizer", command, CARILLON=str(place / "debug/carillon"), ASAN_OPTIONS=options)
    score.read(results, "sessions, AddressSanitizer", status)
    found = sorted(reports.iterdir())
    for report in found:
        print(f"\n-- {report}\n{report.read_text(errors='replace')[:4000]}", flush=True)
    score.add(f"AddressSanitizer: {len(found)} reports in {reports}", not found)


def races(score: Score) -> None:
    """Unit and integration tests under ThreadSanitizer: no report, whatever they say otherwise."""
    place = BUILD / "tsan"
    reports = place / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    options = {"TSAN_OPTIONS": f"log_path={reports}/report exitcode=0 second_deadlock_stack=1 suppressions={SUPPRESSIONS}"}
    flags = ["--sanitize=thread", "--scratch-path", str(place)]
    results = BUILD / "tsan-swift-testing.xml"
    results.unlink(missing_ok=True)
    status = step("unit tests, ThreadSanitizer", ["swift", "test", *flags, "--xunit-output", str(BUILD / "tsan.xml")], **options)
    score.read(results, "unit tests, ThreadSanitizer", status)
    is_built = step("build, ThreadSanitizer", ["swift", "build", *flags, "--product", "carillon"]) == 0
    score.add("build, ThreadSanitizer", is_built)
    if is_built:
        results = BUILD / "tsan-integration.xml"
        results.unlink(missing_ok=True)
        # Not what measures memory or time, or needs thousands of sessions: the sanitizer costs ten times of each.
        left_out = [f"--ignore-glob=Tests/Integration/{name}" for name in UNFIT_FOR_SANITIZERS]
        command = [sys.executable, "-m", "pytest", "Tests/Integration", f"--junitxml={results}", *left_out]
        status = step("integration tests, ThreadSanitizer", command, CARILLON=str(place / "debug/carillon"), **options)
        score.read(results, "integration tests, ThreadSanitizer", status)
        results = BUILD / "tsan-chaos.xml"
        results.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "Tests/Chaos", f"--junitxml={results}", "-k", "f2 or f6 or f9", "--seeds", "10", "--page=tsan"]
        status = step("chaos, ThreadSanitizer", command, CARILLON=str(place / "debug/carillon"), **options)
        score.read(results, "chaos, ThreadSanitizer", status)
    found = sorted(reports.iterdir())
    for report in found:
        print(f"\n-- {report}\n{report.read_text(errors='replace')[:4000]}", flush=True)
    score.add(f"ThreadSanitizer: {len(found)} reports in {reports}", not found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="also what takes long")
    parser.add_argument("--chaos", action="store_true", help="every scenario of the chaos suite, and nothing else")
    arguments = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    score = Score()
    if not arguments.chaos:
        lint(score)
        style(score)
    is_built = build(score, with_tests=not arguments.chaos)
    if not arguments.chaos:
        unit(score)
    if is_built:
        if arguments.chaos:
            chaos(score)
        elif arguments.all:
            autobahn()
            packages(score)
            against_nodes_in_full(score)
        else:
            against_nodes(score)
        if arguments.all:
            score.add("fuzzing", step("fuzzing", [sys.executable, "scripts/fuzz.py"]) == 0)
            memory(score)
            races(score)
    else:
        score.failed.append("integration tests (nothing to test: the build failed)")
    print()
    for name in score.passed_alone:
        print(f"failed beside other tests, passed by itself: {name}")
    for name in score.failed:
        print(f"failed: {name}")
    print(f"{score.passed} passed, {len(score.failed)} failed", flush=True)
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
