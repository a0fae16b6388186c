"""Workloads: what a platform's token proves, and the rules that say which robot it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

#: What a token's creator begins with where it was exchanged for a platform's.
CREATOR_PREFIX = "workload:"
TEXT_LENGTH_MAX = 255
#: Matching takes at most the length to this power.
WILDCARDS_MAX = 3


class Cause(StrEnum):
    """Which check a token failed. In the order in which they are made."""

    #: No three canonical base64url parts, no JSON objects, too long, encrypted, nested.
    MALFORMED = "MALFORMED"
    #: A header that we do not take: crit, jku, x5u, jwk, a foreign typ, an odd kid.
    HEADER = "HEADER"
    #: Its issuer is not trusted here.
    ISSUER = "ISSUER"
    #: Not one of those that the issuer may use, or not one for the key that it names.
    ALGORITHM = "ALGORITHM"
    #: The issuer publishes no such key.
    KEY = "KEY"
    SIGNATURE = "SIGNATURE"
    #: A claim that has to be there is missing, or is of the wrong type.
    CLAIMS = "CLAIMS"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    LIFETIME = "LIFETIME"
    AUDIENCE = "AUDIENCE"
    SUBJECT = "SUBJECT"
    #: No rule matches.
    RULE = "RULE"
    #: Several rules match.
    AMBIGUOUS = "AMBIGUOUS"
    #: The rule's robot is missing, disabled, or no robot.
    PRINCIPAL = "PRINCIPAL"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A platform's token that was found good."""

    issuer: str
    subject: str
    #: Id of the robot that the rule names.
    principal: str
    #: Which rule it was: its number among its issuer's, from 1.
    rule: int
    #: Up to when the platform's token is taken.
    expire_time_us: int

    @property
    def creator(self) -> str:
        return CREATOR_PREFIX + self.issuer


@dataclass(frozen=True, kw_only=True)
class WorkloadRule:
    """A subject pattern and claims that have to hold, and the robot that they prove."""

    principal: str
    subject: str
    #: (path into the claims, pattern of a text).
    claims: tuple[tuple[tuple[str, ...], str], ...] = ()

    def matches(self, subject: str, claims: Mapping[str, object]) -> bool:
        return matches(self.subject, subject) and all(
            _holds(claims, path, pattern) for path, pattern in self.claims
        )


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern covers a text of at most 255 characters, whole and by the letter.

    `*` stands for one or more printable ASCII characters but ':' and '/', `**` for any of these.
    """
    if len(text) > TEXT_LENGTH_MAX:
        return False
    return _compiled(pattern).fullmatch(text) is not None


def pattern_problem(pattern: str, *, anchored: bool) -> str | None:
    """What is wrong with a pattern, or None. `anchored`: it has to begin with a literal segment,
    so that no rule takes in what belongs to somebody else altogether."""
    if not 1 <= len(pattern) <= TEXT_LENGTH_MAX or not pattern.isprintable():
        return f"1 to {TEXT_LENGTH_MAX} visible characters"
    wildcards = re.findall(r"\*+", pattern)
    if len(wildcards) > WILDCARDS_MAX or any(len(stars) > 2 for stars in wildcards):
        return f"at most {WILDCARDS_MAX} wildcards, each '*' or '**'"
    if anchored and "*" in re.split(r"[:/]", pattern)[0]:
        return "no wildcard before the first ':' or '/'"
    return None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    kinds = {"**": "[!-~]+", "*": "[!-.0-9;-~]+"}
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join(kinds.get(part) or re.escape(part) for part in parts))


def _holds(claims: Mapping[str, object], path: tuple[str, ...], pattern: str) -> bool:
    found: object = claims
    for key in path:
        if not isinstance(found, Mapping):
            return False
        found = found.get(key)
    return isinstance(found, str) and matches(pattern, found)
