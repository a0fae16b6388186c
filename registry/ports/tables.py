"""The tables of a unit of work, one a noun: what `ports.database.Transaction` consists of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.domain.access import Reach
from registry.domain.commits import Commit
from registry.domain.events import Event, EventDraft
from registry.domain.lineage import LineageEdge
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.models import Model, ModelFilter, Namespace
from registry.domain.pages import Cursor
from registry.domain.policies import Requirement
from registry.domain.promotions import Decision, Promotion, PromotionState, StagePeriod
from registry.domain.references import Reference, ReferenceKind
from registry.domain.uploads import Upload, UploadFile
from registry.domain.usage import PrincipalUsage, VersionUsage
from registry.domain.versions import Card, Evaluation, Standing, Version, VersionState, Vetting


class Namespaces(Protocol):
    def insert(self, namespace: Namespace) -> Namespace | None:
        """The stored value, or None where the id is taken."""

    def get(self, id: str) -> Namespace | None: ...

    def list(self, reach: Reach, after: Cursor | None, limit: int) -> Sequence[Namespace]:
        """Those that are within reach, by id, behind `after` = (id,); models do not count."""

    def update(self, namespace: Namespace, expected_etag: str) -> bool:
        """Store description, owner, etag, update time if the stored etag is the expected one."""

    def delete(self, key: int) -> None: ...

    def holds_models(self, id: str) -> bool: ...


class Models(Protocol):
    def insert(self, model: Model, folded: str) -> Model | None:
        """The stored value, or None where a path is taken that folds to the same. Its numbers
        begin behind those that earlier models of this name gave out."""

    def get(self, path: str) -> Model | None: ...

    def get_folded(self, folded: str) -> Model | None: ...

    def lock(self, path: str) -> Model | None:
        """The model without its stages; until the transaction ends nobody else locks it."""

    def list(
        self,
        reach: Reach,
        where: ModelFilter,
        order: str,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Model]:
        """Models within reach. Order: name, create_time, update_time, likes,
        downloads, each also with " desc"; ties by path, upwards in either direction. `after` =
        (path,) for name, else (value, path). Text is looked for in path and description."""

    def update(self, model: Model, expected_etag: str) -> bool:
        """Store fields, etag and update time if the stored etag is the expected one."""

    def take_number(self, model: Model, time_us: int) -> int:
        """Take the model's next version number, never given out before for this name, and set its
        latest version and update time. `model` is as `lock` returned it in this unit of work, and
        good for one number."""

    def delete(self, key: int) -> None:
        """The model with its versions, commits, references, promotions, history, evaluations,
        lineage, likes and downloads. The numbers it gave out stay taken. Edges of other models'
        children keep naming its versions, without a key."""


class Manifests(Protocol):
    def save(self, manifest: Manifest) -> None:
        """Keep the files under the manifest's digest; one that is there already stays."""

    def get(self, digest: str) -> Manifest | None: ...

    def get_many(self, digests: Collection[str]) -> Mapping[str, Manifest]:
        """Those that are there, by digest, with all their files: so mind how many these are."""

    def files(self, digest: str, after: Cursor | None, limit: int) -> Sequence[ManifestFile]:
        """By path in byte order, behind `after` = (path,)."""

    def share_bytes(self, digest: str, other: str) -> bool:
        """Whether a file of one, not empty, has the same bytes as one of the other."""

    def find(self, digest: str, paths: Collection[str]) -> Sequence[ManifestFile]:
        """Those of the paths that the manifest has, by path."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a new commit on a branch stands on; it stays so until the transaction ends."""

    #: Without its stages.
    model: Model
    #: What the branch's name, in any case, means now; None where it is free.
    taken_by: Reference | None
    #: As `Versions.undecided` says of the branch's head; None also where there is no head.
    undecided: Sequence[tuple[str, tuple[str, ...]]] | None
    #: Whether the manifest that was asked for is stored.
    has_tree: bool
    #: Whether all blobs that were asked for were sent to the model's namespace.
    all_granted: bool
    #: Of the active set.
    policy_digest: str


