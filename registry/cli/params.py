"""Argument types: times, spans, grants, key=value pairs, each refused with what was expected."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from registry.client.values import Dataset

_SPAN = re.compile(r"([0-9]{1,6})\s*(s|m|h|d|w)")
_SCOPE = re.compile(r"(?P<action>[^:@]+)(:(?P<model>[^:@]*))?(@(?P<stage>[^:@]*))?")
_DATASET = re.compile(r"(?P<name>[^@]+)(@(?P<digest>sha256:[0-9a-f]{64}))?")
_COUNT = re.compile(r"([0-9]{1,15}(\.[0-9]{1,6})?)([KMBTkmbt]?)")
_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EXPECTED = "2026-11-01, 2026-11-01T12:00Z, or a span such as 90m, 12h, 30d"
_FILE_BYTES_MAX = 10_000_000


class Moment(click.ParamType[datetime]):
    """A moment in ISO 8601 (UTC where no zone is given), or a span before or after now."""

    name = "time"

    def __init__(self, *, ahead: bool) -> None:
        self._ahead = ahead

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_moment(value, now=datetime.now(UTC), ahead=self._ahead)
        except ValueError:
            self.fail(f"found {value!r}, expected {_EXPECTED}.", param, ctx)


class Span(click.ParamType[timedelta]):
    """A length of time, such as 90m, 24h, 7d."""

    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        span = _SPAN.fullmatch(value.strip())
        if span is None:
            self.fail(f"found {value!r}, expected a span such as 90m, 24h, 7d.", param, ctx)
        return timedelta(**{_UNITS[span[2]]: int(span[1])})


class Count(click.ParamType[int]):
    """A whole number, such as 500, 1.5M or 7B."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _COUNT.fullmatch(value.strip())
        if found is None:
            self.fail(f"found {value!r}, expected a number such as 500M, 1.5B.", param, ctx)
        return round(float(found[1]) * _FACTORS[found[3].upper()])


class DatasetParam(click.ParamType["Dataset"]):
    """`NAME@sha256:...`, or NAME alone where the digest is not needed."""

    def __init__(self, *, digest_required: bool) -> None:
        self._digest_required = digest_required
        self.name = "name@sha256:..." if digest_required else "name[@sha256:...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Dataset:
        from registry.client.values import Dataset

        if isinstance(value, Dataset):
            return value
        found = _DATASET.fullmatch(value)
        if found is None or (self._digest_required and not found["digest"]):
            self.fail(f"found {value!r}, expected NAME@sha256: and 64 hex digits.", param, ctx)
        return Dataset(name=found["name"], digest=found["digest"] or "")


class ScopeParam(click.ParamType[tuple[str, str, str]]):
    """`version.fetch`, `version.fetch:fraud/*` or `version.fetch:fraud/*@production`."""

    name = "action[:model][@stage]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str, str]:
        if isinstance(value, tuple):
            return value
        found = _SCOPE.fullmatch(value)
        if found is None:
            expected = "an action, a model and a stage, such as version.fetch:fraud/*@production"
            self.fail(f"found {value!r}, expected {expected}.", param, ctx)
        return found["action"], found["model"] or "*", found["stage"] or "*"


class GrantParam(click.ParamType[tuple[str, str, bool]]):
    """`reviewer` for everywhere, `reviewer:fraud` or `reviewer:ml-*` for a namespace pattern; with
    `!` before it, it takes away what the role holds there."""

    name = "[!]role[:namespace]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str, bool]:
        if isinstance(value, tuple):
            return value
        role, _, pattern = value.removeprefix("!").partition(":")
        roles = ("reader", "registrant", "reviewer", "security", "deployer", "auditor", "admin")
        if role not in roles:
            self.fail(f"found role {role!r}, expected one of {', '.join(roles)}.", param, ctx)
        return role, pattern or "*", value.startswith("!")


def parse_moment(text: str, *, now: datetime, ahead: bool) -> datetime:
    """The aware time meant; ValueError for text that is none, or lies outside the calendar."""
    try:
        if span := _SPAN.fullmatch(text.strip()):
            delta = timedelta(**{_UNITS[span[2]]: int(span[1])})
            return now + delta if ahead else now - delta
        time = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as cause:
        raise ValueError(f"{text!r} is no time") from cause
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def texts_of(given: Iterable[str], *, option: str) -> dict[str, str]:
    """`key=value` pairs, and JSON files of one flat object; later ones win.

    An argument without `=` names a file.
    """
    found: dict[str, str] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if equals:
            found[key.strip()] = value
        else:
            found |= {k: _text(v) for k, v in _load(each, option).items()}
    return found


def numbers_of(given: Iterable[str], *, option: str) -> dict[str, float]:
    """As `texts_of`, with finite numbers as values."""
    found: dict[str, float] = {}
    for each in given:
        key, equals, value = each.partition("=")
        pairs = {key.strip(): value} if equals else _load(each, option)
        for name, number in pairs.items():
            found[name] = _number(name, number, option)
    return found


def _number(name: str, value: object, option: str) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        message = f"{name}: found {value!r}, expected a finite number."
        raise click.BadParameter(message, param_hint=option)
    return number


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _load(path: str, option: str) -> dict[str, object]:
    def refused(found: str) -> click.BadParameter:
        expected = "KEY=VALUE, or a file with one JSON object"
        return click.BadParameter(f"{path}: found {found}, expected {expected}.", param_hint=option)

    try:
        with open(path, "rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
    except OSError as cause:
        raise refused(f"no such file ({cause.strerror})") from cause
    if len(data) > _FILE_BYTES_MAX:
        raise refused(f"more than {_FILE_BYTES_MAX} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise refused(f"no JSON ({cause})") from cause
    if not isinstance(value, dict):
        raise refused("another kind of JSON")
    return value
