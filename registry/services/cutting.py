"""Cutting: how a commit becomes a version."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from registry.domain.access import Caller
from registry.domain.commits import Commit
from registry.domain.lineage import LineageEdge
from registry.domain.manifests import ManifestFile
from registry.domain.models import Model
from registry.domain.versions import Card, Version, VersionSpec, VersionState
from registry.errors import TooLargeError
from registry.names import VersionName
from registry.names.text import invalid
from registry.ports.blobs import BlobStore
from registry.ports.database import Transaction
from registry.ports.tables import EventQuery
from registry.services.lookups import event, version_of

CARD_PATH = "README.md"
CARD_BYTES_MAX = 1_000_000
SMALL_CARD_BYTES = 16_000
SMALL_CARDS_KEPT = 256
#: How many commits back the authors of a version's content are looked for.
HISTORY_MAX = 1000
#: How many changes of a robot are looked at for who answered for it.
SPONSORS_MAX = 1000

#: See `Versions.undecided`.
Brought: TypeAlias = Sequence[tuple[str, tuple[str, ...]]] | None


class Cards:
    """Reads README.md at the root of a tree; `read_card` parses its bytes.

    Small ones are parsed once: the same bytes always make the same card.
    """

    def __init__(self, *, blobs: BlobStore, read_card: Callable[[bytes], Card]) -> None:
        self._blobs = blobs
        self._read_card = read_card
        self._none = read_card(b"")
        self._read_once = lru_cache(maxsize=SMALL_CARDS_KEPT)(self._read)

    def of(self, files: Sequence[ManifestFile]) -> Card:
        """The card among these files; an empty one where there is none."""
        file = next((file for file in files if file.path == CARD_PATH), None)
        if file is None:
            return self._none
        if file.size_bytes > CARD_BYTES_MAX:
            raise TooLargeError(
                what=CARD_PATH,
                found=f"{file.size_bytes} bytes",
                limit=f"{CARD_BYTES_MAX} bytes",
                fix="Move what is long into another file and link to it from the card.",
            )
        read = self._read_once if file.size_bytes <= SMALL_CARD_BYTES else self._read
        return read(file.sha256, file.size_bytes)

    def _read(self, sha256: str, size_bytes: int) -> Card:
        pieces = self._blobs.open_range(sha256, size_bytes=size_bytes)
        card = self._read_card(b"".join(pieces))
        if "\0" in card.text:
            # PostgreSQL takes no NUL in text, and no reader shows one.
            raise invalid(CARD_PATH, "a NUL character", "a text", "Save the card as plain text.")
        return card


def cut_version(
    tx: Transaction,
    caller: Caller,
    model: Model,
    commit: Commit,
    *,
    uid: str,
    spec: VersionSpec,
    bases: Sequence[VersionName],
    card: Card,
    brought: Brought,
    now_us: int,
) -> Version:
    """Number a commit of a model that is locked, and put it in quarantine. `brought` is what is
    undecided of the commit's first parent."""
    parents = [version_of(tx, name) for name in bases]
    version = tx.versions.insert(
        Version(
            key=0,
            uid=uid,
            model_key=model.key,
            model=model.path,
            namespace=model.namespace,
            number=tx.models.take_number(model, now_us),
            digest=commit.tree,
            commit=commit.id,
            state=VersionState.QUARANTINED,
            registrant=caller.id,
            create_time_us=now_us,
            spec=spec,
            card=card,
            file_count=commit.file_count,
            size_bytes=commit.size_bytes,
            vetting=None,
            yank_reason="",
            yanked_from=None,
            contributors=_contributors(tx, caller, commit, brought, now_us),
        )
    )
    # Nothing is derived from a version that is only now made: its edges close no cycle.
    for base, parent in zip(spec.bases, parents, strict=True):
        tx.lineage.insert(
            LineageEdge(
                child_key=version.key,
                parent_key=parent.key,
                child=version.name,
                parent=parent.name,
                child_namespace=version.namespace,
                parent_namespace=parent.namespace,
                kind=base.kind,
                creator=caller.id,
                create_time_us=now_us,
            )
        )
    detail: dict[str, object] = {"digest": version.digest, "commit": version.commit}
    if spec.bases:
        detail["bases"] = {base.version: base.kind.value for base in spec.bases}
    tx.events.append(event(caller, "version.create", version.name, version.namespace, detail))
    return version


def undecided_before(tx: Transaction, commit: Commit) -> Brought:
    """What is undecided of a commit's first parent."""
    return tx.versions.undecided(commit.model_key, commit.parents[0]) if commit.parents else None


def _contributors(
    tx: Transaction, caller: Caller, commit: Commit, brought: Brought, now_us: int
) -> tuple[str, ...]:
    """The registrant and all who had a hand in it, sorted.

    They are who wrote since the version before, the one cut from the nearest earlier commit; and
    that version's contributors too, as long as its files never were in a stage and bytes of them
    live on in this one: else a trivial commit by somebody else would let them approve what is
    theirs. The author of the commit itself is always among them, also when it is cut a second time.
    """
    authors = {caller.id, commit.author}
    since_us = commit.create_time_us
    if not commit.parents:
        return _with_sponsors(tx, caller, authors, since_us, now_us)
    if brought is None:
        earlier = tx.commits.history(commit.model_key, commit.parents[0], HISTORY_MAX)
        cut = tx.versions.cut_from(commit.model_key, [one.id for one in earlier])
        for one in earlier:
            if one.id in cut:
                brought = tx.versions.undecided(commit.model_key, one.id)
                break
            authors.add(one.author)
            since_us = min(since_us, one.create_time_us)
    for tree, people in brought or ():
        if not authors.issuperset(people) and tx.manifests.share_bytes(tree, commit.tree):
            authors.update(people)
    return _with_sponsors(tx, caller, authors, since_us, now_us)


def _with_sponsors(
    tx: Transaction, caller: Caller, authors: set[str], since_us: int, now_us: int
) -> tuple[str, ...]:
    """These and, sorted, who answers for those of them that are robots, or did when they wrote."""
    sponsors = {caller.principal.sponsor} - {""}
    # Who writes alone, as most do, is not looked up.
    if others := authors - {caller.id}:
        sponsors |= tx.principals.sponsors(others)
    if since_us < now_us and sponsors:
        for author in authors:
            sponsors |= _answered(tx, author, since_us)
    return tuple(sorted(authors | sponsors))


def _answered(tx: Transaction, id: str, since_us: int) -> set[str]:
    """Who has answered for a robot since a moment, as the audit log has it; nobody for a person."""
    found: set[str] = set()
    for action in ("principal.update", "principal.create"):
        query = EventQuery(namespace="", resource=f"principals/{id}", action=action)
        for change in tx.events.list(query, None, SPONSORS_MAX):
            sponsor = json.loads(change.detail_json).get("sponsor", "")
            found |= {sponsor} - {""}
            if sponsor and change.time_us < since_us:
                return found
    return found