class Commits(Protocol):
    def ground(
        self, model: str, branch: str, *, tree: str, sha256s: Collection[str]
    ) -> Ground | None:
        """Lock the model as `Models.lock` does, and look at all that a commit on this branch
        depends on; None where there is no such model."""

    def insert(self, commit: Commit) -> None:
        """Where the model has a commit with this id, that one stays as it is."""

    def get(self, model_key: int, id: str) -> Commit | None: ...

    def by_prefix(self, model_key: int, prefix: str) -> Sequence[Commit]:
        """At most two whose id starts so."""

    def history(self, model_key: int, id: str, limit: int) -> Sequence[Commit]:
        """The commit and its first parents, newest first."""


class Versions(Protocol):
    """Versions come back without the text of their card, which only `text_of_card` reads, and with
    at most 100 references, the first by name."""

    def insert(self, version: Version) -> Version: ...

    def get(self, model: str, number: int) -> Version | None:
        """With the stages and references that point to it."""

    def by_key(self, key: int) -> Version | None: ...

    def by_keys(self, keys: Collection[int]) -> Mapping[int, Version]:
        """Those that are there, by key; in one question, as all that take many."""

    def by_names(self, names: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Version]:
        """Those that are there, by path of the model and number."""

    def lock(self, model: str, number: int) -> Version | None:
        """As get, and until the transaction ends nobody else locks this version."""

    def lock_many(self, keys: Collection[int]) -> Mapping[int, Standing]:
        """As lock, those that are there, and how each stands then. They are locked in the order of
        their keys, so that two who lock several never wait for each other."""

    def newest(self, model: str, *, digest: str = "", commit_prefix: str = "") -> Sequence[Version]:
        """Those with this digest, or whose commit starts so; RELEASED first, then newest first;
        at most 100. With stages and references."""

    def resolve(self, model: str, name: str) -> tuple[Version, Reference, int | None] | None:
        """The version that a stage, alias, tag or branch points to, with the reference; for a
        stage the number of the promotion that put it there. One statement on the hot path."""

    def list(
        self,
        model: str,
        *,
        state: VersionState | None,
        digest: str,
        oldest_first: bool,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Version]:
        """By number, behind `after` = (number,). With stages and references."""

    def set_state(
        self,
        key: int,
        state: VersionState,
        *,
        yank_reason: str = "",
        yanked_from: VersionState | None = None,
    ) -> None: ...

    def set_vetting(self, judged: Iterable[tuple[int, Vetting, VersionState]]) -> None:
        """Record, by key of a version, the verdict and the state that it leads to."""

    def unvetted(
        self, rules_digest: str, limit: int, *, but: Collection[int] = ()
    ) -> Sequence[Version]:
        """Quarantined versions without a verdict under these rules, oldest first, but for some by
        key."""

    def vetted(self, after: int, limit: int) -> Sequence[Version]:
        """Versions that wait for the gate release, by key, behind the key `after`."""

    def add_evaluation(self, version_key: int, evaluation: Evaluation) -> Evaluation: ...

    def evaluations(
        self, version_key: int, after: Cursor | None, limit: int
    ) -> Sequence[Evaluation]:
        """Newest first by key, behind `after` = (key,)."""

    def evaluation_count(self, version_key: int) -> int: ...

    def text_of_card(self, key: int) -> Card: ...

    def cut_from(self, model_key: int, commit_ids: Collection[str]) -> set[str]:
        """Those of the model's commits that a version was cut from."""

    def undecided(
        self, model_key: int, commit_id: str
    ) -> Sequence[tuple[str, tuple[str, ...]]] | None:
        """Digest and contributors of the versions cut from a commit whose files never were in a
        stage of the model: nobody has decided on those bytes yet. None where no version was cut
        from the commit."""


class References(Protocol):
    """Aliases, tags and branches. No method here can touch a stage."""

    def get(self, model: str, id: str) -> Reference | None:
        """The one whose id is equal but for case: ids of a model differ in more than case."""

    def list(
        self, model: str, kind: ReferenceKind | None, after: Cursor | None, limit: int
    ) -> Sequence[Reference]:
        """By id, behind `after` = (id,)."""

    def put(
        self,
        model_key: int,
        reference: Reference,
        *,
        version_key: int | None,
        commit_id: str | None,
    ) -> None:
        """Create or move. One that is there keeps the spelling of its id."""

    def delete(self, model_key: int, id: str) -> None: ...


