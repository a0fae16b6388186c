"""Kill -9: what was acknowledged is there, and what is there is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from registry.db.engine import open_database
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.events import check_chains
from registry.testing.db_driver import claimed

pytestmark = pytest.mark.slow

CYCLES = 4
ACKNOWLEDGED = 60


def write_until_killed(url: str, prefix: str) -> set[str]:
    """Let a process write for a while, kill it in the middle; what it was told is stored."""
    command = [sys.executable, "-m", "registry.testing.db_driver", url, prefix]
    told = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.add(line.strip())
            if len(told) == ACKNOWLEDGED:
                process.kill()
    return told


def test_acknowledged_writes_survive_a_kill(sqlite_url: str, tmp_path: Path) -> None:
    """However often the writer is killed, nothing acknowledged is lost and the chains hold."""
    told: set[str] = set()
    for cycle in range(CYCLES):
        told |= write_until_killed(sqlite_url, f"c{cycle}")
        database = open_database(sqlite_url, clock=FixedClock())
        stored = claimed(database)
        assert told <= set(stored)
        assert check_chains(database) == len(stored)
        assert list(database.read(lambda tx: tx.inspection.problems())) == []
        database.close()
    assert len(told) >= CYCLES * ACKNOWLEDGED
    assert (tmp_path / "hallmark.db").stat().st_size > 0
