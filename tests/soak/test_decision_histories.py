"""Random histories of people, groups, tokens, policies and clock jumps, against a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.testing.decision_steps import play

STEPS = 150


@pytest.mark.parametrize(
    "histories",
    [
        pytest.param(20, id="reduced", marks=pytest.mark.slow),
        pytest.param(3000, id="full", marks=pytest.mark.soak),
    ],
)
def test_nobody_decides_alone(
    histories: int, tmp_path: Path, seed: int, tell: Callable[[str], None]
) -> None:
    """Whatever happens in whatever order: a stage holds what others than its makers approved, as
    the rules of that moment asked, or what is reviewed, or what was there before; and the log
    proves it."""
    figures = play(tmp_path, range(seed, seed + histories), STEPS)
    tell(str(figures))
    assert figures.done["decide"] > histories
    assert figures.done["rollback"] + figures.done["break glass"] > 0
