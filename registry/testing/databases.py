"""Empty databases for tests, quickly: migrated once a process, then copied."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from registry.db.engine import open_database
from registry.testing.clock import FixedClock


@cache
def empty_sqlite() -> bytes:
    """A SQLite file with all tables and nothing in them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        open_database(f"sqlite:///{path}", clock=FixedClock()).close()
        return path.read_bytes()
