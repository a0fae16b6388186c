"""Pages: tokens that come back as they were, and nothing else; replies that stay small."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.pages import (
    PAGE_BYTES_MAX,
    TOKEN_LENGTH_MAX,
    PageRequest,
    decode_token,
    encode_token,
    fingerprint,
    page_of,
    weight,
)
from registry.errors import InvalidFieldError

OF = fingerprint("list")
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100)


@dataclass(frozen=True)
class Row:
    number: int
    text: str = ""


def packed(value: object) -> str:
    text = json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@given(NUMBERS, TEXTS)
def test_a_token_gives_its_cursor_back(number: int, text: str) -> None:
    """decode(encode(cursor)) == cursor, for numbers and for texts in any script."""
    assert decode_token(encode_token((number, text), OF), OF, int, str) == (number, text)


@pytest.mark.parametrize("path", ["ü" * 512, "€" * 341, "𝛌" * 256, "a" * 1024])
def test_the_longest_paths_fit(path: str) -> None:
    """A list of files can be continued behind any path that a file may have."""
    token = encode_token((path,), OF)
    assert len(token) <= TOKEN_LENGTH_MAX
    assert decode_token(token, OF, str) == (path,)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "====",
        "é",
        "A" * (TOKEN_LENGTH_MAX + 1),
        packed(None),
        packed({}),
        packed([]),
        packed([OF]),
        packed([OF, "a", "b"]),
        packed([OF, 1]),
        packed([OF, None]),
        packed([OF, ["a"]]),
        packed([OF, "a\0b"]),
        packed([OF, "\ud800"]),
        packed([fingerprint("other"), "a"]),
        packed([OF, "a"]) + "!",
        packed([OF, "a"])[:-3],
        base64.urlsafe_b64encode(b"[" * 1500).decode(),
    ],
)
def test_what_is_no_token_of_the_list_is_refused(token: str) -> None:
    """Damaged tokens, those of other lists, and those with what no database holds."""
    with pytest.raises(InvalidFieldError, match="page_token"):
        decode_token(token, OF, str)


@pytest.mark.parametrize("number", [2**63, -(2**63), 2**200, True, 1.5])
def test_numbers_that_no_row_has_are_refused(number: object) -> None:
    """Numbers out of the bounds of a column, and what only looks like a number."""
    with pytest.raises(InvalidFieldError, match="page_token"):
        decode_token(packed([OF, number]), OF, int)


@given(st.text(max_size=60))
def test_no_text_crashes_the_decoder(token: str) -> None:
    """Any text whatever is the first page, or refused."""
    if token:
        with pytest.raises(InvalidFieldError):
            decode_token(token, OF, str)
    else:
        assert decode_token(token, OF, str) is None


def test_sizes_are_bounded() -> None:
    """0 means 50, more than 1,000 is 1,000, less than 0 is refused."""
    assert [PageRequest(size=size).limit() for size in (0, 1, 1000, 9999)] == [50, 1, 1000, 1000]
    with pytest.raises(InvalidFieldError, match="page_size"):
        PageRequest(size=-1).limit()


@given(st.lists(st.integers(0, PAGE_BYTES_MAX * 2), max_size=20), st.integers(1, 8))
def test_pages_hold_each_row_once_and_stay_small(weights: list[int], limit: int) -> None:
    """Read page by page, each row comes once, and only a row alone may weigh more than a reply."""
    rows = [Row(number) for number in range(len(weights))]
    seen: list[Row] = []
    after = -1
    while True:
        found = [row for row in rows if row.number > after][: limit + 1]
        page = page_of(found, limit, lambda row: (row.number,), OF, lambda row: weights[row.number])
        assert len(page.items) <= limit
        assert (
            sum(weights[row.number] for row in page.items) <= PAGE_BYTES_MAX or len(page.items) == 1
        )
        seen += page.items
        cursor = decode_token(page.next_page_token, OF, int)
        if cursor is None:
            break
        after = int(cursor[0])
    assert seen == rows


def test_weight_counts_bytes_of_all_that_is_in_a_value() -> None:
    """Text weighs as UTF-8, however deep it lies, and a heavy row makes a page of its own."""
    assert weight("€" * 100) >= 300
    assert weight((Row(1, "x" * 50), Row(2, "é" * 50))) >= 150
    assert weight([("a", 1.5), ("b", None)]) >= 20
    page = page_of([Row(n, "€" * 500_000) for n in range(9)], 9, lambda r: (r.number,), OF)
    assert len(page.items) == 1
