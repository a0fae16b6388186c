"""The page of roles says what the table says."""

from __future__ import annotations

from pathlib import Path

from registry.domain.access import SELF_ACTIONS, TABLE, Action
from registry.domain.roles import DESCRIPTIONS, page


def test_the_page_is_fresh() -> None:
    """proto/ROLES.md is what the table makes of it."""
    stored = Path(__file__).parents[2] / "proto" / "ROLES.md"
    assert stored.read_text(encoding="utf-8") == page()


def test_every_action_is_described_and_held() -> None:
    """Each action is explained once, and is a role's or everybody's own."""
    assert DESCRIPTIONS.keys() == set(Action)
    assert set(Action) - SELF_ACTIONS == frozenset().union(*TABLE.values())
