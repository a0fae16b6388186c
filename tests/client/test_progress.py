"""The sums behind progress: bytes, rate, time left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.client.progress import WINDOW_S, Meter


def test_rate_and_time_left() -> None:
    """Half of it in two seconds leaves two more."""
    meter = Meter(total_bytes=400, now_s=10.0)
    meter.add(100, now_s=11.0)
    meter.add(100, now_s=12.0)
    pace = meter.pace(now_s=12.0)
    assert (pace.done_bytes, pace.rate_bytes_s, pace.left_s) == (200, 100.0, 2.0)


def test_bytes_done_before_do_not_speed_it_up() -> None:
    """What an earlier run left counts as done and not into the rate."""
    meter = Meter(total_bytes=400, done_bytes=300, now_s=0.0)
    meter.add(50, now_s=1.0)
    pace = meter.pace(now_s=1.0)
    assert (pace.done_bytes, pace.rate_bytes_s, pace.left_s) == (350, 50.0, 1.0)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """A slow beginning is forgotten after the window."""
    meter = Meter(total_bytes=10_000, now_s=0.0)
    for second in range(1, 31):
        meter.add(1 if second <= 20 else 100, now_s=float(second))
    assert meter.pace(now_s=30.0).rate_bytes_s == pytest.approx(100.0)
    assert WINDOW_S < 10


def test_nothing_known_yet() -> None:
    """Before the first byte no time is promised."""
    assert Meter(total_bytes=1, now_s=0.0).pace(now_s=0.0).left_s is None
    assert Meter(total_bytes=1, now_s=0.0).pace(now_s=9.0).left_s is None
    assert Meter(total_bytes=0, now_s=0.0).pace(now_s=0.0).left_s == 0.0


@given(
    st.lists(st.tuples(st.integers(-100, 1000), st.floats(0, 10)), max_size=50),
    st.integers(0, 10_000),
)
def test_time_left_is_never_negative(steps: list[tuple[int, float]], total: int) -> None:
    """Whatever comes, also bytes that have to be done again, rate and time left are sane."""
    meter = Meter(total_bytes=total, now_s=0.0)
    now_s = 0.0
    for count, delay_s in steps:
        now_s += delay_s
        meter.add(count, now_s=now_s)
        pace = meter.pace(now_s=now_s)
        assert pace.rate_bytes_s >= 0
        assert pace.left_s is None or pace.left_s >= 0