class Stages(Protocol):
    """What is in a stage, and what was when. The only writer of stages."""

    def current(self, model: str, stage: str) -> StagePeriod | None: ...

    def of_model(self, model: str) -> Sequence[StagePeriod]:
        """The open period of each stage that is set, by stage."""

    def move(self, model_key: int, period: StagePeriod) -> StagePeriod:
        """End the open period of the stage, if there is one, at the new one's start."""

    def clear(self, model_key: int, stage: str, time_us: int) -> StagePeriod | None:
        """End the open period and leave the stage empty; the period that was ended."""

    def history(
        self, model: str, stage: str, after: Cursor | None, limit: int
    ) -> Sequence[StagePeriod]:
        """Newest first by key, behind `after` = (key,)."""

    def at(self, model: str, stage: str, time_us: int) -> StagePeriod | None: ...

    def holds(self, version_key: int) -> Sequence[str]:
        """The stages that a version is in now."""


class Promotions(Protocol):
    def insert(self, promotion: Promotion) -> Promotion:
        """The stored value with its number."""

    def get(self, number: int) -> Promotion | None:
        """With its decisions."""

    def lock(self, number: int) -> Promotion | None: ...

    def list(
        self,
        *,
        patterns: Reach,
        model: str,
        state: PromotionState | None,
        stage: str,
        now_us: int,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Promotion]:
        """Newest first by number, behind `after` = (number,). `state` as it is at `now_us`. With
        an empty model, those within reach."""

    def open_of(self, version_key: int, stage: str, now_us: int) -> Sequence[Promotion]:
        """Those still pending; of all stages with an empty one."""

    def put_decision(self, number: int, decision: Decision) -> None:
        """Record it, in place of an earlier one by the same person."""

    def set_state(self, number: int, state: PromotionState, end_time_us: int) -> None: ...

    def set_waiting(self, number: int, waiting: Sequence[Requirement]) -> None:
        """What it still waits for, after a decision that left it open."""

    def overdue(self, now_us: int, limit: int) -> Sequence[Promotion]:
        """Pending ones whose time has run out."""


class Lineage(Protocol):
    def lock(self) -> None:
        """Serialise writers, so that two edges cannot close a cycle between them."""

    def insert(self, edge: LineageEdge) -> bool:
        """False where the pair has an edge already; its kind is then set to this one's."""

    def delete(self, child_key: int, parent: str) -> bool:
        """By the parent's name, since the parent may be gone; False where there was none."""

    def above(self, version_keys: Collection[int]) -> Sequence[LineageEdge]:
        """Edges whose child is one of these, by child, then parent name."""

    def below(self, version_keys: Collection[int]) -> Sequence[LineageEdge]: ...


class Uploads(Protocol):
    def insert(self, upload: Upload) -> Upload: ...

    def get(self, id: str) -> Upload | None:
        """With all its files, by path."""

    def lock(self, id: str) -> Upload | None:
        """As get, and until the transaction ends nobody else locks this session."""

    def find(self, id: str, sha256: str) -> Upload | None:
        """As get, with only those of its files that have this digest: asked for each piece that
        arrives, while a session may have 100,000 files."""

    def awaiting_count(self, creator: str, now_us: int) -> int:
        """How many sessions of a principal wait for bytes, have not ended nor run out of time."""

    def awaited_bytes(self, creator: str, now_us: int) -> int:
        """For how many bytes these sessions wait, each session's by itself."""

    def add_files(self, key: int, files: Sequence[UploadFile], digest: str) -> None:
        """Add files to a session, whose digest is then this one."""

    def mark_stored(self, key: int, sha256: str, expire_time_us: int) -> None:
        """All files of the session with this digest are stored; it lives on until then."""

    def extend(self, key: int, expire_time_us: int) -> None: ...

    def end(self, key: int) -> None: ...

    def overdue(self, now_us: int, limit: int) -> Sequence[Upload]:
        """Not ended and out of time."""


