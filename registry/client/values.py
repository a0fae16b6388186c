"""What the client returns: frozen values with the fields of the API's messages, name for name.

Times are aware datetimes in UTC, None where unset. States, kinds and roles are the lower-case words
of `registry.domain` (compare with its enumerations); one that this release does not know is
"unknown", to be taken for the most restricted. proto/registry/v1 says what each field means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    version: str
    http_url: str
    exclusive_stages: tuple[str, ...]
    policy_digest: str
    database: str
    schema_revision: str
    development: bool
    file_size_bytes_max: int
    password_login: bool


@dataclass(frozen=True, kw_only=True)
class Grant:
    role: str
    namespace_pattern: str
    deny: bool = False


@dataclass(frozen=True, kw_only=True)
class Scope:
    action: str
    model: str = "*"
    stage: str = "*"


@dataclass(frozen=True, kw_only=True)
class Principal:
    name: str
    uid: str
    kind: str
    display_name: str
    grants: tuple[Grant, ...]
    disabled: bool
    etag: str
    create_time: datetime | None
    update_time: datetime | None
    sponsor: str = ""

    @property
    def id(self) -> str:
        return self.name.removeprefix("principals/")


@dataclass(frozen=True, kw_only=True)
class Token:
    name: str
    label: str
    create_time: datetime | None
    expire_time: datetime | None
    revoke_time: datetime | None
    last_use_time: datetime | None
    creator: str
    scopes: tuple[Scope, ...] = ()
    makers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewToken:
    """A token and, this once, its secret; empty where the reply repeats an earlier one."""

    token: Token
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Caller:
    principal: Principal
    token: Token | None
    #: Held in the company's directory, and what these are given at the registry.
    groups: tuple[str, ...]
    group_grants: tuple[Grant, ...]


@dataclass(frozen=True, kw_only=True)
class NewLogin:
    caller: Caller
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class RoleRow:
    role: str
    actions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AccessRow:
    grant: Grant
    from_group: bool


@dataclass(frozen=True, kw_only=True)
class TokenAccess:
    token: str
    label: str
    covers: bool
    scope: Scope | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why somebody may do something, or may not."""

    allowed: bool
    rows: tuple[AccessRow, ...]
    roles: tuple[str, ...]
    tokens: tuple[TokenAccess, ...]
    disabled: bool
    own_right: bool


@dataclass(frozen=True, kw_only=True)
class Namespace:
    name: str
    uid: str
    description: str
    owner: str
    etag: str
    create_time: datetime | None
    update_time: datetime | None
    creator: str

    @property
    def id(self) -> str:
        return self.name.removeprefix("namespaces/")


@dataclass(frozen=True, kw_only=True)
class Model:
    name: str
    uid: str
    description: str
    task: str
    library: str
    license: str
    tags: tuple[str, ...]
    languages: tuple[str, ...]
    owners: tuple[str, ...]
    etag: str
    create_time: datetime | None
    update_time: datetime | None
    creator: str
    latest_version: int
    stages: Mapping[str, int]
    like_count: int
    download_count: int

    @property
    def path(self) -> str:
        """As people write it: fraud/scorer."""
        return self.name.removeprefix("models/")


@dataclass(frozen=True, kw_only=True)
class File:
    path: str
    size_bytes: int
    sha256: str
    media_type: str = ""


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
    """A declared parent; `version` may be any reference when it is given to `push`."""

    version: str
    kind: str = "finetune"


