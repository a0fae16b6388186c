"""Rules for free-text fields of requests, in one place so that every door words them alike."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence

from registry.errors import InvalidFieldError, TooLargeError
from registry.names.text import codepoint, show

#: Never in a text: PostgreSQL takes no NUL, terminals obey controls, and the marks that turn the
#: direction of writing make a text look like another one.
_NOWHERE = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_UNFIT = re.compile(f"[{_NOWHERE}]")
_UNFIT_IN_LINE = re.compile(rf"[{_NOWHERE}\t\n\u2028\u2029]")
#: So much is shown before and after what is refused.
_AROUND = 20


def check_text(
    field: str, value: str, length_max: int, *, required: bool = False, one_line: bool = False
) -> str:
    """The value itself: at most so many characters, none of them a control or a bidi control.

    Line breaks (U+000A alone) and tabs are fine, unless the field is one line.
    """
    if _is_plain(value, length_max) and (value or not required):
        return value
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
    unfit = (_UNFIT_IN_LINE if one_line else _UNFIT).search(value)
    if unfit is not None:
        place = unfit.start()
        near = show(value[max(0, place - _AROUND) : place + 1 + _AROUND])
        raise InvalidFieldError(
            field=field,
            found=f"{codepoint(unfit[0])} as character {place + 1}, near {near}",
            expected="one line without control characters"
            if one_line
            else "text whose only control characters are line breaks (U+000A) and tabs",
            fix=_mend(unfit[0], one_line=one_line),
        )
    return value


def check_words(field: str, values: Iterable[str], *, count_max: int = 100) -> tuple[str, ...]:
    """Tags, languages, owners: each a line of 1 to 100 characters, unique, in the order given."""
    words = tuple(values)
    if len(words) > count_max:
        raise TooLargeError(
            what=field,
            found=f"{len(words)} entries",
            limit=f"{count_max} entries",
            fix="Drop some.",
        )
    for word in words:
        check_text(field, word, 100, required=True, one_line=True)
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
    key_field = f"{field} key"
    for key, value in checked:
        check_text(key_field, key, key_max, required=True, one_line=True)
        if not _is_plain(value, value_max):
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
    key_field = f"{field} key"
    for key, value in checked:
        check_text(key_field, key, key_max, required=True, one_line=True)
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


def _is_plain(value: str, length_max: int) -> bool:
    """True for most texts, known at a glance to be fit for any field: short, printable ASCII."""
    return len(value) <= length_max and value.isascii() and value.isprintable()


def _mend(unfit: str, *, one_line: bool) -> str:
    if unfit in "\n\r\t\u2028\u2029" and one_line:
        return "Put a space in its place."
    return "End lines with U+000A alone." if unfit == "\r" else "Remove it."


def _check_count(field: str, entries: Sequence[object], count_max: int) -> None:
    if len(entries) > count_max:
        raise TooLargeError(
            what=field,
            found=f"{len(entries)} entries",
            limit=f"{count_max} entries",
            fix="Drop some.",
        )
