"""What `--wait` says of a verdict, and ends with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from registry.cli import exits
from registry.cli.waiting import verdict_exit, verdict_lines
from registry.client.values import Version


def version(state: str, verdict: str) -> Version:
    vetting = SimpleNamespace(verdict=verdict, findings=(), grace_end_time=None)
    return cast(Version, SimpleNamespace(ref="a/b@1", state=state, vetting=vetting))


@pytest.mark.parametrize(
    ("state", "verdict", "code"),
    [
        ("released", "pass", exits.DONE),
        ("vetted", "pass", exits.REFUSED),
        ("rejected", "fail", exits.REFUSED),
        ("quarantined", "unknown", exits.CANNOT_TELL),
        ("yanked", "", exits.CANNOT_TELL),
    ],
)
def test_a_pipeline_goes_on_with_what_it_can_use(state: str, verdict: str, code: int) -> None:
    """What vetting passed and the policy holds back is refused, as what vetting failed."""
    assert verdict_exit(version(state, verdict)) == code


def test_what_is_held_back_says_how_to_see_why() -> None:
    """And nothing else does."""
    told = "Held back by the policy: hallmark policy try a/b@1 release"
    assert verdict_lines(version("vetted", "pass"))[-1] == told
    assert told not in verdict_lines(version("released", "pass"))