@dataclass(frozen=True, kw_only=True)
class VersionSpec:
    description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()
    code: CodeRevision = CodeRevision()
    run_url: str = ""
    bases: tuple[Base, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Card:
    metadata_json: str
    license: str
    base_models: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    rule: str
    path: str
    message: str
    fix: str
    fails: bool
    doubts: bool
    member: str
    offset: int | None


@dataclass(frozen=True, kw_only=True)
class Vetting:
    """`verdict` is empty while vetting has not run."""

    verdict: str
    findings: tuple[Finding, ...]
    rules_digest: str
    time: datetime | None
    grace_end_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class Version:
    name: str
    uid: str
    number: int
    digest: str
    commit: str
    state: str
    registrant: str
    create_time: datetime | None
    spec: VersionSpec
    card: Card
    file_count: int
    size_bytes: int
    vetting: Vetting
    yank_reason: str
    stages: tuple[str, ...]
    references: tuple[str, ...]
    contributors: tuple[str, ...]
    hidden_base_count: int = 0

    @property
    def model(self) -> str:
        """The model as people write it: fraud/scorer."""
        return self.name.removeprefix("models/").rpartition("/versions/")[0]

    @property
    def ref(self) -> str:
        """As people write it: fraud/scorer@7."""
        return f"{self.model}@{self.number}"


@dataclass(frozen=True, kw_only=True)
class FileChange:
    base: File
    other: File


@dataclass(frozen=True, kw_only=True)
class ValueChange:
    key: str
    base: str
    other: str


@dataclass(frozen=True, kw_only=True)
class VersionDiff:
    added: tuple[File, ...]
    removed: tuple[File, ...]
    changed: tuple[FileChange, ...]
    renamed: tuple[FileChange, ...]
    added_count: int
    removed_count: int
    changed_count: int
    renamed_count: int
    equal_count: int
    new_bytes: int
    card: tuple[ValueChange, ...]
    metrics: tuple[ValueChange, ...]
    parameters: tuple[ValueChange, ...]
    tensors: tuple[ValueChange, ...]
    config: tuple[ValueChange, ...]
    template: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    uid: str
    version: str
    digest: str
    evaluation: str
    metrics: Mapping[str, float]
    dataset: Dataset
    tool: str
    reporter: str
    create_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    digest: str
    canonical_json: bytes


@dataclass(frozen=True, kw_only=True)
class Commit:
    name: str
    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    create_time: datetime | None
    message: str
    file_count: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Reference:
    name: str
    id: str
    kind: str
    target: str
    digest: str
    update_time: datetime | None
    updater: str


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a reference means now. `kind` is empty for a number, digest or commit."""

    version: Version
    kind: str
    promotion: str
    since_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class Decision:
    outcome: str
    decider: str
    roles: tuple[str, ...]
    digest: str
    policy_digest: str
    comment: str
    conditions: tuple[str, ...]
    expire_time: datetime | None
    create_time: datetime | None
    groups: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Requirement:
    rule: str
    message: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """`name` is empty where the promotion was only validated."""

    name: str
    version: str
    digest: str
    stage: str
    state: str
    requester: str
    note: str
    decisions: tuple[Decision, ...]
    waiting: tuple[Requirement, ...]
    previous_version: int
    create_time: datetime | None
    expire_time: datetime | None
    end_time: datetime | None
    break_glass: bool

    @property
    def number(self) -> int:
        """0 where it was only validated."""
        return int(self.name.removeprefix("promotions/") or 0)


@dataclass(frozen=True, kw_only=True)
class StagePeriod:
    version: str
    digest: str
    stage: str
    start_time: datetime | None
    end_time: datetime | None
    promotion: str
    mover: str
    note: str
    rollback: bool
    previous_version: int


@dataclass(frozen=True, kw_only=True)
class LineageEdge:
    child: str
    parent: str
    kind: str
    creator: str
    create_time: datetime | None
    depth: int


@dataclass(frozen=True, kw_only=True)
class Event:
    name: str
    time: datetime | None
    actor: str
    action: str
    resource: str
    namespace: str
    detail_json: str
    previous_hash: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class ShardHead:
    shard: int
    number: int
    hash: str


@dataclass(frozen=True, kw_only=True)
class NewBeginning:
    """A checkpoint by another key than the one that had to sign, since that was lost."""

    checkpoint: str
    time: datetime | None
    lost_key: str
    public_key: str


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    event_count: int
    shard_count: int
    heads: tuple[ShardHead, ...]
    checkpoint_count: int = 0
    beginnings: tuple[NewBeginning, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VersionUsage:
    version: str
    download_count: int
    last_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class PrincipalUsage:
    principal: str
    version: str
    download_count: int
    last_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class Usage:
    model: str
    download_count: int
    like_count: int
    liked: bool
    versions: tuple[VersionUsage, ...]
    principals: tuple[PrincipalUsage, ...]


@dataclass(frozen=True, kw_only=True)
class UploadFile:
    file: File
    offset_bytes: int
    state: str
    #: Whoever has it may send; not shown.
    url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Upload:
    name: str
    model: str
    state: str
    files: tuple[UploadFile, ...]
    expire_time: datetime | None
    digest: str


@dataclass(frozen=True, kw_only=True)
class Download:
    file: File
    #: Whoever has it may fetch; not shown.
    url: str = field(repr=False)
