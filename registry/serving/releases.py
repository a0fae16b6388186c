"""Triton's releases, from a file that an operator may extend: `policies/triton-releases.yaml`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from registry.errors import InvalidFieldError
from registry.formats.yaml_lines import Document, UnreadableError, read_yaml
from registry.names.text import show
from registry.shipped import shipped_folder

FILE = "triton-releases.yaml"

_NAME = re.compile(r"[0-9]{2}\.(0[1-9]|1[0-2])")
_NUMBERS = r"[0-9]{1,6}(\.[0-9]{1,6}){1,3}"
_NUMBER = re.compile(_NUMBERS)
#: Of a build between two versions too, such as 1.23.0+1d1712fdaf.
_BUILD = re.compile(rf"{_NUMBERS}(\+[0-9a-z.]{{1,40}})?")
_SOURCE_MAX = 500
_NEAR_MAX = 3


class ReleasesError(Exception):
    """A file that lists no releases; `problems` says all that is wrong with it, line by line."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Release:
    """All texts; empty for what no source was found for."""

    #: The container's tag, such as 25.10.
    name: str
    server: str = ""
    onnxruntime: str
    tensorrt: str = ""
    cuda: str = ""
    python: str = ""
    source: str


_KEYS = tuple(each.name for each in fields(Release) if each.name != "name")
_REQUIRED = ("onnxruntime", "source")


def parse_releases(text: str) -> Mapping[str, Release]:
    """By name, the oldest first. Raises ReleasesError."""
    try:
        document = read_yaml(text.encode())
    except UnreadableError as error:
        raise ReleasesError((str(error),)) from error
    reader = _Reader(document)
    found = [reader.release(name, row) for name, row in sorted(reader.rows().items())]
    if reader.problems:
        problems = sorted(reader.problems)
        raise ReleasesError(tuple(f"line {line}: {problem}" for line, problem in problems))
    return MappingProxyType({each.name: each for each in found if each is not None})


def shipped_releases() -> Mapping[str, Release]:
    """Those that come with Hallmark."""
    return parse_releases((shipped_folder() / FILE).read_text(encoding="utf-8"))


def release(releases: Mapping[str, Release], name: str) -> Release:
    """Raises InvalidFieldError for one that is not among them."""
    if name in releases:
        return releases[name]
    near = difflib.get_close_matches(name, releases, n=_NEAR_MAX, cutoff=0.5)
    raise InvalidFieldError(
        field="triton_release",
        found=show(name) if name else "nothing",
        expected=f"one of {', '.join([*near, *(each for each in releases if each not in near)])}",
        fix=f"Name one of these, or add it to policies/{FILE} and run make triton-tables.",
    )


class _Reader:
    """Reads on after a problem, so that all of them are told at once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        #: (line, what is wrong).
        self.problems: list[tuple[int, str]] = []

    def rows(self) -> Mapping[str, Any]:
        top = self._document.value
        if not isinstance(top, dict) or set(top) != {"releases"}:
            found = ", ".join(map(show, top)) if isinstance(top, dict) else "no keys"
            self._tell(f"found {found}, expected the one key 'releases'")
            return {}
        rows = top["releases"]
        if not isinstance(rows, dict) or not rows:
            self._tell('releases: found none, expected a key such as "25.10" for each', "releases")
            return {}
        return rows

    def release(self, name: str, row: Any) -> Release | None:
        """None where something is wrong with it."""
        told = len(self.problems)
        place = ("releases", name)
        if not _NAME.fullmatch(name):
            self._tell('expected a year and a month as name, such as "25.10"', *place)
        if not isinstance(row, dict):
            self._tell(f"found {_kind(row)}, expected keys: {', '.join(_KEYS)}", *place)
            return None
        for key in _REQUIRED:
            if key not in row:
                self._tell(f"found no {key!r}", *place)
        for key, value in row.items():
            if key not in _KEYS:
                self._tell(f"no such key {show(key)}, expected {', '.join(_KEYS)}", *place, key)
            elif problem := _problem(key, value):
                self._tell(f"{key}: {problem}", *place, key)
        return Release(name=name, **row) if len(self.problems) == told else None

    def _tell(self, problem: str, *place: str) -> None:
        subject = f"release {show(place[1])}: " if len(place) > 1 else ""
        self.problems.append((self._document.line(*place), f"{subject}{problem}"))


def _problem(key: str, value: Any) -> str:
    """What is wrong with a value; empty where it is good."""
    if key == "source":
        fits = isinstance(value, str) and 0 < len(value) <= _SOURCE_MAX
        expected = f"text of 1 to {_SOURCE_MAX} characters"
    else:
        form = _BUILD if key == "onnxruntime" else _NUMBER
        fits = isinstance(value, str) and form.fullmatch(value) is not None
        expected = 'a version in quotes, such as "2.62.0"'
    return "" if fits else f"found {_kind(value)}, expected {expected}"


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return show(value)
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "keys and values"
    return "nothing" if value is None else f"the number or word {value}"
