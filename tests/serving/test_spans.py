"""Spans of versions: what was written is what is read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.serving.spans import covers, order, span_of

numbers = st.integers(0, 30)
versions = st.lists(
    st.builds("{}.{}.{}".format, numbers, numbers, numbers), min_size=1, max_size=12, unique=True
)


@given(versions, st.data())
def test_a_span_covers_what_it_was_made_of(measured: list[str], data: st.DataObject) -> None:
    """Of the versions that were measured, just those in which something held."""
    measured.sort(key=order)
    held = set(data.draw(st.lists(st.sampled_from(measured), unique=True)))
    span = span_of(held, measured)
    assert {each for each in measured if covers(span, each)} == held


def test_what_still_holds_stays_open() -> None:
    """A newer version, in which the same holds, changes nothing that is written."""
    assert span_of({"1.9.0", "1.10.0"}, ["1.8.0", "1.9.0", "1.10.0"]) == "1.9.0-"
    assert (
        span_of({"1.9.0", "1.10.0", "1.11.0"}, ["1.8.0", "1.9.0", "1.10.0", "1.11.0"]) == "1.9.0-"
    )
    assert covers("1.9.0-", "1.12.0")


def test_versions_go_by_number() -> None:
    """1.10 comes after 1.9, and a build of a version with it."""
    assert order("1.9.0") < order("1.10.0") == order("1.10.0+abc1")
    assert covers("1.9.0-1.10.0", "1.10.0+abc1")
    assert not covers("1.9.0-1.10.0", "1.10.1")
