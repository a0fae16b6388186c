"""Times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def show_time(time_us: int) -> str:
    """Microseconds since the epoch as `2026-11-20T22:06:00Z`, to the second."""
    return f"{_EPOCH + timedelta(microseconds=time_us):%Y-%m-%dT%H:%M:%SZ}"
