"""Throw-away names: which models on a server are a probe's, and since when."""

from __future__ import annotations

import re
import secrets

PREFIX = "hallmark-probe-"
#: No probe takes longer: what is older was left by one that was killed.
LEFT_AFTER_S = 3600
_NAME = re.compile(rf"{PREFIX}([0-9a-f]{{8}})[0-9a-f]{{8}}")


def throw_away_name(now_s: int) -> str:
    """One that nobody else has. A server tells no age of its models, so the time is in it."""
    return f"{PREFIX}{now_s:08x}{secrets.token_hex(4)}"


def is_left_over(name: str, now_s: int) -> bool:
    """Whether a probe that has ended long ago gave this name. One from the future is of a machine
    whose clock is wrong, and may be in use."""
    match = _NAME.fullmatch(name)
    return match is not None and int(match[1], 16) < now_s - LEFT_AFTER_S
