"""Times as people read them, and as programs compare them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)


def show_time(time_us: int) -> str:
    """Microseconds since the epoch as `2026-11-20T22:06:00Z`, to the second."""
    return f"{_EPOCH + timedelta(microseconds=time_us):%Y-%m-%dT%H:%M:%SZ}"


def rfc3339(time_us: int) -> str:
    """The same to the microsecond: `2026-11-20T22:06:00.000001Z`. `time_of` undoes it."""
    # Three times as fast as a format, and asked for each version that is made.
    return (_NAIVE_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds") + "Z"


def time_of(text: str) -> int:
    """Microseconds of an RFC 3339 time with an offset; ValueError for anything else."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return (found - _EPOCH) // timedelta(microseconds=1)
