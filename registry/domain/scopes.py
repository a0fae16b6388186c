"""Scopes: what a token is good for, of all that its principal may do. A scope only narrows.

A token without scopes is good for everything. Patterns are globs in which `*` stands for any
characters, `/` included; all else stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from registry.names.rules import COLLECTIONS

ANY = "*"


@dataclass(frozen=True, kw_only=True, order=True)
class Scope:
    """Some actions, on some models, in one stage or any."""

    action: str
    #: Of a model's path. Only "*" covers what belongs to no single model.
    model: str = ANY
    #: One stage, or "*". One stage covers nothing but actions that have a stage.
    stage: str = ANY

    def __str__(self) -> str:
        stage = "" if self.stage == ANY else f"@{self.stage}"
        return f"{self.action}:{self.model}{stage}"

    def covers(self, action: str, model: str | None, stage: str) -> bool:
        """Whether it is good for an action on a model, or on what has none; `stage` may be ""."""
        return (
            glob(self.action, action)
            and (self.model == ANY or (model is not None and glob(self.model, model)))
            and self.stage in (ANY, stage)
        )

    def includes(self, other: Scope) -> bool:
        """Whether it covers all that the other covers. May say no where it is yes, never yes where
        it is no."""
        # A star of the other's is a character that none but a star of ours can stand for.
        return (
            glob(self.action, other.action)
            and glob(self.model, other.model)
            and self.stage in (ANY, other.stage)
        )


Scopes = tuple[Scope, ...]


@lru_cache(maxsize=4096)
def covered(scopes: Scopes, action: str, model: str | None, stage: str) -> bool:
    """Whether a token with these scopes is good for an action."""
    return not scopes or any(scope.covers(action, model, stage) for scope in scopes)


def includes(held: Scopes, asked: Scopes) -> bool:
    """Whether a token with the scopes `held` may make one with those asked for."""
    if not held:
        return True
    return bool(asked) and all(any(own.includes(new) for own in held) for new in asked)


def models_of(scopes: Scopes, action: str) -> tuple[str, ...]:
    """The model patterns on which an action is covered in any stage: what a list may show."""
    if not scopes:
        return (ANY,)
    good = {s.model for s in scopes if s.stage == ANY and glob(s.action, action)}
    return (ANY,) if ANY in good else tuple(sorted(good))


def stages_of(scopes: Scopes, action: str, model: str) -> tuple[str, ...]:
    """The stages in which an action on a model is covered; ("*",) where it is in any or in none."""
    if covered(scopes, action, model, ""):
        return (ANY,)
    good = {s.stage for s in scopes if s.covers(action, model, s.stage)}
    return tuple(sorted(good))


def model_in(resource: str) -> str | None:
    """The path of the model that a resource is or belongs to, by its name; None for all else."""
    first, _, rest = resource.partition("/")
    if first != "models" or not rest:
        return None
    segments = rest.split("/")
    for number, segment in enumerate(segments):
        # No model has one of these words in its path.
        if segment in COLLECTIONS:
            return "/".join(segments[:number])
    return rest


def spoken(scopes: Iterable[Scope]) -> str:
    return ", ".join(map(str, scopes))


def glob(pattern: str, text: str) -> bool:
    """Whether a pattern, in which `*` stands for any characters, matches the whole text.

    Takes the first place for each part, which leaves the most for the next: no pattern is slow.
    """
    head, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, tail = rest
    place, end = len(head), len(text) - len(tail)
    if end < place or not text.startswith(head) or not text.endswith(tail):
        return False
    for part in middle:
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True


@lru_cache(maxsize=4096)
def overlap(one: str, other: str) -> bool:
    """Whether any text at all matches both patterns."""
    if not one or not other:
        return set(one + other) <= {ANY}
    if one[0] == ANY:
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == ANY:
        return overlap(other, one)
    return one[0] == other[0] and overlap(one[1:], other[1:])
