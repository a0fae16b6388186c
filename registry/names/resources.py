"""Resource names, one class a kind: `models/fraud/scorer/versions/7` is a VersionName."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import InitVar, dataclass
from typing import ClassVar, Self

from registry.names.rules import (
    DEFAULT_STAGES,
    HUBS,
    check_commit,
    check_model_path,
    check_namespace,
    check_number,
    check_principal,
    check_ref_name,
    check_stage,
    check_token,
    check_triton_release,
    check_upload,
    parse_number,
)
from registry.names.text import invalid, show


@dataclass(frozen=True, kw_only=True)
class NamespaceName:
    """A namespace that may be claimed; hubs' names are none."""

    FORM: ClassVar[str] = "namespaces/<namespace>"
    namespace: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_namespace(self.namespace, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        return cls(namespace=_own(text, cls.FORM, field), field=field)

    def __str__(self) -> str:
        return f"namespaces/{self.namespace}"


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """A model, internal or mirrored. On the command line it is written as its bare `path`."""

    FORM: ClassVar[str] = "models/<namespace>/<name> or models/<hub>/<upstream id>"
    path: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_model_path(self.path, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        if not text.startswith("models/"):
            raise _misshapen(text, cls.FORM, field)
        return cls(path=text.removeprefix("models/"), field=field)

    @property
    def namespace(self) -> str:
        """The first segment: a claimed namespace, or a hub's name."""
        return self.path.partition("/")[0]

    @property
    def is_mirrored(self) -> bool:
        return self.namespace in HUBS

    @property
    def folded(self) -> str:
        """The unique key: no two models share it."""
        return self.path.casefold()

    def __str__(self) -> str:
        return f"models/{self.path}"


@dataclass(frozen=True, kw_only=True)
class VersionName:
    """A version by its number, counted from 1 within its model and never reused."""

    FORM: ClassVar[str] = "models/<model>/versions/<number>"
    model: ModelName
    number: int
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_number(self.number, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        model, own = _child_of_model(text, cls.FORM, field)
        return cls(model=model, number=parse_number(own, field=field), field=field)

    def __str__(self) -> str:
        return f"{self.model}/versions/{self.number}"


@dataclass(frozen=True, kw_only=True)
class ReadinessName:
    """What is known of a version and a release of Triton."""

    FORM: ClassVar[str] = "models/<model>/versions/<number>/readiness/<release>"
    version: VersionName
    release: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_triton_release(self.release, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        version, word, release = text.rpartition("/readiness/")
        if not word:
            raise _misshapen(text, cls.FORM, field)
        return cls(version=VersionName.parse(version, field=field), release=release, field=field)

    def __str__(self) -> str:
        return f"{self.version}/readiness/{self.release}"


@dataclass(frozen=True, kw_only=True)
class CommitName:
    """A commit by its whole id, 40 lower-case hex digits."""

    FORM: ClassVar[str] = "models/<model>/commits/<40 hex digits>"
    model: ModelName
    commit: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_commit(self.commit, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        model, own = _child_of_model(text, cls.FORM, field)
        return cls(model=model, commit=own, field=field)

    def __str__(self) -> str:
        return f"{self.model}/commits/{self.commit}"


@dataclass(frozen=True, kw_only=True)
class BranchName:
    """A branch. `parse` refuses the policy's stage names; the constructor, for rows, does not."""

    FORM: ClassVar[str] = "models/<model>/branches/<branch>"
    model: ModelName
    branch: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_ref_name(self.branch, stages=(), field=field)

    @classmethod
    def parse(
        cls, text: str, *, stages: Collection[str] = DEFAULT_STAGES, field: str = "name"
    ) -> Self:
        model, own = _child_of_model(text, cls.FORM, field)
        branch = check_ref_name(own, stages=stages, field=field)
        return cls(model=model, branch=branch, field=field)

    def __str__(self) -> str:
        return f"{self.model}/branches/{self.branch}"


@dataclass(frozen=True, kw_only=True)
class ReferenceName:
    """An alias or tag. `parse` refuses the policy's stage names; the constructor does not."""

    FORM: ClassVar[str] = "models/<model>/references/<reference>"
    model: ModelName
    reference: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_ref_name(self.reference, stages=(), field=field)

    @classmethod
    def parse(
        cls, text: str, *, stages: Collection[str] = DEFAULT_STAGES, field: str = "name"
    ) -> Self:
        model, own = _child_of_model(text, cls.FORM, field)
        reference = check_ref_name(own, stages=stages, field=field)
        return cls(model=model, reference=reference, field=field)

    def __str__(self) -> str:
        return f"{self.model}/references/{self.reference}"


@dataclass(frozen=True, kw_only=True)
class StageName:
    """A stage of a model. Only its form is judged; which stages there are, the policy says."""

    FORM: ClassVar[str] = "models/<model>/stages/<stage>"
    model: ModelName
    stage: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_stage(self.stage, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        model, own = _child_of_model(text, cls.FORM, field)
        return cls(model=model, stage=own, field=field)

    def __str__(self) -> str:
        return f"{self.model}/stages/{self.stage}"


@dataclass(frozen=True, kw_only=True)
class NumberedName:
    """What has a number of its own, counted from 1 over the whole server."""

    FORM: ClassVar[str]
    number: int
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_number(self.number, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        own = _own(text, cls.FORM, field)
        return cls(number=parse_number(own, field=field), field=field)

    def __str__(self) -> str:
        return self.FORM.replace("<number>", str(self.number))


class PromotionName(NumberedName):
    """A promotion."""

    FORM: ClassVar[str] = "promotions/<number>"


class PolicyChangeName(NumberedName):
    """A proposal of another policy set."""

    FORM: ClassVar[str] = "policyChanges/<number>"


class WaiverName(NumberedName):
    """A waiver."""

    FORM: ClassVar[str] = "waivers/<number>"


class ReviewName(NumberedName):
    """A review."""

    FORM: ClassVar[str] = "reviews/<number>"


class VettingRerunName(NumberedName):
    """A rerun of vetting."""

    FORM: ClassVar[str] = "vettingReruns/<number>"


class AcceptanceName(NumberedName):
    """An acceptance."""

    FORM: ClassVar[str] = "acceptances/<number>"


@dataclass(frozen=True, kw_only=True)
class UploadName:
    """An upload session."""

    FORM: ClassVar[str] = "uploads/<upload>"
    upload: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_upload(self.upload, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        return cls(upload=_own(text, cls.FORM, field), field=field)

    def __str__(self) -> str:
        return f"uploads/{self.upload}"


@dataclass(frozen=True, kw_only=True)
class PrincipalName:
    """A person or a robot."""

    FORM: ClassVar[str] = "principals/<principal>"
    principal: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_principal(self.principal, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        return cls(principal=_own(text, cls.FORM, field), field=field)

    def __str__(self) -> str:
        return f"principals/{self.principal}"


@dataclass(frozen=True, kw_only=True)
class TokenName:
    """A principal's token by its id; the secret is no part of any name."""

    FORM: ClassVar[str] = "principals/<principal>/tokens/<token>"
    principal: PrincipalName
    token: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_token(self.token, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        parent, own = _child(text, cls.FORM, field)
        return cls(principal=PrincipalName.parse(parent, field=field), token=own, field=field)

    def __str__(self) -> str:
        return f"{self.principal}/tokens/{self.token}"


class CheckpointName(NumberedName):
    """A checkpoint of the audit log."""

    FORM: ClassVar[str] = "checkpoints/<number>"


@dataclass(frozen=True, kw_only=True)
class EventName:
    """An audit event: its shard, counted from 0, and its number there, counted from 1."""

    FORM: ClassVar[str] = "shards/<shard>/events/<number>"
    shard: int
    number: int
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_number(self.shard, least=0, field=field)
        check_number(self.number, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        parent, own = _child(text, cls.FORM, field)
        shard = parse_number(_own(parent, "shards/<shard>", field), least=0, field=field)
        return cls(shard=shard, number=parse_number(own, field=field), field=field)

    def __str__(self) -> str:
        return f"shards/{self.shard}/events/{self.number}"


@dataclass(frozen=True, kw_only=True)
class WebhookName:
    """A webhook; the server made its id."""

    FORM: ClassVar[str] = "webhooks/<webhook>"
    webhook: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_upload(self.webhook, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        return cls(webhook=_own(text, cls.FORM, field), field=field)

    def __str__(self) -> str:
        return f"webhooks/{self.webhook}"


@dataclass(frozen=True, kw_only=True)
class WebhookDeliveryName:
    """An event on its way to a webhook: `<shard>-<number>` of the event, or `test-<number>`."""

    FORM: ClassVar[str] = "webhooks/<webhook>/deliveries/<shard>-<number>"
    webhook: WebhookName
    delivery: str
    field: InitVar[str] = "name"

    def __post_init__(self, field: str) -> None:
        check_upload(self.delivery, field=field)

    @classmethod
    def parse(cls, text: str, *, field: str = "name") -> Self:
        parent, own = _child(text, cls.FORM, field)
        return cls(webhook=WebhookName.parse(parent, field=field), delivery=own, field=field)

    def __str__(self) -> str:
        return f"{self.webhook}/deliveries/{self.delivery}"


def _misshapen(text: str, form: str, field: str) -> Exception:
    return invalid(field, show(text), form, "Write the whole name in this form.")


def _own(text: str, form: str, field: str) -> str:
    """The id in a name of two segments, the first of which is the form's."""
    collection, slash, own = text.partition("/")
    if not slash or collection != form.partition("/")[0]:
        raise _misshapen(text, form, field)
    return own


def _child(text: str, form: str, field: str) -> tuple[str, str]:
    """Parent and own id. Split from the right, as parents have as many segments as they like."""
    parent, _, rest = text.rpartition(f"/{form.rsplit('/', 2)[1]}/")
    if not parent:
        raise _misshapen(text, form, field)
    return parent, rest


def _child_of_model(text: str, form: str, field: str) -> tuple[ModelName, str]:
    parent, own = _child(text, form, field)
    return ModelName.parse(parent, field=field), own
