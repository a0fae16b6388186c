"""References: what a person or pipeline writes to mean one version, `fraud/scorer@production`."""

from __future__ import annotations

import re
from dataclasses import InitVar, dataclass
from typing import Self, TypeAlias

from registry.names.resources import ModelName
from registry.names.rules import check_number, check_ref_name, check_sha256, parse_number
from registry.names.text import invalid, show

_COMMIT_ID = re.compile(r"[0-9a-f]{7,40}")
_COMMIT_LENGTH = 40
_HEX = re.compile(r"[0-9A-Fa-f]{7,}")


@dataclass(frozen=True, kw_only=True)
class VersionNumber:
    """`7`: that version, for ever."""

    number: int
    field: InitVar[str] = "reference"

    def __post_init__(self, field: str) -> None:
        check_number(self.number, field=field)

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True, kw_only=True)
class VersionDigest:
    """`sha256:<64 hex>`: the version whose manifest has this digest."""

    sha256: str
    field: InitVar[str] = "reference"

    def __post_init__(self, field: str) -> None:
        check_sha256(self.sha256, field=field)

    def __str__(self) -> str:
        return f"sha256:{self.sha256}"


@dataclass(frozen=True, kw_only=True)
class CommitId:
    """A commit id, or the beginning of one (7 hex digits or more) that has to be unambiguous.

    A beginning of digits only is a version number instead, so it is refused here.
    """

    commit: str
    field: InitVar[str] = "reference"

    def __post_init__(self, field: str) -> None:
        if not _COMMIT_ID.fullmatch(self.commit):
            found = f"{len(self.commit)} characters, {show(self.commit)}"
            fix = "Write a digest as sha256:<64 hex>, a commit id in lower case."
            raise invalid(field, found, "a commit id of 7-40 hex digits in lower case", fix)
        if not self.is_whole and self.commit.isdigit():
            expected = "the beginning of a commit id with a letter in it"
            fix = "Give more of the commit id; digits alone are a version number."
            raise invalid(field, show(self.commit), expected, fix)

    @property
    def is_whole(self) -> bool:
        """False where it is only the beginning of a commit id."""
        return len(self.commit) == _COMMIT_LENGTH

    def __str__(self) -> str:
        return self.commit


@dataclass(frozen=True, kw_only=True)
class RefName:
    """An alias, branch, tag or stage, by name: what it means may change."""

    name: str
    field: InitVar[str] = "reference"

    def __post_init__(self, field: str) -> None:
        check_ref_name(self.name, stages=(), field=field)

    def __str__(self) -> str:
        return self.name


Selector: TypeAlias = VersionNumber | VersionDigest | CommitId | RefName


def parse_selector(text: str, *, field: str = "reference") -> Selector:
    """What stands behind the `@`. Law: `str(parse_selector(text)) == text`.

    40 hex digits are a commit, digits alone a version number, other hex of 7 or more the
    beginning of a commit, and everything else a name.
    """
    algorithm, colon, digest = text.partition(":")
    if colon and algorithm == "sha256":
        return VersionDigest(sha256=digest, field=field)
    if len(text) != _COMMIT_LENGTH and text.isascii() and text.isdigit():
        return VersionNumber(number=parse_number(text, field=field), field=field)
    if _HEX.fullmatch(text):
        return CommitId(commit=text, field=field)
    return RefName(name=text, field=field)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """`<model>@<version number | sha256:digest | commit | name>`, without the prefix `models/`."""

    model: ModelName
    selector: Selector

    @classmethod
    def parse(cls, text: str, *, field: str = "reference") -> Self:
        path, at, selector = text.partition("@")
        if not at:
            expected = "<model>@<version number, sha256:digest, commit or name>"
            fix = "Say which version, like fraud/scorer@7 or fraud/scorer@production."
            raise invalid(field, show(text), expected, fix)
        return cls(
            model=ModelName(path=path, field=field),
            selector=parse_selector(selector, field=field),
        )

    def __str__(self) -> str:
        return f"{self.model.path}@{self.selector}"
