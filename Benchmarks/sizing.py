#!/usr/bin/env python3
"""The constants of `carillon size`, and whether what it predicts is so.

    Benchmarks/sizing.py --measure      measures the constants, as Sources/Sizing/MeasuredCosts.swift has them: five minutes
    Benchmarks/sizing.py                holds a node to one core and little memory, and compares: `make bench` does this, too

Needs two cores, `redis-server`, and, to hold the memory, a memory cgroup of version 1 that can be written.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.costs import Measure  # noqa: E402
from harness.processes import raise_file_limit  # noqa: E402
from harness.sizing import TOLERANCE, compare  # noqa: E402
from harness.subjects import HERE  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the constants")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--carillon", type=Path, default=HERE.parent / ".build/release/carillon", help="the program")
    options = parser.parse_args()
    raise_file_limit()
    carillon = options.carillon.resolve()

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="carillon-sizing-") as directory:
        if options.measure:
            found = Measure(carillon, Path(directory), tell, options.seconds).all()
            print("\n".join(f"        {name}: {value:.4g}," for name, value in found.items()))
            return 0
        result = compare(carillon, Path(directory), options.seconds, tell)
    print(json.dumps(result, indent=1))
    return 0 if all(each["measured"] and abs(each["predicted"] / each["measured"] - 1) <= TOLERANCE for each in result.values()) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
