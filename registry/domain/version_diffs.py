"""What changes from one version to another: files, card, metrics, parameters, and what is in
files: tensors, config, chat templates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

from registry.domain.canonical import Json, canonical_json
from registry.domain.fact_diffs import (
    FactsByPath,
    config_of,
    shown,
    template_lines,
    tensors_of,
)
from registry.domain.manifests import FileChange, Manifest, ManifestFile, diff
from registry.domain.pages import weight
from registry.domain.versions import Card, Version

T = TypeVar("T")

#: So many files of each kind are named; all are counted.
NAMED_MAX = 1000
VALUE_LENGTH_MAX = 200
#: What is named ends early where a reply would not fit into a message.
NAMED_BYTES_MAX = 3_000_000


@dataclass(frozen=True, kw_only=True)
class ValueChange:
    """A value that differs, as text; empty where it is absent."""

    key: str
    base: str
    other: str


@dataclass(frozen=True, kw_only=True)
class VersionDiff:
    added: tuple[ManifestFile, ...]
    removed: tuple[ManifestFile, ...]
    changed: tuple[FileChange, ...]
    renamed: tuple[FileChange, ...]
    added_count: int
    removed_count: int
    changed_count: int
    renamed_count: int
    equal_count: int
    #: Bytes of `other` that base does not hold.
    new_bytes: int
    card: tuple[ValueChange, ...]
    metrics: tuple[ValueChange, ...]
    parameters: tuple[ValueChange, ...]
    #: By `path: name`.
    tensors: tuple[ValueChange, ...]
    #: By `path: JSON pointer`.
    config: tuple[ValueChange, ...]
    #: As `diff -u` has it.
    template: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two versions, with all that is compared."""

    version: Version
    manifest: Manifest
    #: With its text.
    card: Card
    #: Of the files whose bytes the other side has not.
    facts: FactsByPath


def compare(base: Side, other: Side) -> VersionDiff:
    """What changes from `base` to `other`. Files by path in byte order, values by key."""
    files = diff(base.manifest, other.manifest)
    # A media type alone is no change here: the bytes are the same.
    changed = [c for c in files.changed if c.before.sha256 != c.after.sha256]
    old = {file.sha256 for file in base.manifest.files}
    new = {file.sha256: file.size_bytes for file in other.manifest.files if file.sha256 not in old}
    room = _Room(NAMED_BYTES_MAX)
    return VersionDiff(
        card=room.take(_card_changes(base.card, other.card)),
        metrics=room.take(
            _changes(dict(base.version.spec.metrics), dict(other.version.spec.metrics))
        ),
        parameters=room.take(
            _changes(dict(base.version.spec.parameters), dict(other.version.spec.parameters))
        ),
        template=room.take(shown(template_lines(base.facts, other.facts))),
        config=room.take(_changes(_config(base), _config(other))),
        tensors=room.take(
            islice(_changes(tensors_of(base.facts), tensors_of(other.facts)), NAMED_MAX)
        ),
        changed=room.take(changed[:NAMED_MAX]),
        added=room.take(files.added[:NAMED_MAX]),
        removed=room.take(files.removed[:NAMED_MAX]),
        renamed=room.take(files.renamed[:NAMED_MAX]),
        added_count=len(files.added),
        removed_count=len(files.removed),
        changed_count=len(changed),
        renamed_count=len(files.renamed),
        equal_count=len(other.manifest.files)
        - len(files.added)
        - len(changed)
        - len(files.renamed),
        new_bytes=sum(new.values()),
    )


class _Room:
    """How many bytes are left in a reply."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes

    def take(self, values: Iterable[T]) -> tuple[T, ...]:
        """The first values, as many as there is room for."""
        taken = []
        for value in values:
            self._left -= weight(value)
            if self._left < 0:
                break
            taken.append(value)
        return tuple(taken)


def pointers(value: Json, at: str = "") -> Iterator[tuple[str, Json]]:
    """The leaves of a JSON value by their JSON pointers (RFC 6901); empty lists and objects too."""
    children: Iterable[tuple[str, Json]] = ()
    if isinstance(value, dict):
        children = ((key.replace("~", "~0").replace("/", "~1"), v) for key, v in value.items())
    elif isinstance(value, list):
        children = ((str(number), v) for number, v in enumerate(value))
    if not isinstance(value, dict | list) or not value:
        yield at, value
    for key, child in children:
        yield from pointers(child, f"{at}/{key}")


def _card_changes(base: Card, other: Card) -> Iterator[ValueChange]:
    return chain(
        _changes(_text(base), _text(other)),
        _changes(_leaves(base), _leaves(other)),
    )


def _config(side: Side) -> dict[str, Json]:
    return {
        f"{path}: {key}": leaf
        for path, value in config_of(side.facts).items()
        for key, leaf in pointers(value)
    }


def _text(card: Card) -> dict[str, Json]:
    digest = hashlib.sha256(card.text.encode()).hexdigest()
    return {"/": digest} if card.text else {}


def _leaves(card: Card) -> dict[str, Json]:
    # The block itself, at the empty pointer, is a leaf where it is empty.
    return {key: leaf for key, leaf in pointers(json.loads(card.metadata_json)) if key}


def _changes(base: Mapping[str, Json], other: Mapping[str, Json]) -> Iterator[ValueChange]:
    for key in sorted(base.keys() | other.keys()):
        # As JSON, in which 1, 1.0 and true differ.
        exact = tuple(
            canonical_json(side[key]).decode() if key in side else "" for side in (base, other)
        )
        if exact[0] == exact[1]:
            continue
        plain = tuple(_plain(side[key]) if key in side else "" for side in (base, other))
        shown = exact if plain[0] == plain[1] else plain
        yield ValueChange(
            key=key, base=shown[0][:VALUE_LENGTH_MAX], other=shown[1][:VALUE_LENGTH_MAX]
        )


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json(value).decode()
