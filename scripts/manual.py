#!/usr/bin/env python3
"""Writes the manual pages and the shell completions of `carillon`, from what the program itself declares.

    scripts/manual.py PROGRAM FOLDER

Into FOLDER/man go carillon.1, a page for each command (carillon-publish.1) and carillon.yaml.5 with every key of the
configuration; into FOLDER/completions what bash, zsh and fish load. SOURCE_DATE_EPOCH sets the date of the pages.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: Where each shell looks for the completions of `carillon`, under the folder of that shell.
COMPLETIONS = {"bash": "carillon", "zsh": "_carillon", "fish": "carillon.fish"}


def escaped(text: str) -> str:
    """Text as roff prints it unchanged: no escapes, no requests, and hyphens that can be copied into a shell."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def bold(text: str) -> str:
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    return f"\\fI{escaped(text)}\\fR"


def head(name: str, section: int, version: str) -> str:
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    return f'.TH {escaped(name.upper())} {section} {date} "Carillon {version}" Carillon'


def named(page: str, abstract: str) -> list[str]:
    return [".SH NAME", f"{escaped(page)} \\- {escaped(abstract.rstrip('.').replace(chr(10), ' '))}"]


def paragraphs(text: str) -> list[str]:
    """Indented lines stay as they are, everything else is filled."""
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        parts: list[tuple[bool, list[str]]] = []
        for line in block.splitlines():
            is_literal = line.startswith(" ")
            if not parts or parts[-1][0] != is_literal:
                parts.append((is_literal, []))
            parts[-1][1].append(line.strip() if is_literal else line)
        for is_literal, content in parts:
            if is_literal:
                lines += [".PP", ".nf", ".RS 4", *(escaped(line) for line in content), ".RE", ".fi"]
            else:
                lines += [".PP", *(escaped(line) for line in content)]
    return lines


