"""The settings of a policy set: which there are, and what each may be. Rules see them as is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from registry.domain.times import time_of
from registry.errors import InvalidFieldError
from registry.names.rules import check_stage

_DURATION = re.compile(r"[1-9][0-9]{0,5}h")
_GRACE = re.compile(r"(0|[1-9][0-9]{0,5})h")
_HOUR_US = 3600 * 1_000_000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_WORD_MAX = 200
_LIST_MAX = 1000


def duration_us(text: str) -> int:
    """Microseconds of `336h`: whole hours, the one unit that CEL's `duration` reads too."""
    found = _GRACE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(found[1]) * _HOUR_US


#: A check says what is expected where the value is something else.
Check = Callable[[Any], str]


def _duration(value: Any) -> str:
    is_one = isinstance(value, str) and _DURATION.fullmatch(value)
    return "" if is_one else "whole hours such as 336h"


def _grace(value: Any) -> str:
    is_one = isinstance(value, str) and _GRACE.fullmatch(value)
    return "" if is_one else "whole hours such as 72h, or 0h"


def _word(value: Any) -> str:
    fits = isinstance(value, str) and 0 < len(value) <= _WORD_MAX
    return "" if fits else f"text of 1 to {_WORD_MAX} characters"


def _text(value: Any) -> str:
    fits = isinstance(value, str) and len(value) <= _WORD_MAX
    return "" if fits else f"text of at most {_WORD_MAX} characters"


def _digest(value: Any) -> str:
    is_one = isinstance(value, str) and _DIGEST.fullmatch(value)
    return "" if is_one else "sha256: and 64 hex digits"


def _size(value: Any) -> str:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
    return "" if fits else "a whole number above 0"


def _number(value: Any) -> str:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return "" if fits else "a number"


def _time(value: Any) -> str:
    try:
        time_of(value)
    except (TypeError, ValueError):
        return "a time such as 2026-12-24T00:00:00Z"
    return ""


def _stage(value: Any) -> str:
    try:
        check_stage(value)
    except (TypeError, InvalidFieldError):
        return "a stage's name"
    return ""


def _anything(value: Any) -> str:
    return "" if isinstance(value, dict) else "keys and values"


def _list_of(check: Check) -> Check:
    def checked(value: Any) -> str:
        if not isinstance(value, list) or len(value) > _LIST_MAX:
            return f"a list of at most {_LIST_MAX} entries"
        wrong = next((each for each in map(check, value) if each), "")
        return f"a list, each of it {wrong}" if wrong else ""

    return checked


def _stages(value: Any) -> str:
    wrong = _list_of(_stage)(value)
    if wrong:
        return wrong
    return "" if len(set(value)) == len(value) else "a list with each stage once"


def _object(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    known = {**required, **(optional or {})}

    def checked(value: Any) -> str:
        if not isinstance(value, dict):
            return f"keys and values: {', '.join(known)}"
        for key, each in value.items():
            if key not in known:
                return f"no key {key!r}, but {', '.join(known)}"
            wrong = known[key](each)
            if wrong:
                return f"{wrong} as {key}"
        missing = required.keys() - value.keys()
        return f"the key {min(missing)}" if missing else ""

    return checked


def _by_stage(value: Any) -> str:
    if not isinstance(value, dict):
        return "stages with a text each"
    return next((wrong for key, each in value.items() if (wrong := _stage(key) or _text(each))), "")


def _by_stage_lists(value: Any) -> str:
    if not isinstance(value, dict):
        return "stages with a list each"
    check = _list_of(_word)
    return next((wrong for key, each in value.items() if (wrong := _stage(key) or check(each))), "")


#: Every key must be there: what is left out of a copied file is no default but a mistake.
SETTINGS: Mapping[str, Check] = {
    "stages": _object({"exclusive": _stages, "labels": _stages}),
    "promotion_ttl": _duration,
    "approval_validity": _duration,
    "grace": _object({"fail": _grace, "unknown": _grace}),
    "freezes": _list_of(
        _object({"start": _time, "end": _time, "stages": _list_of(_stage), "reason": _word})
    ),
    "licenses": _object({"permissive": _list_of(_word), "allowed": _list_of(_word)}),
    "mirrors": _object({"publishers": _list_of(_word), "approvals": _size, "group": _word}),
    "limits": _object({"version_bytes": _size, "file_bytes": _size, "files": _size}),
    "formats": _object({"denied": _list_of(_word), "denied_in": _by_stage_lists}),
    "content_flags": _object({"allowed": _list_of(_word)}),
    "triton": _by_stage,
    "metrics": _object(
        {
            "floors": _list_of(
                _object(
                    {
                        "stage": _stage,
                        "evaluation": _word,
                        "dataset": _digest,
                        "metric": _word,
                        "least": _number,
                    }
                )
            ),
            "no_worse": _list_of(
                _object(
                    {
                        "stage": _stage,
                        "evaluation": _word,
                        "dataset": _digest,
                        "metric": _word,
                        "keep": _number,
                    }
                )
            ),
        }
    ),
    "card": _object({"required": _list_of(_word)}),
    "protected_namespaces": _list_of(_word),
    "custom": _anything,
}


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return any(map(_has_null, value)) if isinstance(value, list) else value is None


def settings_problems(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and what is wrong with it, for all that is wrong."""
    for key in settings:
        if key not in SETTINGS:
            yield key, f"no such setting, expected one of {', '.join(SETTINGS)}"
    for key, check in SETTINGS.items():
        if key not in settings:
            yield key, "missing"
        elif wrong := check(settings[key]):
            yield key, f"expected {wrong}"
        elif _has_null(settings[key]):
            yield key, "found null, which documents do not have: leave the key out, or write ''"
