"""JSON as RFC 8259 means it: what two parsers might read differently is refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_object(data: bytes) -> dict[str, Any]:
    """The object. ValueError for anything else, and for a name that comes twice, at any depth."""
    try:
        found = json.loads(
            data.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_no_constant
        )
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
