#!/usr/bin/env python3
"""Feeds the parsers of foreign bytes with what libFuzzer finds, under AddressSanitizer.

    scripts/fuzz.py                              every target for a minute, two at a time
    scripts/fuzz.py --target frames --seconds 600
    scripts/fuzz.py --list                       which targets there are
    scripts/fuzz.py --target frames --minimise   what was found to be of interest goes into Tests/Fuzz/Corpus

Exit status 1: something was found. The input is kept in .build/fuzz-findings, and the command that runs it again is
printed.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / ".build/fuzz"
PROGRAM = BUILD / "debug/fuzz"
CORPUS = REPOSITORY / "Tests/Fuzz/Corpus"
FIXTURES = REPOSITORY / "Tests/AuthenticationTests/Fixtures"
FINDINGS = REPOSITORY / ".build/fuzz-findings"
#: What a run found to be of interest, beside the corpus that is kept in the repository.
GROWN = REPOSITORY / ".build/fuzz-corpus"
#: The longest input, in bytes, where 4096 is not right: limits are reached, and an iteration stays short.
LONGEST = {"http": 20_000, "inflate": 16_384, "token": 9_000, "jwks": 8_192}
#: No corpus is larger than this, in bytes.
CORPUS_BYTES = 100 * 1024
#: And none has more inputs beside those made by hand.
CORPUS_FILES = 100
MEMORY_MB = 2048
#: Seconds for one input.
TIMEOUT = 10
#: Deep inputs have about so many bytes: more than any default stack has room for, at some 50 bytes of stack a level.
DEEP_BYTES = 90_000
#: They run on a stack of this size, in bytes: half of a reactor's, although AddressSanitizer's frames are larger.
DEEP_STACK = 1 << 20
#: The configuration is read on the main thread, by a library that calls itself for every level and ends at the 1000th.
DEEP_STACKS = {"configuration": 64 << 20}
#: Words that nest, and numbers at the ends of their types, for the mutations of every target.
DICTIONARY = REPOSITORY / "Tests/Fuzz/words.dict"


def environment(target: str = "") -> dict[str, str]:
    leaks = "1" if can_see_leaks() else "0"
    return {
        **os.environ,
        "CARILLON_FUZZ": "1",
        "FUZZ_TARGET": target,
        "FUZZ_FIXTURES": str(FIXTURES),
        "ASAN_OPTIONS": f"detect_leaks={leaks}:allocator_may_return_null=1",
        # Swift's own backtrace would wait for a debugger; libFuzzer prints what there is.
        "SWIFT_BACKTRACE": "enable=no",
    }


def can_see_leaks() -> bool:
    """LeakSanitizer stops the process to look at it, which not every container allows."""
    try:
        return Path("/proc/sys/kernel/yama/ptrace_scope").read_text().strip() in ("0", "1")
    except OSError:
        return True


def build(jobs: int | None) -> None:
    command = ["swift", "build", "--product", "fuzz", "--scratch-path", str(BUILD)]
    if jobs:
        command += ["-j", str(jobs)]
    print(f"== {' '.join(command)}", flush=True)
    if subprocess.run(command, cwd=REPOSITORY, env=environment(), check=False).returncode != 0:
        sys.exit("error: the fuzz targets could not be built")


def names() -> list[str]:
    listed = subprocess.run([PROGRAM, "--list"], env=environment(), check=True, capture_output=True, text=True)
    return listed.stdout.split()


def options(target: str) -> list[str]:
    return [
        f"-max_len={LONGEST.get(target, 4096)}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={TIMEOUT}",
        f"-dict={DICTIONARY}"]


def nested(opening: bytes, closing: bytes = b"", inner: bytes = b"1") -> list[bytes]:
    """As deep as fits, left open and closed."""
    count = DEEP_BYTES // (len(opening) + len(closing))
    return [opening * count + inner, opening * count + inner + closing * count]


def deep_inputs(target: str) -> list[bytes]:
    """What is nested deeper than a stack that a reader calls itself on."""
    json = [
        *nested(b"[", b"]"), *nested(b'{"":', b"}"), *nested(b'[{"a":', b"}]"), *nested(b'{"subs":{"":', b"}}"),
        *nested(b'{"since":', b"}"), *nested(b'{"keys":[', b"]}"), *nested(b'{"op":"not","nodes":[', b"]}")]
    inputs = {
        "centrifuge": [b'{"id":1,"connect":%s}' % text for text in json] + [b'{"id":1,"connect":{"subs":{"":%s}}}' % text for text in json]
        + [b'{"id":1,"subscribe":{"channel":"a","tf":%s}}' % text for text in json],
        "emulation": json,
        "hub": [b'{"type":1,"target":"send_to_all","arguments":["a",%s]}\x1e' % text for text in json] + nested(b"\x91", b"", b"\xc0"),
        "messagepack": nested(b"\x91", b"", b"\xc0") + nested(b"\x81\xa1a", b"", b"\xc0") + nested(b"\xdd\0\0\0\1", b"", b"\xc0"),
        # Groups, and filters behind no tags.
        "protobuf": nested(b"\x0b", b"\x0c", b"\x10\x01") + nested(b"\x0b\x13", b"\x14\x0c", b"") + [b"\0" + text for text in json],
        "replies": nested(b"*1\r\n", b"", b":1\r\n") + nested(b"*2\r\n:1\r\n", b"", b":1\r\n"),
        "resp": nested(b"*1\r\n", b"", b":1\r\n") + nested(b"*2\r\n:1\r\n", b"", b":1\r\n") + nested(b"*3\r\n$7\r\nmessage\r\n"),
        # Beats, questions and answers.
        "envelope": [bytes([0xCA, 1, kind, 0]) + bytes(18) + text for kind in (2, 4, 5) for text in json],
        "upstream": [b'{"type":3,"result":%s}' % text for text in json] + [b'{"result":{"data":%s}}' % text for text in json],
        "configuration": [
            *json, *nested(b"- "), *nested(b"? "), *nested(b"{a: ", b"}"), *nested(b"&a [", b"]"), *nested(b"!!seq [", b"]"),
            b"\n".join(b" " * level + b"a:" for level in range(420))],
        "token": [b'{"alg":"HS256"}\n%s' % text for text in json] + [b'{"alg":"HS256","a":%s}\n{}' % text for text in json],
        "jwks": [b'{"keys":%s}' % text for text in json],
    }  # fmt: skip
    return inputs.get(target, []) + json


def limit_stack(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_STACK, (size, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def run_deep(target: str) -> bool:
    """Runs the deep inputs, each once, on a small stack."""
    folder = FINDINGS / target / "deep"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = []
    for number, content in enumerate(deep_inputs(target)):
        file = folder / f"{number:03}"
        file.write_bytes(content)
        files.append(str(file))
    log = FINDINGS / target / "deep.log"
    command = [str(PROGRAM), *options(target), f"-max_len={2 * DEEP_BYTES}", *files]
    with log.open("wb") as output:
        status = subprocess.run(
            command, env=environment(target), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            timeout=len(files) * TIMEOUT, preexec_fn=lambda: limit_stack(DEEP_STACKS.get(target, DEEP_STACK)), check=False).returncode
    if status == 0:
        shutil.rmtree(folder)
        return True
    print(f"{target:14} A DEEP INPUT ENDS IT (exit status {status}): the last that {log} names", flush=True)
    return False


def command_line(target: str, *arguments: str) -> str:
    set_ = {name: value for name, value in environment(target).items() if os.environ.get(name) != value}
    words = [f"{name}={value}" for name, value in set_.items() if name != "CARILLON_FUZZ"]
    return " ".join([*words, str(PROGRAM), *options(target), *arguments])


def run(target: str, seconds: int) -> bool:
    """Runs a target; tells how far it came and answers whether nothing was found."""
    if not run_deep(target):
        return False
    grown = GROWN / target
    findings = FINDINGS / target
    for folder in (grown, findings):
        folder.mkdir(parents=True, exist_ok=True)
    log = findings / "log"
    before = {*findings.iterdir(), findings / "deep"}
    command = [
        str(PROGRAM), *options(target), f"-max_total_time={seconds}", "-print_final_stats=1",
        f"-artifact_prefix={findings}/", str(grown), str(CORPUS / target)]
    start = time.monotonic()
    with log.open("wb") as output:
        try:
            # An input that hangs is ended by libFuzzer; this is for libFuzzer itself.
            status = subprocess.run(
                command, env=environment(target), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                timeout=seconds + 120, check=False).returncode
        except subprocess.TimeoutExpired:
            status = -1
    text = log.read_text(errors="replace")
    coverage = re.findall(r"cov: (\d+) ft: (\d+)", text)
    units = re.findall(r"stat::number_of_executed_units:\s*(\d+)", text) or re.findall(r"^#(\d+)", text, re.MULTILINE)
    covered, features = coverage[-1] if coverage else ("?", "?")
    verdict = "nothing found" if status == 0 else f"FOUND SOMETHING (exit status {status})"
    print(
        f"{target:14} {verdict}: {units[-1] if units else '?'} inputs in {time.monotonic() - start:.0f} s, "
        f"cov {covered}, ft {features}", flush=True)
    if status == 0:
        return True
    print(f"  the log: {log}")
    for line in text.splitlines():
        if "does not hold" in line or "Fatal error" in line or line.startswith("SUMMARY"):
            print(f"  {line[:400]}")
    for artefact in sorted(set(findings.iterdir()) - before - {log}):
        print(f"  again: {command_line(target, str(artefact))}", flush=True)
    return False


def minimise(target: str) -> None:
    """The fewest inputs that cover what the corpus and the last runs cover; the smallest first, up to the bound."""
    kept = CORPUS / target
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder)
        subprocess.run(
            [PROGRAM, *options(target), "-merge=1", str(merged), str(kept), str(GROWN / target)],
            env=environment(target), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=True)
        # What has a name was made by hand and stays.
        seeds = [file for file in kept.iterdir() if not re.fullmatch(r"[0-9a-f]{40}", file.name)]
        contents = {file.read_bytes() for file in seeds}
        for file in set(kept.iterdir()) - set(seeds):
            file.unlink()
        found = sorted(merged.iterdir(), key=lambda file: (file.stat().st_size, file.name))
        found = [file for file in found if file.read_bytes() not in contents]
        if len(found) > CORPUS_FILES:
            # Of all sizes alike: the smallest alone reach the least.
            found = [found[index * (len(found) - 1) // (CORPUS_FILES - 1)] for index in range(CORPUS_FILES)]
        total = sum(len(content) for content in contents)
        for file in found:
            total += file.stat().st_size
            if total > CORPUS_BYTES:
                break
            shutil.copy(file, kept / file.name)
    sizes = [file.stat().st_size for file in kept.iterdir()]
    print(f"{target:14} {len(sizes)} inputs, {sum(sizes)} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (%(default)s)")
    parser.add_argument("--target", action="append", help="only this one; may be given several times")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2, help="targets at a time (%(default)s)")
    parser.add_argument("--build-jobs", type=int, help="compilers at a time (as many as there are cores)")
    parser.add_argument("--no-build", action="store_true", help="take the program as it is")
    parser.add_argument("--minimise", action="store_true", help="run nothing; renew Tests/Fuzz/Corpus")
    parser.add_argument("--list", action="store_true", help="print the names of the targets")
    given = parser.parse_args()
    if not given.no_build:
        build(given.build_jobs)
    known = names()
    if given.list:
        print("\n".join(known))
        return
    for name in given.target or []:
        if name not in known:
            sys.exit(f"error: there is no target '{name}'; right would be {', '.join(known)}")
    targets = given.target or known
    for target in targets:
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        (GROWN / target).mkdir(parents=True, exist_ok=True)
    if given.minimise:
        for target in targets:
            minimise(target)
        return
    print(f"== {len(targets)} targets, {given.seconds} s each, leaks {'looked for' if can_see_leaks() else 'not looked for'}")
    with ThreadPoolExecutor(given.jobs) as pool:
        good = list(pool.map(lambda target: run(target, given.seconds), targets))
    print(f"{sum(good)} passed, {len(good) - sum(good)} failed")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
