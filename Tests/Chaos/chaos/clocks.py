"""Wall clocks that are wrong, and jump."""

import subprocess
from pathlib import Path

SHIM = Path(__file__).parent / "clock.c"


class Clocks:
    """Processes whose wall clocks are wrong by what files say; the name is the file's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.library = directory / "clock.so"
        subprocess.run(["clang", "-shared", "-fPIC", "-O1", "-o", str(self.library), str(SHIM)], check=True, timeout=60)

    def set(self, name: str, seconds: int) -> None:
        # In one piece: half a number would be another one.
        (self.directory / "next.clock").write_text(f"{seconds}\n")
        (self.directory / "next.clock").rename(self.directory / f"{name}.clock")

    def environment(self, name: str) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CLOCK_FILE": str(self.directory / f"{name}.clock")}