class BlobGrants(Protocol):
    """Which namespaces may refer to a blob. Knowing a digest grants nothing."""

    def add(self, namespace: str, sha256s: Collection[str]) -> None:
        """The bytes were sent to this namespace, or are in a commit of it; repeats safely."""

    def forget(self, namespace: str) -> None:
        """Nothing was sent to this namespace: it is given back."""

    def known(self, namespace: str, sha256s: Collection[str]) -> set[str]:
        """Those that were sent to this namespace."""

    def fetchable(self, reach: Reach, sha256s: Collection[str]) -> set[str]:
        """Those in a RELEASED version of a model within reach."""

    def referenced(self, sha256s: Collection[str]) -> set[str]:
        """Those in any manifest that a commit or version uses, or in a live upload session."""


class UsageTable(Protocol):
    def record_download(self, id: str, version_key: int, principal: str, time_us: int) -> bool:
        """Count one download; False where this id was counted before."""

    def by_version(self, model_key: int, limit: int) -> Sequence[VersionUsage]: ...

    def by_principal(self, model_key: int, limit: int) -> Sequence[PrincipalUsage]: ...

    def like(self, model_key: int, principal: str, time_us: int) -> bool: ...

    def unlike(self, model_key: int, principal: str) -> bool: ...

    def likes(self, model_key: int) -> int: ...

    def liked(self, model_key: int, principal: str) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class EventQuery:
    #: None: all namespaces, registry-wide events included.
    namespace: str | None
    resource: str = ""
    actor: str = ""
    action: str = ""
    start_time_us: int | None = None
    end_time_us: int | None = None
    oldest_first: bool = False


class Events(Protocol):
    def append(self, draft: EventDraft) -> None:
        """Chained and stored when the unit of work commits, in the order of the calls. The shard's
        head is locked only then, so that writers wait for each other as briefly as can be."""

    def list(self, query: EventQuery, after: Cursor | None, limit: int) -> Sequence[Event]:
        """By (time, shard, number), behind `after` = that triple."""

    def shard(self, shard: int, after_number: int, limit: int) -> Sequence[Event]:
        """By number."""

    def hashes(self, shard: int, after_number: int, limit: int) -> Sequence[str]:
        """As shard, the hashes alone."""

    def heads(self) -> Sequence[tuple[int, int, str]]:
        """(shard, number, hash) of the last event of each shard that has any, by shard."""

    def astray(self) -> tuple[int, int] | None:
        """Shard and number of the first event that stands behind its shard's head, before number 1,
        or in no shard; None where there is none. Goes through all events."""


@dataclass(frozen=True, kw_only=True)
class DoneRequest:
    """What a request with a request_id did: enough to answer a repeat."""

    fingerprint: str
    #: The name of the resource that it created.
    result: str


class Requests(Protocol):
    def find(self, principal: str, method: str, request_id: str) -> DoneRequest | None: ...

    def save(
        self,
        principal: str,
        method: str,
        request_id: str,
        done: DoneRequest,
        time_us: int,
    ) -> bool:
        """False where another call saved this id first."""

    def forget(self, principal: str, method: str, request_id: str) -> None:
        """Free an id, where what it created is of no use any more."""

    def purge(self, before_us: int) -> int:
        """Forget old ones; how many."""


@dataclass(frozen=True, kw_only=True)
class StageFact:
    """An open stage period and what proves it."""

    model: str
    stage: str
    version_number: int
    version_state: VersionState
    #: How many approvals of this digest the promotion holds, or reviews of its broken glass.
    approvals: int
    #: The promotion's state; None where the period names none.
    promotion_state: PromotionState | None


class Inspection(Protocol):
    """What a check of the whole registry reads, in pages by key; nothing else needs it."""

    def problems(self) -> Sequence[str]:
        """What the database finds wrong with itself: damaged pages, rows that refer to nothing."""

    def manifests(self, after: str, limit: int) -> Sequence[str]:
        """Digests, behind one."""

    def versions(self, after_key: int, limit: int) -> Sequence[Version]:
        """Of all models, by key, without stages and references."""

    def open_stages(self) -> Sequence[StageFact]: ...
