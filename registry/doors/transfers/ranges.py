"""Which part of a file a request asks for, and on which conditions: RFC 9110, sections 13 and 14.

Plain values in, a plain value out. The rules are taken in the order of section 13.2.2. Files have
an ETag and no modification time, hence conditions on dates never hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry.doors.errors import EtagMismatchError
from registry.errors import RangeNotSatisfiableError

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
#: A number longer than this is past the end of any file; leading zeros beside.
_DIGITS_MAX = 18
_RANGE = re.compile(r"bytes=(0*)([0-9]*)-(0*)([0-9]*)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The headers that decide, as they came; None where absent. Repeated ones joined by commas."""

    range: str | None = None
    if_range: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The bytes [start, start + length) under this status: 200, 206, or 304 for none at all."""

    status: int
    start: int
    length: int


def select(asked: Conditions, *, what: str, etag: str, size_bytes: int) -> Selection:
    """What to answer to a GET for a file of this size, whose `etag` comes in its quotes.

    Several ranges at once, and ranges that are none, are answered with the whole file, as
    section 14.2 allows. Raises EtagMismatchError and RangeNotSatisfiableError; `what` names the
    file in these.
    """
    whole = Selection(status=200, start=0, length=size_bytes)
    if asked.if_match is not None and not _holds(asked.if_match, etag, weak=False):
        raise EtagMismatchError(found=asked.if_match, etag=etag)
    if asked.if_none_match is not None and _holds(asked.if_none_match, etag, weak=True):
        return Selection(status=304, start=0, length=0)
    if asked.range is None or asked.if_range not in (None, etag):
        return whole
    span = _span(asked.range, size_bytes)
    if span is None:
        return whole
    start, end = span
    if start >= end:
        raise RangeNotSatisfiableError(what=what, found=asked.range, size=size_bytes)
    return Selection(status=206, start=start, length=end - start)


def _holds(header: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of tags, or "*", has ours. A weak tag (W/) only ever matches weakly."""
    if header.strip() == "*":
        return True
    return any(tag == etag and (weak or not mark) for mark, tag in _TAG.findall(header))


def _span(header: str, size_bytes: int) -> tuple[int, int] | None:
    """[start, end) in the file, empty where it lies outside; None where there is no one range."""
    found = _RANGE.fullmatch(header)
    if found is None:
        return None
    first, last = _number(*found.group(1, 2)), _number(*found.group(3, 4))
    if first is None:
        # The last bytes. Of an empty file there are none, and no range could say so.
        if last is None or size_bytes == 0:
            return None
        return max(size_bytes - last, 0), size_bytes
    if last is None:
        return first, size_bytes
    return None if last < first else (first, min(last + 1, size_bytes))


def _number(zeros: str, digits: str) -> int | None:
    if not zeros and not digits:
        return None
    return int(digits or "0") if len(digits) <= _DIGITS_MAX else 10**_DIGITS_MAX
