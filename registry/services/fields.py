"""Rules for free-text fields of requests, in one place so that every door words them alike."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from registry.errors import InvalidFieldError, TooLargeError
from registry.names.text import show


def check_text(field: str, value: str, length_max: int, *, required: bool = False) -> str:
    """The value itself: at most so many characters, no NUL or other control but line breaks."""
    if required and not value:
        raise InvalidFieldError(
            field=field,
            found="nothing",
            expected=f"1 to {length_max} characters",
            fix=f"Say the {field}.",
        )
    if len(value) > length_max:
        raise TooLargeError(
            what=field,
            found=f"{len(value)} characters",
            limit=f"{length_max} characters",
            fix="Shorten it.",
        )
    bad = next((c for c in value if not c.isprintable() and c not in " \n\r\t"), None)
    if bad is not None and (
        ord(bad) < 32 or 0x7F <= ord(bad) < 0xA0 or 0xD800 <= ord(bad) < 0xE000
    ):
        raise InvalidFieldError(
            field=field,
            found=f"control character U+{ord(bad):04X}",
            expected="text without control characters other than line breaks and tabs",
            fix="Remove it.",
        )
    return value


def check_words(field: str, values: Iterable[str], *, count_max: int = 100) -> tuple[str, ...]:
    """Tags, languages, owners: each 1 to 100 characters, unique, in the order given."""
    words = tuple(values)
    if len(words) > count_max:
        raise TooLargeError(
            what=field,
            found=f"{len(words)} entries",
            limit=f"{count_max} entries",
            fix="Drop some.",
        )
    for word in words:
        check_text(field, word, 100, required=True)
    if len(set(words)) != len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise InvalidFieldError(
            field=field,
            found=f"{show(twice)} twice",
            expected="each entry once",
            fix="Drop one.",
        )
    return words


def check_pairs(
    field: str,
    pairs: Iterable[tuple[str, str]],
    *,
    count_max: int = 1000,
    key_max: int = 250,
    value_max: int = 6000,
) -> tuple[tuple[str, str], ...]:
    """Sorted key-value pairs within their bounds."""
    checked = tuple(sorted(pairs))
    _check_count(field, checked, count_max)
    for key, value in checked:
        check_text(f"{field} key", key, key_max, required=True)
        check_text(f"{field}[{show(key)}]", value, value_max)
    return checked


def check_numbers(
    field: str,
    pairs: Iterable[tuple[str, float]],
    *,
    count_max: int = 1000,
    key_max: int = 250,
) -> tuple[tuple[str, float], ...]:
    """Sorted metric values, all finite: a NaN would compare false with every bound of a gate."""
    checked = tuple(sorted(pairs))
    _check_count(field, checked, count_max)
    for key, value in checked:
        check_text(f"{field} key", key, key_max, required=True)
        if not math.isfinite(value):
            raise InvalidFieldError(
                field=f"{field}[{show(key)}]",
                found=repr(value),
                expected="a finite number",
                fix="Leave the metric out where it has no value.",
            )
    return checked


def check_mask(paths: Sequence[str], allowed: Collection[str]) -> frozenset[str]:
    """The fields that an update names; "*" means all."""
    if not paths:
        raise InvalidFieldError(
            field="update_mask",
            found="nothing",
            expected=f"some of {', '.join(sorted(allowed))}, or *",
            fix="Name the fields to change.",
        )
    if tuple(paths) == ("*",):
        return frozenset(allowed)
    unknown = sorted(set(paths) - set(allowed))
    if unknown:
        raise InvalidFieldError(
            field="update_mask",
            found=show(unknown[0]),
            expected=f"some of {', '.join(sorted(allowed))}, or *",
            fix="Only these can be changed.",
        )
    return frozenset(paths)


def _check_count(field: str, entries: Sequence[object], count_max: int) -> None:
    if len(entries) > count_max:
        raise TooLargeError(
            what=field,
            found=f"{len(entries)} entries",
            limit=f"{count_max} entries",
            fix="Drop some.",
        )