def sections(discussion: str) -> list[tuple[str, str]]:
    """The parts of a discussion: what stands under no heading has an empty one. A heading is a line of capitals."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in discussion.splitlines():
        if re.fullmatch(r"[A-Z][A-Z ]+", line):
            found.append((line, []))
        else:
            found[-1][1].append(line)
    return [(title, "\n".join(lines)) for title, lines in found if "".join(lines).strip()]


def shown(command: dict[str, Any]) -> list[dict[str, Any]]:
    return [argument for argument in command.get("arguments", []) if argument.get("shouldDisplay", True)]


def spelled(name: dict[str, str]) -> str:
    return ("--" if name["kind"] == "long" else "-") + name["name"]


def synopsis(command: dict[str, Any]) -> list[str]:
    words = [*command.get("superCommands", []), command["commandName"]]
    parts = [bold(" ".join(words))]
    for argument in shown(command):
        value = italic(argument.get("valueName", ""))
        if argument["kind"] == "positional":
            part = value
        else:
            part = bold(spelled(argument["preferredName"])) + (f" {value}" if argument["kind"] == "option" else "")
        if argument.get("isRepeating"):
            part += " ..."
        parts.append(f"[{part}]" if argument.get("isOptional") else part)
    if command.get("subcommands"):
        parts.append(italic("command"))
    return [".SH SYNOPSIS", "\n".join(parts)]


def options(command: dict[str, Any]) -> list[str]:
    lines = []
    for argument in shown(command):
        value = italic(argument.get("valueName", ""))
        if argument["kind"] == "positional":
            term = value
        else:
            term = ", ".join(bold(spelled(name)) for name in argument["names"])
            term += f" {value}" if argument["kind"] == "option" else ""
        text = argument.get("abstract", "")
        if values := argument.get("allValues"):
            text += f" One of: {', '.join(values)}."
        if default := argument.get("defaultValue"):
            text += f" (default: {default})"
        lines += [".TP", term, escaped(text.strip().replace("\n", " ")) or "\\&"]
    return [".SH OPTIONS", *lines] if lines else []


def page_name(command: dict[str, Any]) -> str:
    return "-".join([*command.get("superCommands", []), command["commandName"]])


def is_page(command: dict[str, Any]) -> bool:
    return command["commandName"] != "help" and command.get("shouldDisplay", True)


def page(command: dict[str, Any], version: str) -> str:
    name = page_name(command)
    lines = [head(name, 1, version), *named(name, command.get("abstract", "")), *synopsis(command)]
    parts = sections(command.get("discussion", ""))
    described = [text for title, text in parts if not title] or [command.get("abstract", "")]
    lines += [".SH DESCRIPTION", *paragraphs("\n\n".join(described))]
    below = [sub for sub in command.get("subcommands", []) if is_page(sub)]
    if below:
        lines.append(".SH COMMANDS")
        for sub in below:
            lines += [".TP", f"{bold(page_name(sub))}(1)", escaped(sub.get("abstract", "").replace("\n", " "))]
    lines += options(command)
    for title, text in parts:
        if title:
            lines += [f".SH {title}", *paragraphs(text)]
    above = command.get("superCommands", [])
    others = [f"{bold('-'.join(above))}(1)"] if above else []
    lines += [".SH SEE ALSO", ", ".join([*others, f"{bold('carillon.yaml')}(5)"])]
    return "\n".join(lines) + "\n"


def pages(command: dict[str, Any], version: str) -> dict[str, str]:
    """File name → page, of a command and all below it."""
    found = {f"{page_name(command)}.1": page(command, version)}
    for sub in command.get("subcommands", []):
        if is_page(sub):
            found |= pages(sub, version)
    return found


#: When a changed key takes effect, in the words of the table.
RELOAD = {"now": "at once", "new sessions": "for new sessions", "restart": "no, it needs a restart"}


def keys_page(table: str, version: str) -> str:
    """The page of the configuration file, from the table that `carillon config --table` prints."""
    lines = [head("carillon.yaml", 5, version), *named("carillon.yaml", "configuration of a Carillon node"), ".SH DESCRIPTION"]
    lines += paragraphs(
        "YAML, read when the node starts and at a reload. Every key is optional, and one that does not exist is an error. "
        "carillon check FILE names every mistake in a file; carillon config --defaults prints a complete file.\n\n"
        "An environment variable overrides a key: CARILLON_CLIENT_LISTEN sets client.listen. "
        "${NAME} in a value is replaced by the environment variable NAME.")
    lines.append(".SH KEYS")
    for row in table.strip().splitlines()[2:]:
        key, takes, default, reload, what = (cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|")))
        text = f"{what} Takes: {takes}." + (f" Default: {default}." if default else "") + f" Takes effect at a reload: {RELOAD[reload]}."
        lines += [".TP", bold(key.strip("`")), escaped(text.replace("`", ""))]
    lines += [".SH FILES", ".TP", italic("/etc/carillon/carillon.yaml"), "What the systemd unit reads.", ".SH SEE ALSO"]
    lines.append(f"{bold('carillon')}(1), {bold('carillon-check')}(1), {bold('carillon-config')}(1)")
    return "\n".join(lines) + "\n"


def told(program: str, *arguments: str) -> str:
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def main() -> None:
    program, folder = sys.argv[1], Path(sys.argv[2])
    version = told(program, "--version").split()[0]
    command = json.loads(told(program, "--experimental-dump-help"))["command"]
    manual = folder / "man"
    manual.mkdir(parents=True, exist_ok=True)
    for name, text in pages(command, version).items():
        (manual / name).write_text(text)
    (manual / "carillon.yaml.5").write_text(keys_page(told(program, "config", "--table"), version))
    for shell, name in COMPLETIONS.items():
        place = folder / "completions" / shell
        place.mkdir(parents=True, exist_ok=True)
        script = told(program, "--generate-completion-script", shell)
        # Shells load it into themselves; a line that names an interpreter has no meaning there.
        (place / name).write_text(re.sub(r"\A#!.*\n", "", script))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main()
