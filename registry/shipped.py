"""Where the policy files are that come with Hallmark."""

from __future__ import annotations

from pathlib import Path

#: In an installed distribution, and in a checkout.
_PLACES = (
    Path(__file__).resolve().parent / "policies" / "shipped",
    Path(__file__).resolve().parent.parent / "policies",
)


def shipped_folder() -> Path:
    return next((place for place in _PLACES if place.is_dir()), _PLACES[0])
