"""Kill -9 of a server under load: what it acknowledged is there afterwards, whole and once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.testing.soak.kills import KillDriver


@pytest.mark.parametrize(
    "cycles",
    [
        pytest.param(4, id="reduced", marks=pytest.mark.slow),
        pytest.param(300, id="full", marks=pytest.mark.soak),
    ],
)
def test_nothing_acknowledged_is_lost(
    cycles: int, tmp_path: Path, seed: int, tell: Callable[[str], None]
) -> None:
    """After every kill each acknowledged write can be read again, and at the end fsck, which reads
    every byte, and the audit chain are clean."""
    driver = KillDriver(tmp_path, seed)
    problems = driver.run(cycles)
    tell(driver.figures())
    assert problems == []
