"""Fuzzing: whatever the bytes, each parser ends with a verdict and does not crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.formats.inspect import PARSERS

pytestmark = pytest.mark.slow
ROLES = sorted({role for role, _ in PARSERS})


def test_no_bytes_crash_any_parser(tmp_path: Path) -> None:
    """All of them for some seconds. Atheris follows what the parsers' branches do."""
    _fuzz("all", 15, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
def test_no_bytes_crash_a_parser(role: str, tmp_path: Path) -> None:
    """Each by itself for a minute."""
    _fuzz(role, 60, tmp_path)


def _fuzz(role: str, seconds: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "registry.testing.fuzz", role, str(seconds)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=120 + 5 * seconds,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr
