"""The last stage of a Dockerfile, carried out without an engine: in a Debian root, with what the other stages made given."""

import json
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from debian_root import DebianRoot, archive


@dataclass
class Image:
    """What an engine would know of the image."""

    base: str = ""
    user: str = "0"
    environment: dict[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    root: DebianRoot | None = None


def instructions(text: str) -> list[tuple[str, str]]:
    """Name and rest of each instruction; comments are left out, lines that go on are one."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines()) if name]


def last_stage(text: str) -> list[tuple[str, str]]:
    found = instructions(text)
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def carry_out(dockerfile: Path, given: dict[str, Path]) -> Image:
    """`given`: files that the other stages made, by their paths there. Only what our Dockerfile uses is known here."""
    image = Image()
    for name, rest in last_stage(dockerfile.read_text()):
        match name:
            case "FROM":
                image.base = rest
                suite = re.fullmatch(r"debian:(\w+)-slim", rest)
                assert suite, f"not a Debian: {rest}"
                image.root = DebianRoot(archive("minimal", suite[1]))
            case "RUN":
                assert image.root and image.user == "0"
                image.root.chroot("/bin/sh", "-c", rest)
            case "COPY":
                assert image.root
                source, source_path, target = re.fullmatch(r"(--from=\w+) (\S+) (\S+)", rest).groups()  # type: ignore[union-attr]
                assert source == "--from=build"
                place = image.root.path / target.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(given[source_path], place)
            case "USER":
                image.user = rest
            case "EXPOSE":
                image.ports = [int(port) for port in rest.split()]
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "CMD":
                image.command = json.loads(rest)
            case "HEALTHCHECK":
                image.healthcheck = json.loads(rest.split("CMD", 1)[1])
            case "ENV":
                image.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
            case _:
                raise AssertionError(f"an instruction that this does not know: {name}")
    return image
