"""Manual pages and completions, made from what the program declares."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rig.node import CARILLON, carillon
from rig.process import REPOSITORY

COMMIT_TIME = "1764000000"


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual")
    subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts/manual.py"), str(CARILLON), str(folder)], check=True, env={**os.environ, "SOURCE_DATE_EPOCH": COMMIT_TIME})
    return folder


def shown(page: Path) -> str:
    """A page as a person sees it, on very long lines so that nothing is broken; what man complains about is an error."""
    environment = {**os.environ, "MANWIDTH": "1000", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": "", "GROFF_NO_SGR": "1"}
    result = subprocess.run(["man", "--warnings", "--local-file", str(page)], capture_output=True, text=True, env=environment, check=False)
    assert (result.returncode, result.stderr) == (0, ""), f"{page.name}: {result.stderr}"
    return re.sub(r".\x08", "", result.stdout)


def commands(command: dict[str, Any]) -> list[dict[str, Any]]:
    """A command and all below it that are for people."""
    own = [sub for sub in command.get("subcommands", []) if sub["commandName"] != "help" and sub["shouldDisplay"]]
    return [command, *(below for sub in own for below in commands(sub))]


def test_every_command_has_a_page_with_all_its_options(manual: Path) -> None:
    declared = commands(json.loads(carillon("--experimental-dump-help").stdout)["command"])
    names = {"-".join([*command.get("superCommands", []), command["commandName"]]) for command in declared}
    assert len(names) > 20
    assert {page.name for page in (manual / "man").iterdir()} == {f"{name}.1" for name in names} | {"carillon.yaml.5"}
    for command in declared:
        words = [*command.get("superCommands", []), command["commandName"]]
        text = shown(manual / "man" / f"{'-'.join(words)}.1")
        assert f"{'-'.join(words)} - " in text and "SYNOPSIS" in text and "2025-11-24" in text
        flat = " ".join(text.split())
        for argument in command.get("arguments", []):
            if not argument["shouldDisplay"]:
                continue
            for name in argument.get("names", []):
                assert ("--" if name["kind"] == "long" else "-") + name["name"] in flat, (words, name)
            assert " ".join(argument.get("abstract", "").split()) in flat, (words, argument)


def test_the_page_of_the_file_has_every_key(manual: Path) -> None:
    text = shown(manual / "man/carillon.yaml.5")
    keys = re.findall(r"^\| `([^`]+)` \|", carillon("config", "--table").stdout, re.MULTILINE)
    assert len(keys) > 80
    for key in keys:
        # A short one has its text beside it.
        assert re.search(rf"^ +{re.escape(key)}(?:$|  +\S)", text, re.MULTILINE), key


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of some words."""
    # As bash calls it: the function that `complete` was told, with the command, the word and the one before it.
    program = """
        script=$1; shift
        source "$script"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        set -- $(complete -p carillon)
        while [ "$1" != -F ]; do shift; done
        "$2" carillon "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    result = subprocess.run(["bash", "-c", program, "bash", str(script), *words], capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "PATH": f"{CARILLON.parent}:{os.environ['PATH']}"})
    return result.stdout.split()


def test_bash_completes(manual: Path) -> None:
    script = manual / "completions/bash/carillon"
    assert completed(script, "carillon", "pub") == ["publish"]
    assert {"serve", "check", "cluster", "publish"} <= set(completed(script, "carillon", ""))
    assert "--admin" in completed(script, "carillon", "cluster", "--ad")
    assert completed(script, "carillon", "nothing-like-it") == []


def test_what_is_special_to_roff_is_shown_as_it_is(tmp_path: Path) -> None:
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    try:
        import manual
    finally:
        sys.path.pop(0)
    command = {
        "commandName": "x", "abstract": "Take \\n and 'quotes'.", "discussion": ".SH is text\n'so is this'\n\nEXAMPLES\n  x \\fB --a-b\n  .TP",
        "arguments": [{"kind": "flag", "isOptional": True, "names": [{"kind": "long", "name": "a-b"}], "preferredName": {"kind": "long", "name": "a-b"}, "abstract": ".B no request"}],
    }  # fmt: skip
    file = tmp_path / "x.1"
    file.write_text(manual.page(command, "1"))
    text = shown(file)
    for part in ("Take \\n and 'quotes'", ".SH is text", "'so is this'", "x \\fB --a-b", ".TP", ".B no request", "EXAMPLES"):
        assert part in text, part
