"""Versions: immutable, numbered snapshots, and where each may go from its state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from registry.errors import InvalidStateError


class VersionState(StrEnum):
    QUARANTINED = "quarantined"
    VETTED = "vetted"
    REJECTED = "rejected"
    RELEASED = "released"
    RECALLED = "recalled"
    YANKED = "yanked"


#: Every move a version can make. RECALLED is final; a yank remembers where it came from.
MOVES: dict[VersionState, frozenset[VersionState]] = {
    VersionState.QUARANTINED: frozenset(
        {
            VersionState.VETTED,
            VersionState.REJECTED,
            VersionState.RECALLED,
            VersionState.YANKED,
        }
    ),
    VersionState.VETTED: frozenset(
        {
            VersionState.RELEASED,
            VersionState.QUARANTINED,
            VersionState.REJECTED,
            VersionState.RECALLED,
            VersionState.YANKED,
        }
    ),
    VersionState.REJECTED: frozenset(
        {VersionState.QUARANTINED, VersionState.RECALLED, VersionState.YANKED}
    ),
    VersionState.RELEASED: frozenset(
        {VersionState.QUARANTINED, VersionState.RECALLED, VersionState.YANKED}
    ),
    VersionState.YANKED: frozenset(
        {
            VersionState.QUARANTINED,
            VersionState.VETTED,
            VersionState.REJECTED,
            VersionState.RELEASED,
            VersionState.RECALLED,
        }
    ),
    VersionState.RECALLED: frozenset(),
}


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


class LineageKind(StrEnum):
    FINETUNE = "finetune"
    ADAPTER = "adapter"
    MERGE = "merge"
    QUANTIZED = "quantized"
    CONVERTED = "converted"
    MIRRORED = "mirrored"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    name: str
    digest: str = ""
    uri: str = ""
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class CodeRevision:
    repository: str = ""
    revision: str = ""
    dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class Base:
    """A declared parent: `models/.../versions/{n}` and how the child came from it."""

    version: str
    kind: LineageKind


@dataclass(frozen=True, kw_only=True)
class VersionSpec:
    """What the registrant says of a version; pairs are sorted by key."""

    description: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    metrics: tuple[tuple[str, float], ...] = ()
    datasets: tuple[Dataset, ...] = ()
    code: CodeRevision = CodeRevision()
    run_url: str = ""
    bases: tuple[Base, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Card:
    """README.md at the root, as the server read it."""

    #: The metadata block as canonical JSON; "{}" where there is none.
    metadata_json: str = "{}"
    text: str = ""
    license: str = ""
    base_models: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fact from one check. `fails`: this alone fails the version; `doubts`: it alone keeps the
    verdict from being a pass; neither: worth a look, no more."""

    rule: str
    message: str
    path: str = ""
    fix: str = ""
    fails: bool = True
    doubts: bool = False
    #: The way through containers to where it was found; empty: the file itself.
    member: str = ""
    #: Bytes from the start of the member, or of the file.
    offset: int | None = None


@dataclass(frozen=True, kw_only=True)
class Vetting:
    verdict: Verdict
    findings: tuple[Finding, ...]
    rules_digest: str
    time_us: int


class Standing(NamedTuple):
    """What of a version may change, as far as vetting goes by it."""

    state: VersionState
    yanked_from: VersionState | None
    #: Of its verdict; None where it has none.
    rules_digest: str | None


@dataclass(frozen=True, kw_only=True)
class Version:
    key: int
    uid: str
    model_key: int
    #: Path of the model, without `models/`.
    model: str
    namespace: str
    number: int
    #: "sha256:..." of the canonical manifest.
    digest: str
    commit: str
    state: VersionState
    registrant: str
    create_time_us: int
    spec: VersionSpec
    card: Card
    file_count: int
    size_bytes: int
    vetting: Vetting | None
    yank_reason: str
    #: The state before the yank; None unless YANKED.
    yanked_from: VersionState | None
    #: The registrant and the authors of the commits since the version before, sorted.
    contributors: tuple[str, ...]
    #: How many of the spec's bases are left out for a reader who may not see them.
    hidden_base_count: int = 0
    #: Names that point here now; filled by reads that show them.
    stages: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    #: Of the terms that the model has now, under which alone its files may be fetched; empty for
    #: none.
    terms_digest: str = ""
    #: Of one that is doubted, when its period of grace ends; filled by reads that show it.
    grace_end_us: int | None = None

    @property
    def name(self) -> str:
        return f"models/{self.model}/versions/{self.number}"

    @property
    def model_name(self) -> str:
        return f"models/{self.model}"

    @property
    def standing(self) -> Standing:
        return Standing(
            state=self.state,
            yanked_from=self.yanked_from,
            rules_digest=None if self.vetting is None else self.vetting.rules_digest,
        )

    @property
    def is_doubted(self) -> bool:
        """Whether it is RELEASED, or was YANKED from there, and vetting has turned against it."""
        was = self.yanked_from if self.state is VersionState.YANKED else self.state
        is_against = self.vetting is not None and self.vetting.verdict is not Verdict.PASS
        return was is VersionState.RELEASED and is_against

    @property
    def ref(self) -> str:
        """As people write it: fraud/scorer@7."""
        return f"{self.model}@{self.number}"


def require_move(version: Version, to: VersionState, *, action: str, fix: str) -> None:
    """Raise InvalidStateError unless the version may move to a state."""
    if to not in MOVES[version.state]:
        allowed = sorted(state.value for state, nexts in MOVES.items() if to in nexts)
        raise InvalidStateError(
            name=version.name,
            action=action,
            found=version.state.value.upper(),
            allowed=", ".join(a.upper() for a in allowed),
            fix=fix,
        )


def require_fetchable(version: Version, *, by_digest: bool) -> None:
    """Raise InvalidStateError unless the version's bytes may leave.

    RELEASED ones may; a YANKED one may when it was released before and the caller names its digest,
    since whoever runs it must be able to go on.
    """
    if version.state is VersionState.RELEASED:
        return
    runs = version.state is VersionState.YANKED and version.yanked_from is VersionState.RELEASED
    if runs and by_digest:
        return
    fix = {
        VersionState.QUARANTINED: "Wait for its verdict: hallmark version show " + version.ref,
        VersionState.VETTED: "It passed vetting and waits for the release gate.",
        VersionState.YANKED: "It was withdrawn: " + version.yank_reason + ". Take a newer version, "
        "or name this one by its digest if you run it.",
    }.get(version.state, "Take another version: hallmark version list " + version.model)
    raise InvalidStateError(
        name=version.name,
        action="be fetched",
        found=version.state.value.upper(),
        allowed="RELEASED",
        fix=fix,
    )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A measured result, bound to a version's digest."""

    key: int
    uid: str
    version: str
    digest: str
    evaluation: str
    metrics: tuple[tuple[str, float], ...]
    dataset: Dataset
    tool: str
    reporter: str
    create_time_us: int
