"""How much memory a process has had."""

from __future__ import annotations

import subprocess
import sys

from registry.jail.memory import PeakMemory

_IN_JAIL = """
import os
from registry.jail import lockdown
from registry.jail.memory import PeakMemory
peak = PeakMemory()
lockdown.close_files()
lockdown.close_calls()
before = peak.bytes()
taken = bytearray(os.urandom(1)) * 100_000_000
del taken
os.write(1, f"{before} {peak.bytes()}".encode())
os._exit(0)
"""


def test_it_is_told_inside_and_is_the_process_own() -> None:
    """Whoever started it may have had more."""
    large = bytearray(b"x") * 300_000_000
    done = subprocess.run([sys.executable, "-c", _IN_JAIL], capture_output=True, check=True)
    before, after = map(int, done.stdout.split())
    assert 1_000_000 < before < 100_000_000
    assert 100_000_000 < after < 200_000_000
    assert PeakMemory().bytes() > len(large)
