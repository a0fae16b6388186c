"""What the very first start does, in a process that ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from registry.clock import SystemClock
from registry.db.engine import open_database

pytestmark = pytest.mark.slow

#: Forks, so not in the process of the tests, which has threads.
_PREPARE = """
import os, sys
from registry import config
from registry.app.first_start import prepare
prepare(config.load({"HALLMARK_HOME": sys.argv[1]}))
print(os.getpid(), "alembic" in sys.modules)
"""


def _prepare(home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PREPARE, str(home)], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout


def test_it_makes_tables_and_policies_and_keeps_nothing_loaded(tmp_path: Path) -> None:
    """The database can be served then, with a set of policies; what made it is not in memory."""
    said = _prepare(tmp_path)
    assert len(said.splitlines()) == 1  # the child printed nothing, and ended
    assert said.split()[1] == "False"
    url = f"sqlite:///{tmp_path / 'hallmark.db'}"
    database = open_database(url, clock=SystemClock(), serving=False)
    try:
        assert database.read(lambda tx: tx.policies.active())
    finally:
        database.close()


def test_what_fails_is_left_to_what_opens_the_registry(tmp_path: Path) -> None:
    """It returns all the same: the registry meets the error again, and tells it."""
    (tmp_path / "hallmark.db").write_bytes(b"not a database, but long enough to be read as one")
    assert _prepare(tmp_path).split()[1] == "False"
