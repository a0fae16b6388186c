"""Values of what people decide on beside promotions, and of what waits; as `values.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from registry.client.values import Decision, Requirement


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """`decision` is None until somebody decided."""

    name: str
    rule: str
    target: str
    digest: str
    stage: str
    reason: str
    state: str
    requester: str
    decision: Decision | None
    create_time: datetime | None
    expire_time: datetime | None
    end_time: datetime | None
    #: Granted, and no longer counted, since the policy or the vetting result has changed.
    lapsed: bool

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("waivers/"))


@dataclass(frozen=True, kw_only=True)
class ModelTerms:
    model: str
    label: str
    text: str
    url: str
    validity_days: int
    approval_required: bool
    digest: str
    create_time: datetime | None
    creator: str


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """`decision` is None where nobody had to approve, or has yet."""

    name: str
    model: str
    principal: str
    requester: str
    terms_digest: str
    terms_label: str
    reason: str
    state: str
    decision: Decision | None
    create_time: datetime | None
    expire_time: datetime | None
    end_time: datetime | None

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("acceptances/"))


@dataclass(frozen=True, kw_only=True)
class Review:
    """What is said afterwards of a stage that was moved without the decisions asked for."""

    name: str
    promotion: str
    version: str
    digest: str
    stage: str
    requester: str
    reason: str
    rules: tuple[str, ...]
    state: str
    decisions: tuple[Decision, ...]
    create_time: datetime | None
    due_time: datetime | None
    end_time: datetime | None

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("reviews/"))


@dataclass(frozen=True, kw_only=True)
class InboxItem:
    """Something that waits for a decision. `version_state` is empty where there is no version."""

    kind: str
    name: str
    subject: str
    stage: str
    rule: str
    requester: str
    reason: str
    since_time: datetime | None
    due_time: datetime | None
    waiting: tuple[Requirement, ...]
    approval_count: int
    version_state: str
    verdict: str
    finding_count: int
    principal: str
    triton_ready: tuple[str, ...]

    @property
    def number(self) -> int:
        return int(self.name.rpartition("/")[2])
