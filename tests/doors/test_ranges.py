"""Which bytes a request gets, by RFC 9110."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.doors.errors import EtagMismatchError
from registry.doors.transfers.ranges import Conditions, Selection, select
from registry.errors import RangeNotSatisfiableError

ETAG = '"abc"'
SIZE = 1000
WHOLE = Selection(status=200, start=0, length=SIZE)


def chosen(asked: Conditions, size_bytes: int = SIZE) -> Selection:
    return select(asked, what="model.bin", etag=ETAG, size_bytes=size_bytes)


def part(start: int, length: int) -> Selection:
    return Selection(status=206, start=start, length=length)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", part(0, 1)),
        ("bytes=0-999", part(0, 1000)),
        ("bytes=10-", part(10, 990)),
        ("bytes=999-", part(999, 1)),
        ("bytes=990-5000", part(990, 10)),
        ("BYTES=0-1", part(0, 2)),
        ("bytes=-1", part(999, 1)),
        ("bytes=-5000", part(0, 1000)),
        ("bytes=0000000000000000000000001-2", part(1, 2)),
        ("bytes=0-99999999999999999999999999", part(0, 1000)),
    ],
)
def test_one_range_is_answered_with_its_part(header: str, expected: Selection) -> None:
    """A single range gets exactly its bytes, cut where the file ends."""
    assert chosen(Conditions(range=header)) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0-1,5-6",
        "bytes=0-1, bytes=5-6",
        "bytes=1.5-2",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=\u0661-",
        "lines=0-1",
        "bytes 0-1",
    ],
)
def test_what_is_not_one_range_is_answered_with_the_whole(header: str) -> None:
    """Several ranges, other units and nonsense are as if no range had been asked for."""
    assert chosen(Conditions(range=header)) == WHOLE


@pytest.mark.parametrize("span", ["1000-", "1000-1001", "-0", f"{9**99}-"])
def test_a_range_outside_is_refused(span: str) -> None:
    """A range that begins past the end cannot be satisfied, and the error says the size."""
    with pytest.raises(RangeNotSatisfiableError) as caught:
        chosen(Conditions(range=f"bytes={span}"))
    assert caught.value.size == SIZE


def test_an_empty_file_has_no_parts() -> None:
    """Of an empty file its last bytes are the whole, and its first ones cannot be had."""
    assert chosen(Conditions(range="bytes=-5"), 0) == Selection(status=200, start=0, length=0)
    with pytest.raises(RangeNotSatisfiableError):
        chosen(Conditions(range="bytes=0-"), 0)


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_a_slice(size: int, first: int, last: int) -> None:
    """What is selected are the bytes that Python's slice of the file has."""
    data = bytes(range(size))
    asked = Conditions(range=f"bytes={first}-{last}")
    if last < first:
        assert chosen(asked, size).status == 200
    elif first >= size:
        with pytest.raises(RangeNotSatisfiableError):
            chosen(asked, size)
    else:
        found = chosen(asked, size)
        assert data[found.start : found.start + found.length] == data[first : last + 1]


@given(st.text())
@pytest.mark.slow
def test_any_range_is_within_the_file(header: str) -> None:
    """Whatever is asked for, nothing outside the file is ever selected."""
    try:
        found = chosen(Conditions(range=f"bytes={header}"))
    except RangeNotSatisfiableError:
        return
    assert 0 <= found.start <= found.start + found.length <= SIZE


@pytest.mark.parametrize("tags", ['"abc"', '"x", "abc"', 'W/"abc"', "*", '"x" , W/"abc", "y"'])
def test_a_copy_that_is_current_is_not_sent_again(tags: str) -> None:
    """If-None-Match that names our tag, weakly or not, is answered 304, range or not."""
    expected = Selection(status=304, start=0, length=0)
    assert chosen(Conditions(if_none_match=tags)) == expected
    assert chosen(Conditions(if_none_match=tags, range="bytes=0-1")) == expected


@pytest.mark.parametrize("tags", ["", '"ab"', "abc", '"ABC"', 'W/"x"'])
def test_another_copy_is_replaced(tags: str) -> None:
    """If-None-Match without our tag changes nothing."""
    assert chosen(Conditions(if_none_match=tags)) == WHOLE


@pytest.mark.parametrize("tags", ['"x"', 'W/"abc"', "", "abc"])
def test_if_match_refuses_other_bytes(tags: str) -> None:
    """If-Match without our tag, told strongly, fails before all else."""
    with pytest.raises(EtagMismatchError):
        chosen(Conditions(if_match=tags, if_none_match=ETAG, range="bytes=0-1"))


@pytest.mark.parametrize("tags", ['"abc"', "*", '"x", "abc"'])
def test_if_match_lets_our_bytes_through(tags: str) -> None:
    """If-Match with our tag changes nothing."""
    assert chosen(Conditions(if_match=tags, range="bytes=0-1")) == part(0, 2)


@pytest.mark.parametrize("tag", ['"x"', 'W/"abc"', "Fri, 20 Nov 2026 22:54:50 GMT", "*"])
def test_a_part_of_another_file_is_never_sent(tag: str) -> None:
    """If-Range that does not strongly name our tag gets the whole file."""
    assert chosen(Conditions(range="bytes=0-1", if_range=tag)) == WHOLE


def test_a_part_of_the_same_file_is_sent() -> None:
    """If-Range with our tag gets the part."""
    assert chosen(Conditions(range="bytes=0-1", if_range=ETAG)) == part(0, 2)
