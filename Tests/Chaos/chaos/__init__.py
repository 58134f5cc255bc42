"""Faults on purpose, and an oracle that says afterwards whether every promise was kept."""

import sys
from pathlib import Path

# The servers are those of the integration tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Integration"))
