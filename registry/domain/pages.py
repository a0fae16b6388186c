"""Pages of a list: where one ended and the next begins.

A page token holds the sort key of the last row that was shown and a fingerprint of the list it
belongs to. Rows are addressed by key, never by offset, so that what is created or deleted between
two pages makes nothing appear twice or go missing. Tokens are no secret and grant nothing:
permission is judged on every page anew.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from registry.errors import InvalidFieldError

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1000
TOKEN_LENGTH_MAX = 2048
#: A page ends early rather than pass it: clients take messages of 4 MB by default.
PAGE_BYTES_MAX = 3_000_000

T = TypeVar("T")
Cursor = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """What a caller asks: how many, and from where."""

    size: int = 0
    token: str = ""

    def limit(self, maximum: int = PAGE_SIZE_MAX) -> int:
        if self.size < 0:
            raise InvalidFieldError(
                field="page_size",
                found=str(self.size),
                expected=f"0 (meaning {PAGE_SIZE_DEFAULT}) to {maximum}",
                fix="Leave it out for the default.",
            )
        return min(self.size or PAGE_SIZE_DEFAULT, maximum)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next_page_token: str = ""


def fingerprint(*parts: object) -> str:
    """Names the list that a token belongs to: same filter and order, same fingerprint."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def encode_token(cursor: Cursor, of: str) -> str:
    # Not escaped, so that the longest path of a file makes a token of less than the bound.
    text = json.dumps([of, *cursor], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_token(token: str, of: str, *kinds: type[str | int]) -> Cursor | None:
    """The cursor in a token, None for the first page.

    Raises InvalidFieldError for a token that is damaged or belongs to another list. `kinds` are the
    types of the cursor's parts.
    """
    if not token:
        return None
    problem = InvalidFieldError(
        field="page_token",
        found=repr(token[:40]),
        expected="the next_page_token of this same list, filter and order",
        fix="Start again without a page_token.",
    )
    if len(token) > TOKEN_LENGTH_MAX:
        raise problem
    try:
        padded = token + "=" * (-len(token) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise problem from error
    if not isinstance(parts, list) or len(parts) != len(kinds) + 1 or parts[0] != of:
        raise problem
    cursor = parts[1:]
    if not all(type(part) is kind for part, kind in zip(cursor, kinds, strict=True)):
        raise problem
    if not all(map(_is_storable, cursor)):
        raise problem
    return tuple(cursor)


def _is_storable(part: str | int) -> bool:
    """Whether a database takes it: we made no token with anything else."""
    if isinstance(part, int):
        return abs(part) < 2**63
    return "\0" not in part and not any("\ud800" <= character <= "\udfff" for character in part)


def page_of(
    found: Sequence[T],
    limit: int,
    cursor_of: Callable[[T], Cursor],
    of: str,
    weight_of: Callable[[T], int] | None = None,
) -> Page[T]:
    """The first rows of what was found, as many as were asked for and fit into one reply.

    Look for `limit + 1` rows: the one too many tells that there are more. `cursor_of` is the sort
    key of a row, `of` the list's fingerprint. `weight_of` estimates a row's bytes in a reply, by
    default from all that is in it. A row that is too heavy by itself still makes a page.
    """
    weigh = weight_of or weight
    bytes_left = PAGE_BYTES_MAX
    count = 0
    for item in found[:limit]:
        bytes_left -= weigh(item)
        if bytes_left < 0 and count:
            break
        count += 1
    if count == len(found):
        return Page(items=tuple(found))
    return Page(
        items=tuple(found[:count]),
        next_page_token=encode_token(cursor_of(found[count - 1]), of),
    )


def weight(value: object) -> int:
    """At least as many bytes as a value takes in a reply: text counts as UTF-8."""
    if isinstance(value, str):
        text_bytes = len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))
        return text_bytes + 16
    if isinstance(value, tuple | list | set | frozenset):
        return 8 + sum(map(weight, value))
    fields = getattr(value, "__dict__", None)
    return 64 + sum(map(weight, fields.values())) if fields else 16
