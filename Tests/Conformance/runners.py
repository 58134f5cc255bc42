"""The two programs that run the cases of the Autobahn suite against a server, and what they report.

Both write the same `index.json`: `{agent: {case: {behavior, behaviorClose, remoteCloseCode, reportfile, …}}}`.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

#: What a server may be called. The rest, NON-STRICT, UNIMPLEMENTED, UNCLEAN, WRONG CODE and FAILED, is a failure.
GOOD = {"OK", "INFORMATIONAL"}


@dataclass
class Report:
    """What a runner found."""

    runner: str
    cases: dict[str, dict]
    directory: Path
    seconds: float

    def failures(self) -> dict[str, str]:
        """Every case that is not good in both columns, and why."""
        return {
            case: self._why(result)
            for case, result in self.cases.items()
            if not {result["behavior"], result["behaviorClose"]} <= GOOD
        }

    def drop_unrun(self, error: str) -> list[str]:
        """Takes out, and names, the cases a runner could not run for an error of its own."""
        unrun = [case for case, why in self.failures().items() if why.startswith("ERROR, ") and error in why]
        for case in unrun:
            del self.cases[case]
        return unrun

    def _why(self, result: dict) -> str:
        verdict = f"{result['behavior']}, close {result['behaviorClose']} (code {result.get('remoteCloseCode')})"
        try:
            details = json.loads((self.directory / result["reportfile"]).read_text(errors="replace"))
            return f"{verdict}: {details['result']} {details['resultClose']}"
        except (OSError, ValueError, KeyError):
            return verdict

    def __str__(self) -> str:
        counts = Counter(f"{result['behavior']}/{result['behaviorClose']}" for result in self.cases.values())
        seen = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        informational = [case for case, result in self.cases.items() if result["behavior"] == "INFORMATIONAL"]
        named = f" (INFORMATIONAL: {', '.join(informational)})" if informational else ""
        return f"{self.runner}: {len(self.cases)} cases in {self.seconds:.0f} s: {seen}{named}"


class Runner:
    """A program that is a client of the server under test, one connection after the other."""

    #: What it is called in reports.
    name = ""
    #: Said when the program is not there.
    missing = ""

    @cached_property
    def program(self) -> str | None:
        raise NotImplementedError

    def command(self, address: str, include: list[str], exclude: list[str], directory: Path) -> list[str]:
        raise NotImplementedError

    def title(self) -> str:
        raise NotImplementedError

    def run(self, address: str, include: list[str], exclude: list[str], directory: Path, seconds: float) -> Report:
        """Runs cases against `HOST:PORT/PATH`. What the program says is not believed, only the report it writes."""
        directory.mkdir(parents=True)
        start = time.monotonic()
        done = subprocess.run(
            self.command(address, include, exclude, directory), cwd=directory, timeout=seconds, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        duration = time.monotonic() - start
        index = directory / "index.json"
        assert index.exists(), f"{self.title()} ended with {done.returncode} and no report:\n{done.stdout[-3000:]}"
        agents = json.loads(index.read_text())
        assert len(agents) == 1, f"the report is about {list(agents)}"
        return Report(self.title(), next(iter(agents.values())), directory, duration)


class Kosoku(Runner):
    """`kosoku` from PyPI: the same cases, run by a program of today. The fast gate."""

    name = "kosoku"
    #: What it says of itself, version 0.1.0, where a message of groups 12 and 13 happens to be text that wraps around or
    #: an empty one: written for Python 2, the cases mix up text and bytes. The suite itself runs these.
    own_error = "Strings must be encoded before hashing"
    missing = "kosoku is not installed: pip install -r Tests/Integration/requirements.txt"

    @cached_property
    def program(self) -> str | None:
        return shutil.which("kosoku", path=str(Path(sys.executable).parent)) or shutil.which("kosoku")

    def title(self) -> str:
        return f"kosoku {metadata.version('kosoku')} (the cases of the Autobahn suite, not its own runner)"

    def command(self, address: str, include: list[str], exclude: list[str], directory: Path) -> list[str]:
        chosen = [*(part for case in include for part in ("-i", case)), *(part for case in exclude for part in ("-x", case))]
        return [str(self.program), address, *chosen, "-p", "1", "-o", str(directory)]


class Autobahn(Runner):
    """`wstest` of `autobahntestsuite`: the judge itself. It needs Python 2.7; `autobahn.sh` installs both together.

    Looked for in `$WSTEST`, where `autobahn.sh` puts it (`.build/autobahn/bin/wstest`) and in `PATH`.
    """

    name = "autobahn"
    missing = "autobahntestsuite is not installed: Tests/Conformance/autobahn.sh installs it where there is a Python 2.7"

    @cached_property
    def program(self) -> str | None:
        places = [os.environ.get("WSTEST"), str(REPOSITORY / ".build/autobahn/bin/wstest"), "wstest"]
        return next((found for place in places if place and (found := shutil.which(place))), None)

    @cached_property
    def _version(self) -> str:
        said = subprocess.run([str(self.program), "-a"], capture_output=True, text=True, timeout=60, check=False).stdout
        return next((line for line in said.splitlines() if line.startswith("AutobahnTestSuite")), "autobahntestsuite")

    def title(self) -> str:
        return f"{self._version} (the Autobahn suite itself)"

    def command(self, address: str, include: list[str], exclude: list[str], directory: Path) -> list[str]:
        spec = directory / "spec.json"
        spec.write_text(
            json.dumps(
                {
                    "outdir": str(directory),
                    "servers": [{"agent": "carillon", "url": f"ws://{address}"}],
                    "options": {"failByDrop": False},
                    "cases": include or ["*"],
                    "exclude-cases": exclude,
                    "exclude-agent-cases": {},
                }
            )
        )
        return [str(self.program), "-m", "fuzzingclient", "-s", str(spec)]
